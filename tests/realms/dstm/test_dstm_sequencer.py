"""The sequencer: what is decided, what is answered, what is taken back."""

from typing import Any

import pytest
from dstm_space_play import (
    EPOCH,
    NOON,
    add,
    commit,
    decide,
    flush,
    inc,
    opened,
    recovered,
    remove,
    replace,
    submission,
    tx,
)

from realms.dstm import errors
from realms.dstm.changes import Change, chain, first_hash
from realms.dstm.constraints import Constraint
from realms.dstm.decisions import LogDiffers, Made
from realms.dstm.errors import DstmError
from realms.dstm.log import LogRefused, Record
from realms.dstm.pointer import parse
from realms.dstm.reads import Read
from realms.dstm.sequencer import Committed, Sequencer
from realms.dstm.transaction import Limits
from realms.dstm.work import Limits as WorkLimits


def uri(answer: Any) -> str:
    assert isinstance(answer, DstmError), answer
    return answer.uri


# Committing


def test_a_commit_makes_the_next_version() -> None:
    """Version, epoch and time are the answer; the document holds the change."""
    space = opened()
    answer = commit(space, add("/hello", "world"), base=0, epoch=EPOCH)
    assert answer == Committed(1, EPOCH, NOON)
    assert space.durable.plain() == {"hello": "world"}
    assert space.durable_hash == chain(first_hash(EPOCH), 1, [Change("add", "/hello", "world")])


def test_what_is_decided_is_not_durable() -> None:
    """Until its batch is flushed, a commit is in the head alone."""
    space = opened()
    decide(space, add("/a", 1), base=0)
    assert (space.version, space.durable_version) == (1, 0)
    assert space.head.plain() == {"a": 1}
    assert space.durable.plain() == {}


def test_answers_come_in_the_order_of_the_decisions() -> None:
    """Of commits, rejects and reads alike."""
    space = opened()
    decide(space, add("/a", 1), base=0)
    decide(space, remove("/missing"), base=0)
    decide(space, base=0, reads=["/a"])
    decide(space, add("/b", 1), base=0)
    answers = flush(space)
    kinds = [answer.uri if isinstance(answer, DstmError) else answer.version for answer in answers]
    assert kinds == [1, errors.INVALID, errors.CONFLICT, 2]


def test_a_transaction_without_a_base_reads_what_is_there() -> None:
    space = opened()
    commit(space, add("/a", 1))
    assert commit(space, replace("/a", 2)).version == 2


def test_time_never_goes_back() -> None:
    """A clock that is set back does not order records otherwise."""
    space = opened()
    commit(space, add("/a", 1), now_ms=NOON)
    assert commit(space, add("/b", 1), now_ms=NOON - 1000).time == NOON


def test_reads_alone_make_no_version() -> None:
    """They are answered when what they were valid at is durable."""
    space = opened()
    decide(space, add("/a", 1), base=0)
    answer = decide(space, base=1, reads=["/a"], want=["/a"])
    assert flush(space)[1] == Committed(1, EPOCH, NOON, values=[1])
    assert answer.submission.transaction.ops == ()
    assert space.version == 1


def test_ops_without_effect_make_a_version() -> None:
    """So that their outcome is one, whenever they are submitted again."""
    space = opened()
    commit(space, add("/a", 5))
    answer = commit(space, {"op": "max", "path": "/a", "value": 3}, tx=tx(1))
    assert answer.version == 2
    assert space.window.entry(2).changes == ()


def test_events_alone_make_a_version() -> None:
    assert commit(opened(), publish=[{"topic": "com.example"}]).version == 1


# Conflicts


