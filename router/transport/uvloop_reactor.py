"""
``twistd --reactor=uvloop``: Twisted's asyncio reactor on uvloop, with servers on uvloop's own transports.

Rules of this file:

- ``listenTCP`` and ``listenUNIX`` bind as Twisted does, synchronously and with Twisted's errors: the ports
  below are Twisted's, and only what happens to their sockets once they listen is uvloop's. Everything else
  (clients, TLS, UDP, adopted sockets, processes) takes Twisted's own path on the same loop.
- Importing this module installs nothing and does not import uvloop; ``install`` does.
- ``twistd`` forks after the reactor is installed, and a libuv loop is not made to cross a fork: it is closed
  before and made anew after. Readers, ports and delayed calls move over; what was put on the asyncio loop
  itself, or passed to ``callFromThread``, before the fork does not.
"""

# Twisted's reactors carry few annotations.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from twisted.internet import process, tcp, unix
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.interfaces import IReactorDaemonize
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from router.transport.uvloop_connections import UvloopTCPTransport, UvloopUNIXTransport
from router.transport.uvloop_transport import UvloopTransport

T = TypeVar("T")
_log = Logger()


class UvloopPort:
    """Mixed into one of Twisted's ports: accepts with uvloop what the port listens on."""

    accepted: type[UvloopTransport]
    reactor: UvloopReactor
    factory: Any
    backlog: int
    socket: Any
    _server: asyncio.Server | None = None

    def startReading(self) -> None:
        """Accept connections from now on."""
        if self._server is None:
            self.reactor.ports.add(self)
            self._server = self.reactor.serve(partial(self.accepted, self), self.socket.dup(), self.backlog)

    def stopReading(self) -> None:
        """Leave connections in the kernel's backlog."""
        if self._server is not None:
            self.reactor.ports.discard(self)
            self._server.close()
            self._server = None

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` in the next turn of the loop."""
        self.reactor.loop.call_soon(callback)


class UvloopTCPPort(UvloopPort, tcp.Port):  # type: ignore[misc]
    """``listenTCP``'s answer."""

    accepted = UvloopTCPTransport


class UvloopUNIXPort(UvloopPort, unix.Port):  # type: ignore[misc]
    """``listenUNIX``'s answer."""

    accepted = UvloopUNIXTransport

    @property
    def path(self) -> bytes:
        """Where the port listens, for its connections' ``getHost``."""
        bound: bytes = self._bindPath
        return bound


@implementer(IReactorDaemonize)
class UvloopReactor(AsyncioSelectorReactor):
    """
    Twisted's reactor over a new uvloop event loop, which becomes the current one.

    ``ports`` and ``connections`` are those on uvloop's transports: open ones, for the shutdown.
    """

    def __init__(self) -> None:
        self.ports: set[Any] = set()
        self.connections: set[UvloopTransport] = set()
        super().__init__(_new_loop())

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop; another one after daemonizing."""
        return self._asyncioEventloop

    def listenTCP(self, port: Any, factory: Any, backlog: int = 50, interface: str = "") -> UvloopTCPPort:
        """
        Listen on ``port`` and serve through uvloop.

        Raises:
            CannotListenError: the address is in use, or not ours.
        """
        listening = UvloopTCPPort(port, factory, backlog, interface, self)
        listening.startListening()
        return listening

    def listenUNIX(
        self, address: Any, factory: Any, backlog: int = 50, mode: int = 0o666, wantPID: int = 0
    ) -> UvloopUNIXPort:
        """
        Listen on the path ``address`` and serve through uvloop.

        Raises:
            CannotListenError: the path exists, cannot be created, or is locked.
        """
        listening = UvloopUNIXPort(address, factory, backlog, mode, self, wantPID)
        listening.startListening()
        return listening

    def listenSSL(
        self, port: Any, factory: Any, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> Any:
        """Listen for TLS on Twisted's own sockets."""
        tls_factory = TLSMemoryBIOFactory(contextFactory, False, factory)
        listening: Any = super().listenTCP(port, tls_factory, backlog, interface)
        listening._type = "TLS"
        return listening

    def serve(self, protocol_factory: Callable[[], Any], sock: Any, backlog: int) -> asyncio.Server:
        """Accept from the listening ``sock``, which the server then owns: one protocol per connection."""
        return _finished(self.loop.create_server(protocol_factory, sock=sock, backlog=backlog))

    def removeAll(self) -> list[Any]:
        """Take everything off the loop, for ``disconnectAll`` to end it."""
        ports = list(self.ports)
        for port in ports:
            port.stopReading()
        return [*super().removeAll(), *ports, *self.connections]

    def run(self, installSignalHandlers: bool = True) -> None:
        if installSignalHandlers:
            self.addSystemEventTrigger("after", "startup", self._watch_children)
        super().run(installSignalHandlers)

    def _watch_children(self) -> None:
        """Reap on SIGCHLD by a plain handler: a running uvloop takes the wakeup fd that Twisted needs."""
        signal.signal(signal.SIGCHLD, lambda *_: self.callFromThread(process.reapAllProcesses))
        signal.siginterrupt(signal.SIGCHLD, False)
        process.reapAllProcesses()

    # IReactorDaemonize

    def beforeDaemonize(self) -> None:
        """Close the loop: nothing of libuv may cross the fork."""
        timer: Any = self._timerHandle
        if timer is not None:
            timer.cancel()
        self._timerHandle = self._scheduledAt = None
        self._listening = list(self.ports)
        for port in self._listening:
            port.stopReading()
        self.loop.close()

    def afterDaemonize(self) -> None:
        """Go on with a new loop, in the child."""
        self._asyncioEventloop = _new_loop()
        readers, self._readers = list(self._readers), {}
        writers, self._writers = list(self._writers), {}
        for reader in readers:
            self.addReader(reader)
        for writer in writers:
            self.addWriter(writer)
        for port in self._listening:
            port.startReading()
        self._reschedule()


def install() -> None:
    """
    Make a ``UvloopReactor`` the process's reactor.

    Raises:
        ImportError: uvloop is not installed.
        ReactorAlreadyInstalledError: there is a reactor already.
    """
    from twisted.internet.main import installReactor

    installReactor(UvloopReactor())


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError as absent:
        raise ImportError(
            "the reactor 'uvloop' needs the package uvloop, which is not installed here (there is none for"
            " Windows): install it, or choose another reactor; twistd --help-reactors lists them"
        ) from absent
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    loop.set_exception_handler(_log_loop_error)
    asyncio.set_event_loop(loop)
    return loop


def _log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Send what asyncio would print to Twisted's log."""
    exc = context.get("exception")
    if exc is None:
        _log.error("{message}", message=context["message"])
        return
    where = context.get("protocol")
    where = where.logPrefix() if isinstance(where, UvloopTransport) else context["message"]
    _log.failure("Unhandled error in {where}", failure=Failure(exc), where=where)


def _finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that has nothing to wait for: uvloop's ``create_server`` on a socket that is given."""
    try:
        coroutine.send(None)
    except StopIteration as result:
        value: T = result.value
        return value
    coroutine.close()
    raise RuntimeError("create_server had to wait, which it does not do in the versions of uvloop known here")
