"""
One virtual clock and one seeded random for everything that is simulated.

Rules of this file:

- A simulation is a function of its seed: no other source of time, order or chance.
- An event is a turn of somebody's event loop; what happens at the same instant happens in the order of
  its scheduling.
- A process that was killed runs nothing more: its ``Life`` is over, whatever was scheduled for it.
"""

import heapq
import random
from collections.abc import Callable
from typing import Any

Run = Callable[[], None]


class World:
    """
    Events in virtual time.

    :ivar now: milliseconds
    :ivar random: the only source of chance
    """

    most_events = 100_000  # a schedule has about a thousand; more mean that something goes round and round

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self._count = 0
        self._events: list[tuple[float, int, list[Run]]] = []

    def after(self, delay_ms: float, run: Run) -> Run:
        """Run something later, and give what cancels it."""
        self._count += 1
        cell = [run]
        heapq.heappush(self._events, (self.now + max(0.0, delay_ms), self._count, cell))
        return cell.clear

    def run(self, until_ms: float) -> None:
        """Let time pass until ``until_ms``, or until nothing is left to happen."""
        events = self._events
        while events and events[0][0] <= until_ms and self._count <= self.most_events:
            self.now, _, cell = heapq.heappop(events)
            if cell:
                cell.pop()()
        if self._count > self.most_events:
            raise RuntimeError(f"{self._count} events: this goes round and round")
        self.now = max(self.now, until_ms)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.random.random()


class Life:
    """
    One run of a process, from its start until it is killed: the surroundings of a space.

    What is handed to ``background`` happens at an instant, after a time of its own, and its end is
    reported later still. A kill may come before, between and after.

    :ivar skew_ms: how far the wall clock of this life is off
    :ivar jobs: what has not happened yet in the background
    :ivar errors: what was raised by what ran, with nobody to catch it: defects
    """

    def __init__(self, world: World, skew_ms: float = 0.0) -> None:
        self.world = world
        self.skew_ms = skew_ms
        self.is_over = False
        self.jobs: list[Run] = []
        self.errors: list[BaseException] = []

    def soon(self, run: Run) -> None:
        self.world.after(0.0, self.guarded(run))

    def now_ms(self) -> int:
        return int(1_700_000_000_000 + self.world.now + self.skew_ms)

    def call_at(self, when_ms: int, run: Run) -> Run:
        # a timer never fires early; real ones are late by a little
        delay = when_ms - self.now_ms() + 1 + self.world.between(0.0, 1.0)
        return self.world.after(delay, self.guarded(run))

    def background(
        self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], object]
    ) -> None:
        def perform() -> None:
            self.jobs.remove(perform)
            result, error = None, None
            try:
                result = function()
            except Exception as caught:
                error = caught
            self.world.after(self.world.between(0.0, 0.6), self.guarded(lambda: done(result, error)))

        self.jobs.append(perform)
        is_slow = self.world.chance(0.03)  # a disk that is busy with something else
        delay = self.world.between(20, 300) if is_slow else self.world.between(0.2, 3.0)
        self.world.after(delay, self.guarded(perform))

    def guarded(self, run: Callable[..., None]) -> Callable[..., None]:
        """Make ``run`` do nothing after the end; keep what it raises, which is a defect."""

        def guarded(*args: Any) -> None:
            if self.is_over:
                return
            try:
                run(*args)
            except Exception as error:
                self.errors.append(error)

        return guarded

    def kill(self) -> None:
        """End this life. What was under way in the background happens, or not; nobody hears of it."""
        self.is_over = True
        for perform in list(self.jobs):
            if self.world.chance(0.5):
                perform()
