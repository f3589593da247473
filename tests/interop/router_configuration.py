"""The configuration that the clients are tested against: every transport, every way to join."""

import base64
import datetime
import ipaddress
from pathlib import Path

from autobahn.wamp.auth import derive_key
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from realms.auth.passwords import Derivation, salted_as_autobahn, salted_password
from realms.auth.scram import derive

SECRETS = {
    "tina": "a ticket",
    "carl": "a secret",
    "sally": "a password",
    "erin": "sesame",  # Argon2id
    "perry": "open sesame",  # PBKDF2
    "dora": "0d" * 32,  # Ed25519 private keys, as of the next
    "device": "de" * 32,
}
OLD_KEY = "01" * 32
EXPIRED = "2001-01-01T00:00:00Z"

_SALT, _ITERATIONS, _KEYLEN = "salt of sally", 1000, 32

_ROUTER = """\
reload_interval_ms: 0
transports:
  - {{type: websocket, endpoint: "tcp:0:interface=127.0.0.1", bridge: {{}}}}
  - type: websocket
    endpoint: "ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"
    client_certificate: {{}}
    bridge: {{}}
  - {{type: rawsocket, endpoint: "tcp:0:interface=127.0.0.1"}}
  - type: rawsocket
    endpoint: "ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"
    client_certificate: {{}}
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
  failures: {{enabled: false}}  # the checks fail on purpose, more often than a guesser may
  anonymous: {{role: guest}}
  ticket:
    principals:
      tina: {{role: member, secret: "{tina}"}}
      old: {{role: member, secret: "{tina}", expires: "{expired}"}}
  wampcra:
    principals:
      carl: {{role: member, secret: "{carl}"}}
      old: {{role: member, secret: "{carl}", expires: "{expired}"}}
      sally: {{role: member, secret: "{sally}", salt: "{salt}", iterations: {iterations}, keylen: {keylen}}}
  scram:
    principals:
      erin: {{role: member, {erin}}}
      perry: {{role: member, {perry}}}
      old: {{role: member, {erin}, expires: "{expired}"}}
  cryptosign:
    principals:
      dora: {{role: member, authorized_keys: ["{dora}"]}}
      old: {{role: member, authorized_keys: ["{old_key}"], expires: "{expired}"}}
    trusted_keys:
      - {{role: guest, keys: ["{device}"]}}
  tls:
    principals:
      frank: {{role: member, fingerprints: ["{frank}"]}}
"""


def write_configuration(directory: Path, certificate: Path, key: Path, socket: Path) -> Path:
    """Write router.yaml and the realm ``interop`` to ``directory``; Unix clients find ``socket``."""
    derived = derive_key(SECRETS["sally"], _SALT, _ITERATIONS, _KEYLEN).decode()
    kept = {
        **SECRETS,
        "sally": derived,
        "erin": _kept_of("erin", Derivation("argon2id13", b"salt of erin", 1, 64)),
        "perry": _kept_of("perry", Derivation("pbkdf2", b"salt of perry", 4096)),
        "dora": _public_key(SECRETS["dora"]),
        "device": _public_key(SECRETS["device"]),
        "old_key": _public_key(OLD_KEY),
        "frank": fingerprint(client_certificate(certificate)[0]),
    }
    realm = _REALM.format(**kept, salt=_SALT, iterations=_ITERATIONS, keylen=_KEYLEN, expired=EXPIRED)
    (directory / "realms").mkdir(parents=True)
    (directory / "router.yaml").write_text(_ROUTER.format(certificate=certificate, key=key, socket=socket))
    (directory / "realms" / "interop.yaml").write_text(realm)
    return directory


def client_certificate(certificate: Path) -> tuple[Path, Path]:
    """Name the files of frank's certificate and key, which lie beside the router's."""
    return certificate.with_name("frank.pem"), certificate.with_name("frank.key")


def fingerprint(file: Path) -> str:
    """Give the SHA-256 of a certificate."""
    return x509.load_pem_x509_certificate(file.read_bytes()).fingerprint(hashes.SHA256()).hex()


def _public_key(private: str) -> str:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private)).public_key().public_bytes_raw().hex()


def _kept_of(authid: str, how: Derivation) -> str:
    """Write what is kept of a password, for both dialects of SCRAM."""
    ours = derive(salted_password(SECRETS[authid], how))
    theirs = derive(salted_as_autobahn(SECRETS[authid], how))
    memory = f"memory: {how.memory}, " if how.memory else ""
    salt = base64.b64encode(how.salt).decode()
    return (
        f'kdf: {how.kdf}, salt: "{salt}", iterations: {how.iterations}, {memory}'
        f'stored_key: "{ours.stored.hex()}", server_key: "{ours.server.hex()}", '
        f'autobahn_stored_key: "{theirs.stored.hex()}", autobahn_server_key: "{theirs.server.hex()}"'
    )


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
