"""
The histories of one realm on the disk: a SQLite database, of which each commit survives a crash.

Rules of this file:

- Everything here blocks, and is called in a background thread; only ``open`` is not, when a configuration
  is taken. ``write`` and ``read`` may run at once: each has a connection of its own (write-ahead log).
- A commit is on the disk when ``write`` returns: ``synchronous=FULL`` syncs the write-ahead log.
- After an error the connections are closed; the next call opens them again.
- A pattern that is taken out of the configuration keeps its events: it may come back.

An event's ``id`` has its history in the upper bits and its ``seq`` in the lower ones, so that one table in
one order holds all histories, each as a range of it.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final

from msgspec import Struct

from realms.history.event import Kept, decode_body, encode_body
from realms.history.query import Extent, Page, Query, bounds, page

SEQ_BITS: Final = 40
APPLICATION_ID: Final = 0x434F4845  # "COHE": no other program's database
VERSION: Final = 1
BUSY_SECONDS: Final = 5.0
TRIM_EVENTS: Final = 10_000  # forgotten in one transaction at most
READ_EVENTS: Final = 100  # fetched at once

_TABLES: Final = """
CREATE TABLE histories (
    id INTEGER PRIMARY KEY,
    match TEXT NOT NULL,
    uri TEXT NOT NULL,
    epoch TEXT NOT NULL,
    first INTEGER NOT NULL DEFAULT 1,  -- seq of the oldest event that is there
    last INTEGER NOT NULL DEFAULT 0,   -- seq of the newest
    lost INTEGER NOT NULL DEFAULT 0,   -- up to this seq, some may be missing
    events INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (match, uri)
);
CREATE TABLE events (
    id INTEGER PRIMARY KEY,            -- history << 40 | seq
    time_ms INTEGER NOT NULL,
    publication INTEGER NOT NULL,
    topic TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX events_by_publication ON events (publication);
"""


class DatabaseRefused(Exception):
    """The file must not be used; ``str()`` says why."""


class Known(Struct, frozen=True):
    """A history as it is in the database: its number, and the ``seq`` of its last event."""

    id: int
    last: int


class Batch(Struct):
    """
    What is to be written of one history: events in order, and up to which ``seq`` some were lost.

    ``most_events``, ``most_bytes`` and ``oldest_ms`` are its limits.
    """

    history: int
    events: list[Kept]
    lost: int
    most_events: int
    most_bytes: int
    oldest_ms: int


class Database:
    """One file with the histories of a realm."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._write_lock = Lock()
        self._read_lock = Lock()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None

    def open(self, match: str, uri: str, epoch: str) -> Known:
        """
        Give the history of a pattern, made with ``epoch`` where there is none.

        Raises:
            DatabaseRefused: the file is no such database, or cannot be opened or written.
        """
        try:
            with self._write_lock:
                connection = self._writing()
                with _Transaction(connection):
                    connection.execute(
                        "INSERT INTO histories (match, uri, epoch) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                        (match, uri, epoch),
                    )
                select = "SELECT id FROM histories WHERE match = ? AND uri = ?"
                ((number,),) = connection.execute(select, (match, uri))
                return Known(number, _extent(connection, number).last)
        except sqlite3.Error as error:
            self.close()
            raise DatabaseRefused(f"{self.path}: {error}") from error

    def write(self, batches: Sequence[Batch]) -> None:
        """
        Write events and forget old ones, in one commit.

        Raises:
            sqlite3.Error: nothing was written.
            DatabaseRefused: the file is gone, or another one, or somebody else writes into it.
        """
        with self._write_lock:
            try:
                connection = self._writing()
                with _Transaction(connection):
                    for batch in batches:
                        _write(connection, batch)
            except BaseException:
                self._close_writer()
                raise

    def read(self, history: int, query: Query) -> Page:
        """
        Give a page of one history.

        Raises:
            Refused: as ``bounds``.
            sqlite3.Error: the file cannot be read.
            DatabaseRefused: the file is gone, or another one.
        """
        with self._read_lock:
            try:
                return _read(self._reading(), history, query)
            except (sqlite3.Error, DatabaseRefused):
                self._close_reader()
                raise

    def close(self) -> None:
        """Close the file; what was written is there."""
        with self._read_lock:
            self._close_reader()
        with self._write_lock:
            self._close_writer()

    def _writing(self) -> sqlite3.Connection:
        if self._writer is None:
            self._writer = _connect(self.path)
        return self._writer

    def _reading(self) -> sqlite3.Connection:
        if self._reader is None:
            self._reader = _connect(self.path)
        return self._reader

    def _close_writer(self) -> None:
        if self._writer is not None:
            with suppress(sqlite3.Error):
                self._writer.close()
            self._writer = None

    def _close_reader(self) -> None:
        if self._reader is not None:
            with suppress(sqlite3.Error):
                self._reader.close()
            self._reader = None


class _Transaction:
    """One commit, or nothing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        with _Transaction(connection):
            _make_tables(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    ((application,),) = connection.execute("PRAGMA application_id")
    ((version,),) = connection.execute("PRAGMA user_version")
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master")
    if not tables:
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    elif application != APPLICATION_ID:
        raise DatabaseRefused(f"{path}: this is the database of another program")
    elif version != VERSION:
        raise DatabaseRefused(f"{path}: its version is {version}, and this router knows {VERSION} alone")


def _extent(connection: sqlite3.Connection, history: int) -> Extent:
    epoch, first, last, lost = _row(connection, "epoch, first, last, lost", history)
    return Extent(epoch, first, last, lost)


def _row(connection: sqlite3.Connection, columns: str, history: int) -> Any:
    row = connection.execute(f"SELECT {columns} FROM histories WHERE id = ?", (history,)).fetchone()
    if row is None:
        raise DatabaseRefused("the file is not the one that was opened: a history is gone from it")
    return row


def _read(connection: sqlite3.Connection, history: int, query: Query) -> Page:
    connection.execute("BEGIN")  # one state of the file for all that follows
    try:
        extent = _extent(connection, history)
        low, high = bounds(query, extent, lambda publication: _seq(connection, history, publication))
        return page(query, extent, _events(connection, history, query, low, high))
    finally:
        connection.execute("ROLLBACK")


def _seq(connection: sqlite3.Connection, history: int, publication: int) -> int | None:
    low = history << SEQ_BITS
    select = "SELECT max(id) FROM events WHERE publication = ? AND id BETWEEN ? AND ?"
    ((found,),) = connection.execute(select, (publication, low, low | (1 << SEQ_BITS) - 1))
    return None if found is None else found - low


def _events(
    connection: sqlite3.Connection, history: int, query: Query, low: int, high: int
) -> Iterator[Kept]:
    base = history << SEQ_BITS
    conditions: list[Any] = [base + low, base + high]
    select = "SELECT id, time_ms, publication, topic, bytes, body FROM events WHERE id BETWEEN ? AND ?"
    if query.one_topic is not None:
        select += " AND topic = ?"
        conditions.append(query.one_topic)
    order = "DESC" if query.reverse else "ASC"
    rows = connection.execute(f"{select} ORDER BY id {order}", conditions)
    while some := rows.fetchmany(READ_EVENTS):
        for number, time_ms, publication, topic, size_bytes, body in some:
            yield Kept(number - base, time_ms, publication, topic, size_bytes, decode_body(body))


def _write(connection: sqlite3.Connection, batch: Batch) -> None:
    base = batch.history << SEQ_BITS
    rows = [
        (base + event.seq, event.time_ms, event.publication, event.topic, event.size_bytes, body)
        for event in batch.events
        for body in (encode_body(event.body),)
    ]
    if rows and _row(connection, "last", batch.history)[0] >= batch.events[0].seq:
        raise DatabaseRefused("another router writes into the same file: each needs a data_dir of its own")
    if rows or batch.lost:
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)
        last = batch.events[-1].seq if rows else 0
        added = sum(event.size_bytes for event in batch.events)
        connection.execute(
            "UPDATE histories SET last = max(last, ?), lost = max(lost, ?), events = events + ?,"
            " bytes = bytes + ? WHERE id = ?",
            (last, batch.lost, len(rows), added, batch.history),
        )
    _trim(connection, batch)


def _trim(connection: sqlite3.Connection, batch: Batch) -> None:
    events, size_bytes, last = _row(connection, "events, bytes, last", batch.history)
    base = batch.history << SEQ_BITS
    oldest = connection.execute(
        "SELECT id, bytes, time_ms FROM events WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
        (base, base + last, TRIM_EVENTS),
    )
    gone, gone_bytes, first = 0, 0, None
    for number, length, time_ms in oldest:
        too_many = events - gone > batch.most_events or size_bytes - gone_bytes > batch.most_bytes
        if not too_many and time_ms >= batch.oldest_ms:
            first = number
            break
        gone, gone_bytes, first = gone + 1, gone_bytes + length, number + 1
    oldest.close()
    if gone:
        assert first is not None
        connection.execute("DELETE FROM events WHERE id >= ? AND id < ?", (base, first))
        connection.execute(
            "UPDATE histories SET first = ?, events = events - ?, bytes = bytes - ? WHERE id = ?",
            (first - base, gone, gone_bytes, batch.history),
        )
