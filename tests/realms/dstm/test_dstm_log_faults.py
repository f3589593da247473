"""A full disk, a read-only file, a lock, a failed fsync: a clear state, nothing half written, a way back."""

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dstm_logs import HASH, commit, commits, crash, document, fill, sqlite_log, versions

from realms.dstm.document import Document
from realms.dstm.log import LogBroken, LogRefused, LogUnavailable
from realms.dstm.log.schema import PAGE_SIZE, connect
from realms.dstm.log.sqlite import SqliteLog


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond ``size`` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Disk:
    """Connections on which a fault can be switched on; ``fault`` is one of the methods' names."""

    def __init__(self) -> None:
        self.fault = ""

    def connect(self, path: Path, mode: str, busy_s: float) -> sqlite3.Connection:
        if self.fault == "read-only" and mode == "rw":
            mode = "ro"
        if self.fault == "no file descriptors" and mode == "rw":
            raise failure(sqlite3.SQLITE_CANTOPEN, "unable to open database file")
        connection = connect(path, mode, busy_s)
        return Failing(connection, self) if mode == "rw" else connection  # type: ignore[return-value]


class Failing:
    """A connection whose commits fail while the disk says so."""

    def __init__(self, connection: sqlite3.Connection, disk: Disk) -> None:
        self._connection = connection
        self._disk = disk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *values: Any) -> Any:
        if statement == "COMMIT" and self._disk.fault == "fsync":
            raise failure(sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error")
        if statement == "COMMIT" and self._disk.fault == "answer":
            self._connection.execute(statement)
            raise failure(sqlite3.SQLITE_IOERR_WRITE, "disk I/O error")
        if statement == "COMMIT" and self._disk.fault == "corrupt":
            raise failure(sqlite3.SQLITE_CORRUPT, "database disk image is malformed")
        if statement.startswith("PRAGMA wal_checkpoint") and self._disk.fault == "checkpoint":
            raise failure(sqlite3.SQLITE_FULL, "database or disk is full")
        return self._connection.execute(statement, *values)


def failure(code: int, text: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    error.sqlite_errorname = "SQLITE_TEST"
    return error


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def log(tmp_path: Path, disk: Disk) -> Any:
    """A log with five records on a disk that may fail."""
    log = sqlite_log(tmp_path / "space.sqlite3", connect=disk.connect, busy_s=0.01)
    log.open()
    fill(log, 1, 5)
    yield log
    disk.fault = ""
    log.close()


def assert_unavailable(log: SqliteLog, *reasons: str) -> None:
    """Nothing can be written; what is there can be read, if anything is open."""
    with pytest.raises(LogUnavailable) as refused:
        log.write([commit(6)])
    assert any(reason in refused.value.reason for reason in reasons)


def assert_as_before(log: SqliteLog, tmp_path: Path) -> None:
    """What the log holds is what was acknowledged, here and for another process, and it goes on."""
    found = log.reopen()
    assert found.epoch == f"{1:032x}"
    assert versions(found.records) == [1, 2, 3, 4, 5]
    log.write([commit(6)])
    other = sqlite_log(crash(log.path, tmp_path / "other"))
    assert versions(other.open().records) == [1, 2, 3, 4, 5, 6]
    other.close()


def test_full_disk(log: SqliteLog, tmp_path: Path) -> None:
    """Where no file can grow, writing fails, reopening fails or not, and nothing is half written."""
    with largest_file(60_000):
        with pytest.raises(LogUnavailable, match=r"input or output failed|no space"):
            log.write([commit(6, size=200_000)])
        assert_unavailable(log, "input or output failed", "no space")
        assert versions(log.read(0, 9)) == [1, 2, 3, 4, 5]
    assert_as_before(log, tmp_path)


def test_full_disk_at_every_size(tmp_path: Path) -> None:
    """Wherever a disk gets full, in a write, a snapshot, a checkpoint, the seal: nothing is lost."""
    failures = 0
    for number, size in enumerate(range(PAGE_SIZE * 4, PAGE_SIZE * 40, 6000)):
        path = tmp_path / str(number) / "space.sqlite3"
        log = sqlite_log(path, window=5, checkpoint_bytes=PAGE_SIZE * 8)
        log.open()
        version = 0
        with largest_file(size):
            try:
                for _ in range(12):
                    log.write(commits(version + 1, version + 5, size=2000))
                    version += 5
                    if version % 20 == 0:
                        log.save_snapshot(version, HASH, document(version), [])
                        log.trim(version - 10, 0)
            except LogUnavailable:
                failures += 1
        for opened in (sqlite_log(crash(path, tmp_path / "crashed" / str(number))), log):
            found = opened.reopen()
            assert [0, *versions(found.records)][-1] == version
            opened.write([commit(version + 1)])
            opened.close()
    assert failures > 5


def test_full_disk_at_the_opening(tmp_path: Path) -> None:
    """A log that cannot be created is unavailable, and is created when there is space."""
    log = sqlite_log(tmp_path / "space.sqlite3")
    with largest_file(5000), pytest.raises(LogUnavailable):
        log.open()
    assert not log.path.exists()
    with largest_file(50), pytest.raises(LogUnavailable):
        log.reopen()
    assert list(log.reopen().records) == []
    log.close()


def test_database_is_full(log: SqliteLog, tmp_path: Path) -> None:
    """SQLite's own limit on the number of pages is a full disk, too."""
    assert log._known is not None
    log._known.opened.connection.execute("PRAGMA max_page_count = 10")
    with pytest.raises(LogUnavailable, match="no space: database or disk is full"):
        log.write(commits(6, 60, size=2000))
    assert_unavailable(log, "no space")
    assert_as_before(log, tmp_path)


def test_snapshot_on_a_full_disk(log: SqliteLog, tmp_path: Path) -> None:
    """A snapshot that does not fit leaves the former one."""
    log.save_snapshot(3, HASH, document(3), [])
    big = Document.of({str(n): "z" * 1000 for n in range(500)})
    with largest_file(100_000), pytest.raises(LogUnavailable):
        log.save_snapshot(5, HASH, big, [])
    assert log.reopen().snapshot_version == 3
    assert_as_before(log, tmp_path)


def test_backup_on_a_full_disk(log: SqliteLog, tmp_path: Path) -> None:
    """A copy that does not fit leaves nothing, and the log goes on."""
    with largest_file(PAGE_SIZE * 2), pytest.raises(LogUnavailable):
        log.backup(tmp_path / "copy")
    assert not list(tmp_path.glob("copy*"))
    log.write([commit(6)])


def test_checkpoint_on_a_full_disk(tmp_path: Path, disk: Disk) -> None:
    """A write whose checkpoint fails is acknowledged, since it is durable; the next one is refused."""
    log = sqlite_log(tmp_path / "space.sqlite3", connect=disk.connect, checkpoint_bytes=0)
    log.open()
    fill(log, 1, 5)
    disk.fault = "checkpoint"
    log.write(commits(6, 10, size=1000))
    with pytest.raises(LogUnavailable, match="no space"):
        log.write([commit(11)])
    with pytest.raises(LogUnavailable, match="no space"):
        log.reopen()
    with pytest.raises(LogUnavailable, match="no space"):
        log.write([commit(11)])
    disk.fault = ""
    assert versions(log.reopen().records) == list(range(1, 11))
    log.write([commit(11)])
    log.close()


def test_close_on_a_full_disk(log: SqliteLog, disk: Disk) -> None:
    """A log that cannot be written back is closed all the same; the next opening does it."""
    disk.fault = "checkpoint"
    log.close()
    disk.fault = ""
    assert versions(log.open().records) == [1, 2, 3, 4, 5]


def test_read_only(log: SqliteLog, disk: Disk, tmp_path: Path) -> None:
    """A file that may only be read is unavailable until it may be written."""
    log.close()
    disk.fault = "read-only"
    for _ in range(2):
        with pytest.raises(LogUnavailable, match="read-only: attempt to write a readonly database"):
            log.reopen()
        assert_unavailable(log, "read-only: attempt to write a readonly database")
    disk.fault = ""
    assert_as_before(log, tmp_path)


def test_locked(log: SqliteLog, tmp_path: Path) -> None:
    """While another program holds a lock the log is unavailable, and says why."""
    other = sqlite3.connect(log.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert_unavailable(log, "locked by another program: database is locked")
    with pytest.raises(LogUnavailable, match="locked by another program"):
        log.reopen()
    other.execute("ROLLBACK")
    other.close()
    assert_as_before(log, tmp_path)


def test_cannot_be_opened(log: SqliteLog, disk: Disk, tmp_path: Path) -> None:
    """A file that cannot be opened is unavailable; afterwards nothing is open."""
    log.close()
    disk.fault = "no file descriptors"
    with pytest.raises(LogUnavailable, match="cannot be opened"):
        log.open()
    assert_unavailable(log, "cannot be opened")
    with pytest.raises(LogUnavailable, match="cannot be opened"):
        list(log.read(0, 9))
    disk.fault = ""
    assert_as_before(log, tmp_path)


def test_a_file_in_the_place_of_the_directory(tmp_path: Path) -> None:
    """A directory that cannot be made is unavailable."""
    (tmp_path / "realm").touch()
    log = sqlite_log(tmp_path / "realm" / "space.sqlite3")
    with pytest.raises(LogUnavailable, match="realm: File exists"):
        log.open()
    with pytest.raises(LogUnavailable, match="Not a directory"):
        log.drop()


def test_reading_fails(log: SqliteLog) -> None:
    """What SQLite cannot read is refused with its own words."""
    assert log._known is not None
    log._known.opened.connection.execute("DROP TABLE records")
    with pytest.raises(LogRefused, match="no such table: records"):
        list(log.read(0, 9))


def test_the_answer_is_lost(log: SqliteLog, disk: Disk) -> None:
    """After an error it is unknown whether the records are durable; ``reopen`` tells."""
    disk.fault = "answer"
    with pytest.raises(LogUnavailable, match="input or output failed"):
        log.write([commit(6)])
    disk.fault = ""
    assert versions(log.reopen().records) == [1, 2, 3, 4, 5, 6]


def test_sqlite_finds_damage_in_a_write(log: SqliteLog, disk: Disk, tmp_path: Path) -> None:
    """What SQLite calls damaged in a write is unavailable; the next opening checks and decides."""
    disk.fault = "corrupt"
    with pytest.raises(LogUnavailable, match="malformed"):
        log.write([commit(6)])
    disk.fault = ""
    assert_as_before(log, tmp_path)


def test_damage_while_it_was_unavailable(log: SqliteLog, disk: Disk) -> None:
    """A log that is found damaged when it is reopened is refused, and stays unavailable."""
    disk.fault = "answer"
    with pytest.raises(LogUnavailable):
        log.write([commit(6)])
    disk.fault = ""
    seal = log.path.with_name(log.path.name + "-seal")
    content = bytearray(seal.read_bytes())
    content[150] ^= 1
    seal.write_bytes(content)
    with pytest.raises(LogRefused, match="seal"):
        log.reopen()
    with pytest.raises(LogUnavailable, match="the head of the seal is damaged"):
        log.write([commit(7)])


def test_failed_fsync(log: SqliteLog, disk: Disk, tmp_path: Path) -> None:
    """After a failed fsync nothing in this process opens the file again; another process may."""
    disk.fault = "fsync"
    with pytest.raises(LogBroken, match="fsync"):
        log.write([commit(6)])
    disk.fault = ""
    with pytest.raises(LogBroken):
        log.write([commit(6)])
    for opened in (log, sqlite_log(log.path)):
        with pytest.raises(LogBroken, match="an fsync failed in this process"):
            opened.reopen()
        with pytest.raises(LogBroken):
            opened.write([commit(6)])
    moved = sqlite_log(crash(log.path, tmp_path / "moved"))
    assert versions(moved.open().records) == [1, 2, 3, 4, 5]
    moved.close()


def test_failed_fsync_of_the_seal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with the seal's; the write that led to it is durable."""
    log = sqlite_log(tmp_path / "space.sqlite3", checkpoint_bytes=0)
    log.open()

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", fail)
    log.write([commit(1)])
    with pytest.raises(LogBroken, match="seal-new: fsync: Input/output error"):
        log.write([commit(2)])
    log.close()


def test_failed_fsync_of_a_copy(log: SqliteLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed fsync of a copy is no failure of the log."""

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(LogUnavailable, match="fsync: Input/output error"):
        log.backup(tmp_path / "copy")
    monkeypatch.undo()
    log.write([commit(6)])
    assert versions(log.reopen().records) == [1, 2, 3, 4, 5, 6]
