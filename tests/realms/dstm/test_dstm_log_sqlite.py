"""The log in SQLite: what is written is there again, in order; snapshots, trimming, reading, closing."""

import sqlite3
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from dstm_logs import HASH, commit, commits, crash, document, fill, reject, sqlite_log, versions

from realms.dstm.changes import first_hash
from realms.dstm.document import Document
from realms.dstm.log import LogRefused, LogUnavailable
from realms.dstm.log import schema as log_schema
from realms.dstm.log.schema import PAGE_SIZE, STEPS, connect, upgrade
from realms.dstm.log.sqlite import SqliteLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "realm" / "space.sqlite3"


@pytest.fixture
def log(path: Path) -> Any:
    log = sqlite_log(path)
    log.open()
    yield log
    log.close()


def reopened(log: SqliteLog) -> Any:
    """Close, and open what another process would open."""
    log.close()
    return log.open()


def test_new_log_is_empty(path: Path) -> None:
    """A log that is created has version 0, ``{}``, the first hash of its epoch, and no records."""
    log = sqlite_log(path)
    found = log.open()
    log.close()
    assert (found.epoch, found.created) == (f"{1:032x}", 1000)
    assert (found.snapshot_version, found.document.plain(), found.bindings) == (0, {}, [])
    assert found.hash == first_hash(found.epoch)
    assert list(found.records) == []


def test_records_are_there_after_closing(log: SqliteLog) -> None:
    """Records come back in their order, equal in every field; the epoch stays."""
    epoch = reopened(log).epoch
    bound = commit(3)
    bound.bindings.append({"path": "/k3", "session": 5, "ttl_ms": 10})
    written = [commit(1), commit(2), reject(2), bound, reject(3), reject(3)]
    log.write(written[:2])
    log.write(written[2:])
    found = reopened(log)
    assert list(found.records) == written
    assert found.epoch == epoch


def test_records_are_there_after_a_crash(log: SqliteLog, path: Path, tmp_path: Path) -> None:
    """What ``write`` returned for is found in the files of a process that was killed, in the same epoch."""
    fill(log, 1, 50)
    again = sqlite_log(crash(path, tmp_path / "crashed"))
    found = again.open()
    again.close()
    assert versions(found.records) == list(range(1, 51))
    assert found.epoch == f"{1:032x}"


def test_writing_nothing(log: SqliteLog) -> None:
    """An empty write is none."""
    log.write([])
    assert list(reopened(log).records) == []


@pytest.mark.parametrize("wrong", [commit(3), commit(1), reject(2), reject(0)])
def test_records_that_do_not_follow(log: SqliteLog, wrong: Any) -> None:
    """A record that does not follow the last one is refused, with all that came with it."""
    log.write([commit(1)])
    with pytest.raises(ValueError, match="follows version 1"):
        log.write([wrong])
    with pytest.raises(ValueError, match="follows version 2"):
        log.write([commit(2), commit(4)])
    log.write([commit(2)])
    assert versions(reopened(log).records) == [1, 2]


def test_checkpoints(path: Path, tmp_path: Path) -> None:
    """However often the write-ahead log is written back, it stays small, and all is there."""
    log = sqlite_log(path, checkpoint_bytes=PAGE_SIZE * 10)
    log.open()
    fill(log, 1, 400, size=1000)
    wal = path.with_name(path.name + "-wal")
    assert wal.stat().st_size < PAGE_SIZE * 100
    again = sqlite_log(crash(path, tmp_path / "crashed"))
    assert versions(again.open().records) == list(range(1, 401))
    again.close()
    assert versions(reopened(log).records) == list(range(1, 401))
    log.close()


def test_snapshot(log: SqliteLog) -> None:
    """After a snapshot recovery begins with it; the records before it are still given, as the window."""
    fill(log, 1, 20)
    log.save_snapshot(15, HASH, document(15), [{"path": "/a"}])
    found = reopened(log)
    assert (found.snapshot_version, found.hash) == (15, HASH)
    assert found.document == document(15)
    assert found.bindings == [{"path": "/a"}]
    assert versions(found.records) == list(range(1, 21))


