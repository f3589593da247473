"""Ops: what they do, what they refuse, what they read by themselves."""

from typing import Any

import msgspec
import pytest

from realms.dstm.changes import Change
from realms.dstm.document import Document
from realms.dstm.operations import (
    OP_NAMES,
    Add,
    Applied,
    Copy,
    Inc,
    Limits,
    Max,
    Merge,
    Min,
    Move,
    Op,
    OpFailed,
    Push,
    Remove,
    Replace,
    SetDefault,
    Test,
    apply,
    implied_reads,
    inverse,
)
from realms.dstm.reads import Read
from realms.dstm.values import InvalidValue

LIMITS = Limits()
BEGUN = {"n": 1, "o": {"m": 2, "t": "x"}, "list": [1, {"x": 1}], "half": 0.5}


def applied(*ops: Op, begun: Any = BEGUN) -> Applied:
    return apply(Document.of(begun), ops, LIMITS)


def changed(*ops: Op, begun: Any = BEGUN) -> list[dict[str, Any]]:
    """Give the wire form of the changes, after a look at what must always hold."""
    before = Document.of(begun)
    result = apply(before, ops, LIMITS)
    assert before.apply(result.changes).plain() == result.document.plain()
    assert result.document.apply(inverse(result.changes, result.before)).plain() == before.plain() == begun
    return [change.wire() for change in result.changes]


def failed(*ops: Op, begun: Any = BEGUN, limits: Limits = LIMITS) -> OpFailed:
    with pytest.raises(OpFailed) as failure:
        apply(Document.of(begun), ops, limits)
    return failure.value


def implied(*ops: Op) -> list[str]:
    return [f"{kind} {'/'.join(path)}" for kind, path in implied_reads(Document.of(BEGUN), ops)]


def change(op: str, path: str, *value: Any) -> dict[str, Any]:
    return Change(op, path, *value).wire()


@pytest.mark.parametrize(
    ("op", "changes"),
    [
        (Add("/new", [1]), [change("add", "/new", [1])]),
        (Add("/n", 5), [change("replace", "/n", 5)]),
        (Add("", {"a": 1}), [change("replace", "", {"a": 1})]),
        (Add("/list/1", 7), [change("add", "/list/1", 7)]),
        (Add("/list/2", 7), [change("add", "/list/2", 7)]),
        (Add("/list/-", 7), [change("add", "/list/2", 7)]),
        (Add("/o/-", 7), [change("add", "/o/-", 7)]),
        (Add("/o/1", 7), [change("add", "/o/1", 7)]),
        (Remove("/o/m"), [change("remove", "/o/m")]),
        (Remove("/list/0"), [change("remove", "/list/0")]),
        (Replace("/o", None), [change("replace", "/o", None)]),
        (Replace("/list/0", 2), [change("replace", "/list/0", 2)]),
        (Replace("", 3), [change("replace", "", 3)]),
        (Copy("/list/0", "/o/m"), [change("add", "/list/0", 2)]),
        (Copy("/o/c", ""), [change("add", "/o/c", BEGUN)]),
        (Move("/o/n", "/n"), [change("remove", "/n"), change("add", "/o/n", 1)]),
        (Move("/list/1", "/list/0"), [change("remove", "/list/0"), change("add", "/list/1", 1)]),
        (Test("/o", {"t": "x", "m": 2}), []),
        (Test("/list", [1, {"x": 1}]), []),
        (Inc("/n", 2), [change("replace", "/n", 3)]),
        (Inc("/new", 2), [change("add", "/new", 2)]),
        (Inc("/half", 1.5), [change("replace", "/half", 2)]),
        (Inc("/half", 0.25), [change("replace", "/half", 0.75)]),
        (Inc("/list/0", 1, min=0, max=2), [change("replace", "/list/0", 2)]),
        (Min("/n", 0), [change("replace", "/n", 0)]),
        (Min("/n", 1), []),
        (Min("/new", 1), [change("add", "/new", 1)]),
        (Max("/n", 2), [change("replace", "/n", 2)]),
        (Max("/n", 1), []),
        (Max("/new", 1), [change("add", "/new", 1)]),
        (Push("/list", 3), [change("add", "/list/2", 3)]),
        (Push("/new", 3), [change("add", "/new", [3])]),
        (SetDefault("/n", 3), []),
        (SetDefault("/new", 3), [change("add", "/new", 3)]),
        (Merge("/o", {"m": None, "t": "y"}), [change("remove", "/o/m"), change("replace", "/o/t", "y")]),
        (
            Merge("/o", {"gone": None, "new": {"a": None, "b": [None]}}),
            [change("add", "/o/new", {"b": [None]})],
        ),
        (Merge("/new", {"a": 1, "b": None}), [change("add", "/new", {"a": 1})]),
        (Merge("/n", {"a": 1}), [change("replace", "/n", {"a": 1})]),
        (Merge("", {"o": {"t": 1}}), [change("replace", "/o/t", 1)]),
        (Merge("/o", [1]), [change("replace", "/o", [1])]),
        (Merge("/list/1", {"x": 2}), [change("replace", "/list/1/x", 2)]),
    ],
)
def test_an_op_comes_to_changes(op: Op, changes: list[dict[str, Any]]) -> None:
    assert changed(op) == changes


