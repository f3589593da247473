"""Transactions: read from the wire, by both ways, and refused with the place and the reason."""

from typing import Any

import msgspec
import pytest

from realms.dstm.errors import INVALID, TOO_LARGE, DstmError
from realms.dstm.operations import Add, Inc, Move, Remove
from realms.dstm.reads import Read
from realms.dstm.transaction import (
    CommitArguments,
    Limits,
    Publish,
    Transaction,
    checked_transaction,
    digest,
    read_transaction,
)

LIMITS = Limits(ops=3, reads=3, want=2, publish=2, transaction_bytes=500, depth=5)
TX = "0123456789abcdef" * 2 + ":17"
FULL: dict[str, Any] = {
    "tx": TX,
    "epoch": "e" * 32,
    "base": 5,
    "reads": ["/a", ["keys", ""], ["exists", "/a~1b"]],
    "ops": [
        {"op": "add", "path": "/a", "value": {"b": 1.0, "c": [True]}},
        {"op": "move", "path": "/x", "from": "/y"},
    ],
    "want": ["/a", ""],
    "publish": [
        {"topic": "com.example.moved", "args": [1.0], "kwargs": {"a": 1}, "options": {"exclude_me": True}}
    ],
}
READ = Transaction(
    tx=TX,
    epoch="e" * 32,
    base=5,
    reads=(Read("value", ("a",)), Read("keys", ()), Read("exists", ("a/b",))),
    ops=(Add("/a", {"b": 1, "c": [True]}), Move("/x", "/y")),
    want=(("a",), ()),
    publish=(Publish("com.example.moved", [1], {"a": 1}, {"exclude_me": True}),),
    bytes=115,
)


def straight(kwargs: dict[str, Any]) -> Transaction:
    """Read a transaction in the fast way."""
    encoded = msgspec.msgpack.encode(kwargs)
    return checked_transaction(msgspec.msgpack.decode(encoded, type=CommitArguments), LIMITS)


def refusal(kwargs: dict[str, Any]) -> DstmError:
    """Read a transaction in the slow way, and in the fast one if its shape allows: both must refuse it."""
    with pytest.raises(DstmError) as slow:
        read_transaction(kwargs, LIMITS)
    with pytest.raises((DstmError, msgspec.MsgspecError)) as fast:
        straight(kwargs)
    if isinstance(fast.value, DstmError):
        assert str(fast.value) == str(slow.value)
        assert fast.value.details == slow.value.details
    return slow.value


def test_both_ways_read_the_same() -> None:
    assert repr(straight(FULL)) == repr(READ) == repr(read_transaction(FULL, LIMITS))


def test_everything_may_be_absent() -> None:
    assert straight({}) == read_transaction({}, LIMITS) == Transaction()
    nothing = dict.fromkeys(("tx", "epoch", "base", "reads", "ops"))
    assert read_transaction(nothing, LIMITS) == Transaction()


def test_integers_that_come_as_floats_are_integers() -> None:
    ops = [
        {"op": "add", "path": "/a", "value": 1.5, "ttl_ms": 5.0},
        {"op": "inc", "path": "/a", "value": 2.0},
    ]
    read = read_transaction({"base": 5.0, "ops": ops}, LIMITS)
    assert repr(read) == repr(Transaction(base=5, ops=(Add("/a", 1.5, ttl_ms=5), Inc("/a", 2)), bytes=68))


