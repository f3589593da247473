"""A program whose router is killed and started again: every transaction of it happens once."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from dstm_counting_program import TOTAL
from router_process import RouterProcess, concord
from test_dstm_autobahn import REALM

PROGRAM = Path(__file__).with_name("dstm_counting_program.py")
KILLS = 4


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def configuration(directory: Path) -> Path:
    """Write a configuration with a space on disk, and a port that stays."""
    (directory / "realms").mkdir()
    (directory / "router.yaml").write_text(
        f"data_dir: {directory / 'data'}\n"
        f"transports:\n  - type: websocket\n    endpoint: tcp:{free_port()}:interface=127.0.0.1\n"
    )
    (directory / "realms" / "interop.yaml").write_text(f"{REALM}      counter: {{log: sqlite}}\n")
    return directory


def restarted(router: RouterProcess) -> RouterProcess:
    """Kill a router, and start another in its place."""
    router._process.send_signal(signal.SIGKILL)
    router.stop()
    router.assert_no_defect()
    return RouterProcess(*router.command).__enter__()


@pytest.mark.parametrize("framework", ["twisted", "asyncio"])
def test_nothing_is_lost_and_nothing_happens_twice(tmp_path: Path, framework: str) -> None:
    router = concord(configuration(tmp_path)).__enter__()
    command = [sys.executable, str(PROGRAM), framework, router.websocket]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
        assert program.stdout is not None
        lines = []
        try:
            for line in program.stdout:
                lines.append(line)
                if len(lines) % 10 == 5 and len(lines) < 10 * KILLS:
                    router = restarted(router)
        finally:
            program.kill()
            router.stop()
    assert lines[-1] == f"{TOTAL} {TOTAL} True\n", "".join(lines)
    router.assert_ended_well()
