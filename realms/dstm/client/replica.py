"""
What a client holds of a space: always exactly one whole version.

Rules of this file:

- A delta ``[from, version, ...]`` applies iff ``from <= replica's version < version``. On the topic of
  the whole space ``from`` is ``version - 1``. In a view the versions between touch nothing that the
  view shows, so the replica's document is the same at each of them.
- Nothing is applied in part: a delta fits, or raises and leaves the replica as it was.
- Values that leave this module are plain copies: changing them changes nothing here.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from realms.dstm import digest
from realms.dstm.changes import Delta
from realms.dstm.document import MISSING, Document, is_object, members, thaw
from realms.dstm.pointer import Path, parse

# Versions that are kept for a digest which the server tells some time after it began to compute it.
KEPT_VERSIONS: Final = 1000


class Gap(Exception):
    """A delta begins after the replica's version: something between was not received."""


class Snapshot:
    """One version of a space, as it was; ``snapshot[pointer]`` gives plain values."""

    __slots__ = ("document", "epoch", "version")

    def __init__(self, document: Document, version: int, epoch: str) -> None:
        self.document = document
        self.version = version
        self.epoch = epoch

    def __getitem__(self, pointer: str) -> Any:
        """
        Give the value at ``pointer``; ``""`` is the whole document.

        Raises:
            KeyError: there is none.
            ValueError: ``pointer`` is no JSON Pointer.
        """
        node = self.document.find(parse(pointer))
        if node is MISSING:
            raise KeyError(pointer)
        return thaw(node)

    def get(self, pointer: str, default: Any = None) -> Any:
        """Give the value at ``pointer``, or ``default`` where there is none."""
        node = self.document.find(parse(pointer))
        return default if node is MISSING else thaw(node)

    def __contains__(self, pointer: str) -> bool:
        return self.document.find(parse(pointer)) is not MISSING

    def keys(self, pointer: str = "") -> list[str]:
        """
        List the members of the object at ``pointer``, sorted.

        Raises:
            KeyError: there is no object.
        """
        node = self.document.find(parse(pointer))
        if not is_object(node):
            raise KeyError(pointer)
        return sorted(token for token, _ in members(node))


class Replica(Snapshot):
    """
    The version that the client is at, which moves forward by deltas.

    :ivar hash: the chained hash of that version in hex; None where it was not told
    """

    __slots__ = ("_kept", "hash")

    def __init__(self, document: Document, version: int, epoch: str, hash: str | None) -> None:
        super().__init__(document, version, epoch)
        self.hash = hash
        # (version, document), ascending; documents share what is equal
        self._kept: deque[tuple[int, Document]] = deque([(version, document)], KEPT_VERSIONS)

    def snapshot(self) -> Snapshot:
        """Give the present version, which stays as it is."""
        return Snapshot(self.document, self.version, self.epoch)

    def apply(self, delta: Delta) -> bool:
        """
        Move to the delta's version; return False for one that the replica has already.

        Raises:
            Gap: a version between is missing.
            DoesNotFit: the changes meet another document than the server's.
        """
        if delta.version <= self.version:
            return False
        if delta.from_version > self.version:
            raise Gap(f"at version {self.version}, got a delta from {delta.from_version}")
        self.document = self.document.apply(delta.changes)
        self.hash = delta.hash.hex()
        self._move(delta.version)
        return True

    def advance(self, version: int, hash: str | None) -> None:
        """Move to a version that shows the same document: in a view, versions pass unseen."""
        if version > self.version:
            self.hash = hash
            self._move(version)

    def _move(self, version: int) -> None:
        self.version = version
        self._kept.append((version, self.document))

    def at(self, version: int) -> Document | None:
        """Give the document of a version, where it is still kept."""
        shown = None
        for kept, document in self._kept:
            if kept > version:
                break
            shown = document
        return shown if version <= self.version else None


class DigestCheck:
    """
    Compares the digest of a kept version with the server's, slice by slice.

    :ivar agrees: None until it is known
    """

    def __init__(self, version: int, document: Document, expected: str) -> None:
        self.version = version
        self.agrees: bool | None = None
        self._expected = expected
        self._slices = digest.slices(document)

    def step(self) -> bool:
        """Compute one slice, a few milliseconds at most; return whether that was the last."""
        try:
            next(self._slices)
        except StopIteration as end:
            self.agrees = end.value == self._expected
        return self.agrees is not None


def inside(path: Path, paths: Sequence[Path]) -> bool:
    """Tell whether ``path`` is at or below one of ``paths``."""
    return any(path[: len(shown)] == shown for shown in paths)
