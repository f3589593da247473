"""
The console in a real browser, against real routers.

On a machine without Node, npm or Chromium, or where the console was not bundled, the tests are skipped, and
say so; in continuous integration they fail.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from processes import command

from router.web.site import CONSOLE

HERE = Path(__file__).parent / "console"
ROOT = HERE.parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
IN_CI = os.environ.get("CI", "").lower() in ("1", "true")
PROGRAMS = sorted(HERE.glob("*.test.mjs"))


def _need(there: object, name: str) -> None:
    if not there and IN_CI:
        pytest.fail(f"must be tested here: {name}")
    if not there:
        pytest.skip(name)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs with what they need from npm, in a copy of what they use of the checkout."""
    _need(shutil.which("node"), "Node is not installed")
    _need(shutil.which("npm"), "npm is not installed")
    _need(CHROMIUM, "Chromium is not installed")
    _need((CONSOLE / "index.html").exists(), "the console was not bundled")
    copy = tmp_path_factory.mktemp("checkout")
    directory = copy / HERE.relative_to(ROOT)
    shutil.copytree(HERE, directory, ignore=shutil.ignore_patterns("node_modules"))
    shared = Path("examples", "whiteboard", "test")
    shutil.copytree(ROOT / shared, copy / shared)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(install, cwd=directory, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return directory


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name.partition(".")[0])
def test_in_chromium(programs: Path, program: Path) -> None:
    environment = {
        **os.environ,
        "CONCORD": json.dumps(command("concord")),
        "CHROMIUM": str(CHROMIUM),
        "CONSOLE": str(CONSOLE),
    }
    done = subprocess.run(
        ["node", "--test", program.name],
        cwd=programs,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-12000:]
    assert "# pass 0" not in done.stdout
