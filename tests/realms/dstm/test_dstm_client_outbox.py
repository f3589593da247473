"""What becomes of a client's transactions: see the tables in realms/dstm/client/outbox.py."""

from collections.abc import Callable
from typing import Any

import pytest
from dstm_client_play import CLIENT_ID, EPOCH, HASH, OTHER_EPOCH, Play, delta, put

from realms.dstm import errors
from realms.dstm.client.link import Reply
from realms.dstm.client.outcomes import Committed, UnknownOutcome
from realms.dstm.client.synchronizer import State
from realms.dstm.errors import (
    CONFLICT,
    CONSTRAINT,
    INVALID,
    NO_SUCH_SPACE,
    STALE,
    THROTTLED,
    TOO_LARGE,
    TX_REUSED,
    UNAVAILABLE,
    DstmError,
)
from realms.dstm.stm import Tx, or_else

COMMIT, SUBSCRIBE, SYNC = "dstm.s.commit", "subscribe dstm.s.delta", "dstm.s.sync"
HISTORY = errors.EPOCH


def get(tx: Tx, pointer: str = "/a") -> Any:
    return tx.get(pointer)


def add_one(tx: Tx) -> int:
    """Read and write: it conflicts with any other that writes."""
    tx["/a"] = tx["/a"] + 1
    return int(tx["/a"])


def count(tx: Tx) -> None:
    tx.inc("/a", 1)


def above_five(tx: Tx) -> int:
    if tx["/a"] <= 5:
        tx.retry()
    return int(tx["/a"])


@pytest.fixture
def play() -> Play:
    """A client that is live at version 1."""
    play = Play(first_delay_seconds=1.0, longest_delay_seconds=4.0)
    play.live({"a": 1}, 1)
    return play


def reattach(play: Play) -> None:
    """Break the link, and attach another one."""
    play.core.detach(play.link, "cut")
    play.attach()


def sync(play: Play, *deltas: list[Any], version: int) -> None:
    """Answer what a new link asks, in whatever order, until it is live."""
    for asked in list(play.link.asked):
        if asked.procedure == SUBSCRIBE:
            play.link.asked.remove(asked)
            asked.done(Reply([], {}))
    asked = play.link.asked.pop()
    assert asked.procedure == SYNC
    asked.done(Reply([], {"deltas": list(deltas), "version": version, "epoch": EPOCH}))
    assert play.core.state is State.LIVE
    play.outcomes.remove(None)


# Committed


def test_a_commit_says_what_was_read_and_what_is_done(play: Play) -> None:
    play.do(add_one)
    assert play.commit() == {
        "tx": f"{CLIENT_ID}:1",
        "epoch": EPOCH,
        "base": 1,
        "reads": ["/a"],
        "ops": [{"op": "add", "path": "/a", "value": 2}],
    }


def test_it_is_settled_when_the_replica_is_there(play: Play) -> None:
    play.do(add_one)
    play.committed(2)
    assert play.outcomes == []
    play.link.event(delta(1, 2, put("/a", 2)))
    (committed,) = play.outcomes
    assert (committed, committed.version, committed.value) == (2, 2, 2)
    assert (committed.epoch, committed.time) == (EPOCH, 1234)
    assert play.document == {"a": 2}
    assert play.core.counters.committed == 1


def test_the_delta_may_come_before_the_result(play: Play) -> None:
    play.do(count)
    play.link.event(delta(1, 2, put("/a", 2)))
    assert play.outcomes == []
    play.committed(2)
    assert play.outcomes == [2]


def test_each_is_settled_at_its_version(play: Play) -> None:
    for _ in range(3):
        play.do(count)
    for version in (4, 2, 3):
        play.committed(version)
    play.link.event(delta(1, 2), delta(2, 3))
    assert play.outcomes == [2, 3]
    play.link.event(delta(3, 4))
    assert play.outcomes == [2, 3, 4]


