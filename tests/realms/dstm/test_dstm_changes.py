"""Changes and deltas: their wire forms, what is refused, and the chain of hashes."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
import pytest
import rfc8785
from dstm_json import keys, unhurried, values
from hypothesis import given
from hypothesis import strategies as st

from realms.dstm.changes import Change, Delta, chain, first_hash
from realms.dstm.pointer import render

HASH = bytes(range(16))
META = {"hash": HASH.hex(), "time": 5}

pointers = st.lists(keys, max_size=3).map(lambda path: render(tuple(path)))
changes = st.one_of(
    st.builds(Change, st.just("remove"), pointers),
    st.builds(Change, st.sampled_from(["add", "replace"]), pointers, values()),
)


@unhurried
@given(changes)
def test_a_change_is_encoded_as_its_wire_form(change: Change) -> None:
    assert json.loads(msgspec.json.encode(change)) == msgspec.to_builtins(change) == change.wire()
    assert Change.read(change.wire()) == change


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ([], "a change is an object"),
        ({}, r"a change has op \(add, remove or replace\) and path, got None, None"),
        ({"op": "move", "path": "/a"}, "got 'move', '/a'"),
        ({"op": [], "path": "/a"}, "a change has op"),
        ({"op": "remove", "path": 1}, "got 'remove', 1"),
        ({"op": "remove", "path": "a"}, "a JSON Pointer is empty or begins with '/'"),
        ({"op": "remove", "path": "/a", "value": None}, "remove has no value"),
        ({"op": "add", "path": "/a"}, "add has a value"),
        ({"op": "add", "path": "/a", "value": [2**53]}, "integers are within .* at '/0'"),
    ],
)
def test_what_is_no_change_is_refused(wire: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Change.read(wire)


def test_a_change_is_read_normalized() -> None:
    assert Change.read({"op": "add", "path": "/a", "value": 2.0, "more": 1}) == Change("add", "/a", 2)


@unhurried
@given(
    st.integers(0, 2**53 - 10),
    st.integers(1, 9),
    st.lists(changes, max_size=3).map(tuple),
    st.binary(min_size=16, max_size=16),
    st.none() | st.tuples(st.integers(0, 9), st.binary(min_size=32, max_size=32).map(bytes.hex)),
)
def test_a_delta_has_a_wire_form(first: int, more: int, its: Any, hashed: bytes, digest: Any) -> None:
    delta = Delta(first, first + more, its, hashed, 7, digest)
    wire = delta.wire()
    assert wire[:2] == [first, first + more]
    assert wire[2] == [change.wire() for change in its]
    assert wire[3]["hash"] == hashed.hex()
    assert ("digest" in wire[3]) == (digest is not None)
    assert Delta.read(wire) == Delta.read(json.loads(json.dumps(wire))) == delta


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ({}, r"a delta is \[from, version, changes, meta\]"),
        ([0, 1, []], r"a delta is \[from, version, changes, meta\]"),
        ([0, 1, {}, META], "a delta's changes are a list, its meta an object"),
        ([0, 1, [], []], "a delta's changes are a list, its meta an object"),
        ([-1, 1, [], META], "from is a whole number from 0 to .*, got -1"),
        ([0.5, 1, [], META], "from is a whole number from 0 to .*, got 0.5"),
        ([False, 1, [], META], "from is a whole number from 0 to .*, got False"),
        ([0, "1", [], META], "version is a whole number from 0 to .*, got '1'"),
        ([0, float("inf"), [], META], "version is a whole number from 0 to .*, got inf"),
        ([0, 2**53, [], META], "version is a whole number from 0 to .*, got 9007199254740992"),
        ([0, 1e308, [], META], "version is a whole number from 0 to "),
        ([0, 1, [], {**META, "time": 2.0**53}], "time is a whole number from 0 to "),
        ([1, 1, [], META], "a delta leads to a later version, got 1 to 1"),
        ([2, 1, [], META], "a delta leads to a later version, got 2 to 1"),
        ([0, 1, [1], META], "a change is an object"),
        ([0, 1, [], {**META, "hash": "xy"}], "hash is 32 hexadecimal digits, got 'xy'"),
        ([0, 1, [], {"time": 5}], "hash is 32 hexadecimal digits, got None"),
        ([0, 1, [], {**META, "hash": ""}], "hash is 32 hexadecimal digits, got ''"),
        ([0, 1, [], {**META, "hash": "ab" * 15}], "hash is 32 hexadecimal digits"),
        ([0, 1, [], {**META, "hash": "ab" * 16 + " "}], "hash is 32 hexadecimal digits"),
        ([0, 1, [], {**META, "hash": "xy" * 16}], "hash is 32 hexadecimal digits"),
        ([0, 1, [], {"hash": HASH.hex()}], "time is a whole number from 0 to .*, got None"),
        ([0, 1, [], {**META, "digest": 1}], "a digest is an object, got 1"),
        ([0, 1, [], {**META, "digest": {}}], "digest.version is a whole number"),
        ([0, 1, [], {**META, "digest": {"version": 1}}], "digest.sha256 is 64 hexadecimal digits"),
    ],
)
def test_what_is_no_delta_is_refused(wire: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Delta.read(wire)


def deep() -> Any:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    return value


DEEP = deep()
JUNK: list[Any] = [None, True, -1, 0.5, float("nan"), float("inf"), 1e308, 10**5000, -(10**5000), b"ab", {1}]
JUNK += ["", "\ud800", "x" * 10_000, [], {}, (), DEEP, {"a": DEEP}, object(), list(range(10_000))]


def whole_delta() -> list[Any]:
    digest = {"version": 1, "sha256": "00" * 32}
    return [0, 1, [{"op": "add", "path": "/a", "value": 1}], {**META, "digest": digest}]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the way to each part of a value."""
    yield path
    keys_of = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys_of:
        yield from places(value[key], (*path, key))


