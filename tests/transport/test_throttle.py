"""The budget of messages per second."""

from router.transport.throttle import Throttle


def test_a_burst_of_one_second_is_free() -> None:
    """A session may send a second's worth at once."""
    throttle = Throttle(100, now=0.0)
    assert throttle.spend(100, now=0.0) == 0.0


def test_what_is_over_the_budget_is_waited_for() -> None:
    """The pause is what the rate needs for the messages that were too many."""
    throttle = Throttle(100, now=0.0)
    assert throttle.spend(150, now=0.0) == 0.5
    assert throttle.spend(50, now=0.0) == 1.0


def test_time_refills_the_budget_up_to_one_second() -> None:
    """An idle hour is worth no more than a second."""
    throttle = Throttle(100, now=0.0)
    throttle.spend(100, now=0.0)
    assert throttle.spend(101, now=3600.0) == 0.01
