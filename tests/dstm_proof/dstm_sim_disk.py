"""
A simulated disk, and a log on it that keeps the log's promises and no others.

What ``write`` has returned for is there after every crash. What it was writing when the process was killed
may be there, or a beginning of it, or nothing. It may fail: then nothing is there, or, where the space is told
``LogUnavailable`` after the fact, everything is, until ``reopen`` tells. A broken log needs a new process.

Rules of this file:

- ``archive`` is what an omniscient observer knows: every record that became durable. The system under
  test sees only what ``open`` and ``reopen`` give.
- One ``SimLog`` is one opening of the disk, by one life of the process.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dstm_sim_world import World

from realms.dstm.changes import chain, first_hash
from realms.dstm.document import Document
from realms.dstm.log import LogBroken, LogUnavailable, Record, Recovered


@dataclass
class Content:
    """
    What stands on the disk.

    :ivar records: from the oldest that is kept to the newest, in order
    :ivar snapshot: (version, hash, document as a plain value, bindings)
    """

    epoch: str
    created: int
    records: list[Record] = field(default_factory=list)
    snapshot: tuple[int, bytes, Any, list[dict[str, Any]]] = (0, b"", {}, [])

    def copy(self) -> "Content":
        return replace(self, records=list(self.records))


@dataclass
class Faults:
    """What may go wrong in this schedule: each a probability."""

    refused_write: float = 0.0  # nothing of it is durable
    misreported_write: float = 0.0  # it is durable, and reported as failed
    broken_write: float = 0.0  # fsync failed: this opening is at its end
    failed_reopen: float = 0.0
    failed_snapshot: float = 0.0


class Disk:
    """
    What survives a crash.

    :ivar archive: epoch -> every commit that became durable in it, by version; a restored
        backup begins another epoch
    :ivar rejects: epoch -> tx -> record of a durable rejection
    """

    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.faults = faults
        self.content = Content(self._draw_epoch(), 0)
        self.content.snapshot = (0, first_hash(self.content.epoch), {}, [])
        self.archive: dict[str, dict[int, Record]] = {self.content.epoch: {}}
        self.rejects: dict[str, dict[str, Record]] = {self.content.epoch: {}}
        self.origins: dict[str, tuple[int, Any]] = {self.content.epoch: (0, {})}
        self.violations: list[str] = []
        self.tear: float | None = None  # how much of a write happens while the process is being killed

    def _draw_epoch(self) -> str:
        return f"{self.world.random.getrandbits(128):032x}"

    def open(self) -> "SimLog":
        self.tear = None
        return SimLog(self)

    def restore(self, backup: Content) -> None:
        """Put a copy of former days in the place of what is there; it is another history from now on."""
        self.content = replace(backup.copy(), epoch=self._draw_epoch())
        self.archive[self.content.epoch] = {}
        self.rejects[self.content.epoch] = {}

    def append(self, records: Sequence[Record]) -> None:
        """Make records durable."""
        epoch = self.content.epoch
        for record in records:
            self.content.records.append(record)
            if record.kind == "commit":
                self.archive[epoch][record.version] = record
            elif record.tx is not None:
                self.rejects[epoch][record.tx] = record


class SimLog:
    """One opening; implements ``realms.dstm.log.Log``."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._is_broken = False
        self._is_closed = False

    def open(self) -> Recovered:
        return self._recovered()

    def reopen(self) -> Recovered:
        if self._is_broken:
            raise LogBroken("an fsync failed in this process")
        if self._disk.world.chance(self._disk.faults.failed_reopen):
            raise LogUnavailable("still no space")
        return self._recovered()

    def write(self, records: Sequence[Record]) -> None:
        disk, faults, world = self._disk, self._disk.faults, self._disk.world
        if disk.tear is not None:  # killed in the middle
            disk.append(records[: round(disk.tear * len(records))])
            return
        if self._is_broken:
            raise LogBroken("an fsync failed in this process")
        if world.chance(faults.refused_write):
            raise LogUnavailable("no space left on device")
        if world.chance(faults.broken_write):
            self._is_broken = True
            disk.append(records[: world.random.randint(0, len(records))])
            raise LogBroken("fsync failed")
        disk.append(records)
        if world.chance(faults.misreported_write):
            raise LogUnavailable("the answer of the disk was lost")
