"""What TLS tells of a connection, as both ends see it, in memory."""

import contextlib
import datetime
import hashlib
import ipaddress
import ssl
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from router.transport.tls_peer import channel_binding, client_certificate

# Twisted hands pyOpenSSL what pyOpenSSL has deprecated, and so does this.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

# Signed with SHA-1, as no certificate is made today.
OLD = b"""\
-----BEGIN CERTIFICATE-----
MIIBfTCCASSgAwIBAgIUZi3pnlM6zKFVTtEw5uetbYOdHcgwCQYHKoZIzj0EATAU
MRIwEAYDVQQDDAlsb2NhbGhvc3QwIBcNMjYxMTIzMDIxNzQ3WhgPMjEyNjEwMzAw
MjE3NDdaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49
AwEHA0IABFZQpAg7INCRkHfnEApe89ouZXqK2N+qdzT6RyTZLtXXMAX7o14HgR7F
fVfwiI3Gl907unkzz54a/O0PmlpGVVGjUzBRMB0GA1UdDgQWBBT+SNWwAiO9D5Nr
oEhnPF65q9y0sTAfBgNVHSMEGDAWgBT+SNWwAiO9D5NroEhnPF65q9y0sTAPBgNV
HRMBAf8EBTADAQH/MAkGByqGSM49BAEDSAAwRQIgOML2Q7n9WAyuIEYsfztBCRyR
WvrvNcRWIB9EzQ879jsCIQCqlRB6pil5FStPXHJz97DODCKUfwPrO0TbDIXgT69F
Mg==
-----END CERTIFICATE-----
"""

VERSIONS = [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION]


def certificate(
    key: Any, algorithm: Any, names: tuple[str, ...] = ("localhost",), others: Any = None
) -> x509.Certificate:
    """Make a certificate for these common names, and others besides."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name) for name in names])
    now = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    if others is not None:
        builder = builder.add_extension(others, critical=False)
    return builder.sign(key, algorithm)


def credentials(context: SSL.Context, key: Any, shown: x509.Certificate) -> None:
    context.use_privatekey(crypto.PKey.from_cryptography_key(key))
    context.use_certificate(crypto.X509.from_cryptography(shown))


def server(key: Any = None, algorithm: Any = None) -> SSL.Connection:
    """Make the router's end, with a certificate that is signed with this algorithm."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    context = SSL.Context(SSL.TLS_METHOD)
    credentials(context, key, certificate(key, algorithm))
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    connection = SSL.Connection(context, None)
    connection.set_accept_state()
    return connection


def client(version: int, *shown: Any) -> SSL.Connection:
    """Make the other end, which shows a certificate where it has a key and one."""
    context = SSL.Context(SSL.TLS_METHOD)
    if shown:
        credentials(context, *shown)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    return connection


def shake_hands(one: SSL.Connection, other: SSL.Connection) -> None:
    """Let both ends talk until they have nothing more to say."""
    for _ in range(10):
        for sender, receiver in ((one, other), (other, one)):
            with contextlib.suppress(SSL.WantReadError):
                sender.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                receiver.bio_write(sender.bio_read(1 << 16))


@pytest.mark.parametrize("version", VERSIONS)
def test_both_ends_have_the_same(version: int) -> None:
    ours, theirs = server(algorithm=hashes.SHA256()), client(version)
    shake_hands(theirs, ours)
    assert channel_binding(ours, "tls-unique") == theirs.get_finished() is not None
    exported = theirs.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
    assert channel_binding(ours, "tls-exporter") == exported
    assert len(exported) == 32