def test_each_op_meets_what_the_ones_before_left() -> None:
    ops = [
        Add("/a", {}),
        Push("/a/list", 1),
        Push("/a/list", 2),
        Inc("/a/n", 1),
        Move("/b", "/a/list"),
        Remove("/a"),
    ]
    assert applied(*ops).document.plain() == {**BEGUN, "b": [1, 2]}
    assert changed(*ops)[-1] == change("remove", "/a")


def test_what_was_there_before_leads_back() -> None:
    result = applied(Replace("/o/m", 3), Remove("/o"), Add("/list/0", 0))
    assert [wire.wire() for wire in inverse(result.changes, result.before)] == [
        change("remove", "/list/0"),
        change("add", "/o", {"m": 3, "t": "x"}),
        change("replace", "/o/m", 2),
    ]


@pytest.mark.parametrize(
    ("op", "met"),
    [
        (Add("/x/y", 1), "exists x"),
        (Add("/n/y", 1), "value n"),
        (Add("/list/3", 1), "keys list"),
        (Add("/list/x", 1), "keys list"),
        (Add("/list/01", 1), "keys list"),
        (Add("/x/0", 1), "exists x"),
        (Remove("/x"), "exists x"),
        (Remove("/list/2"), "keys list"),
        (Remove("/list/-"), "keys list"),
        (Replace("/x", 1), "exists x"),
        (Replace("/n/x", 1), "value n"),
        (Copy("/y", "/x"), "exists x"),
        (Move("/x/y", "/n"), "exists x"),
        (Inc("/list/5", 1), "keys list"),
        (Inc("/o/t", 1), "value o/t"),
        (Min("/o", 1), "exists o, container o"),
        (Push("/n", 1), "value n"),
        (Push("/o", 1), "exists o, container o"),
        (Merge("/x/y", {}), "exists x"),
        (SetDefault("/list/2", 1), "keys list"),
        (Remove(""), "place "),
    ],
)
def test_an_op_that_does_not_fit_tells_what_it_met(op: Op, met: str) -> None:
    failure = failed(Test("/n", 1), op)
    assert ", ".join(f"{kind} {'/'.join(path)}" for kind, path in failure.met) == met
    assert (failure.index, failure.kind) == (1, "state")
    assert str(failure) == f"ops[1]: {failure.reason}"


def test_what_own_ops_did_is_not_what_a_failure_met() -> None:
    assert failed(Remove("/o"), Replace("/o/m", 1)).met == ()
    assert failed(Replace("/o", 1), Push("/o", 1)).met == ()
    assert failed(Remove("/list/0"), Replace("/list/0/y", 1)).met == (Read("value", ("list",)),)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/n", True),
        ("/n", 2),
        ("/n", "1"),
        ("/x", None),
        ("/o", {"m": 2}),
        ("/o", {"m": 2, "x": "t"}),
        ("/o", [2, "x"]),
        ("/list", [1]),
        ("/list", [1, {"x": True}]),
        ("/list", {"0": 1, "1": {"x": 1}}),
        ("/half", 1),
    ],
)
def test_a_test_that_fails_is_a_read_of_the_value(path: str, value: Any) -> None:
    failure = failed(Test(path, value))
    assert failure.kind == "test"
    assert failure.met == (Read("value", (path[1:],)),)