@pytest.mark.parametrize(
    ("reads", "ops"),
    [
        (["/a"], [add("/b", 1)]),
        ([["keys", ""]], [add("/b", 1)]),
        ([["exists", "/a"]], [add("/b", 1)]),
        ([], [{"op": "test", "path": "/a", "value": 7}]),
        ([], [{"op": "copy", "from": "/a", "path": "/b"}]),
        ([], [{"op": "setdefault", "path": "/a", "value": 7}]),
        (["/other"], [{"op": "move", "from": "/a", "path": "/b"}]),
        ([], [{"op": "setdefault", "path": "/a", "value": 7}, add("/b", 1)]),
    ],
)
def test_a_changed_read_is_a_conflict(reads: list[Any], ops: list[dict[str, Any]]) -> None:
    """Declared or implied."""
    space = opened()
    commit(space, add("/a", 7), base=0)
    answer = commit(space, *ops, base=0, reads=reads)
    assert uri(answer) == errors.CONFLICT
    assert space.version == 1


@pytest.mark.parametrize(
    "ops",
    [
        [inc("/n", 1)],
        [{"op": "push", "path": "/list", "value": 1}],
        [add("/other", 1)],
        [add("/other", 1), inc("/n", 1)],
        [{"op": "copy", "from": "/list", "path": "/other"}],
        [{"op": "move", "from": "/list", "path": "/other"}],
    ],
)
def test_what_depends_on_nothing_that_changed_commits(ops: list[dict[str, Any]]) -> None:
    """Blind ops and others, on an old base."""
    space = opened()
    commit(space, add("", {"n": 0, "list": []}))
    commit(space, inc("/n", 1), base=1)
    assert commit(space, *ops, base=1).version == 3


def test_an_index_conflicts_with_an_insertion() -> None:
    """A pointer through an array reads the array's keys."""
    space = opened()
    commit(space, add("", {"rows": [{"n": 1}, {"n": 2}]}))
    commit(space, add("/rows/0", {"n": 0}), base=1)
    assert uri(commit(space, replace("/rows/1/n", 9), base=1)) == errors.CONFLICT
    assert uri(commit(space, remove("/rows/0"), inc("/rows/0/n", 1), base=1)) == errors.CONFLICT


def test_a_conflict_brings_the_deltas() -> None:
    """From the base to the durable version, so that the next run is on one that holds them all."""
    space = opened()
    commit(space, add("/a", 1), base=0)
    commit(space, add("/b", 2), base=1)
    answer = commit(space, replace("/a", 5), base=0, reads=["/a"])
    assert answer.details["version"] == 2
    assert answer.details["paths"] == ["/a"]
    deltas = answer.details["deltas"]
    assert [delta[:2] for delta in deltas] == [[0, 1], [1, 2]]
    assert deltas[1][2] == [{"op": "add", "path": "/b", "value": 2}]
    assert deltas[1][3]["hash"] == space.durable_hash.hex()


def test_a_conflict_with_what_is_not_durable_waits_for_it() -> None:
    """It is answered behind the batch that caused it, up to what is durable then."""
    space = opened()
    decide(space, add("/a", 1), base=0)
    first = space.take_batch()
    decide(space, add("/a", 2), base=0, reads=["/a"])
    decide(space, add("/b", 2), base=1)
    assert space.take_batch() is None
    assert [answer.version for _, answer in space.flushed(first).answers] == [1]
    conflict, _ = flush(space)
    assert conflict.details["version"] == 2
    assert [delta[1] for delta in conflict.details["deltas"]] == [1, 2]


@pytest.mark.parametrize("bounds", [{"conflict_deltas": 1}, {"conflict_bytes": 100}])
def test_a_long_way_is_a_resync(bounds: dict[str, int]) -> None:
    space = opened(**bounds)
    commit(space, add("/a", "x" * 500), base=0)
    commit(space, add("/b", "x" * 500), base=0)
    details = commit(space, replace("/a", 5), base=0, reads=["/a"]).details
    assert details["resync"] is True
    assert "deltas" not in details


def test_a_failed_test_without_a_base_is_a_conflict_with_resync() -> None:
    """There is no version that the deltas could begin at."""
    answer = commit(opened(), {"op": "test", "path": "/a", "value": 1})
    assert uri(answer) == errors.CONFLICT
    assert answer.details == {"paths": ["/a"], "version": 0, "resync": True}


