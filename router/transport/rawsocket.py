"""
WAMP over RawSocket: a handshake of four octets, then messages behind their length.

Rules of this file:

- Cited is WAMP AP 'RawSocket Transport'. A message is four octets, ``RRRR XTTT`` and 24 bits of
  length, and its payload; ``X`` is the 25th bit of the length.
- Both limits hold: what the peer takes goes to the outbox, and a frame that is longer than
  ``message_limit_bytes`` ends the connection before its payload is read.
- An incomplete frame grows in one bytearray, so that a large one costs its size and not its
  square, and a peer that announces much gets memory only for what it sends.
- After the last word of the router, what the peer still sends is read and dropped, so that this
  word arrives; for ``CLOSE_SECONDS`` at most.
"""

import struct
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from router.transport import eager
from router.transport.connection import Connection
from router.transport.framing import CHANNELS
from router.transport.listener import Listener
from router.transport.outbox import Outbox
from router.transport.sockets import lose_after_sending, set_keepalive, set_no_delay
from router.wamp import uris
from router.wamp.serializers import SERIALIZERS, Serializer

MAGIC: Final = 0x7F
PREFIX_BYTES: Final = 4
CLOSE_SECONDS: Final = 1.0

# What the handshake answers instead of a serializer.
SERIALIZER_UNSUPPORTED: Final = 1
LENGTH_UNACCEPTABLE: Final = 2
RESERVED_BITS_USED: Final = 3
TOO_MANY_CONNECTIONS: Final = 4

# Refused connections that may wait for their request, so that they read the answer to it.
_REFUSED_AT_ONCE: Final = 100

# A peer that takes no more than this could not even be told WELCOME.
_LEAST_PEER_LIMIT: Final = 2**11

_REGULAR: Final = 0
_PING: Final = 1
_PONG: Final = 2
_PREFIX: Final = struct.Struct(">I").unpack_from
_LENGTH_BITS: Final = 0xFFFFFF
_PING_FRAME: Final = b"\x01\0\0\0"


class Refused(Exception):
    """The handshake failed; ``code`` is the answer, None where the peer speaks another protocol."""

    def __init__(self, text: str, code: int | None) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def read_request(request: bytes, serializers: dict[int, Serializer]) -> tuple[Serializer, int]:
    """
    Read the four octets of a client: its serializer, and the longest message in octets that it takes.

    Raises:
        Refused: what the client asks for is not to be had here.
    """
    if request[0] != MAGIC:
        raise Refused(f"not a RawSocket handshake: the first octet is 0x{request[0]:02x}, not 0x7f", None)
    length, serializer_id = request[1] >> 4, request[1] & 15
    if request[2] or request[3]:
        raise Refused("RawSocket handshake with reserved bits set", RESERVED_BITS_USED)
    serializer = serializers.get(serializer_id)
    if serializer is None:
        offered = ", ".join(f"{number} ({known.name})" for number, known in serializers.items())
        text = f"RawSocket serializer {serializer_id} is not served here: {offered}"
        raise Refused(text, SERIALIZER_UNSUPPORTED)
    limit: int = 2 ** (length + 9)
    if limit < _LEAST_PEER_LIMIT:
        text = f"RawSocket client takes {limit} octets a message, too few: at least {_LEAST_PEER_LIMIT}"
        raise Refused(text, LENGTH_UNACCEPTABLE)
    return serializer, limit


