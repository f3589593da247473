"""The naive semantics, by the examples of RFC 6902 and the specification's own sentences."""

from typing import Any

import pytest
from dstm_naive import Change, Look, apply_op, look_of, looks_of, must_conflict, path_of


@pytest.mark.parametrize(
    ("document", "op", "expected"),
    [
        ({"a": 1}, {"op": "add", "path": "/b", "value": 2}, {"a": 1, "b": 2}),
        ({"a": [1, 3]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2, 3]}),
        ({"a": [1]}, {"op": "add", "path": "/a/-", "value": 2}, {"a": [1, 2]}),
        ({"a": 1, "b": 2}, {"op": "remove", "path": "/a"}, {"b": 2}),
        ({"a": [1, 2]}, {"op": "remove", "path": "/a/0"}, {"a": [2]}),
        ({"a": 1}, {"op": "replace", "path": "/a", "value": 2}, {"a": 2}),
        ({"a": 1}, {"op": "replace", "path": "", "value": 2}, 2),
        ({"a": {"x": 1}}, {"op": "copy", "from": "/a", "path": "/b"}, {"a": {"x": 1}, "b": {"x": 1}}),
        ({"a": [1, 2, 3]}, {"op": "move", "from": "/a/0", "path": "/a/2"}, {"a": [2, 3, 1]}),
        ({"a": 1}, {"op": "test", "path": "/a", "value": 1}, {"a": 1}),
        ({"a": 1}, {"op": "inc", "path": "/a", "value": 2}, {"a": 3}),
        ({}, {"op": "inc", "path": "/a", "value": 2}, {"a": 2}),
        ({"a": 5}, {"op": "min", "path": "/a", "value": 2}, {"a": 2}),
        ({"a": 5}, {"op": "max", "path": "/a", "value": 2}, {"a": 5}),
        ({}, {"op": "push", "path": "/a", "value": 1}, {"a": [1]}),
        ({"a": [1]}, {"op": "push", "path": "/a", "value": 2}, {"a": [1, 2]}),
        ({"a": {"x": 1, "y": 2}}, {"op": "merge", "path": "/a", "value": {"x": None}}, {"a": {"y": 2}}),
        ({"a": 1}, {"op": "setdefault", "path": "/a", "value": 9}, {"a": 1}),
        ({}, {"op": "setdefault", "path": "/a", "value": 9}, {"a": 9}),
        ({"a~b": {"/": 1}}, {"op": "remove", "path": "/a~0b/~1"}, {"a~b": {}}),
    ],
)
def test_operations(document: Any, op: Any, expected: Any) -> None:
    assert apply_op(document, op) == expected


@pytest.mark.parametrize(
    "op",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "replace", "path": "/b", "value": 2},
        {"op": "remove", "path": "/b"},
        {"op": "add", "path": "/b/c", "value": 2},
    ],
)
def test_what_does_not_fit_fails_loudly(op: Any) -> None:
    with pytest.raises(AssertionError):
        apply_op({"a": 1}, op)


@pytest.mark.parametrize(
    ("look", "op", "pointer", "expected"),
    [
        ("/a/b", "replace", "/a/b", True),
        ("/a/b", "replace", "/a", True),
        ("/a/b", "add", "/a/b/c", True),
        ("/a/b", "add", "/a/c", False),
        (["keys", "/a"], "add", "/a/c", True),
        (["keys", "/a"], "remove", "/a/c", True),
        (["keys", "/a"], "replace", "/a/c", False),
        (["keys", "/a"], "add", "/a/c/d", False),
        (["keys", "/a"], "replace", "/a", True),
        (["exists", "/a"], "remove", "/a", True),
        (["exists", "/a"], "replace", "/a", False),
        (["exists", "/a"], "add", "/a/b", False),
        (["exists", "/a/b"], "replace", "/a", True),
    ],
)
def test_what_must_conflict(look: Any, op: str, pointer: str, expected: bool) -> None:
    assert must_conflict(look_of(look), Change(op, path_of(pointer), 1)) is expected


def test_what_is_read_without_being_declared() -> None:
    document = {"list": [{"n": 1}], "box": {}, "x": 1}
    ops = [
        {"op": "inc", "path": "/list/0/n", "value": 1},
        {"op": "add", "path": "/box/a", "value": 1},
        {"op": "copy", "from": "/x", "path": "/y"},
        {"op": "remove", "path": "/x"},
        {"op": "test", "path": "/box", "value": {}},
    ]
    assert set(looks_of(document, ["/list/0"], ops)) == {
        Look("value", ("list", "0")),
        Look("keys", ("list",)),
        Look("exists", ("list", "0")),
        Look("exists", ("box",)),
        Look("value", ("x",)),
        Look("exists", ()),
    }


def test_own_writes_are_no_reads() -> None:
    ops = [{"op": "add", "path": "/a", "value": {}}, {"op": "add", "path": "/a/b", "value": 1}]
    assert list(looks_of({}, [], ops)) == [Look("exists", ())]
