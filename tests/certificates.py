"""Certificates for tests: authorities, and what they sign."""

import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


class Issued:
    """A certificate and its key, in PEM."""

    def __init__(self, key: Any, certificate: x509.Certificate) -> None:
        self.pem = certificate.public_bytes(Encoding.PEM)
        self.key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.fingerprint = certificate.fingerprint(hashes.SHA256()).hex()

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Write ``<name>.pem`` and ``<name>.key``; give their paths."""
        files = directory / f"{name}.pem", directory / f"{name}.key"
        files[0].write_bytes(self.pem)
        files[1].write_bytes(self.key_pem)
        return files


class Authority:
    """Signs certificates; ``pem`` is its own."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self._certificate = self._sign(self._key, self._name, days=(-2, 30), authority=True)
        self.pem = self._certificate.public_bytes(Encoding.PEM)

    def issue(self, name: str, *others: x509.GeneralName, days: tuple[int, int] = (-1, 1)) -> Issued:
        """Sign a certificate for a common name and ``others``, valid between two days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        return Issued(key, self._sign(key, subject, others, days))

    def _sign(
        self,
        key: Any,
        subject: x509.Name,
        others: tuple[x509.GeneralName, ...] = (),
        days: tuple[int, int] = (-1, 1),
        authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if others:
            builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
        return builder.sign(self._key, hashes.SHA256())
