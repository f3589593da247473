"""A running space: turns, writes, failures, presence, waits."""

from pathlib import Path
from typing import Any

import pytest
from dstm_space_play import EPOCH, NOON, DiskLog, Played, add, inc, recovered, remove, replace, submission, tx

from realms.dstm import errors
from realms.dstm.changes import Change
from realms.dstm.constraints import Constraint
from realms.dstm.decisions import Committed, Made
from realms.dstm.errors import DstmError
from realms.dstm.log import LogBroken, LogRefused, LogUnavailable, Record
from realms.dstm.log.memory import MemoryLog
from realms.dstm.reads import Read
from realms.dstm.sequencer import Sequencer
from realms.dstm.settings import Settings
from realms.dstm.space import LONGEST_TIMER_MS
from realms.dstm.waits import Woken

A = [Read("value", ("a",))]


def uris(answers: list[Any]) -> list[str]:
    return [answer.uri if isinstance(answer, DstmError) else "committed" for answer in answers]


# Turns and writes


def test_a_commit_is_answered_when_it_is_durable() -> None:
    """Decided at the end of the turn, written in the background, then answered and told."""
    played = Played().open()
    played.submit(add("/a", 1))
    assert played.space.version == 0
    played.around.turn()
    assert (played.space.version, played.space.durable_version) == (1, 0)
    assert (played.answers, played.told) == ([], [])
    played.around.job()
    assert played.answers == [Committed(1, EPOCH, NOON)]
    assert played.told == [1]
    assert played.document == {"a": 1}


def test_the_next_batch_forms_while_one_is_written() -> None:
    """And is written when that is durable, all of it at once."""
    played = Played().open()
    for number in range(4):
        played.submit(add(f"/{number}", 1))
        played.around.turn()
    assert len(played.around.jobs) == 1
    played.around.job()
    assert played.told == [1]
    played.around.settle()
    assert played.told == [1, 2, 3, 4]
    assert played.log.calls == ["open", "write", "write"]


def test_one_turn_is_one_batch() -> None:
    played = Played().open()
    for number in range(10):
        played.submit(add(f"/{number}", 1))
    played.around.settle()
    assert played.log.calls == ["open", "write"]
    assert [answer.version for answer in played.answers] == list(range(1, 11))


def test_a_log_in_memory_is_written_at_the_end_of_the_turn() -> None:
    played = Played(MemoryLog()).open()
    played.submit(add("/a", 1))
    played.around.turn()
    assert [answer.version for answer in played.answers] == [1]
    assert played.around.jobs == []


def test_answers_before_deltas_before_waits() -> None:
    played = Played().open()
    order: list[str] = []
    played.space.on_entries = lambda entries: order.append("told")
    played.space.wait(A, EPOCH, 0, 100, lambda answer: order.append("woken"))
    played.space.submit(submission(add("/a", 1)), lambda answer: order.append("answered"))
    played.around.settle()
    assert order == ["answered", "told", "woken"]


def test_a_conflict_is_answered_behind_its_cause() -> None:
    played = Played().open()
    played.submit(add("/a", 1), base=0)
    played.around.turn()
    played.submit(add("/a", 2), base=0, reads=["/a"])
    played.around.turn()
    assert played.answers == []
    played.around.settle()
    assert uris(played.answers) == ["committed", errors.CONFLICT]
    assert [delta[1] for delta in played.answers[1].details["deltas"]] == [1]


def test_the_same_tx_twice_in_one_turn() -> None:
    played = Played().open()
    for _ in range(2):
        played.submit(inc("/n", 1), tx=tx(1), base=0)
    played.around.settle()
    assert [(answer.version, answer.dup) for answer in played.answers] == [(1, False), (1, True)]
    assert played.document == {"n": 1}


def test_reads_alone_need_no_write() -> None:
    played = Played().open()
    played.submit(reads=["/a"], base=0)
    played.around.turn()
    assert [answer.version for answer in played.answers] == [0]


