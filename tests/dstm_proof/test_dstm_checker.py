"""The checker itself: each known anomaly has its history, and serial histories have none."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from dstm_checker import Append, Outcome, Read, Transaction, check_lists, edges_of_time, external_reads
from hypothesis import given
from hypothesis import strategies as st

Row = tuple[Any, ...]


def _history(*rows: Row) -> list[Transaction]:
    """Make transactions of rows (outcome, invoked, returned, step...), named T1, T2, ..."""
    return [
        Transaction(f"T{number}", outcome, tuple(steps), invoked, returned)
        for number, (outcome, invoked, returned, *steps) in enumerate(rows, 1)
    ]


def _names(*rows: Row) -> list[str]:
    return [anomaly.name for anomaly in check_lists(_history(*rows))]


def a(key: str, element: int) -> Append:
    return Append(key, element)


def r(key: str, *elements: int) -> Read:
    return Read(key, elements)


# name of the anomaly -> rows of a history that has just this one
ANOMALIES: dict[str, list[Row]] = {
    # two clients read the same version and both append to it
    "lost update": [
        ("ok", 0, 9, r("x"), a("x", 1)),
        ("ok", 0, 9, r("x"), a("x", 2)),
        ("ok", 10, 11, r("x", 1, 2)),
    ],
    "write skew": [
        ("ok", 0, 9, r("x"), a("y", 1)),
        ("ok", 0, 9, r("y"), a("x", 2)),
        ("ok", 10, 11, r("x", 2), r("y", 1)),
    ],
    "fractured read": [
        ("ok", 0, 9, a("x", 1), a("y", 1)),
        ("ok", 0, 9, r("x", 1), r("y")),
        ("ok", 10, 11, r("y", 1)),
    ],
    "aborted read": [("failed", 0, 1, a("x", 1)), ("ok", 2, 3, r("x", 1))],
    "duplicate element": [("ok", 0, 1, a("x", 1)), ("ok", 2, 3, r("x", 1, 1))],
    "element from nowhere": [("ok", 0, 1, r("x", 5))],
    "element appended twice": [("ok", 0, 1, a("x", 1)), ("ok", 2, 3, a("x", 1))],
    "incompatible order": [
        ("ok", 0, 9, a("x", 1)),
        ("ok", 0, 9, a("x", 2)),
        ("ok", 0, 9, r("x", 1, 2)),
        ("ok", 0, 9, r("x", 2, 1)),
    ],
    "internal": [("ok", 0, 1, a("x", 1), r("x"))],
    "stale read": [("ok", 0, 1, a("x", 1)), ("ok", 2, 3, r("x"))],
    "read of the future": [("ok", 0, 1, r("x", 1)), ("ok", 2, 3, a("x", 1))],
    "order against the clock": [
        ("ok", 0, 1, a("x", 2)),
        ("ok", 2, 3, a("x", 1)),
        ("ok", 4, 5, r("x", 1, 2)),
    ],
    "G0": [
        ("ok", 0, 9, a("x", 1), a("y", 2)),
        ("ok", 0, 9, a("x", 2), a("y", 1)),
        ("ok", 10, 11, r("x", 1, 2), r("y", 1, 2)),
    ],
    "G1c": [
        ("ok", 0, 9, a("x", 1), r("y", 1)),
        ("ok", 0, 9, a("y", 1), r("x", 1)),
    ],
    "G-single": [
        ("ok", 0, 9, r("y"), a("x", 2)),
        ("ok", 0, 9, a("x", 1), a("y", 1)),
        ("ok", 0, 9, a("y", 2), a("x", 3)),
        ("ok", 10, 11, r("x", 1, 2, 3), r("y", 1, 2)),
    ],
    "G2": [
        ("ok", 0, 9, r("x"), a("y", 1)),
        ("ok", 0, 9, r("y"), a("z", 1)),
        ("ok", 0, 9, r("z"), a("x", 1)),
        ("ok", 10, 11, r("x", 1), r("y", 1), r("z", 1)),
    ],
    # T1 -rw-> T2 on x, T2 answered before T3 was called, T3 -wr-> T1 on y
    "G-single with the clock": [
        ("ok", 0, 9, r("x"), r("y", 3)),
        ("ok", 1, 2, a("x", 1)),
        ("ok", 3, 4, a("y", 3)),
        ("ok", 10, 11, r("x", 1)),
    ],
    "G2 with the clock": [
        ("ok", 0, 9, r("x"), a("z", 1)),
        ("ok", 1, 2, a("x", 1)),
        ("ok", 3, 4, r("z")),
        ("ok", 10, 11, r("x", 1), r("z", 1)),
    ],
    "G1c with the clock": [
        ("ok", 0, 9, r("y", 3), a("x", 1)),
        ("ok", 1, 2, r("x", 1)),
        ("ok", 3, 4, a("y", 3)),
    ],
    "G0 with the clock": [
        ("ok", 0, 9, a("y", 4), a("x", 1)),
        ("ok", 1, 2, a("x", 2)),
        ("ok", 3, 4, a("y", 3)),
        ("ok", 10, 11, r("x", 1, 2), r("y", 3, 4)),
    ],
}


@pytest.mark.parametrize("name", ANOMALIES)
def test_each_known_anomaly_is_named(name: str) -> None:
    """Each history shows one anomaly and nothing else."""
    assert _names(*ANOMALIES[name]) == [name]


def test_a_lost_append_is_a_stale_read() -> None:
    """An acknowledged append that no later read shows contradicts the clock."""
    rows = [("ok", 0, 1, a("x", 1)), ("ok", 2, 3, a("x", 2)), ("ok", 4, 5, r("x", 1))]
    assert _names(*rows) == ["stale read"]


def test_two_appends_after_the_same_read_that_nobody_saw() -> None:
    """Even without a later read, one of the two must have missed the other."""
    assert _names(("ok", 0, 9, r("x"), a("x", 1)), ("ok", 0, 9, r("x"), a("x", 2))) == ["lost update"]


def test_an_intermediate_read_is_also_a_cycle() -> None:
    """The writer comes before the reader by its first element, and after it by its second."""
    rows = [("ok", 0, 9, a("x", 1), a("x", 2)), ("ok", 0, 9, r("x", 1)), ("ok", 10, 11, r("x", 1, 2))]
    assert _names(*rows) == ["intermediate read", "fractured read"]


def test_a_second_read_that_saw_more_is_internal() -> None:
    rows = [("ok", 0, 9, a("x", 1)), ("ok", 0, 9, r("x"), r("x", 1))]
    assert _names(*rows) == ["internal"]


def test_the_text_names_the_edges() -> None:
    anomaly = check_lists(_history(*ANOMALIES["G-single with the clock"]))[0]
    assert sorted(anomaly.where) == ["T1", "T2", "T3"]
    assert "T1 -rw(x)-> T2" in anomaly.text
    assert "T2 -rt-> T3" in anomaly.text
    assert "T3 -wr(y)-> T1" in anomaly.text


CLEAN: dict[str, list[Row]] = {
    "nothing": [],
    "a rejected append that nobody saw": [("failed", 0, 1, a("x", 1)), ("ok", 2, 3, r("x"))],
    "an unknown append that happened": [("unknown", 0, None, a("x", 1)), ("ok", 2, 3, r("x", 1))],
    "an unknown append that did not": [("unknown", 0, None, a("x", 1)), ("ok", 2, 3, r("x"))],
    "an unknown append that happens late": [
        ("unknown", 0, 1, a("x", 1)),
        ("ok", 2, 3, r("x")),
        ("ok", 4, 5, r("x", 1)),
    ],
    "what an unknown one read": [("unknown", 0, None, r("x", 77))],
    "what a rejected one read": [("ok", 0, 1, a("x", 1)), ("failed", 2, 3, r("x"), a("x", 2))],
    "own appends": [("ok", 0, 1, r("x"), a("x", 1), r("x", 1), a("x", 2), r("x", 1, 2))],
    "a read after own append": [("ok", 0, 1, a("x", 1)), ("ok", 2, 3, a("x", 2), r("x", 1, 2))],
    "reads that overlap a write": [
        ("ok", 0, 9, a("x", 1)),
        ("ok", 1, 8, r("x")),
        ("ok", 1, 8, r("x", 1)),
    ],
    "answered in the instant of the call": [("ok", 0, 2, a("x", 1)), ("ok", 2, 3, r("x"))],
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_history_has_no_anomaly(name: str) -> None:
    assert check_lists(_history(*CLEAN[name])) == []


def test_external_reads_leave_own_appends_away() -> None:
    transaction = _history(("ok", 0, 1, a("x", 2), r("x", 1, 2), r("x", 1, 2), r("y", 3)))[0]
    assert list(external_reads(transaction)) == [r("x", 1), r("y", 3)]


MIXED: tuple[Outcome, ...] = ("ok", "ok", "ok", "ok", "unknown", "failed")


def _serial(seed: int, count: int, outcomes: Sequence[Outcome] = MIXED) -> list[Transaction]:
    """
    Make a strictly serializable history: each transaction takes place at one instant between call and answer.

    Some are unknown to their client, some of those without effect, some are rejected.
    """
    draw = random.Random(seed)
    state: dict[str, tuple[int, ...]] = {"x": (), "y": (), "z": ()}
    history, element = [], 0
    for instant in range(count):
        steps: list[Append | Read] = []
        outcome = draw.choice(outcomes)
        happens = outcome == "ok" or (outcome == "unknown" and draw.random() < 0.5)
        after = dict(state)
        for _ in range(draw.randint(1, 4)):
            key = draw.choice("xyz")
            if draw.random() < 0.5:
                element += 1
                steps.append(a(key, element))
                after[key] += (element,)
            else:
                steps.append(r(key, *after[key]))
        state = after if happens else state
        invoked, returned = instant - draw.random() * 4, instant + draw.random() * 4
        is_answered = outcome != "unknown"
        history.append(
            Transaction(f"T{instant}", outcome, tuple(steps), invoked, returned if is_answered else None)
        )
    draw.shuffle(history)
    return history


@given(st.integers(0, 2**32), st.integers(0, 60))
def test_serial_histories_always_pass(seed: int, count: int) -> None:
    assert check_lists(_serial(seed, count)) == []


@given(st.integers(0, 2**32))
def test_a_hidden_append_is_always_found(seed: int) -> None:
    """In a history whose end was read, hiding one acknowledged element from the last read never passes."""
    history = _serial(seed, 30, ["ok"])
    final: dict[str, tuple[int, ...]] = {}
    for transaction in sorted(history, key=lambda transaction: int(transaction.name[1:])):
        for step in transaction.steps:
            if isinstance(step, Append):
                final[step.key] = (*final.get(step.key, ()), step.element)
    whole = Transaction("last", "ok", tuple(r(key, *final[key]) for key in final), 100, 101)
    hidden = Transaction("last", "ok", tuple(r(key, *final[key][:-1]) for key in final), 100, 101)
    assert check_lists([*history, whole]) == []
    assert check_lists([*history, hidden]) != []


def test_two_thousand_transactions_need_no_square_of_edges() -> None:
    """The edges of time are a chain: about four for each transaction, and not its square."""
    history = _serial(7, 2_000, ["ok"])
    assert check_lists(history) == []
    assert len(list(edges_of_time(history))) < 4 * len(history)
