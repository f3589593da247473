"""One connection: its handshake, its session, and what becomes of every kind of error."""

import json
from typing import Any

import pytest
from fake_realm import HELLO, Bench, wamp
from twisted.logger import capturedLogs

from router.routing.handshake import Peer, Refusal, State
from router.routing.outputs import Delivery
from router.transport.connection import EARLY_BYTES, Connection
from router.transport.framing import CHANNELS
from router.transport.outbox import DefaultRules, Outbox
from router.wamp import uris
from router.wamp.errors import PayloadRefused, ProtocolViolation
from router.wamp.messages import Abort, Call, Challenge, Error, Event, Goodbye, Publish, Result, Yield
from router.wamp.serializers import JSON

PEER = Peer(address="tcp:192.0.2.7:4711", host="192.0.2.7", transport="test", listener="test")


class Line:
    """The carrier of one connection, which gathers the messages that are sent."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.messages: list[Any] = []
        self.events: list[Any] = []
        self.states: list[State] = []
        self.connection = Connection(
            PEER, JSON, self, bench.entrance, bench.turn, bench.counters, self._state_changed
        )
        self.outbox = Outbox(bench.turn, CHANNELS["message", "json"], self, self._write, self.connection)
        self.connection.outbox = self.outbox

    def _state_changed(self, carrier: Any, state: State) -> None:
        assert carrier is self
        self.states.append(state)

    def _write(self, data: bytes) -> None:
        decoder = json.JSONDecoder()
        text = data.decode()
        while text:
            message, end = decoder.raw_decode(text)
            self.messages.append(message)
            text = text[end:]

    def pause_reading(self) -> None:
        self.events.append("pause")

    def resume_reading(self) -> None:
        self.events.append("resume")

    def close(self, reason: str) -> None:
        self.events.append(("close", reason))

    def abort(self) -> None:
        self.events.append("abort")

    def send(self, *messages: bytes) -> list[Any]:
        """Give what is sent in answer to the messages of one read."""
        self.messages.clear()
        self.connection.receive_all(messages, self.bench.clock.seconds())
        self.bench.end_turn()
        return list(self.messages)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def line(bench: Bench) -> Line:
    return Line(bench)


@pytest.fixture
def joined(line: Line) -> Line:
    assert line.send(HELLO) == [[2, 7, {}]]
    return line


def call(request: int, procedure: str = "com.x") -> bytes:
    return wamp(48, request, {}, procedure)


def test_a_session_opens(bench: Bench, line: Line) -> None:
    """WELCOME, the realm's rules for the outbox, and the realm knows of it."""
    rules = bench.realm.slow_consumer = DefaultRules()
    assert line.send(HELLO) == [[2, 7, {}]]
    (session,) = bench.entrance.sessions
    assert bench.entrance.peers == [PEER]
    assert (session.link, session.serializer) == (line.outbox, JSON)
    assert line.outbox.rules is rules
    assert line.states == [State.ESTABLISHED]
    assert bench.realm.log == [("join", 7)]
    assert line.connection.who() == "tcp:192.0.2.7:4711 (alice, session 7)"


def test_messages_go_to_the_realm_with_the_time_of_their_read(bench: Bench, joined: Line) -> None:
    times: list[float] = []

    def answer(session: Any, message: Any, now: float) -> Any:
        times.append(now)
        return [Delivery((session,), Result(message.request, {}))]

    bench.realm.answer = answer
    bench.clock.advance(5.0)
    assert joined.send(call(1), call(2)) == [[50, 1, {}], [50, 2, {}]]
    joined.connection.receive(call(3), 6.0)
    assert times == [5.0, 5.0, 6.0]


def test_hello_and_what_follows_in_the_same_read(bench: Bench, line: Line) -> None:
    line.send(HELLO, call(1), wamp(6, {}, uris.NORMAL), HELLO, call(1))
    assert line.messages == [[2, 7, {}], [6, {}, uris.GOODBYE_AND_OUT], [2, 8, {}]]
    assert len(bench.realm.taken) == 2
    assert bench.realm.log == [("join", 7), ("leave", 7, uris.NORMAL), ("join", 8)]


def hello(size: int) -> bytes:
    return wamp(1, "realm1", {"authextra": "x" * size})


def test_a_stranger_is_not_read_at_length(bench: Bench, line: Line) -> None:
    """To decode a message of the transport's limit takes long enough for everybody to notice."""
    ((code, details, reason),) = line.send(hello(EARLY_BYTES))
    assert (code, reason) == (3, uris.PAYLOAD_SIZE_EXCEEDED)
    assert str(EARLY_BYTES) in details["message"]
    assert not bench.entrance.peers


