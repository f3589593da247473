"""``twistd router``, as a process: in the foreground, on uvloop, and detached."""

import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import PATIENCE, Running, run
from test_command import FREE, REALM, WARNING, write

from router import __version__


def page(text: str) -> bytes:
    """Ask the WebSocket port for the page: once it answers, the reactor runs."""
    port = int(re.findall(r"WebSocket ws://127\.0\.0\.1:(\d+)/ws ", text)[0])
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return client.recv(15)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of loopback at which somebody else listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def on_port(port: int) -> Any:
    return {"transports": [{"type": "websocket", "endpoint": f"tcp:{port}:interface=127.0.0.1"}]}


class TestInTheForeground:
    @pytest.mark.parametrize(
        ("reactor", "name"), [([], "EPollReactor"), (["--reactor=uvloop"], "UvloopReactor")]
    )
    def test_says_where_it_listens(self, tmp_path: Path, reactor: list[str], name: str) -> None:
        """The same lines as ``concord run``; after SIGTERM it stops, says so, and ends by the signal."""
        write(tmp_path)
        with Running("twistd", "-n", *reactor, "router", "--config", "myrouter", cwd=tmp_path) as router:
            router.until("realms: realm1")
            assert f"Concord {__version__}" in router.text
            assert f"{name}." in router.text
            assert page(router.text) == b"HTTP/1.1 200 OK"
            assert router.stop() == -signal.SIGTERM
        assert "stopped" in router.text
        assert "Traceback" not in router.text
        assert not (tmp_path / "twistd.pid").exists()

    def test_reloads_on_sighup(self, tmp_path: Path) -> None:
        directory = write(tmp_path, {**FREE, "reload_interval_ms": 0})
        with Running("twistd", "-n", "router", "-c", "myrouter", cwd=tmp_path) as router:
            router.until("realms: realm1")
            (directory / "realms" / "realm1.yaml").rename(directory / "realms" / "realm2.yaml")
            router.kill(signal.SIGHUP)
            router.until("configuration reloaded; realms: realm2")
            page(router.text)
            router.stop()

    def test_an_address_in_use_is_one_line_and_1(self, tmp_path: Path, taken: int) -> None:
        write(tmp_path, on_port(taken))
        done = run("twistd", "-n", "router", "-c", "myrouter", cwd=tmp_path)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"twistd router: Couldn't listen on 127.0.0.1:{taken}: ")
        assert "Traceback" not in done.stdout
        assert not (tmp_path / "twistd.pid").exists()

    def test_the_log_that_the_configuration_asks_for(self, tmp_path: Path) -> None:
        write(tmp_path, {**FREE, "log": {"format": "json", "level": "info"}})
        with Running("twistd", "-n", "router", "-c", "myrouter", cwd=tmp_path) as router:
            router.until(f"Concord {__version__}")
            until_listening(router)
            router.stop()
        records = [json.loads(line) for line in router.lines]
        assert any(record.get("fields") == {"version": __version__} for record in records)

    def test_the_log_goes_to_the_file_that_twistd_names(self, tmp_path: Path) -> None:
        write(tmp_path, {**FREE, "log": {"level": "warn"}})
        with Running("twistd", "-n", "-l", "r.log", "router", "-c", "myrouter", cwd=tmp_path) as router:
            until_listening(router)
            router.stop()
        assert router.lines == []
        (line,) = (tmp_path / "r.log").read_text().splitlines()
        assert line.endswith(WARNING.removeprefix("warning: ").rstrip())


def until_listening(router: Running) -> None:
    """Wait until the process that prints nothing about it has its two listening sockets."""
    from test_command import listening

    deadline = time.monotonic() + PATIENCE
    while len(listening(router)) < 2:
        assert time.monotonic() < deadline, router.text
        time.sleep(0.01)


