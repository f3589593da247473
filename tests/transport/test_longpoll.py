"""WAMP over HTTP long-poll: requests in, answers out (WAMP AP 'HTTP Longpoll Transport')."""

import json
from typing import Any

import msgspec
import pytest
from fake_realm import HELLO, Bench
from twisted.internet.testing import StringTransportWithDisconnection

from router.node_config import LongPoll as LongPollSettings
from router.node_config import WebSocketTransport
from router.routing.outputs import Delivery, Farewell
from router.transport.listener import Listener
from router.transport.longpoll import MAX_HELD_SENDS, LongPoll
from router.wamp import uris
from router.wamp.messages import Event, Goodbye
from router.web.site import site_for

PUBLISH = b'[16, 1, {}, "com.example.topic"]'


class Request:
    """One request on a connection of its own; ``status`` is ``None`` while it waits."""

    def __init__(self, site: Any, path: str, body: bytes, method: str, headers: dict[str, str]) -> None:
        self.transport = StringTransportWithDisconnection()
        self.protocol = site.buildProtocol(None)
        self.transport.protocol = self.protocol
        self.protocol.makeConnection(self.transport)
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.protocol.dataReceived("\r\n".join([*lines, "", ""]).encode() + body)

    @property
    def head(self) -> str:
        return self.transport.value().partition(b"\r\n\r\n")[0].decode()

    @property
    def status(self) -> int | None:
        return int(self.head.split()[1]) if self.head else None

    @property
    def body(self) -> bytes:
        return self.transport.value().partition(b"\r\n\r\n")[2]

    def cut(self) -> None:
        self.transport.loseConnection()