def test_a_conflict_shows_some_of_many_paths() -> None:
    space = opened()
    commit(space, add("", {str(n): n for n in range(200)}))
    answer = commit(space, add("/x", 1), base=0, reads=[f"/{n}" for n in range(200)])
    assert len(answer.details["paths"]) == 100
    assert answer.text.endswith(", ...")


# Ops that can't be applied


def test_an_op_that_does_not_fit_is_invalid() -> None:
    answer = commit(opened(), add("/a", 1), inc("/b/c", 1), base=0)
    assert uri(answer) == errors.INVALID
    assert (answer.details["part"], answer.details["index"]) == ("ops", 1)


def test_an_op_that_does_not_fit_any_more_is_a_conflict() -> None:
    """``inc`` reads nothing, but it met what was changed after its base."""
    space = opened()
    commit(space, add("/n", 1))
    commit(space, replace("/n", "text"), base=1)
    answer = commit(space, inc("/n", 1), base=1)
    assert uri(answer) == errors.CONFLICT
    assert answer.details["paths"] == ["/n"]


def test_an_op_that_never_did_fit_is_invalid_on_an_old_base() -> None:
    space = opened()
    commit(space, add("/n", "text"))
    commit(space, add("/other", 1), base=1)
    assert uri(commit(space, inc("/n", 1), base=1)) == errors.INVALID


def test_a_bounded_counter_needs_no_reads() -> None:
    """Two clients on one base both count; the bound is a constraint."""
    space = opened()
    commit(space, add("/stock", 2))
    assert commit(space, inc("/stock", -1, min=0), base=1).version == 2
    assert commit(space, inc("/stock", -1, min=0), base=1).version == 3
    assert uri(commit(space, inc("/stock", -1, min=0), base=1)) == errors.CONSTRAINT
    assert space.durable.plain() == {"stock": 0}


def test_a_document_over_its_limit_is_too_large() -> None:
    space = opened(limits=WorkLimits(document_bytes=100))
    assert uri(commit(space, add("/a", "x" * 200))) == errors.TOO_LARGE


def test_a_broken_constraint_rejects() -> None:
    space = opened(constraints=(Constraint(pointer="/n", maximum=10),))
    assert commit(space, add("/n", 10)).version == 1
    answer = commit(space, replace("/n", 11))
    assert uri(answer) == errors.CONSTRAINT
    assert answer.details["path"] == "/n"
    assert space.durable.plain() == {"n": 10}


# What has no place


def test_another_epoch_is_refused() -> None:
    space = opened()
    answer = commit(space, add("/a", 1), epoch="f" * 32, tx=tx(1))
    assert uri(answer) == errors.EPOCH
    assert answer.details == {"epoch": EPOCH, "version": 0}
    assert commit(space, add("/a", 1), epoch=EPOCH, tx=tx(1)).dup is False


def test_a_base_from_the_future_is_invalid() -> None:
    answer = commit(opened(), add("/a", 1), base=1)
    assert uri(answer) == errors.INVALID
    assert answer.details["part"] == "base"


def test_a_base_before_the_horizon_is_stale() -> None:
    space = opened(window_versions=2)
    for number in range(4):
        commit(space, add(f"/{number}", 1))
    answer = commit(space, add("/a", 1), base=1)
    assert uri(answer) == errors.STALE
    assert answer.details == {"version": 4, "horizon": 2}
    assert commit(space, add("/a", 1), base=2).version == 5


def test_stamps_that_forget_make_bases_stale() -> None:
    space = opened(stamp_entries=2)
    for number in range(5):
        commit(space, add(f"/{number}", 1))
    assert uri(commit(space, add("/a", 1), base=1)) == errors.STALE


# Exactly once


def test_the_same_tx_has_the_same_outcome() -> None:
    """Whenever it is submitted again."""
    space = opened()
    body: dict[str, Any] = {"tx": tx(1), "base": 0, "want": ["/a", "/none"]}
    first = commit(space, add("/a", 1), **body)
    commit(space, replace("/a", 2))
    assert commit(space, add("/a", 1), **body) == Committed(1, EPOCH, NOON, True, [1, None])
    assert first.values == [1, None]
    assert space.durable.plain() == {"a": 2}


