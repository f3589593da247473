"""
How clients of a realm may join: the sections under ``authentication`` in its file.

Only values are here, and the checks that need that file alone.
"""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from realms.auth import keys
from realms.auth.common_config import Authenticated, CookieSettings, Failures
from router.configuration import Document, Path, Secret, Section, path_text, quoted


def check_name(name: str) -> str | None:
    """Say what is wrong with the name of a role or of somebody."""
    return None if name.strip() and name.isprintable() else f"must be visible text, got {quoted(name)}"


# The keys of the specification's dialect and of Autobahn's: StoredKey and ServerKey.
SCRAM_KEYS: Final = (("stored_key", "server_key"), ("autobahn_stored_key", "autobahn_server_key"))
_LEAST_PBKDF2_ITERATIONS: Final = 4096  # RFC 7677, 4


Role = Annotated[
    str,
    Meta(
        title="role", description="The role of such a session, one of `roles`.", extra={"refers_to": "roles"}
    ),
]
RoleName = Annotated[str, Meta(title="role", extra={"check": check_name})]
AuthId = Annotated[str, Meta(title="authid", extra={"check": check_name})]


def _check_public_key(text: str) -> str | None:
    return None if keys.public_key(text) is not None else f"must be {keys.PUBLIC_KEY}, got {quoted(text)}"


def _check_fingerprint(text: str) -> str | None:
    if keys.fingerprint(text) is not None:
        return None
    return f"must be the SHA-256 of a certificate, 64 hexadecimal digits, got {quoted(text)}"


def _check_certificate_name(text: str) -> str | None:
    if keys.certificate_name(text) is not None:
        return None
    kinds = ", ".join(f"'{kind}:'" for kind in keys.CERTIFICATE_NAMES)
    return f"must be a name behind one of {kinds}, as 'CN:ann', got {quoted(text)}"


def _check_salt(text: str) -> str | None:
    salt = keys.from_base64(text)
    return None if salt is not None and len(salt) >= 8 else "must be at least 8 bytes in Base64"


def _read_time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


def _check_time(text: str | None) -> str | None:
    if text is None or _read_time(text) is not None:
        return None
    return f"must be a time with its offset, as 2027-01-31T12:00:00Z, got {quoted(text)}"


PublicKey = Annotated[
    str,
    Meta(title="public key", extra={"check": _check_public_key}),
]


class Principal(Section, frozen=True, kw_only=True):
    """Somebody who may join, and as what."""

    role: Role
    expires: Annotated[
        str | None,
        Meta(
            description="From this time on nobody joins so any more, while open sessions go on: ISO 8601, in "
            "quotes, with its offset.",
            examples=["2027-01-31T12:00:00Z"],
            extra={"check": _check_time},
        ),
    ] = None

    def expired(self) -> bool:
        """Tell whether nobody joins so any more."""
        end = _read_time(self.expires) if self.expires is not None else None
        return end is not None and datetime.now(UTC) >= end


class Anonymous(Authenticated, frozen=True, kw_only=True):
    """Sessions that give no proof of who they are. Without this section they are refused."""

    role: Annotated[
        Role | None,
        Meta(description="The role of such a session, one of `roles`. Required without an `authenticator`."),
    ] = None


class TicketPrincipal(Principal, frozen=True, kw_only=True):
    """A client that shows a secret as it is: for connections that nobody else can read."""

    secret: Annotated[Secret, Meta(description="The ticket.")]


class Ticket(Authenticated, frozen=True, kw_only=True):
    """Authentication by a secret that is sent as it is (WAMP 'Ticket-based Authentication')."""

    principals: Annotated[
        dict[AuthId, TicketPrincipal],
        Meta(description="Who may join, by the `authid` that the client gives."),
    ] = {}


class WampCraPrincipal(Principal, frozen=True, kw_only=True):
    """A client that proves its secret without sending it."""

    secret: Annotated[
        Secret,
        Meta(
            description="The secret. With a `salt` it is the key derived from the password (PBKDF2 with "
            "SHA-256) in Base64, so that the password itself is stored nowhere."
        ),
    ]
    salt: Annotated[
        str | None, Meta(description="The salt of the derived key, sent to the client.", examples=["salt123"])
    ] = None
    iterations: Annotated[
        int, Meta(description="Iterations of the derived key.", ge=1_000, le=10_000_000)
    ] = 1_000
    keylen: Annotated[int, Meta(description="Length of the derived key in bytes.", ge=16, le=64)] = 32


class WampCra(Authenticated, frozen=True, kw_only=True):
    """Authentication by challenge and response (WAMP 'Challenge Response Authentication')."""

    principals: Annotated[
        dict[AuthId, WampCraPrincipal],
        Meta(description="Who may join, by the `authid` that the client gives."),
    ] = {}


