"""Turns, watches, and what an application reads of a replica."""

from typing import Any

import pytest
from dstm_client_play import EPOCH, HASH, OTHER_EPOCH, Play, delta, put

from realms.dstm.changes import Delta
from realms.dstm.client.replica import KEPT_VERSIONS, Gap, Replica
from realms.dstm.document import Document
from realms.dstm.errors import DstmError
from realms.dstm.stm import Tx

COMMIT, SYNC = "dstm.s.commit", "dstm.s.sync"


@pytest.fixture
def play() -> Play:
    play = Play()
    play.live({"a": 1, "b": {"c": 2}}, 1)
    return play


def heard(play: Play, pointer: str) -> list[Any]:
    """Watch a pointer; the list grows by what is told."""
    told: list[Any] = []
    play.core.watch(pointer, told.append)
    return told


def test_a_watch_is_told_of_changes_at_below_and_above(play: Play) -> None:
    told = heard(play, "/b")
    play.link.event(delta(1, 2, put("/a", 2)))
    play.link.event(delta(2, 3, put("/b/c", 3)))
    play.link.event(delta(3, 4, put("/b", 4)))
    play.link.event(delta(4, 5, put("", {"b": 5}, "replace")))
    play.link.event(delta(5, 6, {"op": "remove", "path": "/b"}))
    assert told == [{"c": 3}, 4, 5, None]


def test_it_is_told_whole_versions_once_for_each_event(play: Play) -> None:
    told = heard(play, "")
    play.link.event(delta(1, 2, put("/a", 2), put("/a", 3)), delta(2, 3, put("/b", 4)))
    assert told == [{"a": 3, "b": 4}]


def test_it_is_told_of_another_document(play: Play) -> None:
    told = heard(play, "/a")
    play.link.event(delta(1, 2), epoch=OTHER_EPOCH)
    play.link.answer(SYNC, snapshot={"a": 7}, version=1, epoch=OTHER_EPOCH)
    assert told == [7]


def test_a_watch_that_ended_is_told_nothing(play: Play) -> None:
    told: list[Any] = []
    stop = play.core.watch("/a", told.append)
    stop()
    stop()
    play.link.event(delta(1, 2, put("/a", 2)))
    assert told == []


def test_a_watch_may_end_others(play: Play) -> None:
    told: list[Any] = []
    play.core.watch("/a", lambda value: stop())
    stop = play.core.watch("/a", told.append)
    play.link.event(delta(1, 2, put("/a", 2)))
    assert told == []


def test_a_watch_may_begin_transactions(play: Play) -> None:
    """The turn that tells the watch is over first: the transaction sees what the watch was told of."""

    def copy(tx: Tx) -> None:
        tx["/copy"] = tx["/a"]

    play.core.watch("/a", lambda value: play.do(copy))
    play.link.event(delta(1, 2, put("/a", 2)), delta(2, 3, put("/a", 3)))
    assert [asked.kwargs["base"] for asked in play.link.asked] == [3]


def test_an_exception_of_a_watch_harms_nobody_else(play: Play) -> None:
    play.core.watch("/a", lambda value: value / 0)
    told = heard(play, "/a")
    play.link.event(delta(1, 2, put("/a", 2)))
    assert (told, [type(defect) for defect in play.timers.defects]) == ([2], [ZeroDivisionError])
    assert play.version == 2


def test_what_is_told_in_which_order(play: Play) -> None:
    """Transactions that wake run at once; then watches are told, then outcomes."""
    order: list[str] = []

    def wait(tx: Tx) -> None:
        if tx["/a"] == 1:
            tx.retry()
        order.append("woken")

    play.do(wait)
    play.core.atomically(lambda tx: tx.inc("/a", 1), (), False, lambda outcome: order.append("settled"))
    play.core.watch("/a", lambda value: order.append("watched"))
    play.link.answer(COMMIT, version=2, epoch=EPOCH)
    play.link.event(delta(1, 2, put("/a", 2)))
    assert order == ["woken", "watched", "settled"]


def test_a_partial_replica_watches_its_paths_alone() -> None:
    play = Play(["/a"])
    play.core.watch("/a/b", print)
    with pytest.raises(DstmError, match="'/b' is not in this partial replica, which has '/a'"):
        play.core.watch("/b", print)


def test_a_watch_without_a_replica_waits_for_it() -> None:
    play = Play()
    told = heard(play, "/a")
    play.live({"a": 1})
    assert told == [1]


def test_a_pointer_that_is_none(play: Play) -> None:
    with pytest.raises(ValueError, match="JSON Pointer"):
        play.core.watch("a", print)


# The replica


def replica() -> Replica:
    return Replica(Document.of({"b": 1, "a": {"x/y": [1, None]}}), 3, EPOCH, HASH)


def test_values_are_plain_copies() -> None:
    one = replica()
    one["/a"]["x/y"].append(5)
    assert one["/a/x~1y"] == [1, None]
    assert one["/a/x~1y/1"] is None
    assert one[""] == {"a": {"x/y": [1, None]}, "b": 1}


def test_what_is_missing() -> None:
    one = replica()
    assert one.get("/a/x~1y/1", 7) is None
    assert one.get("/c") is None
    assert one.get("/c", 7) == 7
    assert ("/b" in one, "/c" in one) == (True, False)
    with pytest.raises(KeyError, match="/c"):
        one["/c"]


def test_keys() -> None:
    one = replica()
    assert (one.keys(), one.keys("/a")) == (["a", "b"], ["x/y"])
    for pointer in ("/b", "/a/x~1y", "/c"):
        with pytest.raises(KeyError):
            one.keys(pointer)


def test_a_snapshot_stays() -> None:
    one = replica()
    before = one.snapshot()
    assert one.apply(Delta.read(delta(3, 4, put("/b", 2))))
    assert (before["/b"], before.version, before.epoch) == (1, 3, EPOCH)
    assert (one["/b"], one.version) == (2, 4)


def test_a_delta_applies_once_and_in_its_place() -> None:
    one = replica()
    assert not one.apply(Delta.read(delta(2, 3, put("/b", 9))))
    with pytest.raises(Gap, match="at version 3, got a delta from 4"):
        one.apply(Delta.read(delta(4, 5, put("/b", 9))))
    assert one["/b"] == 1


def test_a_version_never_goes_back() -> None:
    one = replica()
    one.advance(2, None)
    assert (one.version, one.hash) == (3, HASH)
    one.advance(5, None)
    assert (one.version, one.hash) == (5, None)


def test_the_last_versions_are_kept() -> None:
    one = replica()
    one.advance(6, HASH)
    assert one.apply(Delta.read(delta(6, 7, put("/b", 2))))
    shown = [one.at(version) for version in range(2, 9)]
    assert [None if document is None else document.plain(("b",)) for document in shown] == [
        None,
        1,
        1,
        1,
        1,
        2,
        None,
    ]
    for version in range(7, 7 + KEPT_VERSIONS):
        one.advance(version + 1, HASH)
    assert one.at(7) is None
    assert one.at(8) is not None
