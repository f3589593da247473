"""
Finding peers that are silent: no session in time, or no sign of life.

Rules of this file:

- One tick serves all connections of a listener, and looks at a slice of them each time, so
  that ten thousand idle peers never cost one long pause.
- Any bytes count as a sign of life, not only the answer to a ping.
- A peer that this router has itself stopped reading from is not judged: the slow-consumer
  policy is there for it.
"""

from collections import OrderedDict
from math import ceil
from typing import Final, Protocol

SLICES: Final = 50
_LOOKS: Final = 4


class Watched(Protocol):
    """What a connection shows and does here."""

    heard: bool  # set by the carrier whenever bytes arrive
    pinged: bool  # a ping is out

    def expire(self) -> None: ...
    def ping(self) -> None: ...
    def silent(self) -> None: ...
    def is_judged(self) -> bool: ...


class Liveness:
    """
    Watches the connections of one listener.

    ``tick`` is to be called every ``tick_interval`` seconds. A dead peer is found after
    ``interval_ms + timeout_ms`` at the earliest, and later by no more than the shorter of the two
    and four ticks: each connection is looked at four times in that.

    :ivar handshake_timeout: seconds from the accepted connection to the open session
    """

    def __init__(self, handshake_timeout_ms: int, interval_ms: int, timeout_ms: int) -> None:
        self.handshake_timeout = handshake_timeout_ms / 1000
        self._enabled = interval_ms > 0
        round_ms = min(interval_ms, timeout_ms) / _LOOKS if self._enabled else 1000
        tick_ms = min(max(round_ms / SLICES, 10), 250)
        self.tick_interval = tick_ms / 1000
        self._slices = max(1, int(round_ms / tick_ms))
        round_ms = self._slices * tick_ms
        self._rounds_before_ping = ceil(interval_ms / round_ms)
        self._rounds_before_end = ceil(timeout_ms / round_ms)
        # one table for each slice: connection -> silent rounds
        self._wheel: list[dict[Watched, int]] = [{} for _ in range(self._slices)]
        self._slice_of: dict[Watched, dict[Watched, int]] = {}
        self._joining: OrderedDict[Watched, float] = OrderedDict()  # connection -> deadline, soonest first
        self._hand = 0

    def opened(self, connection: Watched, now: float) -> None:
        """A connection has come: it must open a session in time."""
        self._joining[connection] = now + self.handshake_timeout

    def joined(self, connection: Watched) -> None:
        """A session is open: from now on only the heartbeat counts."""
        self._joining.pop(connection, None)
        if self._enabled and connection not in self._slice_of:
            # The slice behind the hand: a whole round passes before the first look.
            part = self._wheel[(self._hand - 1 - len(self._slice_of)) % self._slices]
            part[connection] = 0
            self._slice_of[connection] = part

    def left(self, connection: Watched, now: float) -> None:
        """The session ended and the connection stays: a new session is awaited."""
        self._joining.pop(connection, None)  # soonest first: it goes to the end
        self._joining[connection] = now + self.handshake_timeout

    def closed(self, connection: Watched) -> None:
        """The connection is gone."""
        self._joining.pop(connection, None)
        part = self._slice_of.pop(connection, None)
        if part is not None:
            del part[connection]

    def tick(self, now: float) -> None:
        """Expire late handshakes, and look at the next slice of open sessions."""
        while self._joining:
            connection, deadline = next(iter(self._joining.items()))
            if deadline > now:
                break
            del self._joining[connection]
            connection.expire()
        self._hand = (self._hand + 1) % self._slices
        part = self._wheel[self._hand]
        for connection in list(part):
            if connection in part:
                self._look(connection, part)

    def _look(self, connection: Watched, part: dict[Watched, int]) -> None:
        if connection.heard or not connection.is_judged():
            connection.heard = connection.pinged = False
            part[connection] = 0
            return
        part[connection] = rounds = part[connection] + 1
        if not connection.pinged:
            if rounds >= self._rounds_before_ping:
                connection.pinged = True
                part[connection] = 0
                connection.ping()
        elif rounds >= self._rounds_before_end:
            connection.silent()
