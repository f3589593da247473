"""Fairness: what a client may have in flight, whose turn it is, and who waits for whom."""

from typing import Any

import pytest
from dstm_space_play import NOON, add, replace, submission

from realms.dstm import fairness
from realms.dstm.fairness import Fairness, round_robin


def ops(*wires: dict[str, Any]) -> Any:
    return submission(*wires).transaction.ops


def favouring() -> Fairness:
    """Give one that favours client 1 at /a/b, for 50 ms from noon on."""
    fair = Fairness(10, 2, 50)
    for _ in range(2):
        fair.lost(1, [("a", "b")], NOON)
    return fair


def test_a_client_has_so_many_in_flight() -> None:
    fair = Fairness(2, 5, 50)
    assert [fair.enter(1) for _ in range(3)] == [True, True, False]
    assert fair.enter(2)
    fair.answered(1)
    assert fair.in_flight(1) == 1
    assert fair.enter(1)
    fair.answered(1)
    fair.answered(1)
    assert fair.in_flight(1) == 0


def test_who_lost_often_is_favoured() -> None:
    fair = Fairness(10, 2, 50)
    fair.lost(1, [("a",)], NOON)
    assert fair.favour is None
    fair.lost(1, [("a",)], NOON)
    assert fair.favour is not None
    assert (fair.favour.client, fair.favour.paths, fair.favour.until_ms) == (1, (("a",),), NOON + 50)


def test_who_commits_begins_anew() -> None:
    fair = Fairness(10, 2, 50)
    fair.won(1)
    fair.lost(1, [("a",)], NOON)
    fair.won(1)
    fair.lost(1, [("a",)], NOON)
    assert fair.favour is None


def test_a_deferral_may_be_switched_off() -> None:
    fair = Fairness(10, 1, 0)
    fair.lost(1, [("a",)], NOON)
    assert fair.favour is None


@pytest.mark.parametrize(
    ("path", "waits"),
    [("/a/b", True), ("/a/b/c", True), ("/a", True), ("", True), ("/a/c", False), ("/b", False)],
)
def test_rivals_wait_where_the_favoured_has_lost(path: str, waits: bool) -> None:
    fair = favouring()
    assert fair.must_wait(2, ops(add("/z", 1), replace(path, 1)), NOON) is waits
    assert not fair.must_wait(1, ops(replace(path, 1)), NOON)


def test_a_move_writes_at_both_ends() -> None:
    assert favouring().must_wait(2, ops({"op": "move", "from": "/a", "path": "/z"}), NOON)


def test_a_favour_ends_in_time() -> None:
    fair = favouring()
    assert fair.must_wait(2, ops(add("/a/b", 1)), NOON + 49)
    assert not fair.must_wait(2, ops(add("/a/b", 1)), NOON + 50)
    assert not fair.has_favour(NOON)


@pytest.mark.parametrize("end", ["won", "left"])
def test_a_favour_ends_with_its_client(end: str) -> None:
    fair = favouring()
    getattr(fair, end)(2)
    assert fair.favour is not None
    getattr(fair, end)(1)
    assert fair.favour is None


def test_one_is_favoured_at_a_time() -> None:
    fair = favouring()
    for _ in range(3):
        fair.lost(2, [("z",)], NOON + 10)
    assert fair.favour is not None
    assert fair.favour.client == 1
    fair.lost(2, [("z",)], NOON + 50)
    assert fair.favour.client == 2


def test_losses_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who lost longest ago are forgotten."""
    monkeypatch.setattr(fairness, "MOST_LOSERS", 2)
    fair = Fairness(10, 5, 50)
    for client in (1, 2, 1, 3):
        fair.lost(client, [], NOON)
    assert dict(fair.losses) == {1: 2, 3: 1}


@pytest.mark.parametrize(
    ("arrived", "ordered"),
    [
        ("", ""),
        ("a1 a2", "a1 a2"),
        ("a1 b1 c1", "a1 b1 c1"),
        ("a1 a2 a3 b1 c1 b2", "a1 b1 c1 a2 b2 a3"),
    ],
)
def test_each_client_has_one_before_any_has_its_second(arrived: str, ordered: str) -> None:
    assert round_robin(arrived.split(), lambda item: item[0]) == ordered.split()