class ScramPrincipal(Principal, frozen=True, kw_only=True):
    """
    A client that proves its password; what is kept here proves nothing to anybody else.

    The keys that Autobahn's dialect derives by Argon2id differ from those of the specification: a
    principal has those of the clients that it uses, or both. `concord secret scram` prints both.
    """

    kdf: Annotated[
        Literal["argon2id13", "pbkdf2"],
        Meta(title="function", description="How a client derives the keys from the password."),
    ] = "argon2id13"
    salt: Annotated[
        str,
        Meta(
            description="The salt, at least 8 bytes, in Base64; for each principal another one.",
            extra={"check": _check_salt},
        ),
    ]
    iterations: Annotated[
        int,
        Meta(description="Iterations; of PBKDF2 at least 4096.", ge=1, le=10_000_000),
    ]
    memory: Annotated[int, Meta(description="Memory that Argon2id takes, in KiB.", ge=8, le=4_194_304)] = (
        65_536
    )
    stored_key: Annotated[
        Secret | None,
        Meta(description="StoredKey, 32 bytes in Base64 or hexadecimal, for `wamp-scram`."),
    ] = None
    server_key: Annotated[Secret | None, Meta(description="ServerKey, likewise.")] = None
    autobahn_stored_key: Annotated[
        Secret | None,
        Meta(description="StoredKey of Autobahn's dialect, `scram`, where it differs: with Argon2id."),
    ] = None
    autobahn_server_key: Annotated[Secret | None, Meta(description="ServerKey, likewise.")] = None


class Scram(Authenticated, frozen=True, kw_only=True):
    """Authentication by password (WAMP 'Salted Challenge Response Authentication'), in both dialects."""

    principals: Annotated[
        dict[AuthId, ScramPrincipal],
        Meta(description="Who may join, by the `authid` that the client gives."),
    ] = {}


class CryptosignPrincipal(Principal, frozen=True, kw_only=True):
    """A client that signs with a private key which it alone has."""

    authorized_keys: Annotated[
        tuple[PublicKey, ...],
        Meta(
            description="Its Ed25519 public keys, any of which lets it in: 64 hexadecimal digits, or a line "
            "of OpenSSH, `ssh-ed25519 AAAA...`.",
            min_length=1,
        ),
    ]


class TrustedKeys(Principal, frozen=True, kw_only=True):
    """Clients that nobody gave a name: each is known by its public key, in hexadecimal, as `authid`."""

    keys: Annotated[tuple[PublicKey, ...], Meta(description="Their public keys, likewise.", min_length=1)]


class Cryptosign(Authenticated, frozen=True, kw_only=True):
    """Authentication by Ed25519 key pairs (WAMP 'Cryptosign-based Authentication')."""

    principals: Annotated[
        dict[AuthId, CryptosignPrincipal],
        Meta(description="Who may join, by `authid`; a client that gives none is found by its key."),
    ] = {}
    trusted_keys: Annotated[
        tuple[TrustedKeys, ...], Meta(description="Who may join by a key alone, without a name of its own.")
    ] = ()
    router_key: Annotated[
        Secret | None,
        Meta(
            description="The router's own Ed25519 private key, 64 hexadecimal digits. It signs the "
            "challenges of clients that want to know whom they talk to; use it for nothing else."
        ),
    ] = None


class SignaturePrincipal(Principal, frozen=True, kw_only=True):
    """A HTTP client that signs its requests with a key."""

    secret: Annotated[Secret, Meta(description="The key.")]


class Signature(Section, frozen=True, kw_only=True):
    """Requests to a transport's `bridge` that are signed: HMAC-SHA256, see docs/http.md."""

    principals: Annotated[
        dict[AuthId, SignaturePrincipal],
        Meta(description="Who may sign, by the `authid` that the request gives."),
    ] = {}


class TlsPrincipal(Principal, frozen=True, kw_only=True):
    """A client that shows a certificate; a transport must ask for it (`client_certificate`)."""

    fingerprints: Annotated[
        tuple[Annotated[str, Meta(title="fingerprint", extra={"check": _check_fingerprint})], ...],
        Meta(
            description="SHA-256 of its certificates, in hexadecimal; colons may stand in between. Such a "
            "certificate may be signed by anybody."
        ),
    ] = ()
    subjects: Annotated[
        tuple[Annotated[str, Meta(title="name", extra={"check": _check_certificate_name})], ...],
        Meta(
            description="Names in its certificate, any of which will do: of the subject `CN:`, of the "
            "alternative names `DNS:`, `EMAIL:`, `URI:` and `IP:`. They count where the transport names "
            "the `authorities` that sign certificates.",
            examples=[["CN:frontend1", "DNS:frontend1.example.com"]],
        ),
    ] = ()


class Tls(Authenticated, frozen=True, kw_only=True):
    """Authentication by the client's TLS certificate."""

    principals: Annotated[
        dict[AuthId, TlsPrincipal],
        Meta(description="Who may join, by `authid`; a client that gives none is found by its certificate."),
    ] = {}


