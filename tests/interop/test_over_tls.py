"""TLS with clients that negotiate a protocol by it (ALPN), as browsers do."""

import socket
import ssl
from pathlib import Path

import pytest
from router_process import RouterProcess


@pytest.mark.parametrize(
    ("offered", "selected"),
    [(["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), (["mqtt"], None), ([], None)],
)
@pytest.mark.parametrize("kind", ["websocket", "rawsocket"])
def test_alpn(
    router: RouterProcess, certificate: Path, kind: str, offered: list[str], selected: str | None
) -> None:
    """A client that offers HTTP/1.1 gets it; one that offers only what is not spoken here gets none."""
    websocket_port = int(router.websocket_tls.rpartition(":")[2].partition("/")[0])
    port = websocket_port if kind == "websocket" else router.rawsocket_tls
    context = ssl.create_default_context(cafile=str(certificate))
    context.set_alpn_protocols(offered)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        assert connection.selected_alpn_protocol() == selected
        assert connection.version() in ("TLSv1.2", "TLSv1.3")
