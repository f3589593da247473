"""
How a session proves who it is: the client's side of WAMP's authentication methods.

A ``Method`` speaks for all the methods that a session offers, in order of preference; the router chooses
one by its CHALLENGE. What is wrong raises ``NotJoined`` with a reason that shows no secret.
"""

import base64
import binascii
import hashlib
import hmac
from pathlib import Path
from typing import Any, Protocol

from router.client.failures import NotJoined, UsageError

# What can be offered; `scram` and `wamp-scram` are two dialects of one method.
NAMES = ("anonymous", "ticket", "wampcra", "wamp-scram", "scram", "cryptosign", "cookie", "tls")
SECRET_NAMES = ("ticket", "wampcra", "wamp-scram", "scram", "cryptosign")

MAX_ITERATIONS = 10_000_000


class One(Protocol):
    """One method."""

    def extra(self, transport: Any) -> dict[str, Any]:
        """Give what the method needs in HELLO.Details.authextra."""

    def answer(self, extra: dict[str, Any], transport: Any) -> tuple[str, dict[str, Any]]:
        """Answer CHALLENGE: AUTHENTICATE's signature and extra."""

    def check(self, authextra: dict[str, Any]) -> str | None:
        """Tell why WELCOME is not to be believed; None where it is."""


class Plain:
    """A method without a challenge: anonymous, cookie, tls."""

    def extra(self, transport: Any) -> dict[str, Any]:
        """Need nothing."""
        return {}

    def answer(self, extra: dict[str, Any], transport: Any) -> tuple[str, dict[str, Any]]:
        """Refuse: there is nothing to answer with."""
        raise NotJoined("the router asks for a proof, and this method has none")

    def check(self, authextra: dict[str, Any]) -> str | None:
        """Believe the router."""
        return None


class Ticket(Plain):
    """WAMP AP 'Ticket-based Authentication'."""

    def __init__(self, ticket: str) -> None:
        self._ticket = ticket

    def answer(self, extra: dict[str, Any], transport: Any) -> tuple[str, dict[str, Any]]:
        """Send the ticket as it is."""
        return self._ticket, {}


class WampCra(Plain):
    """WAMP AP 'Challenge Response Authentication'."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def answer(self, extra: dict[str, Any], transport: Any) -> tuple[str, dict[str, Any]]:
        """Sign the challenge with the secret, or with the key derived from it where there is a salt."""
        key = self._secret
        if extra.get("salt"):
            iterations, length = int(extra.get("iterations", 1000)), int(extra.get("keylen", 32))
            if not (1 <= iterations <= MAX_ITERATIONS and 1 <= length <= 1024):
                raise NotJoined(f"the router asks for {iterations} iterations and {length} bytes of a key")
            derived = hashlib.pbkdf2_hmac("sha256", key, str(extra["salt"]).encode(), iterations, length)
            key = base64.b64encode(derived)
        signed = hmac.new(key, str(extra["challenge"]).encode(), hashlib.sha256).digest()
        return base64.b64encode(signed).decode(), {}


class Cryptosign(Plain):
    """WAMP AP 'Cryptosign-based Authentication': an Ed25519 key signs the challenge."""

    def __init__(self, seed: bytes, channel_binding: str | None) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._channel_binding = channel_binding

    def extra(self, transport: Any) -> dict[str, Any]:
        """Show the public key, and what binds the proof to the connection."""
        public = {"pubkey": self._key.public_key().public_bytes_raw().hex()}
        return {**public, "channel_binding": self._channel_binding} if self._channel_binding else public

    def answer(self, extra: dict[str, Any], transport: Any) -> tuple[str, dict[str, Any]]:
        """Sign the challenge, mixed with the channel's id where one is bound to."""
        try:
            challenge = bytes.fromhex(extra["challenge"])
        except (KeyError, TypeError, ValueError):
            raise NotJoined("the router's challenge is not hexadecimal") from None
        if len(challenge) != 32:
            raise NotJoined(f"the router's challenge has {len(challenge)} bytes, expected 32")
        bound = challenge
        if self._channel_binding:
            if extra.get("channel_binding") != self._channel_binding:
                raise NotJoined(f"the router does not bind to the connection by {self._channel_binding}")
            channel = transport.transport_details.channel_id.get(self._channel_binding)
            if not channel:
                raise NotJoined(f"this connection has no {self._channel_binding} to bind to: it needs TLS")
            bound = bytes(a ^ b for a, b in zip(challenge, channel, strict=True))
        return self._key.sign(bound).hex() + bound.hex(), {}


