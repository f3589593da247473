"""
What TLS tells of a connection: the data of its channel bindings.

A channel binding ties what a client proves to this very connection, so that somebody who sits
in between and holds two connections gains nothing by passing the proof on (RFC 5056).
"""

from typing import Any, Final

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
