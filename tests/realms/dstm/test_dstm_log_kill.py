"""kill -9 at any moment: what was acknowledged is there, in order, in the same epoch."""

import subprocess
import sys
from pathlib import Path
from random import Random

import dstm_log_writer
import pytest
from dstm_logs import sqlite_log

ROUNDS = 6


def kill_after(path: Path, seed: str, writes: int) -> int:
    """Let a process write, kill it after some writes; give the last version that it acknowledged."""
    command = [sys.executable, dstm_log_writer.__file__, str(path), seed]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(writes)]
        writer.kill()
        lines += writer.stdout.readlines()
    return int([line for line in lines if line.endswith(b"\n")][-1])


@pytest.mark.parametrize("seed", ["a", "b"])
def test_kill(tmp_path: Path, seed: str) -> None:
    """
    Killed again and again, the log has every acknowledged version, and none of another life.

    Of the last write, which was not acknowledged, it may have all or nothing.
    """
    draw = Random(seed)
    path = tmp_path / "space.sqlite3"
    epochs = set()
    for number in range(ROUNDS):
        acknowledged = kill_after(path, f"{seed}{number}", draw.randint(1, 150))
        log = sqlite_log(path, epoch=lambda: "f" * 32, window=100)
        found = log.open()
        log.close()
        epochs.add(found.epoch)
        head = found.records[-1].version if found.records else found.snapshot_version
        assert acknowledged <= head <= acknowledged + 20
        assert found.snapshot_version == 0 or found.document.plain()["version"] == found.snapshot_version
        kept = [record.version for record in log.reopen().records]
        assert kept == list(range(head - len(kept) + 1, head + 1))
        assert [record.changes[0].path for record in log.read(head, head)] == [f"/k{head % 10}"] * (head > 0)
        log.close()
    assert len(epochs) == 1
    assert epochs != {"f" * 32}
