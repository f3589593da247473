"""
A terminal that is drawn over and over, and given back as it was.

Rules of this file: what is changed of the terminal is in ``__enter__``, and undone in ``__exit__``,
whatever happens between.
"""

import asyncio
import contextlib
import os
import sys
import termios
import tty
from typing import Any

_BEGIN = "\x1b[?1049h\x1b[?25l"  # the second screen, without a cursor
_END = "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


class Terminal:
    """Standard output as a screen, and standard input, where that is the terminal too, as keys."""

    def __init__(self) -> None:
        self._has_keys = sys.stdin.isatty()
        self._before: list[Any] = []
        self._is_quit = asyncio.Event()

    def __enter__(self) -> "Terminal":
        if self._has_keys:
            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
            asyncio.get_running_loop().add_reader(sys.stdin, self._read)
        self._write(_BEGIN)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # it may be gone
            self._write(_END)
        if self._has_keys:
            asyncio.get_running_loop().remove_reader(sys.stdin)
            with contextlib.suppress(termios.error):
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def size(self) -> tuple[int, int]:
        """Give columns and rows, as they are now."""
        try:
            size = os.get_terminal_size(sys.stdout.fileno())
        except OSError:
            return 80, 24
        return size.columns or 80, size.lines or 24

    def draw(self, lines: list[str]) -> None:
        """Draw over what is there, line by line, so that nothing flickers."""
        body = (_REST_OF_LINE + "\r\n").join(lines)
        self._write(f"{_HOME}{body}{_REST_OF_LINE}{_REST_OF_SCREEN}")

    async def quits(self, seconds: float) -> bool:
        """Wait; tell whether q was pressed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_quit.wait(), seconds)
        return self._is_quit.is_set()

    def _read(self) -> None:
        keys = os.read(sys.stdin.fileno(), 1024)
        if not keys or b"q" in keys.lower():
            self._is_quit.set()
            asyncio.get_running_loop().remove_reader(sys.stdin)

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