@implementer(IProtocol)
class RawSocketConnection:
    """
    One WAMP client over RawSocket.

    ``_receive_all`` takes the messages of one read while the connection is open; it is None during
    the handshake and after the end. ``_partial`` waits for ``_need`` octets.
    """

    log = Logger("router.rawsocket")

    __slots__ = (
        "_closing",
        "_factory",
        "_limit",
        "_need",
        "_partial",
        "_paused",
        "_peer_limit",
        "_receive_all",
        "_timer",
        "connection",
        "heard",
        "outbox",
        "pinged",
        "transport",
    )

    def __init__(self, factory: "RawSocketFactory") -> None:
        self.connection: Connection | None = None
        self.outbox: Outbox | None = None
        self.heard = False
        self.pinged = False
        self.transport: Any = None
        self._closing = False
        self._factory = factory
        self._limit = factory.listener.settings.message_limit_bytes
        self._need = 0
        self._partial: bytearray | None = None
        self._paused = False
        self._peer_limit = 0
        self._receive_all: Any = None
        self._timer: Any = None

    # IProtocol

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport
        self.connectionMade()

    def connectionMade(self) -> None:
        factory = self._factory
        listener = factory.listener
        if not listener.admits():
            self._turn_away()
            return
        listener.connected(self)
        set_no_delay(self.transport)
        heartbeat = listener.settings.heartbeat
        if not heartbeat.ping and heartbeat.interval_ms:
            set_keepalive(self.transport, heartbeat.interval_ms, heartbeat.timeout_ms)

    def dataReceived(self, data: bytes) -> None:
        self.heard = True
        if self._partial is not None:
            self._partial += data
            if len(self._partial) < self._need:
                return
            data = bytes(self._partial)
            self._partial = None
        if self._receive_all is not None:
            self._take_frames(data)
        elif not self._closing:
            self._shake_hands(data)

    def connectionLost(self, reason: Failure) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._factory.listener.disconnected(self)
        self._factory.refused.discard(self)
        self._end()
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.lost(reason.getErrorMessage())

    # The handshake

    def _shake_hands(self, data: bytes) -> None:
        if len(data) < PREFIX_BYTES and data[0] == MAGIC:
            self._partial = bytearray(data)
            self._need = PREFIX_BYTES
            return
        try:
            serializer, peer_limit = read_request(data[:PREFIX_BYTES], self._factory.serializer_by_id)
        except Refused as refused:
            self._refuse(refused)
            return
        self._open(serializer, peer_limit)
        if len(data) > PREFIX_BYTES:
            self._take_frames(data[PREFIX_BYTES:])

    def _open(self, serializer: Serializer, peer_limit: int) -> None:
        listener, transport = self._factory.listener, self.transport
        peer = listener.peer(transport, "rawsocket")
        connection = self.connection = listener.connection(peer, serializer, self)
        write = eager.writer(transport)
        channel = CHANNELS["rawsocket", serializer.name]
        outbox = self.outbox = connection.outbox = Outbox(listener.turn, channel, self, write, connection)
        outbox.max_frame_bytes = peer_limit + PREFIX_BYTES
        transport.registerProducer(outbox, True)
        self._peer_limit = peer_limit
        self._receive_all = connection.receive_all
        length = self._limit.bit_length() - 10  # 0 means 2**9 octets
        write(bytes((MAGIC, length << 4 | serializer.rawsocket_id, 0, 0)))

    def _refuse(self, refused: Refused) -> None:
        listener = self._factory.listener
        listener.counters["handshakes_refused"] += 1
        peer = listener.peer(self.transport, "rawsocket")
        self.log.warn("{address} refused: {text}", address=peer.address, text=refused.text)
        if refused.code is None:
            self.abort()
        else:
            self._answer(refused.code)
            self.close(refused.text)

    def _turn_away(self) -> None:
        """Answer a connection too many; the request that it is sending is read, so that it sees why."""
        refused = self._factory.refused
        if len(refused) < _REFUSED_AT_ONCE:
            refused.add(self)
            self._answer(TOO_MANY_CONNECTIONS)
            self.close("too many connections")
        else:
            self.abort()

    def _answer(self, code: int) -> None:
        self.transport.write(bytes((MAGIC, code << 4, 0, 0)))

    # Frames

    def _take_frames(self, data: bytes) -> None:
        """Take each whole frame of ``data``, and keep the rest (benchmark: all RawSocket rows)."""
        limit, prefix = self._limit, _PREFIX
        messages: list[bytes] = []
        position, end, need = 0, len(data), PREFIX_BYTES
        while end - position >= PREFIX_BYTES:
            start = position + PREFIX_BYTES
            kind, (length,) = _REGULAR, prefix(data, position)
            if length > limit:  # or one of the first octet's bits is set
                kind, length = length >> 24, length & _LENGTH_BITS
                if kind & 8 and not length:
                    kind, length = kind & 7, 2**24
                self._hand_over(messages)
                messages = []
                if not self._is_acceptable(kind, length):
                    return
            stop = start + length
            if stop > end:
                need = PREFIX_BYTES + length
                break
            if kind == _REGULAR:
                messages.append(data[start:stop])
            elif kind == _PING:
                self._pong(data[start:stop])
            position = stop
        self._hand_over(messages)
        if position < end and self._receive_all is not None:
            self._partial = bytearray(data[position:])
            self._need = need

    def _hand_over(self, messages: list[bytes]) -> None:
        if messages:
            self._receive_all(messages, self._factory.listener.turn.now())

    def _is_acceptable(self, kind: int, length: int) -> bool:
        """Judge an unusual frame by its first four octets; one that may not be ends the connection."""
        connection = self.connection
        if connection is None or self._receive_all is None:
            return False
        if kind > _PONG:
            connection.refuse(f"RawSocket frame with a reserved type or bit, first octet 0x{kind:02x}")
        elif length > self._limit:
            self._factory.listener.counters["oversized_incoming"] += 1
            text = f"message of {length} bytes is larger than message_limit_bytes = {self._limit}"
            connection.refuse(text, uris.PAYLOAD_SIZE_EXCEEDED)
        elif kind == _PING and length > self._peer_limit:
            connection.refuse(f"PING of {length} bytes: its PONG is more than this client takes")
        return self._receive_all is not None

    def _pong(self, payload: bytes) -> None:
        assert self.outbox is not None
        length = len(payload)
        first = _PONG if length <= _LENGTH_BITS else _PONG | 8
        self.outbox.append_wire(bytes((first,)) + (length & _LENGTH_BITS).to_bytes(3, "big") + payload)

    # Carrier: what the session's connection and its outbox ask for

    def pause_reading(self) -> None:
        self._paused = True
        self.transport.pauseProducing()

    def resume_reading(self) -> None:
        self._paused = False
        self.transport.resumeProducing()

    def close(self, reason: str) -> None:
        """Close from the router's side, after everything queued has gone."""
        if self._closing:
            return
        self._end()
        if self.outbox is not None:
            self.outbox.finish()
            self.transport.unregisterProducer()  # TLS would wait for it
        if self._paused:
            self.resume_reading()  # the peer's end is to be seen
        self._timer = self._factory.reactor.callLater(CLOSE_SECONDS, self._close_timed_out)
        lose_after_sending(self.transport)

    def abort(self) -> None:
        """Drop the connection without a word."""
        self._end()
        self.transport.abortConnection()

    def _end(self) -> None:
        self._closing = True
        self._receive_all = None
        self._partial = None

    def _close_timed_out(self) -> None:
        self._timer = None
        self.transport.abortConnection()

    # Watched: what liveness asks for

    def expire(self) -> None:
        """No session was opened in time."""
        if self.connection is not None:
            self.connection.expired()
        elif not self._closing:
            self._factory.listener.counters["handshake_timeouts"] += 1
            self.abort()

    def ping(self) -> None:
        if self.outbox is not None:
            self.outbox.append_wire(_PING_FRAME)

    def silent(self) -> None:
        """Nothing came since the last ping: this peer is gone."""
        self._factory.listener.silent(self.connection)
        self.abort()

    def is_judged(self) -> bool:
        return not self._paused and not (self.outbox is not None and self.outbox.blocked)


class RawSocketFactory(Factory):
    """Makes the connections of one RawSocket listener."""

    noisy = False

    def __init__(self, listener: Listener, reactor: Any) -> None:
        self.listener = listener
        self.reactor = reactor
        self.refused: set[RawSocketConnection] = set()  # of those too many, who still get their answer
        self.serializer_by_id = {  # the handshake's number -> Serializer
            SERIALIZERS[name].rawsocket_id: SERIALIZERS[name] for name in listener.settings.serializers
        }

    def buildProtocol(self, addr: IAddress | None) -> Any:
        return RawSocketConnection(self)
