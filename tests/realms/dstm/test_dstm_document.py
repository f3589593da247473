"""The document, against plain Python: edits, sizes, and that old versions stay as they were."""

import copy
import json
from typing import Any

import pytest
from dstm_calls import calls
from dstm_json import keys, scalars, values
from hypothesis import given, settings
from hypothesis import strategies as st

from realms.dstm.changes import Change
from realms.dstm.document import (
    MISSING,
    SMALL,
    Document,
    DoesNotFit,
    child,
    freeze,
    index_of,
    is_array,
    is_object,
    length,
    members,
    thaw,
    weight,
)
from realms.dstm.pointer import Path, parse, render
from realms.dstm.values import size

WIDE = {f"k{number}": number for number in range(SMALL + 1)}
LONG = list(range(SMALL + 1))


def plain_find(value: Any, path: Path) -> Any:
    """Do ``find`` in a plain value."""
    for token in path:
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif (
            isinstance(value, list)
            and token.isdigit()
            and str(int(token)) == token
            and int(token) < len(value)
        ):
            value = value[int(token)]
        else:
            return MISSING
    return value


def plain_edit(value: Any, what: str, path: Path, new: Any) -> Any:
    """
    Do an edit to a copy of a plain value.

    Raises:
        LookupError: it does not fit.
    """
    if not path:
        if what == "remove":
            raise LookupError
        return new
    value = copy.deepcopy(value)
    parent, token = plain_find(value, path[:-1]), path[-1]
    if isinstance(parent, list) and what == "insert":
        index = len(parent) if token == "-" else int(token)
        if index > len(parent) or (token != "-" and str(index) != token):
            raise LookupError
        parent.insert(index, new)
        return value
    there = plain_find(parent, (token,)) is not MISSING
    if not isinstance(parent, dict | list) or (not there and (isinstance(parent, list) or what == "remove")):
        raise LookupError
    at: Any = token if isinstance(parent, dict) else int(token)
    if what == "remove":
        del parent[at]
    else:
        parent[at] = new
    return value


def check(document: Document, value: Any) -> None:
    """Check that a document is this value, in text too (True is not 1), and that it knows its size."""
    plain = document.plain()
    assert json.dumps(plain, sort_keys=True) == json.dumps(value, sort_keys=True)
    assert document.size == weight(document.root) == size(value)


small = st.dictionaries(st.sampled_from("abc"), values(6), max_size=3)
# Containers on both sides of where their representation changes, at several depths.
beginnings = (
    small
    | st.builds(
        lambda count, inner: {"a": {f"k{n}": n for n in range(count)}, "b": inner},
        st.integers(60, 140),
        small,
    )
    | st.builds(lambda count, inner: {"a": {"b": [*range(count), inner]}}, st.integers(60, 140), small)
    | st.builds(lambda inner: {**WIDE, "a": inner, "b": [inner] * (SMALL + 2)}, small)
)
# Each number picks one token on the way down from the root; see ``walk``.
picks = st.lists(st.integers(0, 10_000), max_size=4)
scripts = st.lists(
    st.tuples(
        st.sampled_from(["put", "insert", "remove"]),
        picks,
        st.one_of(scalars, small, st.just(WIDE), st.just(LONG), st.just([])),
    ),
    max_size=12,
)


def walk(value: Any, picked: list[int]) -> Path:
    """Give a path through a value: mostly one that leads somewhere."""
    path: Path = ()
    for number in picked:
        there = list(value) if isinstance(value, dict) else list(map(str, range(length_of(value))))
        choices = [*there, "-", "x", "01", str(len(there)), str(len(there) + 1)]
        path = (*path, choices[number % len(choices)])
        value = plain_find(value, path[-1:])
    return path