@pytest.mark.parametrize(
    "op",
    [
        Inc("/n", -2, min=0),
        Inc("/n", 2, max=2),
        Inc("/n", 0.5, min=2),
        Inc("/n", 2**53 - 1),
        Inc("/n", -(2**53) - 1),
        Inc("/half", 1e308),
        Inc("/huge", 1.7e308),
    ],
)
def test_a_sum_out_of_bounds_is_against_a_constraint(op: Inc) -> None:
    failure = failed(op, begun={"n": 1, "half": 0.5, "huge": 1.7e308})
    assert failure.kind == "constraint"
    assert failure.met == (Read("value", (op.path[1:],)),)


def test_a_document_may_not_grow_beyond_its_limit() -> None:
    limits = Limits(document_bytes=20)
    assert failed(Add("/b", "x" * 20), begun={}, limits=limits).kind == "size"
    large = Document.of({"a": "x" * 100, "b": 1})
    assert failed(Add("/c", 1), begun=large.plain(), limits=limits).kind == "size"
    assert apply(large, [Remove("/b")], limits).document.plain() == {"a": "x" * 100}


def test_copies_count_as_bytes_of_the_transaction() -> None:
    limits = Limits(transaction_bytes=1000)
    begun = {"text": "x" * 300, "list": [1] * 500, "many": {str(number): "xxxx" for number in range(200)}}
    apply(Document.of(begun), [Copy("/1", "/text"), Copy("/2", "/text"), Copy("/3", "/text")], limits)
    failure = failed(*[Copy(f"/{number}", "/text") for number in range(4)], begun=begun, limits=limits)
    assert (failure.index, failure.kind, failure.met) == (3, "size", (Read("value", ("text",)),))
    assert failed(Copy("/x", "/many"), begun=begun, limits=limits).kind == "size"
    assert failed(Copy("/x", "/list"), begun=begun, limits=limits).kind == "size"


def test_a_copy_may_not_nest_too_deeply() -> None:
    limits = Limits(depth=3)
    begun = {"a": {"b": {}}, "n": 1}
    apply(Document.of(begun), [Copy("/c", "/a"), Copy("/a/b/n", "/n")], limits)
    failure = failed(Copy("/a/c", "/a"), begun=begun, limits=limits)
    assert (failure.kind, failure.met) == ("size", (Read("value", ("a",)),))


@pytest.mark.parametrize(
    ("ops", "reads"),
    [
        ([Add("/x", 1)], ["container "]),
        ([Add("/o/x", 1)], ["container o"]),
        ([Add("", {})], []),
        ([Add("/list/-", 1)], ["container list"]),
        ([Add("/list/0", 1)], ["keys list"]),
        ([Add("/o/0", 1)], ["container o"]),
        ([Remove("/o/m")], ["exists o/m"]),
        ([Replace("/o/m", 1)], ["exists o/m"]),
        ([Copy("/x", "/o")], ["value o", "container "]),
        ([Move("/x", "/list/0")], ["value list/0", "container "]),
        ([Test("/o", 1)], ["value o"]),
        ([Inc("/n", 1)], ["place n"]),
        ([Min("/n", 1), Max("/n", 1)], ["place n"]),
        ([Push("/list", 1)], ["container list"]),
        ([Merge("/o", {})], ["container o"]),
        ([Merge("/o", 1)], ["place o"]),
        ([SetDefault("/x", 1)], ["exists x"]),
        ([SetDefault("/n", 1)], ["exists n"]),
    ],
)
def test_ops_read_by_themselves(ops: list[Op], reads: list[str]) -> None:
    assert implied(*ops) == reads


