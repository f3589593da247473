"""
The queue of one webhook: what waits, what is on its way, what is tried again.

Rules of this file:

- Nothing here sends: ``send`` does, and tells later what came of it. Time and randomness are handed in.
- A delivery counts until it has arrived or is given up, so the bounds hold for all of them.
- An event that finds the queue full is dropped, counted, and logged once until there is room again.
- At least once, while the process lives: who got one and could not say so gets it again, with the same id.
"""

from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from msgspec import Struct
from twisted.logger import Logger

from realms.webhook_config import Webhook

GONE: Final = 410  # the one answer that says: never again (RFC 9110 section 15.5.11)


class Delivery(Struct, eq=False):
    """One event on its way to one URL."""

    id: str
    body: bytes
    attempts: int = 0


class Outcome(Struct, frozen=True):
    """
    What came of an attempt.

    :ivar status: of the answer; 0: there was none, and ``text`` says why
    :ivar retry_after: seconds that the receiver asked for, or 0
    """

    status: int
    text: str = ""
    retry_after: float = 0.0

    def is_good(self) -> bool:
        return 200 <= self.status < 300


class Send(Protocol):
    """Makes one attempt, and calls ``done`` once, then or later."""

    def __call__(self, settings: Webhook, delivery: Delivery, done: Callable[[Outcome], object]) -> None: ...


class Deliveries:
    """
    The deliveries of one webhook; ``settings`` may be set anew at any time.

    ``random`` gives a number in 0..1.
    """

    log = Logger("router.webhooks")

    def __init__(
        self,
        name: str,
        settings: Webhook,
        send: Send,
        later: Callable[[float, Callable[[], object]], Any],
        random: Callable[[], float],
        counters: Counter[str],
    ) -> None:
        self.name = name
        self.settings = settings
        self.size_bytes = 0
        self._send = send
        self._later = later
        self._random = random
        self._counters = counters
        self._waiting: deque[Delivery] = deque()
        self._under_way: set[Delivery] = set()
        self._timers: dict[Delivery, Any] = {}  # of those that wait to be tried again
        self._is_full = False
        self._is_stopped = False

    def __len__(self) -> int:
        return len(self._waiting) + len(self._under_way)

    def offer(self, delivery: Delivery) -> None:
        """Take a delivery, or drop it."""
        settings, size = self.settings, len(delivery.body)
        if len(self) >= settings.queue or self.size_bytes + size > settings.queue_bytes:
            self._drop()
            return
        self._is_full = False
        self.size_bytes += size
        self._waiting.append(delivery)
        self._start()

    def stop(self) -> None:
        """Send nothing more."""
        self._is_stopped = True
        for timer in self._timers.values():
            timer.cancel()
        if len(self):
            self._counters["webhooks_lost"] += len(self)
            self.log.warn("webhook {name}: {count} events not delivered", name=self.name, count=len(self))
        self._timers.clear()
        self._waiting.clear()
        self._under_way.clear()

    def _drop(self) -> None:
        self._counters["webhooks_dropped"] += 1
        if not self._is_full:
            self._is_full = True
            text = "webhook {name}: the queue is full with {count} events of {size} bytes; more are dropped"
            self.log.error(text, name=self.name, count=len(self), size=self.size_bytes)

    def _start(self) -> None:
        while self._waiting and len(self._under_way) < self.settings.parallel:
            delivery = self._waiting.popleft()
            self._under_way.add(delivery)
            self._attempt(delivery)

    def _attempt(self, delivery: Delivery) -> None:
        self._timers.pop(delivery, None)
        delivery.attempts += 1
        self._send(self.settings, delivery, lambda outcome: self._attempted(delivery, outcome))

    def _attempted(self, delivery: Delivery, outcome: Outcome) -> None:
        if self._is_stopped:
            return
        if outcome.is_good():
            self._counters["webhooks_delivered"] += 1
            self._finish(delivery)
        elif outcome.status == GONE or delivery.attempts >= self.settings.retry.attempts:
            self._counters["webhooks_failed"] += 1
            text = "webhook {name}: {id} given up after {attempts} attempts: {why}"
            self.log.error(
                text, name=self.name, id=delivery.id, attempts=delivery.attempts, why=_why(outcome)
            )
            self._finish(delivery)
        else:
            self._counters["webhooks_retried"] += 1
            seconds = self._wait(delivery, outcome)
            text = "webhook {name}: {id} again in {seconds:.1f} s: {why}"
            self.log.warn(text, name=self.name, id=delivery.id, seconds=seconds, why=_why(outcome))
            self._timers[delivery] = self._later(seconds, lambda: self._attempt(delivery))

    def _wait(self, delivery: Delivery, outcome: Outcome) -> float:
        """Give the seconds to the next attempt: doubled each time, between a half of it and the whole."""
        retry = self.settings.retry
        longest = retry.longest_ms / 1000
        doubled = retry.first_ms / 1000 * 2.0 ** min(delivery.attempts - 1, 40)
        seconds = min(longest, doubled) * (0.5 + self._random() / 2)
        return max(seconds, min(outcome.retry_after, longest))

    def _finish(self, delivery: Delivery) -> None:
        self._under_way.discard(delivery)
        self.size_bytes -= len(delivery.body)
        self._start()


def _why(outcome: Outcome) -> str:
    return f"status {outcome.status}" if outcome.status else outcome.text