def test_a_turn_has_an_end() -> None:
    """The rest is decided in the next one."""
    played = Played(turn_decisions=2).open()
    for number in range(5):
        played.submit(add(f"/{number}", 1))
    played.around.turn()
    assert played.space.version == 2
    played.around.settle()
    assert len(played.answers) == 5


def test_a_batch_has_an_end() -> None:
    """What does not fit waits for the write."""
    played = Played(batch_records=2).open()
    for number in range(5):
        played.submit(add(f"/{number}", 1))
    played.around.turn()
    assert played.space.version == 2
    played.around.turn()
    assert played.space.status()["undecided"] == 3
    played.around.settle()
    assert [len(uris(played.answers)), played.space.durable_version] == [5, 5]
    assert played.log.calls.count("write") == 3


# Bounds and fairness


def test_a_client_has_so_many_in_flight() -> None:
    played = Played(in_flight_per_client=2).open()
    for number in range(3):
        played.submit(add(f"/{number}", 1))
    played.submit(add("/other", 1), client=2)
    assert uris(played.answers) == [errors.THROTTLED]
    assert played.answers[0].details == {"limit": 2}
    played.around.settle()
    assert uris(played.answers[1:]) == ["committed"] * 3
    assert played.commit(add("/again", 1)).version == 4


def test_what_waits_is_bounded() -> None:
    played = Played(queue=2).open()
    for number in range(3):
        played.submit(add(f"/{number}", 1))
    assert uris(played.answers) == [errors.THROTTLED]
    played.around.settle()
    assert uris(played.answers) == [errors.THROTTLED, "committed", "committed"]


def test_who_lost_often_has_its_turn() -> None:
    """Rivals wait until it has committed; others do not."""
    played = Played(defer_after=1, defer_ms=50).open()
    played.commit(add("/a", 1), base=0)
    assert played.commit(replace("/a", 5), base=0, reads=["/a"], client=2).uri == errors.CONFLICT
    played.submit(replace("/a", 6), base=1, client=3)
    played.submit(add("/b", 6), base=1, client=4)
    played.around.settle()
    assert [answer.version for answer in played.answers] == [2]
    played.submit(replace("/a", 5), base=1, reads=["/a"], client=2)
    played.around.settle()
    assert [answer.version for answer in played.answers] == [2, 3, 4]
    assert played.document == {"a": 6, "b": 6}


def test_rivals_wait_no_longer_than_that() -> None:
    played = Played(defer_after=1, defer_ms=50).open()
    played.commit(add("/a", 1), base=0)
    played.commit(replace("/a", 5), base=0, reads=["/a"], client=2)
    played.submit(replace("/a", 6), base=1, client=3)
    played.around.pass_ms(49)
    assert played.answers == []
    played.around.pass_ms(1)
    assert uris(played.answers) == ["committed"]


def test_a_repeated_conflict_is_no_further_loss() -> None:
    played = Played(defer_after=2, defer_ms=50).open()
    played.commit(add("/a", 1), base=0)
    for _ in range(5):
        played.commit(replace("/a", 5), tx=tx(1), base=0, reads=["/a"], client=2)
    assert played.commit(replace("/a", 6), base=1, client=3).version == 2
    assert played.space.status()["repetitions"] == 4


def test_what_happens_is_counted() -> None:
    played = Played().open()
    played.commit(add("/a", 1), base=0)
    played.commit(add("/a", 2), base=0, reads=["/a"])
    played.commit(remove("/none"))
    status = played.space.status()
    counted = {
        name: status[name] for name in ("commits", "conflicts", "rejects", "flushes", "version", "state")
    }
    assert counted == {
        "commits": 1,
        "conflicts": 1,
        "rejects": 1,
        "flushes": 3,
        "version": 1,
        "state": "open",
    }
    assert played.space.counters.commit_paths.busiest(9) == [("/a", 1)]
    assert played.space.counters.conflict_paths.busiest(9) == [("/a", 1)]