class PollBench(Bench):
    """A listener with long-poll, and requests to it."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.settings = WebSocketTransport(name="web", longpoll=LongPollSettings(path="/lp"), **options)
        self.listener = Listener(self.settings, self.entrance, self.turn, self.counters)
        self.polls = LongPoll(self.listener, self.clock)
        self.site = site_for("none", "/ws", {"/lp": lambda: self.polls})

    def ask(self, path: str, body: bytes = b"", method: str = "POST", **headers: str) -> Request:
        request = Request(self.site, f"/lp/{path}", body, method, headers)
        self.end_turn()
        return request

    def open(self, protocol: str = "wamp.2.json") -> str:
        answer = self.ask("open", json.dumps({"protocols": [protocol]}).encode())
        assert answer.status == 200
        opened = json.loads(answer.body)
        assert opened["protocol"] == protocol
        return str(opened["transport"])

    def join(self) -> str:
        """Open a session of the fake realm."""
        at = self.open()
        assert self.ask(f"{at}/send", HELLO).status == 204
        welcome = self.ask(f"{at}/receive")
        assert (welcome.status, json.loads(welcome.body)) == (200, [2, 7, {}])
        return at

    def tell(self, *numbers: int) -> None:
        """Send events to the session that joined last."""
        session = self.entrance.sessions[-1]
        self.turn.deliver([Delivery((session,), Event(1, number, {})) for number in numbers])
        self.end_turn()


def test_open_chooses_the_first_protocol_that_is_served() -> None:
    bench = PollBench(serializers=("json", "cbor"))
    body = b'{"protocols": ["wamp.2.msgpack", 7, "wamp.2.cbor.batched", "wamp.2.json"]}'
    answer = bench.ask("open", body)
    assert answer.status == 200
    assert json.loads(answer.body)["protocol"] == "wamp.2.cbor.batched"
    assert len(json.loads(answer.body)["transport"]) >= 22
    assert "Cache-Control: no-store" in answer.head


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"protocols": "wamp.2.json"}', b'{"protocols": ["chat"]}', b"[" * 9999],
)
def test_open_refuses_what_it_does_not_speak(body: bytes) -> None:
    answer = PollBench().ask("open", body)
    assert answer.status == 400
    assert b"wamp.2.json" in answer.body


def test_a_message_waits_for_a_request_and_a_request_for_a_message() -> None:
    bench = PollBench()
    at = bench.join()
    bench.tell(5, 6)
    assert json.loads(bench.ask(f"{at}/receive").body) == [36, 1, 5, {}]
    assert json.loads(bench.ask(f"{at}/receive").body) == [36, 1, 6, {}]
    waiting = bench.ask(f"{at}/receive")
    assert waiting.status is None
    bench.tell(7)
    assert (waiting.status, json.loads(waiting.body)) == (200, [36, 1, 7, {}])
    assert "Content-Type: application/json" in waiting.head


def test_batches_go_both_ways() -> None:
    bench = PollBench()
    at = bench.open("wamp.2.msgpack.batched")
    messages = [msgspec.msgpack.encode(json.loads(text)) for text in (HELLO, PUBLISH)]
    batch = b"".join(len(message).to_bytes(4, "big") + message for message in messages)
    assert bench.ask(f"{at}/send", batch).status == 204
    assert len(bench.realm.taken) == 1
    bench.tell(5, 6)
    answer = bench.ask(f"{at}/receive")
    assert "Content-Type: application/octet-stream" in answer.head
    found, rest = [], answer.body
    while rest:
        length = int.from_bytes(rest[:4], "big")
        found.append(msgspec.msgpack.decode(rest[4 : 4 + length]))
        rest = rest[4 + length :]
    assert [message[0] for message in found] == [2, 36, 36]


def test_a_broken_batch_is_refused() -> None:
    bench = PollBench()
    at = bench.open("wamp.2.json.batched")
    answer = bench.ask(f"{at}/send", HELLO)
    assert answer.status == 400
    assert b"record separator" in answer.body
    abort = bench.ask(f"{at}/receive")
    assert abort.body.startswith(b'[3,{"message":')


def test_who_waits_too_long_is_told_to_ask_again() -> None:
    bench = PollBench()
    at = bench.join()
    waiting = bench.ask(f"{at}/receive")
    bench.clock.advance(9.9)
    assert waiting.status is None
    bench.clock.advance(0.2)
    assert (waiting.status, waiting.body) == (204, b"")
    bench.tell(5)
    assert json.loads(bench.ask(f"{at}/receive").body) == [36, 1, 5, {}]


def test_of_two_requests_that_wait_the_later_one_gets_the_message() -> None:
    bench = PollBench()
    at = bench.join()
    first, second = bench.ask(f"{at}/receive"), bench.ask(f"{at}/receive")
    assert (first.status, second.status) == (204, None)
    bench.tell(5)
    assert json.loads(second.body) == [36, 1, 5, {}]


def test_a_request_that_is_cut_takes_no_message() -> None:
    bench = PollBench()
    at = bench.join()
    bench.ask(f"{at}/receive").cut()
    bench.tell(5)
    assert json.loads(bench.ask(f"{at}/receive").body) == [36, 1, 5, {}]
    assert bench.ask(f"{at}/receive").status is None
    bench.clock.advance(10)


def test_a_client_that_asks_for_nothing_is_gone() -> None:
    bench = PollBench()
    at = bench.join()
    bench.clock.advance(29)
    assert bench.ask(f"{at}/send", PUBLISH).status == 204
    bench.clock.advance(29)
    assert bench.realm.log == [("join", 7)]
    bench.clock.advance(2)
    assert bench.realm.log[-1][:2] == ("leave", 7)
    assert bench.counters["heartbeats_missed"] == 1
    assert bench.ask(f"{at}/receive").status == 404
    assert not bench.listener.connections
    assert not bench.polls.pollers


def test_one_that_waits_is_not_silent() -> None:
    bench = PollBench()
    at = bench.join()
    for _ in range(10):
        waiting = bench.ask(f"{at}/receive")
        bench.clock.advance(10)
        assert waiting.status == 204
    assert bench.realm.log == [("join", 7)]


def test_close() -> None:
    bench = PollBench()
    at = bench.join()
    waiting = bench.ask(f"{at}/receive")
    assert bench.ask(f"{at}/close").status == 204
    assert waiting.status == 410
    assert bench.realm.log[-1][:2] == ("leave", 7)
    assert bench.ask(f"{at}/close").status == 404
    assert not bench.clock.getDelayedCalls()


def test_the_last_messages_can_be_fetched_and_then_it_ends() -> None:
    bench = PollBench()
    at = bench.join()
    bench.turn.deliver([Farewell(bench.entrance.sessions[0], Goodbye({}, uris.SYSTEM_SHUTDOWN))])
    bench.end_turn()
    assert bench.ask(f"{at}/receive").body == b'[6,{},"wamp.close.system_shutdown"]'
    assert bench.ask(f"{at}/send", b'[6, {}, "wamp.close.goodbye_and_out"]').status == 204
    assert bench.ask(f"{at}/receive").status == 404
    assert not bench.clock.getDelayedCalls()


def test_a_refusal_can_be_fetched() -> None:
    bench = PollBench()
    at = bench.open()
    bench.ask(f"{at}/send", b'[1, "closed", {"roles": {"caller": {}}}]')
    assert bench.ask(f"{at}/send", PUBLISH).status == 410
    abort = bench.ask(f"{at}/receive")
    assert json.loads(abort.body)[2] == uris.NO_SUCH_REALM
    assert bench.ask(f"{at}/receive").status == 404


def test_what_nobody_fetches_ends_in_time() -> None:
    bench = PollBench()
    at = bench.open()
    bench.ask(f"{at}/send", b'[1, "closed", {"roles": {"caller": {}}}]')
    bench.clock.advance(1.1)
    assert bench.ask(f"{at}/receive").status == 404
    assert not bench.clock.getDelayedCalls()


def test_what_is_not_fetched_is_bounded() -> None:
    """The slow-consumer policy acts as on every transport."""
    bench = PollBench()
    at = bench.join()
    limit = bench.realm.slow_consumer.limit_bytes
    session = bench.entrance.sessions[0]
    big = "x" * (limit // 10)
    for number in range(11):
        bench.turn.deliver([Delivery((session,), Event(1, number, {}, [big]))])
        bench.end_turn()
    assert bench.counters["slow_consumers_disconnected"] == 1
    assert bench.ask(f"{at}/receive").status == 404


def test_a_session_that_is_not_read_from_gets_its_answer_later() -> None:
    bench = PollBench()
    at = bench.join()
    session = bench.entrance.sessions[0]
    big = "x" * (bench.realm.slow_consumer.low_water_bytes + 1)
    bench.turn.deliver([Delivery((session,), Event(1, 5, {}, [big]))])
    bench.end_turn()
    held = [bench.ask(f"{at}/send", PUBLISH) for _ in range(MAX_HELD_SENDS)]
    assert {request.status for request in held} == {None}
    assert bench.ask(f"{at}/send", PUBLISH).status == 429
    held.pop().cut()
    bench.ask(f"{at}/receive")
    assert {request.status for request in held} == {204}


def test_giving_up_requests_gives_no_room_for_others() -> None:
    """Whoever is not read from can't go on by cutting the connections that wait for their answers."""
    bench = PollBench()
    at = bench.join()
    session = bench.entrance.sessions[0]
    big = "x" * (bench.realm.slow_consumer.low_water_bytes + 1)
    bench.turn.deliver([Delivery((session,), Event(1, 5, {}, [big]))])
    bench.end_turn()
    for _ in range(MAX_HELD_SENDS):
        bench.ask(f"{at}/send", PUBLISH).cut()
    assert bench.ask(f"{at}/send", PUBLISH).status == 429
    assert len(bench.realm.taken) == MAX_HELD_SENDS
    bench.ask(f"{at}/receive")
    assert bench.ask(f"{at}/send", PUBLISH).status == 204


