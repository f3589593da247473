"""The digest of a document, in slices, against the hash of its canonical form."""

from collections.abc import Generator, Iterator
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from dstm_calls import calls
from dstm_json import keys, unhurried, values
from hypothesis import given, settings
from hypothesis import strategies as st

from realms.dstm.digest import PIECE_BYTES, RUN, SLICE_BYTES, digest, slices
from realms.dstm.document import Document

EDGES = "\uffff\U0001f600"  # UTF-16 sorts the second before the first
LONG = "xé\U0001f600\n" * PIECE_BYTES


def expected(value: Any) -> str:
    return sha256(rfc8785.dumps(value)).hexdigest()


@unhurried
@given(values())
def test_a_small_document(value: Any) -> None:
    assert digest(Document.of(value)) == expected(value)


def enlarged(value: Any, depth: int) -> Any:
    """Repeat what is in a value, so many containers below its root."""
    if isinstance(value, dict):
        if depth:
            return {key: enlarged(below, depth - 1) for key, below in value.items()}
        return {f"{key}{number}": below for number in range(50) for key, below in value.items()}
    if isinstance(value, list):
        return [enlarged(below, depth - 1) for below in value] if depth else value * 100
    return value * PIECE_BYTES if isinstance(value, str) else value


@settings(deadline=None)
@given(st.lists(values(8), max_size=4) | st.dictionaries(keys, values(8), max_size=4), st.integers(0, 2))
def test_a_document_of_large_and_small_parts(value: Any, depth: int) -> None:
    large = enlarged(value, depth)
    assert digest(Document.of(large)) == expected(large)


@pytest.mark.parametrize(
    "value",
    [
        LONG,
        [LONG],
        [LONG, 1],
        [1, LONG, 2, LONG, LONG],
        {"a": LONG},
        {"a": LONG, "b": 1},
        {"a": 1, "b": LONG, "c": 2, "d": LONG, "e": LONG},
        {"a": ["x" * 1000] * 5, "b": [["x" * 1000] * 5] * 3},
        [1e-7] * PIECE_BYTES,
        {f"{EDGES[n % 2]}{n}": n for n in range(3 * RUN)},
        {f"k{n}": n for n in range(3 * RUN + 1)},
    ],
    ids=range(11),
)
def test_parts_meet_at_their_borders(value: Any) -> None:
    assert digest(Document.of(value)) == expected(value)


def test_a_large_document_is_taken_in_slices_and_may_change_meanwhile() -> None:
    value = {f"k{n}": {"n": n, "t": "x" * 40} for n in range(4 * RUN)}
    document = Document.of(value)
    work = slices(document)
    for _ in range(5):
        next(work)
    assert document.put(("k1",), 0).size < document.size
    results: list[str] = []
    pauses = 5 + sum(1 for _ in returning(work, results))
    assert results == [expected(value)]
    assert pauses >= document.size // (SLICE_BYTES + PIECE_BYTES) + 4  # and those while the keys are sorted


def returning(work: Generator[None, None, str], results: list[str]) -> Iterator[None]:
    """Go on with ``work``; put into ``results`` what it returns."""
    results.append((yield from work))


@pytest.mark.parametrize(
    "value",
    [
        {f"k{number}": number for number in range(100_000)},
        {f"{EDGES[number % 2]}{number}": "é" for number in range(20_000)},
        list(range(100_000)),
        [1e-7] * 20_000,
        [[{}] * 100] * 1000,
        {f"k{number}": {"a": [LONG[:100], {}]} for number in range(5000)},
        {"a": [[{}] * 100] * 1000, "b": 1},
        [1, {f"k{number}": [[{}] * 100] for number in range(1000)}],
    ],
    ids=["members", "sorted by UTF-16", "elements", "floats", "containers", "both", "member", "element"],
)
def test_no_slice_does_more_than_a_bounded_amount_of_work(value: Any) -> None:
    work = slices(Document.of(value))
    results: list[str] = []
    steps = returning(work, results)
    most = 0
    while not results:
        most = max(most, calls(lambda: next(steps, None)))
    assert results == [expected(value)]
    assert most < 100_000


def test_a_small_document_is_taken_without_a_pause() -> None:
    assert list(slices(Document.of({"a": 1}))) == []
