"""What waits to be decided."""

from typing import Any

from dstm_space_play import NOON, add, submission

from realms.dstm.arrivals import Arrivals
from realms.dstm.decisions import Ticket
from realms.dstm.fairness import Fairness


class Waiting:
    def __init__(self, most: int = 100, most_bytes: int = 10_000) -> None:
        self.fairness = Fairness(100, 1, 50)
        self.arrivals = Arrivals(self.fairness, most, most_bytes)

    def add(self, client: int, path: str, **kwargs: Any) -> bool:
        return self.arrivals.add(Ticket(submission(add(path, 1), client=client, **kwargs)))

    def take(self, most: int = 100, now_ms: int = NOON) -> list[str]:
        return [shown(ticket) for ticket in self.arrivals.take(most, now_ms)]


def shown(ticket: Ticket) -> str:
    submitted = ticket.submission
    return f"{submitted.author.client}{submitted.transaction.ops[0].path}"


def test_clients_take_turns() -> None:
    waiting = Waiting()
    for client, path in [(1, "/a"), (1, "/b"), (2, "/c")]:
        waiting.add(client, path)
    assert waiting.take() == ["1/a", "2/c", "1/b"]
    assert waiting.take() == []


def test_the_rest_waits_for_the_next_turn() -> None:
    """Where those take part that came meanwhile."""
    waiting = Waiting()
    for path in ("/a", "/b", "/c"):
        waiting.add(1, path)
    assert waiting.take(1) == ["1/a"]
    waiting.add(2, "/d")
    assert waiting.take() == ["1/b", "2/d", "1/c"]


def test_room_is_bounded() -> None:
    """In number, and in bytes; those that were taken make room."""
    few = Waiting(most=2)
    assert [few.add(1, "/a") for _ in range(3)] == [True, True, False]
    few.take(1)
    assert few.add(1, "/a")
    small = Waiting(most_bytes=150)
    assert [small.add(1, "/a") for _ in range(3)] == [True, True, False]
    small.take()
    assert small.add(1, "/a")
    small.arrivals.configure(0, 0)
    assert not small.add(1, "/a")


def test_what_was_put_back_goes_first() -> None:
    waiting = Waiting(most_bytes=150)
    waiting.add(1, "/a")
    tickets = waiting.arrivals.take(10, NOON)
    waiting.add(2, "/b")
    waiting.arrivals.put_back(tickets)
    assert not waiting.add(3, "/c")
    assert waiting.take() == ["1/a", "2/b"]


def test_rivals_of_the_favoured_are_held_back() -> None:
    """With what they submit after it; until its time is over, or it has committed."""
    waiting = Waiting(most=6)
    waiting.fairness.lost(1, [("hot",)], NOON)
    for client, path in [(2, "/hot"), (2, "/x"), (3, "/y"), (1, "/hot")]:
        waiting.add(client, path)
    assert waiting.take() == ["3/y", "1/hot"]
    assert waiting.arrivals.has_deferred
    assert len(waiting.arrivals) == 2
    waiting.add(2, "/late")
    waiting.add(4, "/z")
    assert waiting.take(now_ms=NOON + 49) == ["4/z"]
    assert waiting.take(now_ms=NOON + 50) == ["2/hot", "2/x", "2/late"]
    assert not waiting.arrivals.has_deferred


def test_nothing_is_held_back_twice() -> None:
    waiting = Waiting()
    waiting.fairness.lost(1, [("hot",)], NOON)
    waiting.add(2, "/hot")
    assert waiting.take() == []
    waiting.fairness.won(1)
    waiting.arrivals.put_back(waiting.arrivals.take(10, NOON))
    waiting.fairness.lost(3, [("hot",)], NOON)
    assert waiting.take() == ["2/hot"]


def test_giving_up() -> None:
    """All, or those of one client; held back or not."""
    waiting = Waiting(most_bytes=350)
    waiting.fairness.lost(1, [("hot",)], NOON)
    waiting.add(2, "/hot")
    waiting.add(3, "/hot")
    waiting.take()
    waiting.add(2, "/b")
    waiting.add(3, "/b")
    assert [shown(ticket) for ticket in waiting.arrivals.give_up_of(2)] == ["2/hot", "2/b"]
    assert waiting.arrivals.give_up_of(2) == []
    assert waiting.add(4, "/c")
    assert [shown(ticket) for ticket in waiting.arrivals.give_up()] == ["3/hot", "3/b", "4/c"]
    assert len(waiting.arrivals) == 0
