"""
The composition root: a configuration becomes realms, listeners and timers of one process.

Rules of this file:

- Wiring only. What a session may do is the realm's, how bytes move is the transport's.
- Nothing is global: two nodes can live in one process, and a test can run one on any reactor.
- Listening begins in ``privilegedStartService``, before privileges are dropped.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from operator import attrgetter
from random import Random, SystemRandom
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from realms.auth import Identity
from realms.config import RealmConfig
from realms.directory import Directory
from realms.extension import ExtensionError
from realms.realm import Realm, RealmChange
from realms.world import Environment
from router import __version__
from router.config_directory import Configuration
from router.endpoint_strings import with_backlog
from router.log import LogLevels
from router.management import Management
from router.mounts import mounts_of
from router.node_config import WebSocketTransport
from router.pulse import BEAT_SECONDS, Pulse
from router.reload import Reload
from router.routing.handshake import Admission, Peer, Refusal
from router.static_files import static_of
from router.transport.connection import BEFORE_A_SESSION
from router.transport.listener import Listener
from router.transport.liveness import Liveness
from router.transport.local import LocalTransport
from router.transport.outbox import Turn
from router.transport.tls import RenewableContext, endpoint_and_context
from router.wamp import uris
from router.wamp.ids import random_session_id
from router.wamp.messages import Hello
from router.web import LazySite, LazyWebhooks
from router.web.bridge.nonces import Nonces
from router.world import NodeWorld

_LONGEST_SLEEP_SECONDS = 3600.0  # a reactor cannot wait as long as a call's timeout may be


class Node(Service):
    """
    A router: the realms and transports of one configuration.

    :ivar counters: what happened since the start, name -> number
    :ivar directory: the open realms
    :ivar started: when, as RFC 3339 has it; ``started_at`` in seconds of the monotonic clock
    :ivar log_levels: what is kept of the log, where the log is the router's own
    :ivar pulse: notices when it is late
    :ivar ports: name of the transport -> the listening port (``IListeningPort``)
    :ivar reactor: the Twisted reactor in which it runs
    """

    log = Logger("router.node")
    name = "concord"

    def __init__(self, configuration: Configuration, reactor: Any) -> None:
        self.configuration = configuration
        self.counters: Counter[str] = Counter()
        self.log_levels: LogLevels | None = None
        self.ports: dict[str, Any] = {}
        self.listeners: list[Listener] = []
        self.nonces = Nonces()  # of signed HTTP requests, on whichever port
        self.reactor = reactor
        self._schedule = _turn_scheduler(reactor)
        self.turn = Turn(self._schedule, time.monotonic)
        self.directory = Directory(random_session_id, self.turn.now)
        self.webhooks = LazyWebhooks(self.directory, self.turn, reactor, self.counters)
        self.pulse = Pulse(self.turn.now, self.turn.judge)
        self.management = Management(self)
        self.started, self.started_at = timestamp(), self.turn.now()
        self.new_publication_id = publication_ids()
        self._alarms: dict[str, Any] = {}  # realm name -> the delayed call of its one timer
        self._contexts: dict[str, RenewableContext] = {}  # transport name -> its TLS context
        self._loops: list[LoopingCall] = []
        self._sites: list[tuple[WebSocketTransport, LazySite]] = []
        self._components: list[LocalTransport] = []
        self._reload = Reload(configuration, reactor, self._reconfigure)

    def privilegedStartService(self) -> None:
        """
        Open the realms, with what they keep on the disk, and listen.

        Raises:
            ExtensionError: an extension cannot work; nothing stays open.
            CannotListenError: an address is in use or not ours; nothing stays open.
        """
        if self.ports:
            return
        try:
            self._open_realms()
            for settings in self.configuration.node.transports:
                self._listen(settings)
        except BaseException:
            for port in self.ports.values():
                port.stopListening()
            self.ports.clear()
            self._close_extensions(self.directory.realms.values())
            self.directory.realms.clear()
            self.world.end()
            raise

    def startService(self) -> None:
        """Start timers, and say where this router listens."""
        self.privilegedStartService()
        super().startService()
        self.management.seat()
        self._repeat(self._beat, BEAT_SECONDS)
        for listener in self.listeners:
            listener.start(self._tick)
        interval_ms = self.configuration.node.reload_interval_ms
        if interval_ms:
            self._repeat(self._reload.look, interval_ms / 1000)
        self.webhooks.update(self.configuration.realms)
        self._say_where()

    def stopService(self) -> "Deferred[None]":
        """Say GOODBYE to every session, wait for the answers and for extensions a stated time, close all."""
        super().stopService()
        self.management.end()
        for loop in self._loops:
            loop.stop()
        self._loops.clear()
        closed = [maybeDeferred(port.stopListening) for port in self.ports.values()]
        self.ports.clear()
        closed.append(maybeDeferred(self.webhooks.stop))
        for realm in self.directory.realms.values():
            self.turn.deliver(realm.close(uris.SYSTEM_SHUTDOWN))
        self._close_extensions(self.directory.realms.values())
        self.directory.realms.clear()
        self.turn.flush()
        for carrier in self._carriers():
            if getattr(carrier, "web", None) is not None:
                carrier.transport.loseConnection()  # its last answer may be on its way
            elif carrier.connection is None or carrier.connection.state in BEFORE_A_SESSION:
                carrier.transport.abortConnection()
        done = DeferredList([*closed, self._everybody_gone()])
        return done.addCallback(self._stopped)

    @property
    def is_ready(self) -> bool:
        """Whether it lets sessions in: it has started, and was not told to stop."""
        return bool(self.running) and bool(self.ports)

    def reload(self) -> "Deferred[None]":
        """Read the configuration again; a wrong one is reported and changes nothing."""
        return self._reload.now()

    @property
    def status(self) -> str:
        """What it serves, in a few words."""
        return f"{len(self.ports)} transports, {len(self.directory.realms)} realms"

    @property
    def reload_report(self) -> str:
        """Why the last reading of the configuration was not taken, or ""."""
        return self._reload.report

    def connect(self, component: Any, realm: str, authid: str, role: str) -> LocalTransport:
        """
        Join ``component``, an Autobahn ``ApplicationSession``, to ``realm`` without a socket.

        It gets the permissions of ``role`` and is known as ``authid``.
        """
        entrance = _LocalEntrance(self.directory, Identity(authid=authid, role=role, authmethod="local"))
        transport = LocalTransport(component, realm, entrance, self.turn, self.counters, self.reactor)
        self._components = [other for other in self._components if other.isOpen()]
        self._components.append(transport)
        transport.start()
        return transport

    def _open_realms(self) -> None:
        configuration = self.configuration
        self.world = NodeWorld(self.turn, self._schedule, self.reactor, configuration.data_directory)
        self._environment = Environment(
            new_publication_id=self.new_publication_id,
            randbelow=SystemRandom().randrange,
            timestamp=timestamp,
            wake_at=self._wake_at,
            world=self.world,
        )
        for name, config in configuration.realms.items():
            self.directory.realms[name] = self._open(config)

    def _open(self, config: RealmConfig) -> Realm:
        realm = Realm(config, self._environment, self.configuration.extension_classes())
        realm.open()
        return realm

    def _close_extensions(self, realms: Iterable[Realm]) -> None:
        for realm in realms:
            self.turn.deliver(realm.end())

    def _listen(self, settings: Any) -> None:
        listener = Listener(settings, self.directory, self.turn, self.counters)
        factory = self._factory(listener)
        if settings.proxy_protocol:
            from twisted.protocols.haproxy._wrapper import HAProxyWrappingFactory

            factory = HAProxyWrappingFactory(factory)
        try:
            endpoint, context = endpoint_and_context(
                self.reactor, with_backlog(settings.endpoint), settings.client_certificate
            )
        except LookupError:
            text = "systemd has passed no such socket"
            raise CannotListenError(None, settings.endpoint, text) from None
        outcome: list[Any] = []
        endpoint.listen(factory).addBoth(outcome.append)
        if not outcome or isinstance(outcome[0], Failure):
            _cannot_listen(settings, outcome)
        self.ports[settings.name] = outcome[0]
        self.listeners.append(listener)
        if context is not None:
            self._contexts[settings.name] = context

    def _factory(self, listener: Listener) -> Any:
        settings = listener.settings
        if isinstance(settings, WebSocketTransport):
            from router.transport.websocket import WebSocketFactory

            mounts = mounts_of(settings, self, listener)
            site = LazySite(settings.page, settings.path, mounts, settings.static, self.reactor)
            site.take(static_of(self.configuration.realms, settings))
            self._sites.append((settings, site))
            return WebSocketFactory(listener, self.reactor, site)
        from router.transport.rawsocket import RawSocketFactory

        return RawSocketFactory(listener, self.reactor)

    def _beat(self) -> None:
        self.pulse.beat(self.directory.realms.values())
        self.management.beat()

    def _tick(self, watch: Liveness) -> None:
        self._repeat(lambda: watch.tick(self.turn.now()), watch.tick_interval)

    def _repeat(self, function: Any, seconds: float) -> None:
        loop = LoopingCall(self._guarded, function)
        loop.clock = self.reactor
        loop.start(seconds, now=False)
        self._loops.append(loop)

    def _guarded(self, function: Any) -> None:
        """Call ``function``; a defect in it does not end its timer."""
        try:
            function()
        except Exception:
            self.log.failure("a timer of the router failed")

    def _wake_at(self, realm: str, deadline: float) -> None:
        """Move the realm's one timer to ``deadline``, if that is sooner; it is set again until then."""
        delay = min(max(0.0, deadline - self.turn.now()), _LONGEST_SLEEP_SECONDS)
        alarm = self._alarms.get(realm)
        if alarm is not None and alarm.active():
            if alarm.getTime() - self.reactor.seconds() <= delay:
                return
            alarm.cancel()
        self._alarms[realm] = self.reactor.callLater(delay, self._expire, realm)

    def _expire(self, name: str) -> None:
        realm = self.directory.realms.get(name)
        if realm is None:
            return
        self.turn.deliver(realm.expire(self.turn.now()))
        deadline = realm.next_deadline()
        if deadline is not None:
            self._wake_at(name, deadline)

    def _carriers(self) -> list[Any]:
        return [carrier for listener in self.listeners for carrier in listener.connections]

    def _everybody_gone(self) -> "Deferred[None]":
        """Wait until no connection is left, or ``goodbye_timeout_ms`` has passed."""
        deadline = self.turn.now() + self.configuration.node.goodbye_timeout_ms / 1000
        gone: Deferred[None] = Deferred()

        def look() -> None:
            components = any(component.isOpen() for component in self._components)
            waiting = self._carriers() or components or self.world.being_closed
            if waiting and self.turn.now() < deadline:
                self.reactor.callLater(0.02, look)
            else:
                gone.callback(None)

        look()
        return gone

    def _stopped(self, _: object) -> None:
        for alarm in self._alarms.values():
            if alarm.active():
                alarm.cancel()
        for carrier in self._carriers():
            carrier.transport.abortConnection()
        self.listeners.clear()
        self.world.end()
        happened = ", ".join(f"{name} {count}" for name, count in sorted(self.counters.items()))
        self.log.info("stopped; since the start: {happened}", happened=happened or "nothing")

    def _reconfigure(self, configuration: Configuration) -> str:
        """Take a configuration; say why not, where it cannot be."""
        if not self.running:
            return "the router is stopping"
        try:
            opened, changes = self._prepare(configuration)
        except ExtensionError as error:
            self.log.error("configuration not reloaded, the old one stays: {error}", error=error)
            return str(error)
        for name, context in self._contexts.items():
            try:
                context.renew()
            except Exception as error:
                self.log.error("transport {name} keeps its certificate: {error}", name=name, error=error)
        self._take_log_levels(configuration.node.log)
        for key in ("transports", "log.format", "reload_interval_ms", "data_dir"):
            changed = attrgetter(key)
            if changed(configuration.node) != changed(self.configuration.node):
                self.log.warn("changed {key} in router.yaml: takes effect at the next start", key=key)
        realms = self.directory.realms
        for name in set(realms) - set(configuration.realms):
            realm = realms.pop(name)
            self.turn.deliver(realm.close(uris.CLOSE_REALM))
            self._close_extensions([realm])
        realms.update(opened)
        for name, change in changes.items():
            self.turn.deliver(realms[name].reconfigure(configuration.realms[name], change))
        told = {(warning.path, warning.message) for warning in self.configuration.warnings}
        new = [warning for warning in configuration.warnings if (warning.path, warning.message) not in told]
        self.configuration = configuration
        self.webhooks.update(configuration.realms)
        for settings, site in self._sites:
            site.take(static_of(configuration.realms, settings))
        self.management.seat()
        self.log.info("configuration reloaded; realms: {realms}", realms=", ".join(realms) or "none")
        for warning in new:
            self.log.warn("{warning}", warning=warning)
        return ""

    def _take_log_levels(self, settings: Any) -> None:
        """Take the levels of the configuration, if they changed there; what was set by hand ends then."""
        if self.log_levels is not None and settings != self.configuration.node.log:
            self.log_levels.configure(settings)

    def _prepare(self, configuration: Configuration) -> tuple[dict[str, Realm], dict[str, RealmChange]]:
        """
        Open what is new and reconfigure the extensions that change: realms, and changes of realms, by name.

        Raises:
            ExtensionError: one of them refuses; nothing has changed.
        """
        realms = self.directory.realms
        opened: dict[str, Realm] = {}
        changes: dict[str, RealmChange] = {}
        try:
            for name, config in configuration.realms.items():
                if name not in realms:
                    opened[name] = self._open(config)
                elif config != realms[name].config:
                    changes[name] = realms[name].prepare(config)
        except ExtensionError:
            self._close_extensions(opened.values())
            for name, change in changes.items():
                realms[name].undo(change)
            raise
        return opened, changes

    def _say_where(self) -> None:
        self.log.info("Concord {version}", version=__version__)
        for settings in self.configuration.node.transports:
            self.log.info("{line}", line=describe(settings, self.ports[settings.name]))
        self.log.info("realms: {realms}", realms=", ".join(self.directory.realms) or "none")
        for warning in self.configuration.warnings:
            self.log.warn("{warning}", warning=warning)


