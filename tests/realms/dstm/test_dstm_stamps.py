"""Stamps: which changes end which reads; the table at the head of ``reads``, case by case."""

from typing import Any

import pytest

from realms.dstm.changes import Change
from realms.dstm.document import Document
from realms.dstm.pointer import parse
from realms.dstm.reads import Kind, Read
from realms.dstm.stamps import Stamps

BEGUN = {"o": {"m": 1, "n": {"x": 1}, "7": 1}, "list": [{"x": 1}, {"x": 2}, [1]]}
KINDS: tuple[Kind, ...] = ("value", "keys", "exists", "container", "place")
LETTERS = dict(zip("vkecp", KINDS, strict=True))


def add(path: str, value: Any = 5) -> Change:
    return Change("add", path, value)


def replace(path: str, value: Any = 5) -> Change:
    return Change("replace", path, value)


def remove(path: str) -> Change:
    return Change("remove", path)


def ended(pointer: str, *changes: Change, base: int = 0) -> str:
    """Give the letters of the kinds of read that changes end; each is a version of its own, from 1 on."""
    document, stamps = Document.of(BEGUN), Stamps()
    for version, change in enumerate(changes, 1):
        document = document.apply([change])
        stamps.record(version, [change])
    path = parse(pointer)
    return "".join(
        letter for letter, kind in LETTERS.items() if stamps.changed_since(Read(kind, path), base, document)
    )


@pytest.mark.parametrize(
    ("pointer", "change", "kinds"),
    [
        ("/o/new", add("/o/new"), "vke"),
        ("/o/m", replace("/o/m"), "vkc"),
        ("/o/m", remove("/o/m"), "vkecp"),
        ("/o", add("/o/new"), "vk"),
        ("/o", remove("/o/m"), "vk"),
        ("/o", replace("/o/m"), "v"),
        ("/o", add("/o/n/y"), "v"),
        ("", add("/o/n/y"), "v"),
        ("", add("/new"), "vk"),
        ("", replace("", {}), "vkc"),
        ("/o/n/x", add("/p"), ""),
        ("/o/n/x", replace("/o/m"), ""),
        ("/o/n/x", add("/o/n/y"), ""),
        ("/o/n/x", remove("/o/n"), "vkecp"),
        ("/o/n/x", replace("/o", {}), "vkecp"),
        ("/o/n/x", replace("", {}), "vkecp"),
        ("/new/x", add("/new", {}), "vke"),
        ("/o/7", remove("/o/m"), ""),
    ],
)
def test_a_change_ends_reads_by_where_it_is(pointer: str, change: Change, kinds: str) -> None:
    assert ended(pointer, change) == kinds


@pytest.mark.parametrize("pointer", ["/list/0", "/list/1", "/list/1/x", "/list/2/0", "/list/9"])
@pytest.mark.parametrize("change", [add("/list/0"), add("/list/3"), remove("/list/1")])
def test_a_pointer_through_an_array_ends_with_its_membership(pointer: str, change: Change) -> None:
    assert ended(pointer, change) == "vkecp"


def test_a_change_inside_an_element_ends_no_read_of_another() -> None:
    assert ended("/list/1/x", replace("/list/0/x")) == ""
    assert ended("/list/2/0", add("/list/2/1")) == "vkecp"
    assert ended("/list", replace("/list/0/x")) == "v"
    assert ended("/list", add("/list/3")) == "vk"
    assert ended("/list/-", add("/list/3")) == ""


def test_what_is_an_object_now_is_no_array() -> None:
    assert ended("/o/7", add("/o/8"), remove("/o/m")) == ""
    assert ended("/list/0", add("/list/0"), replace("/list", {"0": 1})) == "vkecp"
    assert ended("/list/0", replace("/list", {"0": 1}), base=1) == ""
    assert ended("/o/0", replace("/o", [1]), add("/o/0"), base=1) == "vkecp"


def test_what_was_removed_and_added_again_has_changed() -> None:
    assert ended("/o", remove("/o"), add("/o", {"m": 1})) == "vkecp"
    assert ended("/o/m", remove("/o"), add("/o", {"m": 1})) == "vkecp"
    assert ended("/o/new", add("/o/new"), remove("/o/new")) == "vkecp"


