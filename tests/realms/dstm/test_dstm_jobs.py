"""Jobs: one at a time, writes first."""

from typing import Any

import pytest
from dstm_space_play import Surroundings

from realms.dstm.jobs import MOST_PASSED, Jobs


class Play:
    def __init__(self, is_immediate: bool = False) -> None:
        self.around = Surroundings()
        self.jobs = Jobs(self.around, is_immediate)
        self.events: list[Any] = []

    def run(self, name: str, is_urgent: bool = False) -> None:
        self.jobs.run(lambda: self.events.append(name), lambda *end: self.events.append(end), is_urgent)


def test_one_at_a_time() -> None:
    play = Play()
    play.run("a")
    play.run("b")
    assert len(play.around.jobs) == 1
    assert play.jobs.waiting == 1
    play.around.job()
    assert play.events == ["a", (None, None)]
    play.around.job()
    assert play.events[2:] == ["b", (None, None)]
    assert play.jobs.waiting == 0


def test_what_is_urgent_goes_first() -> None:
    play = Play()
    for name, is_urgent in [("a", False), ("b", False), ("write", True)]:
        play.run(name, is_urgent)
    for _ in range(3):
        play.around.job()
    assert play.events[::2] == ["a", "write", "b"]


def test_what_is_not_urgent_has_its_turn() -> None:
    """However many writes there are."""
    play = Play()
    play.run("first", True)
    play.run("waits")
    for number in range(2 * MOST_PASSED):
        play.run(f"write {number}", True)
    play.around.settle()
    begun = play.events[::2]
    assert begun.index("waits") == MOST_PASSED + 1
    assert len(begun) == 2 * MOST_PASSED + 2


def test_an_error_is_the_end_too() -> None:
    play = Play()
    error = OSError("no")

    def fail() -> None:
        raise error

    play.jobs.run(fail, lambda *end: play.events.append(end))
    play.around.job()
    assert play.events == [(None, error)]


@pytest.mark.parametrize("is_immediate", [True, False])
def test_what_is_asked_for_at_the_end_comes_after_it(is_immediate: bool) -> None:
    play = Play(is_immediate)

    def ended(result: Any, error: Any) -> None:
        play.run("next")
        play.events.append("end")

    play.jobs.run(lambda: None, ended)
    play.around.settle()
    assert play.events == ["end", "next", (None, None)]


def test_immediate_jobs_need_no_turn() -> None:
    play = Play(is_immediate=True)
    play.run("a")
    play.jobs.run(lambda: 1 / 0, lambda result, error: play.events.append(type(error)))
    assert play.events == ["a", (None, None), ZeroDivisionError]
    assert play.around.jobs == []


@pytest.mark.parametrize("is_immediate", [True, False])
def test_a_failing_end_does_not_stop_the_others(is_immediate: bool) -> None:
    play = Play(is_immediate)

    def fail(result: Any, error: Any) -> None:
        play.run("next")
        raise ValueError("a defect")

    def run() -> None:
        play.jobs.run(lambda: None, fail)
        play.around.settle()

    with pytest.raises(ValueError, match="a defect"):
        run()
    play.around.settle()
    play.run("another")
    play.around.settle()
    assert play.events == ["next", (None, None), "another", (None, None)]
