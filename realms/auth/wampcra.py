"""WAMP-CRA: the client signs a challenge with its secret (WAMP AP 'Challenge Response Authentication')."""

import base64
import hmac
import json
import secrets
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any

from realms.auth import Identity, Proof, authid_of, decoys, denied, missing_authid
from realms.auth.config import WampCra
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
        self._shapes = [config.principals[authid] for authid in sorted(config.principals)]

    def begin(self, hello: Hello, peer: Peer, session_id: int) -> Proof | Refusal:
        authid = authid_of(hello)
        if authid is None:
            return missing_authid()
        principal = self._principals.get(authid)
        shape = principal or decoys.pick(authid, self._shapes)
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
            salt = shape.salt if principal else decoys.salt_text(authid, len(shape.salt))
            extra |= {"salt": salt, "iterations": shape.iterations, "keylen": shape.keylen}
        return Proof(extra, partial(self._verify, authid, challenge))

    def knows(self, hello: Hello, peer: Peer) -> bool:
        return authid_of(hello) in self._principals

    def still_allows(self, identity: Identity) -> bool:
        principal = self._principals.get(identity.authid)
        return principal is not None and principal.role == identity.role

    def _verify(self, authid: str, challenge: str, message: Authenticate) -> Identity | Refusal:
        principal = self._principals.get(authid)
        key = principal.secret.reveal().encode() if principal is not None else decoys.KEY
        signature = base64.b64encode(hmac.digest(key, challenge.encode(), sha256))
        equal = hmac.compare_digest(message.signature.encode(), signature)
        if principal is None:
            return denied(f"wampcra: no principal {authid!r:.100}")
        if not equal:
            return denied(f"wampcra: wrong signature of {authid!r}")
        if principal.expired():
            return denied(f"wampcra: the secret of {authid!r} has expired")
        return Identity(authid=authid, role=principal.role, authmethod=self.name)
