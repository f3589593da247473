"""
How long calls take: a histogram of some of them.

Rules of this file:

- A call that is not watched costs nothing. ``arm`` puts itself in the place of the dealer in the realm's
  dispatch table, and is out of it again after ``WATCHED`` answers; a node arms it a few times a second.
- So a realm with few calls has all of them in its histogram, a busy one a sample.
- The time goes from the read in which CALL came to the one in which the last answer of the callee came:
  both are there already, in seconds of the monotonic clock.
"""

from bisect import bisect_left
from typing import Final

from router.routing.dealer import Dealer
from router.routing.handshake import Routes
from router.routing.outputs import Outputs
from router.routing.session import Session
from router.wamp.messages import Error, Yield

WATCHED: Final = 16

BOUNDS_SECONDS: Final = (
    *(0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)


class Histogram:
    """
    How often a value fell between two of ``bounds``.

    :ivar counts: number of values up to each bound, not of those up to the bound before; the last is of
        those above all of them
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count ``value``."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """The number of values."""
        return sum(self.counts)

    def quantile(self, part: float) -> float | None:
        """Give the bound up to which ``part`` of the values are; ``None`` where there is no such bound."""
        wanted, seen = part * self.count, 0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            seen += count
            if seen and seen >= wanted:
                return bound
        return None


class CallTimes:
    """The times of the calls of one realm that clients answer; ``routes`` is its dispatch table."""

    def __init__(self, dealer: Dealer, routes: Routes) -> None:
        self.histogram = Histogram(BOUNDS_SECONDS)
        self._dealer = dealer
        self._routes = routes
        self._left = 0  # answers that are still to be watched
        self._plain: Routes = {}  # what stands in the table otherwise

    def arm(self) -> None:
        """Watch the next answers."""
        if not self._left:
            self._plain = {Yield: self._routes[Yield], Error: self._routes[Error]}
            self._routes.update({Yield: self._watch, Error: self._watch})
        self._left = WATCHED

    def _watch(self, callee: Session, msg: Yield | Error, now: float) -> Outputs:
        route = self._plain[type(msg)]
        pending = callee.invocations.get(msg.request)
        self._left -= 1
        if not self._left:
            self._routes.update(self._plain)
        outputs = route(callee, msg, now)
        if pending is not None and pending.began and msg.request not in callee.invocations:
            self.histogram.add(now - pending.began)
        return outputs
