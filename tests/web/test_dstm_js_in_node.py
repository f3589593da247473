"""dstm.js in Node: the scenarios that every client runs, and its own tests."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NODE = shutil.which("node")
PROGRAMS = [*ROOT.glob("tests/dstm_scenarios/*.test.mjs"), *ROOT.glob("tests/web/dstm/*.test.mjs")]

pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_in_node(program: Path) -> None:
    done = subprocess.run(
        [str(NODE), "--test", str(program)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:]
    assert "# pass 0" not in done.stdout
