"""
The log as events: its lines, on their way to those who have subscribed.

Rules of this file:

- Whatever is logged while lines are told is told as well, but in a later turn: nothing goes round in one.
- What waits is bounded; what does not fit is counted, and the next line says how many were ``lost``.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from twisted.logger import LogEvent, globalLogPublisher

from router.log import plain_event

MOST_WAITING: Final = 1000
MOST_IN_A_SECOND: Final = 200
LONGEST_TEXT: Final = 16_384


class LogFeed:
    """
    Gives lines to ``tell``, which says whether anybody wants them; without a line it is only asked.

    It is made in the reactor's thread; who logs in another one is heard in this.
    """

    def __init__(self, node: Any, tell: Callable[[dict[str, Any] | None], bool]) -> None:
        self._node = node
        self._tell = tell
        self._observer: Any = self._hear
        self._thread = threading.get_ident()
        self._waiting: deque[dict[str, Any]] = deque()
        self._lost = 0
        self._is_watching = False
        self._is_due = False
        self._second = 0
        self._told = 0  # in this second

    def watch(self, wanted: bool) -> None:
        """Listen to the log, or do not any more."""
        if wanted and not self._is_watching:
            globalLogPublisher.addObserver(self._observer)
        elif self._is_watching and not wanted:
            globalLogPublisher.removeObserver(self._observer)
            self._waiting.clear()
        self._is_watching = wanted

    def _hear(self, event: LogEvent) -> None:
        if threading.get_ident() != self._thread:
            self._node.reactor.callFromThread(self._take, event)
        else:
            self._take(event)

    def _take(self, event: LogEvent) -> None:
        levels = self._node.log_levels
        namespace, level = str(event.get("log_namespace") or ""), event.get("log_level")
        if not self._is_watching or (levels is not None and not levels.keeps(namespace, level)):
            return
        if levels is None and getattr(level, "name", "") == "debug":
            return
        if not self._tell(None):
            return
        second = int(self._node.turn.now())
        if second != self._second:
            self._second, self._told = second, 0
        if len(self._waiting) >= MOST_WAITING or self._told >= MOST_IN_A_SECOND:
            self._lost += 1
            return
        self._told += 1
        self._waiting.append(_bounded(plain_event(event)))
        if not self._is_due:
            self._is_due = True
            self._node.reactor.callLater(0, self._flush)

    def _flush(self) -> None:
        self._is_due = False
        lines, self._waiting = self._waiting, deque()
        for line in lines:
            if self._lost:
                line["lost"], self._lost = self._lost, 0
            self._tell(line)


def _bounded(line: dict[str, Any]) -> dict[str, Any]:
    """Cut what is long: an event is not the place for it."""
    for name in ("message", "traceback"):
        if name in line:
            line[name] = line[name][:LONGEST_TEXT]
    fields = line.get("fields", {})
    line["fields"] = {
        name: value[:1000] if isinstance(value, str) else value for name, value in list(fields.items())[:50]
    }
    return line