def test_later_snapshot(log: SqliteLog, path: Path) -> None:
    """The newest snapshot counts; nothing is left of the others."""
    fill(log, 1, 3)
    big = Document.of({str(n): "z" * 1000 for n in range(2000)})
    log.save_snapshot(1, HASH, big, [])
    log.save_snapshot(2, HASH, big, [])
    log.save_snapshot(3, HASH, document(3), [])
    found = reopened(log)
    assert (found.snapshot_version, found.document) == (3, document(3))
    log.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM chunks").fetchone() == (1,)
    connection.close()


def test_snapshot_of_no_version(log: SqliteLog) -> None:
    """A snapshot of a version that is not durable is refused."""
    log.write([commit(1)])
    with pytest.raises(ValueError, match="no snapshot of version 2: the log ends at 1"):
        log.save_snapshot(2, HASH, document(2), [])


def test_snapshot_interrupted(log: SqliteLog, path: Path, tmp_path: Path) -> None:
    """A snapshot that was not completed counts for nothing, and the next one removes what it left."""
    fill(log, 1, 5)
    log.save_snapshot(2, HASH, document(2), [])
    broken = Document({**{str(n): "z" * 1000 for n in range(2000)}, "last": object()}, 0)
    with pytest.raises(TypeError):
        log.save_snapshot(4, HASH, broken, [])
    again = sqlite_log(crash(path, tmp_path / "crashed"))
    assert again.open().snapshot_version == 2
    again.save_snapshot(5, HASH, document(5), [])
    assert again.open().snapshot_version == 5
    again.close()
    connection = sqlite3.connect(again.path)
    assert connection.execute("SELECT count(*) FROM chunks").fetchone() == (1,)
    connection.close()


def test_recovery_reads_only_the_window(path: Path) -> None:
    """Recovery gives the records of the window, those after the snapshot in any case, and no others."""
    log = sqlite_log(path, window=10)
    log.open()
    fill(log, 1, 50)
    assert versions(reopened(log).records) == list(range(1, 51))  # no snapshot yet
    log.save_snapshot(30, HASH, document(30), [])
    assert versions(reopened(log).records) == list(range(31, 51))
    log.save_snapshot(48, HASH, document(48), [])
    assert versions(reopened(log).records) == list(range(41, 51))
    log.close()


def test_recovery_is_bounded_in_bytes(path: Path) -> None:
    """Of the records before the snapshot, recovery gives no more than ``window_bytes``."""
    log = sqlite_log(path, window_bytes=10_500)
    log.open()
    fill(log, 1, 50, size=1000)
    log.save_snapshot(50, HASH, document(50), [])
    found = versions(reopened(log).records)
    assert found == list(range(51 - len(found), 51))
    assert 8 <= len(found) <= 10
    log.close()


def test_trim_by_version(path: Path) -> None:
    """Trimming forgets what is below a version; the epoch, head and chain go on."""
    log = sqlite_log(path, window=10)
    log.open()
    fill(log, 1, 50)
    log.save_snapshot(45, HASH, document(45), [])
    log.trim(20, 0)
    assert versions(log.read(0, 100)) == list(range(20, 51))
    log.trim(20, 0)
    assert versions(log.read(0, 100)) == list(range(20, 51))
    found = reopened(log)
    assert versions(log.read(0, 100)) == list(range(20, 51))
    assert versions(found.records) == list(range(41, 51))
    fill(log, 51, 52)
    assert versions(reopened(log).records) == list(range(43, 53))
    log.close()


def test_trim_by_time(path: Path) -> None:
    """Trimming forgets what is older than a time."""
    log = sqlite_log(path, window=10)
    log.open()
    fill(log, 1, 50)
    log.save_snapshot(50, HASH, document(50), [])
    log.trim(5, 31)
    assert versions(log.read(0, 100)) == list(range(31, 51))
    log.close()


def test_trim_keeps_the_window_and_what_the_snapshot_needs(path: Path) -> None:
    """Whatever is asked, the window stays, and so do the records after the snapshot."""
    log = sqlite_log(path, window=10)
    log.open()
    fill(log, 1, 50)
    log.trim(100, 100)
    assert versions(log.read(0, 100)) == list(range(1, 51))
    log.save_snapshot(20, HASH, document(20), [])
    log.trim(100, 100)
    assert versions(log.read(0, 100)) == list(range(21, 51))
    log.save_snapshot(50, HASH, document(50), [])
    log.trim(100, 100)
    assert versions(log.read(0, 100)) == list(range(41, 51))
    log.close()


