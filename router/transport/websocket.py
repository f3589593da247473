"""
WAMP over WebSocket: Autobahn's protocol, with a fast path in front of it.

Rules of this file:

- Autobahn owns the protocol: opening and closing handshake, fragments, control frames,
  compression, limits. ``FastWebSocket`` takes whole, unfragmented, uncompressed data frames
  straight from the buffer and hands everything else over, at a frame boundary, so that what a
  peer sees is the same (checked with the Autobahn testsuite; benchmark: all throughput rows).
- Whatever Autobahn sends goes through the outbox, in order with the messages.
- A request that is no WebSocket handshake goes to the web site of the same port.
"""

import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.compress import (
    PerMessageDeflateOffer,
    PerMessageDeflateOfferAccept,
)
from autobahn.websocket.protocol import WebSocketProtocol
from autobahn.websocket.types import ConnectionDeny
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from router.transport import batching, eager
from router.transport.batching import Batching
from router.transport.connection import Connection
from router.transport.framing import CHANNELS
from router.transport.listener import Listener
from router.transport.outbox import Outbox
from router.transport.sockets import set_no_delay
from router.transport.websocket_outbox import BatchedOutbox, LateOutbox
from router.wamp.errors import ProtocolViolation
from router.wamp.serializers import SERIALIZERS, Serializer

OPEN: Final = WebSocketProtocol.STATE_OPEN
MAX_HEADER_BYTES: Final = 16384

