"""RawSocket as the peer sees it: octets in, octets out (WAMP AP 'RawSocket Transport')."""

import json
import socket
from itertools import pairwise
from typing import Any

import pytest
import pytest_twisted
from fake_realm import HELLO, Bench, Wire, wamp
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from router.node_config import RawSocketHeartbeat, RawSocketTransport
from router.routing.outputs import Delivery
from router.transport.listener import Listener
from router.transport.rawsocket import RawSocketFactory
from router.wamp import uris
from router.wamp.messages import Event, Result

JSON_16M = b"\x7f\xf1\0\0"


def frame(payload: bytes, kind: int = 0) -> bytes:
    """Put the prefix before ``payload``."""
    return bytes((kind,)) + len(payload).to_bytes(3, "big") + payload


def frames(data: bytes) -> list[Any]:
    """Cut what the router wrote into messages; control frames come as (kind, payload)."""
    found: list[Any] = []
    while data:
        stop = 4 + (int.from_bytes(data[1:4], "big") if data[0] < 8 else 2**24)
        payload, kind = data[4:stop], data[0] & 7
        found.append((kind, payload) if kind else json.loads(payload))
        data = data[stop:]
    return found


class RawBench(Bench):
    """A RawSocket listener and the connections to it."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.settings = RawSocketTransport(name="raw", **options)
        self.listener = Listener(self.settings, self.entrance, self.turn, self.counters)
        self.factory = RawSocketFactory(self.listener, self.clock)

    def connect(self, *data: bytes) -> Wire:
        protocol = self.factory.buildProtocol(None)
        wire = Wire(protocol)
        protocol.makeConnection(wire)
        for piece in data:
            protocol.dataReceived(piece)
        self.end_turn()
        return wire

    def join(self, request: bytes = JSON_16M) -> Wire:
        wire = self.connect(request, frame(HELLO))
        assert frames(wire.take()[4:]) == [[2, 6 + len(self.entrance.sessions), self.entrance.details]]
        return wire

    def send(self, wire: Wire, *data: bytes) -> list[Any]:
        """Give the frames that answer ``data``."""
        for piece in data:
            wire.protocol.dataReceived(piece)
        self.end_turn()
        return frames(wire.take())


@pytest.mark.parametrize(
    ("limit", "length"), [(512, 0x00), (1024, 0x10), (1_048_576, 0xB0), (16_777_216, 0xF0)]
)
@pytest.mark.parametrize("serializer", [1, 2, 3])
def test_handshake_echoes_the_serializer_and_tells_our_limit(
    limit: int, length: int, serializer: int
) -> None:
    bench = RawBench(message_limit_bytes=limit)
    wire = bench.connect(bytes((0x7F, 0xF0 | serializer, 0, 0)))
    assert wire.take() == bytes((0x7F, length | serializer, 0, 0))
    assert wire.connected


@pytest.mark.parametrize(
    ("request_", "code", "said"),
    [
        (b"\x7f\xf0\0\0", 1, "serializer 0 is not served here: 1 (json), 3 (cbor)"),
        (b"\x7f\xf2\0\0", 1, "serializer 2 is not served here"),
        (b"\x7f\xff\0\0", 1, "serializer 15 is not served here"),
        (b"\x7f\x01\0\0", 2, "takes 512 octets a message, too few: at least 2048"),
        (b"\x7f\xf1\x01\0", 3, "reserved bits"),
        (b"\x7f\xf1\0\x80", 3, "reserved bits"),
    ],
)
def test_handshake_error_codes(request_: bytes, code: int, said: str) -> None:
    """A refused request gets its code, one log line, a counter, and the end."""
    bench = RawBench(serializers=("json", "cbor"))
    with capturedLogs() as logs:
        wire = bench.connect(request_)
    assert wire.take() == bytes((0x7F, code << 4, 0, 0))
    assert not wire.connected
    assert not wire.aborted
    assert bench.counters["handshakes_refused"] == 1
    assert len(logs) == 1
    assert said in logs[0]["text"]
    assert logs[0]["address"] == "tcp:192.0.2.7:4711"


def test_another_protocol_is_dropped_at_its_first_octet() -> None:
    bench = RawBench()
    wire = bench.connect(b"G")
    assert wire.take() == b""
    assert wire.aborted
    assert bench.counters["handshakes_refused"] == 1


def test_handshake_octet_by_octet() -> None:
    bench = RawBench()
    wire = bench.connect(b"\x7f", b"\xf1", b"\0")
    assert wire.take() == b""
    wire.protocol.dataReceived(b"\0" + frame(HELLO)[:2])
    assert wire.take() == b"\x7f\xb1\0\0"
    assert bench.send(wire, frame(HELLO)[2:]) == [[2, 7, {}]]


def test_one_connection_too_many() -> None:
    """It reads why, its request is swallowed, and its place is never taken from another."""
    bench = RawBench(connections=1)
    first = bench.connect(JSON_16M)
    second = bench.factory.buildProtocol(None)
    wire = Wire(second)
    wire.stuck = True
    second.makeConnection(wire)
    assert wire.take() == b"\x7f\x40\0\0"
    second.dataReceived(JSON_16M)
    assert wire.take() == b""
    assert bench.counters["connections_refused"] == 1
    assert bench.listener.connections == {first.protocol}
    bench.clock.advance(1)
    assert wire.aborted
    assert not bench.factory.refused


def test_a_flood_of_connections_too_many_is_dropped_unanswered() -> None:
    bench = RawBench(connections=1)
    bench.connect(JSON_16M)
    for _ in range(150):
        protocol = bench.factory.buildProtocol(None)
        wire = Wire(protocol)
        wire.stuck = True
        protocol.makeConnection(wire)
    assert wire.aborted
    assert wire.take() == b""
    assert len(bench.factory.refused) == 100
    assert bench.counters["connections_refused"] == 150


@given(
    sizes=st.lists(st.integers(0, 300), max_size=12),
    cuts=st.lists(st.integers(0, 4000), max_size=25),
    pings=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_messages_arrive_whole_however_the_stream_is_cut(
    sizes: list[int], cuts: list[int], pings: bool
) -> None:
    bench = RawBench()
    wire = bench.join()
    topics = [f"com.{'x' * size}" for size in sizes]
    stream = b""
    for number, topic in enumerate(topics):
        stream += frame(wamp(16, number + 1, {}, topic))
        if pings:
            stream += frame(topic.encode(), 1)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges) if a < b]
    answers = bench.send(wire, *pieces)
    assert [message.topic for message in bench.realm.taken] == topics  # type: ignore[attr-defined]
    assert answers == ([(2, topic.encode()) for topic in topics] if pings else [])


def test_a_large_frame_grows_in_place() -> None:
    """16 MB in pieces of 64 KB are gathered in one buffer that never holds more than was sent."""
    bench = RawBench(message_limit_bytes=2**24)
    wire = bench.join()
    protocol = wire.protocol
    payload = wamp(16, 1, {}, "com.x", ["y" * (2**24 - 100)])
    data = frame(payload)
    protocol.dataReceived(data[:65536])
    buffer = protocol._partial
    for start in range(65536, len(data) - 65536, 65536):
        protocol.dataReceived(data[start : start + 65536])
        assert protocol._partial is buffer
        assert len(buffer) == start + 65536
    protocol.dataReceived(data[start + 65536 :])
    assert len(bench.realm.taken) == 1
    assert protocol._partial is None


def test_a_message_of_exactly_16_megabytes_uses_the_25th_bit_both_ways() -> None:
    bench = RawBench(message_limit_bytes=2**24)
    wire = bench.join()
    bench.realm.slow_consumer.limit_bytes = 2**26
    payload = wamp(16, 1, {}, "com.x", [""])
    payload = payload.replace(b'""', b'"' + b"y" * (2**24 - len(payload)) + b'"')
    assert len(payload) == 2**24
    event_overhead = len(wamp(36, 1, 2, {}, [""]))
    text = "z" * (2**24 - event_overhead)
    bench.realm.answer = lambda session, message, now: [
        Delivery((session,), Event(1, 2, {}, [text])),
        Delivery((session,), Event(1, 3, {}, [text + "z"])),
    ]
    wire.protocol.dataReceived(b"\x08\0\0\0" + payload)
    bench.end_turn()
    written = wire.take()
    assert written[:4] == b"\x08\0\0\0"
    assert len(written) == 2**24 + 4
    assert bench.realm.log[-1] == ("undeliverable", Event, 2**24 + 5, 2**24 + 4)


@pytest.mark.parametrize("first", [0x03, 0x07, 0x10, 0x80, 0x08, 0x09])
def test_reserved_types_and_bits_end_the_connection(first: int) -> None:
    """0x08 and 0x09 set the 25th bit of the length beside others."""
    bench = RawBench()
    wire = bench.join()
    (answer,) = bench.send(wire, bytes((first, 0, 0, 1)) + b"x")
    assert answer[0] == 3
    assert answer[2] == uris.PROTOCOL_VIOLATION
    assert f"0x{first:02x}" in answer[1]["message"]
    assert not wire.connected
    assert bench.realm.log[-1] == ("leave", 7, uris.PROTOCOL_VIOLATION)


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_oversized_frame_names_the_limit_and_ends_the_connection(kind: int) -> None:
    """The four octets suffice: nothing of the payload is waited for."""
    bench = RawBench(message_limit_bytes=1024)
    wire = bench.join()
    with capturedLogs() as logs:
        (answer,) = bench.send(wire, frame(b"x" * 1025, kind)[:4])
    assert answer == [
        3,
        {"message": "message of 1025 bytes is larger than message_limit_bytes = 1024"},
        uris.PAYLOAD_SIZE_EXCEEDED,
    ]
    assert not wire.connected
    assert bench.counters["oversized_incoming"] == 1
    assert len(logs) == 1
    assert "message_limit_bytes = 1024" in logs[0]["text"]


def test_oversized_before_hello() -> None:
    bench = RawBench(message_limit_bytes=1024)
    wire = bench.connect(JSON_16M)
    wire.clear()
    (answer,) = bench.send(wire, frame(b"x" * 2000))
    assert answer[2] == uris.PAYLOAD_SIZE_EXCEEDED


def test_the_longest_message_is_taken() -> None:
    bench = RawBench(message_limit_bytes=1024)
    wire = bench.join()
    longest = wamp(16, 1, {}, "com." + "x" * 1008)
    assert len(longest) == 1024
    assert bench.send(wire, frame(longest)) == []
    assert len(bench.realm.taken) == 1
    (answer,) = bench.send(wire, frame(longest + b" "))
    assert answer[2] == uris.PAYLOAD_SIZE_EXCEEDED


def test_nothing_larger_than_the_peer_takes_is_sent() -> None:
    bench = RawBench()
    wire = bench.join(b"\x7f\x21\0\0")  # 2048
    fits, too_long = "z" * (2048 - len(wamp(50, 1, {}, [""]))), "z" * 2048
    bench.realm.answer = lambda session, message, now: [
        Delivery((session,), Result(1, {}, [too_long])),
        Delivery((session, session), Event(1, 2, {}, [too_long])),
        Delivery((session,), Result(1, {}, [fits])),
    ]
    assert bench.send(wire, frame(wamp(48, 1, {}, "com.x"))) == [[50, 1, {}, [fits]]]
    assert [entry[:2] for entry in bench.realm.log[1:]] == [
        ("undeliverable", Result),
        ("undeliverable", Event),
        ("undeliverable", Event),
    ]
    assert bench.counters["oversized_outgoing"] == 3


def test_a_welcome_that_does_not_fit_aborts() -> None:
    """The peer learns what is wrong, in a message that does fit."""
    bench = RawBench()
    bench.entrance.details = {"roles": "r" * 3000}
    wire = bench.connect(b"\x7f\x21\0\0", frame(HELLO))
    ((code, details, reason),) = frames(wire.take()[4:])
    assert (code, reason) == (3, uris.PAYLOAD_SIZE_EXCEEDED)
    assert details["message"].startswith("WELCOME is ")
    assert bench.realm.log == [("join", 7), ("leave", 7, uris.PAYLOAD_SIZE_EXCEEDED)]
    assert not wire.connected


def test_a_ping_is_answered_in_order_also_before_hello() -> None:
    bench = RawBench()
    wire = bench.connect(JSON_16M)
    wire.clear()
    assert bench.send(wire, frame(b"early", 1)) == [(2, b"early")]
    bench.realm.answer = lambda session, message, now: [Delivery((session,), Result(1, {}))]
    assert bench.send(wire, frame(HELLO) + frame(b"", 1) + frame(wamp(48, 1, {}, "com.x"))) == [
        [2, 7, {}],
        (2, b""),
        [50, 1, {}],
    ]


def test_a_ping_whose_pong_the_peer_would_not_take() -> None:
    bench = RawBench()
    wire = bench.join(b"\x7f\x21\0\0")
    assert bench.send(wire, frame(b"x" * 2048, 1)) == [(2, b"x" * 2048)]
    (answer,) = bench.send(wire, frame(b"x" * 2049, 1))
    assert answer[2] == uris.PROTOCOL_VIOLATION


def test_the_longest_ping() -> None:
    bench = RawBench(message_limit_bytes=2**24)
    wire = bench.join()
    bench.realm.slow_consumer.limit_bytes = 2**26
    payload = b"p" * 2**24
    wire.protocol.dataReceived(b"\x09\0\0\0" + payload)
    bench.end_turn()
    assert wire.take() == b"\x0a\0\0\0" + payload


def test_a_pong_and_a_ping_count_as_signs_of_life_and_reach_nobody() -> None:
    bench = RawBench()
    wire = bench.join()
    wire.protocol.heard = False
    assert bench.send(wire, frame(b"x", 2)) == []
    assert wire.protocol.heard
    assert bench.realm.taken == []


def test_what_follows_the_end_in_the_same_read_is_ignored() -> None:
    bench = RawBench()
    wire = bench.join()
    answers = bench.send(wire, frame(b"no json") + frame(wamp(16, 1, {}, "com.x")))
    assert [answer[0] for answer in answers] == [3]
    assert bench.realm.taken == []
    wire.protocol.dataReceived(frame(wamp(16, 1, {}, "com.x")))
    assert bench.realm.taken == []


@pytest.mark.parametrize("unusual", [frame(b"x" * 2000), frame(b"x", 1), frame(b"x", 7)])
def test_unusual_frames_after_the_end_in_the_same_read_are_ignored(unusual: bytes) -> None:
    bench = RawBench(message_limit_bytes=1024)
    wire = bench.join()
    answers = bench.send(wire, frame(b"no json") + unusual)
    assert [answer[0] for answer in answers] == [3]
    assert bench.counters["oversized_incoming"] == 0


def test_a_unix_peer_has_no_address() -> None:
    bench = RawBench()
    protocol = bench.factory.buildProtocol(None)
    wire = Wire(protocol, UNIXAddress(None))
    protocol.makeConnection(wire)
    protocol.dataReceived(JSON_16M + frame(HELLO))
    (peer,) = bench.entrance.peers
    assert (peer.host, peer.address, peer.transport) == ("", "unix", "rawsocket")


def test_goodbye_is_answered_and_a_second_session_may_follow() -> None:
    bench = RawBench()
    wire = bench.join()
    goodbye = frame(wamp(6, {}, "wamp.close.normal"))
    assert bench.send(wire, goodbye) == [[6, {}, "wamp.close.goodbye_and_out"]]
    assert bench.send(wire, frame(HELLO)) == [[2, 8, {}]]


def test_close_sends_what_is_queued_and_is_bounded_in_time() -> None:
    """A peer that takes nothing holds the connection for a second, not longer."""
    bench = RawBench()
    wire = bench.join()
    wire.stuck = True
    wire.congest()
    protocol = wire.protocol
    bench.realm.answer = lambda session, message, now: [Delivery((session,), Result(1, {}, ["x" * 70_000]))]
    assert bench.send(wire, frame(wamp(48, 1, {}, "com.x"))) == []
    assert protocol.outbox.queued_bytes > 70_000
    assert wire.producerState == "paused"
    (result, abort) = bench.send(wire, frame(b"no json"))
    assert (result[0], abort[0]) == (50, 3)
    assert wire.producer is None
    assert wire.producerState == "producing"  # the peer's end is to be seen
    assert wire.connected
    protocol.close("again")
    bench.clock.advance(0.9)
    assert not wire.aborted
    bench.clock.advance(0.1)
    assert wire.aborted
    assert not bench.clock.getDelayedCalls()


def test_lost_connection_leaves_nothing() -> None:
    bench = RawBench()
    wire = bench.join()
    protocol = wire.protocol
    wire.protocol.dataReceived(frame(wamp(48, 1, {}, "com.x"))[:9])
    protocol.connectionLost(Failure(ConnectionDone("gone")))
    assert bench.realm.log[-1][:2] == ("leave", 7)
    assert "gone" in bench.realm.log[-1][2]
    assert protocol.connection is None
    assert protocol._receive_all is None
    assert protocol._partial is None
    assert not bench.listener.connections


def test_no_session_in_time() -> None:
    """Without a handshake the connection is dropped; after it, HELLO is awaited and ABORT tells why."""
    bench = RawBench(handshake_timeout_ms=1000)
    silent, late = bench.connect(b"\x7f"), bench.connect(JSON_16M)
    late.clear()
    bench.clock.advance(1)
    bench.listener.liveness.tick(bench.clock.seconds())
    bench.end_turn()
    assert silent.aborted
    ((code, _, reason),) = frames(late.take())
    assert (code, reason) == (3, uris.TIMEOUT)
    assert bench.counters["handshake_timeouts"] == 2


def test_a_refused_handshake_is_not_timed_out_as_well() -> None:
    bench = RawBench(handshake_timeout_ms=100)
    protocol = bench.factory.buildProtocol(None)
    wire = Wire(protocol)
    wire.stuck = True
    protocol.makeConnection(wire)
    protocol.dataReceived(b"\x7f\xf0\0\0")
    bench.clock.advance(0.2)
    bench.listener.liveness.tick(bench.clock.seconds())
    assert bench.counters["handshake_timeouts"] == 0
    assert not wire.aborted


def test_pings_where_configured_and_the_end_of_a_silent_peer() -> None:
    heartbeat = RawSocketHeartbeat(ping=True, interval_ms=1000, timeout_ms=1000)
    bench = RawBench(heartbeat=heartbeat)
    wire = bench.join()
    liveness = bench.listener.liveness
    pings = 0
    while wire.connected and bench.clock.seconds() < 10:
        bench.clock.advance(liveness.tick_interval)
        liveness.tick(bench.clock.seconds())
        bench.end_turn()
        pings += wire.take().count(b"\x01\0\0\0")
    assert pings == 1
    assert wire.aborted
    assert 2.0 <= bench.clock.seconds() <= 3.0
    assert bench.counters["heartbeats_missed"] == 1
    assert bench.realm.log[-1][0] == "leave"


def test_no_pings_by_default() -> None:
    bench = RawBench()
    wire = bench.join()
    liveness = bench.listener.liveness
    for _ in range(3000):
        bench.clock.advance(liveness.tick_interval)
        liveness.tick(bench.clock.seconds())
        bench.end_turn()
    assert bench.clock.seconds() > 59
    assert wire.take() == b""
    assert wire.connected


def test_a_peer_that_is_not_read_from_is_not_judged() -> None:
    bench = RawBench()
    wire = bench.connect(b"\x7f")
    protocol = wire.protocol
    protocol.ping()  # nothing can be sent yet
    assert protocol.is_judged()
    protocol.dataReceived(JSON_16M[1:])
    assert protocol.is_judged()
    wire.congest()
    assert not protocol.is_judged()
    wire.drain()
    protocol.pause_reading()
    assert not protocol.is_judged()
    protocol.resume_reading()
    assert protocol.is_judged()


class Client(Protocol):
    """A peer on a real socket."""

    def __init__(self) -> None:
        self.received = b""
        self.ended: Deferred[bytes] = Deferred().addTimeout(10, reactor)
        self._waiting: tuple[int, Deferred[bytes]] | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if self._waiting is not None and len(self.received) >= self._waiting[0]:
            self._waiting[1].callback(self.received)
            self._waiting = None

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.ended.callback(type(reason.value).__name__.encode())

    def until(self, size: int) -> "Deferred[bytes]":
        """Wait for ``size`` bytes in all."""
        arrived: Deferred[bytes] = Deferred().addTimeout(10, reactor)
        self._waiting = size, arrived
        self.dataReceived(b"")
        return arrived


async def on_loopback(bench: RawBench) -> tuple[Any, Client, Any]:
    """Give the listening port, a client, and the router's end of the connection."""
    bench.factory.reactor = reactor
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(bench.factory)
    client = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port), Client())
    client.transport.write(JSON_16M)
    await client.until(4)
    (server,) = bench.listener.connections
    return port, client, server


