"""One write a turn, a bounded queue, and the two policies for a peer that does not read."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs

from router.routing.outputs import Announcement, Delivery, Farewell, Output
from router.routing.session import Session
from router.transport.framing import CHANNELS
from router.transport.outbox import SLICE_BYTES, Outbox, Turn
from router.wamp.messages import Event, Goodbye, Message, Result


class Rules:
    """Small marks."""

    def __init__(self, policy: str = "disconnect") -> None:
        self.policy = policy
        self.low_water_bytes = 1000
        self.high_water_bytes = 3000
        self.limit_bytes = 10_000
        self.patience_ms = 500


class Peer:
    """Owner and carrier of one outbox, with the session that it serves."""

    def __init__(self, bench: "Bench", policy: str, framing: str) -> None:
        self.wire = StringTransport(lenient=True)  # type: ignore[call-arg]
        self.outbox = Outbox(bench.turn, CHANNELS[framing, "json"], self, self.wire.write, self)
        self.outbox.rules = Rules(policy)
        self.wire.registerProducer(self.outbox, True)
        self.session = Session(len(bench.peers) + 1, link=self.outbox)
        self.told: list[Any] = []
        self.reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self, reason: str) -> None:
        self.told.append("close")

    def abort(self) -> None:
        self.told.append("abort")

    def slow(self, text: str) -> None:
        self.told.append(text)

    def recovered(self, dropped: int) -> None:
        self.told.append(dropped)

    def undeliverable(self, message: Message, size: int) -> None:
        self.told.append((type(message), size))

    def farewell(self, message: Message) -> None:
        self.told.append(message)

    def take(self) -> bytes:
        data: bytes = self.wire.value()
        self.wire.clear()
        return data


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.scheduled = 0
        self.turn = Turn(self._schedule, self.clock.seconds)
        self.peers: list[Peer] = []

    def _schedule(self, flush: Any) -> None:
        self.scheduled += 1
        self.clock.callLater(0, flush)

    def peer(self, policy: str = "disconnect", framing: str = "message") -> Peer:
        peer = Peer(self, policy, framing)
        self.peers.append(peer)
        return peer

    def deliver(self, *outputs: Output) -> None:
        self.turn.deliver(list(outputs))

    def end_turn(self) -> None:
        self.clock.advance(0)


def event(size: int, *peers: Peer) -> Delivery:
    """Make an EVENT of ``size`` bytes to ``peers``."""
    empty = len(b'[36,1,2,{},[""]]')
    return Delivery(tuple(peer.session for peer in peers), Event(1, 2, {}, ["x" * (size - empty)]))


def result(size: int, peer: Peer) -> Delivery:
    empty = len(b'[50,1,{},[""]]')
    return Delivery((peer.session,), Result(1, {}, ["x" * (size - empty)]))


def test_a_turn_is_one_write_for_each_connection_in_order() -> None:
    bench = Bench()
    one, two = bench.peer(), bench.peer()
    writes: list[bytes] = []
    one.outbox.write = writes.append
    bench.deliver(event(20, one), result(20, two), event(30, one, two))
    one.outbox.send(Result(9, {}))
    one.outbox.append_wire(b"!")
    assert writes == []
    assert bench.scheduled == 1
    bench.end_turn()
    first, second, third, wire = b"[36,1,2,{},", b"[36,1,2,{},", b"[50,9,{}]", b"!"
    (written,) = writes
    assert len(written) == 20 + 30 + len(third) + len(wire)
    assert written.startswith(first)
    assert written[20:].startswith(second)
    assert written.endswith(third + wire)
    assert two.take() == b'[50,1,{},["xxxxxx"]]' + written[20:50]


def test_a_fan_out_encodes_once_for_each_channel() -> None:
    """Equal channels get the very same bytes."""
    bench = Bench()
    peers = [bench.peer(framing=framing) for framing in ("rawsocket", "message", "rawsocket", "message")]
    bench.deliver(event(40, *peers))
    frames = [peer.outbox.frames[0] for peer in peers]
    assert frames[0] is frames[2]
    assert frames[1] is frames[3]
    assert frames[0] == b"\0\0\0\x28" + frames[1]
    bench.end_turn()
    assert [len(peer.take()) for peer in peers] == [44, 40, 44, 40]


def test_other_outputs() -> None:
    """A farewell goes to the connection; an announcement is the realm's; nobody is nobody."""
    bench = Bench()
    peer = bench.peer()
    goodbye = Goodbye({}, "wamp.close.normal")
    bench.deliver(Farewell(peer.session, goodbye), Announcement("wamp.x", []), event(20))
    assert peer.told == [goodbye]
    assert bench.scheduled == 0