@pytest.mark.parametrize("version", VERSIONS)
def test_two_connections_have_different_ones(version: int) -> None:
    found = set()
    for _ in range(2):
        ours, theirs = server(algorithm=hashes.SHA256()), client(version)
        shake_hands(theirs, ours)
        found |= {channel_binding(ours, "tls-unique"), channel_binding(ours, "tls-exporter")}
    assert len(found) == 4
    assert None not in found


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_python_has_the_same(version: ssl.TLSVersion) -> None:
    """What a client on asyncio takes for ``tls-unique``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = context.wrap_bio(received, sent)
    ours = server(algorithm=hashes.SHA256())
    for _ in range(5):
        for shake in (theirs.do_handshake, ours.do_handshake):
            with contextlib.suppress(ssl.SSLWantReadError, SSL.WantReadError):
                shake()
            with contextlib.suppress(SSL.WantReadError):
                if sent.pending:
                    ours.bio_write(sent.read())
                received.write(ours.bio_read(1 << 16))
    assert channel_binding(ours, "tls-unique") == theirs.get_channel_binding("tls-unique") is not None


@pytest.mark.parametrize(
    ("key", "algorithm", "digest"),
    [
        (ec.generate_private_key(ec.SECP256R1()), hashes.SHA256(), "sha256"),
        (ec.generate_private_key(ec.SECP384R1()), hashes.SHA384(), "sha384"),
        (ed25519.Ed25519PrivateKey.generate(), None, None),
    ],
)
def test_the_hash_of_the_certificate(key: Any, algorithm: Any, digest: str | None) -> None:
    """RFC 5929, 4.1: it is the hash of its signature; one that is signed without a hash has none."""
    ours = server(key, algorithm)
    der = ours.get_certificate(as_cryptography=True).public_bytes(Encoding.DER)
    expected = hashlib.new(digest, der).digest() if digest is not None else None
    assert channel_binding(ours, "tls-server-end-point") == expected


def test_the_hash_of_a_certificate_with_a_weak_one() -> None:
    """RFC 5929, 4.1: SHA-256 instead of MD5 and SHA-1."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    old = x509.load_pem_x509_certificate(OLD)
    assert isinstance(old.signature_hash_algorithm, hashes.SHA1)
    context.use_certificate(crypto.X509.from_cryptography(old))
    expected = hashlib.sha256(old.public_bytes(Encoding.DER)).digest()
    assert channel_binding(SSL.Connection(context, None), "tls-server-end-point") == expected


def test_there_is_no_other() -> None:
    assert channel_binding(server(algorithm=hashes.SHA256()), "tls-nonsense") is None


class TestClientCertificate:
    def shown(self, names: tuple[str, ...], others: Any = None, trusted: bool = True) -> Any:
        """Give the client's certificate, and what the router reads of it."""
        key = ec.generate_private_key(ec.SECP256R1())
        theirs = certificate(key, hashes.SHA256(), names, others)
        ours = server(algorithm=hashes.SHA256())
        shake_hands(client(SSL.TLS1_3_VERSION, key, theirs), ours)
        return theirs, client_certificate(ours, trusted)

    def test_what_it_says(self) -> None:
        """The fingerprint is what ``openssl x509 -fingerprint -sha256`` prints, without its colons."""
        theirs, found = self.shown(("Ann",))
        assert found.fingerprint == hashlib.sha256(theirs.public_bytes(Encoding.DER)).hexdigest()
        assert (found.valid_from, found.valid_until) == (1767323045, 1767323045 + 86400)
        assert found.names == {"CN:Ann"}
        assert found.trusted

    def test_all_its_names(self) -> None:
        others = x509.SubjectAlternativeName(
            [
                x509.DNSName("Host.Example.com"),
                x509.RFC822Name("Ann@example.com"),
                x509.UniformResourceIdentifier("spiffe://example.com/Ann"),
                x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
                x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
            ]
        )
        _, found = self.shown(("Ann", "Second"), others, trusted=False)
        assert found.names == {
            "CN:Ann",
            "CN:Second",
            "DNS:host.example.com",
            "EMAIL:Ann@example.com",
            "URI:spiffe://example.com/Ann",
            "IP:2001:db8::1",
        }
        assert not found.trusted

    def test_names_that_cannot_be_read(self) -> None:
        """They are not there; the rest is."""
        garbage = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x05garbage")
        _, found = self.shown(("Ann",), garbage)
        assert found.names == {"CN:Ann"}

    def test_none(self) -> None:
        ours = server(algorithm=hashes.SHA256())
        shake_hands(client(SSL.TLS1_3_VERSION), ours)
        assert client_certificate(ours, trusted=True) is None