# Failure


def failed(*, happens: bool = False, error: Exception | None = None) -> Played:
    """Give a space at version 1 whose write of version 2 has failed, and 3 was decided on it."""
    played = Played(reopen_first_ms=100, reopen_most_ms=300).open()
    played.commit(add("/a", 1), tx=tx(1))
    played.log.fail("write", error or LogUnavailable("no space left"), happens)
    for number in (2, 3):
        played.submit(add(f"/{number}", 1), tx=tx(number))
        played.around.turn()
    played.submit(add("/undecided", 1), tx=tx(4))
    played.around.job()
    return played


def test_a_failed_write_leaves_its_outcome_open() -> None:
    """Everybody is told ``unavailable``: those in flight, in the open batch, and undecided."""
    played = failed()
    assert uris(played.answers) == [errors.UNAVAILABLE] * 3
    assert played.answers[0].details == {"state": "unavailable", "reason": "no space left"}
    assert (played.space.state, played.space.version, played.document) == ("unavailable", 1, {"a": 1})
    assert played.told == [1]
    assert played.states == ["open", "unavailable"]


def test_nothing_is_decided_while_it_is_unavailable() -> None:
    """What is durable is seen all the same."""
    played = failed()
    assert played.commit(add("/x", 1)).uri == errors.UNAVAILABLE
    with pytest.raises(DstmError, match="no space left"):
        played.space.wait(A, EPOCH, 0, 100, played.answers.append)
    with pytest.raises(DstmError, match="no space left"):
        played.space.read_entries(0, 1, played.answers.append)
    assert played.document == {"a": 1}


def test_it_opens_again_by_itself() -> None:
    """What was not written never was: it can be submitted again."""
    played = failed()
    played.answers.clear()
    played.around.pass_ms(100)
    assert (played.space.state, played.log.calls[-1]) == ("open", "reopen")
    assert played.commit(add("/2", 1), tx=tx(2)) == Committed(2, EPOCH, NOON + 100)
    assert played.told == [1, 2]


def test_what_was_written_after_all_is_told() -> None:
    played = failed(happens=True)
    assert played.told == [1]
    played.around.pass_ms(100)
    assert played.told == [1, 2]
    assert played.document == {"a": 1, "2": 1}
    assert played.commit(add("/2", 1), tx=tx(2)).dup is True
    assert played.commit(add("/3", 1), tx=tx(3)).dup is False


def test_it_tries_again_later_and_later() -> None:
    played = failed()
    for _ in range(4):
        played.log.fail("reopen", LogUnavailable("still no space"))
    tried = []
    for _ in range(12):
        played.around.pass_ms(100)
        tried.append(played.log.calls.count("reopen"))
    assert tried == [1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5]
    assert played.space.state == "open"
    assert played.space.status()["failures"] == 5


def test_the_delay_begins_anew_after_a_write() -> None:
    played = failed()
    played.around.pass_ms(100)
    played.log.fail("write", LogUnavailable("no space left"))
    played.commit(add("/x", 1))
    played.around.pass_ms(199)
    assert played.space.state == "unavailable"
    played.around.pass_ms(1)
    assert played.commit(add("/x", 1)).version == 2
    played.log.fail("write", LogUnavailable("no space left"))
    played.commit(add("/y", 1))
    played.around.pass_ms(100)
    assert played.space.state == "open"


@pytest.mark.parametrize("error", [LogBroken("fsync failed"), RuntimeError("a defect")])
def test_a_broken_log_needs_a_restart(error: Exception) -> None:
    played = failed(error=error)
    played.around.pass_ms(100_000)
    assert (played.space.state, "reopen" in played.log.calls) == ("unavailable", False)
    assert "restarted" in played.space.reason
    assert played.document == {"a": 1}