def test_the_same_tx_while_it_is_in_flight() -> None:
    """Both are answered, and it happens once."""
    space = opened()
    decide(space, inc("/n", 1), tx=tx(1), base=0)
    first = space.take_batch()
    decide(space, inc("/n", 1), tx=tx(1), base=0)
    ((_, one),) = space.flushed(first).answers
    (two,) = flush(space)
    assert (one.version, one.dup, two.version, two.dup) == (1, False, 1, True)
    assert space.durable.plain() == {"n": 1}


def test_a_rejection_is_an_outcome_too() -> None:
    """The same transaction is rejected again, even if it could be applied now."""
    space = opened()
    body: dict[str, Any] = {"tx": tx(1), "base": 0}
    first = commit(space, inc("/n", -1, min=0), **body)
    commit(space, add("/n", 10))
    again = commit(space, inc("/n", -1, min=0), **body)
    assert (uri(first), uri(again)) == (errors.CONSTRAINT, errors.CONSTRAINT)
    assert again.details == first.details
    assert space.durable.plain() == {"n": 10}


def test_a_repeated_conflict_brings_newer_deltas() -> None:
    space = opened()
    commit(space, add("/a", 1), base=0)
    body: dict[str, Any] = {"tx": tx(1), "base": 0, "reads": ["/a"]}
    assert commit(space, add("/a", 2), **body).details["version"] == 1
    commit(space, add("/b", 1))
    details = commit(space, add("/a", 2), **body).details
    assert details["version"] == 2
    assert [delta[1] for delta in details["deltas"]] == [1, 2]


def test_the_same_tx_for_something_else_is_refused() -> None:
    space = opened()
    commit(space, add("/a", 1), tx=tx(1))
    assert uri(commit(space, add("/a", 2), tx=tx(1))) == errors.TX_REUSED
    assert commit(space, add("/a", 1), tx=tx(1)).dup is True


def test_a_known_tx_is_told_also_in_another_epoch() -> None:
    """After a restore, what the backup holds has happened; whoever asks must not do it again."""
    space = opened()
    body = submission(add("/a", 1), tx=tx(1), epoch="f" * 32)
    body_here = submission(add("/a", 1), tx=tx(1), epoch=EPOCH)
    body_here.digest = body.digest
    space.submit(body_here, NOON)
    flush(space)
    space.submit(body, NOON)
    assert flush(space)[0].dup is True


def test_a_forgotten_tx_is_stale() -> None:
    """Never applied a second time."""
    space = opened(window_versions=2)
    commit(space, inc("/n", 1), tx=tx(1), base=0)
    for _ in range(3):
        commit(space, inc("/n", 1))
    assert uri(commit(space, inc("/n", 1), tx=tx(1), base=0)) == errors.STALE
    assert space.durable.plain() == {"n": 4}


def test_rejects_without_end_are_forgotten() -> None:
    """At one version there can be any number of them: then another version is made, and they are stale."""
    space = opened(window_versions=3)
    for number in range(4):
        assert uri(commit(space, inc("/n", -1, min=0), tx=tx(number), base=0)) == errors.CONSTRAINT
    assert space.version == 1
    assert flush(space) == []
    assert space.durable_version == 1
    assert space.durable.plain() == {}
    assert len(space.window) <= 4
    assert uri(commit(space, inc("/n", -1, min=0), tx=tx(0), base=0)) == errors.STALE
    assert commit(space, inc("/n", 1), base=1).version == 2


def test_without_a_tx_nothing_is_remembered_of_a_reject() -> None:
    space = opened()
    decide(space, remove("/missing"), base=0)
    batch = space.take_batch()
    assert batch.records == []
    assert [error.uri for _, error in space.flushed(batch).answers] == [errors.INVALID]


# Values and made transactions


