"""
A limit on messages per second: what is over it waits in the peer's own socket.

A token bucket that holds one second's worth. It never rejects a message: it says how long
not to read, so that a client that sends too fast is slowed down and loses nothing.
"""


class Throttle:
    """The budget of one session: ``rate`` messages a second, and a burst of one second's worth."""

    __slots__ = ("_last", "_tokens", "rate")

    def __init__(self, rate: int, now: float) -> None:
        self.rate = rate
        self._tokens = float(rate)
        self._last = now

    def spend(self, count: int, now: float) -> float:
        """Take ``count`` messages from the budget; give the seconds for which nothing is to be read."""
        self._tokens = min(self.rate, self._tokens + (now - self._last) * self.rate) - count
        self._last = now
        return max(0.0, -self._tokens / self.rate)
