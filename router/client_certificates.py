"""What a transport's configuration says of the TLS certificates that clients show."""

from pathlib import Path as FilePath
from typing import Annotated, Any

from msgspec import Meta

from router import endpoint_strings
from router.configuration import Document, Path, Section


class ClientCertificate(Section, frozen=True, kw_only=True):
    """Clients are asked for a TLS certificate, by which they may join (`authentication.tls` of a realm)."""

    authorities: Annotated[
        str,
        Meta(
            description="A file in PEM of those who sign clients' certificates, relative to the "
            "configuration directory; others are refused. Without it any is taken, and who shows it is "
            "known by its fingerprint alone.",
            examples=["clients-ca.pem"],
        ),
    ] = ""
    required: Annotated[
        bool, Meta(description="Who shows no certificate gets no connection, whatever it would join by.")
    ] = False


def check(document: Document[Any], path: Path, endpoint: str, asked: ClientCertificate) -> None:
    """Check what the transport at ``path`` asks for."""
    path = (*path, "client_certificate")
    if endpoint_strings.parse(endpoint).kind != "ssl":
        document.add(path, "only an ssl: endpoint can ask for a certificate")
    if asked.authorities:
        problem = _problem_of(authorities_file(asked.authorities, document.file.parent))
        if problem is not None:
            document.add((*path, "authorities"), problem)


def authorities_file(name: str, directory: FilePath) -> FilePath:
    """Return the absolute path of a file of authorities."""
    return (directory / name).absolute()


def _problem_of(file: FilePath) -> str | None:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        return f"{file} can't be read: {error.strerror}"
    except ValueError:
        return f"{file} holds no certificate in PEM"
    return None