def test_a_version_that_does_not_arrive_is_fetched(play: Play) -> None:
    play.do(count)
    play.do(count)
    play.committed(2)
    play.timers.advance(0.5)
    play.committed(3)
    play.timers.advance(0.5)
    play.link.answer(SYNC, deltas=[delta(1, 2)], version=2, epoch=EPOCH)
    assert play.outcomes == [2]
    play.timers.advance(2)
    play.link.answer(SYNC, deltas=[delta(2, 3)], version=3, epoch=EPOCH)
    assert play.outcomes == [2, 3]
    play.timers.advance(1)
    assert play.timers.due == []


def test_a_version_that_arrives_in_time_is_not_fetched(play: Play) -> None:
    play.do(count)
    play.committed(2)
    play.timers.advance(0.5)
    play.link.event(delta(1, 2))
    play.do(count)
    play.committed(3)
    play.timers.advance(0.5)
    assert (play.link.names, play.outcomes) == ([], [2])
    play.timers.advance(1)
    assert play.link.names == [SYNC]


def test_a_view_may_have_nothing_to_show_of_a_commit() -> None:
    play = Play(["/a"])
    link = play.attach()
    link.answer("dstm.s.view", topic="t")
    link.answer("subscribe t")
    link.answer(SYNC, snapshot={"a": 1}, version=1, epoch=EPOCH)
    play.outcomes.clear()
    play.do(lambda tx: tx.max("/a", 0))
    play.committed(4)
    play.timers.advance(1)
    link.answer(SYNC, deltas=[], version=1, epoch=EPOCH)
    assert play.outcomes == [4]


def test_a_sync_that_began_before_the_commit_does_not_settle_it(play: Play) -> None:
    play.do(count)
    play.link.event(delta(4, 5))
    play.committed(8)
    play.timers.advance(1)
    play.link.answer(SYNC, deltas=[delta(1, 5)], version=5, epoch=EPOCH)
    assert (play.outcomes, play.core.state) == ([], State.LIVE)
    play.timers.advance(1)
    play.link.answer(SYNC, deltas=[delta(5, 8)], version=8, epoch=EPOCH)
    assert play.outcomes == [8]


def test_it_is_settled_when_its_history_ends(play: Play) -> None:
    play.do(count)
    play.committed(2)
    play.link.event(delta(0, 1), epoch=OTHER_EPOCH)
    play.link.answer(SYNC, snapshot={}, version=1, epoch=OTHER_EPOCH)
    assert (play.outcomes, play.outcomes[0].epoch) == ([2], EPOCH)


# Reads


def test_what_only_reads_is_answered_by_the_replica(play: Play) -> None:
    play.do(get)
    (committed,) = play.outcomes
    assert (committed, committed.value, committed.epoch, committed.time) == (1, 1, EPOCH, None)
    assert play.link.names == []


def test_it_is_answered_without_a_link_too(play: Play) -> None:
    play.core.detach(play.link, "cut")
    play.do(get)
    assert play.outcomes[0].value == 1


def test_strict_asks_the_server(play: Play) -> None:
    play.do(get, strict=True)
    assert (play.commit()["reads"], play.commit()["ops"]) == (["/a"], [])
    play.committed(9)
    assert (play.outcomes, play.outcomes[0].value) == ([9], 1)  # nothing will arrive at 9


def test_strict_conflicts_when_the_replica_is_behind(play: Play) -> None:
    play.do(get, strict=True)
    play.link.refuse(COMMIT, CONFLICT, version=2, paths=["/a"], deltas=[delta(1, 2, put("/a", 5))])
    assert play.commit()["base"] == 2
    play.committed(2)
    assert play.outcomes[0].value == 5


@pytest.mark.parametrize("strict", [True, False])
def test_an_exception_must_hold_at_the_server(play: Play, strict: bool) -> None:
    """Who does not find what is there already, on an old version, is not told that it is missing."""
    play.do(lambda tx: tx["/b"] + 1, strict=True)
    assert (play.commit()["reads"], play.commit()["ops"], play.outcomes) == (["/b"], [], [])
    play.link.refuse(COMMIT, CONFLICT, version=2, deltas=[delta(1, 2, put("/b", 5))])
    play.committed(2)
    assert play.outcomes[0].value == 6
    play.do(lambda tx: tx["/c"], strict=strict)
    play.committed(2)
    assert isinstance(play.outcomes[1], KeyError)
    play.do(lambda tx: tx.inc("/b/c", 1), strict=strict)
    play.link.refuse(COMMIT, CONFLICT, version=3, deltas=[delta(2, 3, put("/b", {}))])
    assert play.commit()["ops"] == [{"op": "inc", "path": "/b/c", "value": 1}]


