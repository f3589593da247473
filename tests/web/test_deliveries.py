"""The queue of a webhook: bounds, order, what is tried again and when."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.task import Clock

from realms.webhook_config import Retry, Webhook
from router.configuration import Secret
from router.web.deliveries import Deliveries, Delivery, Outcome

SETTINGS = Webhook(topic="t", role="r", url="https://example.com/", secret=Secret("key"))
GOOD = Outcome(204)
BAD = Outcome(500)


class Play:
    """Deliveries whose attempts a test answers; ``draw`` is what the next random number is."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.counters: Counter[str] = Counter()
        self.attempts: list[tuple[str, Callable[[Outcome], object]]] = []
        self.draw = 1.0
        self.deliveries = Deliveries(
            "realm1/hook",
            replace(SETTINGS, **settings),
            self._send,
            self.clock.callLater,
            lambda: self.draw,
            self.counters,
        )

    def _send(self, settings: Webhook, delivery: Delivery, done: Callable[[Outcome], object]) -> None:
        self.attempts.append((delivery.id, done))

    def offer(self, *ids: str, size: int = 10) -> None:
        for name in ids:
            self.deliveries.offer(Delivery(name, b"x" * size))

    def answer(self, outcome: Outcome) -> str:
        """Answer the oldest attempt that is under way; give its id."""
        name, done = self.attempts.pop(0)
        done(outcome)
        return name

    @property
    def under_way(self) -> list[str]:
        return [name for name, _ in self.attempts]


def test_one_after_the_other_in_order() -> None:
    play = Play()
    play.offer("a", "b", "c")
    for name in "abc":
        assert play.under_way == [name]
        play.answer(GOOD)
    assert (len(play.deliveries), play.deliveries.size_bytes) == (0, 0)
    assert play.counters == {"webhooks_delivered": 3}


def test_several_at_once() -> None:
    play = Play(parallel=2)
    play.offer("a", "b", "c")
    assert play.under_way == ["a", "b"]
    play.answer(GOOD)
    assert play.under_way == ["b", "c"]


def test_one_that_failed_holds_up_those_behind_it() -> None:
    play = Play()
    play.offer("a", "b")
    play.answer(BAD)
    assert play.under_way == []
    play.clock.advance(1.0)
    assert play.under_way == ["a"]
    play.answer(GOOD)
    assert play.under_way == ["b"]
    assert play.counters == {"webhooks_retried": 1, "webhooks_delivered": 1}


def test_waits_double_up_to_the_longest() -> None:
    play = Play(retry=Retry(attempts=6, first_ms=1000, longest_ms=5000))
    play.offer("a")
    for seconds in (1.0, 2.0, 4.0, 5.0, 5.0):
        play.answer(BAD)
        play.clock.advance(seconds - 0.01)
        assert play.under_way == []
        play.clock.advance(0.011)
        assert play.under_way == ["a"]
    play.answer(BAD)
    assert play.counters == {"webhooks_retried": 5, "webhooks_failed": 1}
    assert (len(play.deliveries), play.clock.getDelayedCalls()) == (0, [])


def test_waits_have_a_random_part() -> None:
    play = Play()
    play.draw = 0.0
    play.offer("a")
    play.answer(BAD)
    play.clock.advance(0.5)
    assert play.under_way == ["a"]


@pytest.mark.parametrize(("asked", "seconds"), [(30.0, 30.0), (0.2, 1.0), (10_000.0, 600.0)])
def test_a_receiver_may_ask_for_a_longer_wait(asked: float, seconds: float) -> None:
    play = Play()
    play.offer("a")
    play.answer(Outcome(429, retry_after=asked))
    assert play.clock.getDelayedCalls()[0].getTime() == pytest.approx(seconds)


def test_one_that_is_gone_is_not_asked_again() -> None:
    play = Play()
    play.offer("a", "b")
    play.answer(Outcome(410))
    assert play.under_way == ["b"]
    assert play.counters == {"webhooks_failed": 1}


@pytest.mark.parametrize(
    ("settings", "sizes"), [({"queue": 2}, (10, 10)), ({"queue_bytes": 1024}, (512, 512))]
)
def test_what_is_too_much_is_dropped(settings: dict[str, int], sizes: tuple[int, ...]) -> None:
    """Those under way count as well; there is room when one has arrived or was given up."""
    play = Play(**settings)
    for name, size in zip("ab", sizes, strict=True):
        play.offer(name, size=size)
    play.offer("c", "d")
    assert play.counters == {"webhooks_dropped": 2}
    play.answer(GOOD)
    play.offer("e")
    play.answer(GOOD)
    assert play.answer(GOOD) == "e"


def test_settings_that_change_count_from_now_on() -> None:
    play = Play()
    play.offer("a", "b", "c")
    play.deliveries.settings = replace(SETTINGS, parallel=3)
    play.answer(GOOD)
    assert play.under_way == ["b", "c"]


def test_nothing_is_sent_after_the_end() -> None:
    play = Play(parallel=2)
    play.offer("a", "b", "c")
    play.answer(BAD)
    play.deliveries.stop()
    assert play.clock.getDelayedCalls() == []
    play.answer(GOOD)
    assert play.under_way == []
    assert play.counters == {"webhooks_retried": 1, "webhooks_lost": 3}