def test_how_long_messages_may_be_changes_with_the_session(bench: Bench, line: Line) -> None:
    long = wamp(16, 1, {}, "com.x", ["x" * EARLY_BYTES])
    assert line.send(hello(EARLY_BYTES - 100)) == [[2, 7, {}]]
    assert line.send(long, wamp(6, {}, uris.NORMAL)) == [[6, {}, uris.GOODBYE_AND_OUT]]
    assert len(bench.realm.taken) == 1
    ((code, *_),) = line.send(hello(EARLY_BYTES))
    assert code == 3


def test_what_was_on_its_way_when_the_router_said_goodbye_may_be_long(joined: Line) -> None:
    joined.connection.farewell(Goodbye({}, uris.SYSTEM_SHUTDOWN))
    joined.bench.end_turn()
    assert joined.send(wamp(16, 1, {}, "com.x", ["x" * EARLY_BYTES])) == []
    assert joined.connection.state is State.CLOSING


@pytest.mark.parametrize(("signature", "answer"), [("right", 2), ("wrong", 3)])
def test_challenge_and_response(bench: Bench, line: Line, signature: str, answer: int) -> None:
    assert line.send(wamp(1, "secret", {})) == [[4, "ticket", {}]]
    ((code, *_),) = line.send(wamp(5, signature, {}))
    assert code == answer
    assert bench.counters["refused_joins"] == (answer == 3)


def test_a_refusal_tells_the_peer_less_than_the_log(bench: Bench, line: Line) -> None:
    with capturedLogs() as logs:
        answers = line.send(wamp(1, "closed", {}))
    assert answers == [[3, {"message": "no such realm"}, uris.NO_SUCH_REALM]]
    assert line.events == [("close", uris.NO_SUCH_REALM)]
    (entry,) = logs
    assert entry["why"] == "the log knows more"
    assert bench.counters["refused_joins"] == 1


@pytest.mark.parametrize(
    ("before", "message", "said"),
    [
        ([], call(1), "received CALL before a session was open"),
        ([], wamp(5, "x", {}), "received AUTHENTICATE before a session was open"),
        ([wamp(1, "secret", {})], HELLO, "received HELLO while AUTHENTICATE was awaited"),
        ([HELLO], HELLO, "received HELLO while the session was open"),
        ([HELLO], wamp(2, 1, {}), "received WELCOME while the session was open"),
    ],
)
def test_messages_in_the_wrong_state(
    bench: Bench, line: Line, before: list[bytes], message: bytes, said: str
) -> None:
    line.send(*before)
    with capturedLogs() as logs:
        answers = line.send(message)
    assert answers == [[3, {"message": said}, uris.PROTOCOL_VIOLATION]]
    assert line.events == [("close", uris.PROTOCOL_VIOLATION)]
    assert bench.counters["protocol_violations"] == 1
    assert len(logs) == 1


@pytest.mark.parametrize("garbage", [b"", b"no json", b"[]", b"[48]", b"[999,1]", b'["\xff"]', b"[" * 2000])
def test_garbage_ends_the_session_once(bench: Bench, joined: Line, garbage: bytes) -> None:
    """ABORT, one log line, a counter; what follows is ignored, however wrong it is."""
    with capturedLogs() as logs:
        ((code, details, reason),) = joined.send(garbage, garbage, call(1))
        assert joined.send(garbage, HELLO, call(1)) == []
    assert (code, reason) == (3, uris.PROTOCOL_VIOLATION)
    assert "Traceback" not in details["message"]
    assert bench.counters["protocol_violations"] == 1
    assert len(logs) == 1
    assert bench.realm.taken == []
    assert bench.realm.log[1:] == [("leave", 7, uris.PROTOCOL_VIOLATION)]


def test_a_violation_that_the_realm_finds(bench: Bench, joined: Line) -> None:
    def answer(*_: Any) -> Any:
        raise ProtocolViolation("request id 0")

    bench.realm.answer = answer
    assert joined.send(call(0)) == [[3, {"message": "request id 0"}, uris.PROTOCOL_VIOLATION]]


