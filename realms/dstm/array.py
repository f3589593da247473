"""
A persistent array: an edit makes a new one that shares nearly everything with the old.

The elements lie in chunks of at most ``CHUNK``; an edit copies one chunk and the tuple of chunks, so that it
costs about the square root of the length.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain
from typing import Any, Final

CHUNK: Final = 512


class Array:
    """An immutable sequence of nodes."""

    __slots__ = ("_chunks", "_starts", "_total")

    def __init__(self, chunks: tuple[tuple[Any, ...], ...]) -> None:
        self._chunks = chunks
        ends = list(accumulate(map(len, chunks)))
        self._total = ends[-1] if ends else 0
        self._starts = [0, *ends[:-1]]

    @classmethod
    def of(cls, elements: Iterable[Any]) -> "Array":
        """Make an array of ``elements``."""
        whole = tuple(elements)
        half = CHUNK // 2
        return cls(tuple(whole[start : start + half] for start in range(0, len(whole), half)) or ((),))

    def __len__(self) -> int:
        return self._total

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self._chunks)

    def __getitem__(self, index: int) -> Any:
        place = self._place(index)
        return self._chunks[place][index - self._starts[place]]

    def set(self, index: int, element: Any) -> "Array":
        """Replace the element at ``index``."""
        place = self._place(index)
        chunk, at = self._chunks[place], index - self._starts[place]
        return self._with(place, ((*chunk[:at], element, *chunk[at + 1 :]),))

    def insert(self, index: int, element: Any) -> "Array":
        """Insert ``element`` before ``index``; at the length, append it."""
        place = self._place(index)
        chunk, at = self._chunks[place], index - self._starts[place]
        if len(chunk) < CHUNK:
            return self._with(place, ((*chunk[:at], element, *chunk[at:]),))
        if at == CHUNK:  # an append leaves full chunks behind
            return self._with(place, (chunk, (element,)))
        half = CHUNK // 2
        grown = (*chunk[:at], element, *chunk[at:])
        return self._with(place, (grown[:half], grown[half:]))

    def remove(self, index: int) -> "Array":
        """Leave out the element at ``index``."""
        place = self._place(index)
        chunk, at = self._chunks[place], index - self._starts[place]
        rest = chunk[:at] + chunk[at + 1 :]
        if not rest and len(self._chunks) > 1:
            return self._with(place, ())
        neighbour = place + 1
        if neighbour < len(self._chunks) and len(rest) + len(self._chunks[neighbour]) <= CHUNK // 2:
            joined = rest + self._chunks[neighbour]
            return Array((*self._chunks[:place], joined, *self._chunks[neighbour + 1 :]))
        return self._with(place, (rest,))

    def _place(self, index: int) -> int:
        return bisect_right(self._starts, index) - 1

    def _with(self, place: int, chunks: tuple[tuple[Any, ...], ...]) -> "Array":
        return Array((*self._chunks[:place], *chunks, *self._chunks[place + 1 :]))
