"""
Properties of the core: what commits is what a serial execution at its place gives.

Transaction functions are drawn as programs, run on some version of the last, and decided as a sequencer
does it. A program that commits is run again on the version before its own: it must see the same, and do
the same. The document that comes of it is compared with the oracle's.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from dstm_oracle import Failed, execute, find, learn, same, split
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import to_builtins

from realms.dstm.changes import Change
from realms.dstm.document import Document
from realms.dstm.errors import DstmError
from realms.dstm.operations import Applied, Limits, Op, OpFailed, apply, implied_reads, inverse
from realms.dstm.pointer import parse
from realms.dstm.reads import Read
from realms.dstm.stamps import Stamps
from realms.dstm.stm import Outcome, Tx, or_else, run
from realms.dstm.watches import Watches

LIMITS = Limits()
KEPT = 6
CHANGED_BY = {"value": "arp", "keys": "arp", "exists": "ar", "container": "rp", "place": "r"}
LETTER = {"add": "a", "remove": "r", "replace": "p"}


def changes_read(read: Read, change: Change, before: Any) -> bool:
    """Tell, by the table of ``reads`` alone, whether a change made to ``before`` changes a read."""
    kind, path = read
    place = tuple(split(change.path))
    moves = change.op != "replace" and isinstance(find(before, place[:-1]), list)
    below = len(path) >= len(place) and path[: len(place) - 1] == place[:-1]
    if moves and below and path[len(place) - 1].isdigit():
        return True
    if place == path:
        return LETTER[change.op] in CHANGED_BY[kind]
    if place == path[: len(place)]:
        return kind in ("value", "keys", "exists") or change.op != "add"
    if kind == "value":
        return place[: len(path)] == path
    return kind == "keys" and place[:-1] == path and change.op != "replace"


TOKENS = st.sampled_from(["a", "a", "b", "0", "0", "1"])
PATHS = st.one_of(
    st.sampled_from(["/a", "/a", "/a/0", "/a/1", "/a/0/a", "/a/1/a", "/b", "/b/a"]),  # so that programs meet
    st.lists(TOKENS, max_size=3).map(lambda tokens: "".join(f"/{token}" for token in tokens)),
)
PLACES = st.tuples(PATHS, st.sampled_from(["", "", "/a", "/0", "/-"])).map("".join)
SCALARS = st.one_of(st.integers(0, 2), st.sampled_from([True, None, "x", 0.5]))
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(
        st.lists(st.fixed_dictionaries({"a": st.integers(0, 2)}), max_size=3),
        st.lists(below, max_size=3),
        st.dictionaries(st.sampled_from("ab01"), below, max_size=3),
    ),
    max_leaves=5,
)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["get", "in", "keys", "del", "retry_if_not"]), PATHS),
    st.tuples(st.sampled_from(["set", "insert", "push", "merge", "setdefault", "test"]), PLACES, VALUES),
    st.tuples(st.sampled_from(["inc", "min", "max"]), PATHS, st.integers(-1, 2)),
    st.tuples(st.sampled_from(["move", "copy"]), PATHS, PLACES),
)
BLOCKS = st.one_of(
    STEPS,
    STEPS,
    STEPS,
    st.tuples(st.just("nested"), st.lists(STEPS, max_size=3)),
    st.tuples(st.just("either"), st.lists(STEPS, max_size=3), st.lists(STEPS, max_size=2)),
)
PROGRAMS = st.lists(BLOCKS, min_size=1, max_size=5)
READS = st.builds(Read, st.sampled_from(sorted(CHANGED_BY)), PATHS.map(parse))


class Left(Exception):
    """Leaves a nested block."""


def program(steps: Sequence[Any], seen: list[Any]) -> Any:
    """Give the transaction function that does ``steps``, and notes what it sees."""

    def function(tx: Tx) -> None:
        for step in steps:
            try:
                seen.append(play(tx, step, seen))
            except KeyError:
                seen.append("nothing there")
            except DstmError as error:
                seen.append(error.uri)
            except ValueError:
                seen.append("moved into itself")

    return function


def play(tx: Tx, step: Any, seen: list[Any]) -> Any:
    kind, first, *rest = step
    if kind == "nested":
        return leave(tx, program(first, seen))
    if kind == "either":
        return or_else(program(first, seen), program(rest[0], seen))(tx)
    if kind == "retry_if_not":
        return tx.get(first) or tx.retry()
    if kind == "del":
        return tx.__delitem__(first)
    name = {"get": "__getitem__", "in": "__contains__", "set": "__setitem__"}.get(kind, kind)
    return getattr(tx, name)(first, *rest)


def leave(tx: Tx, function: Any) -> str:
    """Do a function and drop what it did."""
    try:
        with tx.nested():
            function(tx)
            raise Left
    except Left:
        return "left"


def started(steps: Sequence[Any], document: Document, version: int) -> tuple[Outcome, list[Any]]:
    seen: list[Any] = []
    return run(program(steps, seen), document, version), seen


def applied_or_met(document: Document, ops: Sequence[Op]) -> tuple[Applied | None, tuple[Read, ...]]:
    try:
        return apply(document, ops, LIMITS), ()
    except OpFailed as failed:
        return None, failed.met


class Space(RuleBasedStateMachine):
    """A space, its last versions, and programs that commit on it."""

    @initialize(value=st.dictionaries(st.sampled_from("ab01"), VALUES, max_size=4))
    def begin(self, value: Any) -> None:
        self.documents = [Document.of(value)]  # by version
        self.changes: list[tuple[Change, ...]] = [()]  # by version
        self.stamps = Stamps()
        self.watches: Watches[int] = Watches()
        self.watched: dict[int, tuple[Read, ...]] = {}  # token -> reads

    @property
    def version(self) -> int:
        return len(self.documents) - 1

    @rule(steps=PROGRAMS, lag=st.integers(0, KEPT))
    def transact(self, steps: Sequence[Any], lag: int) -> None:
        base = max(self.stamps.horizon, self.version - lag)
        outcome, seen = started(steps, self.documents[base], base)
        if outcome.ended == "done":
            self.decide(outcome.tx, steps, seen)

    def decide(self, tx: Tx, steps: Sequence[Any], seen: list[Any]) -> None:
        head = self.documents[-1]
        reads = [*tx.reads, *implied_reads(head, tx.ops)]
        if any(self.changed(read, tx.version) for read in reads):
            assert tx.version < self.version, "nothing conflicts with its own version"
            return
        applied, met = applied_or_met(head, tx.ops)
        if applied is None:
            assert any(self.changed(read, tx.version) for read in met), (
                "what fitted its version fits or changed"
            )
            return
        again, seen_again = started(steps, head, self.version)
        assert same(seen_again, seen), "at its place it sees what it has seen"
        assert same(to_builtins(again.tx.ops), to_builtins(tx.ops))
        for read in tx.reads:
            then, now = self.documents[tx.version].plain(), head.plain()
            assert same(learn(then, *read), learn(now, *read))
        self.commit(applied.document, applied.changes, to_builtins(tx.ops))
        assert head.apply(applied.changes) == applied.document
        assert applied.document.apply(inverse(applied.changes, applied.before)) == head

    def commit(self, document: Document, changes: tuple[Change, ...], ops: Sequence[Any]) -> None:
        expected = self.documents[-1].plain()
        for op in ops:
            expected = execute(expected, op)
        assert same(document.plain(), expected)
        self.wake(document, changes)
        self.documents.append(document)
        self.changes.append(changes)
        self.stamps.record(self.version, changes)

    def wake(self, document: Document, changes: tuple[Change, ...]) -> None:
        """Compare those who wake with those for whom the table of reads says so."""
        woken = self.watches.woken(changes, self.version + 1, document)
        expected = {
            token
            for token, reads in self.watched.items()
            if any(self.meets(read, changes, self.documents[-1]) for read in reads)
        }
        assert expected <= woken <= self.watches.woken(changes)
        if len(changes) == 1:
            assert woken == expected
        for token in woken:
            self.watches.remove(token)
            del self.watched[token]

    def meets(self, read: Read, changes: Sequence[Change], before: Document) -> bool:
        for change in changes:
            if changes_read(read, change, before.plain()):
                return True
            before = before.apply([change])
        return False

    def changed(self, read: Read, base: int) -> bool:
        """Ask the stamps, and compare with what the changes themselves say."""
        changed = self.stamps.changed_since(read, base, self.documents[-1])
        assert changed == any(
            self.meets(read, self.changes[version], self.documents[version - 1])
            for version in range(base + 1, self.version + 1)
        )
        return changed

    @rule(read=READS, lag=st.integers(0, KEPT))
    def ask(self, read: Read, lag: int) -> None:
        self.changed(read, max(self.stamps.horizon, self.version - lag))

    @rule(reads=st.lists(READS, max_size=3), token=st.integers(0, 5))
    def watch(self, reads: list[Read], token: int) -> None:
        self.watches.add(token, reads, self.version)
        self.watched[token] = tuple(reads)

    @rule(kept=st.integers(0, KEPT))
    def forget(self, kept: int) -> None:
        self.stamps.forget_through(max(self.stamps.horizon, self.version - kept))

    @rule(lost=st.integers(1, 2))
    def fall_back(self, lost: int) -> None:
        version = max(self.stamps.horizon, self.version - lost)
        del self.documents[version + 1 :], self.changes[version + 1 :]
        self.stamps.forget_after(version)
        self.watches, self.watched = Watches(), {}

    @invariant()
    def sizes_are_right(self) -> None:
        if hasattr(self, "documents"):
            assert len(self.watches) == len(self.watched)


TestSpace = Space.TestCase
TestSpace.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)


@pytest.mark.parametrize(
    "op",
    [
        {"op": "remove", "path": "/b"},
        {"op": "replace", "path": "/b", "value": 1},
        {"op": "add", "path": "/b/c", "value": 1},
        {"op": "add", "path": "/list/2", "value": 1},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "test", "path": "/list/0", "value": True},
        {"op": "inc", "path": "/list", "value": 1},
        {"op": "push", "path": "/list/0", "value": 1},
        {"op": "copy", "from": "/b", "path": "/c"},
        {"op": "inc", "path": "/list/1", "value": 1},
    ],
)
def test_the_oracle_fails_where_an_op_does_not_fit(op: dict[str, Any]) -> None:
    with pytest.raises(Failed):
        execute({"list": [1]}, op)
