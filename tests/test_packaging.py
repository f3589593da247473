"""What is installed: from a wheel and from an editable installation, outside the checkout."""

import email
import gzip
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from processes import ENVIRONMENT, run

from router import __version__

ROOT = Path(__file__).parent.parent
SOURCES = ("router", "realms", "twisted", "config", "console")
FILES = ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
STATIC = "router/web/static"
FIRST_LOAD_BYTES = 300_000


def pip(*arguments: str | Path, **environment: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    env = {**ENVIRONMENT, **environment}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, so that nothing is left in the checkout."""
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        ignored = shutil.ignore_patterns(
            "__pycache__", "*.egg-info", "dropin.cache", "node_modules", "static"
        )
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    return copy


def build_wheel(source: Path, target: Path, **environment: str) -> Path:
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", target, source, **environment)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the wheel alone, and give the environment in which it comes before everything else."""
    target = tmp_path_factory.mktemp("site")
    pip("install", "--no-deps", "--target", target, wheel)
    return {"PYTHONPATH": str(target), "PYTHONDONTWRITEBYTECODE": "1"}


def origin(package: str, environment: dict[str, str], cwd: Path) -> str:
    """Tell from where a process of this environment imports ``package``."""
    code = f"import {package}; print({package}.__file__)"
    command = [sys.executable, "-c", code]
    return subprocess.check_output(command, env={**ENVIRONMENT, **environment}, cwd=cwd, text=True).strip()


class TestWheel:
    def test_holds_code_types_pages_and_the_default_configuration(self, wheel: Path) -> None:
        """Every module of the checkout, and no test, benchmark or bytecode."""
        names = set(zipfile.ZipFile(wheel).namelist())
        for package in ("router", "realms", "twisted/plugins"):
            for file in (ROOT / package).rglob("*.py"):
                assert str(file.relative_to(ROOT)) in names
        assert {
            "router/py.typed",
            "realms/py.typed",
            "router/web/plain/index.html",
            "router/web/plain/page.css",
            "router/web/plain/page.js",
            "router/default_config/router.yaml",
            "router/default_config/realms/realm1.yaml",
        } <= names
        assert {f"{STATIC}/index.html", f"{STATIC}/LICENSES.txt"} <= names
        tops = {name.partition("/")[0] for name in names}
        assert tops == {"router", "realms", "twisted", f"concord_router-{__version__}.dist-info"}
        assert "twisted/__init__.py" not in names
        assert "twisted/plugins/__init__.py" not in names
        assert not any(name.endswith(".pyc") for name in names)

    def test_says_what_it_is(self, wheel: Path) -> None:
        archive = zipfile.ZipFile(wheel)
        text = archive.read(f"concord_router-{__version__}.dist-info/METADATA").decode()
        metadata = email.message_from_string(text)
        assert (metadata["Name"], metadata["Version"]) == ("concord-router", __version__)
        assert metadata["Requires-Python"] == ">=3.11"
        assert metadata["License"] == "MIT" or metadata["License-Expression"] == "MIT"
        assert set(metadata.get_all("Provides-Extra")) == {"test", "dev"}
        assert "# Concord" in text

    def test_its_plugins_are_found(self, installed: dict[str, str], tmp_path: Path) -> None:
        """``twistd --help`` lists the router, and ``--help-reactors`` uvloop."""
        assert origin("router", installed, tmp_path).startswith(installed["PYTHONPATH"])
        assert "    router " in run("twistd", "--help", cwd=tmp_path, **installed).stdout
        assert "    uvloop\t" in run("twistd", "--help-reactors", cwd=tmp_path, **installed).stdout

    def test_its_default_configuration_is_good(self, installed: dict[str, str], tmp_path: Path) -> None:
        checked = run("concord", "check", cwd=tmp_path, **installed)
        place = Path(installed["PYTHONPATH"], "router", "default_config")
        assert (checked.returncode, checked.stdout) == (0, f"{place}: good\n")
        assert run("concord", "init", "new", cwd=tmp_path, **installed).returncode == 0
        for name in ("router.yaml", "realms/realm1.yaml"):
            assert (tmp_path / "new" / name).read_text() == (ROOT / "config" / name).read_text()


class TestConsole:
    def test_its_page_names_what_is_there_and_nothing_else(self, wheel: Path) -> None:
        """Every script, style and icon is a file of the wheel, whose name has a hash; nothing is inline."""
        archive = zipfile.ZipFile(wheel)
        page = archive.read(f"{STATIC}/index.html").decode()
        named = re.findall(r'(?:href|src)="([^"]+)"', page)
        assert len(named) >= 3
        for name in named:
            assert re.fullmatch(r"assets/\w+-[0-9A-Z]{8}\.(js|css|svg)", name)
            assert archive.read(f"{STATIC}/{name}")
        assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*\ssrc=)", page)
        assert "script-src 'self'; style-src 'self';" in page

    def test_its_first_load_is_small(self, wheel: Path) -> None:
        """All of it together, loaded later or not, compressed as a server does."""
        archive = zipfile.ZipFile(wheel)
        names = archive.namelist()
        files = [name for name in names if name.startswith(f"{STATIC}/") and not name.endswith(".txt")]
        assert len(files) >= 4
        assert sum(len(gzip.compress(archive.read(name), 6)) for name in files) < FIRST_LOAD_BYTES

    def test_it_brings_the_licences_of_what_it_holds(self, wheel: Path) -> None:
        text = zipfile.ZipFile(wheel).read(f"{STATIC}/LICENSES.txt").decode()
        for package in ("preact", "@preact/signals", "uplot", "wampy", "@tanstack/virtual-core"):
            assert re.search(rf"^{package} \d+\.\d+\.\d+ \(MIT\)$", text, re.MULTILINE)
        assert text.count("Permission is hereby granted, free of charge") >= 5

    def test_a_later_build_can_leave_it_out(self, wheel: Path, source: Path, tmp_path: Path) -> None:
        assert (source / STATIC / "index.html").is_file()
        built = build_wheel(source, tmp_path, CONCORD_BUILD_CONSOLE="0")
        names = zipfile.ZipFile(built).namelist()
        assert "router/web/plain/index.html" in names
        assert not [name for name in names if name.startswith(f"{STATIC}/")]


class TestEditableInstallation:
    def test_its_plugins_are_found(self, tmp_path: Path) -> None:
        """From any directory, since the tests themselves run from such an installation."""
        assert origin("router", {}, tmp_path) == str(ROOT / "router" / "__init__.py")
        assert "    router " in run("twistd", "--help", cwd=tmp_path).stdout
        assert "    uvloop\t" in run("twistd", "--help-reactors", cwd=tmp_path).stdout
        assert run("concord", "check", cwd=tmp_path).returncode == 0


def test_the_shipped_configuration_is_the_checkouts(tmp_path: Path) -> None:
    """One source: the package's copy is a link."""
    link = ROOT / "router" / "default_config"
    assert link.is_symlink()
    assert os.path.samefile(link, ROOT / "config")
