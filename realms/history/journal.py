"""
The events of one realm on their way into its database: many in one commit, and the reactor never waits.

Rules of this file:

- One commit is under way at a time; what comes meanwhile is the next one (group commit).
- Whoever waits is told once: when all that was kept before is on the disk, or why it is not.
- What waits is bounded in bytes. What could not be kept leaves a mark: up to this ``seq``, some were lost.
- An error is logged when it begins and when it has ended, not for each event.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import Struct

from realms.history.config import HistoryConfig
from realms.history.database import Batch, Database, Known
from realms.history.event import Body, Kept
from realms.world import World

Waiter = Callable[[BaseException | None], object]


class Line(Struct, eq=False):
    """One history's part: its events that wait, its next ``seq``, what was lost."""

    config: HistoryConfig
    history: int  # its number in the database
    last: int
    lost: int = 0
    events: list[Kept] = []


class Journal:
    """
    The one writer of a realm's database.

    :ivar most_bytes: what may wait
    """

    def __init__(
        self, database: Database, world: World, log: Any, most_bytes: int, counters: Counter[str]
    ) -> None:
        self.most_bytes = most_bytes
        self._counters = counters
        self._database = database
        self._world = world
        self._log = log
        self._lines: dict[int, Line] = {}  # number of the history -> Line
        self._waiting_bytes = 0  # those of the commit under way included
        self._waiters: list[Waiter] = []
        self._is_due = False  # a commit is under way, or will be at the end of this turn
        self._is_failing = False

    def line(self, config: HistoryConfig, known: Known) -> Line:
        """Write a history, which may have been written before: then it goes on where it is."""
        line = self._lines.get(known.id)
        if line is None:
            line = self._lines[known.id] = Line(config, known.id, known.last)
        return line

    def has_room(self, size_bytes: int) -> bool:
        """Tell whether an event of this size may wait."""
        return self._waiting_bytes + size_bytes <= self.most_bytes

    def keep(
        self, line: Line, time_ms: int, publication: int, topic: str, size_bytes: int, body: Body
    ) -> bool:
        """Write an event with the next commit; where there is no room, it is lost, and that is noted."""
        line.last += 1
        if not self.has_room(size_bytes):
            line.lost = line.last
            return False
        line.events.append(Kept(line.last, time_ms, publication, topic, size_bytes, body))
        self._waiting_bytes += size_bytes
        self._commit_soon()
        return True

    def after(self, waiter: Waiter) -> None:
        """Call ``waiter`` when all that was kept is on the disk, or with the error that prevents it."""
        if self._is_due or self._is_failing:
            self._waiters.append(waiter)
            self._commit_soon()
        else:
            self._world.soon(lambda: waiter(None))

    def trim(self) -> None:
        """Forget what is over a limit, also where nothing is written."""
        self._commit_soon()

    def _commit_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._world.soon(self._commit)

    def _commit(self) -> None:
        waiters, self._waiters = self._waiters, []
        lines = list(self._lines.values())
        batches = [self._batch(line) for line in lines]
        written = [batch.events for batch in batches]
        for line in lines:
            line.events = []
        done = partial(self._committed, waiters, list(zip(lines, written, strict=True)))
        self._world.background(partial(self._database.write, batches), done)

    def _batch(self, line: Line) -> Batch:
        config = line.config
        oldest_ms = self._world.now_ms() - config.age_ms if config.age_ms else 0
        return Batch(line.history, line.events, line.lost, config.events, config.bytes, oldest_ms)

    def _committed(
        self,
        waiters: list[Waiter],
        written: list[tuple[Line, list[Kept]]],
        _: Any,
        error: BaseException | None,
    ) -> None:
        for line, events in written:
            self._waiting_bytes -= sum(event.size_bytes for event in events)
            if error is not None and events:
                line.lost = max(line.lost, events[-1].seq)
                self._counters["history_lost"] += len(events)
        self._tell(error)
        self._is_due = False
        for waiter in waiters:
            waiter(error)
        if self._waiters or any(line.events for line in self._lines.values()):
            self._commit_soon()

    def _tell(self, error: BaseException | None) -> None:
        if error is not None and not self._is_failing:
            text = "event history is not written: {path}: {error}"
            self._log.error(text, path=str(self._database.path), error=str(error))
        elif error is None and self._is_failing:
            self._log.info("event history is written again: {path}", path=str(self._database.path))
        self._is_failing = error is not None
