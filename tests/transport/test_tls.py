"""TLS on a running node: what is accepted, and certificates that are renewed."""

import datetime
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from node_bench import WEBSOCKET, Bench
from twisted.internet import reactor as default_reactor
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.internet.threads import deferToThread
from wamp_client import connect, dial, soon, until

import router.reload

# Twisted hands pyOpenSSL what pyOpenSSL has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

asynchronous: Any = pytest_twisted.ensureDeferred
reactor: Any = default_reactor


def certify(directory: Path, name: str) -> None:
    """Write ``key.pem`` and ``cert.pem``, self-signed, for a common name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (directory / "key.pem").write_bytes(key.private_bytes(pem, form, plain))
    (directory / "cert.pem").write_bytes(certificate.public_bytes(pem))


def endpoint(directory: Path) -> str:
    return f"ssl:0:interface=127.0.0.1:privateKey={directory}/key.pem:certKey={directory}/cert.pem"


def secure(bench: Bench, **settings: Any) -> Any:
    certify(bench.directory, "one")
    return bench.node(transports=[{**WEBSOCKET, "endpoint": endpoint(bench.directory)}], **settings)


def trusting(directory: Path) -> Any:
    """Make a client that verifies the certificate and the name of the server."""
    return optionsForClientTLS("localhost", Certificate.loadPEM((directory / "cert.pem").read_bytes()))


def handshake(port: int, version: Any) -> tuple[str, str]:
    """Open a TLS connection of just this version; give the version and the server's common name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # or this client would not even offer TLS 1.1
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), 5) as plain, context.wrap_socket(plain) as tls:
        certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
        (name,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return tls.version() or "", str(name.value)


async def name_of(node: Any) -> str:
    """Give the common name that a new connection sees."""
    port = node.ports["ws"].getHost().port
    _, name = await soon(deferToThread(handshake, port, ssl.TLSVersion.TLSv1_3))
    return str(name)


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
