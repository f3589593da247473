"""What is measured: how each target is configured, started, found to be listening, and stopped.

Rules of this file: a target runs in a directory and a process session of its own, on the first core, on a
free port of loopback, with the realm ``realm1`` open to anonymous clients.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from . import load

HERE = Path(__file__).parent
START_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0


class NotStarted(Exception):
    """A target did not come to listen: the text says what it printed."""


@dataclass(frozen=True)
class Target:
    """
    One thing to measure.

    ``command`` gets the directory to run in, and a free port; it writes what configuration is needed, and
    returns the arguments.
    """

    name: str
    about: str
    command: Callable[[Path, int], list[str]]


@dataclass
class Running:
    """A started target: its process, its port, and the seconds from its start to the first connection."""

    target: Target
    process: subprocess.Popen[bytes]
    port: int
    started_s: float
    log: Path = field(repr=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    def last_words(self) -> str:
        """Return the last line that the target printed."""
        return (self.log.read_text(errors="replace").strip().splitlines() or ["it printed nothing"])[-1]

    def stop(self) -> None:
        """SIGTERM, then SIGKILL to the whole session of the process."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_LIMIT_S)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(target: Target, scratch: Path) -> Running:
    """
    Start ``target`` in a new directory below ``scratch``; return when it accepts a connection.

    Raises:
        NotStarted: it ended, or did not listen in time.
    """
    port = free_port()
    directory = scratch / f"{target.name}-{port}"
    directory.mkdir()
    log = directory / "output.log"
    command = load.pinned(target.command(directory, port), 0)
    with log.open("wb") as output:
        began = time.monotonic()
        try:
            process = subprocess.Popen(
                command, cwd=directory, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        except OSError as error:
            raise NotStarted(f"{target.name}: {error}") from None
    running = Running(target, process, port, 0.0, log)
    try:
        _await_listening(running, began + START_LIMIT_S)
    except BaseException:
        running.stop()
        raise
    running.started_s = time.monotonic() - began
    return running


def _await_listening(running: Running, deadline: float) -> None:
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", running.port), 1):
            return
        if running.process.poll() is not None:
            break
        time.sleep(0.002)
    raise NotStarted(f"{running.target.name} does not listen on port {running.port}: {running.last_words()}")


def _configure_router(directory: Path, port: int) -> None:
    """Write the shipped default configuration with other ports."""
    import router

    shipped = Path(router.__file__).parent / "default_config"
    shutil.copytree(shipped, directory / "config")
    node = directory / "config" / "router.yaml"
    text = re.sub(r"(?m)^(\s*endpoint: tcp:)8080\b", rf"\g<1>{port}", node.read_text())
    node.write_text(re.sub(r"(?m)^(\s*endpoint: tcp:)8081\b", rf"\g<1>{free_port()}", text))


def router_target(name: str, reactor: str) -> Target:
    """``twistd -n router`` on ``reactor``; ``BENCH_TWISTD`` replaces the word twistd."""

    def command(directory: Path, port: int) -> list[str]:
        _configure_router(directory, port)
        beside = Path(sys.executable).with_name("twistd")
        twistd = os.environ.get("BENCH_TWISTD", str(beside) if beside.exists() else "twistd").split()
        chosen = [f"--reactor={reactor}"] if reactor else []
        return [*twistd, *chosen, "-n", "router", "--config", "config"]

    return Target(name, " ".join(["twistd", f"--reactor={reactor}" if reactor else "", "-n router"]), command)


def bare_target(name: str, reactor: str) -> Target:
    """The bare reference on ``reactor``."""

    def command(directory: Path, port: int) -> list[str]:
        return [sys.executable, str(HERE / "bare.py"), "--reactor", reactor, "--port", str(port)]

    return Target(name, f"bare.py --reactor {reactor}", command)


def serve_target(generator: Path) -> Target:
    """The toy router of ``generator``, in C."""

    def command(directory: Path, port: int) -> list[str]:
        return [str(generator), "serve", "--port", str(port)]

    return Target("serve", "the generator's own toy router, in C", command)


def crossbar_target(executable: str) -> Target:
    """Crossbar, with one router worker and one WebSocket transport."""

    def command(directory: Path, port: int) -> list[str]:
        (directory / ".crossbar").mkdir()
        (directory / ".crossbar" / "config.json").write_text(json.dumps(crossbar_config(port)))
        return [str(Path(executable).resolve()), "start", "--cbdir", ".crossbar", "--loglevel", "warn"]

    return Target("crossbar", executable, command)


def crossbar_config(port: int) -> dict[str, object]:
    """Return a node configuration that gives anonymous clients all rights, as the router's default does."""
    everything = {"call": True, "register": True, "publish": True, "subscribe": True}
    permission = {"uri": "", "match": "prefix", "allow": everything, "cache": True}
    realm = {"name": "realm1", "roles": [{"name": "anonymous", "permissions": [permission]}]}
    transport = {
        "type": "websocket",
        "endpoint": {"type": "tcp", "port": port, "interface": "127.0.0.1", "backlog": 1024},
        "auth": {"anonymous": {"type": "static", "role": "anonymous"}},
    }
    worker = {"type": "router", "realms": [realm], "transports": [transport]}
    return {"version": 2, "controller": {}, "workers": [worker]}


def all_targets(generator: Path, crossbar: str | None) -> list[Target]:
    """Return the targets in the order in which they take turns."""
    targets = [
        router_target("router", "uvloop"),
        bare_target("bare", "uvloop"),
        router_target("router-epoll", ""),
        bare_target("bare-epoll", "epoll"),
        serve_target(generator),
    ]
    return [*targets, crossbar_target(crossbar)] if crossbar else targets
