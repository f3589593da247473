"""
A realm: its sessions, what they may do, and the one table from message to method.

Rules of this file:

- Order of a request: request id, authorization, then the broker or the dealer. Authorization
  is decided here, before routing, and never inside it.
- Everything returns outputs; nothing is sent from here. Announcements become meta events
  here, before the outputs leave.
- Time is an argument; ids of global scope, the wall clock and the wake-up of the realm's one
  timer are handed in, so that a test needs no reactor.
- Procedures under ``wamp.`` and under the names of the realm's extensions are answered here, never
  by a client: the first component of a URI says whose it is.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from realms.auth import Identity
from realms.auth.cookie import CookieMethod
from realms.auth.cookie_file import CookieFile, CookieFileRefused
from realms.auth.cookie_jar import CookieJar
from realms.auth.methods import methods_of
from realms.auth.throttle import FailedAttempts
from realms.authorization.authorizers import Authorizers, Question, given
from realms.authorization.gate import Gate
from realms.authorization.purge import PURGE, purge
from realms.authorization.review import Review
from realms.call_times import CallTimes
from realms.config import RealmConfig
from realms.extension import Extension, ExtensionError
from realms.extensions import Change, Extensions
from realms.history.history import Change as HistoryChange
from realms.history.history import EventHistory
from realms.history.history import Permission as HistoryPermission
from realms.limits import broker_limits, dealer_limits
from realms.meta_procedures import MetaProcedures
from realms.own_calls import Desk, OwnCalls, own_call
from realms.permissions import Grant, Role, compile_roles
from realms.procedure_call import Procedure
from realms.reflection import Reflection
from realms.refusals import (
    disclosure_refused,
    error_to,
    is_old,
    refusal,
    still_pending,
    used_before,
)
from realms.router_calls import RouterCalls
from realms.world import Environment
from router import __version__
from router.routing.broker import ON_UNSUBSCRIBE, Broker
from router.routing.dealer import Dealer
from router.routing.handshake import Admission, Peer, Refusal, Routes
from router.routing.meta import MetaApi, MetaResult, session_details
from router.routing.outputs import Announcement, Delivery, Farewell, Outputs
from router.routing.session import Session
from router.wamp import features, uris
from router.wamp.errors import ProtocolViolation
from router.wamp.ids import MAX_ID
from router.wamp.messages import (
    Call,
    Cancel,
    Error,
    Event,
    Goodbye,
    Invocation,
    Message,
    Publish,
    Register,
    Result,
    Subscribe,
    Unregister,
    Unsubscribe,
    Welcome,
    Yield,
)

AGENT: Final = f"Concord/{__version__}"

# The topic that tells a session how many events it lost; only that session gets the event.
ON_DROP: Final = "concord.session.on_drop"

NOTHING: Final[Outputs] = []


class RealmChange(Struct):
    """What was prepared for a changed configuration, to be taken or undone."""

    extensions: Change
    history: HistoryChange
    cookies: CookieFile | None


class Realm:
    """
    One realm while it is open. ``open`` opens its extensions.

    :ivar sessions: session id -> Session, all that have joined
    :ivar routes: message class -> method, the one dispatch table
    :ivar counters: what happened since the realm was opened, name -> number; ``errors``: ERRORs, by URI
    :ivar authorizers: what they have decided
    :ivar call_times: how long calls took
    :ivar procedures: URI -> Procedure, under ``concord.``: whoever has one puts it there
    :ivar methods: authmethod -> Method, in the order of the configuration
    """

    def __init__(
        self,
        config: RealmConfig,
        environment: Environment,
        extensions: Mapping[str, type[Extension]] = MappingProxyType({}),
    ) -> None:
        self.name = config.name
        self.sessions: dict[int, Session] = {}
        self.counters: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self._calls_of_the_gone = 0
        self._environment = environment
        self._new_publication_id = environment.new_publication_id
        self._identities: dict[int, Identity] = {}  # session id -> as whom it was let in
        self.broker = Broker(limits=broker_limits(config.limits))
        self.dealer = Dealer(limits=dealer_limits(config.limits), randbelow=environment.randbelow)
        self.meta = MetaApi(self.sessions, self.broker, self.dealer, config.limits.testaments_per_session)
        self.reflection = Reflection(self.dealer, config.limits.definitions_per_session)
        self.reflection.configure(config.catalogue)
        self.meta.procedures.update(self.reflection.procedures)
        self._own_calls = OwnCalls(environment.world)
        self.authorizers = Authorizers(
            config.name, self.sessions, lambda: self.router_calls, environment.world
        )
        self._gate = Gate(self.authorizers, environment.world)
        self._review = Review(self.authorizers, self.broker, self.dealer, self._is_here, self._send)
        permission = HistoryPermission(self._gate.may_subscribe, self._gate.ask_to_subscribe)
        self.history = EventHistory(config.name, self.broker, environment, permission, self.counters)
        meta_procedures = MetaProcedures(self.meta, self._carry_out, self.history.procedures)
        self._meta_desk = Desk(meta_procedures, self._own_calls, None)
        self.procedures: dict[str, Procedure] = {PURGE: partial(purge, self)}
        log = environment.world and environment.world.logger("realms.realm")
        self._router_desk = Desk(self, self._own_calls, log)
        self._router_calls: RouterCalls | None = None
        self.extensions = Extensions(
            config.name, extensions, self.sessions, self.broker, self._own_calls, environment
        )
        self.failures = FailedAttempts(config.authentication.failures)
        self.cookies = CookieJar(config.name, environment.world)
        self._configure(config)
        self.routes: Routes = {
            Call: self._call,
            Yield: self.dealer.yield_,
            Publish: self._publish,
            Error: self._error,
            Cancel: self._cancel,
            Register: self._register,
            Unregister: self._unregister,
            Subscribe: self._subscribe,
            Unsubscribe: self._unsubscribe,
        }
        self._choose_routes()
        self.call_times = CallTimes(self.dealer, self.routes)

    def __repr__(self) -> str:
        return f"<Realm {self.name!r}>"

    @property
    def router_calls(self) -> RouterCalls:
        """The calls that the router itself makes of this realm's procedures."""
        if self._router_calls is None:
            assert self._environment.world is not None, "calls of the router need a world"
            self._router_calls = RouterCalls(self.name, self.dealer, self._environment.world)
        return self._router_calls

    def is_full(self) -> bool:
        """Tell whether the limit of sessions is reached."""
        return len(self.sessions) >= self.limits.sessions

    def still_allows(self, identity: Identity) -> bool:
        """Tell whether ``identity`` would be let in today; a component of this process needs no method."""
        if identity.authmethod == "local":
            return True
        method = self.methods.get(identity.authmethod)
        return method is not None and method.still_allows(identity)

    def admit(
        self, session_id: int, identity: Identity, peer: Peer, announced: frozenset[str]
    ) -> Admission | Refusal:
        """Make the session of a client that has proved who it is."""
        role = self.roles.get(identity.role)
        if role is None:
            why = f"{identity.authmethod}: {identity.authid!r} has the role {identity.role!r}, which is gone"
            return Refusal(uris.NO_SUCH_ROLE, "authentication failed", why)
        session = Session(
            session_id,
            identity.authid,
            identity.role,
            authmethod=identity.authmethod,
            authprovider=identity.authprovider,
            authextra=identity.authextra,
            features=announced,
            transport={"type": peer.transport, "peer": peer.address},
            role=role,
            errors=self.errors,
        )
        self._identities[session_id] = identity
        self.sessions[session_id] = session
        self.cookies.admitted(session_id, identity, peer)
        details = {
            "agent": AGENT,
            "realm": self.name,
            "authid": session.authid,
            "authrole": session.authrole,
            "authmethod": session.authmethod,
            "authprovider": session.authprovider,
            "roles": self._welcome_roles,
            "_limits": {"message_bytes": peer.message_limit_bytes},
        }
        if session.authextra is not None:
            details["authextra"] = session.authextra
        return Admission(self, session, Welcome(session_id, details))

    def join(self, session: Session) -> Outputs:
        """Announce a session that has been told WELCOME."""
        self.counters["sessions"] += 1
        outputs = self._announce([Announcement("wamp.session.on_join", [session_details(session)])])
        return outputs + self.extensions.joined(session)

    def leave(self, session: Session, reason: str) -> Outputs:
        """
        Forget a session: its calls, registrations, subscriptions.

        Outputs: what callers and callees of it are told, its testaments, the meta events.
        """
        if session.id not in self.sessions:
            return []
        others = self.cookies.logged_out(session.id) if reason == uris.LOGOUT else []
        outputs, testaments = self._forget(session)
        for testament in testaments:
            outputs += self._publish_testament(session, testament)
        outputs.append(Announcement("wamp.session.on_leave", [session.id, session.authid, session.authrole]))
        goodbye = Goodbye({"message": "logged out"}, uris.LOGOUT)
        outputs += [Farewell(self.sessions[other], goodbye) for other in others]
        return self._announce(outputs)

    def refuse_payload(self, session: Session, message: Message, error: Error, now: float) -> Outputs:
        """
        Answer for a message whose payload cannot be carried: its caller or its sender gets ``error``.

        Raises:
            ProtocolViolation: no client may send such a message, or its request id.
        """
        if not isinstance(message, Call | Publish | Yield | Error):
            raise ProtocolViolation(f"received {type(message).__name__.upper()} while the session was open")
        if isinstance(message, Yield | Error):
            failed = Error(Invocation.CODE, message.request, {}, error.error, error.args)
            goes_on = isinstance(message, Yield) and message.options.get("progress") is True
            return self.dealer.error(session, failed, interrupt=goes_on)
        if isinstance(message, Call) and message.request in session.calls:
            return self._fail_call(session, error)
        if isinstance(message, Call) and is_old(session, message.request):
            return self._continue_call(session, message, now)
        self._advance(session, message.request)
        if isinstance(message, Publish) and message.options.get("acknowledge") is not True:
            return NOTHING
        session.note_error(error.error)
        return [Delivery((session,), error)]

    def undeliverable(self, session: Session, message: Message, size: int, limit: int) -> Outputs:
        """Tell whoever waits for ``message`` that it is larger than ``session`` takes."""
        text = f"a message of {size} bytes is more than the receiver takes: {limit}"
        request: int = getattr(message, "request", 0)
        if message.CODE == Invocation.CODE:
            error = Error(Invocation.CODE, request, {}, uris.PAYLOAD_SIZE_EXCEEDED, [text])
            return self.dealer.undelivered(session, error)
        if message.CODE == Result.CODE:
            error = Error(Call.CODE, request, {}, uris.PAYLOAD_SIZE_EXCEEDED, [text])
            return self._fail_call(session, error)
        if isinstance(message, Error) and message.error != uris.PAYLOAD_SIZE_EXCEEDED:
            return error_to(session, message.request_type, request, uris.PAYLOAD_SIZE_EXCEEDED, text)
        self.counters["events_dropped"] += 1
        return NOTHING

    def dropped(self, session: Session, count: int) -> Outputs:
        """Tell ``session`` that it was too slow for ``count`` events, if it subscribed to ``ON_DROP``."""
        self.counters["events_dropped"] += count
        subscription = self.broker.lookup(ON_DROP, uris.EXACT)
        if subscription is None or subscription not in session.subscriptions:
            return NOTHING
        event = Event(subscription, self._new_publication_id(), {}, [{"events": count}])
        return [Delivery((session,), event)]

    def count_calls(self) -> int:
        """Count the calls that were sent to a callee, or taken by a procedure of the realm's own."""
        sent = sum(session.next_invocation_id - 1 for session in self.sessions.values())
        return self._calls_of_the_gone + sent + self._own_calls.begun

    def next_deadline(self) -> float | None:
        """Tell when ``expire`` is due, in seconds of the monotonic clock."""
        deadlines = [self.dealer.next_deadline(), self._own_calls.deadlines.next()]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def expire(self, now: float) -> Outputs:
        """End the calls whose time is over."""
        return self.dealer.expire(now) + self._own_calls.expire(now)

    def open(self) -> None:
        """
        Open the event history, the cookies and the extensions of the configuration.

        Raises:
            ExtensionError: one of them refuses; none stays open.
        """
        change = self.prepare(self.config)
        self.extensions.take(change.extensions)
        self.history.take(change.history)
        self.cookies.take(change.cookies, self.still_allows)
        self._seat()
        self._choose_routes()

    def prepare(self, config: RealmConfig) -> RealmChange:
        """
        Open what is new in ``config``; ``reconfigure`` takes it, or ``undo`` takes it back.

        Raises:
            ExtensionError: the event history, the cookies or an extension refuse; nothing has changed.
        """
        history = self.history.prepare(config.event_history, config.limits)
        try:
            cookies = self.cookies.prepare(config.authentication.cookie)
        except CookieFileRefused as error:
            raise ExtensionError(f"realm {self.name!r}: authentication.cookie", str(error)) from None
        try:
            return RealmChange(self.extensions.prepare(config.extensions), history, cookies)
        except ExtensionError:
            self.cookies.undo(cookies)
            raise

    def undo(self, change: RealmChange) -> None:
        """Take back what was prepared."""
        self.extensions.undo(change.extensions)
        self.cookies.undo(change.cookies)

    def end(self) -> Outputs:
        """Close extensions, event history and cookies; outputs: what callers of the extensions are told."""
        outputs = self.extensions.close()
        self.history.close()
        self.cookies.close()
        return outputs

    def reconfigure(self, config: RealmConfig, change: RealmChange | None = None) -> Outputs:
        """
        Take a changed configuration, and ``change``, which ``prepare`` has made of it.

        Sessions stay unless their role or what let them in is gone; what they hold and may no
        longer hold is taken from them.

        Outputs: ERROR to those who wait for an extension that ends; GOODBYE to sessions that may not
        stay; meta events.
        """
        change = change or self.prepare(config)
        ended = self.extensions.take(change.extensions)
        self.history.take(change.history)
        self._configure(config)
        self.cookies.take(change.cookies, self.still_allows)
        self._choose_routes()
        self.broker.limits = broker_limits(config.limits)
        self.dealer.limits = dealer_limits(config.limits)
        self.meta.testaments_per_session = config.limits.testaments_per_session
        self.reflection.definitions_per_session = config.limits.definitions_per_session
        self.extensions.regroup()
        outputs: Outputs = ended + self.reflection.configure(config.catalogue)
        for session in list(self.sessions.values()):
            role = self.roles.get(session.authrole)
            if role is None or not self.still_allows(self._identities[session.id]):
                details = {"message": "the configuration no longer lets this session in"}
                outputs.append(Farewell(session, Goodbye(details, uris.NOT_AUTHORIZED)))
            else:
                before, session.role = session.role, role
                session.link.rules = self.slow_consumer
                outputs += self._review.of(session, before)
        return self._announce(outputs)

    def close(self, reason: str = uris.CLOSE_REALM) -> Outputs:
        """End every session, because the realm or the router closes."""
        if self._router_calls is not None:
            self._router_calls.close()
        return [Farewell(session, Goodbye({}, reason)) for session in self.sessions.values()]

    def _configure(self, config: RealmConfig) -> None:
        self.config = config
        self.limits = config.limits
        self.slow_consumer = config.slow_consumer
        self.heartbeat = config.heartbeat
        reserved = uris.RESERVED + tuple(f"{name}." for name in config.extensions)
        self.roles = compile_roles(config.roles, config.uri_check, config.limits.uri_length, reserved)
        self.authorizers.configure(config.limits.cached_authorizations)
        self.methods = methods_of(config.authentication, self.roles)
        cookie = self.cookies.settings = config.authentication.cookie
        if cookie is not None:
            self.methods["cookie"] = CookieMethod(cookie, self.cookies, self.still_allows)
        self.failures.settings = config.authentication.failures
        self._strict_ids = config.strict_ids
        self._welcome_roles = features.welcome_roles(config.meta_api.enabled)
        self._own_calls.limit = config.limits.pending_calls_per_session
        self._own_calls.default_timeout = config.limits.call_timeout_ms / 1000
        self._seat()

    def _seat(self) -> None:
        """Say who answers the procedures that begin so: first component of the URI -> Desk."""
        desks = self._own_calls.desks = self.extensions.desks()
        if self.config.meta_api.enabled:
            desks["wamp"] = self._meta_desk
        desks["concord"] = self._router_desk

    def _choose_routes(self) -> None:
        """Take the short ways of CALL and PUBLISH where no setting needs the long ones."""
        careful = self._strict_ids or self.limits.call_timeout_ms > 0
        self.routes[Call] = self._call_with_care if careful else self._call
        self.routes[Publish] = self._publish_with_care if self.history.entries else self._publish

    def _advance(self, session: Session, request: int) -> None:
        """Check that a request id is new, and remember it (WAMP BP 'IDs', session scope)."""
        if is_old(session, request):
            raise used_before(session, request)
        due = session.last_request_id % MAX_ID + 1
        if self._strict_ids and request != due:
            raise ProtocolViolation(f"request id {request} leaves a gap: {due} was due")
        session.last_request_id = request

    def _call(self, session: Session, msg: Call, now: float) -> Outputs:
        # The hot path (benchmark: calls): a new request, no options, and a plain grant.
        role: Role = session.role
        grant = role.call.get(msg.procedure)
        request = msg.request
        if grant is None or not grant.plain or msg.options or request <= session.last_request_id:
            if grant is None or not grant.own or msg.options or request <= session.last_request_id:
                return self._call_with_care(session, msg, now)
            # The same for the realm's own procedures (benchmarks/dstm.py: commits).
            session.last_request_id = request
            return self._own_calls.begin(session, msg)
        session.last_request_id = request
        return self.dealer.call(session, msg, now)

    def _call_with_care(self, session: Session, msg: Call, now: float) -> Outputs:
        if is_old(session, msg.request) or own_call(session, msg.request) is not None:
            return self._continue_call(session, msg, now)
        self._advance(session, msg.request)
        role: Role = session.role
        grant = role.call.get(msg.procedure) or role.may_call(msg.procedure)
        if grant.asks:
            question = Question("call", msg.procedure, uris.EXACT, given(msg.options))
            return self._gate.ask(session, question, partial(self._call_judged, session, msg), now)
        return self._call_judged(session, msg, grant, now)

    def _call_judged(self, session: Session, msg: Call, grant: Grant, now: float) -> Outputs:
        if grant.error is not None:
            return refusal(session, Call.CODE, msg.request, grant)
        asked = msg.options.get("disclose_me") is True
        if asked and not grant.may_disclose:
            return disclosure_refused(session, Call.CODE, msg.request)
        disclose = True if asked or grant.discloses else None if grant.may_disclose else False
        if grant.own:
            outputs = self._own_calls.begin_with_options(session, msg, now)
        else:
            outputs = self.dealer.call(session, msg, now, disclose, grant.trust_level)
        self._wake_in_time()
        return outputs

    def _wake_in_time(self) -> None:
        deadline = self.next_deadline()
        if deadline is not None:
            self._environment.wake_at(self.name, deadline)

    def _carry_out(self, result: MetaResult) -> None:
        """Do what a meta procedure asks for besides its answer: end sessions, silently or not."""
        outputs: Outputs = []
        for output in result.outputs:
            if result.silent and isinstance(output, Farewell):
                outputs += self._forget(output.session)[0]
        self._send(outputs + result.outputs)

    def _continue_call(self, session: Session, msg: Call, now: float) -> Outputs:
        """Take a further CALL of a progressive invocation, or drop one that came too late."""
        if own_call(session, msg.request) is not None:
            raise still_pending(msg.request)
        if msg.request in session.calls:
            return self.dealer.call(session, msg, now)
        if msg.request > 0 and session.supports("caller.progressive_call_invocations"):
            return NOTHING
        raise used_before(session, msg.request)

    def _error(self, session: Session, msg: Error, now: float) -> Outputs:
        if msg.request_type != Invocation.CODE:
            text = f"received ERROR for a request of type {msg.request_type}"
            raise ProtocolViolation(f"{text}: a client answers INVOCATION (68) alone")
        outputs = self.dealer.error(session, msg)
        if msg.error == uris.UNAVAILABLE:  # the router now keeps the time of a call that its callee kept
            self._wake_in_time()
        return outputs

    def _cancel(self, session: Session, msg: Cancel, now: float) -> Outputs:
        call = own_call(session, msg.request)
        if call is not None:
            return self._own_calls.cancel(call, msg)
        return self.dealer.cancel(session, msg)

    def _publish(self, session: Session, msg: Publish, now: float) -> Outputs:
        # The hot path (benchmarks: fan-out, pairs): a new request and a plain grant.
        role: Role = session.role
        grant = role.publish.get(msg.topic)
        request = msg.request
        if (
            grant is None
            or not grant.plain
            or self._strict_ids
            or request <= session.last_request_id
            or "disclose_me" in msg.options
        ):
            return self._publish_with_care(session, msg, now)
        session.last_request_id = request
        return self.broker.publish(session, msg, self._new_publication_id())

    def _publish_with_care(self, session: Session, msg: Publish, now: float) -> Outputs:
        self._advance(session, msg.request)
        role: Role = session.role
        grant = role.publish.get(msg.topic) or role.may_publish(msg.topic)
        if grant.asks:
            question = Question("publish", msg.topic, uris.EXACT, given(msg.options))
            return self._gate.ask(session, question, partial(self._publish_judged, session, msg), now)
        return self._publish_judged(session, msg, grant, now)

    def _publish_judged(self, session: Session, msg: Publish, grant: Grant, now: float) -> Outputs:
        asked = msg.options.get("disclose_me") is True
        if grant.error is not None:
            answer = refusal(session, Publish.CODE, msg.request, grant)
        elif asked and not grant.may_disclose:
            answer = disclosure_refused(session, Publish.CODE, msg.request)
        else:
            return self._publish_granted(session, msg, grant, asked or grant.discloses)
        self.counters["publishes_refused"] += 1
        return answer if msg.options.get("acknowledge") is True else NOTHING

    def _publish_granted(self, session: Session, msg: Publish, grant: Grant, disclose: bool) -> Outputs:
        """Publish; where a topic has a history, PUBLISHED may have to wait for the disk."""
        publication = self._new_publication_id()
        if not self.history.entries and grant.trust_level is None:
            return self.broker.publish(session, msg, publication, disclose)
        behind = self.history.refusal(session, msg)
        if behind:
            return behind
        outputs = self.broker.publish_with_options(session, msg, publication, disclose, grant.trust_level)
        return self.history.acknowledged(session, publication, outputs, self._is_here)

    def _is_here(self, session: Session) -> bool:
        return session.id in self.sessions

    def _register(self, session: Session, msg: Register, now: float) -> Outputs:
        self._advance(session, msg.request)
        match = msg.options.get("match") or uris.EXACT
        grant = session.role.register.get((match, msg.procedure)) if isinstance(match, str) else None
        grant = grant or session.role.may_register(msg.procedure, match)
        if grant.asks:
            question = Question("register", msg.procedure, match, given(msg.options))
            return self._gate.ask(session, question, partial(self._register_judged, session, msg), now)
        return self._register_judged(session, msg, grant, now)

    def _register_judged(self, session: Session, msg: Register, grant: Grant, now: float) -> Outputs:
        if grant.error is not None:
            return refusal(session, Register.CODE, msg.request, grant)
        self._purge_what_was_decided_by(msg.procedure, msg.options.get("match") or uris.EXACT)
        return self._announce(self.dealer.register(session, msg, self._environment.timestamp()))

    def _unregister(self, session: Session, msg: Unregister, now: float) -> Outputs:
        self._advance(session, msg.request)
        return self._announce(self.dealer.unregister(session, msg))

    def _subscribe(self, session: Session, msg: Subscribe, now: float) -> Outputs:
        self._advance(session, msg.request)
        match = msg.options.get("match") or uris.EXACT
        grant = session.role.subscribe.get((match, msg.topic)) if isinstance(match, str) else None
        grant = grant or session.role.may_subscribe(msg.topic, match)
        if grant.asks:
            question = Question("subscribe", msg.topic, match, given(msg.options))
            return self._gate.ask(session, question, partial(self._subscribe_judged, session, msg), now)
        return self._subscribe_judged(session, msg, grant, now)

    def _subscribe_judged(self, session: Session, msg: Subscribe, grant: Grant, now: float) -> Outputs:
        if grant.error is not None:
            return refusal(session, Subscribe.CODE, msg.request, grant)
        return self._announce(self.broker.subscribe(session, msg, self._environment.timestamp()))

    def _unsubscribe(self, session: Session, msg: Unsubscribe, now: float) -> Outputs:
        self._advance(session, msg.request)
        return self._announce(self.broker.unsubscribe(session, msg))

    def _forget(self, session: Session) -> tuple[Outputs, list[Publish]]:
        """Take a session out of every table; give what follows from that, and its testaments."""
        del self.sessions[session.id]
        self._calls_of_the_gone += session.next_invocation_id - 1
        self._identities.pop(session.id, None)
        self.authorizers.forget(session)
        self.cookies.left(session.id)
        self.extensions.forget(session)
        outputs = self._own_calls.abandon_all(session)
        outputs += self.dealer.leave(session)
        outputs += self.broker.leave(session)
        outputs += self.reflection.leave(session)
        outputs += self.extensions.left(session)
        return outputs, self.meta.take_testaments(session)

    def _publish_testament(self, session: Session, publish: Publish) -> Outputs:
        grant = session.role.may_publish(publish.topic)
        if grant.asks:
            question = Question("publish", publish.topic, uris.EXACT, given(publish.options))
            self.authorizers.ask(session, question, partial(self._publish_late, session, publish))
            return NOTHING
        return self._testament_judged(session, publish, grant)

    def _publish_late(self, session: Session, publish: Publish, make: Callable[[], Grant]) -> None:
        self._send(self._testament_judged(session, publish, make()))

    def _testament_judged(self, session: Session, publish: Publish, grant: Grant) -> Outputs:
        if grant.error is not None:
            return NOTHING
        disclose = grant.discloses or (grant.may_disclose and publish.options.get("disclose_me") is True)
        publication = self._new_publication_id()
        return self.broker.publish_testament(session, publish, publication, disclose, grant.trust_level)

    def _purge_what_was_decided_by(self, procedure: str, match: str) -> None:
        """Forget what an authorizer has decided that is being registered: it may decide otherwise now."""
        again = {role.name for role in self.roles.values() if role.is_asked_by(procedure, match)}
        if again:
            self.authorizers.purge(lambda who, what: what[0] in again)

    def _fail_call(self, caller: Session, error: Error) -> Outputs:
        """Answer a call with ``error``; if it is still under way, it ends, and its callee is interrupted."""
        call = own_call(caller, error.request)
        caller.note_error(error.error)
        if call is not None:
            return [Delivery((caller,), error), *self._own_calls.abandon(call)]
        canceled = self.dealer.cancel(caller, Cancel(error.request, {}))
        if canceled:
            caller.errors[uris.CANCELED] -= 1  # what it is told is ``error``
        return [Delivery((caller,), error), *canceled[1:]]

    def _send(self, outputs: Outputs) -> None:
        """Send what nobody's request asked for."""
        self._own_calls.send(self._announce(outputs))

    def _announce(self, outputs: Outputs) -> Outputs:
        """Replace announcements by the meta events that tell them."""
        if not any(isinstance(output, Announcement) for output in outputs):
            return outputs
        told: Outputs = []
        for output in outputs:
            if not isinstance(output, Announcement):
                told.append(output)
                continue
            if output.topic == ON_UNSUBSCRIBE:
                self.extensions.unsubscribed(output.args[1])
            if self.config.meta_api.enabled:
                publication = self._new_publication_id()
                told += self.broker.publish_own(output.topic, output.args, None, publication)
        return told