def test_a_message_over_the_limit() -> None:
    bench = PollBench(message_limit_bytes=1024)
    at = bench.join()
    answer = bench.ask(f"{at}/send", b"x" * 1025)
    assert answer.status == 413
    assert b"1024" in answer.body
    assert bench.ask(f"{at}/send", PUBLISH).status == 204


def test_no_session_in_time() -> None:
    bench = PollBench()
    at = bench.open()
    bench.clock.advance(5.1)
    bench.listener.liveness.tick(bench.turn.now())
    bench.end_turn()
    assert b"handshake timeout" in bench.ask(f"{at}/receive").body


def test_the_limit_of_connections_holds() -> None:
    bench = PollBench(connections=1)
    bench.open()
    answer = bench.ask("open", b'{"protocols": ["wamp.2.json"]}')
    assert answer.status == 503


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("", "POST", 404),
        ("x", "POST", 404),
        ("x/send", "POST", 404),
        ("open/x", "POST", 404),
        ("open", "GET", 405),
        ("%ff/receive", "POST", 404),
    ],
)
def test_other_requests(path: str, method: str, status: int) -> None:
    assert PollBench().ask(path, method=method).status == status


def test_other_requests_of_a_transport() -> None:
    bench = PollBench()
    at = bench.open()
    assert bench.ask(at).status == 404
    assert bench.ask(f"{at}/sent").status == 404
    assert bench.ask(f"{at}/send/x").status == 404
    assert bench.ask(f"{at}/receive", method="GET").status == 405


@pytest.mark.parametrize(
    ("allowed", "origin", "status"),
    [
        ("*", "https://anything.example", 200),
        ("https://*.example.com:443", "https://shop.example.com", 200),
        ("http://localhost:8000", "http://localhost:8000", 200),
        ("https://*.example.com:443", "https://example.com.evil.example", 403),
        ("https://*.example.com:443", "http://shop.example.com", 403),
        ("https://*.example.com:443", "null", 403),
    ],
)
def test_origins(allowed: str, origin: str, status: int) -> None:
    bench = PollBench(allowed_origins=(allowed,))
    answer = bench.ask("open", b'{"protocols": ["wamp.2.json"]}', Origin=origin)
    assert answer.status == status
    if status == 200:
        assert f"Access-Control-Allow-Origin: {origin}" in answer.head
        preflight = bench.ask("open", method="OPTIONS", Origin=origin)
        assert preflight.status == 204
        assert "Access-Control-Allow-Headers: Content-Type" in preflight.head
    else:
        assert "Access-Control-Allow-Origin" not in answer.head
