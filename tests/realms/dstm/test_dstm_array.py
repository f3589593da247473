"""The chunked array, against a list."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realms.dstm.array import CHUNK, HALF, Array

edits = st.tuples(st.sampled_from(["set", "insert", "append", "remove"]), st.floats(0, 1, exclude_max=True))


def check(array: Array) -> None:
    """Check what always holds of the parts."""
    sizes = [len(chunk) for chunk in array.chunks]
    assert all(0 < size <= CHUNK for size in sizes) or sizes == [0]
    assert all(one + other > HALF for one, other in pairwise(sizes))
    assert list(array.starts) == [sum(sizes[:place]) for place in range(len(sizes))]
    assert len(array) == sum(sizes)


def edit(array: Array, plain: list[Any], what: str, where: float, element: Any) -> Array:
    """Do one edit to both; give the new array."""
    if what == "append" or what == "insert" or not plain:
        index = len(plain) if what == "append" else int(where * (len(plain) + 1))
        plain.insert(index, element)
        return array.insert(index, element)
    index = int(where * len(plain))
    if what == "set":
        plain[index] = element
        return array.set(index, element)
    del plain[index]
    return array.remove(index)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([0, 1, HALF, CHUNK - 1, CHUNK + 1, 3 * CHUNK]), st.lists(edits, max_size=40))
def test_an_array_is_as_a_list(length: int, script: list[tuple[str, float]]) -> None:
    plain: list[Any] = list(range(length))
    array = Array.of(plain)
    before, old = array, list(plain)
    for number, (what, where) in enumerate(script):
        array = edit(array, plain, what, where, -number)
        check(array)
    assert list(array) == plain == [array[index] for index in range(len(plain))]
    assert list(before) == old


def test_appends_leave_full_chunks_behind() -> None:
    array = Array.of([])
    for number in range(3 * CHUNK):
        array = array.insert(number, number)
    check(array)
    assert [len(chunk) for chunk in array.chunks] == [CHUNK] * 3
    assert list(array) == list(range(3 * CHUNK))


def test_inserts_at_one_place_split_chunks() -> None:
    array = Array.of([])
    for number in range(3 * CHUNK):
        array = array.insert(0, number)
        check(array)
    assert list(array) == list(reversed(range(3 * CHUNK)))


@pytest.mark.parametrize("place", [0.0, 0.4, 0.999])
def test_removals_leave_few_chunks(place: float) -> None:
    plain: list[Any] = list(range(6 * CHUNK))
    array = Array.of(plain)
    while len(plain) > 3:
        array = edit(array, plain, "remove", place, None)
        check(array)
    assert list(array) == plain


def test_small_chunks_never_become_many() -> None:
    """Chunks that were split and emptied to one element each, from the left to the right, are joined."""
    array = Array.of(range(20 * HALF))
    for place in range(20):
        for _ in range(HALF - 1):
            array = array.remove(min(place, len(array) - 1))
            check(array)
    assert len(array) == 20
    assert len(array.chunks) == 1


def test_the_last_element_goes() -> None:
    array = Array.of(["a"]).remove(0)
    assert len(array) == 0
    assert list(array) == []
    assert list(array.insert(0, "b")) == ["b"]


def test_a_chunk_that_becomes_empty_is_left_out() -> None:
    array = Array.of([])
    for number in range(CHUNK + 1):
        array = array.insert(number, number)
    assert [len(chunk) for chunk in array.chunks] == [CHUNK, 1]
    assert [len(chunk) for chunk in array.remove(CHUNK).chunks] == [CHUNK]