def test_a_refusal_for_other_reasons(joined: Line) -> None:
    joined.connection.refuse("too large", uris.PAYLOAD_SIZE_EXCEEDED)
    joined.connection.refuse("said once")
    joined.bench.end_turn()
    assert joined.messages[-1] == [3, {"message": "too large"}, uris.PAYLOAD_SIZE_EXCEEDED]
    assert len(joined.events) == 1


def test_our_own_defect_is_logged_and_leaks_nothing(bench: Bench, joined: Line) -> None:
    """This session ends without a word about the cause; another one does not notice."""
    other = Line(bench)
    other.send(HELLO)
    bench.realm.answer = lambda session, message, now: 1 // 0  # type: ignore[return-value]
    with capturedLogs() as logs:
        answers = joined.send(call(1), call(2))
    assert answers == [[3, {"message": "internal error"}, uris.INTERNAL_ERROR]]
    (entry,) = logs
    assert entry["log_failure"].type is ZeroDivisionError
    assert bench.counters["defects"] == 1
    bench.realm.answer = lambda session, message, now: [Delivery((session,), Result(1, {}))]
    assert other.send(call(1)) == [[50, 1, {}]]


def test_a_defect_before_the_session(line: Line) -> None:
    with capturedLogs() as logs:
        assert line.send(wamp(1, "broken", {})) == [[3, {"message": "internal error"}, uris.INTERNAL_ERROR]]
    assert len(logs) == 1


def test_a_defect_while_ending_drops_the_connection(bench: Bench, joined: Line) -> None:
    bench.realm.answer = bench.realm.leave_answer = lambda *_: 1 // 0  # type: ignore[assignment,return-value]
    with capturedLogs() as logs:
        assert joined.send(call(1), call(2), HELLO) == []
    assert len(logs) == 2
    assert joined.events == ["abort"]


def test_a_defect_while_a_lost_session_leaves_stays_here(bench: Bench, joined: Line) -> None:
    bench.realm.leave_answer = lambda *_: 1 // 0  # type: ignore[assignment,return-value]
    with capturedLogs() as logs:
        joined.connection.lost("gone")
    assert len(logs) == 1
    assert bench.counters["defects"] == 1
    assert joined.events == []


def test_a_payload_that_nobody_could_read_costs_the_request_alone(bench: Bench, joined: Line) -> None:
    """WAMP cannot carry 70-bit integers; the sender learns it, and its session lives on."""
    bench.realm.answer = lambda session, message, now: [
        Delivery((session,), Error(48, 1, {}, uris.INVALID_ARGUMENT))
    ]
    with pytest.raises(PayloadRefused):
        JSON.decode(wamp(48, 1, {}, "com.x", [2**70]))
    assert joined.send(wamp(48, 1, {}, "com.x", [2**70])) == [[8, 48, 1, {}, uris.INVALID_ARGUMENT]]
    assert bench.realm.log[-1] == ("refuse_payload", Call, uris.INVALID_ARGUMENT)
    assert bench.counters["payloads_refused"] == 1
    assert joined.send(call(2)) == [[8, 48, 1, {}, uris.INVALID_ARGUMENT]]
    assert joined.events == []


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [(ProtocolViolation("request id"), uris.PROTOCOL_VIOLATION), (KeyError("x"), uris.INTERNAL_ERROR)],
)
def test_trouble_while_a_payload_is_refused(
    bench: Bench, joined: Line, trouble: Exception, reason: str
) -> None:
    def answer(*_: Any) -> Any:
        raise trouble

    bench.realm.answer = answer
    with capturedLogs():
        ((code, _, told),) = joined.send(wamp(48, 1, {}, "com.x", [2**70]))
    assert (code, told) == (3, reason)


def test_a_refused_payload_without_a_session_or_a_request(bench: Bench, line: Line) -> None:
    ((code, _, reason),) = line.send(wamp(48, 1, {}, "com.x", [2**70]))
    assert (code, reason) == (3, uris.PROTOCOL_VIOLATION)
    assert bench.counters["payloads_refused"] == 0


def test_the_client_leaves(bench: Bench, joined: Line) -> None:
    assert joined.send(wamp(6, {}, uris.NORMAL)) == [[6, {}, uris.GOODBYE_AND_OUT]]
    assert bench.realm.log[-1] == ("leave", 7, uris.NORMAL)
    assert joined.states == [State.ESTABLISHED, State.AWAITING_HELLO]
    assert joined.events == []
    assert joined.send(call(1))[0][0] == 3


