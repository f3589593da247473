"""
The deadlines of calls: which comes next, and which are over.

Rules of this file:

- A deadline that is met is not searched for in the heap: its entry turns stale and
  is thrown away later. A stale entry holds nothing of what it was for.
- As soon as stale entries outnumber live ones they are thrown out together. So the heap
  never has more than twice as many entries as there are live deadlines, and a cancel costs
  O(1) on the average.
- A deadline moves later without a new entry: the old one is put in its new place when
  it comes up.
"""

from heapq import heapify, heappop, heappush, heapreplace
from typing import Generic, TypeVar

T = TypeVar("T")


class Timer(Generic[T]):
    """One deadline: ``when`` in seconds on the caller's monotonic clock, ``item`` until it is over."""

    __slots__ = ("item", "when")

    def __init__(self, item: T, when: float) -> None:
        self.item: T | None = item
        self.when = when


class Deadlines(Generic[T]):
    """A heap of timers that is bounded by the live ones."""

    __slots__ = ("_entries", "_live", "_sequence")

    def __init__(self) -> None:
        # (when the entry comes up, tie breaker, timer); the timer may be due later by then
        self._entries: list[tuple[float, int, Timer[T]]] = []
        self._live = 0
        self._sequence = 0

    def __len__(self) -> int:
        """Give the number of live deadlines."""
        return self._live

    @property
    def entries(self) -> int:
        """The number of entries in the heap, stale ones included: at most ``2 * len(self)``."""
        return len(self._entries)

    def start(self, item: T, when: float) -> Timer[T]:
        """Add a deadline for ``item``."""
        timer = Timer(item, when)
        self._sequence += 1
        heappush(self._entries, (when, self._sequence, timer))
        self._live += 1
        return timer

    def move(self, timer: Timer[T], when: float) -> None:
        """Put a live deadline off; ``when`` is never earlier than it was."""
        timer.when = when

    def cancel(self, timer: Timer[T]) -> None:
        """Forget a live deadline."""
        timer.item = None
        self._live -= 1
        if len(self._entries) > 2 * self._live:
            self._entries = [entry for entry in self._entries if entry[2].item is not None]
            heapify(self._entries)

    def next(self) -> float | None:
        """Tell when the earliest deadline is, exactly; ``None`` if there is none."""
        entries = self._entries
        while entries:
            when, sequence, timer = entries[0]
            if timer.item is None:
                heappop(entries)
            elif timer.when > when:
                heapreplace(entries, (timer.when, sequence, timer))
            else:
                return when
        return None

    def due(self, now: float) -> list[T]:
        """Take out what is due at ``now``, earliest first; equal deadlines in the order of their start."""
        found: list[T] = []
        when = self.next()
        while when is not None and when <= now:
            timer = heappop(self._entries)[2]
            assert timer.item is not None  # next() leaves a live one on top
            found.append(timer.item)
            timer.item = None
            self._live -= 1
            when = self.next()
        return found
