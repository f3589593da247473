"""What a node does four times a second: judge slow peers, sample calls, and notice that it is late."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from realms.call_times import BOUNDS_SECONDS, Histogram

BEAT_SECONDS: Final = 0.25


class Pulse:
    """
    ``beat`` is to be called every ``BEAT_SECONDS``; ``now`` is the monotonic clock.

    :ivar delays: how late it was called
    """

    def __init__(self, now: Callable[[], float], judge: Callable[[], object]) -> None:
        self.delays = Histogram(BOUNDS_SECONDS)
        self._now = now
        self._judge = judge
        self._due: float | None = None

    def beat(self, realms: Iterable[Any]) -> None:
        """Do it once, for these realms."""
        now = self._now()
        if self._due is not None:
            self.delays.add(max(0.0, now - self._due))
        self._judge()
        for realm in realms:
            realm.call_times.arm()
        self._due = now + BEAT_SECONDS