@pytest.mark.parametrize("before", [[], [wamp(1, "secret", {})], [HELLO]])
def test_the_client_aborts(line: Line, before: list[bytes]) -> None:
    line.send(*before)
    assert line.send(wamp(3, {}, "com.why")) == []
    assert line.events == [("close", "com.why")]


def test_the_router_says_goodbye(bench: Bench, joined: Line) -> None:
    """The session has left at once; what the peer still sends is ignored until it answers."""
    joined.connection.farewell(Goodbye({}, uris.SYSTEM_SHUTDOWN))
    joined.connection.farewell(Goodbye({}, "said once"))
    assert bench.realm.log[-1] == ("leave", 7, uris.SYSTEM_SHUTDOWN)
    assert joined.send(call(1)) == [[6, {}, uris.SYSTEM_SHUTDOWN]]
    assert joined.events == []
    assert joined.states[-1] is State.CLOSING
    assert joined.send(wamp(6, {}, uris.GOODBYE_AND_OUT)) == []
    assert joined.events == [("close", uris.GOODBYE_AND_OUT)]
    assert bench.realm.taken == []


def test_the_router_aborts(joined: Line) -> None:
    joined.connection.farewell(Abort({}, "com.why"))
    joined.bench.end_turn()
    assert joined.messages[-1] == [3, {}, "com.why"]
    assert joined.events == [("close", "com.why")]


def test_a_goodbye_that_is_never_answered(joined: Line) -> None:
    joined.connection.farewell(Goodbye({}, uris.SYSTEM_SHUTDOWN))
    joined.connection.expired()
    assert joined.events == [("close", uris.TIMEOUT)]
    joined.connection.expired()
    assert len(joined.events) == 1


@pytest.mark.parametrize("before", [[], [wamp(1, "secret", {})]])
def test_no_session_in_time(bench: Bench, line: Line, before: list[bytes]) -> None:
    line.send(*before)
    line.messages.clear()
    line.connection.expired()
    bench.end_turn()
    ((code, _, reason),) = line.messages
    assert (code, reason) == (3, uris.TIMEOUT)
    assert bench.counters["handshake_timeouts"] == 1


def test_an_open_session_does_not_expire(joined: Line) -> None:
    joined.connection.expired()
    assert joined.events == []


def test_lost(bench: Bench, joined: Line) -> None:
    """The session leaves once; afterwards nothing can be sent to it."""
    joined.connection.lost("gone")
    joined.connection.lost("gone")
    assert bench.realm.log == [("join", 7), ("leave", 7, "gone")]
    assert joined.send(call(1)) == []
    assert joined.connection.who() == PEER.address


def test_lost_before_a_session(bench: Bench, line: Line) -> None:
    line.connection.lost("gone")
    assert bench.realm.log == []


def test_a_slow_consumer_is_dropped(bench: Bench, joined: Line) -> None:
    with capturedLogs() as logs:
        joined.connection.slow("9 bytes queued")
    assert joined.events == ["abort"]
    assert bench.counters["slow_consumers_disconnected"] == 1
    assert len(logs) == 1


def test_a_recovered_consumer_is_told(bench: Bench, joined: Line) -> None:
    with capturedLogs() as logs:
        joined.connection.recovered(5)
    assert bench.realm.log[-1] == ("dropped", 7, 5)
    assert bench.counters["events_dropped"] == 5
    assert len(logs) == 1


def test_what_is_too_large_for_the_peer(bench: Bench, joined: Line) -> None:
    joined.outbox.max_frame_bytes = 80
    joined.connection.undeliverable(Event(1, 2, {}), 100)
    assert bench.realm.log[-1] == ("undeliverable", Event, 100, 80)
    assert bench.counters["oversized_outgoing"] == 1


@pytest.mark.parametrize("message", [Abort({"message": "x" * 100}, "com.why"), Goodbye({}, "x" * 100)])
def test_a_last_word_that_is_too_large_is_cut(joined: Line, message: Abort | Goodbye) -> None:
    """A reason may be as long as a URI: the smallest limit still gets one."""
    joined.outbox.max_frame_bytes = 80
    joined.connection.farewell(message)
    joined.bench.end_turn()
    assert joined.messages[-1] == [message.CODE, {}, uris.PAYLOAD_SIZE_EXCEEDED]


def test_a_challenge_that_is_too_large(line: Line) -> None:
    line.outbox.max_frame_bytes = 200
    line.connection.undeliverable(Challenge("ticket", {}), 500)
    line.bench.end_turn()
    text = "CHALLENGE is 500 bytes long: more than this client takes"
    assert line.messages == [[3, {"message": text}, uris.PAYLOAD_SIZE_EXCEEDED]]


