"""Presence: which ops may bind, and what is put back."""

from typing import Any

import pytest
from dstm_space_play import NOON, add, commit, decide, inc, opened, remove, replace, submission

from realms.dstm import errors
from realms.dstm.errors import DstmError
from realms.dstm.presence import undoing


def bindings(space: Any) -> list[dict[str, Any]]:
    return space._state.bindings.wires(space.version)  # type: ignore[no-any-return]


def test_what_a_binding_holds() -> None:
    space = opened()
    commit(space, add("/a", 1))
    decide(
        space,
        replace("/a", 2, bind="session", linger_ms=5),
        add("/b", 2, ttl_ms=50),
        {"op": "setdefault", "path": "/c", "value": 3, "bind": "session"},
    )
    assert bindings(space) == [
        {"path": "/a", "version": 2, "linger_ms": 5, "before": 1},
        {"path": "/b", "version": 2, "expires_ms": NOON + 50},
        {"path": "/c", "version": 2, "linger_ms": 0},
    ]
    assert space.window.entry(2).record.bindings == bindings(space)


def test_a_setdefault_that_set_nothing_binds_nothing() -> None:
    space = opened()
    commit(space, add("/c", 1))
    decide(space, {"op": "setdefault", "path": "/c", "value": 3, "bind": "session"})
    assert bindings(space) == []


def test_what_was_before_the_first_of_them_is_put_back() -> None:
    """A client that binds again by another connection leaves nothing behind."""
    space = opened()
    commit(space, add("/a", 1, bind="session"), client=7)
    commit(space, add("/a", 2, bind="session"), client=8)
    assert bindings(space) == [{"path": "/a", "version": 2, "linger_ms": 0}]


@pytest.mark.parametrize(
    "later",
    [
        replace("/a/b", 2),
        replace("/a", 2),
        remove("/a/b"),
        inc("/a/b", 1),
        {"op": "move", "from": "/a", "path": "/z"},
    ],
)
def test_what_is_bound_is_written_by_no_later_op(later: dict[str, Any]) -> None:
    space = opened()
    commit(space, add("/a", {}))
    answer = commit(space, add("/a/b", 1, bind="session"), add("/x", 1), later)
    assert isinstance(answer, DstmError)
    assert answer.uri == errors.INVALID
    assert answer.details["index"] == 0
    assert "ops[2]" in answer.text


def test_ops_before_and_beside_do_no_harm() -> None:
    space = opened()
    ops = [add("/a", {}), add("/a/b", 1, bind="session"), add("/a/c", 1), add("/a/b/x", 1)]
    answer = commit(space, *ops[:3], {"op": "move", "from": "/a/c", "path": "/d"})
    assert answer.version == 1


def test_nothing_is_bound_in_an_array() -> None:
    space = opened()
    commit(space, add("/rows", [{}]))
    answer = commit(space, add("/rows/0/x", 1, bind="session"))
    assert (answer.uri, answer.details["index"]) == (errors.INVALID, 0)
    assert "array" in answer.text


def test_an_array_may_be_bound_itself() -> None:
    assert commit(opened(), add("/rows", [1], bind="session")).version == 1


def test_without_a_session_nothing_is_bound_to_one() -> None:
    space = opened()
    bare = submission(add("/a", 1, bind="session"))
    bare.author = type(bare.author)()
    assert space.submit(bare, NOON).answer.uri == errors.INVALID
    timed = submission(add("/a", 1, ttl_ms=5))
    timed.author = type(bare.author)()
    assert space.submit(timed, NOON).answer.version == 1


def test_what_is_put_back_is_bounded() -> None:
    space = opened(binding_bytes=100)
    commit(space, add("/a", "x" * 200))
    assert commit(space, replace("/a", 1, bind="session")).uri == errors.TOO_LARGE


def test_bindings_are_bounded() -> None:
    """One more is for later: it leaves no trace."""
    space = opened(bindings=1)
    commit(space, add("/a", 1, bind="session"))
    answer = commit(space, add("/b", 1, bind="session"), tx="c" * 32 + ":1")
    assert (answer.uri, answer.details) == (errors.THROTTLED, {"limit": 1})
    assert space.window.by_tx == {}


def test_the_ops_that_undo() -> None:
    space = opened()
    commit(space, add("/a", 1))
    commit(space, add("/b", 1, bind="session"), replace("/a", 2, bind="session"))
    removal, restoring = [undoing(binding) for binding in space._state.bindings]
    assert (removal.op, removal.path) == ("remove", "/b")
    assert (restoring.op, restoring.path, restoring.value) == ("replace", "/a", 1)  # type: ignore[union-attr]
