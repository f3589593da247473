"""WebSocket as the peer sees it: with the fast path, and the same without (RFC 6455)."""

import json
import random
import socket
import zlib
from itertools import pairwise
from typing import Any

import pytest
import pytest_twisted
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from fake_realm import HELLO, Bench, Wire, wamp
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Site

from router.node_config import Heartbeat, WebSocketTransport
from router.routing.outputs import Delivery
from router.transport.listener import Listener
from router.transport.websocket import FastWebSocket, WebSocketFactory, options_as_class
from router.wamp import uris
from router.wamp.messages import Event, Goodbye, Result

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def request(
    path: str = "/ws", protocols: str | None = "wamp.2.json", extensions: str = "", **headers: str
) -> bytes:
    """Write the opening handshake of a client."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1:8080",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    if protocols is not None:
        lines.append(f"Sec-WebSocket-Protocol: {protocols}")
    if extensions:
        lines.append(f"Sec-WebSocket-Extensions: {extensions}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def frame(
    payload: bytes,
    opcode: int = TEXT,
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x11\x22\x33\x44",
    length_bytes: int | None = None,
) -> bytes:
    """Write one frame; ``length_bytes`` (0, 2, 8) forces how its length is written."""
    n = len(payload)
    if length_bytes is None:
        length_bytes = 0 if n < 126 else 2 if n < 65536 else 8
    short = {0: n, 2: 126, 8: 127}[length_bytes]
    head = bytes((fin << 7 | rsv << 4 | opcode, (mask is not None) << 7 | short))
    head += n.to_bytes(length_bytes, "big") if length_bytes else b""
    if mask is None:
        return head + payload
    key = (mask * (n // 4 + 1))[:n]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(n, "big")
    return head + mask + masked


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """Cut what the router wrote into (opcode, payload); its frames are whole and not masked."""
    found = []
    while data:
        assert data[0] & 0x80
        n, start = data[1], 2
        if n > 125:
            start = 4 if n == 126 else 10
            n = int.from_bytes(data[2:start], "big")
        found.append((data[0] & 0x7F, data[start : start + n]))
        data = data[start + n :]
    return found


# The fast path against Autobahn alone


class Collecting(FastWebSocket):
    """Gathers the messages, whichever way they come."""

    def onOpen(self) -> None:
        self.messages: list[bytes] = []
        self.fast = 0

    def receive_all(self, messages: list[bytes], now: float) -> None:
        self.messages += messages
        self.fast += len(messages)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        assert isBinary is (self.opcode == 0x82)
        self.messages.append(payload)


class BinaryCollecting(Collecting):
    opcode = 0x82


class Plain(Collecting):
    """The same without the fast path."""

    dataReceived = WebSocketServerProtocol.dataReceived


class BinaryPlain(Plain):
    opcode = 0x82


LIMIT = 66_000


def opened(kind: type[Collecting]) -> tuple[Any, Wire]:
    """Give a protocol of ``kind`` after its opening handshake, and its wire."""
    factory = WebSocketServerFactory(reactor=Clock(), server="")
    factory.log = kind.log
    factory.setProtocolOptions(
        maxFramePayloadSize=LIMIT, maxMessagePayloadSize=LIMIT, openHandshakeTimeout=0, failByDrop=False
    )
    protocol: Any = options_as_class(kind, factory)()
    protocol.factory = factory
    wire = Wire(protocol)
    protocol.makeConnection(wire)
    protocol.dataReceived(request(protocols=None))
    assert wire.take().startswith(b"HTTP/1.1 101 ")
    return protocol, wire


def outcome(kind: type[Collecting], pieces: list[bytes]) -> Any:
    """Feed ``pieces``; give the messages, the bytes written, and how the connection stands."""
    protocol, wire = opened(kind)
    for piece in pieces:
        if wire.connected:
            protocol.dataReceived(piece)
    if protocol.closeHandshakeTimeoutCall is not None:
        protocol.closeHandshakeTimeoutCall.cancel()
    return protocol.messages, wire.take(), wire.connected, wire.aborted, protocol.state


def sized(draw: Any) -> bytes:
    size = draw(st.one_of(st.integers(0, 20), st.sampled_from([124, 125, 126, 127, 128, 300, 65535, 65536])))
    piece = draw(st.sampled_from([b"x", "\u00e4".encode(), "\U0001f600".encode(), b"xyz\n"]))
    return bytes((piece * (size // len(piece) + 1))[:size])  # a cut character is invalid UTF-8


@st.composite
def some_frames(draw: Any, opcode: int) -> bytes:
    """Draw frames of one message, or a control frame, or a breach of the protocol."""
    mask = draw(st.sampled_from([b"\x11\x22\x33\x44", b"\0\0\0\0", b"\xff\0\xff\0"]))
    what = draw(st.sampled_from(["whole"] * 6 + ["fragments", "ping", "pong", "breach", "other", "close"]))
    payload = sized(draw)
    if what == "whole":
        return frame(payload, opcode, mask=mask)
    if what == "fragments":
        middle = frame(b"p", PING) if draw(st.booleans()) else b""
        cut = draw(st.integers(0, len(payload)))
        return (
            frame(payload[:cut], opcode, fin=False, mask=mask) + middle + frame(payload[cut:], 0, mask=mask)
        )
    if what in ("ping", "pong"):
        return frame(payload[:125], PING if what == "ping" else PONG, mask=mask)
    if what == "close":
        return frame(draw(st.sampled_from([b"", b"\x03\xe8", b"\x03\xe8bye", b"\x00\x01", b"x"])), CLOSE)
    if what == "other":
        return frame(payload, draw(st.sampled_from([0, 3, 7, 11, 15])), mask=mask)
    return bytes(
        draw(
            st.sampled_from(
                [
                    frame(payload, opcode, mask=None),
                    frame(payload, opcode, rsv=4),
                    frame(payload, opcode, rsv=1),
                    frame(b"x" * 50, opcode, length_bytes=2),
                    frame(b"x" * 50, opcode, length_bytes=8),
                    frame(b"x" * 300, opcode, length_bytes=8),
                    frame(b"x" * (LIMIT + 1), opcode),
                    frame(b"ok \xff no", opcode),
                    frame(b"x", PING, fin=False),
                    frame(b"x" * 126, PING),
                ]
            )
        )
    )


@given(
    binary=st.booleans(),
    data=st.data(),
    count=st.integers(1, 8),
    cuts=st.lists(st.one_of(st.integers(0, 400), st.integers(0, 140_000)), max_size=12),
)
@settings(deadline=None, max_examples=400)
def test_the_fast_path_changes_nothing_that_can_be_seen(
    binary: bool, data: Any, count: int, cuts: list[int]
) -> None:
    """Equal messages, equal bytes in answer, an equal end, wherever the stream is cut."""
    opcode = BINARY if binary else TEXT
    stream = b"".join(data.draw(some_frames(opcode)) for _ in range(count))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges) if a < b]
    fast, plain = (BinaryCollecting, BinaryPlain) if binary else (Collecting, Plain)
    assert outcome(fast, pieces) == outcome(plain, pieces)


@given(st.lists(st.binary(max_size=140), min_size=1, max_size=6), st.integers(1, 40))
@settings(deadline=None, max_examples=60)
@example([b"x" * 65_535, b"y" * 126], 1)
def test_small_pieces(payloads: list[bytes], size: int) -> None:
    stream = b"".join(frame(payload, BINARY, mask=bytes(range(4))) for payload in payloads)
    size = max(size, len(stream) // 500)
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    messages, written, *_ = outcome(BinaryCollecting, pieces)
    assert messages == payloads
    assert written == b""


@pytest.mark.parametrize("payload", [b"", b"x", b"xyz" * 20])
def test_an_unmasked_frame_is_refused_however_short_it_is(payload: bytes) -> None:
    _, written, *_ = outcome(Collecting, [frame(payload, mask=None)])
    assert frames(written) == [(CLOSE, b"\x03\xeaunmasked client-to-server frame")]


@pytest.mark.parametrize("size", range(1, 12))
def test_the_first_octets_of_a_frame(size: int) -> None:
    """Whatever of a header has come, the rest is waited for."""
    for data in (frame(b"x" * 300), frame(b"x" * 20), frame(b"x" * 65_536)):
        messages, written, *_ = outcome(Collecting, [data[:size], data[size:]])
        assert [len(message) for message in messages] == [len(data) - header(data)]
        assert written == b""


def header(data: bytes) -> int:
    """Tell how long the header of the frame ``data`` is, with its mask."""
    return {126: 8, 127: 14}.get(data[1] & 0x7F, 6)


def test_whole_frames_take_the_fast_path() -> None:
    """All of a read, and one that comes in two pieces; so the comparison above compares two things."""
    protocol, _ = opened(Collecting)
    stream = frame(b"one") + frame(b"x" * 126) + frame("\u00e4".encode() * 100) + frame(b"y" * 65535)
    protocol.dataReceived(stream[:-10])
    protocol.dataReceived(stream[-10:] + frame(b"")[:3])
    protocol.dataReceived(frame(b"")[3:])
    assert protocol.fast == len(protocol.messages) == 5
    plain, _ = opened(Plain)
    plain.dataReceived(stream)
    assert plain.fast == 0
    assert len(plain.messages) == 4


def test_a_large_frame_is_never_gathered_twice() -> None:
    """Of a frame of 8 MB, nothing waits in the buffer that a next piece would be appended to."""
    protocol, _ = opened(Collecting)
    protocol.maxMessagePayloadSize = protocol.maxFramePayloadSize = 2**23
    payload = random.Random(7).randbytes(2**22).hex().encode()
    data = frame(payload)
    for start in range(0, len(data), 65536):
        protocol.dataReceived(data[start : start + 65536])
        assert protocol.data == b""
    assert protocol.messages == [payload]
    protocol.dataReceived(frame(b"after"))
    assert protocol.messages[1:] == [b"after"]


# One connection of the router


class WebBench(Bench):
    """A WebSocket listener and the connections to it."""

    def __init__(self, site: Any = None, **options: Any) -> None:
        super().__init__()
        self.settings = WebSocketTransport(name="web", **options)
        self.listener = Listener(self.settings, self.entrance, self.turn, self.counters)
        self.factory = WebSocketFactory(self.listener, self.clock, site)

    def connect(self, *data: bytes) -> Wire:
        protocol = self.factory.buildProtocol(None)
        wire = Wire(protocol)
        protocol.makeConnection(wire)
        for piece in data:
            protocol.dataReceived(piece)
        self.end_turn()
        return wire

    def open(self, **options: Any) -> Wire:
        wire = self.connect(request(**options))
        assert wire.take().startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        return wire

    def join(self, **options: Any) -> Wire:
        wire = self.open(**options)
        ((_, welcome),) = self.send(wire, frame(HELLO))
        assert json.loads(welcome) == [2, 6 + len(self.entrance.sessions), {}]
        return wire

    def send(self, wire: Wire, *data: bytes) -> list[tuple[int, bytes]]:
        """Give the frames that answer ``data``."""
        for piece in data:
            wire.protocol.dataReceived(piece)
        self.end_turn()
        return frames(wire.take())


def head(wire: Wire) -> dict[str, str]:
    """Read the header of an answer; "status" is its first line."""
    lines = wire.take().decode().split("\r\n\r\n")[0].split("\r\n")
    return {"status": lines[0], **dict(line.lower().split(": ", 1) for line in lines[1:])}


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ("wamp.2.json", "wamp.2.json"),
        ("wamp.2.cbor, wamp.2.json", "wamp.2.cbor"),
        ("wamp.2.ubjson, graphql-ws, wamp.2.msgpack", "wamp.2.msgpack"),
    ],
)
def test_the_first_subprotocol_that_is_served(asked: str, chosen: str) -> None:
    bench = WebBench()
    wire = bench.connect(request(protocols=asked))
    assert head(wire)["sec-websocket-protocol"] == chosen
    assert wire.protocol.connection.serializer.subprotocol == chosen
    assert wire.protocol.opcode == (0x81 if chosen == "wamp.2.json" else 0x82)


@pytest.mark.parametrize("asked", [None, "wamp.2.msgpack", "chat"])
def test_no_subprotocol_in_common(asked: str | None) -> None:
    bench = WebBench(serializers=("json", "cbor"))
    wire = bench.connect(request(protocols=asked))
    status = head(wire)["status"]
    assert status.startswith("HTTP/1.1 400 ")
    assert status.endswith("it speaks wamp.2.json, wamp.2.cbor")
    assert not wire.connected


def test_another_path_is_404() -> None:
    wire = WebBench().connect(request(path="/other"))
    assert head(wire)["status"] == "HTTP/1.1 404 no WebSocket at /other"
    assert not wire.connected


@pytest.mark.parametrize(
    ("origin", "status"), [("https://good.example", "101"), ("https://bad.example", "400")]
)
def test_origins(origin: str, status: str) -> None:
    bench = WebBench(allowed_origins=("https://good.example:443",))
    assert head(bench.connect(request(Origin=origin)))["status"].split()[1] == status


@pytest.mark.parametrize("ended", [True, False])
def test_a_header_that_is_too_long(ended: bool) -> None:
    """It is refused as soon as it is too long, complete or not."""
    data = request(X_Filler="x" * 20_000)
    wire = WebBench().connect(data if ended else data[:17_000])
    assert head(wire)["status"].startswith("HTTP/1.1 431 ")
    assert not wire.connected


def test_a_request_in_pieces() -> None:
    data = request()
    wire = WebBench().connect(*[data[i : i + 1] for i in range(len(data))])
    assert head(wire)["status"].split()[1] == "101"


class Page(Resource):
    """Every page, which tells its path."""

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        return b"the page " + bytes(request.path)


def a_site() -> Site:
    site = Site(Page(), reactor=Clock())
    site.noisy = False
    return site


def test_an_ordinary_request_goes_to_the_site() -> None:
    """Also its later ones, and in pieces; the WebSocket of the same port is as ever."""
    bench = WebBench(a_site())
    get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    wire = bench.connect(get[:9], get[9:])
    first = wire.take()
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert first.endswith(b"the page /")
    wire.protocol.dataReceived(b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
    assert wire.take().endswith(b"the page /other")
    bench.clock.advance(60)
    bench.listener.liveness.tick(bench.clock.seconds())
    assert wire.connected  # the site has timeouts of its own
    assert bench.entrance.peers == []
    wire.protocol.connectionLost(Failure(ConnectionDone()))
    assert not bench.listener.connections
    bench.join()


def test_without_a_site_an_ordinary_request_is_no_websocket() -> None:
    wire = WebBench().connect(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert head(wire)["status"].split()[1] == "426"
    assert not wire.connected


def test_one_connection_too_many() -> None:
    bench = WebBench(connections=1)
    bench.join()
    wire = bench.connect()
    assert wire.aborted
    assert len(bench.listener.connections) == 1
    assert bench.counters["connections_refused"] == 1


def test_the_peer_is_the_one_behind_a_trusted_proxy() -> None:
    bench = WebBench(trusted_proxies=("192.0.2.0/24",))
    bench.join(X_Forwarded_For="203.0.113.9")
    (peer,) = bench.entrance.peers
    assert (peer.host, peer.transport, peer.listener) == ("203.0.113.9", "websocket", "web")
    assert peer.address == "tcp:192.0.2.7:4711 for 203.0.113.9"


def test_messages_of_a_session() -> None:
    """Both ways through the fast path and through Autobahn, in order with a ping."""
    bench = WebBench()
    wire = bench.join()
    bench.realm.answer = lambda session, message, now: [Delivery((session,), Result(message.request, {}))]
    call, other = wamp(48, 1, {}, "com.x"), wamp(48, 2, {}, "com.x")
    answers = bench.send(
        wire, frame(call), frame(b"p", PING) + frame(other[:5], fin=False) + frame(other[5:], 0)
    )
    assert answers == [(TEXT, b"[50,1,{}]"), (PONG, b"p"), (TEXT, b"[50,2,{}]")]


@pytest.mark.parametrize(
    ("protocols", "opcode", "wanted"), [("wamp.2.json", BINARY, "text"), ("wamp.2.cbor", TEXT, "binary")]
)
def test_the_other_type_of_message(protocols: str, opcode: int, wanted: str) -> None:
    bench = WebBench()
    wire = bench.open(protocols=protocols)
    answers = bench.send(wire, frame(b"[]", opcode))
    connection = wire.protocol.connection
    abort = connection.serializer.decode(answers[0][1])
    assert abort.details["message"] == f"{protocols} takes WebSocket messages of type {wanted}"
    assert answers[1] == (CLOSE, b"\x03\xe8" + uris.PROTOCOL_VIOLATION.encode())


def test_an_oversized_message_names_the_limit() -> None:
    """In the close reason and in one log line; there is a counter."""
    bench = WebBench(message_limit_bytes=1024)
    wire = bench.join()
    with capturedLogs() as logs:
        ((opcode, payload),) = bench.send(wire, frame(b"x" * 1025))
    assert (opcode, payload[:2]) == (CLOSE, (1009).to_bytes(2, "big"))
    assert payload[2:] == b"message of 1025 bytes is larger than message_limit_bytes = 1024"
    assert bench.counters["oversized_incoming"] == 1
    lines = [entry for entry in logs if entry["log_level"].name == "warn"]
    assert len(lines) == 1
    assert bench.send(wire, frame(wamp(48, 1, {}, "com.x"))) == []
    assert bench.realm.taken == []


def test_the_close_is_answered_and_the_session_left() -> None:
    bench = WebBench()
    wire = bench.join()
    assert bench.send(wire, frame(b"\x03\xe8", CLOSE)) == [(CLOSE, b"\x03\xe8")]
    assert not wire.connected
    assert bench.realm.log[-1][:2] == ("leave", 7)
    assert not bench.listener.connections
    assert "receive_all" not in wire.protocol.__dict__


def test_the_routers_close_comes_after_everything_queued() -> None:
    bench = WebBench()
    wire = bench.join()
    (abort, close) = bench.send(wire, frame(b"no json"))
    assert json.loads(abort[1])[2] == uris.PROTOCOL_VIOLATION
    assert close == (CLOSE, b"\x03\xe8" + uris.PROTOCOL_VIOLATION.encode())
    assert wire.connected
    wire.protocol.dataReceived(frame(b"\x03\xe8", CLOSE))
    assert not wire.connected


def test_a_congested_connection_is_dropped_instead_of_closed() -> None:
    bench = WebBench()
    wire = bench.join()
    wire.congest()
    assert bench.send(wire, frame(b"no json")) == []
    assert wire.aborted


def test_what_is_held_goes_before_the_answer_to_a_close() -> None:
    bench = WebBench()
    wire = bench.join()
    wire.congest()
    bench.realm.answer = lambda session, message, now: [Delivery((session,), Result(1, {}))]
    assert bench.send(wire, frame(wamp(48, 1, {}, "com.x"))) == []
    assert bench.send(wire, frame(b"", CLOSE)) == [(TEXT, b"[50,1,{}]"), (CLOSE, b"\x03\xe8")]
    assert not wire.aborted


@pytest.mark.parametrize("how", ["close", "refusal"])
def test_the_end_is_bounded_where_the_peer_takes_nothing(how: str) -> None:
    bench = WebBench(close_timeout_ms=700)
    wire = bench.join() if how == "close" else bench.connect()
    wire.stuck = True
    wire.protocol.dataReceived(frame(b"", CLOSE) if how == "close" else request(path="/other"))
    bench.clock.advance(0.6)
    assert not wire.aborted
    bench.clock.advance(0.1)
    assert wire.aborted
    assert not bench.listener.connections
    assert not bench.clock.getDelayedCalls()


def test_a_peer_that_closed_and_takes_nothing_is_found_silent() -> None:
    """Autobahn holds such a connection for closed and would not drop it."""
    bench = WebBench()
    wire = bench.join()
    wire.stuck = True
    wire.protocol.dataReceived(frame(b"", CLOSE))
    wire.protocol.silent()
    assert wire.aborted
    bench.end_turn()
    assert not bench.clock.getDelayedCalls()


def test_a_slow_consumer_is_dropped() -> None:
    bench = WebBench()
    wire = bench.join()
    wire.congest()
    bench.realm.answer = lambda session, message, now: [
        Delivery((session,), Event(1, 2, {}, ["x" * 3_000_000]))
    ]
    with capturedLogs():
        assert bench.send(wire, frame(wamp(16, 1, {}, "com.x"))) == []
    assert wire.aborted
    assert bench.counters["slow_consumers_disconnected"] == 1
    assert bench.realm.log[-1][:2] == ("leave", 7)


def test_reading_pauses_while_much_is_queued() -> None:
    bench = WebBench()
    wire = bench.join()
    assert wire.protocol.is_judged()
    wire.congest()
    assert not wire.protocol.is_judged()
    bench.realm.answer = lambda session, message, now: [
        Delivery((session,), Event(1, 2, {}, ["x" * 100_000]))
    ]
    assert bench.send(wire, frame(wamp(16, 1, {}, "com.x"))) == []
    assert wire.producerState == "paused"
    wire.drain()
    assert wire.producerState == "producing"
    assert wire.protocol.is_judged()
    ((_, event),) = frames(wire.take())
    assert len(event) > 100_000


def test_no_session_in_time() -> None:
    bench = WebBench(handshake_timeout_ms=1000)
    silent, late = bench.connect(b"GET "), bench.open()
    bench.clock.advance(1)
    bench.listener.liveness.tick(bench.clock.seconds())
    bench.end_turn()
    assert silent.aborted
    (abort, close) = frames(late.take())
    assert json.loads(abort[1])[2] == uris.TIMEOUT
    assert close[0] == CLOSE
    assert bench.counters["handshake_timeouts"] == 2


def test_pings_and_the_end_of_a_silent_peer() -> None:
    bench = WebBench(heartbeat=Heartbeat(interval_ms=1000, timeout_ms=1000))
    wire = bench.join()
    liveness = bench.listener.liveness
    pings = 0
    with capturedLogs():
        while wire.connected and bench.clock.seconds() < 10:
            bench.clock.advance(liveness.tick_interval)
            liveness.tick(bench.clock.seconds())
            bench.end_turn()
            pings += frames(wire.take()).count((PING, b""))
    assert pings == 1
    assert wire.aborted
    assert 2.0 <= bench.clock.seconds() <= 3.1
    assert bench.counters["heartbeats_missed"] == 1


class RealmHeartbeat:
    """The times of a realm."""

    def __init__(self, interval_ms: int) -> None:
        self.interval_ms = self.timeout_ms = interval_ms


def test_a_realm_with_its_own_heartbeat() -> None:
    """Its session is watched with these times and no others, also when it joins another realm later."""
    bench = WebBench()
    watches: list[Any] = []
    bench.listener.start(watches.append)
    bench.realm.heartbeat = RealmHeartbeat(1000)
    wire = bench.join()
    protocol = wire.protocol
    assert [protocol in watch._slice_of for watch in watches] == [False, True]
    bench.send(wire, frame(wamp(6, {}, uris.NORMAL)))
    bench.realm.heartbeat = RealmHeartbeat(2000)
    bench.send(wire, frame(HELLO))
    assert [protocol in watch._slice_of for watch in watches] == [False, False, True]
    bench.realm.heartbeat = RealmHeartbeat(1000)
    bench.join()
    assert len(watches) == 3
    protocol.connectionLost(Failure(ConnectionDone()))
    assert not any(protocol in watch._slice_of for watch in watches)


def test_goodbye_of_the_router() -> None:
    bench = WebBench()
    wire = bench.join()
    wire.protocol.connection.farewell(Goodbye({}, uris.SYSTEM_SHUTDOWN))
    (answer,) = bench.send(wire)
    assert json.loads(answer[1]) == [6, {}, uris.SYSTEM_SHUTDOWN]


def inflate(frames_: list[tuple[int, bytes]]) -> list[bytes]:
    """Undo permessage-deflate with its context, frame after frame (RFC 7692 section 7.2.2)."""
    context = zlib.decompressobj(-15)
    return [
        context.decompress(payload + b"\0\0\xff\xff") if opcode & 0x40 else payload
        for opcode, payload in frames_
    ]


def test_compression_both_ways() -> None:
    """The bytes are made in the order in which they go out, also around a ping and a close."""
    bench = WebBench()
    wire = bench.open(extensions="permessage-deflate")
    assert wire.protocol.compressed
    context = zlib.compressobj(9, zlib.DEFLATED, -15)

    def deflate(payload: bytes) -> bytes:
        data = context.compress(payload) + context.flush(zlib.Z_SYNC_FLUSH)
        return frame(data[:-4], rsv=4)

    texts = ["x" * 500, "y" * 500]
    bench.realm.answer = lambda session, message, now: [
        Delivery((session,), Result(message.request, {}, [texts[message.request - 1]]))
    ]
    written = []
    written += bench.send(wire, deflate(HELLO))
    written += bench.send(wire, deflate(wamp(48, 1, {}, "com.x")), frame(b"p", PING))
    written += bench.send(wire, deflate(wamp(48, 2, {}, "com.x")))
    written += bench.send(wire, frame(b"not compressed"))
    plain = inflate(written)
    assert [opcode for opcode, _ in written] == [0x41, 0x41, PONG, 0x41, 0x41, CLOSE]
    assert json.loads(plain[0])[0] == 2
    assert [json.loads(plain[1])[3], plain[2], json.loads(plain[3])[3]] == [[texts[0]], b"p", [texts[1]]]
    assert json.loads(plain[4])[0] == 3
    assert len(written[1][1]) < 100


def test_a_bomb_is_not_inflated() -> None:
    bench = WebBench(message_limit_bytes=4096)
    wire = bench.open(extensions="permessage-deflate")
    context = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = context.compress(b"x" * 1_000_000) + context.flush(zlib.Z_SYNC_FLUSH)
    assert len(data) < 4096
    with capturedLogs():
        answers = bench.send(wire, frame(data[:-4], rsv=4))
    assert answers[0][1][:2] == (1009).to_bytes(2, "big")
    assert bench.counters["oversized_incoming"] == 1


@pytest.mark.parametrize(("compression", "extensions"), [(False, "permessage-deflate"), (True, "x-unknown")])
def test_no_compression(compression: bool, extensions: str) -> None:
    bench = WebBench(compression=compression)
    wire = bench.connect(request(extensions=extensions))
    assert "sec-websocket-extensions" not in head(wire)
    assert not wire.protocol.compressed


def test_a_compressed_connection_that_was_given_up_costs_nobody_anything() -> None:
    bench = WebBench()
    gone, other = bench.open(extensions="permessage-deflate"), bench.join()
    gone.protocol.connection.receive(HELLO, 0.0)
    bench.end_turn()
    sessions = bench.entrance.sessions
    gone.take()
    gone.protocol.outbox.discard()
    bench.turn.deliver([Delivery(tuple(sessions), Event(1, 2, {}))])
    bench.end_turn()
    assert gone.take() == b""
    assert frames(other.take()) == [(TEXT, b"[36,1,2,{}]")]


class Client(Protocol):
    """A peer on a real socket."""

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred().addTimeout(10, reactor)
        self.answered: Deferred[bytes] = Deferred().addTimeout(10, reactor)

    def dataReceived(self, data: bytes) -> None:
        if not self.answered.called:
            self.answered.callback(data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.ended.callback(None)


@pytest_twisted.ensureDeferred
async def test_no_delay_is_on() -> None:
    """The kernel says so."""
    bench = WebBench()
    bench.factory.reactor = reactor
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(bench.factory)
    client = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port), Client())
    client.transport.write(request())
    assert (await client.answered).startswith(b"HTTP/1.1 101 ")
    (server,) = bench.listener.connections
    assert server.transport.getHandle().getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    client.transport.loseConnection()
    await client.ended
    await port.stopListening()