@pytest.mark.parametrize("uri", [STALE, HISTORY])
def test_a_strict_read_is_never_in_doubt(play: Play, uri: str) -> None:
    play.do(get, strict=True)
    reattach(play)
    play.link.refuse(COMMIT, uri)
    sync(play, delta(1, 2, put("/a", 2)), version=2)
    assert play.commit()["base"] == 2


def test_an_event_alone_is_a_commit(play: Play) -> None:
    play.do(lambda tx: tx.publish("com.example.topic", 1, two=2))
    assert play.commit()["publish"] == [
        {"topic": "com.example.topic", "args": [1], "kwargs": {"two": 2}, "options": {}}
    ]


@pytest.mark.parametrize("value", [float("nan"), object(), b"bytes", 2**53])
def test_an_event_that_no_serializer_may_carry_is_not_submitted(play: Play, value: Any) -> None:
    play.do(lambda tx: tx.publish("com.example.topic", [value]))
    assert isinstance(play.outcomes[0], ValueError)
    assert play.link.names == []


# Conflicts


def test_a_conflict_is_run_again_at_once_on_what_it_brings(play: Play) -> None:
    play.do(add_one)
    play.link.refuse(
        COMMIT, CONFLICT, version=3, paths=["/a"], deltas=[delta(1, 2), delta(2, 3, put("/a", 7))]
    )
    assert play.commit() == {
        "tx": f"{CLIENT_ID}:2",
        "epoch": EPOCH,
        "base": 3,
        "reads": ["/a"],
        "ops": [{"op": "add", "path": "/a", "value": 8}],
    }
    assert play.document == {"a": 7}
    play.committed(4)
    play.link.event(delta(3, 4, put("/a", 8)))
    assert (play.outcomes, play.outcomes[0].value) == ([4], 8)
    assert play.core.counters.conflicts == 1


def test_back_off_begins_with_the_second_conflict(play: Play) -> None:
    play.do(add_one)
    delays = []
    for version in range(2, 7):
        play.link.refuse(COMMIT, CONFLICT, version=version, deltas=[delta(version - 1, version)])
        delays += play.timers.due
        play.timers.advance(sum(play.timers.due))
    assert delays == [0.5, 1.0, 2.0, 2.0]
    play.timers.chance = 0.5
    play.link.refuse(COMMIT, CONFLICT, version=7, deltas=[delta(6, 7)])
    assert play.timers.due == [3.0]


@pytest.mark.parametrize("details", [{"resync": True}, {"resync": True, "deltas": []}, {}])
def test_a_conflict_that_is_long_costs_a_sync(play: Play, details: dict[str, Any]) -> None:
    play.do(add_one)
    play.link.refuse(COMMIT, CONFLICT, version=3, **details)
    play.link.answer(SYNC, deltas=[delta(1, 3, put("/a", 7))], version=3, epoch=EPOCH)
    assert (play.commit()["base"], play.commit()["ops"][0]["value"]) == (3, 8)


def test_deltas_of_a_conflict_that_do_not_join_on_cost_a_sync(play: Play) -> None:
    play.do(add_one)
    play.link.refuse(COMMIT, CONFLICT, version=3, deltas=[delta(2, 3, put("/a", 7))])
    assert (play.version, play.link.names) == (1, [SYNC])


def test_deltas_of_a_conflict_that_make_no_sense_cost_a_snapshot(play: Play) -> None:
    play.do(add_one)
    play.link.refuse(COMMIT, CONFLICT, version=3, deltas=["?"])
    assert play.link.answer(SYNC, snapshot={"a": 7}, version=3, epoch=EPOCH).args == []
    assert play.commit()["base"] == 3


