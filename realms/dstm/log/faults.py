"""What an error of SQLite or of the file system means for a log."""

import sqlite3
from pathlib import Path
from typing import Final

from realms.dstm.log import LogBroken, LogRefused, LogUnavailable

# Those that pass when somebody frees space, gives a permission, or lets go of a lock.
PASSING: Final = {
    sqlite3.SQLITE_FULL: "no space",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_BUSY: "locked by another program",
    sqlite3.SQLITE_LOCKED: "locked by another program",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_PERM: "not permitted",
    sqlite3.SQLITE_AUTH: "not permitted",
    sqlite3.SQLITE_NOMEM: "no memory",
    sqlite3.SQLITE_IOERR: "input or output failed",
}
FAILED_SYNC: Final = (sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC)

Fault = LogRefused | LogUnavailable | LogBroken


def fault(error: sqlite3.Error | OSError, path: Path) -> Fault:
    """Say what ``error`` means for the log at ``path``: SQLite's complaints of damage are refusals."""
    if isinstance(error, OSError):
        return LogUnavailable(f"{error.filename or path}: {error.strerror or error}")
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    name = getattr(error, "sqlite_errorname", error.__class__.__name__)
    if code in FAILED_SYNC:
        return LogBroken(f"{path}: fsync: {error} ({name})")
    if (passing := PASSING.get(code & 0xFF)) is not None:
        return LogUnavailable(f"{path}: {passing}: {error} ({name})")
    return LogRefused(str(path), f"{error} ({name})")


def write_fault(error: sqlite3.Error | OSError, path: Path) -> LogUnavailable | LogBroken:
    """Say the same of a write: whether damage refuses the log is for the next opening to say."""
    found = fault(error, path)
    return LogUnavailable(str(found)) if isinstance(found, LogRefused) else found
