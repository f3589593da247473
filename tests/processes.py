"""Processes of the router: started, read from, stopped; each wait is bounded."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
PATIENCE = 20
# Nothing of the test run's own settings, and no bytecode in the installed packages.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}


def command(name: str) -> list[str]:
    """Give the installed command ``name`` of this interpreter."""
    return [sys.executable, str(BIN / name)]


def run(name: str, *arguments: Any, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; ``stdout`` and ``stderr`` are kept apart."""
    return subprocess.run(
        [*command(name), *map(str, arguments)],
        cwd=cwd,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Running:
    """A command that runs until it is stopped; ``lines`` is what it printed."""

    def __init__(self, name: str, *arguments: Any, cwd: Path, env: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [*command(name), *map(str, arguments)],
            cwd=cwd,
            env=ENVIRONMENT if env is None else env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: Any) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def until(self, mark: str, count: int = 1) -> str:
        """Wait until a line with ``mark`` has been printed ``count`` times, and give the last of them."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = [line for line in list(self.lines) if mark in line]
            if len(found) >= count:
                return found[-1]
            assert time.monotonic() < deadline, f"no {mark!r} in:\n{self.text}"
            assert self._reader.is_alive() or self._process.poll() is None, f"ended:\n{self.text}"
            time.sleep(0.01)

    def kill(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and give the exit code."""
        self.kill(number)
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code