def test_a_conflict_during_a_sync_waits_for_its_end(play: Play) -> None:
    play.do(add_one)
    play.link.event(delta(4, 5))
    play.link.refuse(COMMIT, CONFLICT, version=2, deltas=[delta(1, 2, put("/a", 2))])
    assert (play.link.names, play.version) == ([SYNC], 1)
    play.link.answer(SYNC, snapshot={"a": 9}, version=5, epoch=EPOCH)
    assert play.commit()["ops"][0]["value"] == 10


def test_a_conflict_of_a_partial_replica_costs_a_sync() -> None:
    play = Play(["/a"])
    link = play.attach()
    link.answer("dstm.s.view", topic="t")
    link.answer("subscribe t")
    link.answer(SYNC, snapshot={"a": 1}, version=1, epoch=EPOCH)
    play.do(add_one)
    link.refuse(COMMIT, CONFLICT, version=3, deltas=[delta(1, 2), delta(2, 3, put("/a", 7))])
    assert play.document == {"a": 1}
    link.answer(SYNC, deltas=[delta(1, 3, put("/a", 7))], version=3, epoch=EPOCH)
    assert play.commit()["ops"][0]["value"] == 8


# Refusals


@pytest.mark.parametrize("uri", [CONSTRAINT, INVALID, TOO_LARGE, TX_REUSED, "wamp.error.not_authorized"])
def test_a_refusal_is_told(play: Play, uri: str) -> None:
    play.do(count)
    play.link.refuse(COMMIT, uri, reason="because")
    (error,) = play.outcomes
    assert (error.uri, error.details) == (uri, {"reason": "because"})
    assert type(error) is DstmError


@pytest.mark.parametrize("uri", [STALE, HISTORY])
def test_a_base_that_is_too_old_is_run_again_after_a_sync(play: Play, uri: str) -> None:
    play.do(add_one)
    play.link.refuse(COMMIT, uri)
    play.link.answer(SYNC, snapshot={"a": 4}, version=2, epoch=OTHER_EPOCH)
    assert (play.commit()["epoch"], play.commit()["base"], play.commit()["tx"]) == (
        OTHER_EPOCH,
        2,
        f"{CLIENT_ID}:2",
    )


@pytest.mark.parametrize("uri", [UNAVAILABLE, THROTTLED, "wamp.error.timeout", "wamp.error.canceled"])
def test_what_fails_for_a_while_is_submitted_again(play: Play, uri: str) -> None:
    play.do(count)
    bodies = []
    for seconds in (0.5, 1.0, 2.0, 2.0):
        bodies.append(play.link.refuse(COMMIT, uri).kwargs)
        assert play.timers.due == [seconds]
        play.timers.advance(seconds)
    assert all(body is bodies[0] for body in bodies)
    assert play.commit() is bodies[0]


def test_after_unavailable_a_stale_answer_says_nothing(play: Play) -> None:
    play.do(count)
    play.link.refuse(COMMIT, UNAVAILABLE)
    play.timers.advance(1)
    play.link.refuse(COMMIT, STALE)
    assert isinstance(play.outcomes[0], UnknownOutcome)


def test_after_throttled_a_stale_answer_means_no(play: Play) -> None:
    play.do(count)
    play.link.refuse(COMMIT, THROTTLED)
    play.timers.advance(1)
    play.link.refuse(COMMIT, STALE)
    assert (play.outcomes, play.link.names) == ([], [SYNC])


def test_an_exception_that_depends_on_nothing_is_told_at_once(play: Play) -> None:
    def fail(tx: Tx) -> None:
        tx["/a"] = 2
        raise ArithmeticError("no")

    play.do(fail)
    assert isinstance(play.outcomes[0], ArithmeticError)
    assert play.link.names == []


def test_a_transaction_in_a_transaction_is_refused(play: Play) -> None:
    play.do(lambda tx: play.do(count))
    assert isinstance(play.outcomes[0], RuntimeError)
    assert play.link.names == []


def test_a_function_may_call_another_with_its_tx(play: Play) -> None:
    def twice(tx: Tx) -> None:
        add_one(tx)
        add_one(tx)

    play.do(twice)
    assert [op["value"] for op in play.commit()["ops"]] == [2, 3]


