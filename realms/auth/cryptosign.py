"""
Cryptosign: the client signs a challenge with its private key (WAMP AP 'Cryptosign-based Authentication').

A key that nobody has is challenged like a known one, and its signature checked all the same. What
is signed is the challenge, XORed with the id of the TLS channel where the client asks for
that ('TLS Channel Binding'); the answer is the signature and what was signed, 96 bytes in hexadecimal.
"""

import hmac
import secrets
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from typing import Any, Final, NamedTuple

from realms.auth import Identity, Proof, authid_of, denied
from realms.auth.config import Cryptosign, Principal
from realms.auth.keys import KEY_BYTES, from_hex, public_key
from router.routing.handshake import Peer, Refusal
from router.wamp import uris
from router.wamp.messages import Authenticate, Hello

SIGNATURE_BYTES: Final = 64
BINDINGS: Final = ("tls-unique", "tls-exporter")


class Holder(NamedTuple):
    """Whose a key is."""

    authid: str
    principal: Principal


class CryptosignMethod:
    """A key tells whose it is: ``authid`` may be absent, and must not be somebody else's."""

    name = "cryptosign"

    def __init__(self, config: Cryptosign) -> None:
        self._principals = config.principals
        self._holders = _holders(config)
        secret = config.router_key
        self._router_key = from_hex(secret.reveal(), KEY_BYTES) if secret is not None else None

    def begin(self, hello: Hello, peer: Peer, session_id: int) -> Proof | Refusal:
        extra = hello.details.get("authextra")
        extra = extra if isinstance(extra, Mapping) else {}
        key = from_hex(extra.get("pubkey"), KEY_BYTES)
        if key is None:
            return _refused("pubkey must be an Ed25519 public key, 64 hexadecimal digits")
        binding = extra.get("channel_binding")
        channel_id = bytes(KEY_BYTES) if binding is None else _channel_id(peer, binding)
        if channel_id is None:
            return _refused(f"channel_binding can't be had here; with TLS: {', '.join(BINDINGS)}")
        challenge = secrets.token_bytes(KEY_BYTES)
        answer: dict[str, Any] = {"challenge": challenge.hex(), "channel_binding": binding}
        if self._router_key is not None and extra.get("challenge") is not None:
            theirs = from_hex(extra["challenge"], KEY_BYTES)
            if theirs is None:
                return _refused("challenge must be 32 bytes, 64 hexadecimal digits")
            answer |= _signed(self._router_key, _xor(theirs, channel_id))
        return Proof(answer, partial(self._verify, key, authid_of(hello), _xor(challenge, channel_id)))

    def knows(self, hello: Hello, peer: Peer) -> bool:
        extra = hello.details.get("authextra")
        key = from_hex(extra.get("pubkey"), KEY_BYTES) if isinstance(extra, Mapping) else None
        return key in self._holders or authid_of(hello) in self._principals

    def still_allows(self, identity: Identity) -> bool:
        principal: Principal | None = self._principals.get(identity.authid)
        if principal is None:
            holder = self._holders.get(from_hex(identity.authid, KEY_BYTES) or b"")
            principal = holder.principal if holder is not None and holder.authid == identity.authid else None
        return principal is not None and principal.role == identity.role

    def _verify(
        self, key: bytes, authid: str | None, expected: bytes, message: Authenticate
    ) -> Identity | Refusal:
        good = _is_signature(message.signature, key, expected)
        holder = self._holders.get(key)
        if holder is None:
            return denied(f"cryptosign: nobody has the key {key.hex()}")
        if not good:
            return denied(f"cryptosign: wrong signature of {holder.authid!r}")
        if authid is not None and authid != holder.authid:
            return denied(f"cryptosign: the key of {holder.authid!r} used by {authid!r:.100}")
        if holder.principal.expired():
            return denied(f"cryptosign: the keys of {holder.authid!r} have expired")
        return Identity(authid=holder.authid, role=holder.principal.role, authmethod=self.name)


def _holders(config: Cryptosign) -> dict[bytes, Holder]:
    """Give public key -> whose it is."""
    named = (
        (text, Holder(authid, principal))
        for authid, principal in config.principals.items()
        for text in principal.authorized_keys
    )
    found = {key: holder for text, holder in named if (key := public_key(text)) is not None}
    for trusted in config.trusted_keys:
        for key in filter(None, map(public_key, trusted.keys)):
            found.setdefault(key, Holder(key.hex(), trusted))
    return found


def _refused(text: str) -> Refusal:
    text = f"HELLO.Details.authextra.{text}"
    return Refusal(uris.AUTHENTICATION_DENIED, text, f"cryptosign: {text}")


def _channel_id(peer: Peer, binding: object) -> bytes | None:
    """Give the 32 bytes that stand for the TLS channel; a Finished message is hashed to that length."""
    if peer.channel_binding is None or binding not in BINDINGS:
        return None
    data = peer.channel_binding(str(binding))
    if data is None:
        return None
    return data if binding == "tls-exporter" else sha256(data).digest()


def _signed(key: bytes, message: bytes) -> dict[str, str]:
    """Sign as the router ('Router Authentication')."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(key)
    return {
        "pubkey": private.public_key().public_bytes_raw().hex(),
        "signature": (private.sign(message) + message).hex(),
    }


def _is_signature(text: str, key: bytes, expected: bytes) -> bool:
    """Tell whether ``text`` is ``expected``, signed with ``key``."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    answer = from_hex(text, SIGNATURE_BYTES + KEY_BYTES)
    if answer is None or not hmac.compare_digest(answer[SIGNATURE_BYTES:], expected):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(answer[:SIGNATURE_BYTES], expected)
    except (InvalidSignature, ValueError):
        return False
    return True


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
