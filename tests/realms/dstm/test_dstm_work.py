"""A document under ops: what they may do to it, and what of it they own."""

from collections.abc import Callable
from typing import Any

import pytest

from realms.dstm.document import MISSING, Document, DoesNotFit
from realms.dstm.pointer import parse
from realms.dstm.reads import Kind, Read
from realms.dstm.work import Implied, Limits, OpFailed, Refused, Work, WriteSet, equal, shown

BEGUN = {"o": {"m": 1}, "list": [1, [2], {"x": 3}], "text": "x" * 40}
LIMITS = Limits(transaction_bytes=100, depth=4)


def working() -> Work:
    return Work(Document.of(BEGUN), LIMITS)


def implied(*acts: Callable[[Implied], Any]) -> Implied:
    noted = Implied(Document.of(BEGUN), WriteSet())
    for act in acts:
        act(noted)
    return noted


@pytest.mark.parametrize(
    ("act", "change", "before"),
    [
        (lambda work: work.add(("a",), 1), ("add", "/a", 1), MISSING),
        (lambda work: work.add(("o",), 1), ("replace", "/o", 1), {"m": 1}),
        (lambda work: work.add((), 1), ("replace", "", 1), BEGUN),
        (lambda work: work.add(("list", "-"), 1), ("add", "/list/3", 1), MISSING),
        (lambda work: work.add(("list", "1"), 1), ("add", "/list/1", 1), MISSING),
        (lambda work: work.add(("o", "1"), 1), ("add", "/o/1", 1), MISSING),
        (
            lambda work: work.put(("list", "1"), work.existing(("list", "1")), 1),
            ("replace", "/list/1", 1),
            [2],
        ),
        (lambda work: work.remove(("list", "0")), ("remove", "/list/0"), 1),
    ],
)
def test_each_edit_is_noted_with_what_was_before(
    act: Callable[[Work], None], change: tuple[Any, ...], before: Any
) -> None:
    work = working()
    act(work)
    (noted,), ((path, node),) = work.changes, work.before
    assert (noted.op, noted.path, *([] if noted.op == "remove" else [noted.value])) == change
    assert path == parse(noted.path)
    assert node is MISSING if before is MISSING else Document(node, 0).plain() == before
    assert work.document == Document.of(BEGUN).apply(work.changes)


@pytest.mark.parametrize(
    "act",
    [
        lambda work: work.remove(()),
        lambda work: work.remove(("x",)),
        lambda work: work.existing(("o", "x")),
        lambda work: work.add(("x", "y"), 1),
        lambda work: work.insert(("list", "9"), 1),
    ],
)
def test_what_can_not_be_done_is_not_noted(act: Callable[[Work], None]) -> None:
    work = working()
    with pytest.raises((Refused, DoesNotFit)):
        act(work)
    assert (work.changes, work.before) == ([], [])
    assert work.document.plain() == BEGUN


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        ({"o": {"m": None, "k": 2}, "text": None}, {"o": {"k": 2}, "list": BEGUN["list"]}),
        ({"new": {"a": None, "b": {"c": None}}}, {**BEGUN, "new": {"b": {}}}),
        ({"o": 1, "gone": None}, {**BEGUN, "o": 1}),
        ([None], [None]),
    ],
)
def test_a_merge_changes_members_one_by_one(patch: Any, result: Any) -> None:
    work = working()
    work.merge((), patch)
    assert work.document.plain() == result
    assert Document.of(BEGUN).apply(work.changes) == work.document


def test_equality_is_that_of_json() -> None:
    values = [
        1,
        True,
        0,
        False,
        None,
        "1",
        0.5,
        [],
        {},
        [1],
        [True],
        {"a": 1},
        {"a": True},
        {"b": 1},
        {"0": 1},
    ]
    for first, one in enumerate(values):
        for second, other in enumerate(values):
            assert equal(Document.of(one).root, other) == (first == second)


def test_duplicates_are_counted_and_bounded() -> None:
    work = working()
    assert work.duplicate(("list",), ("a",)) == [1, [2], {"x": 3}]
    assert 20 <= work.copied <= 40
    assert work.duplicate(("text",), ("a",)) == "x" * 40
    with pytest.raises(Refused, match="'/text' is too large") as refusal:
        work.duplicate(("text",), ("a",))
    assert (refusal.value.kind, refusal.value.met) == ("size", (Read("value", ("text",)),))
    large = Work(Document.of({"list": [0] * 50}), LIMITS)
    with pytest.raises(Refused, match="too large"):
        large.duplicate(("list",), ("a",))