def test_values_are_bounded() -> None:
    space = opened(want_bytes=50)
    answer = commit(space, add("/a", "x" * 100), want=["/none", "/a"])
    assert uri(answer) == errors.TOO_LARGE
    assert (answer.details["part"], answer.details["index"]) == ("want", 1)
    assert space.version == 0


def test_a_transaction_can_be_made_when_it_is_decided() -> None:
    """On the newest version, so that it conflicts with nothing."""
    space = opened()
    decide(space, add("/n", 1))

    def double(document: Any, version: int) -> Made:
        value = document.find(("n",))
        return Made(submission(replace("/n", value * 2)).transaction, {"was": value, "at": version})

    for number in range(2):
        space.submit(submission(tx=tx(number), make=double), NOON)
    answers = flush(space)
    assert [answer.result for answer in answers] == [None, {"was": 1, "at": 1}, {"was": 2, "at": 2}]
    again = submission(tx=tx(0), make=double)
    space.submit(again, NOON)
    assert flush(space)[0] == Committed(2, EPOCH, NOON, True, None, {"was": 1, "at": 1})
    assert space.durable.plain() == {"n": 4}


def test_what_is_made_may_be_refused() -> None:
    """``throttled`` leaves no trace; other errors are outcomes."""
    space = opened()
    refusals = [DstmError(errors.THROTTLED, "later"), DstmError(errors.CONSTRAINT, "never"), None]

    def refuse(document: Any, version: int) -> Made:
        raise refusals.pop(0)  # type: ignore[misc]

    answers = []
    for _ in range(3):
        space.submit(submission(tx=tx(1), make=refuse), NOON)
        answers += [uri(answer) for answer in flush(space)]
    assert answers == [errors.THROTTLED, errors.CONSTRAINT, errors.CONSTRAINT]
    assert refusals == [None]


def test_a_result_is_bounded() -> None:
    space = opened(want_bytes=50)
    make = lambda document, version: Made(submission(add("/a", 1)).transaction, "x" * 100)  # noqa: E731
    space.submit(submission(make=make), NOON)
    answer = flush(space)[0]
    assert uri(answer) == errors.TOO_LARGE
    assert answer.details["part"] == "result"


# Presence


def test_what_a_session_bound_is_undone_when_it_leaves() -> None:
    space = opened()
    commit(space, add("/here", {}))
    commit(space, add("/here/ann", 1, bind="session", linger_ms=100), client=7)
    assert space.next_due() is None
    space.left(7, NOON)
    assert space.next_due() == NOON + 100
    space.undo_due(NOON + 100)
    flush(space)
    assert space.durable.plain() == {"here": {}}
    assert space.next_due() is None
    assert space.window.entry(3).record.tx is None


def test_what_was_there_before_is_put_back() -> None:
    space = opened()
    commit(space, add("/status", "away"))
    commit(space, replace("/status", "here", bind="session"), client=7)
    space.left(7, NOON)
    space.undo_due(NOON)
    flush(space)
    assert space.durable.plain() == {"status": "away"}


def test_what_was_written_over_stays() -> None:
    space = opened()
    commit(space, add("/a", 1, bind="session"), client=7)
    commit(space, replace("/a", 2), client=8)
    space.left(7, NOON)
    assert space.next_due() is None
    assert space.bindings_count == 0


def test_a_snapshot_has_the_bindings_of_the_durable_version() -> None:
    space = opened()
    commit(space, add("/a", 1, ttl_ms=50))
    decide(space, remove("/a"))
    assert space.bindings_count == 0
    assert [wire["path"] for wire in space.bindings_at_durable()] == ["/a"]


def test_a_lifetime_ends() -> None:
    space = opened()
    commit(space, add("/a", 1, ttl_ms=50))
    assert space.next_due() == NOON + 50
    space.undo_due(NOON + 50)
    flush(space)
    assert space.durable.plain() == {}


