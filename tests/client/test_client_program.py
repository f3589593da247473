"""Programs that answer calls: what they are given, what they answer, and that nothing of them stays."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from router.client.failures import WampError
from router.client.inputs import Payload
from router.client.program import OUTPUT_LIMIT_BYTES, Program


def run(script: str, *, given: Any = None, seconds: float | None = 10, lines: bool = False) -> Any:
    """Run a shell script as a program; give its result and its progressive results."""
    progress: list[Payload] = []
    program = Program(["/bin/sh", "-c", script], seconds, lines)
    result = asyncio.run(program.run(given or {}, progress.append))
    return (result, progress) if lines else result


def refused(script: str, **more: Any) -> WampError:
    """Run a script that fails; give its error."""
    with pytest.raises(WampError) as caught:
        run(script, **more)
    return caught.value


def test_it_is_given_the_call_as_one_line_of_json() -> None:
    given = {"procedure": "com.x", "args": [1, "ü\n"], "kwargs": {"a": None}, "details": {}}
    assert run("read -r line; printf '%s' \"$line\"", given=given) == Payload([given], {})


@pytest.mark.parametrize(
    ("output", "result"),
    [
        ("", Payload([], {})),
        ("5\\n", Payload([5], {})),
        ("hello world\\n", Payload(["hello world"], {})),
        ("[1, 2]", Payload([[1, 2]], {})),
        ('{"args": [1], "kwargs": {"a": 2}}', Payload([1], {"a": 2})),
        ('{"kwargs": {"a": 2}}', Payload([], {"a": 2})),
        ('{"args": [1], "b": 2}', Payload([{"args": [1], "b": 2}], {})),
        ('{"args": 1}', Payload([{"args": 1}], {})),
        ("{}", Payload([{}], {})),
    ],
)
def test_its_output_is_the_result(output: str, result: Payload) -> None:
    assert run(f"printf '{output}'") == result


def test_lines_are_progressive_results() -> None:
    """All but the last, which is the result."""
    result, progress = run("echo 1; echo; echo two; echo 3", lines=True)
    assert (result, progress) == (Payload([3], {}), [Payload([1], {}), Payload(["two"], {})])
    assert run("true", lines=True) == (Payload([], {}), [])


def test_it_need_not_read() -> None:
    """Even where more is given than a pipe holds."""
    assert run("echo 1", given={"args": ["x" * 1_000_000]}) == Payload([1], {})


def test_it_fails() -> None:
    """With its exit code; or with the error that it says it is."""
    error = refused("echo text; exit 3")
    assert (error.uri, error.keywords) == ("concord.error.command_failed", {"exit_code": 3})
    assert error.arguments == ["the command ended with 3"]
    assert refused("kill -9 $$").arguments == ["the command ended by signal 9"]
    own = json.dumps({"error": "com.error", "args": ["no"], "kwargs": {"a": 1}})
    error = refused(f"echo '{own}'; exit 1")
    assert (error.uri, error.arguments, error.keywords) == ("com.error", ["no"], {"a": 1})


def test_there_is_none() -> None:
    program = Program(["/nowhere/program"], None, False)
    with pytest.raises(WampError) as caught:
        asyncio.run(program.run({}, lambda progress: None))
    assert caught.value.arguments == ["/nowhere/program: No such file or directory"]


@pytest.mark.parametrize("lines", [False, True])
def test_it_prints_too_much(lines: bool) -> None:
    assert f"more than {OUTPUT_LIMIT_BYTES} bytes" in refused("cat /dev/zero", lines=lines).arguments[0]


class TestNothingStays:
    """``pids`` gets the script's own process id, and that of a child in the background."""

    SCRIPT = "echo $$ > {0}; sleep 60 & echo $! >> {0}; {1}"

    def ended(self, file: Path) -> bool:
        """Wait until every process in ``file`` is gone, or a zombie that somebody will collect."""
        pids = file.read_text().split()
        assert len(pids) == 2
        deadline = time.monotonic() + 10
        while any(map(self.runs, pids)):
            if time.monotonic() > deadline:
                return False
            os.sched_yield()
        return True

    @staticmethod
    def runs(pid: str) -> bool:
        try:
            return Path("/proc", pid, "stat").read_text().rpartition(") ")[2][0] != "Z"
        except OSError:
            return False

    def test_after_a_time_that_has_passed(self, tmp_path: Path) -> None:
        file = tmp_path / "pids"
        error = refused(self.SCRIPT.format(file, "wait"), seconds=0.3)
        assert (error.uri, error.arguments) == ("wamp.error.timeout", ["the command took longer than 0.3 s"])
        assert self.ended(file)

    def test_after_it_was_given_up(self, tmp_path: Path) -> None:
        """Though it does not listen to SIGTERM."""
        file = tmp_path / "pids"

        async def given_up() -> None:
            script = f"trap '' TERM; {self.SCRIPT.format(file, 'wait')}"
            program = Program(["/bin/sh", "-c", script], None, False)
            task = asyncio.ensure_future(program.run({}, lambda progress: None))
            while not file.exists() or len(file.read_text().split()) < 2:
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=0.1)
            task.cancel()  # once more, as when the session ends meanwhile: it is killed at once
            await asyncio.wait([task])

        asyncio.run(given_up())
        assert self.ended(file)

    def test_after_it_has_answered(self, tmp_path: Path) -> None:
        file = tmp_path / "pids"
        assert run(self.SCRIPT.format(file, "echo 1").replace("60 &", "60 >&- &")) == Payload([1], {})
        assert self.ended(file)