class _LocalEntrance:
    """The way in for a component of this process."""

    def __init__(self, directory: Directory, identity: Identity) -> None:
        self._directory = directory
        self._identity = identity

    def enter(self, hello: Hello, peer: Peer) -> Admission | Refusal:
        return self._directory.enter_as(self._identity, hello, peer)


def describe(settings: Any, port: Any) -> str:
    """Say in one line where a transport is and what it speaks."""
    address = port.getHost()
    secure = settings.endpoint.startswith("ssl:")
    place = getattr(address, "name", None)
    if isinstance(place, bytes):
        place = place.decode()
    is_socket = place is not None
    if place is None:
        host = f"[{address.host}]" if ":" in address.host else address.host
        place = f"{host}:{address.port}"
    serializers = ", ".join(settings.serializers)
    if not isinstance(settings, WebSocketTransport):
        url = f"unix:{place}" if is_socket else f"rs{'s' if secure else ''}://{place}"
        return f"RawSocket {url} ({serializers})"
    if is_socket:
        return f"WebSocket ws+unix:{place}:{settings.path} ({serializers})"
    site = f"http{'s' if secure else ''}://{place}"
    page = "" if settings.page == "none" else f", page {site}/"
    bridge = "" if settings.bridge is None else f", calls and events by HTTP {site}{settings.bridge.path}"
    return f"WebSocket ws{'s' if secure else ''}://{place}{settings.path} ({serializers}){page}{bridge}"


def _cannot_listen(settings: Any, outcome: list[Any]) -> None:
    error = outcome[0].value if outcome else "the endpoint did not answer at once"
    if isinstance(error, CannotListenError):
        raise error
    raise CannotListenError(None, settings.endpoint, error)


def _turn_scheduler(reactor: Any) -> Any:
    """Ask for a call at the end of this turn: asyncio's own queue is cheaper than Twisted's timers."""
    loop = getattr(reactor, "_asyncioEventloop", None)
    if loop is not None:
        return loop.call_soon
    return lambda function: reactor.callLater(0, function)


def publication_ids() -> Any:
    """Draw publication ids: random in 1..2**53 as specified, which nobody needs to be unable to guess."""
    bits = Random().getrandbits
    return lambda: bits(53) + 1


def timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def reload_on_sighup(reload: Callable[[], Any], reactor: Any) -> None:
    """Call ``reload`` on SIGHUP, where the platform has it."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(reload))
