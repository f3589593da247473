"""Silent peers are found in the stated time, live ones are left alone, at a bounded cost a tick."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.transport.liveness import Liveness


class Peer:
    """A connection under watch; ``answers`` says whether it answers a ping."""

    def __init__(self, answers: bool = True) -> None:
        self.heard = True  # by its HELLO
        self.pinged = False
        self.judged = True
        self.answers = answers
        self.events: list[str] = []

    def expire(self) -> None:
        self.events.append("expire")

    def ping(self) -> None:
        self.events.append("ping")
        self.heard = self.answers

    def silent(self) -> None:
        self.events.append("silent")

    def is_judged(self) -> bool:
        return self.judged


def run(liveness: Liveness, start: float, end: float, peer: Peer | None = None, until: str = "") -> float:
    """Tick until ``end`` seconds, or until ``peer`` has seen ``until``; give the time."""
    now = start
    while now < end:
        now += liveness.tick_interval
        liveness.tick(now)
        if peer is not None and until in peer.events:
            break
    return now


times = st.one_of(st.integers(100, 3000), st.integers(100, 120_000))


@given(interval_ms=times, timeout_ms=times, others=st.integers(0, 60), phase=st.integers(0, 400))
@settings(deadline=None, max_examples=60)
def test_a_dead_peer_is_found_in_the_stated_time(
    interval_ms: int, timeout_ms: int, others: int, phase: int
) -> None:
    """Not before interval + timeout after its last sign, and by no more than the shorter of both later."""
    liveness = Liveness(5000, interval_ms, timeout_ms)
    tick = liveness.tick_interval
    for _ in range(others):
        liveness.joined(Peer())
    peer = Peer(answers=False)
    liveness.joined(peer)
    last_sign = run(liveness, 0.0, phase * tick)
    peer.events.clear()
    peer.heard, peer.pinged = True, False
    liveness.closed(peer)
    liveness.joined(peer)
    found = run(liveness, last_sign, last_sign + 10_000, peer, "silent") - last_sign
    assert peer.events == ["ping", "silent"]
    least = (interval_ms + timeout_ms) / 1000
    assert found >= least - 1e-6
    assert found <= least + min(interval_ms, timeout_ms) / 1000 + 4 * tick


def test_a_live_peer_stays() -> None:
    liveness = Liveness(5000, 1000, 500)
    peer = Peer()
    liveness.joined(peer)
    run(liveness, 0.0, 60.0)
    assert set(peer.events) == {"ping"}
    assert 30 <= len(peer.events) <= 60


def test_any_bytes_spare_the_ping() -> None:
    liveness = Liveness(5000, 1000, 1000)
    peer = Peer()
    liveness.joined(peer)
    now = 0.0
    while now < 30:
        now = run(liveness, now, now + 0.3)
        peer.heard = True
    assert peer.events == []


def test_who_is_not_read_from_is_not_judged() -> None:
    liveness = Liveness(5000, 1000, 1000)
    peer = Peer(answers=False)
    peer.judged = False
    liveness.joined(peer)
    now = run(liveness, 0.0, 30.0)
    assert peer.events == []
    peer.judged = True
    run(liveness, now, now + 10, peer, "silent")
    assert peer.events == ["ping", "silent"]


def test_interval_0_turns_it_off() -> None:
    liveness = Liveness(5000, 0, 1000)
    peer = Peer(answers=False)
    liveness.opened(peer, 0.0)
    liveness.joined(peer)
    run(liveness, 0.0, 100.0)
    assert peer.events == []


@pytest.mark.parametrize("interval_ms", [0, 1000])
def test_a_session_is_awaited_for_the_handshake_timeout(interval_ms: int) -> None:
    liveness = Liveness(5000, interval_ms, 1000)
    early, late, joined, gone = Peer(), Peer(), Peer(), Peer()
    liveness.opened(early, 0.0)
    liveness.opened(joined, 0.0)
    liveness.opened(gone, 0.0)
    liveness.opened(late, 1.0)
    liveness.joined(joined)
    liveness.closed(gone)
    liveness.tick(4.999)
    assert early.events == []
    liveness.tick(5.0)
    assert (early.events, late.events) == (["expire"], [])
    liveness.tick(6.0)
    assert late.events == ["expire"]
    assert "expire" not in joined.events + gone.events
    liveness.tick(100.0)
    assert early.events == ["expire"]


def test_after_a_session_the_next_one_is_awaited() -> None:
    """Also one whose time was running already begins it anew, behind those who came before."""
    liveness = Liveness(5000, 1000, 1000)
    again, other = Peer(), Peer()
    liveness.opened(again, 0.0)
    liveness.opened(other, 1.0)
    liveness.left(again, 2.0)
    liveness.tick(6.0)
    assert (again.events, other.events) == ([], ["expire"])
    liveness.tick(7.0)
    assert again.events == ["expire"]


def test_one_that_closes_another_in_the_same_slice() -> None:
    """A peer that vanishes while its slice is looked at is not looked at."""
    liveness = Liveness(5000, 40, 40)
    assert liveness._slices == 1
    first, second = Peer(), Peer(answers=False)
    first.heard = second.heard = False
    first.ping = lambda: liveness.closed(second)  # type: ignore[method-assign]
    for peer in (first, second):
        liveness.joined(peer)
    run(liveness, 0.0, 5.0)
    assert "silent" not in second.events


def test_no_tick_looks_at_many() -> None:
    """Ten thousand idle peers are spread over the slices."""
    liveness = Liveness(5000, 10_000, 10_000)
    looked: list[Peer] = []

    class Counted(Peer):
        def is_judged(self) -> bool:
            looked.append(self)
            return True

    for _ in range(10_000):
        peer = Counted()
        peer.heard = False
        liveness.joined(peer)
    busiest = 0
    for number in range(1, 201):
        looked.clear()
        liveness.tick(number * liveness.tick_interval)
        busiest = max(busiest, len(looked))
    assert busiest <= 400


def test_joining_twice_is_watching_once() -> None:
    liveness = Liveness(5000, 100, 100)
    peer = Peer(answers=False)
    liveness.joined(peer)
    liveness.joined(peer)
    liveness.closed(peer)
    run(liveness, 0.0, 10.0)
    assert peer.events == []