def test_everything_is_trimmed(path: Path) -> None:
    """With no window all records may go; the log goes on from its snapshot."""
    log = sqlite_log(path, window=0)
    log.open()
    fill(log, 1, 5)
    log.save_snapshot(5, HASH, document(5), [])
    log.trim(100, 0)
    assert list(reopened(log).records) == []
    log.write([commit(6)])
    assert versions(reopened(log).records) == [6]
    log.close()


def test_the_file_stays_bounded(path: Path) -> None:
    """With snapshots and trimming the file does not grow: free pages are used again."""
    log = sqlite_log(path, window=10, checkpoint_bytes=PAGE_SIZE * 4)
    log.open()
    sizes = []
    for first in range(1, 2001, 200):
        log.write(commits(first, first + 199, size=1000))
        log.save_snapshot(first + 199, HASH, document(first + 199), [])
        log.trim(first + 190, 0)
        sizes.append(path.stat().st_size)
    log.close()
    assert max(sizes[4:]) <= sizes[3]


def test_trim_in_slices(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many records go in several transactions."""
    monkeypatch.setattr("realms.dstm.log.sqlite.TRIM_ROWS", 7)
    log = sqlite_log(path, window=5)
    log.open()
    fill(log, 1, 50)
    log.save_snapshot(50, HASH, document(50), [])
    log.trim(40, 0)
    assert versions(reopened(log).records) == list(range(46, 51))
    assert versions(log.read(0, 100)) == list(range(40, 51))
    log.close()


def test_read(log: SqliteLog) -> None:
    """Reading gives a range of versions, both ends included, with the rejects decided there."""
    log.write([commit(1), reject(1), *commits(2, 100), reject(100), reject(100)])
    assert versions(log.read(1, 3)) == [1, 1, 2, 3]
    assert versions(log.read(0, 0)) == []
    assert versions(log.read(30, 80)) == list(range(30, 81))
    assert versions(log.read(99, 1000)) == [99, 100, 100, 100]
    assert versions(log.read(200, 1000)) == []


def test_read_while_it_is_trimmed(path: Path) -> None:
    """A reader goes on at the oldest record that is left."""
    log = sqlite_log(path, window=5)
    log.open()
    fill(log, 1, 200)
    log.save_snapshot(200, HASH, document(200), [])
    reader = log.read(1, 200)
    assert next(reader).version == 1
    log.trim(150, 0)
    assert versions(reader) == [*range(2, 33), *range(150, 201)]
    log.close()


def test_writes_get_in_between(path: Path) -> None:
    """While one thread saves snapshots, trims, reads and copies, another writes; all is right afterwards."""
    log = sqlite_log(path, window=50, checkpoint_bytes=PAGE_SIZE * 20)
    log.open()
    log.write(commits(1, 10))
    big = Document.of({str(n): "z" * 1000 for n in range(1000)})
    failures: list[BaseException] = []

    def others() -> None:
        try:
            for turn in range(6):
                log.save_snapshot(10 + turn, HASH, big, [])
                log.trim(turn * 2, 0)
                assert versions(log.read(10, 14))[:1] == [10]
                log.backup(path.with_name(f"copy{turn}"))
        except BaseException as error:
            failures.append(error)

    thread = Thread(target=others)
    thread.start()
    version = 10
    while thread.is_alive():
        version += 1
        log.write([commit(version)])
    thread.join()
    assert failures == []
    found = reopened(log)
    assert found.snapshot_version == 15
    assert versions(found.records) == list(range(min(16, version - 49), version + 1))
    log.close()
    for turn in range(6):
        copy = sqlite_log(path.with_name(f"copy{turn}"))
        recovered = copy.open()
        assert recovered.document == big
        assert versions(recovered.records)[-1] >= 10 + turn
        copy.close()


def test_closed_log(log: SqliteLog) -> None:
    """A closed log does nothing; closing it again is harmless; it can be opened again."""
    log.write([commit(1)])
    log.close()
    log.close()
    for use in (lambda: log.write([commit(2)]), lambda: list(log.read(0, 1)), lambda: log.trim(1, 1)):
        with pytest.raises(LogUnavailable, match="closed"):
            use()
    assert versions(log.reopen().records) == [1]


def test_log_that_was_never_opened(path: Path) -> None:
    """A log that was not opened does nothing."""
    log = sqlite_log(path)
    with pytest.raises(LogUnavailable, match="not open"):
        log.write([commit(1)])
    with pytest.raises(LogUnavailable, match="not open"):
        list(log.read(0, 1))
    assert not path.exists()


def test_closing_leaves_two_files(log: SqliteLog, path: Path) -> None:
    """After closing there is the database and its seal."""
    fill(log, 1, 5)
    log.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["space.sqlite3", "space.sqlite3-seal"]


def test_a_log_that_nobody_closes(path: Path) -> None:
    """A log that is let go of leaves its write-ahead log in place, and the seal is right."""
    log = sqlite_log(path)
    log.open()
    fill(log, 1, 5)
    before = path.read_bytes()
    del log
    assert path.read_bytes() == before
    again = sqlite_log(path)
    assert versions(again.open().records) == [1, 2, 3, 4, 5]
    again.close()


def test_drop(log: SqliteLog, path: Path) -> None:
    """Nothing is left of a dropped log; what is created in its place has a new epoch."""
    fill(log, 1, 5)
    epoch = log.reopen().epoch
    log.drop()
    assert list(path.parent.iterdir()) == []
    found = log.open()
    assert found.epoch != epoch
    assert list(found.records) == []


def test_drop_of_what_is_not_there(tmp_path: Path) -> None:
    """A log that was never made can be dropped."""
    sqlite_log(tmp_path / "none" / "x.sqlite3").drop()
    assert list(tmp_path.iterdir()) == []


def test_creation_is_interrupted(path: Path) -> None:
    """What a creation left that was killed is removed by the next."""
    path.parent.mkdir()
    for left in ("-create", "-create-wal", "-seal-new"):
        path.with_name(path.name + left).write_bytes(b"left")
    log = sqlite_log(path)
    log.open()
    log.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["space.sqlite3", "space.sqlite3-seal"]


def test_newer_schema(log: SqliteLog, path: Path) -> None:
    """A database of a later schema version is refused, and left as it is."""
    fill(log, 1, 3)
    log.close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    connection.close()
    path.with_name(path.name + "-seal").unlink()
    before = path.read_bytes()
    with pytest.raises(
        LogRefused, match=f"schema version {len(STEPS) + 1}: this router knows up to {len(STEPS)}"
    ):
        log.open()
    assert path.read_bytes() == before


def test_upgrade(log: SqliteLog, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of an earlier schema version becomes one of the present version; its records stay."""
    fill(log, 1, 3)
    log.close()
    later = (*STEPS, ("CREATE TABLE more (id INTEGER PRIMARY KEY)", "INSERT INTO more VALUES (7)"))
    monkeypatch.setattr(log_schema, "STEPS", later)
    epoch = sqlite_log(path).open().epoch
    assert epoch == f"{1:032x}"
    connection = connect(path, "ro", 1)
    assert connection.execute("SELECT id FROM more").fetchall() == [(7,)]
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()
    assert versions(reopened(log).records) == [1, 2, 3]


def test_upgrade_that_fails(log: SqliteLog, path: Path) -> None:
    """An upgrade happens wholly or not at all."""
    log.close()
    connection = connect(path, "rw", 1)
    with pytest.raises(sqlite3.OperationalError):
        upgrade(connection, "here", (*STEPS, ("CREATE TABLE more (id)", "nonsense")))
    assert not upgrade(connection, "here", STEPS)
    connection.close()


def test_other_database(path: Path) -> None:
    """A database that is no log is refused, and left as it is."""
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (id)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LogRefused, match="the tables are not those of a DSTM log"):
        sqlite_log(path).open()
    assert path.read_bytes() == before


def test_empty_database(path: Path) -> None:
    """An empty file in the place of a log is refused."""
    path.parent.mkdir()
    path.touch()
    with pytest.raises(LogRefused, match="no DSTM log"):
        sqlite_log(path).open()