@pytest.mark.parametrize("error", [LogBroken("fsync failed"), LogRefused("file", "damaged")])
def test_a_log_that_breaks_when_it_is_opened_again(error: Exception) -> None:
    played = failed()
    played.log.fail("reopen", error)
    played.around.pass_ms(100_000)
    assert played.log.calls.count("reopen") == 1
    assert "restarted" in played.space.reason


def test_a_log_that_has_lost_something_is_not_used() -> None:
    played = failed()
    played.log.records.clear()
    played.around.pass_ms(100_000)
    assert played.space.state == "unavailable"
    assert "does not hold version 1" in played.space.reason


def test_waits_end_with_the_log() -> None:
    played = Played().open()
    played.space.wait(A, EPOCH, 0, 100, played.answers.append)
    played.log.fail("write", LogUnavailable("no space left"))
    played.commit(add("/x", 1))
    assert uris(played.answers) == [errors.UNAVAILABLE]


def test_fairness_forgets_what_was_taken_back() -> None:
    """Nobody stays in flight."""
    played = failed()
    assert played.space._fairness.in_flight(1) == 0


# Opening and closing


def test_a_log_that_cannot_be_opened_yet() -> None:
    log = DiskLog()
    log.fail("open", LogUnavailable("locked"))
    log.fail("reopen", LogUnavailable("locked"))
    played = Played(log, reopen_first_ms=100).open()
    assert (played.space.state, played.space.reason) == ("unavailable", "locked")
    assert played.commit(add("/a", 1)).uri == errors.UNAVAILABLE
    with pytest.raises(DstmError, match="locked"):
        played.space.durable  # noqa: B018
    assert played.space.status()["state"] == "unavailable"
    played.space.left(1)
    played.around.pass_ms(300)
    assert played.commit(add("/a", 1)).version == 1


def test_a_log_that_must_not_be_used() -> None:
    log = DiskLog()
    log.fail("open", LogRefused("file", "damaged"))
    with pytest.raises(LogRefused):
        Played(log).open()


def test_a_log_that_opens_late_and_does_not_fit() -> None:
    """It is refused then, for ever."""
    log = DiskLog([Record("commit", 1, NOON, changes=(Change("remove", "/a"),))])
    log.fail("open", LogUnavailable("locked"))
    played = Played(log).open()
    played.around.pass_ms(100_000)
    assert "does not follow" in played.space.reason


def test_closing_finishes_what_was_decided() -> None:
    """What was not is refused."""
    played = Played().open()
    done: list[str] = []
    played.submit(add("/a", 1))
    played.around.turn()
    played.submit(add("/b", 1))
    played.around.turn()
    played.submit(add("/c", 1))
    played.space.wait(A, EPOCH, 0, 100, played.answers.append)
    played.space.close(lambda: done.append("closed"))
    assert uris(played.answers) == [errors.UNAVAILABLE] * 2
    assert done == []
    played.around.settle()
    assert uris(played.answers[2:]) == ["committed", "committed"]
    assert (done, played.log.calls[-1]) == (["closed"], "close")
    assert played.commit(add("/d", 1)).uri == errors.UNAVAILABLE


def test_closing_twice() -> None:
    played = Played().open()
    played.space.close()
    played.space.close()
    played.around.settle()
    assert played.states == ["open", "closed"]


def test_closing_what_is_unavailable() -> None:
    played = failed()
    played.space.close()
    played.around.pass_ms(100_000)
    assert "reopen" not in played.log.calls
    assert played.space.state == "closed"


def test_closing_while_it_is_opened_again() -> None:
    played = failed()
    played.around.time += 100
    played.around.timers.popitem()[1][1]()
    played.space.close()
    played.around.settle()
    assert played.log.calls[-2:] == ["reopen", "close"]
    assert played.space.state == "closed"


