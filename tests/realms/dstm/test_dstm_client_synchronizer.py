"""How a client's replica follows the server: see the table in realms/dstm/client/synchronizer.py."""

from typing import Any

import pytest
from dstm_client_play import CLIENT_ID, EPOCH, HASH, OTHER_EPOCH, Play, Timers, delta, put

from realms.dstm import digest
from realms.dstm.client.core import Core
from realms.dstm.client.replica import DigestCheck
from realms.dstm.client.settings import Settings
from realms.dstm.client.synchronizer import State
from realms.dstm.document import Document
from realms.dstm.errors import NO_SUCH_SPACE, UNAVAILABLE, DstmError

SUBSCRIBE, SYNC, VIEW = "subscribe dstm.s.delta", "dstm.s.sync", "dstm.s.view"


def snapshot(document: Any, version: int, **more: Any) -> dict[str, Any]:
    return {"snapshot": document, "version": version, "epoch": EPOCH, "hash": HASH, **more}


def test_it_subscribes_first_and_then_syncs() -> None:
    play = Play()
    assert play.core.state is State.DETACHED
    link = play.attach()
    assert (play.core.state, link.names) == (State.JOINING, [SUBSCRIBE])
    link.answer(SUBSCRIBE)
    assert (play.core.state, link.names) == (State.SYNCING, [SYNC])
    asked = link.answer(SYNC, **snapshot({"a": 1}, 7))
    assert (asked.args, asked.kwargs) == ([], {})
    assert (play.core.state, link.names) == (State.LIVE, [])
    assert (play.document, play.version, play.outcomes) == ({"a": 1}, 7, [None])


def test_deltas_are_applied_as_they_come() -> None:
    play = Play()
    link = play.live({"a": 1})
    link.event(delta(0, 1, put("/b", 2)), delta(1, 2, put("/a", 3, "replace")))
    link.event(delta(2, 3, {"op": "remove", "path": "/b"}))
    assert (play.document, play.version, link.names) == ({"a": 3}, 3, [])


def test_a_delta_that_is_known_already_is_passed_over() -> None:
    play = Play()
    link = play.live({"a": 1}, 5)
    link.event(delta(4, 5, put("/a", 0)), delta(5, 6, put("/a", 2)))
    assert (play.document, play.version) == ({"a": 2}, 6)


def test_what_comes_during_the_sync_is_applied_after_it() -> None:
    play = Play()
    link = play.attach()
    link.answer(SUBSCRIBE)
    link.event(delta(6, 7, put("/a", 7)), delta(7, 8, put("/b", 8)))
    link.answer(SYNC, **snapshot({"a": 7}, 7))
    assert (play.document, play.version, play.core.state) == ({"a": 7, "b": 8}, 8, State.LIVE)


def test_a_gap_is_fetched_by_the_deltas_since() -> None:
    play = Play()
    link = play.live({}, 1)
    link.event(delta(3, 4, put("/d", 4)))
    assert play.core.state is State.SYNCING
    asked = link.answer(
        SYNC, deltas=[delta(1, 2, put("/b", 2)), delta(2, 4, put("/d", 4))], version=4, epoch=EPOCH
    )
    assert asked.args == [1, EPOCH, HASH]
    assert (play.document, play.version, play.core.state) == ({"b": 2, "d": 4}, 4, State.LIVE)


def test_a_full_backlog_is_dropped_and_fetched() -> None:
    play = Play(backlog=2)
    link = play.attach()
    link.answer(SUBSCRIBE)
    for version in (1, 2, 3):
        link.event(delta(version - 1, version, put("/n", version)))
    link.answer(SYNC, **snapshot({}, 0))
    assert (play.version, play.core.state) == (0, State.SYNCING)
    play.timers.advance(1)
    asked = link.answer(SYNC, deltas=[delta(0, 3, put("/n", 3))], version=3, epoch=EPOCH)
    assert asked.args == [0, EPOCH, HASH]
    assert (play.document, play.core.state) == ({"n": 3}, State.LIVE)


def test_a_sync_that_leads_nowhere_is_repeated_with_back_off() -> None:
    play = Play(first_delay_seconds=1.0, longest_delay_seconds=4.0)
    link = play.live({}, 1)
    link.event(delta(3, 4))
    delays = []
    for _ in range(4):
        link.answer(SYNC, deltas=[delta(2, 3)], version=3, epoch=EPOCH)
        delays += play.timers.due
        play.timers.advance(delays[-1])
    assert (delays, play.core.state) == ([0.5, 1.0, 2.0, 2.0], State.SYNCING)
    link.answer(SYNC, **snapshot({"a": 1}, 4))
    assert (play.core.state, play.timers.due) == (State.LIVE, [])


