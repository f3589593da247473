"""
SCRAM: the client proves its password, and the router that it knew it (WAMP AP 'Salted Challenge Response
Authentication').

Rules of this file:

- The method's name tells the dialect. ``wamp-scram`` is the specification's. ``scram`` is Autobahn's,
  in which a KDF is spelled otherwise, the password salted by Argon2id is the Base64 text of the hash,
  ``c=`` is empty, AUTHENTICATE tells no nonce, and the server's signature has another name.
- What is kept of a password, StoredKey and ServerKey, does not let in; what they are made of is never here.
- An unknown name gets a challenge like a known one, with a salt that is always the same for that name,
  and its proof is checked all the same.
"""

import base64
import hmac
import secrets
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from hashlib import sha256
from typing import Any, Final, NamedTuple

from realms.auth import Identity, Proof, authid_of, decoys, denied, missing_authid
from realms.auth.config import SCRAM_KEYS, Scram, ScramPrincipal
from realms.auth.keys import from_base64, hash_key
from realms.auth.saslprep import saslprep
from router.routing.handshake import Peer, Refusal
from router.wamp import uris
from router.wamp.messages import Authenticate, Hello

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 16
SALT_BYTES: Final = 16
LONGEST_NONCE: Final = 256  # characters that a client may send
LONGEST_NAME: Final = 256  # characters that are normalized


class Dialect(NamedTuple):
    """What differs between the two."""

    authmethod: str
    kdfs: Mapping[str, str]  # as in the configuration -> as in CHALLENGE
    keys: tuple[tuple[str, str], ...]  # fields of a principal, the first that are set count
    verifier: str  # the server's signature in WELCOME.Details.authextra
    bindings: tuple[str, ...]


WAMP: Final = Dialect(
    "wamp-scram",
    {"argon2id13": "argon2id13", "pbkdf2": "pbkdf2"},
    SCRAM_KEYS[:1],
    "verifier",
    ("tls-unique", "tls-server-end-point", "tls-exporter"),
)
AUTOBAHN: Final = Dialect(
    "scram",
    {"argon2id13": "argon2id-13", "pbkdf2": "pbkdf2"},
    SCRAM_KEYS[1:],
    "scram_server_signature",
    (),
)


class Keys(NamedTuple):
    """What is kept of a password (RFC 5802, 3)."""

    stored: bytes
    server: bytes


class Shape(NamedTuple):
    """How a challenge looks; ``salt`` in Base64."""

    kdf: str
    salt: str
    iterations: int
    memory: int | None


class Exchange(NamedTuple):
    """One authentication; ``binding`` is the type and the data of the channel's, or None."""

    authid: str
    nonce: str
    binding: tuple[str, bytes] | None
    message: bytes  # what both sides sign, "AuthMessage"


# What a stranger is asked for in a realm without principals: what ``concord secret scram`` makes.
DEFAULT_SHAPE: Final = Shape("argon2id13", base64.b64encode(bytes(SALT_BYTES)).decode(), 3, 65536)


