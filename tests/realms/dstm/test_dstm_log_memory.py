"""The log in memory: the interface of all logs, nothing survives, and it is bounded."""

from pathlib import Path

import pytest
from dstm_logs import HASH, commit, commits, document, epochs, reject, versions

from realms.dstm.changes import Change, first_hash
from realms.dstm.document import Document
from realms.dstm.log import LogRefused, LogUnavailable, Record
from realms.dstm.log.memory import MemoryLog, draw_epoch, now_ms, weight


def memory_log(**options: int) -> MemoryLog:
    return MemoryLog(epoch=epochs(), clock=lambda: 1000, **options)


def test_each_opening_is_new() -> None:
    """Whenever it is opened it is empty and has a new epoch."""
    log = memory_log()
    first = log.open()
    log.write([commit(1)])
    log.save_snapshot(1, HASH, document(1), [{"path": "/a"}])
    log.close()
    second = log.open()
    assert first.epoch != second.epoch
    assert (second.created, second.snapshot_version, second.bindings) == (1000, 0, [])
    assert second.hash == first_hash(second.epoch)
    assert second.document == Document.of({})
    assert list(second.records) == []


def test_by_itself() -> None:
    """Without options it draws random epochs, and knows the time."""
    assert MemoryLog().open().epoch != MemoryLog().open().epoch
    assert len(draw_epoch()) == 32
    assert now_ms() > 1_700_000_000_000


def test_reopening_tells_what_is_held() -> None:
    """``reopen`` gives what was written, in the same epoch."""
    log = memory_log()
    epoch = log.open().epoch
    written = [commit(1), reject(1), commit(2)]
    log.write(written)
    log.save_snapshot(1, HASH, document(1), [{"path": "/a"}])
    found = log.reopen()
    assert (found.epoch, found.snapshot_version, found.hash) == (epoch, 1, HASH)
    assert found.document == document(1)
    assert found.bindings == [{"path": "/a"}]
    assert list(found.records) == written


def test_read() -> None:
    """Reading gives a range of versions, both ends included."""
    log = memory_log()
    log.open()
    log.write([*commits(1, 9), reject(9), commit(10)])
    assert versions(log.read(3, 5)) == [3, 4, 5]
    assert versions(log.read(9, 20)) == [9, 9, 10]


def test_trim() -> None:
    """Trimming forgets the oldest, by version or time, up to the snapshot."""
    log = memory_log()
    log.open()
    log.write(commits(1, 20))
    log.trim(100, 0)
    assert versions(log.read(0, 100)) == list(range(1, 21))
    log.save_snapshot(15, HASH, document(15), [])
    log.trim(5, 0)
    assert versions(log.read(0, 100)) == list(range(5, 21))
    log.trim(0, 8)
    assert versions(log.read(0, 100)) == list(range(8, 21))
    log.trim(100, 100)
    assert versions(log.read(0, 100)) == list(range(16, 21))
    assert versions(log.reopen().records) == list(range(16, 21))
    log.save_snapshot(20, HASH, document(20), [])
    log.trim(100, 100)
    assert list(log.reopen().records) == []


def test_bounded_in_number() -> None:
    """Of too many records the oldest go, trimmed or not; without them no state can be told."""
    log = memory_log(records_max=10)
    log.open()
    log.write(commits(1, 25))
    assert versions(log.read(0, 100)) == list(range(16, 26))
    with pytest.raises(LogUnavailable, match="no record before version 16, and its snapshot is of version 0"):
        log.reopen()
    log.save_snapshot(15, HASH, document(15), [])
    assert versions(log.reopen().records) == list(range(16, 26))


def test_bounded_in_bytes() -> None:
    """The same in bytes."""
    log = memory_log(bytes_max=10_000)
    log.open()
    log.write(commits(1, 25, size=1000))
    assert 5 <= len(log.records) <= 9
    log.write([commit(26, size=20_000)])
    assert len(log.records) == 0


def test_weight() -> None:
    """The weight of a record goes with its values."""
    plain = weight(commit(1))
    assert weight(commit(1, size=5000)) > plain + 4900
    for value in ({"a": "x" * 5000}, ["x" * 5000]):
        assert weight(Record("commit", 1, 1, changes=(Change("add", "/a", value),))) > plain + 4900
    assert weight(reject(1)) < plain


def test_no_backup(tmp_path: Path) -> None:
    """There is no file to copy."""
    with pytest.raises(LogUnavailable, match="has no file to copy"):
        memory_log().backup(tmp_path / "copy")


def test_drop() -> None:
    """Nothing is left of a dropped log."""
    log = memory_log()
    log.open()
    log.write([commit(1)])
    log.drop()
    assert list(log.read(0, 9)) == []


def test_refusal_tells_its_place() -> None:
    """A refusal says where and why."""
    assert str(LogRefused("file, offset 5", "it is damaged")) == "file, offset 5: it is damaged"
