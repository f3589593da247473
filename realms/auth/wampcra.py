"""WAMP-CRA: the client signs a challenge with its secret (WAMP AP 'Challenge Response Authentication')."""

import base64
import hmac
import json
import secrets
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any

from realms.auth import Identity, Proof, authid_of, denied, missing_authid
from realms.config import WampCra, WampCraPrincipal
from router.routing.handshake import Peer, Refusal
from router.wamp.messages import Authenticate, Hello


class WampCraMethod:
    """
    An unknown name gets a challenge of the same shape as some known one, always the same for
    that name, so that neither the challenge nor the answer tells which names exist.
    """

    name = "wampcra"

    def __init__(self, config: WampCra) -> None:
        self._principals = config.principals
        self._decoy_key = secrets.token_bytes(32)

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
            salt = shape.salt if principal else self._decoy_salt(authid, len(shape.salt))
            extra |= {"salt": salt, "iterations": shape.iterations, "keylen": shape.keylen}
        return Proof(extra, partial(self._verify, authid, challenge))

    def still_allows(self, identity: Identity) -> bool:
        principal = self._principals.get(identity.authid)
        return principal is not None and principal.role == identity.role

    def _verify(self, authid: str, challenge: str, message: Authenticate) -> Identity | Refusal:
        principal = self._principals.get(authid)
        key = principal.secret.reveal().encode() if principal is not None else self._decoy_key
        signature = base64.b64encode(hmac.digest(key, challenge.encode(), sha256))
        equal = hmac.compare_digest(message.signature.encode(), signature)
        if principal is None:
            return denied(f"wampcra: no principal {authid!r}")
        if not equal:
            return denied(f"wampcra: wrong signature of {authid!r}")
        return Identity(authid=authid, role=principal.role, authmethod=self.name)

    def _decoy(self, authid: str) -> WampCraPrincipal | None:
        if not self._principals:
            return None
        names = sorted(self._principals)
        number = int.from_bytes(hmac.digest(self._decoy_key, authid.encode(), sha256)[:8], "big")
        return self._principals[names[number % len(names)]]

    def _decoy_salt(self, authid: str, length: int) -> str:
        digest = hmac.digest(self._decoy_key, b"salt" + authid.encode(), sha256)
        return (base64.b64encode(digest).decode().rstrip("=") * (length // 43 + 1))[:length]