def test_what_is_due_together_is_undone_together() -> None:
    """In one commit, what lies below another first."""
    space = opened()
    commit(space, add("/a", {}, bind="session"), client=7)
    commit(space, add("/a/b", 1, bind="session"), client=7)
    space.left(7, NOON)
    space.undo_due(NOON)
    flush(space)
    assert space.durable.plain() == {}
    assert space.durable_version == 3


def test_what_cannot_be_undone_stays() -> None:
    """Here a constraint is in its way; the others are undone all the same."""
    space = opened(constraints=(Constraint(pointer="", schema='{"required": ["a"]}'),))
    commit(space, add("/a", 1, bind="session"), add("/b", 1, bind="session"), client=7)
    space.left(7, NOON)
    space.undo_due(NOON)
    flush(space)
    assert space.durable.plain() == {"a": 1}
    assert space.bindings_count == 0
    dropped = [wire for version in (2, 3) for wire in space.window.entry(version).record.bindings]
    assert dropped == [{"path": "/a", "dropped": True}]


def test_the_same_tx_from_another_session_takes_the_binding_over() -> None:
    """A client that has lost its connection, and asks what became of its transaction."""
    space = opened()
    body: dict[str, Any] = {"tx": tx(1), "base": 0}
    commit(space, add("/a", 1, bind="session", linger_ms=100), client=7, **body)
    space.left(7, NOON)
    assert commit(space, add("/a", 1, bind="session", linger_ms=100), client=8, **body).dup is True
    assert space.next_due() is None
    space.left(8, NOON)
    assert space.next_due() == NOON + 100


def test_a_repetition_without_a_session_takes_nothing_over() -> None:
    space = opened()
    commit(space, add("/a", 1, ttl_ms=50), tx=tx(1))
    again = submission(add("/a", 1, ttl_ms=50), tx=tx(1))
    again.author = type(again.author)()
    space.submit(again, NOON)
    assert flush(space)[0].dup is True


# Batches


def test_a_batch_is_bounded() -> None:
    space = opened(batch_records=2)
    decide(space, add("/a", 1))
    assert not space.is_full
    decide(space, add("/b", 1))
    assert space.is_full
    wide = opened(batch_bytes=1000)
    decide(wide, add("/a", "x" * 1000))
    assert wide.is_full


def test_nothing_is_no_batch() -> None:
    assert opened().take_batch() is None


def test_the_entries_of_a_batch_are_its_commits() -> None:
    """Rejects are told to nobody."""
    space = opened()
    decide(space, add("/a", 1), tx=tx(1))
    decide(space, remove("/missing"), tx=tx(2))
    batch = space.take_batch()
    assert [record.kind for record in batch.records] == ["commit", "reject"]
    assert [entry.version for entry in space.flushed(batch).entries] == [1]


# Failure


def failing() -> Sequencer:
    """Give a sequencer whose write of versions 2 and 3 has failed."""
    space = opened()
    commit(space, add("/a", 1), tx=tx(1))
    decide(space, add("/b", 1, bind="session"), tx=tx(2), client=7)
    decide(space, remove("/missing"), tx=tx(9))
    batch = space.take_batch()
    decide(space, add("/c", 1), tx=tx(3))
    space.batch = batch  # type: ignore[attr-defined]
    assert [ticket.submission.transaction.tx for ticket in space.failed(batch)] == [tx(2), tx(9), tx(3)]
    return space


def held(space: Sequencer, *more: Record) -> Any:
    """Give what the log of ``failing`` holds."""
    records = [space.window.entry(1).record, *more]
    return recovered(*records)


def test_a_failed_write_takes_everything_back() -> None:
    space = failing()
    assert (space.version, space.durable_version) == (1, 1)
    assert space.head.plain() == space.durable.plain() == {"a": 1}
    assert space.bindings_count == 0
    assert set(space.window.by_tx) == {tx(1)}
    assert space.window.entry(2) is None


def test_nothing_is_decided_until_the_log_has_told() -> None:
    space = failing()
    with pytest.raises(RuntimeError, match="until the log has told"):
        decide(space, add("/d", 1))


