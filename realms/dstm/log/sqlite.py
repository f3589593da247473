"""
A log in an SQLite database: records, snapshot, and what deduplication needs, in one file.

Rules of this file:

- One write is one transaction; SQLite has synced its write-ahead log when ``COMMIT`` returns. Only then the
  seal's mark advances.
- After any error of SQLite or the file system nothing is written until ``reopen`` has succeeded, which tries
  to write. After a failed fsync no object of this process opens the file again.
- A snapshot, trimming, reading and a copy hold the lock for short steps, so that writes get in between.

What is checked at an opening is told in ``opening``, the sums of the rows in ``rows``.
"""

import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from threading import Lock
from time import sleep
from typing import Final

from msgspec.structs import replace

from realms.dstm.changes import first_hash
from realms.dstm.document import Document
from realms.dstm.log import (
    Binding,
    LogBroken,
    LogRefused,
    LogUnavailable,
    Record,
    Recovered,
    snapshots,
)
from realms.dstm.log.backup import copy
from realms.dstm.log.faults import Fault, fault, write_fault
from realms.dstm.log.files import Files, sync_directory
from realms.dstm.log.memory import draw_epoch, now_ms
from realms.dstm.log.opening import Connect, Known, Surroundings, open_database, write_back
from realms.dstm.log.rows import NO_SUM, Head, Row, Snapshot, State, encode, linked
from realms.dstm.log.schema import connect as connect_file
from realms.dstm.log.seal import Mark

TRANSACTION_BYTES: Final = 2 * 4096  # what a transaction adds to the write-ahead log besides its rows, about
TRIM_ROWS: Final = 5000  # of one transaction
TRIM_BYTES: Final = 64 * 4096  # that it adds to the write-ahead log, about
READ_ROWS: Final = 32
CHUNKS: Final = 16  # of a snapshot in one transaction
PAUSE_S: Final = 0.0005  # after a chunk was encoded: so long a waiting thread needs to get its turn

_broken: set[Path] = set()  # files of which an fsync failed in this process


