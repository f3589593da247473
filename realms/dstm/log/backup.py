"""Copies of a log's database, made while it is in use."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from realms.dstm.log import LogBroken, LogUnavailable
from realms.dstm.log.content import Content
from realms.dstm.log.faults import write_fault
from realms.dstm.log.files import Files, beside, move
from realms.dstm.log.opening import Surroundings

STEP_PAGES: Final = 256  # between two steps other threads get their turn


def copy(main: Path, path: Path, around: Surroundings) -> None:
    """
    Copy the database ``main`` as it is now to ``path``, one file, complete or not there at all.

    The copy has the checkpoint number 0, which no seal has: it is a copy wherever it is put.

    Raises:
        LogUnavailable: it could not be made.
    """
    if path.exists():
        raise LogUnavailable(f"{path}: it exists already")
    part = Files.of(beside(path, "-part"))
    try:
        _remove(part)
        _copy(main, part.main, around)
        move(part.main, path)
    except (sqlite3.Error, OSError) as error:
        with suppress(OSError):
            _remove(part)
        raise LogUnavailable(str(write_fault(error, path))) from error
    except LogBroken as error:
        raise LogUnavailable(error.reason) from error


def _copy(main: Path, path: Path, around: Surroundings) -> None:
    source = around.connect(main, "ro", around.busy_s)
    try:
        target = around.connect(path, "rwc", around.busy_s)
        try:
            # One transaction over all steps: otherwise each write begins the copy anew.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            source.backup(target, pages=STEP_PAGES, sleep=0)
            target.execute("PRAGMA journal_mode = DELETE").fetchone()
            content = Content(target, path)
            content.put_state(replace(content.state(), number=0))
        finally:
            target.close()
    finally:
        source.close()


def _remove(part: Files) -> None:
    for path in (*part, beside(part.main, "-journal")):
        path.unlink(missing_ok=True)
