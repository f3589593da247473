"""
The realms of a node by name, and the way into them: what decides about a HELLO.

Every refusal gets one log line with its reason; the client learns the WAMP error alone.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import ceil
from typing import Any, Final

from msgspec import Struct, structs

from realms.auth import (
    Beginning,
    Identity,
    Method,
    Proof,
    Question,
    Skip,
    authid_of,
    denied,
    is_failure,
    unavailable,
)
from realms.realm import Realm
from realms.router_calls import Answer
from router.routing.handshake import Admission, Challenge, Decision, Later, Peer, Refusal
from router.routing.session import CLIENT_ROLES, announced_features
from router.wamp import uris
from router.wamp.messages import Authenticate, Hello

# Who joins so shows nothing that could be found by trying.
_GUESSES_NOTHING: Final = frozenset({"anonymous", "cookie"})


class Entrant(Struct):
    """A client on its way in, with the methods that it named and that have not been asked yet."""

    hello: Hello
    peer: Peer
    session_id: int
    methods: list[Method]
    method: Method | None = None  # the one that decides now
    skipped: list[str] = []

    @property
    def name(self) -> str:
        assert self.method is not None
        return self.method.name


class Directory:
    """
    The open realms; an ``Entrance`` for every transport.

    :ivar realms: name -> Realm
    """

    def __init__(self, new_session_id: Callable[[], int], now: Callable[[], float]) -> None:
        """``now`` is the monotonic clock in seconds."""
        self.realms: dict[str, Realm] = {}
        self._now = now
        self._new_session_id = new_session_id

    def enter(self, hello: Hello, peer: Peer) -> Decision | Later[Decision]:
        """Answer a HELLO: WELCOME, a CHALLENGE or ABORT, at once or later."""
        realm = self.realms.get(hello.realm)
        if realm is None or (peer.realms is not None and hello.realm not in peer.realms):
            return _no_such_realm(hello)
        problem = _problem_of(hello)
        if problem is not None:
            return Refusal(uris.PROTOCOL_VIOLATION, problem)
        if realm.is_full():
            return _full(realm)
        methods = _chosen(hello, realm.methods)
        if not methods:
            offered = ", ".join(realm.methods) or "none"
            why = f"asked for {hello.details.get('authmethods')!r:.100}, the realm offers {offered}"
            return Refusal(uris.NO_MATCHING_AUTH_METHOD, f"this realm offers: {offered}", why)
        return self._begin(Entrant(hello, peer, self._free_session_id(), methods))

    def recognizes(self, cookie: str) -> bool:
        """Tell whether somebody is known by ``cookie``, in any realm."""
        return any(realm.cookies.find(cookie) is not None for realm in self.realms.values())

    def enter_as(self, identity: Identity, hello: Hello, peer: Peer) -> Admission | Refusal:
        """Answer the HELLO of a component in this process, whose identity is given."""
        problem = _problem_of(hello)
        if problem is not None:
            return Refusal(uris.PROTOCOL_VIOLATION, problem)
        return self._judge(hello, peer, self._free_session_id(), identity)

    def _begin(self, entrant: Entrant) -> Decision | Later[Decision]:
        """Ask the next of the methods that the client named."""
        if not entrant.methods:
            return denied("; ".join(entrant.skipped))
        method = entrant.method = entrant.methods.pop(0)
        refused = self._unheard(entrant)
        if refused is not None:
            return refused
        return self._settle(entrant, method.begin(entrant.hello, entrant.peer, entrant.session_id))

    def _settle(self, entrant: Entrant, decision: Beginning) -> Decision | Later[Decision]:
        if isinstance(decision, Skip):
            entrant.skipped.append(decision.why)
            return self._begin(entrant)
        if isinstance(decision, Question):
            return self._ask(entrant, decision)
        if isinstance(decision, Proof):
            return Challenge(entrant.name, decision.extra, partial(self._verify, entrant, decision))
        self._count(entrant, decision)
        if isinstance(decision, Refusal) and not decision.why.startswith(entrant.name):
            decision = structs.replace(decision, why=f"{entrant.name}: {decision.why}")
        return self._judge(entrant.hello, entrant.peer, entrant.session_id, decision)

    def _verify(self, entrant: Entrant, proof: Proof, message: Authenticate) -> Any:
        # Many may have been challenged before the first of them failed.
        return self._unheard(entrant) or self._settle(entrant, proof.verify(message))

    def _unheard(self, entrant: Entrant) -> Refusal | None:
        """Refuse a client that failed too often, or whose address did."""
        realm = self.realms.get(entrant.hello.realm)
        if realm is None or entrant.name in _GUESSES_NOTHING:
            return None
        seconds = realm.failures.wait(entrant.peer.host, authid_of(entrant.hello), self._now())
        if not seconds:
            return None
        realm.counters["joins_throttled"] += 1
        text = f"too many failed attempts: try again in {ceil(seconds)} s"
        return Refusal(uris.LIMIT_EXCEEDED, text, f"{entrant.name}: {text}")

    def _count(self, entrant: Entrant, decision: Identity | Refusal) -> None:
        realm = self.realms.get(entrant.hello.realm)
        if realm is None or entrant.name in _GUESSES_NOTHING:
            return
        host, authid = entrant.peer.host, authid_of(entrant.hello)
        if isinstance(decision, Identity):
            realm.failures.succeeded(host, authid)
        elif is_failure(decision):
            realm.failures.failed(host, authid, self._now())

    def _ask(self, entrant: Entrant, question: Question) -> Refusal | Later[Decision]:
        """Let a procedure be called; the client waits, and nobody else does."""
        realm = self.realms.get(question.realm or entrant.hello.realm)
        if realm is None:
            return unavailable(f"no realm {question.realm!r} here to ask {question.procedure}")
        later: Later[Decision] = Later()

        def answered(answer: Answer) -> None:
            later.decide(lambda: self._settle(entrant, question.judge(answer)))

        calls = realm.router_calls
        later.source = calls.call(question.procedure, question.args, None, question.timeout_ms, answered)
        return later

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


def _chosen(hello: Hello, methods: Mapping[str, Method]) -> list[Method]:
    """Take the client's methods that the realm offers, in its order; one that names none is anonymous."""
    named = hello.details.get("authmethods") or ["anonymous"]
    return [methods[name] for name in dict.fromkeys(filter(_is_text, named)) if name in methods]


def _is_text(value: object) -> bool:
    return isinstance(value, str)