class SqliteLog:
    """
    Implements ``Log`` in the file ``path`` and those beside it.

    ``write``, ``save_snapshot``, ``trim``, ``read`` and ``backup`` may run in several threads at once.

    :param window: versions of which ``open`` gives the records, and that ``trim`` leaves
    :param window_bytes: of records before the snapshot that ``open`` gives at most, as they are stored
    :param busy_s: how long another program may hold a lock
    :param checkpoint_bytes: of the write-ahead log before it is written back, about
    """

    def __init__(
        self,
        path: Path,
        *,
        window: int = 100_000,
        window_bytes: int = 64 * 1024**2,
        busy_s: float = 1.0,
        checkpoint_bytes: int = 4 * 1024**2,
        connect: Connect = connect_file,
        epoch: Callable[[], str] = draw_epoch,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self.path = path
        self._files = Files.of(path.absolute())
        self._around = Surroundings(connect, busy_s, epoch, clock)
        self._window = window
        self._window_bytes = window_bytes
        self._checkpoint_bytes = checkpoint_bytes
        self._lock = Lock()
        self._known: Known | None = None
        self._stopped: LogUnavailable | LogBroken | None = LogUnavailable(f"{path}: not open")
        self._next: Known  # what the running transaction makes of it
        self._logged = 0  # bytes in the write-ahead log, about

    def open(self) -> Recovered:
        """Open or create it (``Log.open``); what is checked is told in ``opening``."""
        return self.reopen()

    def reopen(self) -> Recovered:
        """Open it anew (``Log.reopen``)."""
        with self._lock:
            self._leave()
            if self._files.main in _broken:
                raise self._stop(LogBroken(f"{self.path}: an fsync failed in this process"))
            try:
                self._known = open_database(self._files, self._around)
                recovered = self._recovered(self._known)
                self._try_to_write(self._known)
            except (LogRefused, LogUnavailable, LogBroken) as error:
                self._leave()
                self._stop(error)
                raise
            except sqlite3.Error as error:
                self._leave()
                raise self._stop(fault(error, self._files.main)) from error
            self._stopped = None
            self._logged = TRANSACTION_BYTES
            return recovered

    def _try_to_write(self, known: Known) -> None:
        """Write something, so that a disk that is still full or a file that is read-only is known at once."""
        connection = known.opened.connection
        connection.execute("BEGIN IMMEDIATE")
        known.opened.content.put_state(known.state)
        connection.execute("COMMIT")

    def _recovered(self, known: Known) -> Recovered:
        state, content = known.state, known.opened.content
        snapshot = state.snapshot
        document, bindings = content.snapshot(snapshot) if snapshot else (Document.of({}), [])
        version = snapshot.version if snapshot else 0
        first = self._window_start(known, version)
        return Recovered(
            state.epoch,
            state.created,
            version,
            document,
            snapshot.hash if snapshot else first_hash(state.epoch),
            [record for _, _, record in content.records(state, first, known.head.seq)],
            bindings,
        )

    def _window_start(self, known: Known, snapshot_version: int) -> int:
        """Give the number of the first record that is to be recovered."""
        state, head, content = known.state, known.head, known.opened.content
        oldest = content.first_where(
            state, head.seq, lambda record: record.version > head.version - self._window
        )
        start = head.seq + 1
        total = 0
        for seq, length in content.lengths_back(state, head.seq):
            total += length
            if seq < oldest or total > self._window_bytes:
                break
            start = seq
        needed = content.first_where(state, head.seq, lambda record: record.version > snapshot_version)
        return min(start, needed)

    def write(self, records: Sequence[Record]) -> None:
        """
        Append ``records`` (``Log.write``).

        Raises:
            ValueError: the versions of the commits do not follow each other.
        """
        bodies = [encode(record) for record in records]
        with self._transaction() as known:
            head = known.head
            version = _version_after(head.version, records)
            rows = list(linked(bodies, head.seq + 1, head.sum))
            known.opened.connection.executemany("INSERT INTO records VALUES (?, ?, ?)", rows)
            if rows:
                head = Head(rows[-1][0], rows[-1][2], version)
            self._next = known._replace(head=head)
            self._logged += sum(map(len, bodies))

    def save_snapshot(
        self, version: int, hash: bytes, document: Document, bindings: Sequence[Binding]
    ) -> None:
        """
        Keep the state of ``version`` (``Log.save_snapshot``).

        Raises:
            ValueError: there is no such version yet.
        """
        with self._transaction() as known:
            if version > known.head.version:
                raise ValueError(f"no snapshot of version {version}: the log ends at {known.head.version}")
            (before,) = known.opened.connection.execute("SELECT max(id) FROM chunks").fetchone()
        first = (before or 0) + 1
        rows = linked(_gently(snapshots.chunks(document, bindings)), first, NO_SUM)
        last, last_sum = self._store(rows)
        with self._transaction() as known:
            self._put(known, replace(known.state, snapshot=Snapshot(version, hash, first, last, last_sum)))
        self._forget_chunks_before(first)

    def _store(self, rows: Iterator[Row]) -> tuple[int, bytes]:
        """Store a snapshot, some chunks in each transaction; give the last's id and sum."""
        last = (0, NO_SUM)
        while some := list(islice(rows, CHUNKS)):  # encoding them holds no lock
            with self._transaction() as known:
                known.opened.connection.executemany("INSERT INTO chunks VALUES (?, ?, ?)", some)
                self._logged += sum(len(body) for _, body, _ in some)
            last = (some[-1][0], some[-1][2])
        return last

    def _forget_chunks_before(self, first: int) -> None:
        """Delete the former snapshot, and what an interrupted one left."""
        deleted = CHUNKS
        while deleted == CHUNKS:
            with self._transaction() as known:
                deleted = known.opened.connection.execute(
                    "DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE id < ? ORDER BY id LIMIT ?)",
                    (first, CHUNKS),
                ).rowcount
                self._logged += TRIM_BYTES

    def trim(self, before_version: int, before_time: int) -> None:
        """Forget the oldest records (``Log.trim``)."""
        with self._transaction() as known:
            keep = self._first_kept(known, before_version, before_time)
        while known.state.trimmed_seq + 1 < keep:
            with self._transaction() as known:
                self._forget(known, min(known.state.trimmed_seq + TRIM_ROWS, keep - 1))
            known = self._known or known

    def _first_kept(self, known: Known, before_version: int, before_time: int) -> int:
        """Give the number of the first record that stays; times are taken as if the clock never went back."""
        state, head, content = known.state, known.head, known.opened.content
        snapshot_version = state.snapshot.version if state.snapshot else 0
        highest = min(snapshot_version, head.version - self._window)  # that may go

        def stays(record: Record) -> bool:
            if record.version > highest:
                return True
            return record.version >= before_version and record.time >= before_time

        return content.first_where(state, head.seq, stays)

    def _forget(self, known: Known, last: int) -> None:
        ((_, row_sum, record),) = known.opened.content.records(known.state, last, last)
        known.opened.connection.execute("DELETE FROM records WHERE seq <= ?", (last,))
        version = max(record.version, known.state.trimmed_version)
        self._put(known, replace(known.state, trimmed_seq=last, trimmed_sum=row_sum, trimmed_version=version))
        self._logged += TRIM_BYTES

    def read(self, first: int, last: int) -> Iterator[Record]:
        """Read the records of some versions (``Log.read``), each by its checksum."""
        with self._reading() as known:
            seq = known.opened.content.first_where(
                known.state, known.head.seq, lambda record: record.version >= first
            )
        while rows := self._read_some(seq):
            for _, record in rows:
                if record.version > last:
                    return
                yield record
            seq = rows[-1][0] + 1

    def _read_some(self, seq: int) -> list[tuple[int, Record]]:
        """Read a few records from number ``seq`` on; those that were forgotten meanwhile are passed over."""
        with self._reading() as known:
            first = max(seq, known.state.trimmed_seq + 1)
            last = min(first + READ_ROWS - 1, known.head.seq)
            rows = known.opened.content.records(known.state, first, last)
            return [(number, record) for number, _, record in rows]

    def backup(self, path: Path) -> None:
        """Write a copy to ``path`` (``Log.backup``)."""
        with self._reading():
            pass
        copy(self._files.main, path, self._around)

    def close(self) -> None:
        """Write the write-ahead log back and close; where that cannot be done, the next opening does it."""
        with self._lock:
            known = self._known
            if known is not None and self._stopped is None and self._logged:
                self._checkpoint(known)
            if known is not None and self._stopped is None:
                known.opened.keeper.close()  # so that SQLite deletes its files: there is nothing in them
            self._leave()

    def drop(self) -> None:
        """
        Close it and delete its files.

        Raises:
            LogUnavailable: they could not be deleted.
        """
        with self._lock:
            self._leave()
            try:
                for path in (self._files.seal, self._files.wal, self._files.shm, self._files.main):
                    path.unlink(missing_ok=True)
                if self._files.main.parent.exists():
                    sync_directory(self._files.main.parent)
            except OSError as error:
                raise write_fault(error, self._files.main) from error

    def _leave(self) -> None:
        if self._known is not None:
            self._known.opened.close()
            self._known.seal.close()
            self._known = None
        self._stopped = LogUnavailable(f"{self.path}: closed")

    @contextmanager
    def _reading(self) -> Generator[Known, None, None]:
        """Hold the lock over something that only reads; allowed as long as the database is open."""
        with self._lock:
            if self._known is None:
                raise self._stopped or LogUnavailable(f"{self.path}: closed")
            try:
                yield self._known
            except sqlite3.Error as error:
                raise fault(error, self._files.main) from error

    @contextmanager
    def _transaction(self) -> Generator[Known, None, None]:
        """Hold the lock over one transaction; what it makes of ``Known`` it leaves in ``_next``."""
        with self._lock:
            if self._known is None or self._stopped is not None:
                raise self._stopped or LogUnavailable(f"{self.path}: closed")
            known = self._next = self._known
            connection = known.opened.connection
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield known
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                _roll_back(connection)
                raise self._stop(write_fault(error, self._files.main)) from error
            except LogRefused as error:
                _roll_back(connection)
                raise self._stop(LogUnavailable(str(error))) from error
            except BaseException:
                _roll_back(connection)
                raise
            self._committed(known)

    def _committed(self, before: Known) -> None:
        """Take over what a transaction has made, which is durable now."""
        self._known = known = self._next
        self._logged += TRANSACTION_BYTES
        if known.head is not before.head:
            known.seal.advance(Mark(known.state.epoch, known.head.seq, known.head.version))
        if self._logged > self._checkpoint_bytes + 16 * len(known.seal.sums):
            self._checkpoint(known)

    def _checkpoint(self, known: Known) -> None:
        """Write back and seal. If that fails, what was written stays durable, but nothing more is written."""
        connection = known.opened.connection
        state = replace(known.state, number=known.state.number + 1)
        try:
            connection.execute("BEGIN IMMEDIATE")
            known.opened.content.put_state(state)
            connection.execute("COMMIT")
            self._known = known = known._replace(state=state)
            write_back(connection, self._files, known.seal, state, known.head)
            self._logged = 0
        except (sqlite3.Error, OSError) as error:
            _roll_back(connection)
            self._stop(write_fault(error, self._files.main))
        except LogBroken as error:
            self._stop(error)

    def _put(self, known: Known, state: State) -> None:
        known.opened.content.put_state(state)
        self._next = self._next._replace(state=state)

    def _stop(self, error: Fault) -> Fault:
        """Write nothing more until ``reopen``, and nothing at all where an fsync failed."""
        if isinstance(error, LogBroken):
            _broken.add(self._files.main)
        self._stopped = LogUnavailable(str(error)) if isinstance(error, LogRefused) else error
        return error


def _version_after(version: int, records: Iterable[Record]) -> int:
    """Give the version after ``records``, which must count on from ``version``."""
    for record in records:
        expected = version + 1 if record.kind == "commit" else version
        if record.version != expected:
            raise ValueError(f"a {record.kind} of version {record.version} follows version {version}")
        version = record.version
    return version


def _gently(bodies: Iterable[bytes]) -> Iterator[bytes]:
    """Pass ``bodies`` on with pauses: Python alone lets others wait for 5 ms and more, again and again."""
    for body in bodies:
        yield body
        sleep(PAUSE_S)


def _roll_back(connection: sqlite3.Connection) -> None:
    """Roll back; where that fails, the next opening does it."""
    with suppress(sqlite3.Error):
        connection.rollback()
