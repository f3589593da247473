"""
The example application examples/whiteboard: built as its README says, and used by two people in Chromium.

On a machine without Node or Chromium the tests are skipped, and say so; in continuous integration they fail.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Running

ROOT = Path(__file__).parents[1]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def _need(command: str | None, name: str) -> None:
    if command is None and os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"must be tested here: {name} is missing")
    if command is None:
        pytest.skip(f"{name} is not installed")


def _run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    return done.stdout


@pytest.fixture(scope="module")
def whiteboard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built, in a copy of what it needs of the checkout."""
    _need(shutil.which("npm"), "npm")
    copy = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("node_modules", "lib", "concord-data")
    shutil.copytree(ROOT / "examples/whiteboard", copy / "examples/whiteboard", ignore=ignored)
    shutil.copytree(ROOT / "router/web/dstm", copy / "router/web/dstm")
    directory = copy / "examples/whiteboard"
    _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=directory)
    _run("npm", "run", "build", cwd=directory)
    return directory


@pytest.fixture
def url(whiteboard: Path, tmp_path: Path) -> Iterator[str]:
    """Where a router serves the example."""
    file = whiteboard / "config/router.yaml"
    text = file.read_text()
    assert "tcp:8080:" in text
    file.write_text(text.replace("tcp:8080:", "tcp:0:"))
    with Running("concord", "run", f"--config={file.parent}", cwd=tmp_path) as router:
        page = router.until("page http://").rpartition(" ")[2]
        router.until("realms: whiteboard")
        yield page
        assert router.stop() == 0
        assert "Traceback" not in router.text


def test_what_its_mutators_decide() -> None:
    _need(shutil.which("node"), "Node")
    program = ROOT / "examples/whiteboard/test/mutators.test.mjs"
    assert "# fail 0" in _run("node", "--test", str(program), cwd=ROOT)


def test_the_built_page_has_all_that_it_names(whiteboard: Path) -> None:
    """A file that the service worker lists and that is not there would keep it from being installed."""
    page = whiteboard / "page"
    listed = (page / "lib/files.js").read_text()
    for file in page.rglob("*"):
        name = file.relative_to(page).as_posix()
        if file.is_file() and name not in ("index.html", "sw.js", "lib/files.js"):
            assert f'"{name}"' in listed
    assert (page / "lib/wampy.LICENSE").read_text().startswith("The MIT License")


def test_two_browsers_one_without_network(whiteboard: Path, url: str) -> None:
    _need(CHROMIUM, "Chromium")
    program = ["node", "--test", "test/two_browsers.test.mjs"]
    printed = _run(*program, cwd=whiteboard, ROUTER=url, CHROMIUM=str(CHROMIUM))
    assert "# fail 0" in printed
    assert "# pass 0" not in printed
