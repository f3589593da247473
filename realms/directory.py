"""
The realms of a node by name, and the way into them: what decides about a HELLO.

Every refusal gets one log line with its reason; the client learns the WAMP error alone.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from realms.auth import Identity, Method, Proof, denied
from realms.realm import Realm
from router.routing.handshake import Admission, Challenge, Peer, Refusal
from router.routing.session import CLIENT_ROLES, announced_features
from router.wamp import uris
from router.wamp.messages import Authenticate, Hello


class Directory:
    """
    The open realms; an ``Entrance`` for every transport.

    :ivar realms: name -> Realm
    """

    def __init__(self, new_session_id: Callable[[], int]) -> None:
        self.realms: dict[str, Realm] = {}
        self._new_session_id = new_session_id

    def enter(self, hello: Hello, peer: Peer) -> Admission | Challenge | Refusal:
        """Answer a HELLO: WELCOME at once, a CHALLENGE, or ABORT."""
        realm = self.realms.get(hello.realm)
        if realm is None or (peer.realms is not None and hello.realm not in peer.realms):
            return _no_such_realm(hello)
        problem = _problem_of(hello)
        if problem is not None:
            return Refusal(uris.PROTOCOL_VIOLATION, problem)
        if realm.is_full():
            return _full(realm)
        method = _choose(hello, realm.methods)
        if method is None:
            offered = ", ".join(realm.methods) or "none"
            why = f"asked for {hello.details.get('authmethods')!r:.100}, the realm offers {offered}"
            return Refusal(uris.NO_MATCHING_AUTH_METHOD, f"this realm offers: {offered}", why)
        session_id = self._free_session_id()
        decision = method.begin(hello, peer, session_id)
        if isinstance(decision, Proof):
            verify = partial(self._verify, hello, peer, session_id, decision)
            return Challenge(method.name, decision.extra, verify)
        return self._judge(hello, peer, session_id, decision)

    def enter_as(self, identity: Identity, hello: Hello, peer: Peer) -> Admission | Refusal:
        """Answer the HELLO of a component in this process, whose identity is given."""
        problem = _problem_of(hello)
        if problem is not None:
            return Refusal(uris.PROTOCOL_VIOLATION, problem)
        return self._judge(hello, peer, self._free_session_id(), identity)

    def _verify(
        self, hello: Hello, peer: Peer, session_id: int, proof: Proof, message: Authenticate
    ) -> Admission | Refusal:
        return self._judge(hello, peer, session_id, proof.verify(message))

    def _judge(
        self, hello: Hello, peer: Peer, session_id: int, decision: Identity | Refusal
    ) -> Admission | Refusal:
        if isinstance(decision, Refusal):
            return decision
        # All of this may have changed while the client proved itself.
        realm = self.realms.get(hello.realm)
        if realm is None:
            return _no_such_realm(hello)
        if not realm.still_allows(decision):
            return denied(f"{decision.authmethod}: {decision.authid!r} lost its permission while it joined")
        if realm.is_full():
            return _full(realm)
        features = announced_features(hello.details["roles"])
        return realm.admit(session_id, decision, peer, features)

    def _free_session_id(self) -> int:
        while True:
            session_id = self._new_session_id()
            if not any(session_id in realm.sessions for realm in self.realms.values()):
                return session_id


def _no_such_realm(hello: Hello) -> Refusal:
    if not uris.is_valid(hello.realm):
        return Refusal(uris.INVALID_URI, f"{hello.realm!r:.100} is no valid URI of a realm")
    return Refusal(uris.NO_SUCH_REALM, f"no realm {hello.realm!r:.100} here")


def _full(realm: Realm) -> Refusal:
    limit = realm.limits.sessions
    return Refusal(uris.LIMIT_EXCEEDED, f"the realm has its limit of sessions = {limit}")


def _problem_of(hello: Hello) -> str | None:
    roles: Any = hello.details.get("roles")
    if not isinstance(roles, dict) or not roles:
        return "HELLO.Details.roles must name at least one role"
    if not CLIENT_ROLES & roles.keys():
        return f"HELLO.Details.roles must name at least one of {', '.join(sorted(CLIENT_ROLES))}"
    methods = hello.details.get("authmethods")
    if methods is not None and not isinstance(methods, list):
        return "HELLO.Details.authmethods must be a list of names"
    return None


def _choose(hello: Hello, methods: Mapping[str, Method]) -> Method | None:
    """Take the client's first method that the realm offers; a client that names none is anonymous."""
    for name in hello.details.get("authmethods") or ["anonymous"]:
        if isinstance(name, str) and name in methods:
            return methods[name]
    return None