def test_closing_what_was_never_open() -> None:
    played = Played()
    done: list[str] = []
    played.space.close(lambda: done.append("closed"))
    played.around.settle()
    assert done == ["closed"]


def test_closing_what_waits_for_its_log() -> None:
    log = DiskLog()
    log.fail("open", LogUnavailable("locked"))
    played = Played(log).open()
    played.space.close()
    played.around.pass_ms(100_000)
    assert played.log.calls == ["open", "close"]


def test_a_write_that_fails_after_closing() -> None:
    played = Played().open()
    played.log.fail("write", LogUnavailable("no space left"))
    played.submit(add("/a", 1))
    played.around.turn()
    played.space.close()
    played.around.pass_ms(100_000)
    assert uris(played.answers) == [errors.UNAVAILABLE]
    assert (played.space.state, played.log.calls) == ("closed", ["open", "write", "close"])


def test_dropping() -> None:
    played = Played().open()
    played.space.close(is_dropped=True)
    played.around.settle()
    assert played.log.calls == ["open", "drop"]


def test_other_settings() -> None:
    """They hold from now on; what can't be used changes nothing."""
    played = Played().open()
    played.space.configure(Settings(constraints=(Constraint(pointer="/n", maximum=1),), queue=1))
    assert played.commit(add("/n", 2)).uri == errors.CONSTRAINT
    with pytest.raises(ValueError, match="no predicate"):
        played.space.configure(Settings(constraints=(Constraint(pointer="/n", predicate="no:no"),)))
    assert played.space.settings.queue == 1
    closed = Played()
    closed.space.configure(Settings(queue=1))
    assert closed.space.settings.queue == 1


# Presence


def test_what_a_session_bound_goes_with_it() -> None:
    """After it has lingered; by a commit that is told."""
    played = Played().open()
    played.commit(add("/here", 1, bind="session", linger_ms=100), client=7)
    played.space.left(7)
    played.around.pass_ms(99)
    assert played.document == {"here": 1}
    played.around.pass_ms(1)
    assert played.document == {}
    assert played.told == [1, 2]
    assert played.around.timers == {}


def test_a_lifetime_ends() -> None:
    played = Played().open()
    played.commit(add("/a", 1, ttl_ms=100))
    played.commit(add("/b", 1, ttl_ms=50))
    played.around.pass_ms(100)
    assert played.document == {}
    assert played.told == [1, 2, 3, 4]


def test_a_lifetime_may_be_longer_than_any_timer() -> None:
    played = Played().open()
    played.commit(add("/a", 1, ttl_ms=2**53 - 1))
    assert [when for when, _ in played.around.timers.values()] == [NOON + LONGEST_TIMER_MS]
    played.commit(add("/b", 1, ttl_ms=LONGEST_TIMER_MS + 5))
    played.around.pass_ms(LONGEST_TIMER_MS + 5)
    assert played.document == {"a": 1}
    assert len(played.around.timers) == 1


def test_after_a_start_no_session_is_there() -> None:
    played = Played().open()
    played.commit(add("/here", 1, bind="session", linger_ms=100), client=7)
    again = Played(played.log).open()
    again.around.pass_ms(100)
    assert again.document == {}


def test_much_is_undone_in_parts() -> None:
    played = Played().open()
    played.commit(*[add(f"/{number}", 1, bind="session") for number in range(250)], client=7)
    played.space.left(7)
    played.around.pass_ms(0)
    assert played.document == {}
    assert played.told == [1, 2, 3, 4]


def test_what_is_due_waits_for_room() -> None:
    """A full batch is written first, whatever is due."""
    played = Played(batch_records=1).open()
    played.commit(add("/a", 1, ttl_ms=100))
    played.submit(add("/b", 1))
    played.around.turn()
    played.submit(add("/c", 1))
    played.around.turn()
    played.around.time += 100
    played.submit(add("/d", 1))
    played.around.turn()
    assert [when for when, _ in played.around.timers.values()] == []
    played.around.settle()
    assert played.document == {"b": 1, "c": 1, "d": 1}