def test_flush_now_writes_before_the_end_of_the_turn_once() -> None:
    bench = Bench()
    peer = bench.peer()
    peer.outbox.flush_now()
    peer.outbox.append_wire(b"now")
    peer.outbox.flush_now()
    assert peer.take() == b"now"
    bench.end_turn()
    assert peer.take() == b""


def test_a_full_transport_gets_nothing_until_it_has_room() -> None:
    bench = Bench()
    peer = bench.peer()
    peer.outbox.pauseProducing()
    bench.deliver(event(100, peer))
    bench.end_turn()
    bench.deliver(event(200, peer))
    bench.end_turn()
    assert peer.take() == b""
    assert peer.outbox.queued_bytes == 300
    assert bench.turn.congested == {peer.outbox}
    peer.outbox.resumeProducing()
    assert len(peer.take()) == 300
    assert peer.outbox.queued_bytes == 0
    assert not bench.turn.congested


def test_large_writes_go_in_slices_while_the_transport_takes_them() -> None:
    bench = Bench()
    peer = bench.peer()
    peer.outbox.rules.limit_bytes = 10 * SLICE_BYTES
    writes: list[int] = []

    def write(data: bytes) -> None:
        writes.append(len(data))
        if len(writes) == 2:
            peer.outbox.pauseProducing()

    peer.outbox.write = write
    bench.deliver(event(3 * SLICE_BYTES + 5, peer))
    bench.end_turn()
    assert writes == [SLICE_BYTES, SLICE_BYTES]
    assert peer.outbox.queued_bytes == SLICE_BYTES + 5
    peer.outbox.resumeProducing()
    assert writes == [SLICE_BYTES, SLICE_BYTES, SLICE_BYTES, 5]


@pytest.mark.parametrize("policy", ["disconnect", "drop"])
def test_past_the_low_mark_the_peer_is_not_read_from(policy: str) -> None:
    bench = Bench()
    peer = bench.peer(policy)
    peer.outbox.pauseProducing()
    bench.deliver(event(1000, peer))
    bench.end_turn()
    assert peer.reading
    bench.deliver(event(100, peer))
    bench.end_turn()
    assert not peer.reading
    peer.outbox.resumeProducing()
    assert peer.reading
    assert peer.told == []


def test_disconnect_waits_for_patience_without_progress() -> None:
    bench = Bench()
    peer = bench.peer()
    peer.outbox.pauseProducing()
    bench.deliver(event(3001, peer))
    bench.end_turn()
    bench.clock.advance(0.5)
    bench.turn.judge()
    assert peer.told == []
    bench.clock.advance(0.01)
    bench.turn.judge()
    assert peer.told == ["3001 bytes queued, none taken for 500 ms"]
    assert peer.outbox.queued_bytes == 0
    assert not bench.turn.congested


