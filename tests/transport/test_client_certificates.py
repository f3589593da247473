"""A node that asks its clients for a TLS certificate: who gets a connection, and who a session."""

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from certificates import Authority, Issued
from cryptography import x509
from node_bench import RAWSOCKET, WEBSOCKET, Bench
from twisted.internet.error import ConnectError
from twisted.internet.ssl import Certificate, PrivateCertificate, optionsForClientTLS
from wamp_client import ROLES, WampClient, connect, soon

# Twisted hands pyOpenSSL what pyOpenSSL has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

asynchronous: Any = pytest_twisted.ensureDeferred

SERVERS, CLIENTS, STRANGERS = (Authority(name) for name in ("servers", "clients", "strangers"))
HOST = x509.DNSName("localhost")
ANN = CLIENTS.issue("ann")
BOB = CLIENTS.issue("Bob's", x509.DNSName("Bob.example.com"))
EVE = STRANGERS.issue("ann")
OLD = STRANGERS.issue("old", days=(-9, -1))
REALM = {
    "roles": {"clerk": {"permissions": [{"uri": "", "match": "prefix", "allow": ["call"]}]}},
    "authentication": {
        "tls": {
            "principals": {
                "ann": {"role": "clerk", "subjects": ["CN:ann"]},
                "bob": {"role": "clerk", "subjects": ["DNS:bob.example.com"]},
                "eve": {"role": "clerk", "fingerprints": [EVE.fingerprint, OLD.fingerprint]},
            }
        },
        "ticket": {"principals": {"tom": {"role": "clerk", "secret": "sesame"}}},
    },
}


def asking(bench: Bench, authorities: Authority | None = CLIENTS, **more: Any) -> Any:
    """Start a node that asks for certificates, signed by ``authorities`` or by anybody."""
    pem, key = SERVERS.issue("localhost", HOST).write(bench.directory, "server")
    asked = dict(more)
    if authorities is not None:
        (bench.directory / "authorities.pem").write_bytes(authorities.pem)
        asked["authorities"] = "authorities.pem"
    endpoint = f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={pem}"
    transports = [{**WEBSOCKET, "endpoint": endpoint, "client_certificate": asked}]
    return bench.node({"realm1": REALM}, transports=transports)


def options(shown: Issued | None) -> Any:
    """Make a TLS client that shows this certificate, or none."""
    own = PrivateCertificate.loadPEM(shown.pem + shown.key_pem) if shown is not None else None
    return optionsForClientTLS("localhost", Certificate.loadPEM(SERVERS.pem), own)


async def client(node: Any, shown: Issued | None) -> WampClient:
    return await connect(node.ports["ws"], tls=options(shown))


async def joined(node: Any, shown: Issued | None, authid: str | None = None) -> Any:
    """Join by the certificate; give the message that answers."""
    found = await client(node, shown)
    found.send(1, "realm1", {"roles": ROLES, "authmethods": ["tls"], "authid": authid})
    answer = await found.receive()
    if answer[0] == 2:
        await found.leave()
    else:
        await soon(found.ended)
    return answer


@asynchronous
@pytest.mark.parametrize(("shown", "authid"), [(ANN, "ann"), (BOB, "bob")])
async def test_who_was_signed_is_known_by_name(bench: Bench, shown: Issued, authid: str) -> None:
    node = asking(bench)
    for given in (None, authid):
        _, _, details = await joined(node, shown, given)
        identity = [details[key] for key in ("authid", "authrole", "authmethod", "authprovider")]
        assert identity == [authid, "clerk", "tls", "static"]


@asynchronous
@pytest.mark.parametrize("shown", [EVE, OLD])
async def test_others_get_no_connection(bench: Bench, shown: Issued) -> None:
    """Although their names, or their fingerprints, are known: TLS itself refuses them."""
    node = asking(bench)
    with pytest.raises(ConnectError):
        await client(node, shown)


@asynchronous
async def test_without_a_certificate(bench: Bench) -> None:
    """There is a connection, for those who join otherwise, unless one is required."""
    node = asking(bench)
    answer = await joined(node, None)
    assert answer == [3, {"message": "authentication failed"}, "wamp.error.authentication_denied"]
    assert any("tls: no certificate was shown" in line for line in bench.log.lines("warn"))
    other = await client(node, None)
    other.send(1, "realm1", {"roles": ROLES, "authmethods": ["ticket"], "authid": "tom"})
    assert (await other.receive())[0] == 4
    other.send(5, "sesame", {})
    assert (await other.receive())[0] == 2
    await other.leave()


@asynchronous
async def test_one_that_is_required(bench: Bench) -> None:
    node = asking(bench, required=True)
    with pytest.raises(ConnectError):
        await client(node, None)
    assert (await joined(node, ANN))[0] == 2


@asynchronous
async def test_without_authorities_a_fingerprint_counts_alone(bench: Bench) -> None:
    """Names are anybody's to write; what has expired lets nobody in. The log says why."""
    node = asking(bench, None)
    assert (await joined(node, EVE))[2]["authid"] == "eve"
    assert (await joined(node, ANN))[0] == 3
    assert (await joined(node, OLD))[0] == 3
    lines = [line for line in bench.log.lines("warn") if "refused" in line]
    reasons = [line.partition("tls: ")[2] for line in lines]
    assert reasons == [
        f"the certificate {ANN.fingerprint} ('CN:ann', signed by nobody known) is of nobody here",
        f"the certificate {OLD.fingerprint} ('CN:old', signed by nobody known) is not valid today",
    ]


@asynchronous
async def test_other_authorities_after_a_reload(bench: Bench) -> None:
    """New connections are judged by them; open ones stay."""
    node = asking(bench)
    found = await client(node, ANN)
    await found.join(authmethods=["tls"])
    (bench.directory / "authorities.pem").write_bytes(STRANGERS.pem)
    await soon(node.reload())
    with pytest.raises(ConnectError):
        await client(node, BOB)
    assert (await joined(node, EVE))[2]["authid"] == "eve"
    assert await found.call("wamp.session.count") == 1
    await found.leave()


@asynchronous
async def test_authorities_that_cannot_be_read_leave_the_old_ones(bench: Bench) -> None:
    node = asking(bench)
    (bench.directory / "authorities.pem").write_text("nothing")
    await soon(node.reload())
    assert bench.log.lines("error")
    assert (await joined(node, ANN))[0] == 2


@asynchronous
async def test_a_transport_that_does_not_ask(bench: Bench, tmp_path: Path) -> None:
    """The certificate that a client would have is not shown, and without TLS there is none."""
    pem, key = SERVERS.issue("localhost", HOST).write(bench.directory, "server")
    endpoint = f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={pem}"
    node = bench.node({"realm1": REALM}, transports=[{**WEBSOCKET, "endpoint": endpoint}, RAWSOCKET])
    assert (await joined(node, ANN))[0] == 3
