"""
A simulated disk, and a log on it that keeps the log's promises and no others.

What ``write`` has returned for is there after every crash. What it was writing when the process was
killed is there as a whole, or not at all. It may fail: then nothing is there, or everything although it
failed, as ``reopen`` will tell. A broken log needs a new process.

Rules of this file:

- ``Archive`` is what an omniscient observer knows: every record that became durable. The system under
  test sees only what ``open`` and ``reopen`` give.
- One ``SimLog`` is one opening of the disk, by one life of the process.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dstm_sim_judge import Entry, Epoch
from dstm_sim_world import World
from msgspec import to_builtins

from realms.dstm.changes import first_hash
from realms.dstm.document import Document
from realms.dstm.log import Binding, LogBroken, LogUnavailable, Record, Recovered
from realms.dstm.log.memory import MemoryLog
from realms.dstm.log.sqlite import SqliteLog


class Archive:
    """
    Every record that became durable.

    :ivar epochs: name -> Epoch, parents before their copies
    :ivar rejects: tx -> record of its durable rejection
    """

    def __init__(self) -> None:
        self.epochs: dict[str, Epoch] = {}
        self.rejects: dict[str, Record] = {}

    def begin(self, epoch: str, parent: tuple[str, int] | None = None) -> None:
        self.epochs[epoch] = Epoch(epoch, parent)

    def note(self, epoch: str, records: Sequence[Record]) -> None:
        for record in records:
            if record.kind == "commit":
                changes = to_builtins(record.changes)
                self.epochs[epoch].entries[record.version] = Entry(record.version, record.tx, changes)
            elif record.tx is not None:
                self.rejects[record.tx] = record

    def note_rejects(self, records: Sequence[Record]) -> None:
        self.rejects.update(
            {record.tx: record for record in records if record.kind == "reject" and record.tx}
        )

    def holds(self, epoch: str, version: int) -> bool:
        """Tell whether a version is durable, in this epoch or in one that it is a copy of."""
        found = self.epochs[epoch]
        while found.parent is not None and version <= found.parent[1]:
            found = self.epochs[found.parent[0]]
        return version == 0 or version in found.entries


@dataclass
class Content:
    """
    What stands on the disk.

    :ivar records: from the oldest that is kept to the newest, in order
    """

    epoch: str
    snapshot_version: int = 0
    document: Document = field(default_factory=lambda: Document.of({}))
    hash: bytes = b""
    bindings: list[Binding] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def copy(self) -> "Content":
        return replace(self, records=list(self.records), bindings=list(self.bindings))

    @property
    def newest(self) -> int:
        return max([self.snapshot_version, *(record.version for record in self.records[-1:])])


@dataclass
class Faults:
    """What may go wrong on the disk of this schedule: each a probability."""

    refused_write: float = 0.0  # nothing of it is durable
    misreported_write: float = 0.0  # it is durable, and reported as failed
    broken_write: float = 0.0  # fsync failed: this opening is at its end
    failed_reopen: float = 0.0
    failed_snapshot: float = 0.0


class Disk:
    """What survives a crash."""

    def __init__(self, world: World, archive: Archive, faults: Faults) -> None:
        self.world = world
        self.archive = archive
        self.faults = faults
        epoch = self._draw_epoch()
        self.content = Content(epoch, hash=first_hash(epoch))
        archive.begin(epoch)

    def _draw_epoch(self) -> str:
        return f"{self.world.random.getrandbits(128):032x}"

    def restore(self, backup: Content) -> None:
        """Put a copy of former days in the place of what is there; from now on it is another history."""
        epoch = self._draw_epoch()
        self.archive.begin(epoch, (backup.epoch, backup.newest))
        self.content = replace(backup.copy(), epoch=epoch)

    def append(self, records: Sequence[Record]) -> None:
        """Make records durable."""
        self.content.records.extend(records)
        self.archive.note(self.content.epoch, records)


class SimLog:
    """One opening; implements ``realms.dstm.log.Log``."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._is_broken = False

    def open(self) -> Recovered:
        content = self._disk.content
        return Recovered(
            content.epoch,
            0,
            content.snapshot_version,
            content.document,
            content.hash,
            tuple(content.records),
            list(content.bindings),
        )

    def reopen(self) -> Recovered:
        self._check_broken()
        self._maybe_fail(self._disk.faults.failed_reopen)
        return self.open()

    def _check_broken(self) -> None:
        if self._is_broken:
            raise LogBroken("an fsync failed in this process")

    def _maybe_fail(self, probability: float) -> None:
        if self._disk.world.chance(probability):
            raise LogUnavailable("no space left on device")

    def write(self, records: Sequence[Record]) -> None:
        disk, faults, world = self._disk, self._disk.faults, self._disk.world
        self._check_broken()
        self._maybe_fail(faults.refused_write)
        if world.chance(faults.broken_write):
            self._is_broken = True
            if world.chance(0.5):
                disk.append(records)
            raise LogBroken("fsync failed")
        disk.append(records)
        self._maybe_fail(faults.misreported_write)

    def save_snapshot(
        self, version: int, hash: bytes, document: Document, bindings: Sequence[Binding]
    ) -> None:
        self._check_broken()
        self._maybe_fail(self._disk.faults.failed_snapshot)
        content = self._disk.content
        content.snapshot_version, content.document, content.hash = version, document, hash
        content.bindings = list(bindings)

    def trim(self, before_version: int, before_time: int) -> None:
        content = self._disk.content
        while content.records:
            oldest = content.records[0]
            is_old = oldest.version < before_version or oldest.time < before_time
            if oldest.version > content.snapshot_version or not is_old:
                return
            del content.records[0]

    def read(self, first: int, last: int) -> Iterator[Record]:
        return iter([record for record in self._disk.content.records if first <= record.version <= last])

    def backup(self, path: Path) -> None:
        raise LogUnavailable("a simulated disk has no files")

    def close(self) -> None:
        """Nothing is open."""

    def drop(self) -> None:
        """The disk is not shared with another space."""


class ObservedMemory(MemoryLog):
    """The real log in memory; the archive notes what it holds."""

    def __init__(self, archive: Archive, epoch: str) -> None:
        super().__init__(epoch=lambda: epoch, clock=lambda: 0)
        self._archive = archive

    def open(self) -> Recovered:
        recovered = super().open()
        self._archive.begin(recovered.epoch)
        return recovered

    def write(self, records: Sequence[Record]) -> None:
        super().write(records)
        self._archive.note(self._epoch, records)


class ObservedSqlite(SqliteLog):
    """
    The real log in a file; the archive notes what it has made durable.

    :ivar parent: (epoch, version) of which the file is a copy, if its epoch turns out to be a new one
    """

    def __init__(self, archive: Archive, path: Path, parent: tuple[str, int] | None, **options: Any) -> None:
        super().__init__(path, **options)
        self._archive = archive
        self.epoch = ""
        self._parent = parent

    def open(self) -> Recovered:
        recovered = super().open()
        self.epoch = recovered.epoch
        if self.epoch not in self._archive.epochs:
            self._archive.begin(self.epoch, self._parent)
        epoch = self._archive.epochs[self.epoch]
        newest = max(epoch.entries, default=0 if epoch.parent is None else epoch.parent[1])
        # what a killed process was writing may be there: all of it, or nothing
        self._archive.note(self.epoch, [record for record in recovered.records if record.version > newest])
        self._archive.note_rejects(recovered.records)
        return recovered

    def write(self, records: Sequence[Record]) -> None:
        super().write(records)
        self._archive.note(self.epoch, records)