def test_another_epoch_is_another_history() -> None:
    play = Play()
    link = play.live({"old": True}, 9)
    link.event(delta(3, 4, put("/a", 1)), epoch=OTHER_EPOCH)
    asked = link.answer(SYNC, **{**snapshot({"new": True}, 4), "epoch": OTHER_EPOCH})
    assert asked.args == [9, EPOCH, HASH]
    assert (play.document, play.version, play.core.state) == ({"new": True}, 4, State.LIVE)
    assert play.core.replica is not None
    assert play.core.replica.epoch == OTHER_EPOCH


def test_deltas_of_another_epoch_are_no_answer() -> None:
    play = Play()
    link = play.live({}, 1)
    link.event(delta(3, 4))
    link.answer(SYNC, deltas=[], version=4, epoch=OTHER_EPOCH)
    assert (play.version, play.core.state) == (1, State.SYNCING)
    play.timers.advance(1)
    assert link.names == [SYNC]


def test_pages_are_put_together() -> None:
    play = Play()
    link = play.attach()
    link.answer(SUBSCRIBE)
    first = link.answer(SYNC, part=[["", {}], ["/a", []], ["/a/0", 1]], next="t1", epoch=EPOCH, version=3)
    second = link.answer(SYNC, part=[["/a/1", {"x": 2}], ["/b~1c", None]], next="t2")
    third = link.answer(SYNC, part=[["/d", 1.5]], hash=HASH)
    assert [first.kwargs, second.kwargs, third.kwargs] == [{}, {"page": "t1"}, {"page": "t2"}]
    assert play.document == {"a": [1, {"x": 2}], "b/c": None, "d": 1.5}
    assert play.core.replica is not None
    assert (play.version, play.core.replica.hash) == (3, HASH)
    assert play.core.state is State.LIVE


def test_an_expired_page_begins_the_sync_again() -> None:
    play = Play()
    link = play.attach()
    link.answer(SUBSCRIBE)
    link.answer(SYNC, part=[["", {}]], next="t1", epoch=EPOCH, version=3)
    link.refuse(SYNC, "dstm.error.invalid")
    play.timers.advance(1)
    assert link.answer(SYNC, **snapshot({"a": 1}, 4)).kwargs == {}
    assert play.document == {"a": 1}


@pytest.mark.parametrize(
    "answer",
    [
        {"version": 1, "epoch": EPOCH},
        {"snapshot": {}, "version": 1},
        {"snapshot": {"a": float("nan")}, "version": 1, "epoch": EPOCH},
        {"part": [["/a/b", 1]], "version": 1, "epoch": EPOCH},
        {"part": [["a", 1]], "version": 1, "epoch": EPOCH},
        {"part": 7, "version": 1, "epoch": EPOCH},
        {"deltas": [[1, 2]], "version": 1, "epoch": EPOCH},
    ],
)
def test_an_answer_that_makes_no_sense_is_asked_again(answer: dict[str, Any]) -> None:
    play = Play()
    link = play.attach()
    link.answer(SUBSCRIBE)
    link.answer(SYNC, **answer)
    assert (play.core.replica, play.core.state, len(play.timers.due)) == (None, State.SYNCING, 1)
    play.timers.advance(1)
    link.answer(SYNC, **snapshot({}, 1))
    assert play.core.state is State.LIVE


def test_what_fails_for_a_while_is_asked_again() -> None:
    play = Play(first_delay_seconds=1.0)
    link = play.attach()
    link.refuse(SUBSCRIBE, UNAVAILABLE)
    play.timers.advance(0.5)
    link.answer(SUBSCRIBE)
    link.refuse(SYNC, UNAVAILABLE)
    play.timers.advance(1)
    link.answer(SYNC, **snapshot({}, 1))
    assert play.core.state is State.LIVE


@pytest.mark.parametrize("refused", [SUBSCRIBE, SYNC])
def test_a_refusal_is_told_to_who_attached(refused: str) -> None:
    play = Play()
    link = play.attach()
    if refused == SYNC:
        link.answer(SUBSCRIBE)
    link.refuse(refused, NO_SUCH_SPACE)
    assert play.core.state is State.REFUSED
    (error,) = play.outcomes
    assert isinstance(error, DstmError)
    assert error.uri == NO_SUCH_SPACE