class TestDetached:
    def test_writes_its_log_and_its_pid(self, tmp_path: Path) -> None:
        """``twistd`` returns at once with 0 and prints nothing; SIGTERM ends it and removes the pid file."""
        write(tmp_path)
        started = run(
            "twistd", "--pidfile=r.pid", "--logfile=r.log", "router", "-c", "myrouter", cwd=tmp_path
        )
        assert (started.returncode, started.stdout, started.stderr) == (0, "", "")
        pid = int((tmp_path / "r.pid").read_text())
        try:
            text = until_in(tmp_path / "r.log", "realms: realm1")
            assert page(text) == b"HTTP/1.1 200 OK"
        finally:
            os.kill(pid, signal.SIGTERM)
        until_in(tmp_path / "r.log", "Server Shut Down.")
        assert not (tmp_path / "r.pid").exists()
        assert "Traceback" not in (tmp_path / "r.log").read_text()

    def test_an_address_in_use_is_told_by_the_command_and_in_the_log(
        self, tmp_path: Path, taken: int
    ) -> None:
        write(tmp_path, on_port(taken))
        done = run("twistd", "--pidfile=r.pid", "--logfile=r.log", "router", "-c", "myrouter", cwd=tmp_path)
        assert done.returncode == 1
        assert f"Couldn't listen on 127.0.0.1:{taken}" in done.stderr
        assert f"Couldn't listen on 127.0.0.1:{taken}" in (tmp_path / "r.log").read_text()
        assert not (tmp_path / "r.pid").exists()

    def test_a_mistake_is_told_before_it_detaches(self, tmp_path: Path) -> None:
        write(tmp_path, {"transport": []})
        done = run("twistd", "router", "-c", "myrouter", cwd=tmp_path)
        assert done.returncode == 1
        assert "myrouter/router.yaml:1:1: " in done.stderr
        assert "1 problem: nothing was started" in done.stderr
        assert os.listdir(tmp_path) == ["myrouter"]


def until_in(file: Path, mark: str) -> str:
    """Wait until ``mark`` stands in ``file``, and give its text."""
    deadline = time.monotonic() + PATIENCE
    while True:
        text = file.read_text() if file.exists() else ""
        if mark in text:
            return text
        assert time.monotonic() < deadline, f"no {mark!r} in:\n{text}"
        time.sleep(0.01)


def test_check_starts_nothing(tmp_path: Path) -> None:
    """0 for a good configuration; 1 for another one, with every problem and its place."""
    directory = write(tmp_path, FREE, realm1=REALM)
    good = run("twistd", "router", "--check", "--config", "myrouter", cwd=tmp_path)
    assert (good.returncode, good.stdout, good.stderr) == (0, "myrouter: good\n", WARNING)
    (directory / "router.yaml").write_text("transport: []\nlogs: {}\n")
    bad = run("twistd", "router", "--check", "--config", "myrouter", cwd=tmp_path)
    assert bad.returncode == 1
    assert [line.partition(": ")[0] for line in bad.stderr.splitlines()[:2]] == [
        "myrouter/router.yaml:1:1",
        "myrouter/router.yaml:2:1",
    ]
    missing = run("twistd", "router", "--check", "--config", "nowhere", cwd=tmp_path)
    assert missing.returncode == 1
    assert "no such directory: 'concord init DIR' writes one" in missing.stderr
    assert os.listdir(tmp_path) == ["myrouter"]


def test_help_teaches(tmp_path: Path) -> None:
    """What it serves without options, how to run it, and what the signals do; line by line."""
    done = run("twistd", "router", "--help", cwd=tmp_path)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert "  twistd -n router                       run in the foreground" in lines
    assert "  twistd -n --reactor=uvloop router      the same on uvloop, with less CPU" in lines
    assert any("ws://127.0.0.1:8080/ws" in line for line in lines)
    assert any(line.startswith("SIGHUP") for line in lines)
    assert any(line.lstrip().startswith("-c, --config=") for line in lines)
    version = run("twistd", "router", "--version", cwd=tmp_path)
    assert (version.returncode, version.stdout) == (0, f"Concord {__version__}\n")
