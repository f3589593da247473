"""
What TLS tells of a connection: the data of its channel bindings, and who is at the other end.

A channel binding ties what a client proves to this very connection, so that somebody who sits
in between and holds two connections gains nothing by passing the proof on (RFC 5056).
"""

from collections.abc import Iterator
from typing import Any, Final

from router.routing.handshake import Certificate

_EXPORTER_LABEL: Final = b"EXPORTER-Channel-Binding"
_EXPORTER_BYTES: Final = 32


def channel_binding(connection: Any, kind: str) -> bytes | None:
    """
    Give the data of the channel binding ``kind`` of an ``OpenSSL.SSL.Connection``; ``None`` if it has none.

    ``tls-unique`` (RFC 5929, 3) is the first Finished message: the client's, since the router resumes no
    TLS session. For TLS 1.3, where RFC 5929 defines none, it is what Autobahn and Python take.
    ``tls-exporter`` (RFC 9266) is defined for both versions; ``tls-server-end-point`` (RFC 5929, 4)
    is the hash of the router's certificate.
    """
    if kind == "tls-unique":
        finished: bytes | None = connection.get_peer_finished()
        return finished
    if kind == "tls-exporter":
        exported: bytes = connection.export_keying_material(_EXPORTER_LABEL, _EXPORTER_BYTES, b"")
        return exported
    if kind == "tls-server-end-point":
        return _end_point(connection)
    return None


def _end_point(connection: Any) -> bytes | None:
    """Hash the router's certificate with the hash of its signature, or with SHA-256 where that is weak."""
    from cryptography.hazmat.primitives import hashes

    certificate = connection.get_certificate(as_cryptography=True)
    algorithm = certificate.signature_hash_algorithm if certificate is not None else None
    if algorithm is None:
        return None
    if isinstance(algorithm, hashes.MD5 | hashes.SHA1):
        algorithm = hashes.SHA256()
    digest: bytes = certificate.fingerprint(algorithm)
    return digest


def client_certificate(connection: Any, trusted: bool) -> Certificate | None:
    """
    Read the certificate that the client of an ``OpenSSL.SSL.Connection`` has shown, if it has.

    ``trusted`` tells whether the connection would not be there, had no known authority signed it.
    """
    certificate = connection.get_peer_certificate(as_cryptography=True)
    if certificate is None:
        return None

    from cryptography.hazmat.primitives import hashes

    return Certificate(
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        names=frozenset(_names(certificate)),
        valid_from=certificate.not_valid_before_utc.timestamp(),
        valid_until=certificate.not_valid_after_utc.timestamp(),
        trusted=trusted,
    )


def _names(certificate: Any) -> Iterator[str]:
    from cryptography import x509

    for attribute in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME):
        yield f"CN:{attribute.value}"
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return  # a certificate that says it badly says nothing
    names = extension.value
    yield from (f"DNS:{name.lower()}" for name in names.get_values_for_type(x509.DNSName))
    yield from (f"EMAIL:{name}" for name in names.get_values_for_type(x509.RFC822Name))
    yield from (f"URI:{name}" for name in names.get_values_for_type(x509.UniformResourceIdentifier))
    yield from (f"IP:{name}" for name in names.get_values_for_type(x509.IPAddress))
