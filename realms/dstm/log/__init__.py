"""
Logs: where a space keeps its records, and what it gets back after a restart.

Rules of every log:

- ``write`` returns when its records are durable, all of them, in their order; after an error none of
  them counts as durable until ``reopen`` has told what is.
- What is damaged is refused with its place (``LogRefused``), never skipped, never repaired in silence.
- A log draws the epoch: a new one when it is created, restored from a copy, or (memory) opened.
- Methods block. ``open`` is called once, at first; then the others, from any thread but one at a time,
  unless a log says that it allows more.

A space's state is a snapshot and the records after it. Records before the snapshot are kept as history:
for answers in deltas, for doubled submissions, for ``read``.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import Struct

from realms.dstm.changes import Change
from realms.dstm.document import Document

Binding = dict[str, Any]  # plain; the sequencer knows its keys


class LogRefused(Exception):
    """
    The log must not be used as it is: damaged, of another schema version, or in use by another router.

    :ivar place: the file, and where in it
    :ivar reason: what is wrong there
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class LogUnavailable(Exception):
    """
    The log cannot be used now: no space, read-only, locked. ``reopen`` works when the cause is gone.

    :ivar reason: the cause
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LogBroken(Exception):
    """
    An fsync failed: what the kernel holds and what the disk holds may differ. Only a new process may open it.

    :ivar reason: the cause
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Record(Struct, frozen=True, array_like=True, gc=False):
    """
    One decision of the sequencer, as it is logged. On disk: its fields in this order (new ones go last).

    :ivar kind: ``commit`` made the version; ``reject`` was refused
    :ivar version: of the commit, or the head at which a reject was decided
    :ivar time: ms since 1970
    :ivar tx: ``<client id>:<counter>``, or None
    :ivar body: digest of the transaction, 16 bytes, or None
    :ivar authid: who submitted it; ``authrole`` likewise
    :ivar changes: what a commit changed, in order
    :ivar outcome: of a reject {"error", "text", "details"}, of a commit {"values": ...} or None
    :ivar bindings: what the commit bound (put) or undid (undone), plain dicts
    :ivar hash: of a commit: the space's hash chain at this version, 16 bytes
    """

    kind: Literal["commit", "reject"]
    version: int
    time: int
    tx: str | None = None
    body: bytes | None = None
    authid: str = ""
    authrole: str = ""
    changes: tuple[Change, ...] = ()
    outcome: dict[str, Any] | None = None
    bindings: list[Binding] = []
    hash: bytes = b""


class Recovered(Struct, frozen=True):
    """
    What a log holds.

    :ivar epoch: 32 hex digits
    :ivar created: when this log was created, ms since 1970
    :ivar snapshot_version: the version of ``document``, ``hash`` and ``bindings``
    :ivar document: as of the newest snapshot; ``{}`` at version 0 where there is none
    :ivar hash: the space's hash chain at that version, 16 bytes
    :ivar records: the last records in their order, of consecutive versions: at least all after the snapshot
        (version > snapshot_version), which are to be applied to ``document``, and before them those
        of the window
    :ivar bindings: as of the snapshot
    """

    epoch: str
    created: int
    snapshot_version: int
    document: Document
    hash: bytes
    records: Sequence[Record]
    bindings: list[Binding]


class Log(Protocol):
    """One space's log (rules: above)."""

    def open(self) -> Recovered:
        """
        Open or create it, and check it.

        Raises:
            LogRefused: it must not be used.
            LogUnavailable: it cannot be used now; ``reopen`` tries again.
        """
        ...

    def reopen(self) -> Recovered:
        """
        Open it again after ``LogUnavailable`` and tell what is durable now.

        Raises: as ``open``, and ``LogBroken``.
        """
        ...

    def write(self, records: Sequence[Record]) -> None:
        """
        Append ``records``, all or none; durable when it returns.

        Raises:
            LogUnavailable: whether they are durable is unknown until ``reopen``.
            LogBroken: the same, and only a restart helps.
        """
        ...

    def save_snapshot(
        self, version: int, hash: bytes, document: Document, bindings: Sequence[Binding]
    ) -> None:
        """
        Keep the state of ``version``, which is durable, so that recovery begins there. Takes long: slices.

        Raises: as ``write``; the former snapshot is still there then.
        """
        ...

    def trim(self, before_version: int, before_time: int) -> None:
        """
        Forget the oldest records as long as they are below ``before_version`` or older than ``before_time``
        (ms); but nothing of the window, and nothing that the newest snapshot needs.

        Raises: as ``write``; less is forgotten then.
        """
        ...

    def read(self, first: int, last: int) -> Iterator[Record]:
        """
        Read the records of the versions ``first`` to ``last`` that are kept, in order, both included.

        Raises:
            LogRefused: one is damaged.
            LogUnavailable: they cannot be read now.
        """
        ...

    def backup(self, path: Path) -> None:
        """
        Write a consistent copy to ``path``, which must not exist; opened as a space it has a new epoch.

        Raises:
            LogUnavailable: the copy could not be made; no file is left at ``path``.
        """
        ...

    def close(self) -> None:
        """Close it; harmless if closed."""
        ...

    def drop(self) -> None:
        """Close it and delete what it stored."""
        ...
