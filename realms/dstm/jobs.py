"""
The work of a space that blocks, in the background.

    lane    for                                         runs beside
    write   writing                                     one of ``other``
    other   snapshots, trimming, reading, copying       one of ``write``
    alone   opening again, closing, dropping            nothing

Rules of this file:

- In each lane one at a time, in the order of asking. What is done with a job's end comes before the next
  one of its lane begins.
- Writes are not held up: a snapshot of a large document takes a while, and its log gives way to them.
- Who is to be alone waits for all writes, and for what runs beside; nothing else begins meanwhile.
- The number of jobs that wait is bounded by those who ask: one write, one snapshot, one opening, and what
  ``Archive`` lets in.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

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


class _Lane:
    """The jobs of one kind."""

    __slots__ = ("is_running", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[tuple[Callable[[], Any], Done]] = deque()
        self.is_running = False

    @property
    def is_free(self) -> bool:
        """Tell whether the next one may begin, as far as this lane is concerned."""
        return bool(self.waiting) and not self.is_running


class Jobs:
    """The jobs of one space."""

    def __init__(self, surroundings: Surroundings, is_immediate: bool) -> None:
        """
        Begin without any.

        :param is_immediate: run them at once, in the caller's turn: for what does not block
        """
        self._surroundings = surroundings
        self._is_immediate = is_immediate
        self._write, self._other, self._alone = _Lane(), _Lane(), _Lane()

    @property
    def waiting(self) -> int:
        """How many wait in the lane ``other``."""
        return len(self._other.waiting)

    def write(self, function: Callable[[], Any], done: Done) -> None:
        """Run ``function`` in the lane ``write``, then ``done``."""
        self._add(self._write, function, done)

    def run(self, function: Callable[[], Any], done: Done) -> None:
        """Run ``function`` in the lane ``other``, then ``done``."""
        self._add(self._other, function, done)

    def run_alone(self, function: Callable[[], Any], done: Done) -> None:
        """Run ``function`` beside nothing, then ``done``."""
        self._add(self._alone, function, done)

    def _add(self, lane: _Lane, function: Callable[[], Any], done: Done) -> None:
        lane.waiting.append((function, done))
        self._next()

    def _next(self) -> None:
        """Begin what can begin."""
        while (lane := self._free_lane()) is not None:
            function, done = lane.waiting.popleft()
            lane.is_running = True
            if not self._is_immediate:
                self._surroundings.background(function, partial(self._ended, lane, done))
                continue
            result, error = None, None
            try:
                result = function()
            except Exception as caught:
                error = caught
            self._finish(lane, done, result, error)

    def _free_lane(self) -> _Lane | None:
        """Give the lane of the job that may begin, if there is one."""
        write, other, alone = self._write, self._other, self._alone
        if alone.is_running:
            return None
        if write.is_free:
            return write
        if alone.waiting:
            return None if write.is_running or other.is_running else alone
        return other if other.is_free else None

    def _finish(self, lane: _Lane, done: Done, result: Any, error: BaseException | None) -> None:
        try:
            done(result, error)
        finally:
            lane.is_running = False

    def _ended(self, lane: _Lane, done: Done, result: Any, error: BaseException | None) -> None:
        try:
            self._finish(lane, done, result, error)
        finally:
            self._next()
