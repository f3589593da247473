"""WAMP-CRA: the client signs a challenge with its secret (WAMP AP 'Challenge Response Authentication')."""

import base64
import hmac
import json
import secrets
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any, Final

from realms.auth import Identity, Proof, authid_of, denied, missing_authid
from realms.auth.config import WampCra, WampCraPrincipal
from router.routing.handshake import Peer, Refusal
from router.wamp.messages import Authenticate, Hello

# Of the process and not of a method: a reload makes new methods, and a salt that it changed
# would be known for a decoy.
_DECOY_KEY: Final = secrets.token_bytes(32)


class WampCraMethod:
    """
    An unknown name gets a challenge of the same shape as some known one, always the same for
    that name, so that neither the challenge nor the answer tells which names exist.
    """

    name = "wampcra"

    def __init__(self, config: WampCra) -> None:
        self._principals = config.principals
        self._shapes = [config.principals[authid] for authid in sorted(config.principals)]

    def begin(self, hello: Hello, peer: Peer, session_id: int) -> Proof | Refusal:
        authid = authid_of(hello)
        if authid is None:
            return missing_authid()
        principal = self._principals.get(authid)
        shape = principal or self._decoy(authid)
        challenge = json.dumps(
            {
                "authid": authid,
                "authrole": shape.role if shape else "anonymous",
                "authmethod": self.name,
                "authprovider": "static",
                "session": session_id,
                "nonce": secrets.token_urlsafe(32),
                "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            }
        )
        extra: dict[str, Any] = {"challenge": challenge}
        if shape is not None and shape.salt is not None:
            salt = shape.salt if principal else _decoy_salt(authid, len(shape.salt))
            extra |= {"salt": salt, "iterations": shape.iterations, "keylen": shape.keylen}
        return Proof(extra, partial(self._verify, authid, challenge))

    def still_allows(self, identity: Identity) -> bool:
        principal = self._principals.get(identity.authid)
        return principal is not None and principal.role == identity.role

    def _verify(self, authid: str, challenge: str, message: Authenticate) -> Identity | Refusal:
        principal = self._principals.get(authid)
        key = principal.secret.reveal().encode() if principal is not None else _DECOY_KEY
        signature = base64.b64encode(hmac.digest(key, challenge.encode(), sha256))
        equal = hmac.compare_digest(message.signature.encode(), signature)
        if principal is None:
            return denied(f"wampcra: no principal {authid!r:.100}")
        if not equal:
            return denied(f"wampcra: wrong signature of {authid!r}")
        return Identity(authid=authid, role=principal.role, authmethod=self.name)

    def _decoy(self, authid: str) -> WampCraPrincipal | None:
        if not self._shapes:
            return None
        number = int.from_bytes(hmac.digest(_DECOY_KEY, authid.encode(), sha256)[:8], "big")
        return self._shapes[number % len(self._shapes)]


def _decoy_salt(authid: str, length: int) -> str:
    """Make a salt for a name that does not exist, always the same one."""
    blocks = (
        hmac.digest(_DECOY_KEY, f"salt {number} {authid}".encode(), sha256)
        for number in range(length // 43 + 1)
    )
    return "".join(base64.b64encode(block).decode().rstrip("=") for block in blocks)[:length]
