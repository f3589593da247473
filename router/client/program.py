"""
A program that answers a call: JSON on its standard input, its standard output is the result.

Rules of this file: a program runs in a process group of its own, and nothing of the group is left when
its call is over, however that came.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from router.client.failures import WampError
from router.client.inputs import Payload, json_or_text
from router.client.outputs import json_line

OUTPUT_LIMIT_BYTES: Final = 16 * 1024 * 1024
KILL_SECONDS: Final = 2.0

FAILED: Final = "concord.error.command_failed"
TIMEOUT: Final = "wamp.error.timeout"

OnProgress = Callable[[Payload], None]


class Program:
    """
    A command line that is run for each call.

    :ivar seconds: after which a run is ended; None lets it take its time
    :ivar is_progressive: whether each line of output is a result, all but the last a progressive one
    """

    def __init__(self, words: list[str], seconds: float | None, is_progressive: bool) -> None:
        self.words = words
        self.seconds = seconds
        self.is_progressive = is_progressive

    async def run(self, given: dict[str, Any], on_progress: OnProgress) -> Payload:
        """
        Run it with ``given`` as one line of JSON; give what it printed.

        Raises:
            WampError: it could not be run, failed, took too long or printed too much. A failed program
                may print ``{"error": uri, "args": [...], "kwargs": {...}}`` to say which error it is.
        """
        process = await self._started()
        try:
            async with asyncio.timeout(self.seconds):
                output = await self._talk(process, (json_line(given) + "\n").encode(), on_progress)
                code = await process.wait()
        except TimeoutError:
            assert self.seconds is not None
            raise WampError(TIMEOUT, [f"the command took longer than {self.seconds:g} s"]) from None
        finally:
            await _ended(process)
        if code != 0:
            raise _failure(output, code)
        return _payload(output)

    async def _started(self) -> asyncio.subprocess.Process:
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *self.words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=OUTPUT_LIMIT_BYTES,
                start_new_session=True,
            )
        )
        try:
            return await asyncio.shield(starting)
        except OSError as error:
            raise WampError(FAILED, [f"{self.words[0]}: {error.strerror}"]) from None
        except asyncio.CancelledError:  # it may run already
            await _ended(await starting)
            raise

    async def _talk(self, process: asyncio.subprocess.Process, given: bytes, on_progress: OnProgress) -> str:
        """Give standard input and take standard output at the same time; either may be what is waited for."""
        writing = asyncio.ensure_future(_write(process, given))
        try:
            if not self.is_progressive:
                return _text(await _read(process))
            last = ""
            async for line in _lines(process):
                if last:
                    on_progress(_payload(last))
                last = line
            return last
        finally:
            writing.cancel()
            await asyncio.wait([writing])


async def _write(process: asyncio.subprocess.Process, given: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # it may not want to read
        process.stdin.write(given)
        await process.stdin.drain()
        process.stdin.close()


async def _read(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    output = bytearray()
    while part := await process.stdout.read(65536):
        output += part
        if len(output) > OUTPUT_LIMIT_BYTES:
            raise WampError(FAILED, [f"the command printed more than {OUTPUT_LIMIT_BYTES} bytes"])
    return bytes(output)


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    assert process.stdout is not None
    while True:
        try:
            line = await process.stdout.readline()
        except ValueError:
            text = f"the command printed a line of more than {OUTPUT_LIMIT_BYTES} bytes"
            raise WampError(FAILED, [text]) from None
        if not line:
            return
        text = _text(line).strip()
        if text:
            yield text


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End the process group, politely where there is time; give back what belongs to it."""
    try:
        if process.returncode is None:
            _signal(process, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), KILL_SECONDS)
    finally:
        _signal(process, signal.SIGKILL)
        await process.wait()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _text(output: bytes) -> str:
    return output.decode(errors="replace")


def _payload(output: str) -> Payload:
    """Give the result that ``output`` is: nothing, JSON, or text; an object of args and kwargs is both."""
    text = output.strip()
    if not text:
        return Payload([], {})
    value = json_or_text(text)
    if isinstance(value, dict) and value and value.keys() <= {"args", "kwargs"}:
        args, kwargs = value.get("args", []), value.get("kwargs", {})
        if isinstance(args, list) and isinstance(kwargs, dict):
            return Payload(args, kwargs)
    return Payload([value], {})


def _failure(output: str, code: int) -> WampError:
    value = json_or_text(output.strip())
    if isinstance(value, dict) and isinstance(value.get("error"), str):
        args, kwargs = value.get("args", []), value.get("kwargs", {})
        if isinstance(args, list) and isinstance(kwargs, dict):
            return WampError(value["error"], args, kwargs)
    how = f"ended by signal {-code}" if code < 0 else f"ended with {code}"
    return WampError(FAILED, [f"the command {how}"], {"exit_code": code})