def test_what_is_due_later_has_its_timer_though_the_batch_is_full() -> None:
    played = Played(batch_records=1).open()
    played.commit(add("/a", 1, ttl_ms=100))
    for path in ("/b", "/c"):
        played.submit(add(path, 1))
        played.around.turn()
    played.around.pass_ms(100)
    assert played.document == {"b": 1, "c": 1}


def test_who_leaves_while_the_log_is_away() -> None:
    played = Played(reopen_first_ms=100).open()
    played.commit(add("/here", 1, bind="session"), client=7)
    played.log.fail("write", LogUnavailable("no space left"))
    played.commit(add("/x", 1))
    played.space.left(7)
    played.around.pass_ms(99)
    assert played.document == {"here": 1}
    played.around.pass_ms(1)
    assert played.document == {}


def test_what_was_not_decided_goes_with_its_session() -> None:
    """Else it might bind what nobody would undo."""
    played = Played().open()
    played.submit(add("/here", 1, bind="session"), client=7)
    played.submit(add("/there", 1), client=8)
    played.space.wait(A, EPOCH, 0, 100, played.answers.append, client=7)
    played.space.left(7)
    assert uris(played.answers) == [errors.UNAVAILABLE]
    played.around.pass_ms(1000)
    assert played.document == {"there": 1}
    assert played.space.status()["waits"] == 0


def test_a_client_may_be_other_than_its_session() -> None:
    played = Played().open()
    body = submission(add("/a", 1))
    body.author = type(body.author)("user", "role", "ann", 7)
    played.space.submit(body, played.answers.append)
    played.space.left(7, client="ann")
    assert uris(played.answers) == [errors.UNAVAILABLE]


# Waits


def test_waiting_for_a_change() -> None:
    played = Played().open()
    played.space.wait(A, EPOCH, 0, 100, played.answers.append)
    played.commit(add("/b", 1))
    assert played.answers == []
    played.submit(add("/a", 1))
    played.around.turn()
    assert played.answers == []
    played.around.settle()
    assert played.answers == [Committed(2, EPOCH, NOON), Woken(2, EPOCH)]


def test_what_has_changed_already_is_answered_at_once() -> None:
    played = Played().open()
    played.commit(add("/a", 1))
    played.commit(add("/b", 1))
    played.space.wait(A, EPOCH, 0, 100, played.answers.append)
    assert played.answers == [Woken(2, EPOCH)]
    played.space.wait(A, None, 1, 100, played.answers.append)
    assert len(played.answers) == 1


def test_what_has_changed_and_is_not_durable_is_answered_then() -> None:
    played = Played().open()
    played.submit(add("/a", 1))
    played.around.turn()
    woken: list[Any] = []
    played.space.wait(A, EPOCH, 0, 100, woken.append)
    assert woken == []
    played.around.job()
    assert woken == [Woken(1, EPOCH)]


def test_a_wait_has_a_longest_time() -> None:
    played = Played(wait_ms=50).open()
    played.space.wait(A, EPOCH, 0, 10_000, played.answers.append)
    played.around.pass_ms(50)
    assert uris(played.answers) == [errors.TIMEOUT]


def test_a_canceled_wait() -> None:
    played = Played().open()
    played.commit(add("/z", 1))
    played.space.wait(A, EPOCH, 1, 100, played.answers.append)()
    woken_at_once = played.space.wait([Read("value", ("z",))], EPOCH, 0, 100, played.answers.append)
    woken_at_once()
    played.commit(add("/a", 1))
    assert played.answers == [Woken(1, EPOCH)]


