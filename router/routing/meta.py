"""
The meta API: what a client may ask of sessions, registrations and subscriptions, and do to sessions.

Rules of this file:

- A procedure is a function of the caller and its arguments, already plain values, to a
  ``MetaResult``: the answer, and what else is to be done. Nothing is sent from here.
- Answers come from the tables that route: there is no second copy that could disagree.
- Arguments are checked completely. An argument that is ``None`` is absent; one too many, or of
  another name or type, is ``wamp.error.invalid_argument`` and says so.
- The realm has already checked that the caller may call the procedure.

Sources: WAMP AP 'Session Meta API', 'Registration Meta API', 'Subscriptions Meta API', 'Session Testament'.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from router.routing.broker import Broker
from router.routing.dealer import Dealer
from router.routing.options import Refused, choice
from router.routing.outputs import Farewell, Outputs
from router.routing.publication import read_publish_options
from router.routing.session import Session
from router.routing.testaments import SCOPES, Testaments
from router.wamp import uris
from router.wamp.messages import Call, Error, Goodbye, Publish, Result

# What the router itself tells of a session (``authextra`` is for authorizers alone), and what
# ``wamp.session.modify_details`` may add to it.
OWN_DETAILS = ("session", "authid", "authrole", "authmethod", "authprovider", "authextra", "transport")
MAX_DETAILS_BYTES = 16_384

Args = Sequence[Any]
Kwargs = Mapping[str, Any]


class MetaResult(Struct):
    """
    What a meta procedure comes to: ``args`` of the RESULT or, where ``error`` is a URI, of the ERROR.

    ``outputs`` is what else is to be sent, after the answer: the Farewells of killed sessions, which
    leave without testaments and session meta events if ``silent``.
    """

    args: list[Any] | None = None
    error: str | None = None
    outputs: Outputs = []
    silent: bool = False

    def answer(self, request: int) -> Result | Error:
        """Make the answer to the CALL ``request``; its payload is plain values."""
        if self.error is not None:
            return Error(Call.CODE, request, {}, self.error, self.args)
        return Result(request, {}, self.args)


MetaProcedure = Callable[[Session, Args, Kwargs], MetaResult]


def session_details(session: Session) -> dict[str, Any]:
    """Give what ``wamp.session.get`` and ``wamp.session.on_join`` tell of a session."""
    details: dict[str, Any] = {
        "session": session.id,
        "authid": session.authid,
        "authrole": session.authrole,
        "authmethod": session.authmethod,
        "authprovider": session.authprovider,
    }
    if session.transport is not None:
        details["transport"] = dict(session.transport)
    if session.details:
        details.update(session.details)
    return details


class MetaApi:
    """
    The meta procedures of one realm.

    ``procedures`` is URI -> ``(caller, args, kwargs) -> MetaResult``; none of them raises for what a
    client sends. ``sessions`` (session id -> Session), the broker and the dealer are read, never changed.
    """

    def __init__(
        self,
        sessions: Mapping[int, Session],
        broker: Broker,
        dealer: Dealer,
        testaments_per_session: int,
    ) -> None:
        self._sessions = sessions
        self._broker = broker
        self._dealer = dealer
        self._testaments = Testaments(testaments_per_session)
        self.procedures: dict[str, MetaProcedure] = {
            uri: partial(checked, method, positional, keywords)
            for uri, (method, positional, keywords) in self._methods().items()
        }

    @property
    def testaments_per_session(self) -> int:
        """How many testaments a session may have; a new limit takes nothing away."""
        return self._testaments.max_per_session

    @testaments_per_session.setter
    def testaments_per_session(self, most: int) -> None:
        self._testaments.max_per_session = most

    def take_testaments(self, session: Session) -> list[Publish]:
        """
        Give what ``session``, which has left, wanted to be published, in order, and forget it.

        The payload is plain values: see ``Broker.publish_testament``.
        """
        return self._testaments.take(session.id)

    def _methods(self) -> dict[str, tuple[MetaProcedure, int, tuple[str, ...]]]:
        """Give URI -> method, number of positional arguments, names of keyword arguments."""
        kill = ("reason", "message")
        return {
            "wamp.session.count": (self._count_sessions, 1, ()),
            "wamp.session.list": (self._list_sessions, 1, ()),
            "wamp.session.get": (self._get_session, 1, ()),
            "wamp.session.kill": (self._kill, 1, kill),
            "wamp.session.kill_by_authid": (self._kill_by_authid, 1, kill),
            "wamp.session.kill_by_authrole": (self._kill_by_authrole, 1, kill),
            "wamp.session.kill_all": (self._kill_all, 0, kill),
            "wamp.session.modify_details": (self._modify_details, 2, ()),
            "wamp.session.add_testament": (self._add_testament, 3, ("publish_options", "scope")),
            "wamp.session.flush_testaments": (self._flush_testaments, 0, ("scope",)),
            "wamp.registration.list": (self._list_registrations, 0, ()),
            "wamp.registration.lookup": (self._lookup_registration, 2, ()),
            "wamp.registration.match": (self._match_registration, 1, ()),
            "wamp.registration.get": (self._get_registration, 1, ()),
            "wamp.registration.list_callees": (self._list_callees, 1, ()),
            "wamp.registration.count_callees": (self._count_callees, 1, ()),
            "wamp.registration.remove_callee": (self._remove_callee, 3, ("reason",)),
            "wamp.subscription.list": (self._list_subscriptions, 0, ()),
            "wamp.subscription.lookup": (self._lookup_subscription, 2, ()),
            "wamp.subscription.match": (self._match_subscriptions, 1, ()),
            "wamp.subscription.get": (self._get_subscription, 1, ()),
            "wamp.subscription.list_subscribers": (self._list_subscribers, 1, ()),
            "wamp.subscription.count_subscribers": (self._count_subscribers, 1, ()),
            "wamp.subscription.remove_subscriber": (self._remove_subscriber, 3, ("reason",)),
        }

    # Sessions

    def _count_sessions(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        return MetaResult([len(self._of_roles(args))])

    def _list_sessions(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        return MetaResult([[session.id for session in self._of_roles(args)]])

    def _of_roles(self, args: Args) -> list[Session]:
        roles = _optional(args, 0, list, "filter_authroles", "a list of roles")
        if roles is None:
            return list(self._sessions.values())
        if not all(isinstance(role, str) for role in roles):
            raise _invalid("filter_authroles", "a list of roles")
        wanted = set(roles)
        return [session for session in self._sessions.values() if session.authrole in wanted]

    def _get_session(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        session = self._sessions.get(session_id := _id(args, "session"))
        if session is None:
            raise Refused(uris.NO_SUCH_SESSION, f"no session {session_id} in this realm")
        return MetaResult([session_details(session)])

    def _kill(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        session = self._sessions.get(session_id := _id(args, "session"))
        goodbye = _goodbye(kwargs)
        if session is None or session is caller:
            raise Refused(uris.NO_SUCH_SESSION, f"no other session {session_id} in this realm")
        return MetaResult(outputs=[Farewell(session, goodbye)])

    def _kill_by_authid(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        authid = _text(args, "authid")
        killed = [session for session in self._others(caller) if session.authid == authid]
        return MetaResult([[session.id for session in killed]], outputs=_farewells(killed, kwargs))

    def _kill_by_authrole(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        authrole = _text(args, "authrole")
        killed = [session for session in self._others(caller) if session.authrole == authrole]
        return MetaResult([len(killed)], outputs=_farewells(killed, kwargs))

    def _kill_all(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        # "will not generate session meta events or testament events"
        killed = self._others(caller)
        return MetaResult([len(killed)], outputs=_farewells(killed, kwargs), silent=True)

    def _others(self, caller: Session) -> list[Session]:
        return [session for session in self._sessions.values() if session is not caller]

    def _modify_details(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        session = self._sessions.get(session_id := _id(args, "session"))
        changes = _optional(args, 1, dict, "details", "a dict with strings as keys")
        if changes is None or not all(isinstance(name, str) for name in changes):
            raise _invalid("details", "a dict with strings as keys")
        own = [name for name in OWN_DETAILS if name in changes]
        if own:
            raise Refused(uris.INVALID_ARGUMENT, f"{', '.join(own)}: what the router knows cannot be changed")
        if session is None:
            raise Refused(uris.NO_SUCH_SESSION, f"no session {session_id} in this realm")
        details = {**(session.details or {}), **changes}
        details = {name: value for name, value in details.items() if value is not None}
        if len(repr(details)) > MAX_DETAILS_BYTES:
            text = f"the added details of a session have at most {MAX_DETAILS_BYTES} bytes"
            raise Refused(uris.LIMIT_EXCEEDED, text)
        session.details = details or None
        return MetaResult()

    # Testaments

    def _add_testament(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        topic = _text(args, "topic")
        payload = _optional(args, 1, list, "args", "a list")
        keywords = _optional(args, 2, dict, "kwargs", "a dict with strings as keys")
        if keywords is not None and not all(isinstance(key, str) for key in keywords):
            raise _invalid("kwargs", "a dict with strings as keys")
        scope = choice(kwargs, "scope", SCOPES)
        options = kwargs.get("publish_options")
        if options is None:
            options = {}
        if not isinstance(options, dict) or not all(isinstance(name, str) for name in options):
            raise _invalid("publish_options", "a dict with strings as keys")
        read_publish_options(options)
        if options.get("ppt_scheme") and not caller.supports("publisher.payload_passthru_mode"):
            raise Refused(uris.INVALID_ARGUMENT, "ppt_scheme: payload_passthru_mode was not announced")
        if not uris.is_valid(topic):
            raise Refused(uris.INVALID_URI, "topic is no valid URI")
        self._testaments.add(caller.id, scope, Publish(0, options, topic, payload, keywords))
        return MetaResult()

    def _flush_testaments(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        self._testaments.flush(caller.id, choice(kwargs, "scope", SCOPES))
        return MetaResult()

    # Registrations

    def _list_registrations(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        return MetaResult([self._dealer.registrations_by_policy()])

    def _lookup_registration(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        return MetaResult([self._dealer.lookup(_text(args, "procedure"), _match(args))])

    def _match_registration(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        # The router's own procedures have no registration, and no pattern takes their calls.
        procedure = _text(args, "procedure")
        return MetaResult([None if uris.is_reserved(procedure) else self._dealer.match(procedure)])

    def _get_registration(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        registration = self._dealer.get(registration_id := _id(args, "registration"))
        return _of_registration(registration_id, None if registration is None else registration.details())

    def _list_callees(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        registration_id = _id(args, "registration")
        return _of_registration(registration_id, self._dealer.list_callees(registration_id))

    def _count_callees(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        registration_id = _id(args, "registration")
        return _of_registration(registration_id, self._dealer.count_callees(registration_id))

    def _remove_callee(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        registration_id = _id(args, "registration")
        _of_registration(registration_id, self._dealer.get(registration_id))
        session, reason = self._removal(args, kwargs)
        if session is None or registration_id not in session.registrations:
            raise _holds_not(args[1], f"registration {registration_id}")
        return MetaResult(outputs=self._dealer.revoke(registration_id, session, reason))

    # Subscriptions

    def _list_subscriptions(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        return MetaResult([self._broker.subscriptions_by_policy()])

    def _lookup_subscription(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        return MetaResult([self._broker.lookup(_text(args, "topic"), _match(args))])

    def _match_subscriptions(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        return MetaResult([self._broker.match(_text(args, "topic")) or None])

    def _get_subscription(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        subscription = self._broker.get(subscription_id := _id(args, "subscription"))
        return _of_subscription(subscription_id, None if subscription is None else subscription.details())

    def _list_subscribers(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        subscription_id = _id(args, "subscription")
        return _of_subscription(subscription_id, self._broker.list_subscribers(subscription_id))

    def _count_subscribers(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        subscription_id = _id(args, "subscription")
        return _of_subscription(subscription_id, self._broker.count_subscribers(subscription_id))

    def _remove_subscriber(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        subscription_id = _id(args, "subscription")
        _of_subscription(subscription_id, self._broker.get(subscription_id))
        session, reason = self._removal(args, kwargs)
        if session is None or subscription_id not in session.subscriptions:
            raise _holds_not(args[1], f"subscription {subscription_id}")
        return MetaResult(outputs=self._broker.revoke(subscription_id, session, reason))

    def _removal(self, args: Args, kwargs: Kwargs) -> tuple[Session | None, str]:
        """Read the second and third argument: who is removed, and why."""
        session_id = _id(args[1:], "session")
        reason = kwargs.get("reason") if len(args) < 3 or args[2] is None else args[2]
        return self._sessions.get(session_id), _reason(reason, uris.REVOKED_REMOVED)


def _holds_not(session_id: Any, what: str) -> Refused:
    return Refused(uris.NO_SUCH_SESSION, f"no session {session_id} holds the {what}")


def checked(
    method: MetaProcedure,
    positional: int,
    keywords: tuple[str, ...],
    caller: Session,
    args: Args,
    kwargs: Kwargs,
) -> MetaResult:
    """Call ``method`` with arguments of the right number and names; a refusal becomes its error."""
    try:
        if len(args) > positional:
            raise Refused(
                uris.INVALID_ARGUMENT, f"{len(args)} positional arguments, not at most {positional}"
            )
        for name in kwargs:
            if name not in keywords and kwargs[name] is not None:
                allowed = ", ".join(keywords) or "none"
                text = f"unknown keyword argument {str(name)!r:.40}; allowed: {allowed}"
                raise Refused(uris.INVALID_ARGUMENT, text)
        return method(caller, args, kwargs)
    except Refused as refused:
        return MetaResult([refused.text], error=refused.error)


def _of_registration(registration_id: int, found: Any) -> MetaResult:
    if found is None:
        raise Refused(uris.NO_SUCH_REGISTRATION, f"no registration {registration_id} in this realm")
    return MetaResult([found])


def _of_subscription(subscription_id: int, found: Any) -> MetaResult:
    if found is None:
        raise Refused(uris.NO_SUCH_SUBSCRIPTION, f"no subscription {subscription_id} in this realm")
    return MetaResult([found])


def _farewells(killed: Iterable[Session], kwargs: Kwargs) -> Outputs:
    goodbye = _goodbye(kwargs)
    return [Farewell(session, goodbye) for session in killed]


def _reason(given: Any, default: str) -> str:
    """Check a reason that a peer will be given: Autobahn, for one, fails on what is no URI."""
    if given is None:
        return default
    if not isinstance(given, str) or not uris.is_valid(given):
        raise Refused(uris.INVALID_URI, "reason is no valid, non-empty URI")
    return given


def _goodbye(kwargs: Kwargs) -> Goodbye:
    """Read ``reason`` and ``message`` of the kill procedures."""
    reason, message = _reason(kwargs.get("reason"), uris.KILLED), kwargs.get("message")
    if message is not None and not isinstance(message, str):
        raise _invalid("message", "a string")
    return Goodbye({} if message is None else {"message": message}, reason)


def _id(args: Args, name: str) -> int:
    """Read the first argument: an id. It may arrive as an integral float."""
    value = args[0] if args else None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is not int:
        raise _invalid(name, "an id")
    return value


def _text(args: Args, name: str) -> str:
    """Read the first argument: a string."""
    value = args[0] if args else None
    if not isinstance(value, str):
        raise _invalid(name, "a string")
    return value


def _optional(args: Args, index: int, kind: type, name: str, allowed: str) -> Any:
    value = args[index] if len(args) > index else None
    if value is not None and not isinstance(value, kind):
        raise _invalid(name, allowed)
    return value


def _match(args: Args) -> str:
    """Read the match policy of ``lookup`` from its second argument, the options."""
    options = _optional(args, 1, dict, "options", "a dict")
    return choice(options or {}, "match", uris.MATCH_POLICIES)


def _invalid(name: str, allowed: str) -> Refused:
    return Refused(uris.INVALID_ARGUMENT, f"{name} must be {allowed}")
