"""Ticket: the client sends a secret as it is (WAMP AP 'Ticket-based Authentication')."""

import hmac
from functools import partial

from realms.auth import Identity, Proof, authid_of, denied, missing_authid
from realms.auth.config import Ticket
from router.routing.handshake import Peer, Refusal
from router.wamp.messages import Authenticate, Hello


class TicketMethod:
    """An unknown name is challenged like a known one, and its ticket compared all the same."""

    name = "ticket"

    def __init__(self, config: Ticket) -> None:
        self._principals = config.principals

    def begin(self, hello: Hello, peer: Peer, session_id: int) -> Proof | Refusal:
        authid = authid_of(hello)
        if authid is None:
            return missing_authid()
        return Proof({}, partial(self._verify, authid))

    def knows(self, hello: Hello, peer: Peer) -> bool:
        return authid_of(hello) in self._principals

    def still_allows(self, identity: Identity) -> bool:
        principal = self._principals.get(identity.authid)
        return principal is not None and principal.role == identity.role

    def _verify(self, authid: str, message: Authenticate) -> Identity | Refusal:
        principal = self._principals.get(authid)
        ticket = principal.secret.reveal() if principal is not None else ""
        equal = hmac.compare_digest(message.signature.encode(), ticket.encode())
        if principal is None:
            return denied(f"ticket: no principal {authid!r:.100}")
        if not equal:
            return denied(f"ticket: wrong ticket for {authid!r}")
        if principal.expired():
            return denied(f"ticket: the ticket of {authid!r} has expired")
        return Identity(authid=authid, role=principal.role, authmethod=self.name)
