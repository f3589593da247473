"""
Management: the procedures and topics under ``concord.`` with which operators look at a router and change it.

    scope       procedures
    realm       concord.realms, sessions, kill, slow_consumers, stats, metrics
    node        concord.node, log_level, reload besides; the others for all realms

    topics      concord.stats for both; concord.log for the scope ``node``

Rules of this file:

- Two locks: the realm's permissions, as for every URI, and ``management.roles``. A role that may call
  everything is no operator by that.
- What changes something is logged with the name of who did it.
- What is not asked for costs nothing: rates are read where a realm is managed, the log is told where
  somebody has subscribed.
"""

import heapq
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from twisted.logger import Logger

from realms.procedure_call import Procedure, ProcedureCall
from realms.realm import Realm
from router.log import LEVELS
from router.log_feed import LogFeed
from router.metrics.facts import node_facts, node_stats
from router.metrics.rates import Rates
from router.metrics.readings import slow_consumers
from router.routing.outputs import Farewell
from router.routing.publication import Audience
from router.routing.session import Session
from router.wamp import uris
from router.wamp.messages import Goodbye

STATS: Final = "concord.stats"
LOG: Final = "concord.log"
MOST_SESSIONS: Final = 1000
MOST_SLOW: Final = 1000


class Wrong(Exception):
    """An argument that is not allowed: its text goes to the caller."""

    def __init__(self, text: str, error: str = uris.INVALID_ARGUMENT) -> None:
        super().__init__(text)
        self.error = error


class Office:
    """The management of one realm: what its operators see, and its statistics."""

    def __init__(self, node: Any, realm: Realm, now: float) -> None:
        self.node = node
        self.realm = realm
        self.settings = realm.config.management
        self.sees_all = self.settings.scope == "node"
        self.rates = Rates(node, None if self.sees_all else realm.name, now)
        self.due = now
        self._audience = Audience(eligible_authrole=frozenset(self.settings.roles))

    def realms(self) -> dict[str, Realm]:
        """Give the realms that its operators may see, by name."""
        realms: dict[str, Realm] = self.node.directory.realms
        return realms if self.sees_all else {self.realm.name: self.realm}

    def beat(self, now: float) -> None:
        """Sample the rates when they are due, and tell who has subscribed."""
        if now < self.due:
            return
        self.due = now + self.settings.stats_interval_ms / 1000
        self.rates.sample(now)
        if self.has_subscribers(STATS):
            self.publish(STATS, self.stats())

    def stats(self) -> dict[str, Any]:
        """Give what ``concord.stats`` tells."""
        told: dict[str, Any] = {
            "time_ms": self.node.world.now_ms(),
            "interval_ms": self.settings.stats_interval_ms,
            "realms": self.rates.now(),
        }
        if self.sees_all:
            told["node"] = node_stats(self.node)
        return told

    def has_subscribers(self, topic: str) -> bool:
        """Tell whether anybody would get an event."""
        return bool(self.realm.broker.match(topic))

    def publish(self, topic: str, kwargs: dict[str, Any]) -> None:
        """Send an event to those subscribers that are operators."""
        publication = self.node.new_publication_id()
        outputs = self.realm.broker.publish_own(topic, None, kwargs, publication, self._audience)
        self.node.turn.deliver(outputs)