class ScramMethod:
    """One dialect of a realm's SCRAM."""

    def __init__(self, config: Scram, dialect: Dialect) -> None:
        self.name = dialect.authmethod
        self._dialect = dialect
        self._principals = config.principals
        self._keys = {
            authid: keys
            for authid, principal in config.principals.items()
            if (keys := _keys_of(principal, dialect)) is not None
        }
        self._shapes = [_shape_of(config.principals[authid]) for authid in sorted(self._keys)]

    def begin(self, hello: Hello, peer: Peer, session_id: int) -> Proof | Refusal:
        authid = authid_of(hello)
        if authid is None:
            return missing_authid()
        extra = hello.details.get("authextra")
        extra = extra if isinstance(extra, Mapping) else {}
        nonce = extra.get("nonce")
        if not isinstance(nonce, str) or len(nonce) > LONGEST_NONCE or not from_base64(nonce):
            return self._refused(f"nonce must be random bytes in Base64, up to {LONGEST_NONCE} characters")
        binding: tuple[str, bytes] | None = None
        if extra.get("channel_binding") is not None:
            binding = self._binding(peer, extra["channel_binding"])
            if binding is None:
                offered = ", ".join(self._dialect.bindings) or "none"
                return self._refused(f"channel_binding can't be had here; with TLS: {offered}")
        return self._challenge(authid, nonce, binding)

    def knows(self, hello: Hello, peer: Peer) -> bool:
        return authid_of(hello) in self._principals

    def still_allows(self, identity: Identity) -> bool:
        principal = self._principals.get(identity.authid)
        return principal is not None and principal.role == identity.role

    def _challenge(self, authid: str, nonce: str, binding: tuple[str, bytes] | None) -> Proof:
        shape = self._shape(authid)
        both = nonce + base64.b64encode(secrets.token_bytes(NONCE_BYTES)).decode()
        parts = (
            f"n={self._name(authid)},r={nonce}",
            f"r={both},s={shape.salt},i={shape.iterations}",
            f"c={self._channel(binding)},r={both}",
        )
        exchange = Exchange(authid, both, binding, ",".join(parts).encode())
        answer: dict[str, Any] = {
            "nonce": both,
            "salt": shape.salt,
            "kdf": self._dialect.kdfs[shape.kdf],
            "iterations": shape.iterations,
        }
        if self._dialect is WAMP or shape.memory is not None:
            answer["memory"] = shape.memory
        return Proof(answer, partial(self._verify, exchange))

    def _verify(self, exchange: Exchange, message: Authenticate) -> Identity | Refusal:
        authid = exchange.authid
        known = self._keys.get(authid)
        keys = known or Keys(decoys.KEY, decoys.KEY)
        good = is_proof(keys, exchange.message, message.signature)
        principal = self._principals.get(authid)
        if principal is None:
            return denied(f"{self.name}: no principal {authid!r:.100}")
        if known is None:
            return denied(f"{self.name}: {authid!r} has no {' and '.join(self._dialect.keys[0])}")
        if self._dialect is WAMP and not _repeats(message.extra, exchange):
            return denied(f"{self.name}: nonce or channel binding of {authid!r} differ from the challenge")
        if not good:
            return denied(f"{self.name}: wrong proof of {authid!r}")
        if principal.expired():
            return denied(f"{self.name}: the password of {authid!r} has expired")
        verifier = {self._dialect.verifier: server_signature(keys, exchange.message)}
        return Identity(authid=authid, role=principal.role, authmethod=self.name, authextra=verifier)

    def _shape(self, authid: str) -> Shape:
        if authid in self._keys:
            return _shape_of(self._principals[authid])
        shape = decoys.pick(authid, self._shapes) or DEFAULT_SHAPE
        salt = decoys.salt(authid, len(base64.b64decode(shape.salt)))
        return shape._replace(salt=base64.b64encode(salt).decode())

    def _name(self, authid: str) -> str:
        """Spell the name as the client does: normalized, and in the specification's dialect escaped."""
        # No client signs a name that is not allowed; of a long one the work would be the router's.
        if len(authid) <= LONGEST_NAME:
            with suppress(ValueError):
                authid = saslprep(authid)
        return authid.replace("=", "=3D").replace(",", "=2C") if self._dialect is WAMP else authid

    def _channel(self, binding: tuple[str, bytes] | None) -> str:
        """Give what "c=" says of the channel."""
        if self._dialect is AUTOBAHN:
            return ""
        flag, data = (f"p={binding[0]}", binding[1]) if binding is not None else ("n", b"")
        return base64.b64encode(f"{flag},,".encode() + data).decode()

    def _binding(self, peer: Peer, kind: object) -> tuple[str, bytes] | None:
        if peer.channel_binding is None or not isinstance(kind, str) or kind not in self._dialect.bindings:
            return None
        data = peer.channel_binding(kind)
        return (kind, data) if data is not None else None

    def _refused(self, text: str) -> Refusal:
        text = f"HELLO.Details.authextra.{text}"
        return Refusal(uris.AUTHENTICATION_DENIED, text, f"{self.name}: {text}")


def is_proof(keys: Keys, message: bytes, proof: str) -> bool:
    """Tell whether ``proof``, in Base64, was made by one who knows the password ('ClientProof')."""
    received = from_base64(proof, KEY_BYTES) or bytes(KEY_BYTES)
    signature = hmac.digest(keys.stored, message, sha256)
    client_key = bytes(a ^ b for a, b in zip(signature, received, strict=True))
    return hmac.compare_digest(sha256(client_key).digest(), keys.stored)


def server_signature(keys: Keys, message: bytes) -> str:
    """Prove to the client that the router knew its password ('ServerSignature')."""
    return base64.b64encode(hmac.digest(keys.server, message, sha256)).decode()


def derive(salted: bytes) -> Keys:
    """Make what is kept of a salted password ('Data Stored on the Server')."""
    client_key = hmac.digest(salted, b"Client Key", sha256)
    return Keys(sha256(client_key).digest(), hmac.digest(salted, b"Server Key", sha256))


def _keys_of(principal: ScramPrincipal, dialect: Dialect) -> Keys | None:
    # PBKDF2 gives the same bytes in both dialects.
    fields = (*dialect.keys, *(SCRAM_KEYS if principal.kdf == "pbkdf2" else ()))
    for names in fields:
        found = [hash_key(key.reveal()) for name in names if (key := getattr(principal, name)) is not None]
        if len(found) == len(Keys._fields) and found[0] is not None and found[1] is not None:
            return Keys(found[0], found[1])
    return None


def _shape_of(principal: ScramPrincipal) -> Shape:
    memory = principal.memory if principal.kdf == "argon2id13" else None
    return Shape(principal.kdf, principal.salt, principal.iterations, memory)


def _repeats(extra: Mapping[str, Any], exchange: Exchange) -> bool:
    """Tell whether AUTHENTICATE names the nonce and the channel that the challenge was made for."""
    kind, data = exchange.binding or (None, None)
    told = from_base64(extra.get("cbind_data"))
    return extra.get("nonce") == exchange.nonce and extra.get("channel_binding") == kind and told == data
