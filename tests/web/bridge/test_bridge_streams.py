"""Answers as server-sent events: progress of a call, events of topics."""

import json
from typing import Any

import pytest
from http_play import (
    Answer,
    Stream,
    basic,
    bridged,
    callee_of,
    fetch,
    post,
    serve,
    stream,
    together,
)
from node_bench import EVERYTHING, OPEN, Bench, write
from pytest_twisted import ensureDeferred as asynchronous
from wamp_client import WampClient, connect, until

CALL = "/api/realm1/call"
NEWS = "/api/realm1/subscribe?topic=com.example.news"
EVENTS = "text/event-stream"
COUNT = {"procedure": "com.example.count"}


def events_of(answer: Answer) -> list[tuple[str, Any]]:
    """Give (type, data) of every event."""
    found = []
    for block in answer.body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "data" in fields:
            found.append((fields.get("event", "message"), json.loads(fields["data"])))
    return found


async def subscribed(node: Any, path: str = NEWS, **headers: str) -> Stream:
    """Open a stream of events that are delivered from now on."""
    opened = await stream(node.ports["ws"], "GET", path, **headers)
    await opened.until(": subscribed\n\n")
    return opened


async def publisher(node: Any) -> WampClient:
    return await (await connect(node.ports["ws"])).join()


