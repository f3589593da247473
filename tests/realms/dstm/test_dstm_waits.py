"""Waits: calls that are answered when something changes."""

from typing import Any

import pytest
from dstm_space_play import NOON, Surroundings

from realms.dstm import errors
from realms.dstm.changes import Change
from realms.dstm.document import Document
from realms.dstm.errors import DstmError
from realms.dstm.log import Record
from realms.dstm.reads import Read
from realms.dstm.state import entry_of
from realms.dstm.waits import Waits, Woken

DOCUMENT = Document.of({})


class Play:
    def __init__(self, most: int = 10, most_per_client: int = 5) -> None:
        self.around = Surroundings()
        self.waits = Waits(self.around, most, most_per_client)
        self.answers: list[Any] = []

    def add(self, path: str, client: int = 1, base: int = 0, changed_by: int | None = None) -> Any:
        reads = [Read("value", (path,))]
        reply = lambda answer: self.answers.append((path, answer))  # noqa: E731
        return self.waits.add(client, reads, base, 100, reply, changed_by)

    def change(self, version: int, *names: str) -> None:
        changes = tuple(Change("add", f"/{name}", 1) for name in names)
        entry = entry_of(Record("commit", version, NOON, changes=changes, hash=b"h"))
        self.waits.wake([entry], DOCUMENT, Woken(version, "e"), lambda reply, answer: reply(answer) and None)


def test_who_reads_what_changes_is_woken() -> None:
    """In the order of their coming, once, and the others wait on."""
    play = Play()
    for path in ("b", "a", "c", "a"):
        play.add(path)
    play.change(1, "a", "b")
    assert play.answers == [("b", Woken(1, "e")), ("a", Woken(1, "e")), ("a", Woken(1, "e"))]
    assert len(play.waits) == 1
    assert len(play.around.timers) == 1
    play.change(2, "a", "b")
    assert len(play.answers) == 3


def test_a_version_that_was_read_wakes_nobody() -> None:
    play = Play()
    play.add("a", base=3)
    play.change(3, "a")
    assert play.answers == []


def test_what_has_changed_for_certain_is_answered_when_it_is_durable() -> None:
    """Whatever that version changes itself."""
    play = Play()
    play.add("a", changed_by=2)
    play.add("b", changed_by=3)
    play.change(1, "x")
    assert play.answers == []
    play.change(2, "x")
    assert [path for path, _ in play.answers] == ["a"]
    play.change(3, "x")
    assert [path for path, _ in play.answers] == ["a", "b"]


def test_a_wait_ends_in_time() -> None:
    play = Play()
    play.add("a")
    play.add("b", changed_by=9)
    expired = [function for _, function in play.around.timers.values()]
    play.around.pass_ms(99)
    assert play.answers == []
    play.around.pass_ms(1)
    (_, error), _ = play.answers
    assert (error.uri, error.details) == (errors.TIMEOUT, {"timeout_ms": 100})
    play.change(9, "a")
    for function in expired:  # a timer that was about to run when its wait ended
        function()
    assert len(play.answers) == 2
    assert len(play.waits) == 0


def test_a_canceled_wait_is_not_answered() -> None:
    play = Play()
    cancel = play.add("a")
    cancel()
    cancel()
    play.change(1, "a")
    play.around.pass_ms(1000)
    assert play.answers == []


def test_waits_are_bounded() -> None:
    """For each client, and in all."""
    play = Play(most=3, most_per_client=2)
    play.add("a", 1)
    play.add("a", 1)
    with pytest.raises(DstmError, match="a client may have 2") as caught:
        play.add("a", 1)
    assert (caught.value.uri, caught.value.details) == (errors.THROTTLED, {"limit": 2})
    play.add("a", 2)
    with pytest.raises(DstmError, match="a space may have 3"):
        play.add("a", 3)
    play.waits.configure(4, 2)
    play.add("a", 3)


def test_who_leaves_waits_no_more() -> None:
    play = Play()
    play.add("a", 1)
    play.add("a", 2)
    play.waits.left(1)
    play.waits.left(9)
    play.change(1, "a")
    assert len(play.answers) == 1
    assert play.around.timers == {}


def test_all_may_be_refused() -> None:
    play = Play()
    play.add("a")
    play.add("b", changed_by=5)
    play.waits.refuse(DstmError(errors.UNAVAILABLE, "gone"), lambda reply, answer: reply(answer) and None)
    assert [answer.uri for _, answer in play.answers] == [errors.UNAVAILABLE] * 2
    play.change(5, "a")
    assert len(play.answers) == 2


def test_one_that_is_canceled_by_another_s_answer() -> None:
    play = Play()
    cancels: list[Any] = []

    def reply(answer: Any) -> None:
        play.answers.append(answer)
        cancels[0]()

    play.waits.add(1, [Read("value", ("a",))], 0, 100, reply)
    cancels.append(play.add("a"))
    play.change(1, "a")
    assert play.answers == [Woken(1, "e")]