@pytest.mark.parametrize(
    ("ops", "reads"),
    [
        ([Add("/x", {}), Add("/x/y", []), Push("/x/y", 1), Add("/x/y/0", 1), Test("/x", 1)], ["container "]),
        ([Add("", []), Remove("/0"), Test("", 1)], []),
        ([Remove("/o"), SetDefault("/o", {}), Inc("/o/m", 1)], ["exists o"]),
        ([Move("/x", "/o"), Test("/x/m", 2), Add("/o", 1)], ["value o", "container "]),
        ([SetDefault("/x", {}), Test("/x", {})], ["exists x"]),
        ([SetDefault("/n", 1), Test("/n", 1)], ["exists n", "value n"]),
        ([Merge("/n", 1), Test("/n", 1)], ["place n"]),
        # after a blind op, something is there, but what is not known without a read
        ([Inc("/n", 1), Replace("/n", 1), Test("/n", 1)], ["place n"]),
        ([Inc("/n", 1), Test("/n", 2)], ["place n", "value n"]),
        ([Inc("/x", 1), SetDefault("/x", 1), Test("/x", 1)], ["place x", "value x"]),
        ([Push("/list", 1), Copy("/x", "/list")], ["container list", "value list", "container "]),
        ([Merge("/o", {"m": 1}), Test("/o/m", 1)], ["container o", "value o/m"]),
        # elements move, so that an index says nothing of the shared array any more
        ([Add("/list/0", 1), Inc("/list/1", 1)], ["keys list", "value list"]),
        ([Remove("/list/0"), Test("/list/0/x", 1)], ["exists list/0", "value list"]),
        ([Add("/list/-", {}), Test("/list/0", 1)], ["container list", "value list/0"]),
        ([Replace("/list/0", {}), Add("/list/0/x", 1)], ["exists list/0", "container list/0"]),
        ([Inc("/list/0", 1), Replace("/list/0", 1)], ["place list/0", "exists list/0"]),
        ([Remove("/list/1/x"), Add("/list/1/x", 1)], ["exists list/1/x", "container list/1"]),
    ],
)
def test_what_own_ops_have_determined_is_not_read(ops: list[Op], reads: list[str]) -> None:
    assert implied(*ops) == reads


@pytest.mark.parametrize("name", OP_NAMES)
def test_an_op_is_its_wire_form(name: str) -> None:
    wire: dict[str, Any] = {"op": name, "path": "/a"}
    if name in ("copy", "move"):
        wire["from"] = "/b"
    elif name != "remove":
        wire["value"] = 1
    op = msgspec.convert(wire, Op)
    assert op.op == name
    assert msgspec.to_builtins(op) == wire
    assert op.checked(64) is op


@pytest.mark.parametrize(
    ("op", "checked"),
    [
        (Add("/a", [1.0, {"b": -0.0}]), Add("/a", [1, {"b": 0}])),
        (Inc("/a", 1.0, min=0.0), Inc("/a", 1, min=0)),
        (Inc("/a", 1, max=2.0), Inc("/a", 1, max=2)),
        (Max("/a", 3.0), Max("/a", 3)),
        (Push("/a", 1.0), Push("/a", 1)),
    ],
)
def test_values_are_normalized(op: Op, checked: Op) -> None:
    assert repr(op.checked(64)) == repr(checked)


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        (Remove("a"), "begins with"),
        (Add("/a~2", 1), "followed by 0 or 1"),
        (Copy("/a", "/__proto__"), "not allowed"),
        (Inc("/a", float("nan")), "finite"),
        (Inc("/a", True), "a number is needed"),
        (Inc("/a", 1, min=True), "a number is needed"),
        (Inc("/a/b/c/d", 1), "may have 3 tokens, got 4"),
        (Test("/a/b/c", []), "too deeply"),
        (Push("/a/b", []), "too deeply"),
        (Move("/a/b", "/a"), "lies inside"),
        (Copy("/a/b", ""), "lies inside from"),
        (Add("/a", 1, linger_ms=1), "needs bind"),
        (Add("/a", 1, bind="session", linger_ms=-1), "must be 0.."),
        (Replace("/a", 1, ttl_ms=0), "must be 1.."),
        (SetDefault("/a", 1, ttl_ms=2**53), "must be 1.."),
    ],
)
def test_what_is_wrong_without_a_document_is_told(op: Op, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        op.checked(3)


def test_bindings_are_allowed_where_a_value_is_set() -> None:
    op = Add("/a", 1, bind="session", linger_ms=0, ttl_ms=1)
    assert op.checked(3) is op
    with pytest.raises(InvalidValue):
        Replace("/a", b"bytes", bind="session").checked(3)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"op": "inc", "path": "/a", "value": 1, "ttl_ms": 1}, Op)


def test_a_text_that_wamp_reads_as_binary_data_is_refused() -> None:
    """Also where the text is plain ASCII, which needs no look at its characters."""
    with pytest.raises(ValueError, match=r"U\+0000"):
        Add("/a", "\0AAEC").checked(64)
    assert Add("/a", "AAEC\0").checked(64) == Add("/a", "AAEC\0")