def test_only_what_is_after_the_base_counts() -> None:
    changes = [remove("/o/m"), add("/o/m"), replace("/o/m")]
    assert [ended("/o/m", *changes, base=base) for base in range(4)] == ["vkecp", "vkec", "vkc", ""]


def test_a_version_may_change_nothing_or_much() -> None:
    document, stamps = Document.of({}), Stamps(horizon=4)
    stamps.record(5, [])
    stamps.record(6, [add("/a", {}), add("/a/b"), replace("/a/b")])
    assert stamps.changed_since(Read("exists", ("a", "b")), 5, document)
    assert not stamps.changed_since(Read("exists", ("b",)), 4, document)
    assert not stamps.changed_since(Read("exists", ("a", "b")), 6, document)


def test_a_base_before_the_horizon_is_lost() -> None:
    document, stamps = Document.of({}), Stamps(horizon=4)
    assert stamps.changed_since(Read("value", ("x",)), 3, document)
    assert not stamps.changed_since(Read("value", ("x",)), 4, document)
    stamps.record(5, [add("/a")])
    stamps.forget_through(5)
    assert stamps.horizon == 5
    assert stamps.changed_since(Read("value", ("x",)), 4, document)
    assert not stamps.changed_since(Read("value", ("a",)), 5, document)
    stamps.forget_through(2)
    assert stamps.horizon == 5


def test_what_is_forgotten_takes_no_place() -> None:
    stamps = Stamps()
    pointers = ["/a/b/c", "/a/b/c/d", "/a", "", "/x/y", "/a/b"]
    for version, pointer in enumerate(pointers, 1):
        stamps.record(version, [replace(pointer), replace(pointer)])
    assert (stamps._nodes, stamps._changes) == (6, 12)
    places = []
    for version in range(1, 7):
        stamps.forget_through(version)
        places.append((stamps._nodes, stamps._changes))
    # "/a/b" is changed by version 6, so it and what leads there stays until then
    assert places == [(6, 10), (4, 8), (4, 6), (4, 4), (2, 2), (0, 0)]
    assert stamps._root.children == {}


def test_nodes_that_one_version_made_go_with_it() -> None:
    stamps = Stamps()
    stamps.record(1, [add("/a", {}), add("/a/b", {}), add("/a/b/c"), add("/d")])
    stamps.record(2, [replace("/d")])
    stamps.forget_through(1)
    assert (stamps._nodes, list(stamps._root.children or {})) == (1, ["d"])


@pytest.mark.parametrize("depth", [1, 30])
def test_there_is_a_bound(depth: int) -> None:
    stamps = Stamps(entries=60)
    for version in range(1, 1000):
        stamps.record(version, [add(f"/{version}" * depth), replace(f"/{version}" * depth)])
        assert stamps._nodes <= 60
        assert stamps._changes <= 60
    assert 0 < 999 - stamps.horizon <= 30
    assert stamps.changed_since(Read("value", ("999",)), 998, Document.of({}))


def test_one_version_over_the_bound_is_forgotten_at_once() -> None:
    stamps = Stamps(entries=3)
    stamps.record(1, [add(f"/{number}") for number in range(10)])
    assert (stamps.horizon, stamps._nodes, stamps._changes) == (1, 0, 0)


def test_versions_that_did_not_come_to_be_are_taken_back() -> None:
    document, stamps = Document.of({}), Stamps()
    for version, pointer in enumerate(["/a", "/b", "/c/d", "/a"], 1):
        stamps.record(version, [add(pointer)])
    stamps.forget_after(2)
    assert (stamps._nodes, stamps._changes, stamps.horizon) == (2, 2, 0)
    changed = [stamps.changed_since(Read("value", (name,)), 1, document) for name in "abc"]
    assert changed == [False, True, False]
    stamps.record(3, [add("/c")])
    assert stamps.changed_since(Read("value", ("c",)), 2, document)


def test_a_horizon_beyond_the_last_version_goes_back_too() -> None:
    stamps = Stamps(entries=1)
    stamps.record(1, [add("/a")])
    stamps.record(2, [add("/b"), add("/c")])
    assert stamps.horizon == 2
    stamps.forget_after(1)
    assert stamps.horizon == 1
    assert not stamps.changed_since(Read("value", ("b",)), 1, Document.of({}))
    assert stamps.changed_since(Read("value", ("a",)), 0, Document.of({}))
