"""
A router in a process of its own, as an operator starts it, for clients of any kind.

Rules of this file:

- Ports are 0 in the configuration; the real ones are read from what the router prints.
- Nothing sleeps: a thread reads the router's log, and who waits for a line is woken by it.
- A traceback or a defect in the log fails the test that asks for it (``assert_no_defect``).
"""

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

BIN = Path(sys.executable).parent

# What the router prints of a transport: kind, scheme, place.
_LISTENS = re.compile(r"(WebSocket|RawSocket) ([\w+]+):(?://)?(\S+) \(")
_TROUBLE = re.compile(r"Traceback \(most recent call last\)|\bdefect\b|Unhandled error")


class RouterProcess:
    """
    A running router; ``with`` starts it, and stops it by SIGTERM.

    ``websocket``, ``websocket_tls``: URLs. ``rawsocket``, ``rawsocket_tls``: ports on 127.0.0.1.
    ``unix``: the path of the socket. Each is empty where the configuration has no such transport.
    """

    def __init__(self, *command: str, start_seconds: float = 20, stop_seconds: float = 10) -> None:
        self.command = command
        self.start_seconds = start_seconds
        self.stop_seconds = stop_seconds
        self.lines: list[str] = []
        self.websocket = self.websocket_tls = self.unix = ""
        self.rawsocket = self.rawsocket_tls = 0
        self._ended = False
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            self._wait(lambda: any("realms: " in line for line in self.lines), self.start_seconds)
            self._get_page()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """Everything that the router has printed until now."""
        return "".join(self.lines)

    def stop(self) -> int:
        """
        End the router by SIGTERM and return its exit code; a signal's is negative.

        Raises:
            subprocess.TimeoutExpired: it did not end in time and was killed.
        """
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._reader.join()

    def assert_ended_well(self) -> None:
        """Fail unless the router, stopped, ended as it says it does: without an error, and in order."""
        self.assert_no_defect()
        assert any("stopped" in line for line in self.lines), self.log
        assert self._process.returncode in (0, -signal.SIGTERM), self.log

    def assert_no_defect(self, since: int = 0) -> None:
        """Fail where a line from ``since`` on tells of an error of the router's own."""
        text = "".join(self.lines[since:])
        trouble = _TROUBLE.search(text)
        assert trouble is None, (
            f"the router logged an error of its own:\n{text[max(0, trouble.start() - 500) :][:5000]}"
        )

    def until(self, ready: Callable[[], bool], seconds: float = 10) -> None:
        """Wait for what the router prints; what it has printed by then is in ``lines``."""
        with self._news:
            assert self._news.wait_for(ready, seconds), self.log

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                with self._news:
                    self.lines.append(line)
                    self._note(line)
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _get_page(self) -> None:
        """Ask for the web page: its answer tells that the reactor runs, and so hears signals."""
        host, port = self.websocket.removeprefix("ws://").partition("/")[0].split(":")
        with socket.create_connection((host, int(port)), timeout=self.start_seconds) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert connection.recv(8) == b"HTTP/1.1", self.log

    def _wait(self, ready: Callable[[], bool], seconds: float) -> None:
        with self._news:
            self._news.wait_for(lambda: ready() or self._ended, seconds)
            assert ready(), f"{self.command} did not listen within {seconds} s:\n{self.log}"

    def _note(self, line: str) -> None:
        found = _LISTENS.search(line)
        if found is None:
            return
        kind, scheme, place = found.groups()
        if kind == "WebSocket":
            url = f"{scheme}://{place}"
            if scheme == "wss":
                self.websocket_tls = url.replace("127.0.0.1", "localhost")
            else:
                self.websocket = url
        elif scheme == "unix":
            self.unix = place
        elif scheme == "rss":
            self.rawsocket_tls = int(place.rpartition(":")[2])
        else:
            self.rawsocket = int(place.rpartition(":")[2])


def twistd(configuration: Path, directory: Path, reactor: str) -> RouterProcess:
    """Make a router under ``twistd`` that has its PID file in ``directory``."""
    return RouterProcess(
        str(BIN / "twistd"),
        "-n",
        f"--reactor={reactor}",
        f"--pidfile={directory / f'{reactor}.pid'}",
        "router",
        f"--config={configuration}",
    )


def concord(configuration: Path) -> RouterProcess:
    """Make a router under ``concord run``."""
    return RouterProcess(str(BIN / "concord"), "run", f"--config={configuration}")
