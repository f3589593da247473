"""One WebSocket connection of the router as the peer sees it: octets in, octets out (RFC 6455)."""

import json
import socket
import zlib
from typing import Any

import pytest
import pytest_twisted
from fake_realm import HELLO, Bench, Wire, wamp
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
from websocket_peer import BINARY, CLOSE, PING, PONG, TEXT, frame, frames, request

from router.cookie_config import TransportCookie
from router.node_config import Heartbeat, WebSocketTransport
from router.routing.outputs import Delivery
from router.transport.listener import Listener
from router.transport.websocket import WebSocketFactory, accept_deflate
from router.wamp import uris
from router.wamp.messages import Event, Goodbye, Result


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
    assert status.endswith("it speaks wamp.2.json, wamp.2.cbor, wamp.2.json.batched, wamp.2.cbor.batched")
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


def test_a_browser_gets_a_cookie_and_is_known_by_it() -> None:
    """Only where the transport says so, and only where no realm knows what it has shown."""
    bench = WebBench(cookie=TransportCookie())
    first = bench.connect()
    first.protocol.dataReceived(request())
    given = head(first)["set-cookie"].split(";")[0]
    name, _, token = given.partition("=")
    assert name == "concord"
    bench.entrance.cookie = "K" * 43
    second = bench.connect()
    second.protocol.dataReceived(request(Cookie=f"concord={'K' * 43}"))
    assert "set-cookie" not in head(second)
    for wire in (first, second):
        bench.send(wire, frame(HELLO))
    shown = [(peer.cookie, peer.cookie_is_new) for peer in bench.entrance.peers]
    assert [(len(str(shown[0][0])), shown[0][1]), shown[1]] == [(43, True), ("K" * 43, False)]
    assert str(shown[0][0]).lower() == token
    bench = WebBench()
    plain = bench.connect()
    plain.protocol.dataReceived(request(Cookie="concord=x"))
    assert "set-cookie" not in head(plain)


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


def test_a_finished_close_takes_nothing_back() -> None:
    """A reset would take from the peer what it has not read yet: the reason."""
    bench = WebBench()
    wire = bench.join()
    bench.send(wire, frame(b"no json"), frame(b"\x03\xe8", CLOSE))
    assert not wire.connected
    assert not wire.aborted
    assert not bench.clock.getDelayedCalls()


@pytest.mark.parametrize("seconds", [0.1, 0.7, 1.0])
def test_a_peer_has_the_stated_time_to_answer_a_close(seconds: float) -> None:
    """Autobahn's own timer would ring up to a second too early."""
    bench = WebBench(close_timeout_ms=int(seconds * 1000))
    bench.clock.advance(0.95)
    wire = bench.join()
    bench.send(wire, frame(b"no json"))
    bench.clock.advance(seconds - 0.01)
    assert wire.connected
    bench.clock.advance(0.02)
    assert not wire.connected
    assert not wire.aborted
    assert not bench.clock.getDelayedCalls()


def test_a_close_that_the_peer_does_not_take_ends_too() -> None:
    bench = WebBench(close_timeout_ms=700)
    wire = bench.join()
    wire.stuck = True
    bench.send(wire, frame(b"no json"))
    bench.clock.advance(0.75)
    assert not wire.aborted
    bench.clock.advance(0.75)
    assert wire.aborted
    assert not bench.clock.getDelayedCalls()


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


def test_nobody_watches_before_the_listener_has_started() -> None:
    """A realm's times are remembered until then."""
    bench = WebBench()
    bench.realm.heartbeat = RealmHeartbeat(1000)
    bench.join()
    watches: list[Any] = []
    bench.listener.start(watches.append)
    assert len(watches) == 2


def test_a_silent_connection_without_a_session() -> None:
    bench = WebBench()
    wire = bench.connect()
    wire.protocol.silent()
    assert wire.aborted
    assert bench.counters["heartbeats_missed"] == 1


def test_a_message_after_the_end_is_nobodys() -> None:
    bench = WebBench()
    wire = bench.join()
    bench.send(wire, frame(b"", CLOSE))
    wire.protocol.onMessage(wamp(48, 1, {}, "com.x"), False)
    assert bench.realm.taken == []


def test_a_failure_of_autobahn_is_logged() -> None:
    with capturedLogs() as logs:
        try:
            raise ValueError("a defect")
        except ValueError:
            WebBench().factory.log.failure("{text}", text="unused")
    (entry,) = logs
    assert entry["log_failure"].type is ValueError


def test_an_unknown_kind_of_offer_is_not_accepted() -> None:
    assert accept_deflate([object()]) is None


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