class Method:
    """
    All that a session offers.

    :ivar names: WAMP's names of the methods, in order of preference
    """

    def __init__(self, offered: dict[str, One]) -> None:
        self.names = list(offered)
        self._offered = offered

    def extra(self, transport: Any) -> dict[str, Any]:
        """Give HELLO.Details.authextra."""
        return {name: value for one in self._offered.values() for name, value in one.extra(transport).items()}

    def answer(self, name: str, extra: dict[str, Any], transport: Any) -> tuple[str, dict[str, Any]]:
        """
        Answer a CHALLENGE of the method ``name``.

        Raises:
            NotJoined: the method was not offered, or what the router asks makes no sense.
        """
        if name not in self._offered:
            raise NotJoined(f"the router asks for {name!r}, which was not offered")
        try:
            self._chosen = self._offered[name]
            return self._chosen.answer(extra, transport)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise NotJoined(f"the router's challenge makes no sense: {error!r}") from None

    def check(self, details: dict[str, Any]) -> str | None:
        """Tell why the WELCOME with ``details`` is not to be believed; None where it is."""
        chosen = getattr(self, "_chosen", None)
        return chosen.check(details.get("authextra") or {}) if chosen else None


def method(
    names: list[str], authid: str | None, secret: str | None, channel_binding: str | None = None
) -> Method:
    """
    Make what a session offers.

    Raises:
        UsageError: a method is unknown, or needs what is not given.
    """
    offered: dict[str, One] = {}
    for name in names:
        if name not in NAMES:
            raise UsageError(f"there is no authentication method {name!r} (allowed: {', '.join(NAMES)})")
        if name in SECRET_NAMES and not secret:
            raise UsageError(f"authentication by {name} needs a secret: see 'Secrets' in --help")
        if name in ("ticket", "wampcra", "wamp-scram", "scram") and not authid:
            raise UsageError(f"authentication by {name} needs --authid")
        offered[name] = _one(name, authid or "", secret or "", channel_binding)
    return Method(offered)


def _one(name: str, authid: str, secret: str, channel_binding: str | None) -> One:
    if name == "ticket":
        return Ticket(secret)
    if name == "wampcra":
        return WampCra(secret)
    if name == "cryptosign":
        return Cryptosign(private_key(secret), channel_binding)
    if name in ("wamp-scram", "scram"):
        from router.client.scram import Scram

        return Scram(name, authid, secret)
    return Plain()


def private_key(text: str) -> bytes:
    """
    Read an Ed25519 key: 64 hexadecimal digits, or an OpenSSH or PEM private key without a password.

    Raises:
        UsageError: it is none; the text is not shown.
    """
    text = text.strip()
    if text.startswith("-----BEGIN"):
        return _of_key_file(text.encode())
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) == 64:
        seed = seed[:32]  # as some tools write it, the public key behind the seed
    if len(seed) != 32:
        raise UsageError("cryptosign needs a private key: 64 hexadecimal digits, OpenSSH or PEM")
    return seed


def _of_key_file(text: bytes) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    load = load_ssh_private_key if b"OPENSSH" in text.splitlines()[0] else load_pem_private_key
    try:
        key = load(text + b"\n", None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"cryptosign's private key can't be read: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError("cryptosign's private key must be an Ed25519 key")
    return key.private_bytes_raw()


def read_secret(file: Path) -> str:
    """
    Read a secret from a file; one newline at its end is left out.

    Raises:
        UsageError: it can't be read.
    """
    try:
        text = file.expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"the secret {file} can't be read: {getattr(error, 'strerror', error)}") from None
    return text.removesuffix("\n")
