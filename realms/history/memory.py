"""A history in memory: gone when the router ends, and bounded in number, in bytes and in age."""

from collections import deque
from collections.abc import Callable
from functools import partial

from realms.history.config import HistoryConfig
from realms.history.event import Body, Kept
from realms.history.query import Extent, Page, Query, bounds, page


class MemoryStore:
    """The events of one topic pattern; those ``extent.first``..``extent.last`` are there without a hole."""

    def __init__(self, config: HistoryConfig, epoch: str) -> None:
        self.config = config
        self._epoch = epoch
        self._events: deque[Kept] = deque()  # oldest first
        self._seq_of: dict[int, int] = {}  # publication id -> seq
        self._size_bytes = 0
        self._last = 0

    def __len__(self) -> int:
        return len(self._events)

    def keep(self, time_ms: int, publication: int, topic: str, size_bytes: int, body: Body) -> None:
        """Keep an event, and forget what is over a limit then."""
        self._last += 1
        self._events.append(Kept(self._last, time_ms, publication, topic, size_bytes, body))
        self._seq_of[publication] = self._last
        self._size_bytes += size_bytes
        self.trim(time_ms)

    def trim(self, now_ms: int) -> None:
        """Forget the oldest events that are too many, too large together, or too old."""
        config, events = self.config, self._events
        oldest_ms = now_ms - config.age_ms if config.age_ms else 0
        while events and (
            len(events) > config.events
            or self._size_bytes > config.bytes
            or (config.age_ms and events[0].time_ms < oldest_ms)
        ):
            event = events.popleft()
            self._size_bytes -= event.size_bytes
            if self._seq_of.get(event.publication) == event.seq:
                del self._seq_of[event.publication]

    def reader(self, query: Query, now_ms: int) -> Callable[[], Page]:
        """
        Give what makes the page: it works on a copy, so that any thread may call it.

        Raises:
            Refused: as ``bounds``.
        """
        self.trim(now_ms)
        first = self._last - len(self._events) + 1
        extent = Extent(self._epoch, first, self._last)
        low, high = bounds(query, extent, self._seq_of.get)
        return partial(_page, query, extent, list(self._events), max(low, first), high)


def _page(query: Query, extent: Extent, events: list[Kept], low: int, high: int) -> Page:
    chosen = events[low - extent.first : max(high - extent.first + 1, 0)]
    return page(query, extent, reversed(chosen) if query.reverse else chosen)