def test_a_new_link_gets_the_deltas_since() -> None:
    play = Play()
    old = play.live({"a": 1}, 3)
    play.core.detach(old, "cut")
    assert (play.core.state, play.document) == (State.DETACHED, {"a": 1})
    link = play.attach()
    link.answer(SUBSCRIBE)
    old.event(delta(3, 4, put("/a", 0)))  # too late
    asked = link.answer(SYNC, deltas=[delta(3, 4, put("/a", 2, "replace"))], version=4, epoch=EPOCH)
    assert asked.args == [3, EPOCH, HASH]
    assert (play.document, play.core.state) == ({"a": 2}, State.LIVE)


def test_a_link_that_is_lost_before_the_first_sync() -> None:
    play = Play()
    play.attach().lose()
    (error,) = play.outcomes
    assert (error.uri, play.core.state) == (UNAVAILABLE, State.DETACHED)
    play.core.detach(play.link, "again")
    assert (len(play.outcomes), play.core.state) == (1, State.DETACHED)


def test_attaching_another_link_leaves_the_one_before() -> None:
    play = Play()
    old = play.attach()
    new = play.attach()
    (error,) = play.outcomes
    assert error.uri == UNAVAILABLE
    old.answer(SUBSCRIBE)
    play.core.detach(old, "at last")
    assert (old.names, new.names, play.core.state) == ([], [SUBSCRIBE], State.JOINING)


def test_a_retry_belongs_to_its_link() -> None:
    play = Play()
    play.attach().refuse(SUBSCRIBE, UNAVAILABLE)
    link = play.attach()
    play.timers.advance(10)
    assert link.names == [SUBSCRIBE]


def test_a_partial_replica_asks_for_a_view() -> None:
    play = Play(["/a", "/b~1c"])
    link = play.attach()
    asked = link.answer(VIEW, topic="dstm.s.view.1")
    link.answer("subscribe dstm.s.view.1")
    synced = link.answer(SYNC, **snapshot({"a": 1}, 7))
    assert asked.kwargs == synced.kwargs == {"paths": ["/a", "/b~1c"]}
    link.event(delta(3, 9, put("/a", 2)), delta(9, 12, put("/a", 3)))
    assert (play.document, play.version, link.names) == ({"a": 3}, 12, [])


def test_in_a_view_versions_pass_unseen() -> None:
    play = Play(["/a"])
    link = play.attach()
    link.answer(VIEW, topic="t")
    link.answer("subscribe t")
    link.answer(SYNC, **snapshot({"a": 1}, 7))
    link.event(delta(9, 10, put("/a", 2)))
    other = "cd" * 16
    link.answer(SYNC, deltas=[delta(7, 8, put("/a", 2))], version=12, epoch=EPOCH, hash=other)
    assert (play.document, play.version, play.core.state) == ({"a": 2}, 12, State.LIVE)
    assert play.core.replica is not None
    assert play.core.replica.hash == other


def test_a_view_that_is_refused() -> None:
    play = Play(["/a"])
    play.attach().refuse(VIEW, "wamp.error.not_authorized")
    assert play.core.state is State.REFUSED


def test_a_view_that_makes_no_sense_is_asked_again() -> None:
    play = Play(["/a"])
    link = play.attach()
    link.answer(VIEW)
    play.timers.advance(1)
    assert (link.names, play.core.state) == ([VIEW], State.JOINING)


@pytest.mark.parametrize("event", [{"epoch": EPOCH, "deltas": [[1]]}, {"deltas": []}])
def test_an_event_that_makes_no_sense_costs_a_snapshot(event: dict[str, Any]) -> None:
    play = Play()
    link = play.live({"a": 1}, 3)
    assert link.on_event is not None
    link.on_event(event.pop("deltas"), event)
    assert (play.core.counters.mismatches, len(play.timers.warnings)) == (1, 1)
    assert link.answer(SYNC, **snapshot({"a": 2}, 4)).args == []
    assert (play.document, play.core.state) == ({"a": 2}, State.LIVE)


def test_a_delta_that_does_not_fit_costs_a_snapshot() -> None:
    play = Play()
    link = play.live({"a": 1}, 3)
    link.event(delta(3, 4, put("/x/y", 1)))
    assert (play.document, play.version, play.core.state) == ({"a": 1}, 3, State.SYNCING)
    link.event(delta(4, 5, put("/x/z", 1)))
    assert link.answer(SYNC, **snapshot({"x": {"y": 1}}, 4)).args == []
    assert (play.document, play.version) == ({"x": {"y": 1, "z": 1}}, 5)


