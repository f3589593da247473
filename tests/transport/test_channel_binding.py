"""Channel binding on a running node: both ends take it from their own TLS."""

import base64
import hashlib
import hmac
from typing import Any

import pytest
import pytest_twisted
from certificates import Authority
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from node_bench import WEBSOCKET, Bench
from OpenSSL import SSL
from twisted.internet.ssl import Certificate, TLSVersion, optionsForClientTLS
from wamp_client import ROLES, WampClient, connect, soon

from realms.auth.passwords import Derivation, salted_password
from realms.auth.scram import derive

# Twisted hands pyOpenSSL what pyOpenSSL has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

asynchronous: Any = pytest_twisted.ensureDeferred

SERVERS = Authority("servers")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw().hex()
SALT = b"0123456789abcdef"
SALTED = salted_password("sesame", Derivation("pbkdf2", SALT, 4096))
KEPT = derive(SALTED)
REALM = {
    "roles": {"clerk": {}},
    "authentication": {
        "cryptosign": {"principals": {"dora": {"role": "clerk", "authorized_keys": [PUBLIC]}}},
        "scram": {
            "principals": {
                "erin": {
                    "role": "clerk",
                    "kdf": "pbkdf2",
                    "salt": base64.b64encode(SALT).decode(),
                    "iterations": 4096,
                    "stored_key": KEPT.stored.hex(),
                    "server_key": KEPT.server.hex(),
                }
            }
        },
    },
}


async def client(bench: Bench, version: Any) -> WampClient:
    """Start a node with TLS, and connect with this version of it."""
    pem, key = SERVERS.issue("localhost", x509.DNSName("localhost")).write(bench.directory, "server")
    endpoint = f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={pem}"
    node = bench.node({"realm1": REALM}, transports=[{**WEBSOCKET, "endpoint": endpoint}])
    versions = {"raiseMinimumTo": version, "lowerMaximumSecurityTo": version}
    context = optionsForClientTLS(
        "localhost", Certificate.loadPEM(SERVERS.pem), extraCertificateOptions=versions
    )
    return await connect(node.ports["ws"], tls=context)


def data_of(found: WampClient, kind: str) -> bytes:
    """Take the channel's data from the client's end."""
    tls: SSL.Connection = found.transport.getHandle()
    if kind == "tls-unique":
        return tls.get_finished() or b""
    if kind == "tls-exporter":
        return tls.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
    certificate = tls.get_peer_certificate(as_cryptography=True)
    assert certificate is not None
    assert certificate.signature_hash_algorithm is not None
    return certificate.fingerprint(certificate.signature_hash_algorithm)


VERSIONS = pytest.mark.parametrize("version", [TLSVersion.TLSv1_2, TLSVersion.TLSv1_3])


@asynchronous
@VERSIONS
@pytest.mark.parametrize("kind", ["tls-unique", "tls-exporter"])
@pytest.mark.parametrize("bound", [True, False])
async def test_cryptosign(bench: Bench, version: Any, kind: str, bound: bool) -> None:
    """What was signed for another channel, or for none, does not let in."""
    found = await client(bench, version)
    authextra = {"pubkey": PUBLIC, "channel_binding": kind}
    found.send(1, "realm1", {"roles": ROLES, "authmethods": ["cryptosign"], "authextra": authextra})
    _, _, extra = await found.receive()
    assert extra["channel_binding"] == kind
    data = data_of(found, kind)
    channel_id = data if kind == "tls-exporter" else hashlib.sha256(data).digest()
    challenge = bytes.fromhex(extra["challenge"])
    message = bytes(a ^ b for a, b in zip(challenge, channel_id, strict=True)) if bound else challenge
    found.send(5, (KEY.sign(message) + message).hex(), {})
    await ends(found, bound)


@asynchronous
@VERSIONS
@pytest.mark.parametrize("kind", ["tls-unique", "tls-exporter", "tls-server-end-point"])
@pytest.mark.parametrize("bound", [True, False])
async def test_scram(bench: Bench, version: Any, kind: str, bound: bool) -> None:
    found = await client(bench, version)
    authextra = {"nonce": "AAAA", "channel_binding": kind}
    hello = {"roles": ROLES, "authmethods": ["wamp-scram"], "authid": "erin", "authextra": authextra}
    found.send(1, "realm1", hello)
    _, _, extra = await found.receive()
    data = data_of(found, kind) if bound else b"another channel"
    nonce = extra["nonce"]
    channel = base64.b64encode(f"p={kind},,".encode() + data).decode()
    message = f"n=erin,r=AAAA,r={nonce},s={extra['salt']},i=4096,c={channel},r={nonce}".encode()
    client_key = hmac.digest(SALTED, b"Client Key", "sha256")
    signature = hmac.digest(KEPT.stored, message, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    repeated = {"nonce": nonce, "channel_binding": kind, "cbind_data": base64.b64encode(data).decode()}
    found.send(5, base64.b64encode(proof).decode(), repeated)
    await ends(found, bound)


async def ends(found: WampClient, well: bool) -> None:
    """Expect WELCOME, or the refusal."""
    answer = await found.receive()
    if well:
        assert answer[0] == 2, answer
        await found.leave()
    else:
        assert answer == [3, {"message": "authentication failed"}, "wamp.error.authentication_denied"]
        await soon(found.ended)
