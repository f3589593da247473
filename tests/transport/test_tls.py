"""TLS on a running node: what is accepted, and certificates that are renewed."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from node_bench import WEBSOCKET, Bench
from tls_bench import certify, endpoint, handshake, name_of, trusting
from twisted.internet import reactor as default_reactor
from twisted.internet.threads import deferToThread
from wamp_client import connect, dial, soon, until

import router.reload

# Twisted hands pyOpenSSL what pyOpenSSL has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

asynchronous: Any = pytest_twisted.ensureDeferred
reactor: Any = default_reactor


def secure(bench: Bench, **settings: Any) -> Any:
    certify(bench.directory, "one")
    return bench.node(transports=[{**WEBSOCKET, "endpoint": endpoint(bench.directory)}], **settings)


@asynchronous
async def test_a_session_over_tls(bench: Bench) -> None:
    node = secure(bench)
    client = await (await connect(node.ports["ws"], "cbor", tls=trusting(bench.directory))).join()
    assert await client.call("wamp.session.list") == [client.session_id]
    await client.leave()
    assert f"wss://127.0.0.1:{node.ports['ws'].getHost().port}/ws" in "\n".join(bench.log.lines("info"))


@asynchronous
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_the_oldest_version_is_1_2(bench: Bench) -> None:
    """TLS 1.1 is refused by the server, with the alert that says so."""
    port = secure(bench).ports["ws"].getHost().port
    for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        assert await soon(deferToThread(handshake, port, version)) == (name, "one")
    with pytest.raises(ssl.SSLError, match=r"(?i)alert.protocol.version"):
        await soon(deferToThread(handshake, port, ssl.TLSVersion.TLSv1_1))


@asynchronous
async def test_a_connection_that_speaks_no_tls_is_closed(bench: Bench) -> None:
    """Nothing is logged as a failure, and nothing stays open."""
    node = secure(bench)
    dialog = await dial(node.ports["ws"], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await dialog.rest()
    await until(lambda: not node.listeners[0].connections)


@asynchronous
async def test_a_renewed_certificate_is_used_for_new_connections(bench: Bench) -> None:
    """Because the file changed; open connections stay as they are."""
    node = secure(bench, reload_interval_ms=20)
    client = await (await connect(node.ports["ws"], tls=trusting(bench.directory))).join()
    assert await name_of(node) == "one"
    certify(bench.directory, "two")
    await until(lambda: any("reloaded" in line for line in bench.log.lines()))
    while await name_of(node) != "two":  # both files were not written at once
        certify(bench.directory, "two")
    assert await client.call("wamp.session.count") == 1
    await client.leave()


@asynchronous
async def test_a_certificate_that_cannot_be_read_leaves_the_old_one(bench: Bench) -> None:
    node = secure(bench)
    (bench.directory / "cert.pem").write_text("no certificate")
    await soon(node.reload())
    assert await name_of(node) == "one"
    assert bench.log.lines("error")
    certify(bench.directory, "three")
    await soon(node.reload())
    assert await name_of(node) == "three"


@asynchronous
async def test_a_certificate_that_breaks_right_after_it_was_checked(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transport keeps its old one, and the rest of the configuration is taken."""
    node = secure(bench)
    before = node.configuration
    load = router.reload.load

    def load_and_break(directory: Path, **more: Any) -> Any:
        configuration = load(directory, **more)
        (bench.directory / "key.pem").write_text("no key")
        return configuration

    monkeypatch.setattr(router.reload, "load", load_and_break)
    await soon(node.reload())
    assert await name_of(node) == "one"
    (line,) = bench.log.lines("error")
    assert line.startswith("transport ws keeps its certificate: ")
    assert node.configuration is not before
