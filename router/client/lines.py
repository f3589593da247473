"""Standard input, line by line, without holding up the event loop."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator

from router.client.failures import UsageError
from router.client.inputs import Payload, line_payload

MAX_LINE_BYTES = 16 * 1024 * 1024
WAITING_LINES = 100


async def each_line() -> AsyncIterator[Payload]:
    """
    Give the arguments that each line of standard input holds.

    Raises:
        UsageError: a line is too long or not JSON.
    """
    async for number, text in each_text():
        yield line_payload(text, number)


async def each_text() -> AsyncIterator[tuple[int, str]]:
    """
    Give each line of standard input with its number, from 1; empty lines are passed over.

    A thread reads, since standard input may be a file, which no event loop can wait for. It is never
    more than ``WAITING_LINES`` ahead.

    Raises:
        UsageError: a line is too long or not UTF-8.
    """
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    room = threading.Semaphore(WAITING_LINES)

    def read() -> None:
        while True:
            room.acquire()
            line = sys.stdin.buffer.readline(MAX_LINE_BYTES + 1)
            try:
                loop.call_soon_threadsafe(lines.put_nowait, line)
            except RuntimeError:  # the loop has ended, and with it the command
                return
            if not line:
                return

    threading.Thread(target=read, daemon=True).start()
    number = 0
    while line := await lines.get():
        room.release()
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise UsageError(f"line {number}: longer than {MAX_LINE_BYTES} bytes")
        text = _text(line, number)
        if text:
            yield number, text


def _text(line: bytes, number: int) -> str:
    try:
        return line.decode().strip()
    except UnicodeDecodeError as error:
        raise UsageError(f"line {number}: not UTF-8: {error.reason}") from None
