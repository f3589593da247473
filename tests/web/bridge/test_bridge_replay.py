"""A client that comes back with ``Last-Event-ID``: it misses nothing, or is told of the gap."""

import json
from typing import Any

from http_play import bridged, fetch, post, stream
from msgspec import Raw
from node_bench import OPEN, Bench
from pytest_twisted import ensureDeferred as asynchronous

from router.web.bridge.replay import MAX_EARLY_BYTES, NO_SUCH_PUBLICATION, Replay, Told

NEWS = "/api/realm1/subscribe?topic=com.example.news"
HISTORY = [{"uri": "com.example.", "match": "prefix", "events": 3}]


def told(publication: int, text: str = "x") -> Told:
    return Told(publication, Raw(b"{}"), [Raw(json.dumps([text]).encode())])


def page(*publications: int, cursor: str | None = "c", **more: bool) -> list[Raw]:
    events = [{"publication": number, "details": {}, "args": [number]} for number in publications]
    return [Raw(json.dumps([events]).encode()), Raw(json.dumps({"cursor": cursor, **more}).encode())]


def ids(events: list[Told]) -> list[int]:
    return [event.publication for event in events]


class TestReplay:
    def test_asks_for_what_followed_then_behind_the_cursor(self) -> None:
        replay = Replay(7, 41)
        question = [48, 2, {}, "wamp.subscription.get_events", [7], {"after_publication": 41}]
        assert replay.ask(2) == question
        assert ids(replay.take(page(42, 43, cursor="behind 43", more=True))) == [42, 43]
        assert not replay.is_over
        assert replay.ask(3)[5] == {"cursor": "behind 43"}
        assert ids(replay.take(page(44))) == [44]
        assert (replay.is_over, replay.gap) == (True, False)

    def test_live_events_wait_and_are_not_told_twice(self) -> None:
        replay = Replay(7, 41)
        replay.ask(2)
        for number in (42, 43):
            replay.hold(told(number))
        assert ids(replay.take(page(42))) == [42, 43]

    def test_too_many_live_events_are_read_from_the_history(self) -> None:
        replay = Replay(7, 41)
        replay.ask(2)
        for number in (42, 43, 44):
            replay.hold(told(number, "x" * (MAX_EARLY_BYTES // 2 - 1000)))
        assert ids(replay.take(page())) == []
        assert not replay.is_over
        assert replay.ask(3)[5] == {"cursor": "c"}
        assert ids(replay.take(page(42, 43))) == [42, 43, 44]
        assert replay.is_over

    def test_a_publication_that_was_forgotten(self) -> None:
        """All that is left is told, behind a gap."""
        replay = Replay(7, 41)
        replay.ask(2)
        assert replay.fail(NO_SUCH_PUBLICATION) == []
        assert replay.gap
        assert replay.ask(3)[5] == {}
        assert ids(replay.take(page(90))) == [90]

    def test_no_history(self) -> None:
        replay = Replay(7, 41)
        replay.ask(2)
        replay.hold(told(42))
        assert ids(replay.fail("wamp.error.history_unavailable")) == [42]
        assert (replay.is_over, replay.gap) == (True, True)

    def test_a_gap_behind_the_cursor(self) -> None:
        replay = Replay(7, 41)
        replay.ask(2)
        replay.take(page(42, gap=True))
        assert replay.gap

    def test_keyword_arguments_and_no_arguments(self) -> None:
        replay = Replay(7, 41)
        events = [{"publication": 1, "kwargs": {"k": 1}}, {"publication": 2}]
        first, second = replay.take([Raw(json.dumps([events]).encode()), Raw(b"{}")])
        assert [json.loads(bytes(part)) for part in first.payload] == [[], {"k": 1}]
        assert second.payload == []


async def publish(node: Any, *texts: str, topic: str = "com.example.news") -> list[int]:
    """Publish each text; give the publications' ids."""
    found = []
    for text in texts:
        answer = await post(node.ports["ws"], "/api/realm1/publish", {"topic": topic, "args": [text]})
        found.append(answer.json["publication"])
    return found


async def told_to(node: Any, path: str, last: int | str, mark: str) -> list[str]:
    """Open a stream as a client that has got ``last``; give what comes up to ``mark``: events, and texts."""
    opened = await stream(node.ports["ws"], "GET", path, Last_Event_ID=str(last))
    text = await opened.until(mark)
    await opened.close()
    lines = [line for line in text.split("\n") if line.startswith(("event: ", "data: ", ": "))]
    return [
        json.loads(line[6:]).get("args", [""])[0] if line.startswith("data: ") else line
        for line in lines
        if line.strip(": ")
    ]


def kept(**more: Any) -> dict[str, Any]:
    return {"realm1": {**OPEN, "event_history": HISTORY, **more}}


@asynchronous
async def test_what_was_missed_comes_first(bench: Bench) -> None:
    node = bench.node(kept(), transports=bridged())
    first, *_ = await publish(node, "one", "two")
    await publish(node, "other", topic="com.example.sport")
    assert await told_to(node, NEWS, first, ": subscribed") == ["two", ": subscribed"]
    path = "/api/realm1/subscribe?topic=com.example.&match=prefix"
    assert await told_to(node, path, first, ": subscribed") == ["two", "other", ": subscribed"]


@asynchronous
async def test_many_pages(bench: Bench) -> None:
    history = [{"uri": "com.example.news", "events": 1000}]
    limits = {"history_events_per_call": 10}
    node = bench.node(kept(event_history=history, limits=limits), transports=bridged())
    texts = [f"number {n}" for n in range(35)]
    first, *_ = await publish(node, *texts)
    assert await told_to(node, NEWS, first, ": subscribed") == [*texts[1:], ": subscribed"]


@asynchronous
async def test_what_was_forgotten_is_a_gap(bench: Bench) -> None:
    node = bench.node(kept(), transports=bridged())
    first, *_ = await publish(node, "one", "two", "three", "four", "five")
    expected = ["event: gap", "", "three", "four", "five", ": subscribed"]
    assert await told_to(node, NEWS, first, ": subscribed") == expected


@asynchronous
async def test_without_history_it_is_a_gap(bench: Bench) -> None:
    node = bench.node(transports=bridged())
    (first,) = await publish(node, "one")
    assert await told_to(node, NEWS, first, ": subscribed") == ["event: gap", "", ": subscribed"]


@asynchronous
async def test_of_several_topics_it_is_a_gap(bench: Bench) -> None:
    """The id of an event says nothing about the history of another topic."""
    node = bench.node(kept(), transports=bridged())
    first, *_ = await publish(node, "one", "two")
    opened = await stream(
        node.ports["ws"], "GET", f"{NEWS}&topic=com.example.sport", Last_Event_ID=str(first)
    )
    assert "event: gap" in await opened.until('"com.example.sport"')
    await opened.close()


@asynchronous
async def test_an_id_that_is_none(bench: Bench) -> None:
    node = bench.node(transports=bridged())
    answer = await fetch(node.ports["ws"], "GET", NEWS, Last_Event_ID="x")
    assert (answer.status, "Last-Event-ID" in answer.json["message"]) == (400, True)
    assert (await fetch(node.ports["ws"], "GET", NEWS, Last_Event_ID="1" * 17)).status == 400