# Broken links


def test_what_was_not_answered_is_submitted_again_first_of_all_in_order(play: Play) -> None:
    bodies = []
    for _ in range(3):
        play.do(count)
        bodies.append(play.link.asked[-1].kwargs)
    play.committed(2)
    play.link.lose()
    play.attach()
    assert play.link.names == [COMMIT, COMMIT, SUBSCRIBE]
    assert [asked.kwargs for asked in play.link.asked[:2]] == bodies[1:]
    assert play.core.counters.resubmissions == 2


@pytest.mark.parametrize("before_the_sync", [True, False])
def test_a_duplicate_is_committed_once(play: Play, before_the_sync: bool) -> None:
    play.do(add_one)
    reattach(play)
    if before_the_sync:
        play.committed(2, dup=True)
        sync(play, delta(1, 2, put("/a", 2)), version=2)
    else:
        sync(play, delta(1, 2, put("/a", 2)), version=2)
        play.committed(2, dup=True)
    (committed,) = play.outcomes
    assert (committed, committed.value) == (2, 2)


def test_a_conflict_of_a_duplicate_was_decided_then(play: Play) -> None:
    play.do(add_one)
    reattach(play)
    play.link.refuse(COMMIT, CONFLICT, version=2, deltas=[delta(1, 2, put("/a", 5))])
    sync(play, delta(1, 2, put("/a", 5)), version=2)
    assert (play.commit()["tx"], play.commit()["ops"][0]["value"]) == (f"{CLIENT_ID}:2", 6)


@pytest.mark.parametrize("uri", [CONSTRAINT, INVALID, TOO_LARGE])
def test_a_refusal_of_a_duplicate_was_decided_then(play: Play, uri: str) -> None:
    play.do(count)
    reattach(play)
    play.link.refuse(COMMIT, uri)
    assert type(play.outcomes[0]) is DstmError


@pytest.mark.parametrize("uri", [STALE, HISTORY, NO_SUCH_SPACE, "wamp.error.not_authorized"])
def test_what_can_not_be_known_any_more_is_told_as_that(play: Play, uri: str) -> None:
    play.do(count)
    reattach(play)
    play.link.refuse(COMMIT, uri, horizon=5)
    (error,) = play.outcomes
    assert isinstance(error, UnknownOutcome)
    assert (error.uri, error.tx, error.details) == (uri, f"{CLIENT_ID}:1", {"horizon": 5})
    assert CLIENT_ID not in str(error)


def test_what_was_submitted_for_the_first_time_after_the_break_is_not_in_doubt(play: Play) -> None:
    play.core.detach(play.link, "cut")
    play.do(add_one)
    play.attach()
    sync(play, delta(1, 2, put("/a", 2)), version=2)
    assert play.commit()["base"] == 2
    play.link.refuse(COMMIT, STALE)
    assert (play.outcomes, play.link.names) == ([], [SYNC])


def test_a_link_that_breaks_when_it_is_used_first(play: Play) -> None:
    class Broken(type(play.link)):  # type: ignore[misc]
        def call(self, *args: Any) -> None:
            super().call(*args)
            self.lose()

    play.do(count)
    play.do(count)
    play.core.detach(play.link, "cut")
    link = Broken()
    play.core.attach(link, play.outcomes.append)
    assert (link.names, play.core.state) == ([], State.DETACHED)
    assert [error.uri for error in play.outcomes] == [UNAVAILABLE]
    play.attach()
    assert play.link.names == [COMMIT, COMMIT, SUBSCRIBE]


def test_a_body_that_waits_for_its_time_is_not_submitted_twice_over_a_new_link(play: Play) -> None:
    play.do(count)
    play.link.refuse(COMMIT, UNAVAILABLE)
    play.core.detach(play.link, "cut")
    play.attach()
    play.timers.advance(10)
    assert play.link.names == [COMMIT, SUBSCRIBE]


# Queues


