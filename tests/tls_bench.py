"""Certificates for a node of the tests, and clients that look at them."""

import datetime
import socket
import ssl
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.internet.threads import deferToThread
from wamp_client import soon


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