def refusal(wire: Any) -> str | None:
    """Give what reading a delta says against it, if it can't be read; what is read can be used."""
    try:
        delta = Delta.read(wire)
    except ValueError as error:
        return str(error)
    assert Delta.read(delta.wire()) == delta
    assert len(chain(HASH, delta.version, delta.changes)) == 16
    return None


@pytest.mark.parametrize("place", [place for place in places(whole_delta()) if place], ids=str)
def test_anything_in_any_place_is_right_or_refused_in_short(place: tuple[Any, ...]) -> None:
    refused = 0
    for junk in JUNK:
        wire: Any = whole_delta()
        parent = wire
        for key in place[:-1]:
            parent = parent[key]
        parent[place[-1]] = junk
        reason = refusal(wire)
        assert reason is None or len(reason) < 400
        refused += reason is not None
    assert refused > len(JUNK) // 2
    assert refusal(whole_delta()) is None


def test_anything_at_all_is_refused() -> None:
    for junk in JUNK:
        with pytest.raises(ValueError, match=r"a delta is \[from, version, changes, meta\]"):
            Delta.read(junk)
        with pytest.raises(ValueError, match=r"a change is an object|a change has op"):
            Change.read(junk)


def test_whole_numbers_may_arrive_as_floats() -> None:
    delta = Delta.read((1.0, 2.0, (), {"hash": HASH.hex(), "time": 5.0}))
    assert delta == Delta(1, 2, (), HASH, 5)
    assert delta.from_version.__class__ is delta.time.__class__ is int


def test_the_chain_begins_with_the_epoch() -> None:
    epoch = "0123456789abcdef" * 2
    assert first_hash(epoch) == sha256(b"0123456789abcdef0123456789abcdef").digest()[:16]


@pytest.mark.parametrize(
    ("its", "text"),
    [
        ((), "[7,[]]"),
        ((Change("remove", "/a"), Change("add", "/b", None)), None),
        (
            (Change("replace", "/grün", {"b": True, "a": "é"}),),
            '[7,[{"op":"replace","path":"/grün","value":{"a":"é","b":true}}]]',
        ),
        ((Change("add", "/a", 1e-7), Change("add", "/b", 1)), None),
        ((Change("add", "/a", 1), Change("add", "/b", [{"x": 1e-9}])), None),
        ((Change("add", "/a", {"\U0001f600": 1, "\uffff": 2}),), None),
    ],
)
def test_a_hash_is_of_the_one_before_and_the_canonical_changes(
    its: tuple[Change, ...], text: str | None
) -> None:
    canonical = rfc8785.dumps([7, [change.wire() for change in its]])
    assert text is None or canonical.decode() == text
    assert chain(HASH, 7, its) == sha256(HASH + canonical).digest()[:16]


@unhurried
@given(st.binary(min_size=16, max_size=16), st.integers(1, 2**53 - 1), st.lists(changes, max_size=4))
def test_the_chain_is_that_of_rfc_8785(previous: bytes, version: int, its: list[Change]) -> None:
    canonical = rfc8785.dumps([version, [change.wire() for change in its]])
    assert chain(previous, version, its) == chain(previous, version, tuple(its))
    assert chain(previous, version, its) == sha256(previous + canonical).digest()[:16]