@pytest.mark.parametrize(("epoch", "base", "uri"), [("f" * 32, 0, errors.EPOCH), (EPOCH, 1, errors.INVALID)])
def test_what_cannot_be_waited_for(epoch: str, base: int, uri: str) -> None:
    played = Played().open()
    with pytest.raises(DstmError) as caught:
        played.space.wait(A, epoch, base, 100, played.answers.append)
    assert caught.value.uri == uri


# Callbacks


def failing(answer: Any) -> None:
    raise ZeroDivisionError


def test_a_reply_that_fails_harms_nobody() -> None:
    """Its error is raised when all have been told."""
    played = Played().open()
    played.space.submit(submission(add("/a", 1)), failing)
    played.submit(add("/b", 1))
    played.around.turn()
    with pytest.raises(ZeroDivisionError):
        played.around.job()
    assert uris(played.answers) == ["committed"]
    assert played.told == [1, 2]
    assert played.commit(add("/c", 1)).version == 3


def test_several_that_fail() -> None:
    played = Played(MemoryLog()).open()
    played.space.on_entries = failing
    played.space.submit(submission(add("/a", 1)), failing)
    with pytest.raises(ExceptionGroup) as caught:
        played.around.turn()
    assert len(caught.value.exceptions) == 2


def test_a_reply_may_submit_and_close() -> None:
    """What it submits is decided later; what is being told is told to the end first."""
    played = Played().open()

    def reply(answer: Any) -> None:
        played.answers.append(answer)
        played.submit(add("/more", 1))
        played.submit(reads=["/a"], base=1)
        played.space.close()

    played.space.submit(submission(add("/a", 1)), reply)
    played.submit(add("/b", 1))
    played.around.settle()
    assert uris(played.answers) == ["committed", errors.UNAVAILABLE, errors.UNAVAILABLE, "committed"]
    assert played.log.calls == ["open", "write", "close"]


def test_a_defect_in_a_decision_is_that_transaction_s_alone() -> None:
    played = Played().open()

    def broken(document: Any, version: int) -> Made:
        raise ZeroDivisionError

    played.space.submit(submission(make=broken), played.answers.append)
    played.submit(add("/b", 1), client=2)
    with pytest.raises(ZeroDivisionError):
        played.around.turn()
    played.around.settle()
    assert uris(played.answers) == [errors.UNAVAILABLE, "committed"]
    assert played.space._fairness.in_flight(1) == 0


def test_a_ticket_may_have_nobody_to_tell() -> None:
    """As those that are submitted to the sequencer itself."""
    ticket = Sequencer("s", recovered(), Settings()).submit(submission(add("/a", 1)), NOON)
    assert ticket.reply(ticket.answer) is None


def test_a_timer_and_a_submission_make_one_turn() -> None:
    played = Played().open()
    played.commit(add("/a", 1, ttl_ms=100))
    played.submit(add("/b", 1))
    played.around.time += 100
    played.around.timers.popitem()[1][1]()
    assert len(played.around.turns) == 1
    played.around.settle()
    assert played.document == {"b": 1}


# The log's history


def test_the_log_is_asked_for_its_history() -> None:
    """For what is durable."""
    played = Played().open()
    found: list[Any] = []
    for _ in range(3):
        played.commit(inc("/n", 1))
    played.space.read_entries(2, 99, found.append)
    played.space.backup(Path("copy"), found.append)
    played.space.compact(found.append)
    played.around.settle()
    records, backed_up, compacted = found
    assert [record.version for record in records] == [2, 3]
    assert (backed_up, compacted, played.log.snapshot[0]) == (None, None, 3)


@pytest.mark.parametrize(
    ("error", "state"), [(LogUnavailable("full"), "open"), (LogBroken("fsync"), "unavailable")]
)
def test_a_snapshot_that_fails(error: Exception, state: str) -> None:
    """It is tried again; unless the log is broken."""
    played = Played(snapshot_every=1).open()
    played.log.fail("save_snapshot", error)
    played.commit(inc("/n", 1))
    assert played.space.state == state
    assert played.space.status()["failures"] == 1
