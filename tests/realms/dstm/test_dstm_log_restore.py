"""Copies, made by ``backup`` or by hand, and put in the place of the file: always a new epoch."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from dstm_logs import HASH, SUFFIXES, commit, commits, crash, document, epochs, fill, sqlite_log, versions

from realms.dstm.changes import first_hash
from realms.dstm.log import LogRefused, LogUnavailable
from realms.dstm.log.schema import PAGE_SIZE
from realms.dstm.log.sqlite import SqliteLog


@pytest.fixture
def log(tmp_path: Path) -> Any:
    """A log with some records, a snapshot and an unfinished write-ahead log; all epochs are drawn in turn."""
    log = sqlite_log(tmp_path / "live" / "space.sqlite3", window=20)
    log.open()
    fill(log, 1, 30)
    log.save_snapshot(25, HASH, document(25), [{"path": "/a"}])
    yield log
    log.close()


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def others(log: SqliteLog) -> list[str]:
    """Give the names of the files beside the log's."""
    own = [log.path.name + suffix for suffix in (*SUFFIXES, "-shm")]
    return sorted(file.name for file in log.path.parent.iterdir() if file.name not in own)


def test_backup_is_one_file_with_all(log: SqliteLog, tmp_path: Path) -> None:
    """A copy is one file; opened anywhere it has all records and the snapshot, and an epoch that stays."""
    path = tmp_path / "copies" / "copy.sqlite3"
    path.parent.mkdir()
    log.backup(path)
    fill(log, 31, 32)
    assert [file.name for file in path.parent.iterdir()] == ["copy.sqlite3"]
    copy = sqlite_log(path, epoch=lambda: "c" * 32)
    found = copy.open()
    assert (found.epoch, found.created) == ("c" * 32, 1000)
    assert (found.snapshot_version, found.document, found.hash) == (25, document(25), HASH)
    assert versions(found.records) == list(range(1, 31))
    copy.write([commit(31)])
    copy.close()
    copy = sqlite_log(path)
    assert copy.open().epoch == "c" * 32
    copy.close()


def test_backup_of_a_backup(log: SqliteLog, tmp_path: Path) -> None:
    """A copy of a copy is a copy."""
    log.backup(tmp_path / "a")
    first = sqlite_log(tmp_path / "a", epoch=lambda: "a" * 32)
    first.open()
    first.backup(tmp_path / "b")
    first.close()
    second = sqlite_log(tmp_path / "b", epoch=lambda: "b" * 32)
    assert second.open().epoch == "b" * 32
    second.close()


def test_backup_of_an_empty_log(tmp_path: Path) -> None:
    """A copy of a log without records works too; its chain begins with the new epoch."""
    log = sqlite_log(tmp_path / "space.sqlite3")
    log.open()
    log.backup(tmp_path / "copy")
    log.close()
    copy = sqlite_log(tmp_path / "copy", epoch=lambda: "c" * 32)
    found = copy.open()
    assert found.hash == first_hash("c" * 32)
    assert list(found.records) == []
    copy.close()


def test_backup_where_something_is(log: SqliteLog, tmp_path: Path) -> None:
    """Nothing is overwritten."""
    (tmp_path / "there").write_text("mine")
    with pytest.raises(LogUnavailable, match="it exists already"):
        log.backup(tmp_path / "there")
    assert (tmp_path / "there").read_text() == "mine"
    log.write([commit(31)])


def test_backup_where_nothing_can_be(log: SqliteLog, tmp_path: Path) -> None:
    """A copy that cannot be made leaves nothing, and the log goes on."""
    with pytest.raises(LogUnavailable, match="cannot be opened"):
        log.backup(tmp_path / "no" / "such" / "copy")
    (tmp_path / "file").touch()
    with pytest.raises(LogUnavailable, match="Not a directory"):
        log.backup(tmp_path / "file" / "copy")
    log.write([commit(31)])


def test_backup_is_interrupted(log: SqliteLog) -> None:
    """What a killed copy left is removed by the next one of that name."""
    path = log.path.with_name("copy")
    for suffix in ("-part", "-part-journal"):
        beside(path, suffix).write_bytes(b"left")
    log.backup(path)
    assert others(log) == ["copy"]


@pytest.mark.parametrize("is_killed", [False, True])
def test_restoring_a_backup(log: SqliteLog, tmp_path: Path, is_killed: bool) -> None:
    """Yesterday's copy in the place of the file: what it holds, in a new epoch, and the log goes on."""
    log.backup(tmp_path / "copy")
    fill(log, 31, 40)
    if is_killed:
        log = sqlite_log(crash(log.path, tmp_path / "crashed"))
        beside(log.path, "-wal").unlink()
    else:
        log.close()
    shutil.copy(tmp_path / "copy", log.path)
    log = sqlite_log(log.path, epoch=lambda: "e" * 32)
    found = log.open()
    assert found.epoch == "e" * 32
    assert versions(found.records) == list(range(1, 31))
    fill(log, 31, 33)
    assert log.reopen().epoch == "e" * 32
    assert versions(log.read(29, 100)) == [29, 30, 31, 32, 33]
    log.close()


