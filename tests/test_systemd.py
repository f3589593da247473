"""What systemd is told, and the sockets that it passes: a service manager made of a socket."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
from node_bench import Log
from processes import ENVIRONMENT, PATIENCE, Running, command, run
from test_command import FREE, write
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from router.systemd import Systemd

DEPLOY = Path(__file__).parents[1] / "deploy"


class Manager:
    """Hears what services say."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(PATIENCE)

    def hear(self) -> dict[str, str]:
        """Wait for the next message."""
        lines = self._socket.recv(4096).decode().split("\n")
        return dict(line.split("=", 1) for line in lines)

    def has_heard(self) -> bool:
        """Tell whether there is a message."""
        self._socket.setblocking(False)
        try:
            return bool(self._socket.recv(4096, socket.MSG_PEEK))
        except BlockingIOError:
            return False
        finally:
            self._socket.settimeout(PATIENCE)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.close()


def systemd(manager: Manager, clock: Clock, **environ: str) -> Systemd:
    return Systemd(clock, {"NOTIFY_SOCKET": manager.address, **environ})


class TestMessages:
    def test_ready_and_stopping(self, manager: Manager) -> None:
        service = systemd(manager, Clock())
        service.ready("2 transports, 1 realms")
        assert manager.hear() == {"READY": "1", "STATUS": "2 transports, 1 realms"}
        service.stopping()
        assert manager.hear() == {"STOPPING": "1"}
        assert not manager.has_heard()

    def test_a_name_without_a_file(self) -> None:
        manager = Manager(f"@concord-test-{os.getpid()}")
        systemd(manager, Clock()).stopping()
        assert manager.hear() == {"STOPPING": "1"}
        manager.close()

    def test_a_reload_has_a_beginning_and_an_end(self, manager: Manager) -> None:
        service = systemd(manager, Clock())
        done: Deferred[None] = Deferred()
        service.reload(lambda: done)
        told = manager.hear()
        assert told.pop("MONOTONIC_USEC").isdecimal()
        assert told == {"RELOADING": "1"}
        assert not manager.has_heard()
        done.callback(None)
        assert manager.hear() == {"READY": "1"}

    def test_the_watchdog_is_fed_twice_in_its_time(self, manager: Manager) -> None:
        clock = Clock()
        service = systemd(manager, clock, WATCHDOG_USEC="30000000")
        service.ready("")
        assert "READY" in manager.hear()
        assert manager.hear() == {"WATCHDOG": "1"}
        clock.advance(14.9)
        assert not manager.has_heard()
        clock.advance(0.2)
        assert manager.hear() == {"WATCHDOG": "1"}
        service.stopping()
        assert manager.hear() == {"STOPPING": "1"}
        clock.advance(60)
        assert not manager.has_heard()

    @pytest.mark.parametrize(
        "environ", [{"WATCHDOG_PID": "1", "WATCHDOG_USEC": "1000"}, {"WATCHDOG_USEC": "x"}, {}]
    )
    def test_a_watchdog_that_is_not_for_us(self, manager: Manager, environ: Any) -> None:
        clock = Clock()
        systemd(manager, clock, **environ).ready("")
        manager.hear()
        assert clock.getDelayedCalls() == []
        assert not manager.has_heard()

    def test_without_systemd_nothing_happens(self) -> None:
        clock, asked = Clock(), []
        service = Systemd(clock, {"WATCHDOG_USEC": ""})
        service.ready("")
        service.reload(lambda: asked.append(1) or succeed(None))
        service.stopping()
        assert asked == [1]

    def test_a_manager_that_is_gone_is_logged_once(self, tmp_path: Path) -> None:
        log = Log()
        globalLogPublisher.addObserver(log)
        try:
            service = Systemd(Clock(), {"NOTIFY_SOCKET": str(tmp_path / "nobody")})
            service.ready("")
            service.stopping()
        finally:
            globalLogPublisher.removeObserver(log)
        [line] = log.lines("warn")
        assert line.startswith("systemd is not told: ")


# Runs a command as systemd does: sockets from descriptor 3 on, and its own pid as LISTEN_PID.
ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_FDNAMES="concord.socket", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


def answer(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return client.recv(15)


class TestProcess:
    @pytest.mark.parametrize(
        "started", [("concord", "run", "-c", "myrouter"), ("twistd", "-n", "router", "-c", "myrouter")]
    )
    def test_a_service_from_its_start_to_its_stop(
        self, manager: Manager, tmp_path: Path, started: tuple[str, ...]
    ) -> None:
        write(tmp_path, FREE)
        environment = {**ENVIRONMENT, "NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "400000"}
        with Running(*started, cwd=tmp_path, env=environment) as router:
            assert manager.hear() == {"READY": "1", "STATUS": "2 transports, 1 realms"}
            assert [manager.hear() for _ in range(3)] == [{"WATCHDOG": "1"}] * 3
            router.kill(1)
            told = [manager.hear() for _ in range(20)]
            assert any("RELOADING" in one for one in told)
            assert {"READY": "1"} in told
            router.stop()
        told = [manager.hear()]
        while told[-1] != {"STOPPING": "1"}:
            told.append(manager.hear())
        assert not manager.has_heard()

    @pytest.mark.parametrize("reactor", ["uvloop", "epoll"])
    def test_sockets_that_systemd_opened(self, tmp_path: Path, reactor: str) -> None:
        endpoint = "systemd:domain=INET:index=0"
        transport = {"type": "websocket", "endpoint": endpoint, "allow_anonymous_full_access": True}
        write(tmp_path, {"transports": [transport]})
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(16)
            arguments = [*command("concord"), "run", "-c", "myrouter", "--reactor", reactor]
            router = subprocess.Popen(
                [sys.executable, "-c", ACTIVATE, str(listener.fileno()), *arguments],
                cwd=tmp_path,
                env=ENVIRONMENT,
                pass_fds=[listener.fileno()],
                stdout=subprocess.DEVNULL,
            )
            try:
                assert answer(listener.getsockname()[1]) == b"HTTP/1.1 200 OK"
                router.terminate()
                assert router.wait(PATIENCE) == 0
            finally:
                router.kill()
                router.wait()

    def test_a_socket_that_systemd_did_not_open(self, tmp_path: Path) -> None:
        transport = {"type": "rawsocket", "endpoint": "systemd:domain=UNIX:index=3"}
        write(tmp_path, {"transports": [transport]})
        done = run("concord", "run", "-c", "myrouter", cwd=tmp_path)
        assert done.returncode == 1
        told = (
            "concord: Couldn't listen on any:systemd:domain=UNIX:index=3: systemd has passed no such socket"
        )
        assert done.stderr.splitlines()[-1].startswith(told)
        assert "Traceback" not in done.stdout + done.stderr


class TestUnits:
    def unit(self, name: str) -> RawConfigParser:
        parser = RawConfigParser(strict=False, comment_prefixes="#")
        parser.optionxform = str  # type: ignore[assignment]
        parser.read(DEPLOY / name)
        return parser

    def test_the_service_is_what_the_router_does(self) -> None:
        service = self.unit("concord.service")["Service"]
        assert service["Type"] == "notify"
        assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
        assert int(service["WatchdogSec"]) > 0
        assert service["StateDirectory"] == "concord"

    def test_the_sockets_do_what_the_router_would(self) -> None:
        assert self.unit("concord.socket")["Socket"]["NoDelay"] == "yes"
