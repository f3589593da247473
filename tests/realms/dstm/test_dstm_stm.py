"""What a transaction function sees, and what its run comes to."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from realms.dstm.document import Document
from realms.dstm.errors import CONFLICT, CONSTRAINT, INVALID, TOO_LARGE, DstmError
from realms.dstm.operations import (
    Add,
    Copy,
    Inc,
    Limits,
    Max,
    Merge,
    Min,
    Move,
    Op,
    Push,
    Remove,
    Replace,
    SetDefault,
    Test,
)
from realms.dstm.stm import Conflict, Outcome, Retry, Tx, or_else, run
from realms.dstm.transaction import Limits as TransactionLimits
from realms.dstm.transaction import Publish, read_transaction

BEGUN = {"n": 1, "o": {"m": 2}, "list": [{"x": 1}, {"x": 2}], "none": None}


def started(limits: Limits | None = None) -> Tx:
    return Tx(Document.of(BEGUN), 7, limits)


def ran(function: Callable[..., Any], *args: Any) -> Outcome:
    return run(function, Document.of(BEGUN), 7, args)


def reads(tx: Tx) -> list[Any]:
    return [read.wire() for read in tx.reads]


def drop(tx: Tx, act: Callable[[Tx], Any]) -> None:
    """Do something in a nested block that fails at its end."""

    def block() -> None:
        with tx.nested() as inner:
            act(inner)
            raise LookupError

    with pytest.raises(LookupError):
        block()


def test_values_are_read() -> None:
    tx = started()
    assert (tx["/o/m"], tx[""], tx["/none"]) == (2, BEGUN, None)
    assert (tx.get("/n"), tx.get("/none", 5), tx.get("/x", 5), tx.get("/x")) == (1, None, 5, None)
    with pytest.raises(KeyError, match="/o/x"):
        tx["/o/x"]
    assert tx.version == 7
    assert reads(tx) == [""]
    assert tx.only_reads


def test_what_is_missing_was_read_too() -> None:
    tx = started()
    tx.get("/x")
    with pytest.raises(KeyError):
        tx["/y"]
    with pytest.raises(KeyError):
        del tx["/z"]
    assert reads(tx) == ["/x", "/y", ["exists", "/z"]]
    assert tx.only_reads


def test_existence_and_keys_are_read_by_themselves() -> None:
    tx = started()
    assert ("/o" in tx, "/x" in tx, "/none" in tx) == (True, False, True)
    assert (tx.keys("/o"), tx.keys("/list"), tx.keys()) == (["m"], ["0", "1"], ["list", "n", "none", "o"])
    for pointer in ("/n", "/x"):
        with pytest.raises(KeyError, match=pointer):
            tx.keys(pointer)
    exists = [["exists", "/o"], ["exists", "/x"], ["exists", "/none"]]
    assert reads(tx) == [*exists, *(["keys", pointer] for pointer in ("/o", "/list", "", "/n", "/x"))]


def test_a_value_that_was_read_is_a_copy() -> None:
    tx = started()
    tx["/o"]["m"] = 5
    tx.get("/list").append(1)
    given = {"a": [1]}
    tx["/new"] = given
    given["a"].append(2)
    assert (tx["/o"], len(tx["/list"]), tx["/new"]) == ({"m": 2}, 2, {"a": [1]})


@pytest.mark.parametrize(
    ("write", "op", "value"),
    [
        (lambda tx: tx.__setitem__("/x", 1.0), Add("/x", 1), 1),
        (lambda tx: tx.__setitem__("/n", 5), Add("/n", 5), 5),
        (lambda tx: tx.__setitem__("", {"n": 5}), Replace("", {"n": 5}), {"n": 5}),
        (lambda tx: tx.__setitem__("/list/0", 5), Replace("/list/0", 5), 5),
        (lambda tx: tx.__setitem__("/list/-", 5), Add("/list/-", 5), None),
        (lambda tx: tx.insert("/list/0", 5), Add("/list/0", 5), 5),
        (lambda tx: tx.inc("/n"), Inc("/n", 1), 2),
        (lambda tx: tx.inc("/n", 3, min=0, max=4), Inc("/n", 3, min=0, max=4), 4),
        (lambda tx: tx.min("/n", 0), Min("/n", 0), 0),
        (lambda tx: tx.max("/n", 3), Max("/n", 3), 3),
        (lambda tx: tx.push("/p", 3), Push("/p", 3), [3]),
        (lambda tx: tx.merge("/o", {"k": 1, "m": None}), Merge("/o", {"k": 1, "m": None}), {"k": 1}),
        (lambda tx: tx.move("/n", "/k"), Move("/k", "/n"), 1),
        (lambda tx: tx.copy("/n", "/k"), Copy("/k", "/n"), 1),
        (lambda tx: tx.test("/n", 1), Test("/n", 1), 1),
        (
            lambda tx: tx.put("/n", 2, bind="session", linger_ms=0, ttl_ms=5),
            Add("/n", 2, bind="session", linger_ms=0, ttl_ms=5),
            2,
        ),
    ],
)
def test_writes_are_ops_and_seen_at_once(write: Callable[[Tx], Any], op: Op, value: Any) -> None:
    tx = started()
    write(tx)
    assert tx.ops == (op,)
    assert not tx.only_reads
    assert tx.get(op.path) == value


def test_what_was_removed_is_gone() -> None:
    tx = started()
    del tx["/o/m"]
    assert tx.ops == (Remove("/o/m"),)
    assert ("/o/m" not in tx, tx.keys("/o")) == (True, [])


def test_setdefault_tells_whether_it_set() -> None:
    tx = started()
    assert (tx.setdefault("/n", 5), tx.setdefault("/x", 5, ttl_ms=9)) == (False, True)
    assert tx.ops == (SetDefault("/n", 5), SetDefault("/x", 5, ttl_ms=9))
    assert (tx["/n"], tx["/x"]) == (1, 5)
    assert reads(tx) == ["/n"]


def test_own_writes_are_not_read() -> None:
    tx = started()
    tx["/x"] = {"y": [1]}
    assert (tx["/x/y/0"], "/x/z" in tx, tx.keys("/x"), tx.get("/x/y")) == (1, False, ["y"], [1])
    assert reads(tx) == []
    assert "x" in tx[""]
    assert reads(tx) == [""]


def test_the_value_after_an_own_blind_op_is_read() -> None:
    tx = started()
    tx.inc("/n")
    assert "/n" in tx
    assert reads(tx) == []
    assert tx["/n"] == 2
    assert reads(tx) == ["/n"]


def test_after_elements_were_moved_the_array_is_read() -> None:
    tx = started()
    tx.insert("/list/0", {"x": 0})
    assert tx["/list/1/x"] == 1
    assert reads(tx) == ["/list"]


@pytest.mark.parametrize(
    ("act", "uri", "read"),
    [
        (lambda tx: tx.__setitem__("/x/y", 1), INVALID, [["exists", "/x"]]),
        (lambda tx: tx.push("/o", 1), INVALID, [["exists", "/o"], ["keys", "/o"]]),
        (lambda tx: tx.inc("/none"), INVALID, ["/none"]),
        (lambda tx: tx.inc("/n", -5, min=0), CONSTRAINT, ["/n"]),
        (lambda tx: tx.test("/n", 2), CONFLICT, ["/n"]),
        (lambda tx: tx.__setitem__("/x", "x" * 300), TOO_LARGE, [""]),
    ],
)
def test_an_op_that_does_not_fit_changes_nothing_and_has_read(
    act: Callable[[Tx], Any], uri: str, read: list[Any]
) -> None:
    tx = started(Limits(document_bytes=200))
    tx["/k"] = 1
    with pytest.raises(DstmError) as refusal:
        act(tx)
    assert refusal.value.uri == uri
    assert refusal.value.details["index"] == 1
    assert refusal.value.text == f"ops[1]: {refusal.value.details['reason']}"
    assert reads(tx) == read
    assert tx.ops == (Add("/k", 1),)


@pytest.mark.parametrize(
    "act",
    [
        lambda tx: tx["o"],
        lambda tx: tx.get("/~"),
        lambda tx: tx.__setitem__("/a", {1: 2}),
        lambda tx: tx.__setitem__("/a", object()),
        lambda tx: tx.inc("/n", "1"),
        lambda tx: tx.put("/a", 1, linger_ms=5),
        lambda tx: tx.move("/o", "/o/m"),
    ],
)
def test_what_no_document_holds_is_a_value_error(act: Callable[[Tx], Any]) -> None:
    tx = started()
    with pytest.raises(ValueError):
        act(tx)
    assert tx.only_reads


def test_events_are_published_with_the_commit() -> None:
    tx = started()
    tx.publish("com.example.moved", 1, to="b")
    assert tx.publishes == (Publish("com.example.moved", [1], {"to": "b"}),)
    assert not tx.only_reads


def test_it_has_the_wire_form_of_a_commit() -> None:
    def function(tx: Tx) -> None:
        tx.inc("/n", tx["/o/m"], max=9)
        tx.move("/o", "/p")

    tx = ran(function).tx
    ops = [{"op": "inc", "path": "/n", "value": 2, "max": 9}, {"op": "move", "path": "/p", "from": "/o"}]
    assert tx.wire() == {"reads": ["/o/m"], "ops": ops}
    tx = started()
    tx.publish("a.b")
    assert tx.wire()["publish"] == [{"topic": "a.b", "args": [], "kwargs": {}, "options": {}}]
    read = read_transaction({**tx.wire(), "base": tx.version}, TransactionLimits())
    assert (read.base, read.publish) == (7, tx.publishes)


def test_a_run_has_a_value() -> None:
    def function(tx: Tx, pointer: str) -> Any:
        return tx[pointer]

    outcome = ran(function, "/n")
    assert (outcome.value, outcome.ended, reads(outcome.tx)) == (1, "done", ["/n"])


def test_a_run_that_is_over_takes_no_more() -> None:
    tx = ran(lambda tx: None).tx
    for act in (lambda: tx["/n"], lambda: tx.inc("/n"), lambda: tx.publish("a")):
        with pytest.raises(RuntimeError, match="is over"):
            act()


def test_an_exception_of_the_function_goes_through() -> None:
    def function(tx: Tx) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        ran(function)


def test_a_function_must_be_a_plain_one() -> None:
    async def function(tx: Tx) -> None:
        raise AssertionError("it is never begun")

    with pytest.raises(TypeError, match="must be a plain function"):
        ran(function)


def test_a_run_may_leave_to_wait_or_to_begin_again() -> None:
    def waiting(tx: Tx) -> str:
        if tx["/n"] < 5:
            tx.retry()
        return "enough"

    def stale(tx: Tx) -> None:
        tx.restart()

    outcome = ran(waiting)
    assert (outcome.ended, outcome.value, reads(outcome.tx)) == ("retry", None, ["/n"])
    assert ran(stale).ended == "restart"


def test_leaving_can_not_be_swallowed() -> None:
    def function(tx: Tx) -> str:
        try:
            tx.retry()
        except Exception:
            return "swallowed"

    outcome = ran(function)
    assert (outcome.ended, outcome.value) == ("retry", None)


@pytest.mark.parametrize("exception", [Retry, Conflict])
def test_what_another_run_raises_is_not_this_runs(exception: type[Exception]) -> None:
    def function(tx: Tx) -> None:
        raise exception

    with pytest.raises(exception):
        ran(function)


def test_a_nested_block_that_fails_has_written_nothing_and_read() -> None:
    tx = started()
    tx["/before"] = 1

    def act(inner: Tx) -> None:
        inner["/inside"] = inner["/n"]
        del inner["/before"]
        inner.publish("a.b")

    drop(tx, act)
    assert (tx.ops, tx.publishes) == ((Add("/before", 1),), ())
    assert tx["/before"] == 1
    assert reads(tx) == ["/n", ["exists", "/inside"]]


def test_a_nested_block_that_ends_well_stays() -> None:
    tx = started()
    with tx.nested():
        tx["/inside"] = 1
    assert tx.ops == (Add("/inside", 1),)


@pytest.mark.parametrize(
    ("act", "read"),
    [
        (lambda tx: tx.inc("/n"), ["/n"]),
        (lambda tx: tx.push("/list", 1), ["/list"]),
        (lambda tx: tx.copy("/o/m", "/k"), ["/o/m", ["exists", "/k"]]),
        (lambda tx: tx.setdefault("/k", 1), [["exists", "/k"]]),
        (lambda tx: tx.insert("/list/0", 1), ["/list"]),
        (lambda tx: tx.__setitem__("/list/-", 1), [["exists", "/list/-"]]),
        (lambda tx: tx.__setitem__("/own/x", 1), []),
    ],
)
def test_what_dropped_ops_depended_on_was_read(act: Callable[[Tx], Any], read: list[Any]) -> None:
    tx = started()
    tx["/own"] = {}
    drop(tx, act)
    assert reads(tx) == read


def take(pointer: str) -> Callable[[Tx], Any]:
    """Give a function that takes what is at ``pointer``, or waits for it."""

    def function(tx: Tx) -> Any:
        tx.push("/log", pointer)
        if pointer not in tx:
            tx.retry()
        value = tx[pointer]
        del tx[pointer]
        return value

    return function


def test_or_else_does_the_first_that_does_not_retry() -> None:
    outcome = ran(or_else(take("/x"), take("/y"), take("/n"), take("/o")))
    assert (outcome.value, outcome.ended) == (1, "done")
    assert outcome.tx.ops == (Push("/log", "/n"), Remove("/n"))
    assert reads(outcome.tx) == [["exists", "/x"], "/log", ["exists", "/y"], "/n"]


def test_or_else_waits_where_all_wait() -> None:
    outcome = ran(or_else(take("/x"), or_else(take("/y"), take("/z"))))
    assert (outcome.value, outcome.ended) == (None, "retry")
    assert [read for read in reads(outcome.tx) if read != "/log"] == [
        ["exists", f"/{name}"] for name in "xyz"
    ]


def test_or_else_goes_on_after_a_swallowed_retry() -> None:
    def swallowing(tx: Tx) -> str:
        tx["/k"] = 1
        with suppress(Exception):
            take("/x")(tx)
        return "swallowed"

    outcome = ran(or_else(swallowing, take("/n")))
    assert (outcome.value, outcome.tx.ops) == (1, (Push("/log", "/n"), Remove("/n")))


def test_or_else_needs_a_function() -> None:
    assert ran(or_else(take("/n"))).value == 1
    with pytest.raises(TypeError, match="needs a function"):
        or_else()


def test_or_else_leaves_with_other_exceptions() -> None:
    def stale(tx: Tx) -> None:
        tx.restart()

    assert ran(or_else(stale, take("/n"))).ended == "restart"