def test_duplicates_may_not_nest_too_deeply() -> None:
    assert working().duplicate(("list",), ("a", "b")) == BEGUN["list"]
    assert working().duplicate(("o", "m"), ("a", "b", "c", "d")) == 1
    with pytest.raises(Refused, match="nest too deeply"):
        working().duplicate(("list",), ("a", "b", "c"))


@pytest.mark.parametrize(
    ("pointer", "met"),
    [
        ("/x/y", [("exists", "/x")]),
        ("/o/x", [("exists", "/o/x")]),
        ("/o/m/x", [("value", "/o/m")]),
        ("/list/9/x", [("keys", "/list")]),
        ("/text", [("value", "/text")]),
        ("/list", [("exists", "/list"), ("container", "/list")]),
    ],
)
def test_what_an_op_met_is_told_by_where_it_ended(pointer: str, met: list[tuple[Kind, str]]) -> None:
    assert working().met(parse(pointer)) == tuple(Read(kind, parse(place)) for kind, place in met)


def test_a_failure_says_where() -> None:
    failure = OpFailed(3, f"nothing is at {shown(('a/b',))}", (), "state")
    assert str(failure) == "ops[3]: nothing is at '/a~1b'"


def test_a_place_that_was_set_is_owned_with_all_below() -> None:
    writes = WriteSet()
    assert not writes.covers("value", ())
    writes.set(("a",))
    for kind in ("value", "keys", "exists", "container", "place"):
        assert writes.covers(kind, ("a",))
        assert writes.covers(kind, ("a", "b"))
        assert not writes.covers(kind, ())
        assert not writes.covers(kind, ("b",))


def test_a_place_that_was_touched_is_there() -> None:
    writes = WriteSet()
    writes.touch(("a",))
    covered = [
        kind for kind in ("value", "keys", "exists", "container", "place") if writes.covers(kind, ("a",))
    ]
    assert covered == ["exists", "place"]
    assert not writes.covers("exists", ("a", "b"))
    writes.set(("a",))
    writes.touch(("a",))
    assert writes.covers("value", ("a",))


def test_a_copy_is_independent() -> None:
    writes = WriteSet()
    writes.set(("a",))
    copy = writes.copy()
    copy.set(("b",))
    copy.move(("list",))
    assert copy.covers("value", ("a",))
    assert not writes.covers("value", ("b",))
    assert copy.shared("keys", ("list", "0")) == Read("value", ("list",))
    assert writes.shared("keys", ("list", "0")) == Read("keys", ("list", "0"))
    assert copy.shared("keys", ("list",)) == Read("keys", ("list",))


def test_elements_of_a_shared_array_are_never_owned() -> None:
    noted = implied(
        lambda implied: implied.set(("list", "0")),
        lambda implied: implied.touch(("list", "2", "x")),
        lambda implied: implied.remove(("list", "1", "0")),
        lambda implied: implied.touch(("o", "1")),
        lambda implied: implied.set(("o", "2")),
    )
    assert not noted.writes.covers("value", ("list", "0"))
    assert not noted.writes.covers("exists", ("list", "2", "x"))
    assert noted.writes.covers("exists", ("o", "1"))
    assert noted.writes.covers("value", ("o", "2"))
    assert noted.writes.shared("exists", ("list", "1", "0")) == Read("value", ("list", "1"))
    assert noted.reads == {}


def test_reads_are_noted_once_and_only_of_what_is_shared() -> None:
    noted = implied(
        lambda implied: implied.read("keys", ("o",)),
        lambda implied: implied.read("keys", ("o",)),
        lambda implied: implied.remove(("o",)),
        lambda implied: implied.read("value", ("o",)),
        lambda implied: implied.add(("list", "0")),
        lambda implied: implied.add(("list", "-")),
        lambda implied: implied.add(("list", "1", "0")),
        lambda implied: implied.add(("a",)),
        lambda implied: implied.add(()),
        lambda implied: implied.read("value", ("b",)),
    )
    assert [f"{kind} {'/'.join(path)}" for kind, path in noted.reads] == [
        "keys o",
        "keys list",
        "container list",
        "value list",
        "container ",
    ]


def test_reads_of_the_shared_document_are_told_from_others() -> None:
    noted = implied(lambda implied: implied.set(("o",)), lambda implied: implied.remove(("list", "0")))
    reads = [Read("exists", ("o", "m")), Read("exists", ("list", "1", "0")), Read("keys", ("text",))]
    assert noted.shared(reads) == (Read("value", ("list",)), Read("keys", ("text",)))
    assert (noted.is_missing(("x",)), noted.is_missing(("o",))) == (True, False)