def test_restoring_a_backup_over_the_write_ahead_log(log: SqliteLog, tmp_path: Path) -> None:
    """A copy with the former file's write-ahead log is refused, and the message says what to delete."""
    log.backup(tmp_path / "copy")
    log.write(commits(31, 200))
    log.reopen()  # writes back
    fill(log, 201, 210)
    path = crash(log.path, tmp_path / "crashed")
    shutil.copy(tmp_path / "copy", path)
    with pytest.raises(LogRefused, match="delete -wal"):
        sqlite_log(path).open()
    beside(path, "-wal").unlink()
    again = sqlite_log(path)
    assert versions(again.open().records) == list(range(1, 31))
    again.close()


def test_copying_an_old_file_back_by_hand(log: SqliteLog, tmp_path: Path) -> None:
    """An older state of the file, closed in order, put back with or without its seal: a new epoch."""
    log.close()
    old = crash(log.path, tmp_path / "old")
    log.open()
    epoch = log.reopen().epoch
    fill(log, 31, 40)
    log.close()
    shutil.copy(old, log.path)
    found = log.open()
    assert found.epoch != epoch
    assert versions(log.read(0, 100)) == list(range(1, 31))
    fill(log, 31, 35)
    log.close()
    assert log.open().epoch == found.epoch


def test_copying_a_live_file_back_by_hand(log: SqliteLog, tmp_path: Path) -> None:
    """A database file that was copied while in use, without its write-ahead log: a new epoch."""
    stray = tmp_path / "stray.sqlite3"
    shutil.copy(log.path, stray)
    fill(log, 31, 40)
    log.close()
    shutil.copy(stray, log.path)
    epoch = log.open().epoch
    assert epoch == f"{2:032x}"


def test_a_file_from_elsewhere(log: SqliteLog, tmp_path: Path) -> None:
    """The file of another space, or of another directory, is a copy here."""
    other = sqlite_log(tmp_path / "other.sqlite3", epoch=lambda: "b" * 32)
    other.open()
    other.write(commits(1, 100))
    other.close()
    log.close()
    shutil.copy(other.path, log.path)
    found = sqlite_log(log.path, epoch=lambda: "e" * 32).open()
    assert found.epoch == "e" * 32
    assert versions(found.records) == list(range(1, 101))


def test_all_files_moved(log: SqliteLog, tmp_path: Path) -> None:
    """Moved with its seal and write-ahead log, it is the same log."""
    epoch = log.reopen().epoch
    fill(log, 31, 32)
    moved = sqlite_log(crash(log.path, tmp_path / "moved"))
    found = moved.open()
    assert found.epoch == epoch
    assert versions(found.records)[-1] == 32
    moved.close()


def test_without_the_seal(log: SqliteLog) -> None:
    """Whoever deletes the seal gets all that is there, checked in full, in a new epoch."""
    epoch = log.reopen().epoch
    log.close()
    beside(log.path, "-seal").unlink()
    found = log.open()
    assert found.epoch != epoch
    assert versions(log.read(0, 100)) == list(range(1, 31))


def test_a_copy_that_is_damaged(log: SqliteLog, tmp_path: Path) -> None:
    """A damaged copy is refused, whatever SQLite says of it, and the seal stays as it was."""
    log.backup(tmp_path / "copy")
    log.close()
    content = (tmp_path / "copy").read_bytes()
    log.path.write_bytes(content.replace(b"/k3", b"/k4", 1))
    seal = beside(log.path, "-seal").read_bytes()
    with pytest.raises(LogRefused, match="table records, row 23: the row does not have its checksum"):
        log.open()
    log.path.write_bytes(content[:PAGE_SIZE] + bytes(PAGE_SIZE) + content[2 * PAGE_SIZE :])
    with pytest.raises(LogRefused):
        log.open()
    assert beside(log.path, "-seal").read_bytes() == seal


def test_a_copy_with_other_pages(log: SqliteLog, tmp_path: Path) -> None:
    """A copy that somebody rebuilt with another page size is refused, and says so."""
    log.backup(tmp_path / "copy")
    connection = sqlite3.connect(tmp_path / "copy")
    connection.execute("PRAGMA page_size = 8192")
    connection.execute("VACUUM")
    connection.close()
    with pytest.raises(LogRefused, match="pages of 8192 bytes"):
        sqlite_log(tmp_path / "copy").open()


def test_another_program_wrote(log: SqliteLog, tmp_path: Path) -> None:
    """A program that writes to the file, or writes its write-ahead log back, is noticed."""
    fill(log, 31, 32)
    path = crash(log.path, tmp_path / "crashed")
    connection = sqlite3.connect(path)
    connection.execute("SELECT count(*) FROM records").fetchone()
    connection.close()  # the last one out writes back
    with pytest.raises(LogRefused, match="another program changed it"):
        sqlite_log(path).open()
    beside(path, "-seal").unlink()
    again = sqlite_log(path, epoch=epochs())
    assert versions(again.open().records)[-1] == 32
    again.close()
