"""
The schema of a log's database, and how an older one becomes the present one.

``user_version`` is the number of steps that were applied. A new version of the schema is one more step.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from realms.dstm.log import LogRefused

STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (
        # The records in their order; body: Record as MessagePack; sum: rows.link.
        "CREATE TABLE records (seq INTEGER PRIMARY KEY, body BLOB NOT NULL, sum BLOB NOT NULL)",
        # The snapshot's chunks in their order, and maybe those of one that is being written.
        "CREATE TABLE chunks (id INTEGER PRIMARY KEY, body BLOB NOT NULL, sum BLOB NOT NULL)",
        # One row, State as MessagePack.
        "CREATE TABLE state (id INTEGER PRIMARY KEY, body BLOB NOT NULL, sum BLOB NOT NULL)",
    ),
)

APPLICATION_ID: Final = 0x4453_544D  # 'DSTM': file(1) and others know the file by it
PAGE_SIZE: Final = 4096

# FULL: the write-ahead log is synced at each commit. fullfsync: on macOS fsync alone does not reach the disk.
# Checkpoints are the log's own business (seal). Free pages are used again; they need not be wiped.
PRAGMAS: Final = (
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA secure_delete = OFF",
    "PRAGMA cache_size = -8192",
)


def connect(path: Path, mode: str, busy_s: float) -> sqlite3.Connection:
    """
    Open a database: ``mode`` is SQLite's ro, rw or rwc.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=busy_s,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=32,
    )
    try:
        for pragma in PRAGMAS:
            connection.execute(pragma)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def create(connection: sqlite3.Connection) -> None:
    """Set what cannot be changed later."""
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def upgrade(connection: sqlite3.Connection, place: str, steps: Sequence[Sequence[str]]) -> bool:
    """
    Bring the schema to the present version, in one transaction; tell whether anything was to be done.

    Raises:
        LogRefused: it is of a later version, or not what its version says.
        sqlite3.Error: it could not be written; nothing has changed.
    """
    version = schema_version(connection)
    if version > len(steps):
        raise LogRefused(place, f"schema version {version}: this router knows up to {len(steps)}")
    check(connection, place, steps[:version])
    if version == len(steps):
        return False
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in steps[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")
    except sqlite3.Error:
        connection.rollback()
        raise
    return True


def check(connection: sqlite3.Connection, place: str, steps: Sequence[Sequence[str]]) -> None:
    """
    Compare the tables with those that ``steps`` make.

    Raises:
        LogRefused: they differ.
    """
    model = sqlite3.connect(":memory:")
    for step in steps:
        for statement in step:
            model.execute(statement)
    expected, actual = _tables(model), _tables(connection)
    model.close()
    if actual != expected:
        raise LogRefused(f"{place}, sqlite_schema", "the tables are not those of a DSTM log")
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    if application_id != APPLICATION_ID:
        raise LogRefused(f"{place}, offset 68", "the file is no DSTM log")


def schema_version(connection: sqlite3.Connection) -> int:
    """Give the number of the steps that were applied."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _tables(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name").fetchall()
