"""The archive: snapshots, trimming, history, backups."""

from pathlib import Path
from typing import Any

import pytest
from dstm_space_play import NOON, DiskLog, Played, add, inc

from realms.dstm import archive, errors
from realms.dstm.archive import reason_of
from realms.dstm.errors import DstmError
from realms.dstm.log import LogBroken, LogUnavailable


def filled(commits: int, **settings: Any) -> Played:
    played = Played(**settings).open()
    for _ in range(commits):
        played.commit(inc("/n", 1))
    return played


def test_a_snapshot_every_so_many_records() -> None:
    played = filled(5, snapshot_every=2, retention_versions=0)
    calls = played.log.calls
    saved = ["save_snapshot", "trim 0 0"]
    assert [call for call in calls if call != "write"] == ["open", *saved, *saved]
    version, hash, document, _ = played.log.snapshot
    assert (version, document.plain()) == (4, {"n": 4})
    assert hash == played.space.hash_at(4)


def test_the_log_is_trimmed_to_its_retention() -> None:
    """By number, and by age; nothing that the window holds is named."""
    played = filled(4, snapshot_every=4, retention_versions=3, retention_age_ms=1000, window_versions=2)
    assert f"trim 1 {NOON - 1000}" in played.log.calls
    wide = filled(4, snapshot_every=4, retention_versions=1)
    assert "trim 0 0" in wide.log.calls


def test_records_after_the_snapshot_count_from_the_start() -> None:
    log = filled(3).log
    played = Played(log, snapshot_every=4).open()
    assert "save_snapshot" not in log.calls
    played.commit(inc("/n", 1))
    assert log.snapshot[0] == 4


def test_one_snapshot_at_a_time() -> None:
    """Writes go on beside it; what is written meanwhile counts for the next."""
    played = Played(snapshot_every=1).open()
    played.submit(add("/a", 1))
    played.around.turn()
    played.around.job()
    slow = played.around.jobs.pop()
    for path in ("/b", "/c"):
        assert played.commit(add(path, 1)).version
    assert played.log.calls == ["open", "write", "write", "write"]
    played.around.jobs.append(slow)
    played.around.settle()
    assert played.log.snapshot[0] == 1
    played.commit(add("/d", 1))
    assert played.log.snapshot[0] == 4
    assert played.log.calls.count("save_snapshot") == 2


def test_a_snapshot_holds_the_durable_bindings() -> None:
    played = Played(snapshot_every=1).open()
    played.commit(add("/a", 1, bind="session"))
    assert played.log.snapshot[3] == [{"path": "/a", "version": 1, "linger_ms": 0}]


def test_a_failed_snapshot_is_tried_again() -> None:
    played = Played(snapshot_every=2).open()
    played.log.fail("save_snapshot", LogUnavailable("no space"))
    for _ in range(4):
        assert played.commit(inc("/n", 1)).version
    assert played.log.snapshot[0] == 4
    assert played.space.status()["failures"] == 1
    assert played.space.state == "open"


def test_a_snapshot_that_breaks_the_log() -> None:
    """Nothing can be written any more."""
    played = Played(snapshot_every=1).open()
    played.log.fail("save_snapshot", LogBroken("fsync failed"))
    assert played.commit(inc("/n", 1)).version == 1
    assert played.space.state == "unavailable"
    assert played.commit(inc("/n", 1)).uri == errors.UNAVAILABLE


def test_the_history_is_read() -> None:
    played = filled(4)
    found: list[Any] = []
    played.space.read_entries(2, 99, found.append)
    played.around.settle()
    assert [record.version for record in found[0]] == [2, 3, 4]


def test_the_history_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_READ", 2)
    played = filled(4)
    found: list[Any] = []
    played.space.read_entries(1, 4, found.append)
    played.around.settle()
    assert [record.version for record in found[0]] == [1, 2]


def test_what_others_ask_for_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_JOBS", 1)
    played = filled(1)
    for _ in range(2):
        played.space.read_entries(1, 1, _forget)
    with pytest.raises(DstmError, match="too many requests") as caught:
        played.space.read_entries(1, 1, _forget)
    assert caught.value.uri == errors.THROTTLED


def test_what_goes_wrong_is_told() -> None:
    played = filled(1)
    found: list[Any] = []
    played.log.fail("backup", LogUnavailable("no space"))
    played.space.backup(Path("copy"), found.append)
    played.space.backup(Path("copy"), found.append)
    played.log.fail("read", OSError("gone"))
    played.space.read_entries(1, 1, found.append)
    played.around.settle()
    assert [None if end is None else (end.uri, end.details) for end in found] == [
        (errors.UNAVAILABLE, {"reason": "no space"}),
        None,
        (errors.UNAVAILABLE, {"reason": "OSError: gone"}),
    ]


def test_compacting() -> None:
    played = filled(3)
    found: list[Any] = []
    played.space.compact(found.append)
    played.around.settle()
    assert found == [None]
    assert played.log.snapshot[0] == 3


@pytest.mark.parametrize(
    ("error", "reason"), [(LogUnavailable("no space"), "no space"), (ValueError("odd"), "ValueError: odd")]
)
def test_reasons(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


def test_a_failing_reader_harms_nobody() -> None:
    """Its error is raised where it is logged."""
    played = filled(1)
    played.space.read_entries(1, 1, lambda records: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        played.around.settle()
    assert played.commit(inc("/n", 1)).version == 2


def _forget(records: Any) -> None:
    """Take what was asked for."""


def test_the_disk_of_these_tests_is_a_log() -> None:
    assert DiskLog().open().epoch == DiskLog().epoch
