"""
``concord secret``: makes a credential, and prints what a realm's file says of it.

Rules of this file:

- Standard output is YAML and nothing else; what the client alone needs goes to a file of its own, or
  to standard error where nobody chose it.
- A password is never an argument: other users of a machine see those. It is asked for, or read from a
  file or from the environment.
- A file that is there already is used and never changed; a new one can be read by its owner alone.
"""

import argparse
import base64
import getpass
import os
import secrets
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

GENERATED_BYTES = 24
SALT_BYTES = 16


class CannotMake(Exception):
    """The credential can't be made; the text says why."""


def add_parser(commands: Any) -> None:
    """Add ``secret`` and its kinds to ``commands``."""
    text = "make a credential, and print it as YAML for a realm's file"
    parser = commands.add_parser("secret", help=text, description=text)
    kinds = parser.add_subparsers(title="kinds", metavar="KIND", required=True)
    ticket = _kind(kinds, "ticket", _ticket, "a secret that the client shows as it is")
    _add_password(ticket, "by default one is drawn")
    signature = _kind(kinds, "signature", _signature, "a key that signs requests by HTTP")
    _add_password(signature, "by default one is drawn")
    cra = _kind(kinds, "wampcra", _wampcra, "a password that the client proves by WAMP-CRA")
    _add_password(cra, "by default it is asked for")
    cra.add_argument(
        "--plain", action="store_true", help="keep the password itself, for clients without salts"
    )
    cra.add_argument(
        "--iterations",
        type=_number(1_000, 10_000_000),
        default=10_000,
        metavar="N",
        help="of PBKDF2; default: 10000, half a second for clients in JavaScript",
    )
    scram = _kind(kinds, "scram", _scram, "a password that the client proves by WAMP-SCRAM")
    _add_password(scram, "by default it is asked for")
    scram.add_argument("--kdf", choices=("argon2id13", "pbkdf2"), default="argon2id13")
    scram.add_argument(
        "--iterations",
        type=_number(1, 10_000_000),
        metavar="N",
        help="default: 3 of Argon2id, 100000 of PBKDF2, which takes at least 4096",
    )
    scram.add_argument(
        "--memory",
        type=_number(8, 4_194_304),
        default=65_536,
        metavar="KIB",
        help="of Argon2id; default: 65536",
    )
    signing = _kind(kinds, "cryptosign", _cryptosign, "an Ed25519 key pair")
    signing.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="the private key: made where it is not there, in hexadecimal, else read, as OpenSSH's too; "
        "default: AUTHID.key",
    )

    tls = _kind(kinds, "tls", _tls, "a TLS certificate of a client, signed by itself")
    tls.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="in PEM: made where it is not there, its key beside it, else read; default: AUTHID.pem",
    )
    tls.add_argument(
        "--days",
        type=_number(1, 36_500),
        default=365,
        metavar="N",
        help="how long a new one is valid; default: 365",
    )


def _kind(kinds: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = kinds.add_parser(name, help=text, description=f"Make {text}.")
    parser.add_argument("authid", metavar="AUTHID", help="the name by which the client joins")
    parser.add_argument("role", metavar="ROLE", help="one of the realm's roles")
    parser.set_defaults(command=lambda options: _run(function, options))
    return parser


def _add_password(parser: argparse.ArgumentParser, default: str) -> None:
    source = parser.add_argument_group("password", f"Where it comes from; {default}.")
    exclusive = source.add_mutually_exclusive_group()
    exclusive.add_argument("--generate", action="store_true", help="draw one, and print it to standard error")
    exclusive.add_argument("--password-file", metavar="FILE", help="its first line; - is standard input")
    exclusive.add_argument("--password-env", metavar="NAME", help="an environment variable")


def _number(low: int, high: int) -> Any:
    def read(text: str) -> int:
        value = int(text.replace("_", ""))
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be {low} to {high}, got {value}")
        return value

    read.__name__ = "number"
    return read


def _run(function: Any, options: argparse.Namespace) -> int:
    import yaml

    try:
        section, principal = function(options)
    except CannotMake as error:
        sys.stderr.write(f"concord: {error}\n")
        return 1
    principals = {options.authid: {"role": options.role, **principal}}
    content = {"authentication": {section: {"principals": principals}}}
    sys.stdout.write(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000))
    return 0


