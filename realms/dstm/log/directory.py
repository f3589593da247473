"""
The directory in which the spaces of a realm keep their logs: one file for each, and those beside it.

One process uses it at a time. The lock is the kernel's (``flock``): it ends with the process, whatever
ends that.
"""

import fcntl
import os
from pathlib import Path
from typing import Any, Final

from realms.dstm.log import LogRefused, LogUnavailable
from realms.dstm.log.sqlite import SqliteLog

LOCK_NAME: Final = "router.lock"
SUFFIX: Final = ".sqlite3"


class DataDirectory:
    """
    The directory ``path``, locked until ``release``.

    Raises:
        LogRefused: another router, or another part of this one, uses it.
        LogUnavailable: it cannot be made or written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._lock()
        except OSError as error:
            raise LogUnavailable(f"{error.filename or path}: {error.strerror}") from error

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._descriptor, 20).decode("ascii", "replace").strip()
            self.release()
            raise LogRefused(str(self.path), f"in use by another router: process {owner or '?'}") from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let others use it; harmless if released. The logs in it must be closed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def path_of(self, space: str) -> Path:
        """Give the file of a space, whether it is there or not."""
        return self.path / f"{space}{SUFFIX}"

    def spaces(self) -> list[str]:
        """Give the names of the spaces that have a file, in order."""
        return sorted(path.name.removesuffix(SUFFIX) for path in self.path.glob(f"*{SUFFIX}"))

    def log(self, space: str, **options: Any) -> SqliteLog:
        """Give the log of a space, not open yet; ``options`` are those of ``SqliteLog``."""
        return SqliteLog(self.path_of(space), **options)