def length_of(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0


@settings(max_examples=200, deadline=None)
@given(beginnings, scripts)
def test_edits_are_those_of_plain_python(value: Any, script: list[tuple[str, list[int], Any]]) -> None:
    versions = [(Document.of(value), value)]
    for what, picked, new in script:
        document, value = versions[-1]
        path = walk(value, picked)
        arguments = () if what == "remove" else (freeze(new),)
        try:
            expected = plain_edit(value, what, path, new)
        except (LookupError, ValueError):
            with pytest.raises(DoesNotFit) as misfit:
                getattr(document, what)(path, *arguments)
            assert misfit.value.path == path
        else:
            versions.append((getattr(document, what)(path, *arguments), expected))
    for document, value in versions:
        check(document, value)


@settings(deadline=None)
@given(beginnings, picks)
def test_find_finds_what_is_there(value: Any, picked: list[int]) -> None:
    path = walk(value, picked)
    found = Document.of(value).plain(path)
    expected = plain_find(value, path)
    assert found is MISSING if expected is MISSING else found == expected


@pytest.mark.parametrize("count", [2, SMALL + 1])
def test_elements_are_replaced(count: int) -> None:
    document = Document.of({"l": [[number] for number in range(count)]})
    changed = document.put(("l", "1"), "new").put(("l", "0", "0"), freeze({"a": 1}))
    check(changed, {"l": [[{"a": 1}], "new", *([number] for number in range(2, count))]})
    check(document, {"l": [[number] for number in range(count)]})


@settings(deadline=None)
@given(values())
def test_what_is_frozen_and_thawed_is_equal_and_independent(value: Any) -> None:
    text = json.dumps(value)
    node = freeze(value)
    thawed = thaw(node)
    assert json.dumps(thawed) == text  # in the same order too, as long as objects are small
    assert weight(node) == size(value)
    for container in (value, thawed):
        if isinstance(container, dict):
            container.clear()
        elif isinstance(container, list):
            container.append("changed")
    assert json.dumps(thaw(node)) == text


@pytest.mark.parametrize("count", [SMALL, SMALL + 1, 5 * SMALL])
def test_objects_of_many_members_grow_and_shrink(count: int) -> None:
    """From none to many and back: each version is right, its size to the byte."""
    document, value = Document.of({"o": {}}), dict[str, int]()
    for number in range(count):
        document = document.put(("o", f"k{number}"), number)
        value[f"k{number}"] = number
        assert length(document.find(("o",))) == number + 1
    check(document, {"o": value})
    for number in range(count):
        document = document.remove(("o", f"k{number}"))
        del value[f"k{number}"]
        assert document.find(("o", f"k{number}")) is MISSING
    check(document, {"o": {}})


@pytest.mark.parametrize("count", [SMALL, SMALL + 1, 10 * SMALL])
def test_arrays_of_many_elements_grow_and_shrink(count: int) -> None:
    document, value = Document.of({"l": []}), list[int]()
    for number in range(count):
        document = document.insert(("l", "-" if number % 3 else "0"), number)
        value.insert(len(value) if number % 3 else 0, number)
    check(document, {"l": value})
    for number in range(count):
        index = (number * 7) % len(value)
        document = document.remove(("l", str(index)))
        del value[index]
    check(document, {"l": []})


def test_the_order_of_members_stays_where_objects_are_small() -> None:
    document = Document.of({"b": 1, "a": {"d": 1, "c": 2}}).put(("a", "e"), 1).put(("b",), 2)
    assert json.dumps(document.plain()) == '{"b": 2, "a": {"d": 1, "c": 2, "e": 1}}'


@pytest.mark.parametrize(
    ("edit", "path", "reason"),
    [
        ("put", "/x/y", "'/x' is no object and no array"),
        ("put", "/n/y", "'/n' is no object and no array"),
        ("put", "/n/y/z", "'/n/y' is no object and no array"),
        ("put", "/l/-", "'-' is no index of the 2 elements there"),
        ("put", "/l/2", "'2' is no index of the 2 elements there"),
        ("put", "/l/" + "9" * 100, "is no index of the 2 elements there"),
        ("insert", "/l/3", "'3' is no index of the 2 elements there"),
        ("insert", "/l/00", "'00' is no index of the 2 elements there"),
        ("insert", "/l/x", "'x' is no index of the 2 elements there"),
        ("insert", "/x/y", "'/x' is no object and no array"),
        ("remove", "/x", "nothing is there"),
        ("remove", "/l/-", "nothing is there"),
        ("remove", "/l/2", "nothing is there"),
        ("remove", "/x/y", "'/x' is no object and no array"),
        ("remove", "", "the document itself can't be removed"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(edit: str, path: str, reason: str) -> None:
    document = Document.of({"n": 1, "l": [1, 2]})
    arguments = (parse(path),) if edit == "remove" else (parse(path), 1)
    with pytest.raises(DoesNotFit, match=reason) as misfit:
        getattr(document, edit)(*arguments)
    assert misfit.value.path == parse(path)
    assert reason in misfit.value.reason
    assert str(misfit.value).startswith(repr(path))
    check(document, {"n": 1, "l": [1, 2]})


@pytest.mark.parametrize("edit", ["put", "insert"])
def test_the_whole_can_be_replaced_by_anything(edit: str) -> None:
    for value in (1, "a", None, [1], {}, WIDE):
        check(getattr(Document.of({"a": 1}), edit)((), freeze(value)), value)
    with pytest.raises(DoesNotFit, match="'' is no object and no array"):
        Document.of("text").put(("a",), 1)


def test_changes_are_applied_in_order_or_not_at_all() -> None:
    document = Document.of({"l": [1], "o": {}})
    changes = [
        Change("add", "/l/0", {"x": [2]}),
        Change("add", "/l/-", 3),
        Change("replace", "/l/0/x", 5),
        Change("add", "/o/a", 1),
        Change("add", "/o/a", 2),
        Change("remove", "/l/1"),
    ]
    check(document.apply(changes), {"l": [{"x": 5}, 3], "o": {"a": 2}})
    check(document.apply([Change("replace", "", [])]), [])
    assert document.apply([]) is document
    with pytest.raises(DoesNotFit, match="'/o/b': nothing is there to be replaced"):
        document.apply([*changes, Change("replace", "/o/b", 1)])
    check(document, {"l": [1], "o": {}})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Change("add", "/a"), "add of '/a' has no value"),
        (Change("replace", "/a"), "replace of '/a' has no value"),
        (Change("move", "/a", 1), "a change is add, remove or replace, not 'move'"),
        (Change("add", "a", 1), "a JSON Pointer is empty or begins with '/'"),
    ],
)
def test_what_is_no_change_is_refused(change: Change, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Document.of({"a": 1}).apply([change])


def test_nodes_are_looked_at_through_functions() -> None:
    document = Document.of({"o": {"a": 1}, "l": ["x", "y"], "s": "text", "w": WIDE, "m": LONG})
    assert [is_object(document.find(parse(path))) for path in ("/o", "/l", "/s", "/w", "/m")] == [
        1,
        0,
        0,
        1,
        0,
    ]
    assert [is_array(document.find(parse(path))) for path in ("/o", "/l", "/s", "/w", "/m")] == [
        0,
        1,
        0,
        0,
        1,
    ]
    assert [length(document.find(parse(path))) for path in ("/o", "/l", "/w", "/m")] == [
        1,
        2,
        len(WIDE),
        len(LONG),
    ]
    assert list(members(document.find(("l",)))) == [("0", "x"), ("1", "y")]
    assert list(members(document.find(("o",)))) == [("a", 1)]
    assert dict(members(document.find(("w",)))) == WIDE
    assert [token for token, _ in members(document.find(("m",)))] == [str(number) for number in LONG]
    assert child(document.find(("s",)), "0") is MISSING
    assert child(MISSING, "a") is MISSING
    assert child(document.find(("m",)), str(SMALL)) == SMALL
    assert child(document.find(("m",)), str(SMALL + 1)) is MISSING
    assert child(document.find(("w",)), "k5") == 5


def test_members_are_given_one_by_one() -> None:
    """A walk over many members can stop, and go on over the version that it began with."""
    document = Document.of({"w": WIDE})
    walk = members(document.find(("w",)))
    first = dict(next(walk) for _ in range(10))
    document.put(("w", "k1"), "other")
    assert {**first, **dict(walk)} == WIDE


@pytest.mark.parametrize(
    ("token", "index"),
    [("0", 0), ("10", 10), ("9" * 15, 10**15 - 1), ("9" * 16, None), ("01", None), ("", None), ("-", None)]
    + [(token, None) for token in ("-1", "+1", "1.0", " 1", "\u0663", "\u00b2", "a")],
)
def test_a_token_is_an_index_in_one_form(token: str, index: int | None) -> None:
    assert index_of(token) == index


@settings(deadline=None)
@given(st.lists(keys, min_size=1, max_size=64), scalars)
def test_documents_nest(path: list[str], value: Any) -> None:
    expected = value
    for token in reversed(path):
        expected = {token: expected}
    document = Document.of({})
    for depth, token in enumerate(path):
        document = document.put((*path[:depth], token), freeze({}))
    document = document.put(tuple(path), value)
    check(document, expected)
    assert document.find(parse(render(tuple(path)))) == value


@pytest.mark.parametrize(
    "whole",
    [{f"k{number}": number for number in range(100_000)}, list(range(100_000))],
    ids=["object", "array"],
)
def test_what_is_large_costs_no_more_than_what_is_small(whole: Any) -> None:
    """An edit in it, its removal and its replacement take a handful of steps, whatever it holds."""
    document = Document.of({"w": whole, "a": {"b": 1}})
    token = "k50000" if isinstance(whole, dict) else "50000"
    for edit, path, *node in [
        ("put", ("a", "b"), 2),
        ("put", ("w", token), "new"),
        ("insert", ("w", "k" if isinstance(whole, dict) else token), "new"),
        ("remove", ("w", token)),
        ("remove", ("w",)),
        ("put", ("w",), 1),
        ("put", (), freeze({})),
    ]:
        assert calls(lambda edit=edit, path=path, node=node: getattr(document, edit)(path, *node)) < 100
    changed = document.put(("w", token), "new").remove(("w", token))
    assert changed.size == document.size - size(document.plain(("w", token))) - (
        len('"k50000":,') if isinstance(whole, dict) else 1
    )
    check(document, {"w": whole, "a": {"b": 1}})


def test_what_a_put_costs_does_not_grow_with_a_removed_text() -> None:
    document = Document.of({"a": "x" * 1_000_000})
    assert calls(lambda: document.remove(("a",))) < 100
    check(document.remove(("a",)), {})


def test_documents_are_compared_by_their_values() -> None:
    document = Document.of({"a": [1]})
    assert document == Document.of({}).put(("a",), freeze([1]))
    assert document != Document.of({"a": [2]})
    assert document != {"a": [1]}
    assert repr(document) == "<Document of 9 bytes>"
    assert repr(MISSING) == "MISSING"
    assert not MISSING
    with pytest.raises(TypeError, match="unhashable"):
        hash(document)
