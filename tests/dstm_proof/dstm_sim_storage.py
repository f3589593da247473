"""
Where the simulated router keeps its log: on the simulated disk, in memory, or in a real file.

Rules of this file:

- A storage outlives the processes; ``open`` is called by each of them, ``restore`` between two of them.
- The real file is killed too: the next process gets a copy of the files as they were, never closed.
"""

import shutil
from pathlib import Path
from typing import Any, Final, Protocol

from dstm_sim_disk import Archive, Content, Disk, Faults, ObservedMemory, ObservedSqlite, SimLog
from dstm_sim_world import World

from realms.dstm.log import Log

# so small that a schedule meets every bound
_SMALL: Final[dict[str, Any]] = {"window": 20, "checkpoint_bytes": 30_000}


class Storage(Protocol):
    """What survives a process."""

    def open(self) -> Log:
        """Give the log to a new process."""

    def back_up(self) -> None:
        """Keep a copy of what is durable now."""

    def restore(self) -> None:
        """Put the copy in the place of what is there, if one was made."""

    def calm_down(self) -> None:
        """Fail no more."""


class SimStorage:
    """The simulated disk."""

    def __init__(self, world: World, archive: Archive, faults: Faults) -> None:
        self._disk = Disk(world, archive, faults)
        self._backup: Content | None = None

    def open(self) -> Log:
        return SimLog(self._disk)

    def back_up(self) -> None:
        self._backup = self._disk.content.copy()

    def restore(self) -> None:
        if self._backup is not None:
            self._disk.restore(self._backup)

    def calm_down(self) -> None:
        self._disk.faults = Faults()


class MemoryStorage:
    """Nothing survives."""

    def __init__(self, world: World, archive: Archive) -> None:
        self._world = world
        self._archive = archive

    def open(self) -> Log:
        return ObservedMemory(self._archive, f"{self._world.random.getrandbits(128):032x}")

    def back_up(self) -> None:
        """There is no file to copy."""

    def restore(self) -> None:
        """There is no copy."""

    def calm_down(self) -> None:
        """It never fails."""


class SqliteStorage:
    """Real files, in a directory of their own for each process."""

    def __init__(self, archive: Archive, directory: Path) -> None:
        self._archive = archive
        self._directory = directory
        self._log: ObservedSqlite | None = None
        self._number = 0
        self._copy: tuple[str, int] | None = None  # of what the files are a copy
        self._backup: tuple[str, int] | None = None

    def _folder(self) -> Path:
        return self._directory / str(self._number)

    def open(self) -> Log:
        if self._log is not None:  # of a process that was killed
            old = self._folder()
            self._number += 1
            shutil.copytree(old, self._folder())
            self._log.close()
        self._folder().mkdir(exist_ok=True)
        path = self._folder() / "s.sqlite3"
        self._log = ObservedSqlite(self._archive, path, self._copy, **_SMALL)
        return self._log

    def back_up(self) -> None:
        if self._log is None or self._backup is not None:
            return
        self._log.backup(self._directory / "backup")
        entries = self._archive.epochs[self._log.epoch].entries
        self._backup = (self._log.epoch, max(entries, default=0))

    def restore(self) -> None:
        if self._log is not None and self._backup is not None:
            self._log.close()
            self._log = None
            self._number += 1
            self._folder().mkdir()
            shutil.copy(self._directory / "backup", self._folder() / "s.sqlite3")
            self._copy = self._backup

    def calm_down(self) -> None:
        """It never fails."""

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
