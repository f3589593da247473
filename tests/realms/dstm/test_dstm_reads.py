"""Reads: their wire form, and sets of them."""

from typing import Any

import pytest

from realms.dstm.errors import INVALID, DstmError
from realms.dstm.reads import Read, ReadSet

A = Read("value", ("a",))


@pytest.mark.parametrize(
    ("wire", "read"),
    [
        ("", Read("value", ())),
        ("/a/0", Read("value", ("a", "0"))),
        (["keys", "/a"], Read("keys", ("a",))),
        (["exists", "/a~1b"], Read("exists", ("a/b",))),
    ],
)
def test_a_read_has_a_wire_form(wire: Any, read: Read) -> None:
    assert Read.parse(wire, 0) == read
    assert read.wire() == wire
    assert Read.parse(tuple(wire) if isinstance(wire, list) else wire, 0) == read


@pytest.mark.parametrize(
    "wire",
    [
        1,
        None,
        ["keys"],
        ["keys", 1],
        ["value", "/a"],
        ["place", "/a"],
        "a",
        ["keys", "a"],
        {},
        [["keys"], ""],
    ],
)
def test_anything_else_is_invalid_at_its_index(wire: Any) -> None:
    with pytest.raises(DstmError) as refusal:
        Read.parse(wire, 7)
    assert refusal.value.uri == INVALID
    assert refusal.value.details["part"] == "reads"
    assert refusal.value.details["index"] == 7
    assert refusal.value.text == f"reads[7]: {refusal.value.details['reason']}"


def test_a_value_read_covers_what_is_below() -> None:
    reads = ReadSet([A, Read("value", ("a", "b")), Read("keys", ("a",)), Read("exists", ("a", "b", "c"))])
    assert list(reads) == [A]
    assert reads.covers(Read("place", ("a", "x")))
    assert not reads.covers(Read("exists", ()))


def test_a_value_read_covers_what_was_read_before() -> None:
    below, beside = Read("value", ("a", "b")), Read("keys", ("b",))
    reads = ReadSet([below, Read("exists", ("a",)), beside])
    reads.add(A)
    assert list(reads) == [beside, A]
    assert reads.wire() == [["keys", "/b"], "/a"]


def test_each_read_is_there_once_in_the_order_of_the_first() -> None:
    keys = Read("keys", ())
    reads = ReadSet([keys, A, keys, A])
    assert list(reads) == [keys, A]
    reads.add(Read("value", ()))
    assert list(reads) == [Read("value", ())]