# Unmasking, RFC 6455 section 5.3, of n < 126 octets as little-endian integers:
# (payload XOR mask * REPEAT[n]) & KEEP[n]. A loop over octets would take 30 times as long.
REPEAT: Final = [sum(1 << 32 * i for i in range((n + 3) // 4)) for n in range(126)]
KEEP: Final = [(1 << 8 * n) - 1 for n in range(126)]

# The first two octets of a short frame and its mask, RFC 6455 section 5.2.
_SHORT_HEADER: Final = struct.Struct("<BBI").unpack_from


class _AutobahnLog:
    """Autobahn's log calls, of which each formats its arguments whether or not anybody reads them."""

    log = Logger("router.websocket")

    def debug(self, *args: Any, **kwargs: Any) -> None:
        """Drop it: these are traces of Autobahn's own working."""

    info = debug
    trace = debug

    def warn(self, text: str = "", **kwargs: Any) -> None:
        """A peer misbehaved: the connection's own log line tells it."""
        self.log.debug(text, **kwargs)

    error = warn

    def failure(self, *args: Any, **kwargs: Any) -> None:
        self.log.failure("Autobahn failed", **kwargs)


class FastWebSocket(WebSocketServerProtocol):
    """
    A WebSocket server protocol that gives whole messages to ``receive_all``.

    ``opcode`` is the first octet of the frames that the fast path takes: 0x81 (text) or 0x82;
    a message of the other type comes through ``onMessage`` alone.
    """

    log = _AutobahnLog()
    # Autobahn copies its options onto each protocol object unless the class has them; ours
    # does, by ``options_as_class``, which saves some kB and a tenth of a millisecond a connection.
    CONFIG_ATTRS: ClassVar[list[str]] = []
    opcode = 0x81
    # Takes the messages of one read and its time, in seconds of ``clock``.
    receive_all: Callable[[list[bytes], float], None]
    clock: Callable[[], float] = time.monotonic
    data: bytes  # what Autobahn has not taken yet

    def dataReceived(self, data: bytes) -> None:
        """Route each whole frame at the head of the buffer; leave the rest to Autobahn."""
        self.heard = True
        if self.state != OPEN or self.current_frame is not None or self.inside_message:
            self.data += data
            self.consumeData()
            # Autobahn stopped between two frames: what is left may be an incomplete small one.
            return
        if self.data:
            data = self.data + data
            self.data = b""
        opcode = self.opcode
        messages: list[bytes] = []
        is_text, number, short_header = opcode == 0x81, int.from_bytes, _SHORT_HEADER
        position, end = 0, len(data)
        while end - position > 5:
            first, n, mask = short_header(data, position)
            n -= 128
            if first != opcode or n < 0 or n > 126:
                break
            if n < 126:
                start = position + 6
                stop = start + n
                if stop > end:
                    break
                masked = number(data[start:stop], "little")
                payload = ((masked ^ mask * REPEAT[n]) & KEEP[n]).to_bytes(n, "little")
            else:
                if end - position < 8:
                    break
                start = position + 8
                n = (data[position + 2] << 8) | data[position + 3]
                stop = start + n
                if n < 126 or stop > end or 0 < self.maxMessagePayloadSize < n:
                    break
                masks = (data[start - 4 : start] * (n // 4 + 1))[:n]
                masked = number(data[start:stop], "little")
                payload = (masked ^ number(masks, "little")).to_bytes(n, "little")
            if is_text and not payload.isascii() and not _is_utf8(payload):
                break  # Autobahn closes with 1007
            messages.append(payload)
            position = stop
        if messages:
            self.receive_all(messages, self.clock())
        if position < end:
            self.data = data[position:]
            if not self._waits_for_rest(opcode):
                self.consumeData()

    def _waits_for_rest(self, opcode: int) -> bool:
        """Tell whether the buffer holds the beginning of a small frame that the fast path will take."""
        data = self.data
        if self.state != OPEN or data[0] != opcode:
            return False
        if len(data) < 2:
            return True
        n = data[1] - 128
        if n < 0 or n > 126:
            return False
        if n == 126:
            if len(data) < 4:
                return True
            n = (data[2] << 8) | data[3]
            if n < 126 or 0 < self.maxMessagePayloadSize < n:
                return False
            return len(data) < n + 8
        return len(data) < n + 6


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


class WebSocketConnection(FastWebSocket):
    """One WAMP client over WebSocket."""

    connection: Connection | None = None
    outbox: Outbox | None = None
    heard = False
    pinged = False
    compressed = False
    batched = False
    web: Any = None  # the web site's protocol, once this turned out to be an ordinary request
    _drop_call: Any = None  # goes on where the peer does not answer a close, or takes no last bytes
    _paused = False
    _sink: Callable[[bytes], object] | None = None

    factory: "WebSocketFactory"
    transport: Any

    def connectionMade(self) -> None:
        listener = self.factory.listener
        if not listener.admits():
            self.state = WebSocketProtocol.STATE_CLOSED
            self.transport.abortConnection()
            return
        listener.connected(self)
        super().connectionMade()
        set_no_delay(self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.listener.disconnected(self)
        if self._drop_call is not None:
            self._drop_call.cancel()
            self._drop_call = None
        if self.web is not None:
            self.web.connectionLost(reason)
            self.web = None
        if hasattr(self, "trafficStats"):
            super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        if self.web is not None:
            if data.startswith(b"GET ") and _asks_for_upgrade(data) and _is_idle(self.web):
                self._take_back()
            else:
                self.web.dataReceived(data)
                return
        super().dataReceived(data)

    def processHandshake(self) -> None:
        """Let Autobahn open a WebSocket, or hand an ordinary request to the web site."""
        end = self.data.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEADER_BYTES:
            if len(self.data) > MAX_HEADER_BYTES:
                self.failHandshake(f"the request's header is longer than {MAX_HEADER_BYTES} bytes", 431)
            return
        site = self.factory.site
        if site and not _asks_for_upgrade(self.data):
            self._hand_over(site)
        else:
            super().processHandshake()

    def _hand_over(self, site: Any) -> None:
        self.factory.listener.handed_over(self)
        data, self.data = self.data, b""
        self.web = site.buildProtocol(self.transport.getPeer())
        self.web.makeConnection(self.transport)
        self.web.dataReceived(data)

    def _take_back(self) -> None:
        """
        Be a WebSocket after all: proxies send a handshake over a connection that had requests before.

        It comes in one piece from those that are known; one that does not is the site's, which knows no such
        page.
        """
        web, self.web = self.web, None
        web._channel.setTimeout(None)
        self.transport.unregisterProducer()
        self.factory.listener.handed_back(self)

    def onConnect(self, request: Any) -> tuple[str, dict[str, str]]:
        """
        Choose the serializer by the subprotocol: the client's first that this transport offers.

        Gives the subprotocol, and headers of the answer.
        """
        if request.path != self.factory.listener.settings.path:
            raise ConnectionDeny(404, f"no WebSocket at {request.path}")
        for subprotocol in request.protocols:
            subprotocol = str(subprotocol)
            serializer = self.factory.serializer_by_subprotocol.get(subprotocol)
            if serializer is not None:
                self.batched = subprotocol.endswith(batching.SUFFIX)
                return subprotocol, self._open_with(serializer, request)
        offered = ", ".join(self.factory.serializer_by_subprotocol)
        raise ConnectionDeny(
            400, f"no WebSocket subprotocol of this router was asked for: it speaks {offered}"
        )

    def _open_with(self, serializer: Serializer, request: Any) -> dict[str, str]:
        listener = self.factory.listener
        self.opcode = 0x82 if serializer.is_binary else 0x81
        peer, headers = listener.with_cookie(listener.peer(self.transport, "websocket", request.headers))
        self.connection = listener.connection(peer, serializer, self)
        return headers

    def onOpen(self) -> None:
        connection = self.connection
        assert connection is not None
        self.compressed = self._perMessageCompress is not None
        late = self.compressed or self.batched
        channel = CHANNELS["message" if late else "websocket", connection.serializer.name]
        kind = BatchedOutbox if self.batched else LateOutbox if late else Outbox
        write = eager.writer(self.transport)
        self.receive_all = connection.receive_all
        self.outbox = connection.outbox = kind(self.factory.listener.turn, channel, self, write, connection)
        if isinstance(self.outbox, BatchedOutbox):
            self.outbox.batching = Batching(connection.serializer)
            self.receive_all = partial(_receive_batches, connection, self.outbox.batching)
        self.transport.registerProducer(self.outbox, True)
        if self.compressed:
            self.opcode = 0x100  # no octet: every frame is Autobahn's
        self._forget_handshake()

    def _forget_handshake(self) -> None:
        """Free what Autobahn keeps of the opening handshake: some kB for each idle session."""
        for name in _HANDSHAKE_ATTRIBUTES:
            self.__dict__.pop(name, None)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Take a message that Autobahn has put together."""
        connection = self.connection
        if connection is None:
            return
        if connection.serializer.is_binary is not isBinary:
            wanted = "binary" if connection.serializer.is_binary else "text"
            connection.refuse(
                f"{connection.serializer.subprotocol} takes WebSocket messages of type {wanted}"
            )
            return
        self.receive_all([payload], self.clock())

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        connection, self.connection = self.connection, None
        self.__dict__.pop("receive_all", None)  # part of a cycle that only the collector would find
        if connection is not None and self.outbox is not None:
            connection.lost(f"WebSocket closed: {code} {reason}" if code else "connection lost")

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Send what Autobahn has made, after the messages that wait in the outbox."""
        if self._sink is not None:
            self._sink(data)
        elif self.outbox is None:
            self.transport.write(data)
        else:
            self.outbox.append_wire(data)

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        """Begin to close, and wait for the answer as long as stated: Autobahn's timer rings too early."""
        begins = self.state == OPEN and not isReply
        super().sendCloseFrame(code, reasonUtf8, isReply)
        if begins:
            self._call_when_late(self.onCloseHandshakeTimeout)

    def _closeConnection(self, abort: bool = False) -> None:
        # Autobahn resets the connection after its own close, answered or not. That would take
        # from the peer what it has not read yet, as the reason why it was closed.
        if abort and not self.wasClean and not self.wasCloseHandshakeTimeout:
            self.transport.abortConnection()
            return
        if self.outbox is not None:
            self.outbox.finish()
        self._call_when_late(self.transport.abortConnection)
        self.transport.loseConnection()

    def _call_when_late(self, function: Callable[[], None]) -> None:
        if self._drop_call is not None:
            self._drop_call.cancel()
        seconds = self.factory.listener.settings.close_timeout_ms / 1000
        self._drop_call = self.factory.reactor.callLater(seconds, self._late, function)

    def _late(self, function: Callable[[], None]) -> None:
        self._drop_call = None
        function()

    def _protocol_violation(self, reason: str) -> bool:
        self._note_violation(reason)
        return bool(super()._protocol_violation(reason))

    def _invalid_payload(self, reason: str) -> bool:
        self._note_violation(reason)
        return bool(super()._invalid_payload(reason))

    def _note_violation(self, reason: str) -> None:
        """Count and log a breach of RFC 6455; the peer gets Autobahn's close code and the reason."""
        if self.state == OPEN:
            self.factory.listener.counters["protocol_violations"] += 1
            who = self.connection.who() if self.connection is not None else self.peer
            Logger("router.websocket").warn("{who} closed: {reason}", who=who, reason=reason)

    def _max_message_size_exceeded(self, msg_size: int, max_msg_size: int, reason: str) -> None:
        self.factory.listener.counters["oversized_incoming"] += 1
        # Of a message that was being decompressed only the limit is known.
        size = f" of {msg_size} bytes" if msg_size > max_msg_size else ""
        text = f"message{size} is larger than message_limit_bytes = {max_msg_size}"
        Logger("router.websocket").warn("{peer}: {text}", peer=self.peer, text=text)
        super()._max_message_size_exceeded(msg_size, max_msg_size, text)

    def pause_reading(self) -> None:
        self._paused = True
        self.transport.pauseProducing()

    def resume_reading(self) -> None:
        self._paused = False
        self.transport.resumeProducing()

    def close(self, reason: str) -> None:
        """Close from the router's side, after everything queued has gone."""
        if self.outbox is not None and self.outbox.blocked:
            self.abort()
        else:
            self.sendClose(1000, reason)

    def abort(self) -> None:
        """Drop the connection without a word."""
        if self.state == WebSocketProtocol.STATE_CLOSED:
            self.transport.abortConnection()  # Autobahn thinks it gone, and waits for what cannot be sent
        else:
            self.wasNotCleanReason = "dropped by the router"
            self.dropConnection(abort=True)

    def expire(self) -> None:
        """No session was opened in time."""
        if self.connection is not None and self.outbox is not None:
            self.connection.expired()
        else:
            self.factory.listener.counters["handshake_timeouts"] += 1
            self.transport.abortConnection()

    def ping(self) -> None:
        self.sendPing()

    def silent(self) -> None:
        """Nothing came since the last ping: this peer is gone."""
        self.factory.listener.silent(self.connection)
        self.abort()

    def is_judged(self) -> bool:
        return not self._paused and not (self.outbox is not None and self.outbox.blocked)


_HANDSHAKE_ATTRIBUTES: Final = (
    "http_headers",
    "http_request_data",
    "http_request_host",
    "http_request_params",
    "http_request_uri",
    "http_response_data",
    "http_status_line",
    "websocket_extensions",
    "websocket_protocols",
    "websocket_origin",
    "_transport_details",
    "_wskey",
)


def _asks_for_upgrade(data: bytes) -> bool:
    """Tell whether a HTTP request, or as much of it as has come, asks for a WebSocket."""
    return b"\r\nupgrade:" in data.partition(b"\r\n\r\n")[0].lower()


def _is_idle(web: Any) -> bool:
    """Tell whether a connection of the web site has answered all its requests, and may have another."""
    channel = web._channel
    return getattr(channel, "requests", None) == [] and bool(channel.persistent) and not channel._buffer


def _receive_batches(connection: Connection, taken: Batching, batches: list[bytes], now: float) -> None:
    """Take the messages of each batch; what came before a broken one counts."""
    messages: list[bytes] = []
    try:
        for batch in batches:
            messages += taken.split(batch)
    except ProtocolViolation as violation:
        connection.receive_all(messages, now)
        connection.refuse(violation.text)
    else:
        connection.receive_all(messages, now)


class WebSocketFactory(WebSocketServerFactory):
    """Makes the connections of one WebSocket listener."""

    log = _AutobahnLog()
    noisy = False

    def __init__(self, listener: Listener, reactor: Any, site: Any = None) -> None:
        settings = listener.settings
        super().__init__(reactor=reactor, server="")
        self.listener = listener
        self.site = site
        self.serializer_by_subprotocol = {  # "wamp.2.json", "wamp.2.json.batched" -> Serializer
            SERIALIZERS[name].subprotocol + suffix: SERIALIZERS[name]
            for suffix in ("", batching.SUFFIX)
            for name in settings.serializers
        }
        self.setProtocolOptions(
            webStatus=False,
            maxFramePayloadSize=settings.message_limit_bytes,
            maxMessagePayloadSize=settings.message_limit_bytes,
            allowedOrigins=list(settings.allowed_origins),
            openHandshakeTimeout=0,  # the listener's own covers it, up to WELCOME
            closeHandshakeTimeout=0,  # likewise ``sendCloseFrame``
            failByDrop=False,
            tcpNoDelay=True,
            perMessageCompressionAccept=accept_deflate if settings.compression else _accept_nothing,
        )
        self.protocol = options_as_class(WebSocketConnection, self)

    def buildProtocol(self, addr: IAddress) -> Any:
        protocol = self.protocol()
        protocol.factory = self
        return protocol


def options_as_class(protocol: type[FastWebSocket], factory: WebSocketServerFactory) -> type[FastWebSocket]:
    """Make a subclass that carries the factory's options as class attributes."""
    names = WebSocketProtocol.CONFIG_ATTRS_COMMON + WebSocketProtocol.CONFIG_ATTRS_SERVER
    values = {name: getattr(factory, name) for name in names}
    for name, value in values.items():
        if callable(value):
            values[name] = staticmethod(value)
    return type(protocol.__name__, (protocol,), values)


def accept_deflate(offers: list[Any]) -> Any:
    """Accept the first permessage-deflate offer (RFC 7692)."""
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer)
    return None


def _accept_nothing(offers: list[Any]) -> None:
    return None
