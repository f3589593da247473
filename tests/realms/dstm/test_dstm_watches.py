"""Watches: who wakes of which change."""

from typing import Any

import pytest

from realms.dstm.changes import Change
from realms.dstm.document import Document
from realms.dstm.pointer import parse
from realms.dstm.reads import Kind, Read
from realms.dstm.watches import Watches


def reads(*texts: str) -> list[Read]:
    """Read texts such as ``value /a``."""
    words = [text.split(" ") for text in texts]
    return [Read(kind(name), parse(pointer)) for name, pointer in words]


def kind(name: str) -> Kind:
    return next(known for known in ("value", "keys", "exists", "container", "place") if known == name)


def change(text: str, value: Any = 1) -> Change:
    op, pointer = text.split(" ")
    return Change(op, pointer) if op == "remove" else Change(op, pointer, value)


EVERYONE = [
    f"{name} {pointer}" for name in ("value", "keys", "exists") for pointer in ("", "/a", "/a/b", "/a/b/c")
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("replace /x", {"value "}),
        ("add /x", {"value ", "keys "}),
        ("replace /a/b/c", {"value ", "value /a", "value /a/b", "value /a/b/c", "keys /a/b/c"}),
        ("add /a/x", {"value ", "value /a", "keys /a"}),
        (
            "replace /a/b",
            {"value ", "value /a", "value /a/b", "keys /a/b", "value /a/b/c", "keys /a/b/c", "exists /a/b/c"},
        ),
        ("remove /a", {text for text in EVERYONE if text != "exists "}),
        ("add /a", {text for text in EVERYONE if text != "exists "}),
        ("replace ", {text for text in EVERYONE if text != "exists "}),
    ],
)
def test_a_change_wakes_those_whose_read_it_ends(text: str, expected: set[str]) -> None:
    watches: Watches[str] = Watches()
    for each in EVERYONE:
        watches.add(each, reads(each), 0)
    assert watches.woken([change(text)]) == expected
    assert len(watches) == len(EVERYONE)


def test_insertions_wake_those_behind_and_before() -> None:
    watches: Watches[str] = Watches()
    for each in ["value /l/0", "exists /l/7/x", "keys /l", "value /l/-", "value /l/name", "exists /l"]:
        watches.add(each, reads(each), 0)
    array = Document.of({"l": [1, 2]})
    expected = {"value /l/0", "exists /l/7/x", "keys /l"}
    assert watches.woken([change("add /l/1")], document=array) == expected
    assert watches.woken([change("replace /l/1")], document=array) == set()
    assert watches.woken([change("remove /l/1")]) == expected
    names = Document.of({"l": {"0": 1, "1": 2}})
    assert watches.woken([change("add /l/1")], document=names) == {"keys /l"}


def test_who_has_read_the_version_is_left_out() -> None:
    watches: Watches[int] = Watches()
    for base in range(4):
        watches.add(base, reads("value /a"), base)
    assert watches.woken([change("add /a")], version=2) == {0, 1}
    assert watches.woken([change("add /a")]) == {0, 1, 2, 3}


def test_a_new_watch_takes_the_place_of_the_old() -> None:
    watches: Watches[str] = Watches()
    watches.add("me", reads("value /a", "value /b"), 0)
    watches.add("me", reads("value /c"), 0)
    assert "me" in watches
    assert watches.woken([change("add /a"), change("add /b")]) == set()
    assert watches.woken([change("add /c")]) == {"me"}


def test_what_is_removed_leaves_nothing() -> None:
    watches: Watches[str] = Watches()
    watches.add("one", reads("value /a/b", "keys /a/b", "value /a/b", "exists /a/b/c"), 0)
    watches.add("other", reads("value /a", "value /a/b"), 0)
    watches.remove("one")
    watches.remove("nobody")
    assert "one" not in watches
    assert watches.woken([change("remove /a/b/c"), change("add /a/b/d")]) == {"other"}
    watches.remove("other")
    assert watches._root.children == {}
    assert watches._root.waiting == {}
    assert len(watches) == 0


def test_the_cost_is_that_of_the_change() -> None:
    """Among many who wait, a change visits the nodes of its own pointer alone."""
    watches: Watches[int] = Watches()
    for token in range(1000):
        watches.add(token, reads(f"value /users/{token}/name", "keys /groups"), 0)
    document = Document.of({"users": {"7": {}}})
    visited: list[str] = []

    class Noting(dict):  # type: ignore[type-arg]
        def get(self, step: str, default: Any = None) -> Any:
            visited.append(step)
            return super().get(step, default)

        def values(self) -> Any:
            raise AssertionError("nobody looks at all members")

    node = watches._root.children["users"]
    node.children = Noting(node.children)
    assert watches.woken([change("add /users/7/age")], document=document) == set()
    assert watches.woken([change("add /users/1001")], document=document) == set()
    assert visited == ["7", "1001"]
