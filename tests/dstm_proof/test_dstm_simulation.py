"""
The simulation: thousands of schedules, each with a crash, none with a finding.

Each block of seeds runs in processes of its own, one for each core. A failure names its seed and the
command that runs it again, to the last message.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from dstm_simulation import Schedule, replay_line, run

HERE = Path(__file__).parent
BLOCK = 1000
BLOCKS = 5
SQLITE_SEEDS = range(900_000, 900_100)


def _processes(first: int, count: int) -> list["subprocess.Popen[str]"]:
    cores = os.cpu_count() or 1
    share = -(-count // cores)
    return [
        subprocess.Popen(
            [
                sys.executable,
                "-W",
                "error",
                str(HERE / "dstm_simulation.py"),
                str(seed),
                "--count",
                str(share),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for seed in range(first, first + count, share)
    ]


@pytest.mark.parametrize("block", range(BLOCKS))
def test_a_block_of_schedules(block: int) -> None:
    """Every acknowledged commit is there, none twice, all in order, and the replicas are equal in the end."""
    schedules = crashes = 0
    for process in _processes(block * BLOCK, BLOCK):
        output, _ = process.communicate(timeout=600)
        seeds = re.findall(r"^seed (\d+):", output, re.MULTILINE)
        assert process.returncode == 0, "\n".join([output, *(replay_line(int(seed)) for seed in seeds)])
        schedules += int(re.search(r"^(\d+) schedules", output, re.MULTILINE)[1])
        crashes += int(re.search(r"'crashes': (\d+)", output)[1])
    assert schedules >= BLOCK
    assert crashes >= schedules


def test_a_seed_is_a_schedule() -> None:
    """The same seed gives the same schedule, to the last commit."""
    first, second = Schedule(3), Schedule(3)
    assert first.run() == second.run()
    assert repr(first.archive.epochs) == repr(second.archive.epochs)


@pytest.mark.parametrize("seed", SQLITE_SEEDS)
def test_a_schedule_with_the_real_log(seed: int, tmp_path: Path) -> None:
    """The same, with SQLite in a real file that every life of the router opens again."""
    result = run(seed, "sqlite", tmp_path)
    assert result.findings == [], replay_line(seed)
