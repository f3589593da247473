"""Jobs: writes beside one other, and what is to be alone."""

from typing import Any

import pytest
from dstm_space_play import Surroundings

from realms.dstm.jobs import Jobs


class Play:
    """
    Jobs that are run by hand.

    :ivar events: names of jobs as they run, and with a dot as they have ended
    """

    def __init__(self, is_immediate: bool = False) -> None:
        self.around = Surroundings()
        self.jobs = Jobs(self.around, is_immediate)
        self.events: list[str] = []

    def add(self, *names: str) -> None:
        """Ask for jobs: w... in the lane ``write``, a... in ``alone``, the others in ``other``."""
        for name in names:
            lane = {"w": self.jobs.write, "a": self.jobs.run_alone}.get(name[0], self.jobs.run)
            lane(lambda name=name: self.events.append(name), self._ended(name))

    def _ended(self, name: str) -> Any:
        return lambda result, error: self.events.append(f"{name}.")

    def run(self) -> list[str]:
        """Run what is in the background until nothing is."""
        while self.around.jobs:
            self.around.job()
        events, self.events = self.events, []
        return [event for event in events if not event.endswith(".")]


def test_one_at_a_time_in_each_lane() -> None:
    play = Play()
    play.add("w1", "w2", "o1", "o2")
    assert len(play.around.jobs) == 2
    assert play.jobs.waiting == 1
    assert play.run() == ["w1", "o1", "w2", "o2"]
    assert play.jobs.waiting == 0


def test_writes_are_not_held_up() -> None:
    """However long the other job takes."""
    play = Play()
    play.add("o1", "w1", "w2")
    slow = play.around.jobs.pop(0)
    assert play.run() == ["w1", "w2"]
    play.around.jobs.append(slow)
    assert play.run() == ["o1"]


def test_who_is_alone_waits_for_all_writes() -> None:
    """And for what runs; nothing but writes begins meanwhile."""
    play = Play()
    play.add("o1", "w1", "a1", "o2", "w2")
    assert len(play.around.jobs) == 2
    assert play.run() == ["o1", "w1", "w2", "a1", "o2"]


def test_nothing_runs_beside_who_is_alone() -> None:
    play = Play()
    play.add("a1", "w1", "o1", "a2")
    assert len(play.around.jobs) == 1
    assert play.run() == ["a1", "w1", "a2", "o1"]


def test_the_result_or_the_error_is_the_end() -> None:
    play = Play()
    ends: list[Any] = []
    error = OSError("no")

    def fail() -> None:
        raise error

    play.jobs.run(fail, lambda *end: ends.append(end))
    play.jobs.run(lambda: 5, lambda *end: ends.append(end))
    play.run()
    assert ends == [(None, error), (5, None)]


@pytest.mark.parametrize("is_immediate", [True, False])
def test_what_is_asked_for_at_the_end_comes_after_it(is_immediate: bool) -> None:
    play = Play(is_immediate)

    def ended(result: Any, error: Any) -> None:
        play.add("w2")
        play.events.append("w1.")

    play.jobs.write(lambda: None, ended)
    play.around.settle()
    assert play.events == ["w1.", "w2", "w2."]


def test_immediate_jobs_need_no_turn() -> None:
    play = Play(is_immediate=True)
    ends: list[Any] = []
    play.add("w1", "a1")
    play.jobs.run(lambda: 1 / 0, lambda result, error: ends.append(type(error)))
    assert play.events == ["w1", "w1.", "a1", "a1."]
    assert ends == [ZeroDivisionError]
    assert play.around.jobs == []


@pytest.mark.parametrize("is_immediate", [True, False])
def test_a_failing_end_does_not_stop_the_others(is_immediate: bool) -> None:
    play = Play(is_immediate)

    def fail(result: Any, error: Any) -> None:
        play.add("w2")
        raise ValueError("a defect")

    def run() -> None:
        play.jobs.write(lambda: None, fail)
        play.around.settle()

    with pytest.raises(ValueError, match="a defect"):
        run()
    play.around.settle()
    play.add("w3")
    play.around.settle()
    assert play.events == ["w2", "w2.", "w3", "w3."]
