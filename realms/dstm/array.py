"""
A persistent array: an edit makes a new one that shares nearly everything with the old.

The elements lie in chunks of at most ``CHUNK``; an edit copies one chunk and the tuple of chunks, so that
its cost grows with the square root of the length, about. Two chunks side by side hold more than ``HALF``
together, whatever the edits were, so that small chunks never become many.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain
from typing import Any, Final

from msgspec import Struct

CHUNK: Final = 512
HALF: Final = CHUNK // 2

Chunk = tuple[Any, ...]


class Array(Struct, frozen=True, gc=False, eq=False):
    """
    An immutable sequence.

    :ivar chunks: the elements; none is empty, unless it is the only one
    :ivar starts: of each chunk the index of its first element
    :ivar total: the number of elements
    """

    chunks: tuple[Chunk, ...]
    starts: tuple[int, ...]
    total: int

    @classmethod
    def of(cls, elements: Iterable[Any]) -> "Array":
        """Make an array of ``elements``."""
        whole = tuple(elements)
        return _array(tuple([whole[start : start + HALF] for start in range(0, len(whole), HALF)]) or ((),))

    def __len__(self) -> int:
        return self.total

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.chunks)

    def __getitem__(self, index: int) -> Any:
        """Give the element at ``index``, from 0 to below the length."""
        place = bisect_right(self.starts, index) - 1
        return self.chunks[place][index - self.starts[place]]

    def set(self, index: int, element: Any) -> "Array":
        """Replace the element at ``index``."""
        place = bisect_right(self.starts, index) - 1
        chunk = list(self.chunks[place])
        chunk[index - self.starts[place]] = element
        return Array(self._with(place, chunk), self.starts, self.total)

    def insert(self, index: int, element: Any) -> "Array":
        """Insert ``element`` before ``index``; at the length, append it."""
        place = bisect_right(self.starts, index) - 1
        chunk, at = list(self.chunks[place]), index - self.starts[place]
        if len(chunk) < CHUNK:
            chunk.insert(at, element)
            chunks = self._with(place, chunk)
            if place == len(self.starts) - 1:  # nothing comes after it that would begin elsewhere
                return Array(chunks, self.starts, self.total + 1)
            return _array(chunks)
        if at == CHUNK:  # an append leaves full chunks behind
            return Array((*self.chunks, (element,)), (*self.starts, self.total), self.total + 1)
        chunk.insert(at, element)
        return _array(self._with(place, chunk[:HALF], chunk[HALF:]))

    def remove(self, index: int) -> "Array":
        """Leave out the element at ``index``."""
        place = bisect_right(self.starts, index) - 1
        chunks, rest = self.chunks, list(self.chunks[place])
        del rest[index - self.starts[place]]
        last = len(chunks) - 1
        if place < last and len(rest) + len(chunks[place + 1]) <= HALF:
            return _array((*chunks[:place], (*rest, *chunks[place + 1]), *chunks[place + 2 :]))
        if place and len(rest) + len(chunks[place - 1]) <= HALF:
            return _array((*chunks[: place - 1], (*chunks[place - 1], *rest), *chunks[place + 1 :]))
        if rest or not last:
            return _array(self._with(place, rest))
        return _array(self._with(place))

    def _with(self, place: int, *parts: list[Any]) -> tuple[Chunk, ...]:
        """Give the chunks with ``parts`` in the place of one."""
        chunks = list(self.chunks)
        chunks[place : place + 1] = map(tuple, parts)
        return tuple(chunks)


def _array(chunks: tuple[Chunk, ...]) -> Array:
    ends = tuple(accumulate(map(len, chunks)))
    return Array(chunks, (0, *ends[:-1]), ends[-1])