@pytest_twisted.ensureDeferred
async def test_socket_options_are_on() -> None:
    """The kernel says so: no delay, and a dead peer is found in interval + timeout."""
    bench = RawBench(heartbeat=RawSocketHeartbeat(interval_ms=7000, timeout_ms=3000))
    port, client, server = await on_loopback(bench)
    handle = server.transport.getHandle()

    def option(level: int, name: str) -> int:
        value: int = handle.getsockopt(level, getattr(socket, name))
        return value

    assert option(socket.IPPROTO_TCP, "TCP_NODELAY")
    assert option(socket.SOL_SOCKET, "SO_KEEPALIVE")
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert option(socket.IPPROTO_TCP, "TCP_USER_TIMEOUT") == 10_000
        assert option(socket.IPPROTO_TCP, "TCP_KEEPIDLE") == 7
        assert option(socket.IPPROTO_TCP, "TCP_KEEPINTVL") * option(socket.IPPROTO_TCP, "TCP_KEEPCNT") == 3
    client.transport.loseConnection()
    await client.ended
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_the_reason_arrives_although_the_peer_goes_on_sending() -> None:
    """The socket is not closed over unread data, which would reset it and could lose the ABORT."""
    bench = RawBench(message_limit_bytes=1024)
    bench.factory.reactor = reactor
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(bench.factory)
    address = ("127.0.0.1", port.getHost().port)
    received = await deferToThread(oversized_on_a_socket, address)
    ((code, _, reason),) = frames(received[4:])
    assert (code, reason) == (3, uris.PAYLOAD_SIZE_EXCEEDED)
    await port.stopListening()


def oversized_on_a_socket(address: tuple[str, int]) -> bytes:
    """Read all that answers a frame of 4 MB, and only then send the rest of it."""
    data, received = frame(b"x" * 4_000_000), b""
    with socket.create_connection(address) as sock:
        sock.settimeout(5)
        sock.sendall(JSON_16M + data[:100_000])
        while piece := sock.recv(65536):
            received += piece
        for start in range(100_000, len(data), 100_000):
            sock.sendall(data[start : start + 100_000])
    return received
