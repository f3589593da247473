"""
Sessions inside this process: an Autobahn component joins a realm without a socket.

Rules of this file:

- The component is an ordinary ``autobahn.twisted.wamp.ApplicationSession``; this is its transport.
- Messages cross as MessagePack bytes in both directions, in order and in a later turn: nothing
  mutable is shared, and no call returns into the caller's own stack.
- Who the component is, the embedding program says; no authentication method is asked.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import txaio

txaio.use_twisted()  # before Autobahn's modules take what they need from txaio, once and for all

from autobahn.wamp.exception import TransportLost
from autobahn.wamp.interfaces import ITransport
from autobahn.wamp.serializer import MsgPackSerializer
from autobahn.wamp.types import TransportDetails
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from router.routing.handshake import Entrance, Peer
from router.transport.connection import Connection
from router.transport.framing import CHANNELS
from router.transport.outbox import Outbox, Turn
from router.wamp.serializers import MSGPACK


class _LocalOutbox(Outbox):
    """An outbox that hands its messages to a component."""

    __slots__ = ()

    def flush(self, now: float) -> None:
        messages, self.frames = self.frames, []
        transport: Any = self._carrier
        for message in messages:
            transport.give_component(message)


class LocalTransport:
    """
    The connection of one component.

    :ivar component: the ``ApplicationSession``
    :ivar is_closed: fires with this object when the connection has ended (Autobahn asks for it)
    """

    log = Logger("router.local")

    def __init__(
        self, component: Any, realm: str, entrance: Entrance, turn: Turn, counters: Counter[str], reactor: Any
    ) -> None:
        self.component = component
        component.config.realm = realm
        self.transport_details = TransportDetails(is_server=False, peer="local")
        self._serializer = MsgPackSerializer()
        self._reactor = reactor
        self._turn = turn
        self._open = True
        self.is_closed: Deferred[LocalTransport] = Deferred()
        self._steps: list[tuple[Callable[[Any], object], Any]] = []  # of the next turn: function, argument
        peer = Peer(address="local", host="", transport="local", listener="local", message_limit_bytes=2**62)
        self._connection = Connection(peer, MSGPACK, self, entrance, turn, counters, _ignore_state)
        outbox = _LocalOutbox(turn, CHANNELS["message", "msgpack"], self, _nowhere, self._connection)
        self._connection.outbox = outbox

    def start(self) -> None:
        """Let the component begin: it sends HELLO."""
        self._later(self.component.onOpen, self)

    def isOpen(self) -> bool:
        return self._open

    is_open = isOpen

    def send(self, msg: Any) -> None:
        """Take a message from the component (``ITransport``)."""
        if not self._open:
            raise TransportLost
        data, _ = self._serializer.serialize(msg)
        self._later(self._receive, data)

    def close(self, reason: str = "") -> None:
        """End from either side, after what is queued has gone (``ITransport``, ``Carrier``)."""
        self._connection.outbox.flush_now()
        self._later(self._lost, reason or "closed")

    def abort(self) -> None:
        self.close("aborted")

    def pause_reading(self) -> None:
        """A component takes every message at once: its outbox never is full."""

    resume_reading = pause_reading

    def give_component(self, data: bytes) -> None:
        """Hand over one message."""
        self._later(self._hand_over, data)

    def _later(self, step: Callable[[Any], object], argument: Any) -> None:
        if not self._steps:
            self._reactor.callLater(0, self._run)
        self._steps.append((step, argument))

    def _run(self) -> None:
        steps, self._steps = self._steps, []
        for step, argument in steps:
            try:
                step(argument)
            except Exception:
                self.log.failure("component {component} failed", component=self.component)
                self.abort()

    def _receive(self, data: bytes) -> None:
        if self._open:
            self._connection.receive(data, self._turn.now())

    def _hand_over(self, data: bytes) -> None:
        for message in self._serializer.unserialize(data, True):
            if self._open:
                self.component.onMessage(message)

    def _lost(self, reason: str) -> None:
        if self._open:
            self._open = False
            self._connection.lost(reason)
            try:
                self.component.onClose(True)
            finally:
                self.is_closed.callback(self)


def _ignore_state(carrier: Any, state: Any) -> None:
    """A component is neither late nor silent."""


def _nowhere(data: bytes) -> None:
    """Nothing is written to a wire."""


ITransport.register(LocalTransport)
