"""
Signature: a HTTP client signs each of its requests (``docs/http.md``).

Rules of this file: the key is never sent; what was signed is made by the bridge of the request itself and not
by the client, so this method is for the bridge's sessions alone. Whether a request is new, the bridge judges.
"""

import hmac
import secrets
from functools import partial
from hashlib import sha256
from typing import Final

from realms.auth import Identity, Proof, authid_of, denied, missing_authid
from realms.auth.config import Signature
from router.routing.handshake import Peer, Refusal
from router.wamp.messages import Authenticate, Hello

_DECOY_KEY: Final = secrets.token_bytes(32)


class SignatureMethod:
    """An unknown name is judged like a known one, with a key that nobody has."""

    name = "signature"

    def __init__(self, config: Signature) -> None:
        self._principals = config.principals

    def begin(self, hello: Hello, peer: Peer, session_id: int) -> Proof | Refusal:
        if peer.transport != "http":
            return denied(f"signature: asked for over {peer.transport}; it is for HTTP requests")
        authid = authid_of(hello)
        if authid is None:
            return missing_authid()
        return Proof({}, partial(self._verify, authid))

    def knows(self, hello: Hello, peer: Peer) -> bool:
        return True  # the bridge judges at once whether a request is new: no authenticator is asked

    def still_allows(self, identity: Identity) -> bool:
        principal = self._principals.get(identity.authid)
        return principal is not None and principal.role == identity.role

    def judge(self, authid: str, text: str, signature: str) -> Identity | Refusal:
        """Judge ``signature``: HMAC-SHA256 of ``text`` in hexadecimal digits."""
        principal = self._principals.get(authid)
        key = principal.secret.reveal().encode() if principal is not None else _DECOY_KEY
        expected = hmac.new(key, text.encode(), sha256).hexdigest()
        equal = hmac.compare_digest(expected.encode(), signature.encode())
        if principal is None:
            return denied(f"signature: no principal {authid!r:.100}")
        if not equal:
            return denied(f"signature: wrong signature of {authid!r}")
        if principal.expired():
            return denied(f"signature: the key of {authid!r} has expired")
        return Identity(authid=authid, role=principal.role, authmethod=self.name)

    def _verify(self, authid: str, message: Authenticate) -> Identity | Refusal:
        return self.judge(authid, str(message.extra.get("text")), message.signature)