@pytest.mark.parametrize(
    ("kwargs", "part", "index", "reason"),
    [
        ({"foo": 1}, "foo", None, "is unknown; allowed are tx, epoch, base, reads, ops, want, publish"),
        ({"tx": 5}, "tx", None, "must be str, got int"),
        ({"tx": "0123456789ABCDEF" * 2 + ":1"}, "tx", None, "32 hex digits"),
        ({"tx": "0123456789abcdef" * 2 + ":01"}, "tx", None, "32 hex digits"),
        ({"tx": "0123456789abcdef" * 2 + ":1\n"}, "tx", None, "32 hex digits"),
        ({"tx": "a:1"}, "tx", None, "32 hex digits"),
        ({"epoch": ["x"]}, "epoch", None, "must be str, got list"),
        ({"base": "5"}, "base", None, "must be int, got str"),
        ({"base": True}, "base", None, "must be int, got bool"),
        ({"base": 5.5}, "base", None, "must be int, got float"),
        ({"base": -1}, "base", None, "must be a version"),
        ({"base": 2**53}, "base", None, "must be a version"),
        ({"reads": ["/a"]}, "base", None, "is needed where there are reads"),
        ({"base": 1, "reads": "/a"}, "reads", None, "must be a list, got str"),
        ({"base": 1, "reads": ["", "a"]}, "reads", 1, "'a' is no pointer"),
        ({"base": 1, "reads": ["", ["exists", "/~"]]}, "reads", 1, "'/~' is no pointer"),
        ({"base": 1, "reads": [["value", ""]]}, "reads", 0, "a read is"),
        ({"ops": {"op": "add"}}, "ops", None, "must be a list, got dict"),
        ({"ops": ["add"]}, "ops", 0, "Expected `object`, got `str`"),
        (
            {"ops": [{"op": "remove", "path": "/a"}, {"path": "/a"}]},
            "ops",
            1,
            "op must be one of add, remove,",
        ),
        ({"ops": [{"op": ["add"], "path": "/a"}]}, "ops", 0, "op must be one of add, remove,"),
        ({"ops": [{"op": "add", "path": "/a"}]}, "ops", 0, "missing required field `value`"),
        ({"ops": [{"op": "add", "path": 5, "value": 1}]}, "ops", 0, "Expected `str`, got `int`"),
        ({"ops": [{"op": "remove", "path": "/a", "value": 1}]}, "ops", 0, "unknown field `value`"),
        ({"ops": [{"op": "inc", "path": "/a", "value": "1"}]}, "ops", 0, "got `str`"),
        ({"ops": [{"op": "add", "path": "/a", "value": 1, "bind": "user"}]}, "ops", 0, "bind"),
        ({"ops": [{"op": "remove", "path": "/a"}, {"op": "remove", "path": "a"}]}, "ops", 1, "JSON Pointer"),
        ({"ops": [{"op": "add", "path": "/a", "value": float("inf")}]}, "ops", 0, "finite"),
        ({"ops": [{"op": "add", "path": "/a", "value": [2**53]}]}, "ops", 0, "integers are within"),
        (
            {"ops": [{"op": "add", "path": "/a", "value": {"__proto__": 1}}]},
            "ops",
            0,
            "this key is not allowed",
        ),
        ({"ops": [{"op": "add", "path": "/__proto__", "value": 1}]}, "ops", 0, "__proto__"),
        ({"ops": [{"op": "add", "path": "/a", "value": b"x"}]}, "ops", 0, "bytes is no JSON value"),
        ({"ops": [{"op": "add", "path": "/a/a", "value": [[[[1]]]]}]}, "ops", 0, "nests too deeply"),
        ({"want": ["", 5]}, "want", 1, "Expected `str`, got `int`"),
        ({"want": ["x"]}, "want", 0, "JSON Pointer"),
        ({"publish": [{"topic": "a"}, {}]}, "publish", 1, "missing required field `topic`"),
        ({"publish": [{"topic": ""}]}, "publish", 0, "topic must be a URI"),
        ({"publish": [{"topic": "wamp.x"}]}, "publish", 0, "not begin with dstm. or wamp."),
        ({"publish": [{"topic": "dstm.x"}]}, "publish", 0, "not begin with dstm. or wamp."),
        ({"publish": [{"topic": "a", "args": [float("nan")]}]}, "publish", 0, "finite"),
        ({"publish": [{"topic": "a", "kwargs": {"a": [[[[[1]]]]]}}]}, "publish", 0, "nests too deeply"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    kwargs: dict[str, Any], part: str, index: int | None, reason: str
) -> None:
    error = refusal(kwargs)
    place = part if index is None else f"{part}[{index}]"
    assert error.uri == INVALID
    assert error.text == f"{place}: {error.details['reason']}"
    assert reason in error.text
    assert (error.details["part"], error.details.get("index")) == (part, index)


@pytest.mark.parametrize(
    ("kwargs", "part"),
    [
        ({"ops": [{"op": "remove", "path": "/a"}] * 4}, "ops"),
        ({"base": 1, "reads": ["/a"] * 4}, "reads"),
        ({"want": [""] * 3}, "want"),
        ({"publish": [{"topic": "a"}] * 3}, "publish"),
        ({"ops": [{"op": "add", "path": "/a", "value": "x" * 480}]}, "transaction"),
        ({"ops": [{"op": "add", "path": "/a", "value": ["x" * 480]}]}, "transaction"),
        ({"ops": [{"op": "remove", "path": "/a" + "b" * 480}]}, "transaction"),
        ({"publish": [{"topic": "a", "args": ["x" * 500]}]}, "transaction"),
    ],
)
def test_what_is_too_large_is_told_with_the_limit(kwargs: dict[str, Any], part: str) -> None:
    error = refusal(kwargs)
    assert (error.uri, error.details["part"]) == (TOO_LARGE, part)
    assert "allowed are" in error.text


def test_equal_bodies_have_equal_digests() -> None:
    reordered = {name: FULL[name] for name in reversed(FULL)}
    reordered["ops"] = [{"value": {"c": [True], "b": 1}, "path": "/a", "op": "add"}, FULL["ops"][1]]
    expected = digest(READ)
    assert len(expected) == 16
    assert digest(straight(reordered)) == digest(read_transaction(reordered, LIMITS)) == expected
    assert digest(read_transaction({**FULL, "tx": None}, LIMITS)) == expected


@pytest.mark.parametrize(
    "other",
    [
        {"epoch": "f" * 32},
        {"base": 6},
        {"reads": FULL["reads"][:2]},
        {"reads": ["/a", ["exists", ""], ["exists", "/a~1b"]]},
        {"ops": FULL["ops"][:1]},
        {"ops": FULL["ops"][::-1]},
        {"ops": [{"op": "add", "path": "/a", "value": {"b": 1, "c": [1]}}, FULL["ops"][1]]},
        {"ops": [{"op": "test", "path": "/a", "value": {"b": 1, "c": [True]}}, FULL["ops"][1]]},
        {"ops": [{**FULL["ops"][0], "ttl_ms": 1}, FULL["ops"][1]]},
        {"want": ["/a"]},
        {"publish": []},
    ],
)
def test_whatever_counts_makes_another_digest(other: dict[str, Any]) -> None:
    assert digest(read_transaction({**FULL, **other}, LIMITS)) != digest(READ)


def test_the_shape_is_read_from_json_too() -> None:
    encoded = b'{"ops":[{"op":"remove","path":"/a"}],"want":[""]}'
    arguments = msgspec.json.decode(encoded, type=CommitArguments)
    assert checked_transaction(arguments, LIMITS) == Transaction(ops=(Remove("/a"),), want=((),), bytes=34)
