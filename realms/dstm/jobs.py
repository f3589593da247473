"""
The work of a space that blocks: one job at a time, in the background, since a log has one user at a time.

Rules of this file:

- Writes go before everything else that waits, but not more than ``MOST_PASSED`` of them in a row; otherwise
  the order is that of asking.
- What is done with a job's end comes before the next job begins.
- The number of jobs that wait is bounded by those who ask: one write or reopening, one snapshot, and what
  ``Archive`` lets in.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

MOST_PASSED: Final = 10

Done = Callable[[Any, BaseException | None], object]  # the result, or None and the error


class Surroundings(Protocol):
    """What a space is given from outside: the only sources of time and of turns."""

    def soon(self, function: Callable[[], None], /) -> object:
        """Call ``function`` at the end of this turn, or in the next one."""
        ...

    def background(self, function: Callable[[], Any], done: Done, /) -> object:
        """Call ``function`` where it may block; then ``done``, in a turn, with its result or its error."""
        ...

    def now_ms(self) -> int:
        """Tell the wall clock, ms since 1970."""
        ...

    def call_at(self, when_ms: int, function: Callable[[], None], /) -> Callable[[], object]:
        """Call ``function`` when the wall clock is there; gives what cancels that."""
        ...


class Jobs:
    """The jobs of one space."""

    def __init__(self, surroundings: Surroundings, is_immediate: bool) -> None:
        """
        Begin without any.

        :param is_immediate: run them at once, in the caller's turn: for what does not block
        """
        self._surroundings = surroundings
        self._is_immediate = is_immediate
        self._urgent: deque[tuple[Callable[[], Any], Done]] = deque()
        self._waiting: deque[tuple[Callable[[], Any], Done]] = deque()
        self._is_running = False
        self._passed = 0  # urgent ones that went before what waits

    @property
    def waiting(self) -> int:
        """How many wait that are not urgent."""
        return len(self._waiting)

    def run(self, function: Callable[[], Any], done: Done, is_urgent: bool = False) -> None:
        """Run ``function`` in its turn, then ``done``."""
        (self._urgent if is_urgent else self._waiting).append((function, done))
        if not self._is_running:
            self._next()

    def _next(self) -> None:
        while not self._is_running and (self._urgent or self._waiting):
            function, done = self._take()
            self._is_running = True
            if not self._is_immediate:
                self._surroundings.background(function, partial(self._ended, done))
                return
            result, error = None, None
            try:
                result = function()
            except Exception as caught:
                error = caught
            self._finish(done, result, error)

    def _take(self) -> tuple[Callable[[], Any], Done]:
        """Give the job that is next."""
        if self._urgent and (self._passed < MOST_PASSED or not self._waiting):
            self._passed = self._passed + 1 if self._waiting else 0
            return self._urgent.popleft()
        self._passed = 0
        return self._waiting.popleft()

    def _finish(self, done: Done, result: Any, error: BaseException | None) -> None:
        # what ``done`` asks for waits for its end
        try:
            done(result, error)
        finally:
            self._is_running = False

    def _ended(self, done: Done, result: Any, error: BaseException | None) -> None:
        try:
            self._finish(done, result, error)
        finally:
            self._next()