class TestCall:
    @asynchronous
    async def test_progress_and_result(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        callee = await callee_of(node, "com.example.count")
        opened = await stream(node.ports["ws"], "POST", CALL, COUNT, Accept=EVENTS)
        invocation = await callee.receive()
        assert invocation[3]["receive_progress"] is True
        callee.send(70, invocation[1], {"progress": True}, [1])
        head = await opened.until("event: progress")
        assert "HTTP/1.1 200 OK" in head
        assert "text/event-stream" in head
        callee.send(70, invocation[1], {"progress": True}, [2], {"line": "break\nin it"})
        callee.send(70, invocation[1], {}, ["done"])
        answer = await opened.answer()
        assert events_of(answer) == [
            ("progress", {"args": [1], "kwargs": {}, "details": {"progress": True}}),
            ("progress", {"args": [2], "kwargs": {"line": "break\nin it"}, "details": {"progress": True}}),
            ("result", {"args": ["done"], "kwargs": {}}),
        ]
        await callee.leave()

    @asynchronous
    async def test_an_error_before_everything_has_its_status(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        answer = await post(node.ports["ws"], CALL, COUNT, Accept=EVENTS)
        assert (answer.status, answer.json["error"]) == (404, "wamp.error.no_such_procedure")
        assert answer.headers["content-type"] == "application/json"

    @asynchronous
    async def test_an_error_after_progress_is_an_event(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        callee = await callee_of(node, "com.example.count")
        opened = await stream(node.ports["ws"], "POST", CALL, COUNT, Accept=EVENTS)
        invocation = await callee.receive()
        callee.send(70, invocation[1], {"progress": True}, [1])
        callee.send(8, 68, invocation[1], {}, "com.example.error.tired", ["no more"])
        (first, _), (second, error) = events_of(await opened.answer())
        assert (first, second) == ("progress", "error")
        assert error == {
            "error": "com.example.error.tired",
            "message": "no more",
            "args": ["no more"],
            "kwargs": {},
        }
        await callee.leave()

    @asynchronous
    async def test_a_slow_call_is_kept_alive(self, bench: Bench) -> None:
        """Proxies close what is silent: comments come from the beginning, and then the status is 200."""
        node = bench.node(transports=bridged(heartbeat_ms=100))
        callee = await callee_of(node, "com.example.count")
        opened = await stream(node.ports["ws"], "POST", CALL, COUNT, Accept=EVENTS)
        invocation = await callee.receive()
        await opened.until(":\n\n")
        callee.send(8, 68, invocation[1], {}, "com.example.error.tired")
        answer = await opened.answer()
        assert answer.status == 200
        assert [kind for kind, _ in events_of(answer)] == ["error"]
        await callee.leave()

    @asynchronous
    async def test_a_client_that_goes_interrupts_the_callee(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        callee = await callee_of(node, "com.example.count")
        opened = await stream(node.ports["ws"], "POST", CALL, COUNT, Accept=EVENTS)
        invocation = await callee.receive()
        callee.send(70, invocation[1], {"progress": True}, [1])
        await opened.until("progress")
        await opened.close()
        assert (await callee.receive())[:2] == [69, invocation[1]]
        await until(lambda: len(node.directory.realms["realm1"].sessions) == 1)
        await callee.leave()

    @asynchronous
    async def test_without_the_header_there_is_no_progress(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        callee = await callee_of(node, "com.example.count")
        invocation, answer = await together(
            serve(callee, ["done"]), post(node.ports["ws"], CALL, COUNT, Accept="application/json, */*")
        )
        assert "receive_progress" not in invocation[3]
        assert answer.json == {"args": ["done"], "kwargs": {}}
        await callee.leave()


class TestSubscribe:
    @asynchronous
    async def test_events_come_with_their_publication(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        client, opened = await publisher(node), await subscribed(node)
        published = await client.request(16, {"acknowledge": True}, "com.example.news", ["hé\r\n"], {"n": 1})
        text = await opened.until("data: ")
        assert "Content-Type: text/event-stream" in text
        assert "X-Accel-Buffering: no" in text
        assert f"id: {published[2]}\ndata: " in await opened.until("\n\n\r\n")
        await opened.close()
        await client.leave()

    @asynchronous
    async def test_the_body_of_an_event(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        path = "/api/realm1/subscribe?topic=com.example.&match=prefix"
        client, opened = await publisher(node), await subscribed(node, path)
        body = {"topic": "com.example.news", "args": ["h€llo\n"], "kwargs": {"n": 1}}
        publication = (await post(node.ports["ws"], "/api/realm1/publish", body)).json["publication"]
        client.send(16, 1, {}, "com.example.other")
        await opened.until("com.example.other")
        await node.stopService()
        (kind, event), (_, other), (last, _) = events_of(await opened.answer())
        assert (kind, last) == ("message", "closed")
        assert event == {
            "topic": "com.example.news",
            "publication": publication,
            "args": ["h€llo\n"],
            "kwargs": {"n": 1},
            "details": {"topic": "com.example.news"},
        }
        assert (other["topic"], other["args"], other["kwargs"]) == ("com.example.other", [], {})

    @asynchronous
    async def test_several_topics_in_one_stream(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        client, opened = await publisher(node), await subscribed(node, f"{NEWS}&topic=com.example.sport")
        client.send(16, 1, {}, "com.example.sport")
        client.send(16, 2, {}, "com.example.news")
        text = await opened.until('"com.example.news"')
        assert text.index('"com.example.sport"') < text.index('"com.example.news"')
        await opened.close()
        await client.leave()

    @asynchronous
    async def test_a_retained_event_comes_at_once(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        body = {"topic": "com.example.news", "args": ["old"], "options": {"retain": True}}
        await post(node.ports["ws"], "/api/realm1/publish", body)
        opened = await subscribed(node, f"{NEWS}&get_retained=true")
        text = await opened.until("old")
        assert '"retained":true' in text
        await opened.close()

    @pytest.mark.parametrize(
        ("query", "status", "text"),
        [
            ("", 400, "names 1 to 100 topics"),
            ("?topic=com.example.news&match=regex", 400, "match is one of exact, prefix, wildcard"),
            ("?topic=com.example.news&get_retained=1", 400, "get_retained is one of true, false"),
            ("?topic=com.example.news&topics=x", 400, "'topics'"),
            ("?topic=com%20example", 400, "com example"),
            ("?topic=%FF", 400, "no UTF-8"),
            ("?" + "&".join(f"topic=a{n}" for n in range(101)), 400, "names 1 to 100 topics"),
        ],
    )
    @asynchronous
    async def test_a_query_that_is_wrong(self, query: str, status: int, text: str, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        answer = await fetch(node.ports["ws"], "GET", f"/api/realm1/subscribe{query}")
        assert answer.status == status
        assert text in answer.json["message"]
        assert node.directory.realms["realm1"].sessions == {}

    @asynchronous
    async def test_what_the_role_may_not_is_forbidden(self, bench: Bench) -> None:
        roles = {"anonymous": {"permissions": [{"uri": "com.example.news", "allow": ["subscribe"]}]}}
        node = bench.node({"realm1": {**OPEN, "roles": roles}}, transports=bridged())
        answer = await fetch(node.ports["ws"], "GET", "/api/realm1/subscribe?topic=com.example.sport")
        assert (answer.status, answer.json["error"]) == (403, "wamp.error.not_authorized")
        answer = await fetch(node.ports["ws"], "GET", f"{NEWS}&topic=com.example.sport")
        assert answer.status == 403
        assert node.directory.realms["realm1"].sessions == {}

    @asynchronous
    async def test_who_is_not_let_in(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        answer = await fetch(node.ports["ws"], "GET", NEWS, Authorization=basic("alice", "x"))
        assert answer.status == 401

    @asynchronous
    async def test_comments_keep_it_alive(self, bench: Bench) -> None:
        node = bench.node(transports=bridged(heartbeat_ms=100))
        opened = await subscribed(node)
        await opened.until(":\n\n\r\n")
        await opened.close()
        await until(lambda: not node.directory.realms["realm1"].sessions)

    @asynchronous
    async def test_a_killed_session_says_why(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        client, opened = await publisher(node), await subscribed(node)
        listed = await client.call("wamp.session.list")
        (session,) = [number for number in listed if number != client.session_id]
        await client.call("wamp.session.kill", session)
        answer = await opened.answer()
        assert events_of(answer) == [
            ("closed", {"error": "wamp.close.killed", "message": "", "args": [], "kwargs": {}})
        ]
        await client.leave()

    @asynchronous
    async def test_streams_are_bounded(self, bench: Bench) -> None:
        node = bench.node(transports=bridged(streams=1))
        opened = await subscribed(node)
        answer = await fetch(node.ports["ws"], "GET", NEWS)
        assert (answer.status, answer.json["error"]) == (503, "concord.error.limit_exceeded")
        answer = await post(node.ports["ws"], CALL, COUNT, Accept=EVENTS)
        assert answer.status == 503
        await opened.close()
        again = await subscribed(node)
        await again.close()

    @asynchronous
    async def test_a_slow_reader_is_dropped_and_nobody_else_notices(self, bench: Bench) -> None:
        """What waits for it is bounded by the realm's ``slow_consumer``, as for every client."""
        marks = {"low_water_bytes": 1024, "high_water_bytes": 65536, "limit_bytes": 262144}
        node = bench.node({"realm1": {**OPEN, "slow_consumer": marks}}, transports=bridged())
        client = await publisher(node)
        slow, other = await subscribed(node), await subscribed(node)
        slow._dialog.transport.pauseProducing()
        for _ in range(400):
            await client.request(16, {"acknowledge": True}, "com.example.news", ["x" * 50_000])
            if node.counters["slow_consumers_disconnected"]:
                break
        await client.request(16, {"acknowledge": True}, "com.example.news", ["-399-"])
        assert any("slow consumer" in line for line in bench.log.lines("warn"))
        await other.until("-399-")
        assert len(node.directory.realms["realm1"].sessions) == 2
        slow._dialog.transport.resumeProducing()
        await slow.answer_cut()
        await other.close()
        await client.leave()

    @asynchronous
    async def test_a_permission_that_goes_ends_the_stream(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        opened = await subscribed(node)
        roles = {"anonymous": {"permissions": [{"uri": "com.other", "allow": EVERYTHING}]}}
        write(bench.directory, {"realm1": {**OPEN, "roles": roles}}, transports=bridged())
        await node.reload()
        ((kind, data),) = events_of(await opened.answer())
        assert (kind, data["topic"]) == ("revoked", "com.example.news")
        await until(lambda: not node.directory.realms["realm1"].sessions)
