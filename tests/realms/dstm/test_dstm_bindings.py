"""Bindings: what is to be undone by itself, and when it is over."""

from typing import Any

import pytest
from dstm_space_play import NOON
from msgspec import UNSET

from realms.dstm.bindings import Binding, Bindings
from realms.dstm.changes import Change
from realms.dstm.pointer import parse


def bound(path: str, version: int = 1, session: int | None = 7, **more: Any) -> Binding:
    linger_ms = more.get("linger_ms", None if session is None else 0)
    before = more.get("before", UNSET)
    return Binding(parse(path), version, linger_ms, more.get("expires_ms"), before, session)


def having(*new: Binding) -> Bindings:
    bindings = Bindings()
    for binding in new:
        bindings.commit(binding.version, (), [binding])
    return bindings


def paths(bindings: Bindings) -> list[str]:
    return sorted("/" + "/".join(binding.path) for binding in bindings)


@pytest.mark.parametrize(
    ("pointer", "left"),
    [
        ("/a/b", ["/a", "/c"]),
        ("/a", ["/c"]),
        ("", []),
        ("/a/b/x", ["/a", "/a/b", "/c"]),
        ("/d", ["/a", "/a/b", "/c"]),
    ],
)
def test_a_write_at_the_path_or_above_ends_a_binding(pointer: str, left: list[str]) -> None:
    """One below does not: what a session has bound, it may go on changing."""
    bindings = having(bound("/a"), bound("/a/b"), bound("/c"))
    bindings.commit(2, [Change("replace", pointer, 1)], [])
    assert paths(bindings) == left


def test_a_new_binding_takes_the_place_of_the_old() -> None:
    bindings = having(bound("/a", session=7))
    bindings.commit(2, [Change("replace", "/a", 1)], [bound("/a", 2, session=8)])
    bindings.left(7, NOON)
    assert bindings.next_due() is None
    bindings.left(8, NOON)
    assert bindings.next_due() == NOON


def test_what_a_session_holds_is_due_when_it_has_lingered() -> None:
    bindings = having(bound("/a", linger_ms=50), bound("/b", linger_ms=10), bound("/c", session=8))
    bindings.left(7, NOON)
    assert bindings.next_due() == NOON + 10
    assert [binding.path for binding in bindings.due(NOON + 49, 10)] == [("b",)]
    assert [binding.path for binding in bindings.due(NOON + 50, 10)] == [("b",), ("a",)]
    assert [binding.path for binding in bindings.due(NOON + 50, 1)] == [("b",)]


def test_a_lifetime_is_due_with_or_without_its_session() -> None:
    """Whichever comes first."""
    bindings = having(
        bound("/a", session=7, expires_ms=NOON + 50), bound("/b", session=None, expires_ms=NOON + 90)
    )
    assert bindings.next_due() == NOON + 50
    bindings.left(7, NOON + 20)
    assert bindings.next_due() == NOON + 20
    bindings.end(("a",), 2)
    assert bindings.next_due() == NOON + 90


def test_an_unknown_session_holds_nothing() -> None:
    bindings = having(bound("/a"))
    bindings.left(9, NOON)
    assert bindings.next_due() is None


def test_wires_are_read_again() -> None:
    """All but the session."""
    bindings = having(
        bound("/a", linger_ms=5),
        bound("/b", session=None, expires_ms=NOON),
        bound("/c", before={"was": 1}),
    )
    again = Bindings(bindings.wires(1))
    assert again.wires(1) == bindings.wires(1)
    assert again.wires(1)[2] == {"path": "/c", "version": 1, "linger_ms": 0, "before": {"was": 1}}
    assert all(binding.session_id is None for binding in again)
    assert Binding.read(bindings.wires(1)[0], 7).session_id == 7
    assert Binding.read(bindings.wires(1)[1], 7).session_id is None


def test_wires_are_those_of_the_durable_version() -> None:
    """Without what was bound since, and with what was ended since."""
    bindings = having(bound("/a"), bound("/b"))
    bindings.commit(2, [Change("remove", "/a")], [bound("/c", 2)])
    assert [wire["path"] for wire in bindings.wires(1)] == ["/b", "/a"]
    bindings.durable(2)
    assert [wire["path"] for wire in bindings.wires(2)] == ["/b", "/c"]


def test_taking_back_what_was_bound_and_ended() -> None:
    bindings = having(bound("/a"), bound("/b", session=8))
    bindings.commit(2, [Change("remove", "/a")], [bound("/c", 2)])
    bindings.commit(3, [Change("remove", "/c")], [])
    bindings.commit(4, [], [bound("/d", 4)])
    bindings.take_back(1)
    assert paths(bindings) == ["/a", "/b"]
    bindings.left(7, NOON)
    assert [binding.path for binding in bindings.due(NOON, 10)] == [("a",)]


def test_a_session_that_left_before_the_end_was_taken_back() -> None:
    """Its binding is there again, and due."""
    bindings = having(bound("/a", linger_ms=5))
    bindings.commit(2, [Change("remove", "/a")], [])
    bindings.left(7, NOON)
    assert bindings.next_due() is None
    bindings.take_back(1)
    assert bindings.next_due() == NOON + 5


def test_an_end_that_is_durable_is_forgotten() -> None:
    bindings = having(bound("/a"), bound("/b"))
    bindings.commit(2, [Change("remove", "/a")], [])
    bindings.commit(3, [Change("remove", "/b")], [])
    bindings.durable(2)
    bindings.take_back(2)
    assert paths(bindings) == ["/b"]
    bindings.commit(3, [Change("remove", "/b")], [])
    bindings.durable(3)
    assert bindings._by_session == {}


def test_orphans_linger_from_the_recovery_on() -> None:
    """Those that a session holds do not, nor those that no session ever held."""
    wires = having(bound("/a", linger_ms=5), bound("/b", session=None, expires_ms=NOON + 99)).wires(1)
    bindings = Bindings(wires)
    bindings.commit(2, [], [bound("/c", 2)])
    bindings.orphaned(NOON)
    assert [binding.path for binding in bindings.due(NOON + 50, 10)] == [("a",)]


def test_adopting() -> None:
    """Another session is the holder; also of what was due already. Only of that version's bindings."""
    bindings = having(
        bound("/a", linger_ms=5),
        bound("/b", expires_ms=NOON + 60),
        bound("/old", 2),
        bound("/ttl", session=None, expires_ms=NOON + 90),
    )
    bindings.left(7, NOON)
    bindings.adopt(1, [("a",), ("b",), ("old",), ("ttl",), ("none",)], 8)
    assert [binding.path for binding in bindings.due(NOON + 50, 10)] == [("old",)]
    bindings.left(8, NOON + 10)
    assert [binding.path for binding in bindings.due(NOON + 50, 10)] == [("old",), ("b",), ("a",)]


def test_adopting_from_a_session_that_is_there() -> None:
    bindings = having(bound("/a"), bound("/b"))
    bindings.adopt(1, [("a",)], 8)
    bindings.left(7, NOON)
    assert [binding.path for binding in bindings.due(NOON, 10)] == [("b",)]


def test_what_was_scheduled_often_costs_no_memory() -> None:
    bindings = having(bound("/a", session=None, linger_ms=5), bound("/b", session=None, expires_ms=NOON))
    for number in range(1000):
        bindings.adopt(1, [("a",)], 100 + number)
        bindings.left(100 + number, NOON + number)
    assert len(bindings._heap) < 100
    assert bindings.next_due() == NOON