def test_what_was_not_written_can_be_submitted_again() -> None:
    space = failing()
    assert space.resumed(held(space), NOON) == []
    answer = commit(space, add("/c", 1), tx=tx(3), base=1, reads=["/c"])
    assert (answer.version, answer.dup) == (2, False)


def test_what_was_written_after_all_is_durable() -> None:
    """It is applied and told, and its outcome known, the rejects' too."""
    space = failing()
    entries = space.resumed(held(space, *space.batch.records), NOON)  # type: ignore[attr-defined]
    assert [entry.version for entry in entries] == [2]
    assert space.durable.plain() == {"a": 1, "b": 1}
    assert commit(space, add("/b", 1, bind="session"), tx=tx(2), client=7).dup is True
    assert uri(commit(space, remove("/missing"), tx=tx(9))) == errors.INVALID
    assert space.window.by_tx[tx(9)].record.kind == "reject"
    assert commit(space, add("/c", 1), tx=tx(3)).version == 3


def test_what_was_durable_before_is_not_told_again() -> None:
    """However much of it the log gives: commits and rejects."""
    space = opened()
    for number in range(3):
        commit(space, add(f"/{number}", 1), tx=tx(number))
        commit(space, remove("/missing"), tx=tx(10 + number))
    records = [space.window.by_tx[tx(number)].record for number in (0, 10, 1, 11, 2, 12)]
    decide(space, remove("/missing"), tx=tx(13))
    decide(space, add("/3", 1), tx=tx(3))
    decide(space, remove("/missing"), tx=tx(14))
    batch = space.take_batch()
    space.failed(batch)
    assert [entry.version for entry in space.resumed(recovered(*records, *batch.records), NOON)] == [4]
    assert set(space.window.by_tx) == {tx(number) for number in (0, 1, 2, 3, 10, 11, 12, 13, 14)}


def test_a_binding_that_was_written_after_all_has_its_session() -> None:
    """If that is still there; if it has left meanwhile, it is undone."""
    stays = failing()
    stays.resumed(held(stays, *stays.batch.records), NOON)  # type: ignore[attr-defined]
    assert stays.next_due() is None
    stays.left(7, NOON)
    assert stays.next_due() == NOON
    leaves = failing()
    leaves.left(8, NOON)
    leaves.left(7, NOON)
    leaves.resumed(held(leaves, *leaves.batch.records), NOON + 5)  # type: ignore[attr-defined]
    assert leaves.next_due() == NOON + 5


def test_a_binding_that_was_taken_over_in_flight_has_its_new_session() -> None:
    """Also when its write fails, and is found to have happened."""
    space = opened()
    body: dict[str, Any] = {"tx": tx(1), "base": 0}
    decide(space, add("/a", 1, bind="session"), client=7, **body)
    batch = space.take_batch()
    space.left(7, NOON)
    decide(space, add("/a", 1, bind="session"), client=8, **body)
    space.failed(batch)
    space.resumed(recovered(*batch.records), NOON)
    assert space.next_due() is None
    space.left(8, NOON)
    assert space.next_due() == NOON


def test_a_log_that_has_lost_something_is_not_used() -> None:
    space = failing()
    with pytest.raises(LogDiffers, match="does not hold version 1"):
        space.resumed(recovered(), NOON)
    assert space.is_lost


def test_a_log_of_another_epoch_is_not_used() -> None:
    space = failing()
    with pytest.raises(LogDiffers, match="epoch"):
        space.resumed(type(held(space))(*["f" * 32, *_fields(held(space))[1:]]), NOON)


def _fields(struct: Any) -> list[Any]:
    return [getattr(struct, name) for name in struct.__struct_fields__]


def test_a_log_that_goes_on_otherwise_is_not_used() -> None:
    space = failing()
    strange = Record("commit", 2, NOON, changes=(Change("add", "/z", 1),), hash=b"x" * 16)
    with pytest.raises(LogDiffers, match="another history"):
        space.resumed(held(space, strange), NOON)
    gap = failing()
    change = (Change("remove", "/z"),)
    wrong = Record("commit", 2, NOON, changes=change, hash=chain(gap.durable_hash, 2, change))
    with pytest.raises(LogDiffers, match="does not follow"):
        gap.resumed(held(gap, wrong), NOON)


