"""The bank's checker: each way to go wrong is named, and clean banks pass."""

import random
from typing import Any

import pytest
from dstm_bank_checker import Applied, Point, State, Transfer, check_bank, check_points
from hypothesis import given
from hypothesis import strategies as st

OPENING = {"a": 10, "b": 10}


def _transfer(name: str, version: int | None, outcome: Any = "ok", when: float = 0.0) -> Transfer:
    """A transfer of 1 from a to b, called at ``when`` and answered 1 later."""
    return Transfer(name, "a", "b", 1, outcome, when, when + 1, version)


FIRST, SECOND = _transfer("1", 1), _transfer("2", 2, when=2)
LOG = [Applied(1, "1"), Applied(2, "2")]
GOOD = State("r", 2, {"a": 8, "b": 12})


def test_a_clean_bank_passes() -> None:
    states = [State("r", 1, {"a": 9, "b": 11}), GOOD]
    assert check_bank(OPENING, [FIRST, SECOND], LOG, states) == []


@pytest.mark.parametrize(
    ("name", "transfers", "log", "states"),
    [
        ("wrong sum", [FIRST], LOG[:1], [State("r", 0, {"a": 9, "b": 10})]),
        ("lost commit", [FIRST, SECOND], LOG[:1], []),
        ("lost commit", [FIRST, SECOND], [Applied(1, "1"), Applied(3, "2")], []),
        ("applied twice", [FIRST, SECOND], [*LOG, Applied(3, "1")], []),
        ("applied although rejected", [FIRST, _transfer("2", None, "failed")], LOG, []),
        ("transfer from nowhere", [FIRST], LOG, []),
        ("wrong replica", [FIRST, SECOND], LOG, [State("r", 2, {"a": 9, "b": 11})]),
        ("order against the clock", [_transfer("1", 2), _transfer("2", 1, when=2)], LOG[::-1], []),
        ("shared version", [FIRST, _transfer("2", 1)], [Applied(1, "1"), Applied(1, "2")], []),
    ],
)
def test_each_fault_is_named(name: str, transfers: Any, log: Any, states: Any) -> None:
    log = [Applied(2, "1"), Applied(1, "2")] if name == "order against the clock" else log
    assert [anomaly.name for anomaly in check_bank(OPENING, transfers, log, states)] == [name]


def test_an_unknown_transfer_may_be_there_or_not() -> None:
    unknown = _transfer("2", None, "unknown")
    assert check_bank(OPENING, [FIRST, unknown], LOG, [GOOD]) == []
    assert check_bank(OPENING, [FIRST, unknown], LOG[:1], []) == []


def test_a_read_may_not_look_back() -> None:
    points = [Point("write", 0, 1, 5, True), Point("read", 2, 3, 4, False)]
    assert [anomaly.name for anomaly in check_points(points)] == ["stale read"]


def test_a_read_may_see_the_same_version_again() -> None:
    points = [Point("write", 0, 1, 5, True), Point("read", 2, 3, 5, False), Point("again", 4, 5, 5, False)]
    assert check_points(points) == []


def test_a_read_may_not_see_what_is_not_yet_written() -> None:
    points = [Point("read", 0, 1, 5, False), Point("write", 2, 3, 5, True)]
    names = [anomaly.name for anomaly in check_points(points)]
    assert names == ["order against the clock", "read of the future"]


@given(st.integers(0, 2**32), st.integers(0, 80))
def test_serial_banks_always_pass(seed: int, count: int) -> None:
    """Each transfer takes place at one instant between its call and its answer."""
    draw = random.Random(seed)
    balances, transfers, log, states = dict(OPENING), [], [], [State("r", 0, OPENING)]
    for instant in range(count):
        outcome = draw.choice(["ok", "ok", "unknown", "failed"])
        happens = outcome == "ok" or (outcome == "unknown" and draw.random() < 0.5)
        version = None
        if happens:
            version = len(log) + 1
            balances = {"a": balances["a"] - 1, "b": balances["b"] + 1}
            log.append(Applied(version, str(instant)))
            states.append(State(draw.choice("rs"), version, balances))
        invoked, returned = instant - draw.random() * 3, instant + draw.random() * 3
        told = version if outcome == "ok" else None
        transfers.append(Transfer(str(instant), "a", "b", 1, outcome, invoked, returned, told))
    assert check_bank(OPENING, transfers, log, states) == []