def _ticket(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    return "ticket", {"secret": _given_or_drawn(options)}


def _signature(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    return "signature", {"secret": _given_or_drawn(options)}


def _given_or_drawn(options: argparse.Namespace) -> str:
    given = options.password_file is not None or options.password_env is not None
    return _password(options) if given else secrets.token_urlsafe(GENERATED_BYTES)


def _wampcra(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    password = _password(options)
    if options.plain:
        return "wampcra", {"secret": password}

    from realms.auth.passwords import Derivation, salted_as_autobahn

    # Clients take the salt's text for the salt, not what it may stand for.
    salt = base64.b64encode(secrets.token_bytes(SALT_BYTES)).decode()
    key = salted_as_autobahn(password, Derivation("pbkdf2", salt.encode(), options.iterations))
    secret = base64.b64encode(key).decode()
    return "wampcra", {"secret": secret, "salt": salt, "iterations": options.iterations, "keylen": len(key)}


def _scram(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    from cryptography.exceptions import UnsupportedAlgorithm

    from realms.auth.passwords import Derivation, salted_as_autobahn, salted_password
    from realms.auth.scram import derive

    argon = options.kdf == "argon2id13"
    iterations = options.iterations or (3 if argon else 100_000)
    if not argon and iterations < 4096:
        raise CannotMake(f"--iterations must be at least 4096 for pbkdf2, got {iterations}")
    how = Derivation(options.kdf, secrets.token_bytes(SALT_BYTES), iterations, options.memory)
    password = _password(options)
    try:
        keys = derive(salted_password(password, how))
        others = derive(salted_as_autobahn(password, how))
    except ValueError as error:
        raise CannotMake(f"this can't be a password: {error}") from None
    except UnsupportedAlgorithm:
        raise CannotMake("OpenSSL has no Argon2 here: use --kdf pbkdf2") from None
    made: dict[str, Any] = {"kdf": options.kdf, "salt": _base64(how.salt), "iterations": iterations}
    made |= {"memory": options.memory} if argon else {}
    made |= {"stored_key": _base64(keys.stored), "server_key": _base64(keys.server)}
    if others != keys:
        made["autobahn_stored_key"] = _base64(others.stored)
        made["autobahn_server_key"] = _base64(others.server)
    return "scram", made


def _cryptosign(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    file = options.key or _file(options.authid, "key")
    if file.exists():
        private = _private_key(file)
    else:
        private = Ed25519PrivateKey.generate()
        _write(file, private.private_bytes_raw().hex().encode() + b"\n")
        sys.stderr.write(f"private key for the client: {file}\n")
    public: str = private.public_key().public_bytes_raw().hex()
    return "cryptosign", {"authorized_keys": [public]}


def _private_key(file: Path) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    from realms.auth.keys import KEY_BYTES, from_hex

    content = _read(file)
    seed = from_hex(content.decode(errors="replace").strip(), KEY_BYTES)
    if seed is not None:
        return Ed25519PrivateKey.from_private_bytes(seed)
    try:
        key = load_ssh_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        expected = "64 hexadecimal digits, or OpenSSH's file of an ed25519 key without a passphrase"
        raise CannotMake(f"{file} is no Ed25519 private key: {expected}")
    return key


def _tls(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    file = options.certificate or _file(options.authid, "pem")
    if not file.exists():
        _make_certificate(file, options.authid, options.days)
    try:
        certificate = x509.load_pem_x509_certificate(_read(file))
    except ValueError:
        raise CannotMake(f"{file} holds no certificate in PEM") from None
    return "tls", {"fingerprints": [certificate.fingerprint(hashes.SHA256()).hex()]}


def _make_certificate(file: Path, authid: str, days: int) -> None:
    """Write a certificate, and its key to a file beside it."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    # X.509 bounds a common name; whose the certificate is, its fingerprint tells.
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, authid[:64])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_file = file.with_suffix(".key.pem")
    _write(key_file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    _write(file, certificate.public_bytes(Encoding.PEM))
    sys.stderr.write(f"certificate for the client: {file}\nprivate key for the client: {key_file}\n")


def _password(options: argparse.Namespace) -> str:
    """Get the password from where the options say."""
    if options.generate:
        password = secrets.token_urlsafe(GENERATED_BYTES)
        sys.stderr.write(f"password for the client: {password}\n")
    elif options.password_env is not None:
        password = os.environ.get(options.password_env, "")
    elif options.password_file == "-":
        password = sys.stdin.readline().rstrip("\r\n")
    elif options.password_file is not None:
        lines = _read(Path(options.password_file)).decode(errors="replace").splitlines()
        password = lines[0] if lines else ""
    else:
        password = _asked()
    if not password:
        raise CannotMake("the password is empty")
    return password


def _asked() -> str:
    if not sys.stdin.isatty():
        text = "nobody to ask for a password: use --password-file, --password-env or --generate"
        raise CannotMake(text)
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise CannotMake("the two passwords differ")
    return password


def _file(authid: str, suffix: str) -> Path:
    """Name a file after ``authid``, whatever that holds."""
    return Path(f"{quote(authid, safe='@ ')}.{suffix}")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CannotMake(f"{file} can't be read: {error.strerror}") from None


def _write(file: Path, content: bytes) -> None:
    """Write a file that is not there yet, for its owner alone."""
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
    except OSError as error:
        raise CannotMake(f"{file} can't be written: {error.strerror}") from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