class Authentication(Section, frozen=True, kw_only=True):
    """How clients may join; a method without its section is refused."""

    anonymous: Annotated[Anonymous | None, Meta(description="Without any proof.")] = None
    ticket: Annotated[Ticket | None, Meta(description="By a ticket.")] = None
    wampcra: Annotated[WampCra | None, Meta(description="By WAMP-CRA.")] = None
    scram: Annotated[Scram | None, Meta(description="By WAMP-SCRAM.")] = None
    cryptosign: Annotated[Cryptosign | None, Meta(description="By a key pair.")] = None
    tls: Annotated[Tls | None, Meta(description="By a TLS certificate.")] = None
    signature: Annotated[Signature | None, Meta(description="By signed HTTP requests.")] = None
    cookie: Annotated[
        CookieSettings | None, Meta(description="By a cookie, after another method has let in.")
    ] = None
    failures: Annotated[Failures, Meta(description="Limits of failures.")] = Failures()


def check_authentication(document: Document[Any]) -> None:
    """Check what the sections say across values."""
    _check_derived_keys(document)
    _check_scram(document)
    _check_signing_keys(document)
    _check_certificates(document)
    _check_anonymous(document)
    _check_authenticators(document)


def _check_derived_keys(document: Document[Any]) -> None:
    for path, principal in document.select("authentication", "wampcra", "principals", None):
        assert isinstance(principal, WampCraPrincipal)
        if principal.salt is not None and not _is_key(principal.secret.reveal(), principal.keylen):
            document.add(
                (*path, "secret"),
                f"with a salt, the secret is the derived key: {principal.keylen} bytes (keylen) in Base64",
            )


def _check_anonymous(document: Document[Any]) -> None:
    path = ("authentication", "anonymous")
    section = document.values.get(path)
    if not isinstance(section, Anonymous):
        return
    if section.role is None and section.authenticator is None:
        document.add((*path, "role"), "missing: the key 'role' is required without an 'authenticator'")
    elif section.role is not None and section.authenticator is not None:
        document.add((*path, "role"), "the role is the authenticator's to say: leave one of the two out")


def _check_authenticators(document: Document[Any]) -> None:
    """Warn where whoever answers could not join before he answers."""
    sections = [section for _, section in document.select("authentication", None)]
    if not sections or any(_lets_in_by_itself(section) for section in sections):
        return
    for path, uri in document.select("authentication", None, "authenticator"):
        if (*path[:2], "authenticator_realm") not in document.values:
            text = (
                f"who registers {quoted(str(uri))} can't join this realm: no method lets anybody in by itself"
            )
            document.warn(path, text)


def _lets_in_by_itself(section: object) -> bool:
    return any(getattr(section, name, None) for name in ("role", "principals", "trusted_keys"))


def _is_key(text: str, length: int) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == length
    except (binascii.Error, ValueError):
        return False


def _check_scram(document: Document[Any]) -> None:
    for path, principal in document.select("authentication", "scram", "principals", None):
        assert isinstance(principal, ScramPrincipal)
        if principal.kdf == "pbkdf2" and principal.iterations < _LEAST_PBKDF2_ITERATIONS:
            text = f"must be at least {_LEAST_PBKDF2_ITERATIONS} for pbkdf2, got {principal.iterations}"
            document.add((*path, "iterations"), text)
        for stored, server in SCRAM_KEYS:
            if (getattr(principal, stored) is None) != (getattr(principal, server) is None):
                document.add(path, f"{stored} and {server} belong together: one is missing")
        if principal.stored_key is None and principal.autobahn_stored_key is None:
            document.add(path, "has no keys: 'concord secret scram' makes them")
        for name in (name for pair in SCRAM_KEYS for name in pair):
            secret = getattr(principal, name)
            if secret is not None and keys.hash_key(secret.reveal()) is None:
                document.add((*path, name), "must be 32 bytes in Base64 or in hexadecimal")


def _check_signing_keys(document: Document[Any]) -> None:
    section = ("authentication", "cryptosign")
    named = document.select(*section, "principals", None, "authorized_keys", None)
    trusted = document.select(*section, "trusted_keys", None, "keys", None)
    _check_once(document, [(path, keys.public_key(str(text))) for path, text in (*named, *trusted)], "key")
    for path, secret in document.select(*section, "router_key"):
        assert isinstance(secret, Secret)
        if keys.from_hex(secret.reveal(), keys.KEY_BYTES) is None:
            document.add(path, "must be an Ed25519 private key: 64 hexadecimal digits")


def _check_certificates(document: Document[Any]) -> None:
    section = ("authentication", "tls", "principals", None)
    pinned = document.select(*section, "fingerprints", None)
    named = document.select(*section, "subjects", None)
    _check_once(document, [(path, keys.fingerprint(str(text))) for path, text in pinned], "certificate")
    _check_once(document, [(path, keys.certificate_name(str(text))) for path, text in named], "name")
    for path, principal in document.select(*section):
        assert isinstance(principal, TlsPrincipal)
        if not principal.fingerprints and not principal.subjects:
            document.add(path, "names no certificate: 'fingerprints' or 'subjects' must")


def _check_once(document: Document[Any], found: list[tuple[Path, object]], noun: str) -> None:
    """Check that everything names one client: what two have in common tells neither."""
    first: dict[object, Path] = {}  # value -> path of the first that has it
    for path, value in found:
        other = first.setdefault(value, path)
        if other != path:
            line, _ = document.position(other)
            document.add(path, f"the same {noun} as {path_text(other)} on line {line}")
