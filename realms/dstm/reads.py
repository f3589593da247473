"""
What a transaction has read: pointers, each with the kind of dependence.

    kind        what was learned of the pointer               what changes it
    value       its value, or that it is missing              add, remove, replace at it, above or below
    keys        the names of its members                      the same at it, above; add, remove of a member
    exists      whether it is there                           add, remove at it; any change above
    container   that it holds what an op puts into it         remove, replace at it or above
    place       that it can be changed blindly                remove at it; remove, replace above

Clients declare the first three (on the wire: a pointer is a value read, ``["keys", pointer]``,
``["exists", pointer]``); the last two are implied by ops alone (``operations.implied_reads``). A pointer
that leads through an array also reads that array's keys, since each insertion moves what is behind it;
``Stamps`` and ``Watches`` see to that for every kind.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple

from realms.dstm.errors import INVALID, DstmError
from realms.dstm.pointer import Path, parse, render

Kind = Literal["value", "keys", "exists", "container", "place"]

_TOLD: Final = 'a read is a pointer, ["keys", pointer] or ["exists", pointer]'


class Read(NamedTuple):
    """One dependence; see the table at the head of this module."""

    kind: Kind
    path: Path

    @classmethod
    def parse(cls, wire: object, index: int) -> "Read":
        """
        Read the wire form of what a client declares.

        Raises:
            DstmError: ``invalid``, with ``part="reads"``, ``index`` and ``reason``.
        """
        if isinstance(wire, str):
            return cls("value", _path(wire, index))
        if isinstance(wire, list | tuple) and len(wire) == 2:
            kind, pointer = wire
            if kind in ("keys", "exists") and isinstance(pointer, str):
                return cls(kind, _path(pointer, index))
        raise _invalid(_TOLD, index)

    def wire(self) -> str | list[str]:
        """Give the wire form: a pointer, or a list of kind and pointer."""
        pointer = render(self.path)
        return pointer if self.kind == "value" else [self.kind, pointer]


class ReadSet:
    """Reads, each once; those that a value read at or above covers are left out."""

    __slots__ = ("_reads",)

    def __init__(self, reads: Iterable[Read] = ()) -> None:
        self._reads: dict[Read, None] = {}  # in the order of the first read
        for read in reads:
            self.add(read)

    def add(self, read: Read) -> None:
        """Add one read, unless it is covered."""
        if not self.covers(read):
            self._reads[read] = None

    def covers(self, read: Read) -> bool:
        """Tell whether whatever changes ``read`` changes a read of this set."""
        return read in self._reads or self._covered(read, len(read.path))

    def _covered(self, read: Read, tokens: int) -> bool:
        """Tell whether there is a value read of the first ``tokens`` tokens of the path, or fewer."""
        return any(Read("value", read.path[:end]) in self._reads for end in range(tokens + 1))

    def __iter__(self) -> Iterator[Read]:
        for read in self._reads:
            tokens = len(read.path) - (read.kind == "value")
            if not self._covered(read, tokens):
                yield read

    def wire(self) -> list[Any]:
        """Give all in their wire form."""
        return [read.wire() for read in self]


def _path(pointer: str, index: int) -> Path:
    try:
        return parse(pointer)
    except ValueError as error:
        raise _invalid(f"{pointer!r} is no pointer: {error}", index) from None


def _invalid(reason: str, index: int) -> DstmError:
    return DstmError(INVALID, f"reads[{index}]: {reason}", part="reads", index=index, reason=reason)