def test_a_conflict_that_was_taken_back_was_none() -> None:
    """What caused it did not come to be: the same reads hold."""
    space = opened()
    decide(space, add("/a", 1))
    batch = space.take_batch()
    assert uri(decide(space, add("/a", 2), tx=tx(1), base=0, reads=["/a"]).answer) == errors.CONFLICT
    space.failed(batch)
    space.resumed(recovered(), NOON)
    assert commit(space, add("/a", 2), tx=tx(1), base=0, reads=["/a"]).version == 1


# Recovery


def test_recovery_remembers() -> None:
    """Document, outcomes and stamps, from the records."""
    before = opened()
    commit(before, add("/a", 1), tx=tx(1), base=0)
    commit(before, inc("/n", -1, min=0), tx=tx(2), base=0)
    records = [before.window.by_tx[tx(number)].record for number in (1, 2)]
    space = opened(*records)
    assert space.durable.plain() == {"a": 1}
    assert space.durable_hash == before.durable_hash
    assert commit(space, add("/a", 1), tx=tx(1), base=0).dup is True
    assert uri(commit(space, inc("/n", -1, min=0), tx=tx(2), base=0)) == errors.CONSTRAINT
    assert uri(commit(space, add("/a", 3), base=0, reads=["/a"])) == errors.CONFLICT


def test_recovery_undoes_what_was_bound() -> None:
    """No session of the former run is left; they linger from now on."""
    before = opened()
    commit(before, add("/a", 1, bind="session", linger_ms=100), client=7)
    space = opened(before.window.entry(1).record)
    space.started(NOON + 1000)
    assert space.next_due() == NOON + 1100


def test_records_that_do_not_follow_are_refused() -> None:
    with pytest.raises(LogRefused, match="version 1"):
        opened(Record("commit", 1, NOON, changes=(Change("remove", "/a"),)))


def test_a_constraint_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match="no predicate"):
        opened(constraints=(Constraint(pointer="/a", predicate="no.such:function"),))


def test_other_settings_hold_from_the_next_decision_on() -> None:
    space = opened()
    settings = type(space.settings)(constraints=(Constraint(pointer="/n", maximum=1),))
    space.configure(settings)
    assert uri(commit(space, add("/n", 2))) == errors.CONSTRAINT


# Undoing


def test_undoing_a_version() -> None:
    """All that it changed is as it was."""
    space = opened()
    commit(space, add("", {"a": 1, "b": {"c": 2}, "list": [1, 2]}))
    commit(space, replace("/a", 5), remove("/b"), add("/list/0", 0), add("/new", 1))
    space.submit(type(submission())(space.inverse(2), submission().author), NOON)
    assert flush(space)[0].version == 3
    assert space.durable.plain() == {"a": 1, "b": {"c": 2}, "list": [1, 2]}


def test_undoing_takes_back_nothing_that_came_later() -> None:
    space = opened()
    commit(space, add("/a", 1))
    commit(space, replace("/a", 2))
    space.submit(type(submission())(space.inverse(1), submission().author), NOON)
    assert uri(flush(space)[0]) == errors.CONFLICT


def test_only_what_is_remembered_can_be_undone() -> None:
    space = opened(window_versions=1)
    commit(space, add("/a", 1))
    commit(space, add("/b", 1))
    decide(space, add("/c", 1))
    with pytest.raises(DstmError, match="too old"):
        space.inverse(1)
    with pytest.raises(DstmError, match="not there yet"):
        space.inverse(3)


# What else is told


def test_reads_of_the_head() -> None:
    space = opened()
    decide(space, add("/a", 1))
    assert space.changed_since([Read("value", parse("/a"))], 0)
    assert not space.changed_since([Read("value", parse("/b"))], 0)


def test_limits_are_the_settings() -> None:
    assert opened().settings.limits == Limits()
