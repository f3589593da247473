"""Answers: values that are wanted, results, conflicts; all bounded."""

from typing import Any

import pytest

from realms.dstm import errors
from realms.dstm.answers import conflict, recorded_answer, wanted_values
from realms.dstm.document import Document
from realms.dstm.errors import DstmError
from realms.dstm.reads import Read

DOCUMENT = Document.of({"a": 1, "b": {"c": [2, 3]}, "null": None, "long": "x" * 100})


def test_values_in_the_order_of_their_paths() -> None:
    want = [("b", "c"), ("none",), ("a",), ("null",), ()]
    assert wanted_values(DOCUMENT, want, 10**6)[:4] == [[2, 3], None, 1, None]


def test_values_are_bounded_together() -> None:
    assert wanted_values(DOCUMENT, [("long",)], 150) == ["x" * 100]
    with pytest.raises(DstmError) as caught:
        wanted_values(DOCUMENT, [("long",), ("long",)], 150)
    assert caught.value.uri == errors.TOO_LARGE
    assert (caught.value.details["part"], caught.value.details["index"]) == ("want", 1)


@pytest.mark.parametrize(
    ("values", "result", "recorded"),
    [
        (None, None, None),
        ([1, None], None, {"values": [1, None]}),
        (None, 0, {"result": 0}),
        ([], "x", {"values": [], "result": "x"}),
    ],
)
def test_what_is_recorded(values: Any, result: Any, recorded: Any) -> None:
    assert recorded_answer(values, result, 100) == recorded


def test_results_are_bounded() -> None:
    with pytest.raises(DstmError, match="result: it has more than 5 bytes") as caught:
        recorded_answer(None, "too long", 5)
    assert caught.value.uri == errors.TOO_LARGE


def test_a_conflict_names_each_place_once() -> None:
    reads = [Read("value", ("a",)), Read("exists", ("a",)), Read("keys", ("b",))]
    error = conflict(reads, "changed: ")
    assert (error.uri, error.text, error.details) == (
        errors.CONFLICT,
        "changed: '/a', '/b'",
        {"paths": ["/a", "/b"]},
    )


def test_a_conflict_shows_some_of_many_places() -> None:
    error = conflict([Read("value", (f"{'x' * 1000}{n}",)) for n in range(200)], "changed: ")
    assert len(error.details["paths"]) == 100
    assert len(error.text) < 600