class Management:
    """The offices of a node's realms."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._offices: dict[str, Office] = {}  # realm -> Office, of those that have operators
        self._feed = LogFeed(node, self._tell_log)

    def seat(self) -> None:
        """Let each open realm have the procedures that its configuration asks for."""
        node = self._node
        before, self._offices = self._offices, {}
        for name, realm in node.directory.realms.items():
            office = before.get(name)
            if office is None or office.realm is not realm or office.settings != realm.config.management:
                office = Office(node, realm, node.turn.now())
                _replace(realm, procedures_of(office) if office.settings.roles else {})
            if office.settings.roles:
                self._offices[name] = office
        self._feed.watch(any(office.sees_all for office in self._offices.values()))

    def beat(self) -> None:
        """Tell the statistics that are due."""
        now = self._node.turn.now()
        for office in list(self._offices.values()):
            office.beat(now)

    def end(self) -> None:
        """Let go of the log."""
        self._feed.watch(False)

    def _tell_log(self, line: dict[str, Any] | None) -> bool:
        """Publish a line of the log; without one, tell whether anybody wants any."""
        offices = [o for o in self._offices.values() if o.sees_all and o.has_subscribers(LOG)]
        if line is not None:
            for office in offices:
                office.publish(LOG, line)
        return bool(offices)


def procedures_of(office: Office) -> dict[str, Procedure]:
    """Give URI -> Procedure of one realm."""
    names = OF_A_REALM | OF_A_NODE if office.sees_all else OF_A_REALM
    return {f"concord.{name}": partial(_answer, office, function) for name, function in names.items()}


def _replace(realm: Realm, procedures: Mapping[str, Procedure]) -> None:
    for name in OF_A_REALM | OF_A_NODE:
        realm.procedures.pop(f"concord.{name}", None)
    realm.procedures.update(procedures)


def _answer(office: Office, function: "Function", call: ProcedureCall) -> None:
    if call.session.authrole not in office.settings.roles:
        roles = "management.roles"
        call.error(uris.NOT_AUTHORIZED, f"role {call.session.authrole!r} is not among {roles} of this realm")
        return
    try:
        function(office, call)
    except Wrong as wrong:
        call.error(wrong.error, str(wrong))


Function = Callable[[Office, ProcedureCall], None]


def _arguments(call: ProcedureCall, *names: str) -> list[Any]:
    """Give the arguments in the order of ``names``, by position or by name; what is not given is ``None``."""
    args, kwargs = call.args, call.kwargs
    unknown = sorted(kwargs.keys() - set(names))
    if unknown or len(args) > len(names):
        wrong = f"unknown argument {unknown[0]!r:.60}" if unknown else f"{len(args)} arguments"
        raise Wrong(f"{wrong}: {call.procedure} takes {', '.join(names) or 'none'}")
    return [args[i] if i < len(args) else kwargs.get(name) for i, name in enumerate(names)]


def _text(value: Any, name: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise Wrong(f"{name} must be a string")
    return value


def _count(value: Any, name: str, default: int, most: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise Wrong(f"{name} must be a number from 0 to {most}")
    return value


def _realm(office: Office, name: str | None) -> Realm:
    realms = office.realms()
    realm = realms.get(office.realm.name if name is None else name)
    if realm is None:
        raise Wrong(f"no realm {name!r:.100} here; there are {', '.join(sorted(realms))}", uris.NO_SUCH_REALM)
    return realm


def _node(office: Office, call: ProcedureCall) -> None:
    """``concord.node``: what this router is and where it listens."""
    _arguments(call)
    call.result([node_facts(office.node)])


def _realms(office: Office, call: ProcedureCall) -> None:
    """``concord.realms``: the numbers of each realm, as they are now; rates are of the last sample."""
    _arguments(call)
    call.result([office.rates.now()])


def _stats(office: Office, call: ProcedureCall) -> None:
    """``concord.stats``: what the topic of this name would tell now."""
    _arguments(call)
    call.result([office.stats()])


def _sessions(office: Office, call: ProcedureCall) -> None:
    """``concord.sessions(realm, limit, after)``: sessions by their ids, those after ``after``."""
    name, limit, after = _arguments(call, "realm", "limit", "after")
    realm = _realm(office, _text(name, "realm"))
    most = _count(limit, "limit", 100, MOST_SESSIONS)
    above = _count(after, "after", 0, 2**53)
    ids = heapq.nsmallest(most, (number for number in realm.sessions if number > above))
    call.result([[_session(realm, realm.sessions[number]) for number in ids]])


def _session(realm: Realm, session: Session) -> dict[str, Any]:
    link: Any = session.link
    return {
        "realm": realm.name,
        "session": session.id,
        "authid": session.authid,
        "authrole": session.authrole,
        "authmethod": session.authmethod,
        "authprovider": session.authprovider,
        "transport": dict(session.transport or {}),
        "subscriptions": len(session.subscriptions),
        "registrations": len(session.registrations),
        "pending_calls": len(session.calls),
        "pending_invocations": len(session.invocations),
        "queued_bytes": getattr(link, "queued_bytes", 0),
    }


def _kill(office: Office, call: ProcedureCall) -> None:
    """``concord.kill(session, reason, message, realm)``: end a session, with GOODBYE."""
    number, reason, message, name = _arguments(call, "session", "reason", "message", "realm")
    realm = _realm(office, _text(name, "realm"))
    why = _text(reason, "reason") or uris.KILLED
    if not uris.is_valid(why):
        raise Wrong("reason must be a URI")
    details = {} if message is None else {"message": _text(message, "message")}
    session = realm.sessions.get(number) if isinstance(number, int) else None
    if session is None or session is call.session:
        raise Wrong(f"no other session {number!r:.40} in realm {realm.name}", uris.NO_SUCH_SESSION)
    _log.warn(
        "session {session} of {authid} in realm {realm} ended by {who}: {why}",
        session=session.id,
        authid=session.authid,
        realm=realm.name,
        who=call.session.authid,
        why=why,
    )
    call.result()
    office.node.turn.deliver([Farewell(session, Goodbye(details, why))])


def _slow_consumers(office: Office, call: ProcedureCall) -> None:
    """``concord.slow_consumers``: for whom something is queued, those with most first."""
    _arguments(call)
    realms = office.realms()
    found = [slow for slow in slow_consumers(office.node) if slow.realm in realms][:MOST_SLOW]
    about = ("queued_bytes", "reading_paused", "dropping", "dropped")
    told = [
        _session(realms[slow.realm], slow.session) | {name: getattr(slow, name) for name in about}
        for slow in found
    ]
    call.result([told])


def _metrics(office: Office, call: ProcedureCall) -> None:
    """``concord.metrics``: all metrics, as name -> list of ``labels`` and ``value``."""
    from router.metrics.collector import snapshot

    _arguments(call)
    call.result([snapshot(office.node, None if office.sees_all else office.realm.name)])


def _log_level(office: Office, call: ProcedureCall) -> None:
    """``concord.log_level(level, namespace)``: what is logged; with arguments, from now on."""
    level, namespace = _arguments(call, "level", "namespace")
    name = _text(namespace, "namespace") or ""
    levels = office.node.log_levels
    if levels is None:
        raise Wrong("the log is that of the program around this router, or of twistd", uris.UNAVAILABLE)
    if level is not None:
        if level not in (*LEVELS, "default"):
            raise Wrong(f"level must be one of {', '.join(LEVELS)}, default")
        if level == "default" and not name:
            raise Wrong("level default needs a namespace: it takes back what was said of that")
        if len(levels.by_namespace) >= 100 and name not in levels.by_namespace:
            raise Wrong("levels of 100 namespaces are set", uris.LIMIT_EXCEEDED)
        levels.set(name, None if level == "default" else level)
        _log.warn(
            "log level of {name} set to {kept} by {who}",
            name=name or "everything",
            kept=level,
            who=call.session.authid,
        )
    call.result([dict(levels.by_namespace)])


def _reload(office: Office, call: ProcedureCall) -> None:
    """``concord.reload``: read the configuration again; says whether it was taken, and why not."""
    _arguments(call)
    _log.warn("configuration reloaded at the wish of {who}", who=call.session.authid)

    def done(_: object) -> None:
        report = office.node.reload_report
        call.result([{"reloaded": not report, "report": report}])

    office.node.reload().addCallback(done)


_log = Logger("router.management")

OF_A_REALM: Final[dict[str, Function]] = {
    "realms": _realms,
    "sessions": _sessions,
    "kill": _kill,
    "slow_consumers": _slow_consumers,
    "stats": _stats,
    "metrics": _metrics,
}
OF_A_NODE: Final[dict[str, Function]] = {"node": _node, "log_level": _log_level, "reload": _reload}
