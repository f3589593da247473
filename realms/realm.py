"""
A realm: its sessions, its parts, and what becomes of both when the configuration changes.

Rules of this file:

- What clients ask for is in ``realms.requests``; here they come and go.
- Everything returns outputs; nothing is sent from here. Announcements become meta events
  here, before the outputs leave.
- Time is an argument; ids of global scope, the wall clock and the wake-up of the realm's one
  timer are handed in, so that a test needs no reactor.
- Procedures under ``wamp.`` and under the names of the realm's extensions are answered here, never
  by a client: the first component of a URI says whose it is.
"""

from collections import Counter
from collections.abc import Mapping
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
from realms.authorization.authorizers import Authorizers
from realms.authorization.gate import Gate
from realms.authorization.purge import PURGE, purge
from realms.authorization.review import Review
from realms.call_times import CallTimes
from realms.config import RealmConfig, RoleConfig
from realms.extension import Extension, ExtensionError
from realms.extensions import Change, Extensions
from realms.history.history import Change as HistoryChange
from realms.history.history import EventHistory
from realms.history.history import Permission as HistoryPermission
from realms.limits import broker_limits, dealer_limits
from realms.meta_procedures import MetaProcedures
from realms.own_calls import Desk, OwnCalls
from realms.permissions import Role, compile_roles
from realms.procedure_call import Procedure
from realms.reflection import Reflection
from realms.requests import Requests, Surroundings
from realms.router_calls import RouterCalls
from realms.world import Environment
from router import __version__
from router.routing.broker import ON_UNSUBSCRIBE, Broker
from router.routing.dealer import Dealer
from router.routing.handshake import Admission, Peer, Refusal
from router.routing.meta import MetaApi, MetaResult, session_details
from router.routing.outputs import Announcement, Delivery, Farewell, Outputs
from router.routing.session import Session
from router.wamp import features, uris
from router.wamp.messages import (
    Error,
    Event,
    Goodbye,
    Message,
    Publish,
    Welcome,
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
        surroundings = Surroundings(
            self._announce, self._send, self._is_here, self._wake_in_time, self._purge_what_was_decided_by
        )
        self.requests = Requests(
            self.broker,
            self.dealer,
            self._own_calls,
            self.history,
            self.authorizers,
            self._gate,
            environment,
            self.counters,
            surroundings,
        )
        self.routes = self.requests.routes
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
            outputs += self.requests.publish_testament(session, testament)
        outputs.append(Announcement("wamp.session.on_leave", [session.id, session.authid, session.authrole]))
        goodbye = Goodbye({"message": "logged out"}, uris.LOGOUT)
        outputs += [Farewell(self.sessions[other], goodbye) for other in others]
        return self._announce(outputs)

    def refuse_payload(self, session: Session, message: Message, error: Error, now: float) -> Outputs:
        """See ``Requests.refuse_payload``."""
        return self.requests.refuse_payload(session, message, error, now)

    def undeliverable(self, session: Session, message: Message, size: int, limit: int) -> Outputs:
        """See ``Requests.undeliverable``."""
        return self.requests.undeliverable(session, message, size, limit)

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
                # Its testaments are judged when it is gone.
                session.role = role or self._powerless(session.authrole)
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
        self._welcome_roles = features.welcome_roles(config.meta_api.enabled)
        self._own_calls.limit = config.limits.pending_calls_per_session
        self._own_calls.default_timeout = config.limits.call_timeout_ms / 1000
        self._seat()

    def _powerless(self, name: str) -> Role:
        """Give a role that may do nothing, in the place of one that is gone."""
        return Role(name, RoleConfig(), self.config.uri_check, self.limits.uri_length)

    def _seat(self) -> None:
        """Say who answers the procedures that begin so: first component of the URI -> Desk."""
        desks = self._own_calls.desks = self.extensions.desks()
        if self.config.meta_api.enabled:
            desks["wamp"] = self._meta_desk
        desks["concord"] = self._router_desk

    def _choose_routes(self) -> None:
        self.requests.choose_routes(self.config.strict_ids, self.limits.call_timeout_ms > 0)

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

    def _is_here(self, session: Session) -> bool:
        return session.id in self.sessions

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

    def _purge_what_was_decided_by(self, procedure: str, match: str) -> None:
        """Forget what an authorizer has decided that is being registered: it may decide otherwise now."""
        again = {role.name for role in self.roles.values() if role.is_asked_by(procedure, match)}
        if again:
            self.authorizers.purge(lambda who, what: what[0] in again)

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