def test_deltas_of_a_sync_that_do_not_fit_cost_a_snapshot() -> None:
    play = Play()
    link = play.live({}, 1)
    link.event(delta(3, 4))
    link.answer(SYNC, deltas=[delta(1, 4, put("/x/y", 1))], version=4, epoch=EPOCH)
    play.timers.advance(1)
    assert link.answer(SYNC, **snapshot({"x": {"y": 1}}, 4)).args == []
    assert play.core.state is State.LIVE


def digest_of(document: Any) -> str:
    return digest.digest(Document.of(document))


def test_the_digest_of_a_version_is_checked() -> None:
    play = Play()
    link = play.live({"a": 1}, 1)
    link.event(delta(1, 2, put("/a", 2)), delta(2, 3, put("/a", 3)))
    told = {"version": 2, "sha256": digest_of({"a": 2})}
    link.event(delta(3, 4, put("/a", 4), digest=told))
    play.timers.advance()
    assert (play.core.counters.digests, play.core.counters.mismatches, link.names) == (1, 0, [])


def test_a_large_document_is_checked_in_slices() -> None:
    document = {f"key {number}": "x" * 1000 for number in range(200)}
    check = DigestCheck(1, Document.of(document), digest_of(document))
    steps = 1
    while not check.step():
        steps += 1
    assert steps > 3
    assert check.agrees


def test_one_digest_is_checked_at_a_time() -> None:
    play = Play()
    document = {f"key {number}": "x" * 1000 for number in range(200)}
    link = play.live(document, 1)
    link.event(delta(1, 2, digest={"version": 1, "sha256": digest_of(document)}))
    link.event(delta(2, 3, digest={"version": 1, "sha256": "0" * 64}))
    play.timers.advance()
    assert (play.core.counters.digests, play.core.counters.mismatches, play.timers.due) == (1, 0, [])


def test_a_wrong_digest_costs_a_snapshot() -> None:
    play = Play()
    link = play.live({"a": 1}, 1)
    link.event(delta(1, 2, put("/a", 2), digest={"version": 2, "sha256": "0" * 64}))
    play.timers.advance()
    assert (play.core.counters.mismatches, len(play.timers.warnings)) == (1, 1)
    assert link.answer(SYNC, **snapshot({"a": 5}, 2)).args == []
    assert (play.document, play.version, play.core.state) == ({"a": 5}, 2, State.LIVE)


def test_a_digest_of_a_version_that_is_not_kept_is_passed_over() -> None:
    play = Play()
    link = play.live({"a": 1}, 5)
    link.event(delta(5, 6, digest={"version": 4, "sha256": "0" * 64}))
    link.event(delta(6, 7, digest={"version": 9, "sha256": "0" * 64}))
    assert play.timers.due == []


def test_a_check_ends_with_its_replica() -> None:
    play = Play()
    link = play.live({"a": 1}, 1)
    link.event(delta(1, 2, digest={"version": 2, "sha256": "0" * 64}))
    link.event(delta(5, 6))
    link.answer(SYNC, **snapshot({"a": 1}, 6))
    play.timers.advance()
    assert (play.core.counters.digests, play.core.counters.mismatches) == (0, 0)


def test_closing_unsubscribes() -> None:
    play = Play()
    link = play.live({"a": 1}, 1)
    play.core.close()
    link.event(delta(1, 2, put("/a", 2)))
    assert (link.unsubscribed, play.core.state, play.document) == (1, State.CLOSED, {"a": 1})
    play.core.attach(link, play.outcomes.append)
    assert (play.outcomes.pop().uri, link.names) == (UNAVAILABLE, [])
    play.core.close()
    assert link.unsubscribed == 1


@pytest.mark.parametrize("name", ["", "a.b", "a b", "a#"])
def test_a_name_that_is_no_component_of_a_uri(name: str) -> None:
    with pytest.raises(ValueError, match="one URI component"):
        Core(name, None, Settings(), Timers(), CLIENT_ID)


@pytest.mark.parametrize("paths", [[], "/a", ["a"]])
def test_paths_that_are_none(paths: Any) -> None:
    with pytest.raises(ValueError):
        Play(paths)