def test_progress_and_bursts_survive() -> None:
    """Below the high mark nobody is hurried, and above it whoever takes something has patience anew."""
    bench = Bench()
    idle, slow = bench.peer(), bench.peer()
    for peer in (idle, slow):
        peer.outbox.pauseProducing()
    slow.outbox.rules.limit_bytes = slow.outbox.rules.high_water_bytes = 4 * SLICE_BYTES
    slow.outbox.write = lambda data: slow.outbox.pauseProducing()
    bench.deliver(event(2999, idle), event(8 * SLICE_BYTES // 2, slow))
    slow.outbox.rules.high_water_bytes = 1000
    bench.end_turn()
    for _ in range(4):
        bench.clock.advance(0.4)
        bench.turn.judge()
        slow.outbox.resumeProducing()
    assert idle.told == slow.told == []


def test_drop_policy_is_not_judged_by_time() -> None:
    bench = Bench()
    peer = bench.peer("drop")
    peer.outbox.pauseProducing()
    bench.deliver(event(3001, peer))
    bench.end_turn()
    bench.clock.advance(60)
    bench.turn.judge()
    assert peer.told == []


@pytest.mark.parametrize("policy", ["disconnect", "drop"])
def test_past_the_limit_at_once(policy: str) -> None:
    """What cannot be dropped, answers to calls, is bounded by the limit alone."""
    bench = Bench()
    peer = bench.peer(policy)
    peer.outbox.pauseProducing()
    for _ in range(5):
        bench.deliver(result(2000, peer))
        bench.end_turn()
    assert peer.told == []
    bench.deliver(result(20, peer))
    bench.end_turn()
    assert peer.told == ["10020 bytes queued, more than limit_bytes = 10000"]
    assert peer.outbox.queued_bytes == 0


@pytest.mark.parametrize("alone", [True, False])
def test_drop_loses_events_alone_counts_them_and_tells(alone: bool) -> None:
    """Nobody else loses anything, and the loss is told once the queue is short again."""
    bench = Bench()
    peer, other = bench.peer("drop"), bench.peer("drop")
    receivers = (peer,) if alone else (peer, other)
    peer.outbox.pauseProducing()
    for _ in range(10):
        bench.deliver(event(1000, *receivers))
        bench.end_turn()
    assert peer.outbox.queued_bytes == 4000  # the one that passed the high mark is kept
    assert peer.outbox.dropped == 6
    bench.deliver(result(50, peer))
    bench.end_turn()
    assert peer.outbox.queued_bytes == 4050
    assert peer.told == []
    peer.outbox.resumeProducing()
    assert peer.told == [6]
    assert peer.outbox.dropped == 0
    bench.deliver(event(1000, *receivers))
    bench.end_turn()
    assert len(peer.take()) == 5050
    assert len(other.take()) == (0 if alone else 11_000)
    assert other.told == []


def test_dropping_goes_on_until_the_low_mark() -> None:
    bench = Bench()
    peer = bench.peer("drop")
    peer.outbox.rules.limit_bytes = peer.outbox.rules.high_water_bytes = 2 * SLICE_BYTES
    peer.outbox.pauseProducing()
    bench.deliver(event(SLICE_BYTES, peer))
    bench.deliver(event(SLICE_BYTES, peer))
    peer.outbox.rules.high_water_bytes = SLICE_BYTES
    bench.end_turn()
    assert peer.outbox.dropping
    peer.outbox.write = lambda data: peer.outbox.pauseProducing()
    peer.outbox.resumeProducing()
    bench.deliver(event(100, peer))
    assert peer.outbox.dropping
    assert peer.outbox.dropped == 1
    peer.outbox.resumeProducing()
    assert not peer.outbox.dropping
    assert peer.told == [1]


def test_a_frame_that_the_peer_does_not_take_is_not_sent() -> None:
    bench = Bench()
    peer, other = bench.peer(), bench.peer()
    peer.outbox.max_frame_bytes = 100
    bench.deliver(event(100, peer), event(101, peer), event(102, peer, other))
    peer.outbox.send(Result(1, {}, ["x" * 100]))
    bench.end_turn()
    assert peer.told == [(Event, 101), (Event, 102), (Result, 114)]
    assert len(peer.take()) == 100
    assert len(other.take()) == 102


def test_a_small_peer_that_was_slow_keeps_its_frame_limit() -> None:
    bench = Bench()
    peer = bench.peer("drop")
    peer.outbox.max_frame_bytes = 5000
    peer.outbox.pauseProducing()
    bench.deliver(event(4000, peer))
    bench.end_turn()
    peer.outbox.resumeProducing()
    bench.deliver(event(5001, peer))
    assert peer.told == [0, (Event, 5001)]


def test_finish_hands_over_what_is_held_and_takes_nothing_more() -> None:
    bench = Bench()
    peer = bench.peer()
    peer.outbox.pauseProducing()
    bench.deliver(event(100, peer))
    bench.end_turn()
    bench.deliver(event(50, peer))
    peer.outbox.finish()
    assert len(peer.take()) == 150
    bench.deliver(event(50, peer), event(50, peer, peer))
    bench.end_turn()
    assert peer.take() == b""


@pytest.mark.parametrize("blocked", [True, False])
def test_a_discarded_outbox_takes_nothing_and_keeps_nothing(blocked: bool) -> None:
    """Deliveries of the same turn, or before the connection's end is known, cost nobody anything."""
    bench = Bench()
    gone, other = bench.peer(), bench.peer()
    if blocked:
        gone.outbox.pauseProducing()
    bench.deliver(event(100, gone))
    gone.outbox.discard()
    bench.deliver(event(200_000, gone, other), result(100, gone))
    gone.outbox.send(Result(1, {}))
    gone.outbox.frames.extend([b"wire"])
    gone.outbox.stopProducing()
    bench.end_turn()
    gone.outbox.resumeProducing()
    bench.turn.judge()
    assert gone.take() == b""
    assert gone.outbox.frames == []
    assert gone.outbox.queued_bytes == 0
    assert not bench.turn.congested
    assert gone.told == []
    assert len(other.take()) == 200_000


def test_a_write_that_loses_the_connection() -> None:
    bench = Bench()
    peer = bench.peer()
    peer.outbox.rules.limit_bytes = 10 * SLICE_BYTES
    peer.outbox.write = lambda data: peer.outbox.discard()
    bench.deliver(event(3 * SLICE_BYTES, peer))
    bench.end_turn()
    assert peer.outbox.queued_bytes == 0
    assert not bench.turn.congested
    assert peer.told == []


def test_a_write_that_fails_costs_that_connection_alone() -> None:
    bench = Bench()
    broken, other = bench.peer(), bench.peer()

    def fail(data: bytes) -> None:
        raise RuntimeError("a defect")

    broken.outbox.write = fail
    bench.deliver(event(50, broken, other))
    with capturedLogs() as logs:
        bench.end_turn()
    assert broken.told == ["abort"]
    assert len(other.take()) == 50
    assert len(logs) == 1
    bench.deliver(event(50, broken, other))
    bench.end_turn()
    assert len(other.take()) == 50


def test_what_a_flush_causes_goes_out_in_the_next_turn() -> None:
    """A peer whose end is noticed while writing: what others are told of it is not lost."""
    bench = Bench()
    leaving, other = bench.peer(), bench.peer()
    leaving.outbox.write = lambda data: bench.deliver(event(30, other))
    bench.deliver(event(50, leaving))
    bench.end_turn()
    bench.end_turn()
    assert len(other.take()) == 30


steps = st.one_of(
    st.tuples(st.just("event"), st.integers(20, 2500)),
    st.tuples(st.just("result"), st.integers(20, 2500)),
    st.tuples(st.just("turn"), st.just(0)),
    st.tuples(st.just("full"), st.just(0)),
    st.tuples(st.just("room"), st.just(0)),
    st.tuples(st.just("judge"), st.integers(0, 600)),
)


@given(st.sampled_from(["disconnect", "drop"]), st.lists(steps, max_size=60))
@settings(deadline=None, max_examples=150)
def test_memory_is_bounded_and_no_loss_is_silent(policy: str, history: list[tuple[str, int]]) -> None:
    """At the end of any turn the queue is within the limit, and each event came, was counted, or ended it."""
    bench = Bench()
    peer = bench.peer(policy)
    outbox = peer.outbox
    sent = 0
    for step, size in [*history, ("room", 0), ("turn", 0)]:
        if step == "event":
            bench.deliver(event(size, peer))
            sent += 1
        elif step == "result":
            bench.deliver(result(size, peer))
        elif step == "turn":
            bench.end_turn()
        elif step == "full":
            outbox.pauseProducing()
        elif step == "room":
            outbox.resumeProducing()
        else:
            bench.clock.advance(size / 1000)
            bench.turn.judge()
        assert outbox.queued_bytes <= outbox.rules.limit_bytes
        held: Any = outbox._held or ()
        assert outbox.queued_bytes == sum(map(len, held))
        assert peer.reading or outbox.queued_bytes > outbox.rules.low_water_bytes or outbox._held is None
    disconnected = [text for text in peer.told if isinstance(text, str)]
    dropped = outbox.dropped + sum(count for count in peer.told if isinstance(count, int))
    arrived = peer.take().count(b"[36,")
    if disconnected:
        assert len(disconnected) == 1
        assert arrived + dropped <= sent
    else:
        assert arrived + dropped == sent
        assert policy == "drop" or dropped == 0