def test_without_a_replica_it_waits() -> None:
    play = Play()
    play.do(get)
    play.do(count)
    link = play.attach()
    assert play.outcomes == []
    link.answer(SUBSCRIBE)
    link.answer(SYNC, snapshot={"a": 1}, version=1, epoch=EPOCH)
    assert (play.outcomes[0], play.outcomes[1]) == (None, 1)
    assert link.names == [COMMIT]


def test_it_runs_again_when_the_server_is_there(play: Play) -> None:
    play.link.event(delta(4, 5))
    play.do(add_one)
    assert play.link.names == [SYNC]
    play.link.answer(SYNC, snapshot={"a": 8}, version=5, epoch=EPOCH)
    assert (play.commit()["tx"], play.commit()["ops"][0]["value"]) == (f"{CLIENT_ID}:1", 9)


def test_only_so_many_are_in_flight() -> None:
    play = Play(in_flight=2)
    play.live({"a": 1}, 1)
    for _ in range(4):
        play.do(count)
    assert play.link.names == [COMMIT] * 2
    play.committed(2)
    assert play.link.names == [COMMIT] * 2
    play.link.refuse(COMMIT, CONSTRAINT)
    play.link.refuse(COMMIT, CONSTRAINT)
    assert play.link.names == [COMMIT]
    assert play.commit()["tx"] == f"{CLIENT_ID}:4"


def test_only_so_many_may_wait() -> None:
    play = Play(transactions=2)
    for _ in range(3):
        play.do(count)
    (error,) = play.outcomes
    assert (error.uri, error.details) == (THROTTLED, {"limit": 2})


def test_what_waits_fails_when_the_server_refuses() -> None:
    play = Play()
    play.do(count)
    play.do(get)
    play.attach().refuse(SUBSCRIBE, NO_SUCH_SPACE)
    play.do(count)
    assert [error.uri for error in play.outcomes] == [NO_SUCH_SPACE] * 4


def test_a_refusal_is_forgotten_with_the_next_link() -> None:
    play = Play()
    play.attach().refuse(SUBSCRIBE, NO_SUCH_SPACE)
    play.live({"a": 1}, 1)
    play.do(count)
    assert play.link.names == [COMMIT]


def test_what_is_too_large_for_a_message_is_not_submitted() -> None:
    play = Play(transaction_bytes=1000)
    play.live({}, 1)
    play.do(lambda tx: tx.put("/a", "x" * 1000))
    assert (play.outcomes[0].uri, play.outcomes[0].details) == (TOO_LARGE, {"limit": 1000})
    play.do(lambda tx: tx.put("/a", "x" * 700))
    assert play.link.names == [COMMIT]


# Retry


def test_retry_sleeps_until_something_that_it_read_changes(play: Play) -> None:
    play.do(above_five)
    play.link.event(delta(1, 2, put("/b", 1)), delta(2, 3, put("/a", 5)))
    assert play.outcomes == []
    play.link.event(delta(3, 4, put("/a", 6)))
    assert (play.outcomes, play.outcomes[0].value) == ([4], 6)


def test_retry_is_woken_by_another_document(play: Play) -> None:
    play.do(above_five)
    play.link.event(delta(4, 5))
    play.link.answer(SYNC, snapshot={"a": 8}, version=5, epoch=EPOCH)
    assert play.outcomes[0].value == 8


def test_those_that_wake_run_in_the_order_of_their_first_runs(play: Play) -> None:
    order = []

    def note(tx: Tx, number: int) -> None:
        above_five(tx)
        order.append(number)

    for number in range(20):
        play.do(note, number)
    play.link.event(delta(1, 2, put("/a", 6)))
    assert order == list(range(20))


def test_or_else_waits_for_what_both_have_read(play: Play) -> None:
    def has(pointer: str) -> Callable[[Tx], str]:
        def found(tx: Tx) -> str:
            if pointer not in tx:
                tx.retry()
            del tx[pointer]
            return pointer

        return found

    either = or_else(has("/q1"), has("/q2"))
    play.do(either)
    play.do(either)
    play.link.event(delta(1, 2, put("/q2", 1)))
    assert play.commit()["ops"] == [{"op": "remove", "path": "/q2"}]
    play.link.answer(COMMIT, version=3, epoch=EPOCH)
    play.link.refuse(COMMIT, CONFLICT, version=3, deltas=[delta(2, 3, {"op": "remove", "path": "/q2"})])
    assert ([outcome.value for outcome in play.outcomes], play.link.names) == (["/q2"], [])
    play.link.event(delta(3, 4, put("/q1", 1)))
    assert play.commit()["ops"] == [{"op": "remove", "path": "/q1"}]


