"""``concord top`` as a user runs it, on a terminal and without one."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest
from client_router import SECRETS, ClientRouter
from processes import PATIENCE

WHO = ["-a", "ticket", "-i", "tina", "--secret", SECRETS["tina"]]


class TestWithoutATerminal:
    def test_a_snapshot_a_line(self, router: ClientRouter) -> None:
        first, second = router.json("top", "--count", "2", "--interval", "50")
        assert first["source"] == "meta"
        (realm,) = second["realms"]
        assert (realm["realm"], realm["joins_per_second"]) == ("realm1", 0.0)
        assert realm["sessions"] >= 1
        assert realm["subscriptions"] >= 2  # its own
        assert second["sessions"][0]["authrole"] == "guest"

    def test_who_comes_and_goes(self, router: ClientRouter) -> None:
        with router.start("top", "--interval", "50") as top:
            top.until('"joins_per_second": 0.0')
            with router.start("subscribe", "com.top", "-v", *WHO) as subscriber:
                subscriber.until("subscribed")
                top.until('"authid": "tina"')
                assert subscriber.stop(signal.SIGINT) == 0
            seen = len(top.lines)
            deadline = time.monotonic() + PATIENCE
            while '"authid": "tina"' in top.lines[-1] or len(top.lines) == seen:
                assert time.monotonic() < deadline
            assert top.stop(signal.SIGINT) == 0
        rates = [value["realms"][0]["joins_per_second"] for value in top.values]
        assert any(rate for rate in rates)

    def test_what_a_router_tells_that_manages_itself(self, router: ClientRouter) -> None:
        """All of its realms, and the node; who may not ask that gets what the meta API tells."""
        with router.start("top", "--interval", "50", *WHO) as top:
            top.until('"calls_per_second": 0')
            for _ in range(3):
                router.json("call", "wamp.session.count")
            top.until('"realm": "closed"')
            assert top.stop(signal.SIGINT) == 0
        last = top.values[-1]
        assert last["source"] == "concord"
        assert {realm["realm"] for realm in last["realms"]} == {"realm1", "closed"}
        assert last["node"]["connections"] >= 1
        assert last["slow"] == []
        assert router.json("top", "--count", "1")[0]["source"] == "meta"

    def test_where_nothing_may_be_asked(self, router: ClientRouter) -> None:
        code, text = router.refused("top", "--realm", "closed", "--count", "1")
        assert code == 1
        assert "neither concord.stats nor the meta API" in json.loads(text)["args"][0]


class Screen:
    """A terminal of 100 x 30, and the command that runs in it."""

    def __init__(self, router: ClientRouter, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "router.command", "top", *arguments],
            cwd=router.directory,
            env=router.environment(),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )

    def __enter__(self) -> "Screen":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)

    def until(self, mark: str, count: int = 1) -> None:
        """Read until ``mark`` was drawn ``count`` times."""
        deadline = time.monotonic() + PATIENCE
        while self.text.count(mark) < count:
            assert time.monotonic() < deadline, self.text
            if select.select([self._master], [], [], 0.1)[0]:
                self.text += os.read(self._master, 65536).decode()

    def press(self, key: str) -> None:
        os.write(self._master, key.encode())

    def ended(self) -> int:
        """Wait for the end; the terminal must be as it was."""
        self.until("\x1b[?1049l")
        code = self.process.wait(PATIENCE)
        assert termios.tcgetattr(self._slave) == self.before
        assert self.text.endswith("\x1b[?25h\x1b[?1049l")
        return code


class TestOnATerminal:
    @pytest.mark.parametrize("how", ["q", "signal"])
    def test_it_draws_and_gives_the_terminal_back(self, router: ClientRouter, how: str) -> None:
        with Screen(router, "--interval", "50") as screen:
            screen.until("newest sessions", 2)
            assert "JOINS/S" in screen.text
            assert screen.text.startswith("\x1b[?1049h\x1b[?25l")
            assert "realm1 " in screen.text
            if how == "q":
                screen.press("q")
            else:
                screen.process.send_signal(signal.SIGINT)
            assert screen.ended() == 0
        assert "Traceback" not in screen.text

    def test_what_a_router_tells_that_manages_itself(self, router: ClientRouter) -> None:
        with Screen(router, "--interval", "50", "--count", "3", *WHO) as screen:
            assert screen.ended() == 0
        assert "CALLS/S" in screen.text
        assert "closed " in screen.text
        assert "memory " in screen.text

    def test_json_is_json_there_too(self, router: ClientRouter) -> None:
        with Screen(router, "--json", "--count", "1") as screen:
            screen.until("\n")
            assert json.loads(screen.text)["source"] == "meta"
            assert screen.process.wait(PATIENCE) == 0
