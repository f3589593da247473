"""What the tests of the logs share: records, and the state of the files at a crash."""

import shutil
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any

from realms.dstm.changes import Change
from realms.dstm.document import Document
from realms.dstm.log import Record
from realms.dstm.log.sqlite import SqliteLog

HASH = bytes(range(16))
SUFFIXES = ("", "-wal", "-seal")


def commit(version: int, *, time: int = 0, size: int = 0) -> Record:
    """Make a commit; ``size`` is that of its value."""
    changes = (Change("replace", f"/k{version % 10}", "x" * size or version),)
    return Record("commit", version, time or version, f"{'ab' * 16}:{version}", HASH, "ann", "user", changes)


def commits(first: int, last: int, *, size: int = 0) -> list[Record]:
    return [commit(version, size=size) for version in range(first, last + 1)]


def reject(version: int) -> Record:
    outcome = {"error": "dstm.error.conflict", "text": "no", "details": {"paths": ["/a"]}}
    return Record("reject", version, version, "cd:1", HASH, outcome=outcome)


def fill(log: SqliteLog, first: int, last: int, *, size: int = 0) -> None:
    """Write commits, one transaction for each."""
    for record in commits(first, last, size=size):
        log.write([record])


def document(version: int) -> Document:
    return Document.of({"version": version, "text": "y" * 100})


def epochs() -> Any:
    """Give what draws the epochs 1, 2, ... in hexadecimal."""
    numbers = count(1)
    return lambda: f"{next(numbers):032x}"


def sqlite_log(path: Path, **options: Any) -> SqliteLog:
    return SqliteLog(path, **{"epoch": epochs(), "clock": lambda: 1000, **options})


def crash(path: Path, to: Path) -> Path:
    """Copy the files of an open log as a killed process would leave them; give the database's new path."""
    to.mkdir(parents=True, exist_ok=True)
    for suffix in SUFFIXES:
        file = path.with_name(path.name + suffix)
        if file.exists():
            shutil.copy(file, to / file.name)
    return to / path.name


def versions(records: Iterable[Record]) -> list[int]:
    return [record.version for record in records]