@pytest.mark.parametrize("what", ["recovered", "undeliverable"])
def test_news_of_the_outbox_without_a_session(bench: Bench, line: Line, what: str) -> None:
    if what == "recovered":
        with capturedLogs():
            line.connection.recovered(1)
    else:
        line.connection.undeliverable(Result(1, {}), 100)
    assert bench.realm.log == []


def test_others_hear_of_a_lost_session(bench: Bench, joined: Line) -> None:
    other = Line(bench)
    other.send(HELLO)
    session = bench.entrance.sessions[1]
    bench.realm.leave_answer = lambda left: [Delivery((session,), Event(1, 2, {}, [left.id]))]
    joined.connection.lost("gone")
    bench.end_turn()
    assert other.messages[-1] == [36, 1, 2, {}, [7]]


def test_every_message_of_the_realm_reaches_it(bench: Bench, joined: Line) -> None:
    joined.send(call(1), wamp(16, 2, {}, "com.x"), wamp(70, 1, {}))
    assert [type(message) for message in bench.realm.taken] == [Call, Publish, Yield]


ASKS = wamp(1, "asks", {})


class TestADecisionThatComesLater:
    """WAMP AP 'Dynamic Authentication API': who joins may be decided in a later turn."""

    def test_then_the_session_opens(self, bench: Bench, line: Line) -> None:
        assert line.send(ASKS) == []
        bench.clock.advance(1.0)
        (later,) = bench.entrance.later
        later.decide(bench.entrance.admission)
        bench.end_turn()
        assert line.messages == [[2, 7, {}]]
        assert line.send(call(1)) == []
        assert [type(message) for message in bench.realm.taken] == [Call]
        line.connection.lost("gone")
        assert bench.entrance.taken_back == 0

    def test_it_may_ask_for_a_proof_and_think_about_that_too(self, bench: Bench, line: Line) -> None:
        line.send(wamp(1, "secret", {}))
        assert line.send(wamp(5, "ask", {})) == []
        (later,) = bench.entrance.later
        later.decide(lambda: Refusal(uris.AUTHENTICATION_DENIED, "no", "the log knows more"))
        bench.end_turn()
        assert line.messages == [[3, {"message": "no"}, uris.AUTHENTICATION_DENIED]]
        assert line.events == [("close", uris.AUTHENTICATION_DENIED)]

    @pytest.mark.parametrize("message", [HELLO, call(1), wamp(5, "x", {}), wamp(6, {}, uris.NORMAL)])
    def test_a_client_that_does_not_wait_for_it(self, bench: Bench, line: Line, message: bytes) -> None:
        """A breach of the protocol, also in the same read; nobody is asked any longer."""
        ((code, details, reason),) = line.send(ASKS, message)
        assert (code, reason) == (3, uris.PROTOCOL_VIOLATION)
        assert details["message"].endswith("before its HELLO or AUTHENTICATE was answered")
        assert bench.entrance.taken_back == 1

    def test_a_client_that_gives_up(self, bench: Bench, line: Line) -> None:
        line.send(ASKS)
        assert line.send(wamp(3, {}, "com.why")) == []
        assert (line.events, bench.entrance.taken_back) == ([("close", "com.why")], 1)

    def test_a_client_that_vanishes_meanwhile(self, bench: Bench, line: Line) -> None:
        """What is decided for it goes nowhere."""
        line.send(ASKS)
        line.connection.lost("gone")
        (later,) = bench.entrance.later
        later.decide(bench.entrance.admission)
        bench.end_turn()
        assert (bench.entrance.taken_back, bench.entrance.sessions, bench.realm.log) == (1, [], [])
        assert line.messages == []

    def test_the_handshakes_timeout_goes_on(self, bench: Bench, line: Line) -> None:
        line.send(ASKS)
        line.connection.expired()
        bench.end_turn()
        ((code, _, reason),) = line.messages
        assert (code, reason, bench.entrance.taken_back) == (3, uris.TIMEOUT, 1)

    def test_a_defect_in_making_it(self, bench: Bench, line: Line) -> None:
        line.send(ASKS)
        (later,) = bench.entrance.later
        with capturedLogs() as logs:
            later.decide(lambda: 1 // 0)
            bench.end_turn()
        assert line.messages == [[3, {"message": "internal error"}, uris.INTERNAL_ERROR]]
        assert len(logs) == 1
