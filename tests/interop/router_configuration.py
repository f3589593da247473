"""The configuration that the clients are tested against: every transport, every way to join."""

import datetime
import ipaddress
from pathlib import Path

from autobahn.wamp.auth import derive_key
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SECRETS = {"tina": "a ticket", "carl": "a secret", "sally": "a password"}

_SALT, _ITERATIONS, _KEYLEN = "salt of sally", 1000, 32

_ROUTER = """\
reload_interval_ms: 0
transports:
  - {{type: websocket, endpoint: "tcp:0:interface=127.0.0.1"}}
  - {{type: websocket, endpoint: "ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"}}
  - {{type: rawsocket, endpoint: "tcp:0:interface=127.0.0.1"}}
  - {{type: rawsocket, endpoint: "ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"}}
  - {{type: rawsocket, endpoint: "unix:{socket}"}}
"""

_REALM = """\
name: interop
roles:
  guest:
    permissions:
      - {{uri: "", match: prefix, allow: [call, register, publish, subscribe]}}
      - {{uri: disclosed., match: prefix, allow: [call, register, publish, subscribe], disclosure: always}}
  member:
    permissions:
      - {{uri: "", match: prefix, allow: [call, register, publish, subscribe]}}
authentication:
  anonymous: {{role: guest}}
  ticket:
    principals:
      tina: {{role: member, secret: "{tina}"}}
  wampcra:
    principals:
      carl: {{role: member, secret: "{carl}"}}
      sally: {{role: member, secret: "{sally}", salt: "{salt}", iterations: {iterations}, keylen: {keylen}}}
"""


def write_configuration(directory: Path, certificate: Path, key: Path, socket: Path) -> Path:
    """Write router.yaml and the realm ``interop`` to ``directory``; Unix clients find ``socket``."""
    derived = derive_key(SECRETS["sally"], _SALT, _ITERATIONS, _KEYLEN).decode()
    realm = _REALM.format(**{**SECRETS, "sally": derived}, salt=_SALT, iterations=_ITERATIONS, keylen=_KEYLEN)
    (directory / "realms").mkdir(parents=True)
    (directory / "router.yaml").write_text(_ROUTER.format(certificate=certificate, key=key, socket=socket))
    (directory / "realms" / "interop.yaml").write_text(realm)
    return directory


def write_certificate(certificate: Path, key: Path) -> None:
    """Write a certificate for localhost, signed by itself, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
