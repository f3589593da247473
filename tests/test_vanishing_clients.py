"""
Clients that vanish leave nothing behind, measured on a router process from outside.

The clients are plain sockets that speak RawSocket with JSON, so that they can stop, reset and
disappear at any moment, which a WAMP library would not let them.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

FEATURES = {"call_canceling": True, "progressive_call_results": True}
ROLES = {role: {"features": FEATURES} for role in ("caller", "callee", "publisher", "subscriber")}
CROWD = 2000


class RawClient:
    """A WAMP client on a blocking socket."""

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.requests = 0  # of ``call``
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(bytes((0x7F, 0xF1, 0, 0)))
        assert self._read(4)[:2] == bytes((0x7F, 0xB1))

    def join(self) -> "RawClient":
        self.send([1, "realm1", {"roles": ROLES}])
        assert self.receive()[0] == 2
        return self

    def send(self, message: list[Any]) -> None:
        data = json.dumps(message).encode()
        self.socket.sendall(len(data).to_bytes(4, "big") + data)

    def receive(self) -> list[Any]:
        length = int.from_bytes(self._read(4), "big")
        message: list[Any] = json.loads(self._read(length))
        return message

    def request(self, message: list[Any]) -> list[Any]:
        self.send(message)
        return self.receive()

    def call(self, procedure: str) -> Any:
        """Call a procedure without arguments, and give its one result."""
        self.requests += 1
        answer = self.request([48, self.requests, {}, procedure])
        assert answer[:2] == [50, self.requests], answer
        return answer[3][0]

    def reset(self) -> None:
        """Vanish as a killed process on a broken line does: without a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise ConnectionError("closed by the router")
            data += piece
        return data


class Router:
    """A router process, and what can be seen of it from outside."""

    def __init__(self, directory: Path) -> None:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (directory / "realms").mkdir()
        (directory / "router.yaml").write_text(
            "transports:\n"
            "  - type: rawsocket\n"
            f"    endpoint: tcp:{self.port}:interface=127.0.0.1\n"
            "    heartbeat: {interval_ms: 500, timeout_ms: 500}\n"
        )
        (directory / "realms" / "realm1.yaml").write_text(
            "roles:\n"
            "  anonymous:\n"
            "    permissions:\n"
            '      - {uri: "", match: prefix, allow: [call, register, publish, subscribe]}\n'
            "authentication: {anonymous: {role: anonymous}}\n"
            "slow_consumer: {low_water_bytes: 65536, high_water_bytes: 262144, limit_bytes: 1048576,"
            " patience_ms: 500}\n"
        )
        command = [sys.executable, "-m", "router.command", "run", "--config", str(directory)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        self.log: list[str] = []
        for line in self.process.stdout:
            self.log.append(line)
            if "realms: realm1" in line:
                break
        self._reader = threading.Thread(target=self.log.extend, args=(self.process.stdout,))
        self._reader.start()

    def client(self, receive_buffer: int | None = None) -> RawClient:
        return RawClient(self.port, receive_buffer)

    def resident_kib(self) -> int:
        output = subprocess.check_output(["ps", "-o", "rss=", "-p", str(self.process.pid)])
        return int(output)

    def held(self, control: RawClient) -> tuple[int, int, int]:
        """Ask the meta API how many sessions (but this one), registrations and subscriptions there are."""
        sessions = control.call("wamp.session.count") - 1
        registrations = sum(len(ids) for ids in control.call("wamp.registration.list").values())
        subscriptions = sum(len(ids) for ids in control.call("wamp.subscription.list").values())
        return sessions, registrations, subscriptions

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        self._reader.join()
        self.process.stdout.close()  # type: ignore[union-attr]  # it was a pipe
        text = "".join(self.log)
        assert "Traceback" not in text, text


def _until_held(router: Router, control: RawClient, counts: tuple[int, int, int]) -> None:
    """Ask again and again, for 20 s at most, until the router holds just this."""
    deadline = time.monotonic() + 20
    held = None
    while held != counts:
        assert time.monotonic() < deadline, f"the router still holds {held}, not {counts}"
        held = router.held(control)


@pytest.fixture
def router(tmp_path: Path) -> Iterator[Router]:
    router = Router(tmp_path)
    yield router
    router.stop()


def _crowd(router: Router) -> None:
    clients = []
    for number in range(CROWD):
        client = router.client().join()
        client.send([32, 1, {}, f"com.example.topic{number % 10}"])
        client.send([64, 2, {}, f"com.example.procedure{number}"])
        client.send([48, 3, {}, f"com.example.procedure{number // 2}"])
        clients.append(client)
    for number, client in enumerate(clients):
        if number % 2:
            client.reset()
        else:
            client.socket.close()


def test_a_crowd_that_connects_and_vanishes_three_times(router: Router) -> None:
    """2,000 clients with subscriptions, registrations and open calls, thrice: no table, no memory grows."""
    control = router.client().join()
    sizes = []
    for _ in range(3):
        _crowd(router)
        _until_held(router, control, (0, 0, 0))
        sizes.append(router.resident_kib())
    assert sizes[2] <= sizes[0] * 1.05, sizes
    control.socket.close()


def test_a_client_killed_in_the_middle_of_a_call(router: Router) -> None:
    """``kill -9`` of a callee answers its caller with ``canceled``, of a caller interrupts its callee."""
    caller, callee = router.client().join(), router.client().join()
    assert callee.request([64, 1, {}, "com.example.slow"])[0] == 65
    child = os.fork()
    if child == 0:  # a process that calls, and is killed while it waits
        try:
            victim = router.client().join()
            victim.send([48, 1, {}, "com.example.slow"])
            victim.receive()
        finally:
            os._exit(1)
    assert callee.receive()[0] == 68
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    interrupt = callee.receive()
    assert interrupt[:2] == [69, 1]

    caller.send([48, 1, {}, "com.example.slow"])
    assert callee.receive()[0] == 68
    callee.reset()
    error = caller.receive()
    assert error[:3] == [8, 48, 1]
    assert error[4] == "wamp.error.canceled"
    caller.requests = 1
    assert router.held(caller) == (0, 0, 0)
    caller.socket.close()


def test_a_subscriber_that_stops_reading_under_a_flood(router: Router) -> None:
    """It is disconnected, memory stays bounded, and another subscriber gets every event."""
    control = router.client().join()
    deaf, reader, publisher = router.client(4096).join(), router.client().join(), router.client().join()
    for subscriber in (deaf, reader):
        assert subscriber.request([32, 1, {}, "com.example.flood"])[0] == 33
    before = router.resident_kib()
    text = "x" * 10_000
    for number in range(1, 2001):  # 20 MB, of which the deaf one takes nearly nothing
        publisher.send([16, number, {}, "com.example.flood", [number, text]])
        assert reader.receive()[4][0] == number
    _until_held(router, control, (2, 0, 1))
    assert router.resident_kib() - before < 8 * 1024
    for client in (deaf, reader, publisher, control):
        client.socket.close()
