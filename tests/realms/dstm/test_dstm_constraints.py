"""Constraints: what values must be, checked where a commit has touched them."""

from typing import Any

import pytest
from dstm_space_play import add, inc, remove, replace, submission

from realms.dstm import errors
from realms.dstm.constraints import Constraint, Constraints
from realms.dstm.document import Document
from realms.dstm.errors import DstmError
from realms.dstm.operations import apply
from realms.dstm.work import Limits


def no_odd(value: Any) -> str | None:
    return f"{value} is odd" if value % 2 else None


def broken(constraint: Constraint | list[Constraint], document: Any, *ops: dict[str, Any]) -> str | None:
    """Give where it is broken by ops, or None."""
    constraints = Constraints(constraint if isinstance(constraint, list) else [constraint])
    applied = apply(Document.of(document), submission(*ops).transaction.ops, Limits())
    try:
        constraints.check(applied.document, applied.changes)
    except DstmError as caught:
        error = caught
    else:
        return None
    assert error.uri == errors.CONSTRAINT
    assert error.details["reason"] in error.text
    return str(error.details["path"])


def test_there_may_be_none() -> None:
    assert not Constraints()
    assert Constraints([Constraint(pointer="", maximum=1)])


@pytest.mark.parametrize(("value", "is_good"), [(0, True), (10, True), (2.5, True), (-1, False), (11, False)])
def test_bounds(value: float, is_good: bool) -> None:
    constraint = Constraint(pointer="/n", minimum=0, maximum=10)
    assert broken(constraint, {}, add("/n", value)) == (None if is_good else "/n")


@pytest.mark.parametrize("value", ["1", True, None, [1]])
def test_what_is_no_number_has_no_bounds(value: Any) -> None:
    assert broken(Constraint(pointer="/n", maximum=10), {}, add("/n", value)) == "/n"


def test_a_schema() -> None:
    constraint = Constraint(pointer="/a", schema='{"type": "object", "required": ["name"]}')
    assert broken(constraint, {}, add("/a", {"name": 1})) is None
    assert broken(constraint, {}, add("/a", {})) == "/a"


def test_a_schema_says_where_below() -> None:
    schema = '{"properties": {"list": {"items": {"type": "integer"}}}}'
    constraints = Constraints([Constraint(pointer="/a", schema=schema)])
    applied = apply(Document.of({}), submission(add("/a", {"list": [1, "x"]})).transaction.ops, Limits())
    with pytest.raises(DstmError, match="at '/list/1' below"):
        constraints.check(applied.document, applied.changes)


def test_a_predicate() -> None:
    constraint = Constraint(pointer="/n", predicate=f"{__name__}:no_odd")
    assert broken(constraint, {}, add("/n", 2)) is None
    assert broken(constraint, {}, add("/n", 3)) == "/n"


def test_a_predicate_that_fails_refuses() -> None:
    """What could not be checked is not let in."""
    assert broken(Constraint(pointer="/n", predicate=f"{__name__}:no_odd"), {}, add("/n", "x")) == "/n"


@pytest.mark.parametrize(
    "ops",
    [
        [replace("/accounts/ann/sum", -1)],
        [replace("/accounts/ann", {"sum": -1})],
        [replace("/accounts", {"ann": {"sum": -1}})],
        [replace("", {"accounts": {"ann": {"sum": -1}}})],
        [inc("/accounts/ann/sum", -6)],
        [
            add("/accounts/bob", {"sum": 0}),
            {"op": "merge", "path": "/accounts", "value": {"ann": {"sum": -1}}},
        ],
    ],
)
def test_a_place_is_checked_whichever_way_it_is_changed(ops: list[dict[str, Any]]) -> None:
    """At the place, above it, below it."""
    constraint = Constraint(pointer="/accounts/*/sum", minimum=0)
    assert broken(constraint, {"accounts": {"ann": {"sum": 5}}}, *ops) == "/accounts/ann/sum"


def test_what_lies_above_a_change_is_checked() -> None:
    constraint = Constraint(pointer="/a", schema='{"maxProperties": 1}')
    assert broken(constraint, {"a": {"b": 1}}, add("/a/c", 1)) == "/a"


def test_what_was_not_touched_stays() -> None:
    constraint = Constraint(pointer="/*", maximum=10)
    assert broken(constraint, {"old": 99}, add("/new", 1)) is None
    assert broken(constraint, {"old": 99}, remove("/old")) is None


def test_a_pattern_that_leads_nowhere() -> None:
    assert broken(Constraint(pointer="/a/*/b", maximum=1), {}, add("/a", 5)) is None
    assert broken(Constraint(pointer="/a/*/b", maximum=1), {}, add("/a", {"x": {}})) is None
    assert broken(Constraint(pointer="/a/b/c", maximum=1), {}, add("/a", {"x": 1})) is None


def test_elements_are_checked() -> None:
    constraint = Constraint(pointer="/rows/*/n", maximum=10)
    document = {"rows": [{"n": 1}]}
    assert broken(constraint, document, {"op": "push", "path": "/rows", "value": {"n": 11}}) == "/rows/1/n"
    assert broken(constraint, document, add("/rows", [{"n": 1}, {"n": 11}])) == "/rows/1/n"


def test_an_insertion_moves_what_is_behind_it() -> None:
    """Another element is at the constrained index then."""
    constraint = Constraint(pointer="/rows/1", maximum=10)
    assert broken(constraint, {"rows": [99, 1]}, add("/rows/0", 1)) == "/rows/1"
    assert broken(constraint, {"rows": [5, 1, 99]}, remove("/rows/0")) == "/rows/1"
    assert broken(constraint, {"rows": [5, 1, 99]}, remove("/rows/2")) is None


def test_a_change_is_followed_when_its_element_moves() -> None:
    """What one op wrote at an index may be at another in the end."""
    constraint = Constraint(pointer="/rows/*/n", maximum=10)
    document = {"rows": [{"n": 1}, {"n": 2}]}
    assert broken(constraint, document, replace("/rows/1/n", 11), add("/rows/0", {"n": 0})) == "/rows/2/n"
    assert broken(constraint, document, replace("/rows/1/n", 9), add("/rows/0", {"n": 0})) is None


def test_a_change_at_another_place_is_none_of_its() -> None:
    constraint = Constraint(pointer="/a/b", maximum=10)
    assert broken(constraint, {"a": {"b": 99}}, add("/a/c", 1), add("/b", 1)) is None


def test_what_is_met_twice_is_checked_once() -> None:
    seen: list[Any] = []
    constraints = Constraints([Constraint(pointer="/a")])
    constraints._patterns = [(("a",), (lambda value: seen.append(value),))]  # type: ignore[list-item]
    ops = submission(add("/a/b", 1), add("/a/c", 2)).transaction.ops
    applied = apply(Document.of({"a": {}}), ops, Limits())
    constraints.check(applied.document, applied.changes)
    assert seen == [{"b": 1, "c": 2}]


@pytest.mark.parametrize(
    ("constraint", "reason"),
    [
        (Constraint(pointer="a", maximum=1), "begins with"),
        (Constraint(pointer="", schema="{"), "no JSON Schema"),
        (Constraint(pointer="", schema='{"type": 5}'), "no JSON Schema"),
        (Constraint(pointer="", predicate="no.such.module:f"), "no predicate 'no.such.module:f'"),
        (Constraint(pointer="", predicate=f"{__name__}:missing"), "no predicate"),
        (Constraint(pointer="", predicate=f"{__name__}:errors.CONFLICT"), "can't be called"),
    ],
)
def test_what_cannot_be_used_is_refused(constraint: Constraint, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Constraints([constraint])
