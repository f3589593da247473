"""The state: the same whether it was decided or recovered."""

from typing import Any

import pytest
from dstm_space_play import EPOCH, NOON, add, commit, decide, inc, opened, remove, tx
from msgspec.structs import replace as changed

from realms.dstm.changes import Change
from realms.dstm.document import Document
from realms.dstm.log import LogRefused, Record, Recovered
from realms.dstm.reads import Read
from realms.dstm.sequencer import Sequencer
from realms.dstm.settings import Settings
from realms.dstm.state import FORGET_STEP, State


def history(commits: int) -> list[Record]:
    """Give the records of some commits, each with a reject behind it."""
    space = opened()
    for number in range(commits):
        commit(space, inc("/n", 1), tx=tx(number), now_ms=NOON + number)
        commit(space, remove("/missing"), tx=tx(1000 + number), now_ms=NOON + number)
    known = space.window.by_tx
    return [known[tx(number)].record for n in range(commits) for number in (n, 1000 + n)]


def restored(
    records: list[Record], snapshot: int = 0, bindings: Any = (), settings: Settings | None = None
) -> State:
    hash = next((r.hash for r in records if r.hash and r.version == snapshot), b"")
    document = Document.of({"n": snapshot} if snapshot else {})
    held = Recovered(EPOCH, NOON, snapshot, document, hash, records, list(bindings))
    return State("s", held, settings or Settings())


def test_an_empty_log() -> None:
    state = restored([])
    assert (state.version, state.horizon, state.document.plain()) == (0, 0, {})


def test_records_are_followed() -> None:
    records = history(4)
    state = restored(records)
    assert state.version == 4
    assert state.document.plain() == {"n": 4}
    assert state.hash == records[-2].hash
    assert state.time == NOON + 3
    assert state.horizon == 0
    assert len(state.window.by_tx) == 8


def test_records_before_the_snapshot_are_remembered() -> None:
    """They are in the window and the stamps, and are not applied again."""
    state = restored(history(4), snapshot=2)
    assert state.document.plain() == {"n": 4}
    assert len(state.window.by_tx) == 8
    assert [entry.version for entry in state.window.since(0, 4) or []] == [1, 2, 3, 4]
    assert state.stamps.changed_since(Read("value", ("n",)), 0, state.document)
    assert state.window.oldest_document == 2


@pytest.mark.parametrize(("first", "horizon"), [(2, 2), (3, 3)])
def test_bases_are_good_from_the_first_commit_on(first: int, horizon: int) -> None:
    """Rejects of the version before it may be missing."""
    state = restored(history(4)[first:], snapshot=3)
    assert state.horizon == horizon
    assert all(entry.version >= horizon for entry in state.window.by_tx.values())
    assert state.window.since(horizon, 4) is not None


def test_records_that_begin_after_the_snapshot() -> None:
    """The first of them is applied, though no base is good before it."""
    state = restored(history(4)[4:], snapshot=2)
    assert (state.document.plain(), state.horizon) == ({"n": 4}, 3)


def test_a_snapshot_alone() -> None:
    state = restored([], snapshot=7)
    assert (state.version, state.horizon, state.document.plain()) == (7, 7, {"n": 7})


def test_rejects_alone() -> None:
    records = history(3)
    state = restored([records[-1]], snapshot=3)
    assert state.horizon == 3
    assert set(state.window.by_tx) == {tx(1002)}
    first = Record("reject", 0, NOON, tx(1), b"b", outcome={"error": "e", "text": "", "details": {}})
    assert restored([first, *records]).horizon == 0


def test_what_is_over_the_bounds_is_forgotten() -> None:
    state = restored(history(10), settings=Settings(window_versions=3))
    assert (state.horizon, len(state.window.since(8, 10) or [])) == (8, 2)


def test_bindings_of_the_snapshot_and_of_the_records() -> None:
    space = opened()
    commit(space, add("/a", 1, ttl_ms=5))
    commit(space, add("/b", 1, ttl_ms=5))
    commit(space, remove("/a"))
    records = [entry.record for entry in space.window.since(0, 3) or []]
    held = Recovered(EPOCH, NOON, 1, Document.of({"a": 1}), records[0].hash, records, records[0].bindings)
    state = State("s", held, Settings())
    assert [wire["path"] for wire in state.bindings.wires(3)] == ["/b"]


def test_a_binding_that_was_dropped_stays_dropped() -> None:
    space = opened()
    commit(space, add("/a", 1, ttl_ms=5))
    records = [space.window.entry(1).record]  # type: ignore[union-attr]
    records.append(
        changed(records[0], version=2, tx=None, changes=(), bindings=[{"path": "/a", "dropped": True}])
    )
    state = restored(records)
    assert state.bindings.by_path == {}


@pytest.mark.parametrize(
    "record",
    [
        Record("commit", 4, NOON, changes=(Change("add", "/a", 1),)),
        Record("commit", 3, NOON, changes=(Change("remove", "/a"),)),
        Record("commit", 3, NOON, changes=(Change("add", "no pointer", 1),)),
        Record("reject", 3, NOON, tx(1), b"b", outcome={"error": "e"}),
    ],
)
def test_what_does_not_follow_is_refused(record: Record) -> None:
    with pytest.raises(LogRefused, match="space s, version"):
        restored([*history(2), record])


def test_taking_rejects_back_leaves_the_stamps() -> None:
    """No version is gone then."""
    space = opened()
    commit(space, add("/a", 1))
    decide(space, remove("/missing"), tx=tx(1))
    batch = space.take_batch()
    assert batch is not None
    stamps = space._state.stamps
    space.failed(batch)
    assert space._state.stamps is stamps
    assert space.window.by_tx == {}
    assert space.changed_since([Read("value", ("a",))], 0)


def test_taking_commits_back_takes_their_stamps() -> None:
    space = opened()
    commit(space, add("/a", 1))
    decide(space, add("/b", 1))
    batch = space.take_batch()
    assert batch is not None
    space.failed(batch)
    assert not space.changed_since([Read("value", ("b",))], 0)
    assert space.changed_since([Read("value", ("a",))], 0)


def test_stamps_are_forgotten_in_steps() -> None:
    space = opened(window_versions=10)
    for _ in range(FORGET_STEP + 15):
        commit(space, inc("/n", 1))
    assert space.horizon == FORGET_STEP + 5
    assert 0 < space._state.stamps.horizon <= space.horizon


def test_the_recovered_decides_as_the_one_before() -> None:
    """The same submissions get the same answers."""
    records = history(5)
    settings = Settings(window_versions=100)
    spaces = [
        Sequencer("s", Recovered(EPOCH, NOON, 0, Document.of({}), b"", records, []), settings),
        Sequencer(
            "s", Recovered(EPOCH, NOON, 3, Document.of({"n": 3}), records[4].hash, records, []), settings
        ),
    ]
    bodies: list[tuple[Any, dict[str, Any]]] = [
        (inc("/n", 1), {"tx": tx(2)}),
        (inc("/n", 1), {"tx": tx(77), "base": 2, "reads": ["/n"]}),
        (inc("/n", 1), {"tx": tx(78), "base": 2}),
        (remove("/missing"), {"tx": tx(1003)}),
    ]
    answers = [[repr(commit(space, op, **body)) for op, body in bodies] for space in spaces]
    assert answers[0] == answers[1]