def test_retry_without_having_read_would_be_forever(play: Play) -> None:
    play.do(lambda tx: tx.retry())
    assert play.outcomes[0].uri == INVALID


def test_restart_waits_for_another_version(play: Play) -> None:
    runs = []

    def newer(tx: Tx) -> None:
        runs.append(tx.version)
        if tx.version < 3:
            tx.restart()

    play.do(newer)
    assert play.link.names == [SYNC]
    play.link.answer(SYNC, deltas=[], version=1, epoch=EPOCH)
    assert (runs, play.link.names) == ([1], [])
    play.link.event(delta(1, 2, put("/z", 1)), delta(2, 3, put("/z", 2)))
    assert (runs, play.outcomes) == ([1, 3], [3])


# Giving up


def test_canceling_what_sleeps_or_waits(play: Play) -> None:
    play.core.detach(play.link, "cut")
    cancels = [play.do(above_five), play.do(count)]
    for cancel in cancels:
        cancel()
        cancel()
    play.attach()
    sync(play, delta(1, 2, put("/a", 6)), version=2)
    assert (play.outcomes, play.link.names) == ([], [])


def test_canceling_what_was_sent_makes_room() -> None:
    play = Play(in_flight=1)
    play.live({"a": 1}, 1)
    cancel = play.do(count)
    play.do(add_one)
    cancel()
    assert play.link.names == [COMMIT, COMMIT]
    play.committed(2)  # of the one that was canceled
    play.committed(3)
    play.link.event(delta(1, 2), delta(2, 3))
    assert play.outcomes == [3]


def test_canceling_what_waits_for_its_time(play: Play) -> None:
    cancel = play.do(add_one)
    for version in (2, 3):
        play.link.refuse(COMMIT, CONFLICT, version=version, deltas=[delta(version - 1, version)])
    cancel()
    sent = play.do(count)
    play.link.refuse(COMMIT, UNAVAILABLE)
    sent()
    play.timers.advance(10)
    assert (play.outcomes, play.link.names) == ([], [])


def test_canceling_what_is_committed(play: Play) -> None:
    cancel = play.do(count)
    play.committed(2)
    cancel()
    play.link.event(delta(1, 2))
    assert play.outcomes == []


def test_closing_settles_everything(play: Play) -> None:
    play.do(count)
    play.do(count)
    canceled = play.do(count)
    play.do(count)
    play.do(above_five)
    for version in (2, 3, 4):
        play.committed(version)
    canceled()
    play.link.event(delta(1, 2))
    play.core.close()
    play.do(get)
    kinds = [type(outcome) for outcome in play.outcomes]
    assert kinds == [Committed, Committed, UnknownOutcome, DstmError, DstmError]
    assert [play.outcomes[0], play.outcomes[1]] == [2, 3]


# Partial replicas


@pytest.mark.parametrize(
    "function",
    [
        lambda tx: tx.get("/b"),
        lambda tx: tx["/b"],
        lambda tx: tx.keys(),
        lambda tx: tx.inc("/b", 1),
        lambda tx: tx.copy("/b", "/a"),
        lambda tx: tx.put("/b/c", 1),
    ],
)
def test_what_a_partial_replica_does_not_hold_is_not_missing(function: Callable[[Tx], Any]) -> None:
    play = Play(["/a"])
    link = play.attach()
    link.answer("dstm.s.view", topic="t")
    link.answer("subscribe t")
    link.answer(SYNC, snapshot={"a": 1}, version=1, epoch=EPOCH, hash=HASH)
    play.do(function)
    error = play.outcomes[-1]
    assert isinstance(error, DstmError)
    assert "partial replica" in error.text
    play.do(add_one)
    assert link.names == [COMMIT]
