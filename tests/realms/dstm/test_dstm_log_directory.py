"""The directory of the logs: one router at a time, and the names of the spaces."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dstm_logs import commit, versions

from realms.dstm.log import LogRefused, LogUnavailable
from realms.dstm.log.directory import DataDirectory

OTHER = """
import sys
from pathlib import Path
from realms.dstm.log.directory import DataDirectory
directory = DataDirectory(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


def test_second_router_is_refused(tmp_path: Path) -> None:
    """While a process has the directory, another is refused, and told which; a killed one has it no more."""
    command = [sys.executable, "-c", OTHER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(LogRefused, match=f"in use by another router: process {other.pid}$") as refused:
            DataDirectory(tmp_path)
        assert refused.value.place == str(tmp_path)
        other.kill()
        other.wait()
    DataDirectory(tmp_path).release()


def test_twice_in_one_process(tmp_path: Path) -> None:
    """The same process gets it once; after ``release`` again."""
    directory = DataDirectory(tmp_path)
    with pytest.raises(LogRefused, match=f"process {os.getpid()}"):
        DataDirectory(tmp_path)
    directory.release()
    directory.release()
    DataDirectory(tmp_path).release()


def test_lock_of_nobody_known(tmp_path: Path) -> None:
    """If the owner has not written its number yet, the message says so."""
    directory = DataDirectory(tmp_path)
    (tmp_path / "router.lock").write_text("")
    with pytest.raises(LogRefused, match=r"process \?"):
        DataDirectory(tmp_path)
    directory.release()


def test_it_is_made(tmp_path: Path) -> None:
    """A directory that is not there is made; where none can be, it is unavailable."""
    directory = DataDirectory(tmp_path / "a" / "b")
    assert directory.spaces() == []
    directory.release()
    (tmp_path / "file").touch()
    with pytest.raises(LogUnavailable, match="file"):
        DataDirectory(tmp_path / "file")


def test_spaces(tmp_path: Path) -> None:
    """The spaces are those that have a file."""
    directory = DataDirectory(tmp_path)
    for name in ("shop", "Bank-2"):
        log = directory.log(name, window=10)
        log.open()
        log.write([commit(1)])
    assert directory.spaces() == ["Bank-2", "shop"]
    log.drop()
    assert directory.spaces() == ["shop"]
    log = directory.log("shop")
    assert log.path == directory.path_of("shop") == tmp_path / "shop.sqlite3"
    log.open()
    assert versions(log.read(0, 9)) == [1]
    log.close()
    directory.release()
