"""POST .../call and .../publish: what a HTTP client gets, and what the realm sees of it."""

from typing import Any

import pytest
from http_play import basic, bridged, callee_of, fetch, octets, post, serve, together
from node_bench import EVERYTHING, OPEN, Bench, write
from pytest_twisted import ensureDeferred as asynchronous
from wamp_client import connect, dial, sleep, until

CALL = "/api/realm1/call"
PUBLISH = "/api/realm1/publish"
ADD = {"procedure": "com.example.add", "args": [2, 3]}

# alice may do little; service is what offers procedures; nobody is anonymous.
CLOSED: dict[str, Any] = {
    "roles": {
        "user": {"permissions": [{"uri": "com.example.", "match": "prefix", "allow": EVERYTHING}]},
        "backend": {"permissions": [{"uri": "", "match": "prefix", "allow": EVERYTHING}]},
    },
    "authentication": {
        "ticket": {
            "principals": {
                "alice": {"role": "user", "secret": "sesame: öffne dich"},
                "service": {"role": "backend", "secret": "backstage"},
            }
        },
    },
}


class TestCall:
    @asynchronous
    async def test_returns_args_and_kwargs(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        callee = await callee_of(node)
        body = {"procedure": "com.example.add", "args": [2, 3], "kwargs": {"unit": "€"}}
        invocation, answer = await together(
            serve(callee, [5, 2**53 + 1], {"unit": "€"}), post(node.ports["ws"], CALL, body)
        )
        assert invocation[4:] == [[2, 3], {"unit": "€"}]
        assert (answer.status, answer.json) == (200, {"args": [5, 2**53 + 1], "kwargs": {"unit": "€"}})
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        await callee.leave()

    @asynchronous
    async def test_without_arguments_and_without_a_result(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        callee = await callee_of(node)
        invocation, answer = await together(
            serve(callee), post(node.ports["ws"], CALL, {"procedure": "com.example.add"})
        )
        assert invocation[4:] == [[]]
        assert (answer.status, answer.json) == (200, {"args": [], "kwargs": {}})
        await callee.leave()

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            ("com.example.error.sold_out", 422),
            ("wamp.error.runtime_error", 500),
            ("wamp.error.invalid_argument", 400),
            ("wamp.error.unavailable", 503),
        ],
    )
    @asynchronous
    async def test_an_error_has_a_status_and_says_all(self, error: str, status: int, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        callee = await callee_of(node)
        _, answer = await together(
            serve(callee, error, ["none left", 0], {"more": "tomorrow"}), post(node.ports["ws"], CALL, ADD)
        )
        assert answer.status == status
        assert answer.json == {
            "error": error,
            "message": "none left",
            "args": ["none left", 0],
            "kwargs": {"more": "tomorrow"},
        }
        await callee.leave()

    @asynchronous
    async def test_a_procedure_that_nobody_has_is_not_found(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        answer = await post(node.ports["ws"], CALL, ADD)
        assert (answer.status, answer.json["error"]) == (404, "wamp.error.no_such_procedure")
        assert "com.example.add" in answer.json["message"]

    @asynchronous
    async def test_a_timeout_is_that_of_a_gateway(self, bench: Bench) -> None:
        """The client's own timeout, and the bridge's where the client names none."""
        node = bench.node(transports=bridged(call_timeout_ms=30))
        callee = await callee_of(node)
        for body in ({**ADD, "options": {"timeout": 20}}, ADD):
            answer = await post(node.ports["ws"], CALL, body)
            assert (answer.status, answer.json["error"]) == (504, "wamp.error.timeout")
        await callee.leave()

    @asynchronous
    async def test_a_callee_that_goes_is_a_bad_gateway(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        callee = await callee_of(node)

        async def vanish() -> None:
            await callee.receive()
            callee.vanish()

        _, answer = await together(vanish(), post(node.ports["ws"], CALL, ADD))
        assert (answer.status, answer.json["error"]) == (502, "wamp.error.canceled")

    @asynchronous
    async def test_a_client_that_goes_cancels_its_call(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        callee = await callee_of(node)
        dialog = await dial(node.ports["ws"], octets("POST", CALL, ADD))
        invocation = await callee.receive()
        dialog.close()
        interrupt = await callee.receive()
        assert interrupt[:2] == [69, invocation[1]]
        assert interrupt[2]["mode"] == "killnowait"
        callee.send(8, 68, invocation[1], {}, "wamp.error.canceled")
        _, answer = await together(serve(callee, [5]), post(node.ports["ws"], CALL, ADD))
        assert answer.json["args"] == [5]
        await callee.leave()

    @asynchronous
    async def test_the_caller_is_disclosed_as_everywhere(self, bench: Bench) -> None:
        node = bench.node({"realm1": CLOSED}, transports=bridged())
        callee = await callee_of(node, "com.example.add", "service", "backstage")
        body = {**ADD, "options": {"disclose_me": True}}
        headers = {"Authorization": basic("alice", "sesame: öffne dich")}
        invocation, _ = await together(serve(callee), post(node.ports["ws"], CALL, body, **headers))
        assert invocation[3]["caller_authid"] == "alice"
        assert invocation[3]["caller_authrole"] == "user"
        await callee.leave()

    @asynchronous
    async def test_a_session_of_http_is_one_of_the_realm(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        body = {"procedure": "wamp.session.list"}
        (ids,) = (await post(node.ports["ws"], CALL, body)).json["args"]
        body = {"procedure": "wamp.session.get", "args": ids}
        (details,) = (await post(node.ports["ws"], CALL, body)).json["args"]
        assert details["session"] == ids[0]
        assert details["authmethod"] == "anonymous"
        assert details["transport"]["type"] == "http"

    @asynchronous
    async def test_many_at_once_share_a_session(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        callee = await callee_of(node)

        async def answer_all() -> None:
            invocations = [await callee.receive() for _ in range(20)]
            for invocation in reversed(invocations):
                callee.send(70, invocation[1], {}, invocation[4])

        calls = [post(node.ports["ws"], CALL, {**ADD, "args": [n]}) for n in range(20)]
        _, *answers = await together(answer_all(), *calls)
        assert [answer.json["args"] for answer in answers] == [[n] for n in range(20)]
        assert len(node.directory.realms["realm1"].sessions) == 2
        await callee.leave()

    @asynchronous
    async def test_two_requests_on_one_connection(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        callee = await callee_of(node)
        request = octets("POST", CALL, ADD, Connection="keep-alive")
        dialog = await dial(node.ports["ws"], request)
        await serve(callee, ["first"])
        await dialog.until(b"first")
        dialog.send(octets("POST", CALL, ADD))
        await serve(callee, ["second"])
        assert b"second" in await dialog.rest()
        await callee.leave()


class TestPublish:
    @asynchronous
    async def test_the_event_comes_and_its_id_is_told(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        subscriber = await (await connect(node.ports["ws"])).join()
        await subscriber.request(32, {}, "com.example.news")
        body = {"topic": "com.example.news", "args": ["hello"], "kwargs": {"n": 1}}
        answer = await post(node.ports["ws"], PUBLISH, body)
        event = await subscriber.receive()
        assert (answer.status, answer.json) == (200, {"publication": event[2]})
        assert event[4:] == [["hello"], {"n": 1}]
        await subscriber.leave()

    @asynchronous
    async def test_options_are_those_of_publish(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        first, second = [await (await connect(node.ports["ws"])).join() for _ in range(2)]
        for client in (first, second):
            await client.request(32, {}, "com.example.news")
        body = {"topic": "com.example.news", "options": {"exclude": [first.session_id]}}
        assert (await post(node.ports["ws"], PUBLISH, body)).status == 200
        assert (await second.receive())[0] == 36
        body = {"topic": "com.example.news", "args": ["for both"]}
        assert (await post(node.ports["ws"], PUBLISH, body)).status == 200
        assert (await first.receive())[4] == ["for both"]
        for client in (first, second):
            await client.leave()

    @asynchronous
    async def test_what_the_role_may_not_is_forbidden(self, bench: Bench) -> None:
        node = bench.node({"realm1": CLOSED}, transports=bridged())
        headers = {"Authorization": "Bearer alice:sesame: öffne dich"}
        answer = await post(node.ports["ws"], PUBLISH, {"topic": "org.other"}, **headers)
        assert (answer.status, answer.json["error"]) == (403, "wamp.error.not_authorized")


class TestPath:
    """The procedure or the topic may stand in the path."""

    @asynchronous
    async def test_a_procedure(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        callee = await callee_of(node, "com.example.größe")
        path = "/api/realm1/call/com.example.gr%C3%B6%C3%9Fe"
        invocation, answer = await together(
            serve(callee, [5]), post(node.ports["ws"], path, {"args": [2], "kwargs": {"k": 3}})
        )
        assert invocation[4:] == [[2], {"k": 3}]
        assert answer.json == {"args": [5], "kwargs": {}}
        await callee.leave()

    @asynchronous
    async def test_a_topic(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        subscriber = await (await connect(node.ports["ws"])).join()
        await subscriber.request(32, {}, "com.example.news")
        assert (await post(node.ports["ws"], f"{PUBLISH}/com.example.news", {})).status == 200
        assert (await subscriber.receive())[0] == 36
        await subscriber.leave()

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            (f"{CALL}/com.example.add", ADD, 400),  # twice
            (f"{PUBLISH}/com.example.news", {"topic": "com.example.news"}, 400),
            (f"{CALL}/com%20example", {}, 400),
            (f"{CALL}/%FF", {}, 400),
            (f"{CALL}/com.example.add/more", {}, 404),
            ("/api/realm1/subscribe/com.example.news", {}, 404),
        ],
    )
    @asynchronous
    async def test_what_is_wrong(self, path: str, body: Any, status: int, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        assert (await post(node.ports["ws"], path, body)).status == status


class TestWho:
    @asynchronous
    async def test_bearer_and_basic(self, bench: Bench) -> None:
        node = bench.node({"realm1": CLOSED}, transports=bridged())
        topic = {"topic": "com.example.news"}
        for value in ("Bearer alice:sesame: öffne dich", basic("alice", "sesame: öffne dich")):
            assert (await post(node.ports["ws"], PUBLISH, topic, Authorization=value)).status == 200
        assert len(node.directory.realms["realm1"].sessions) == 1

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("", "this realm offers: ticket"),
            ("Bearer alice:sesam", "authentication failed"),
            ("Bearer mallory:sesam", "authentication failed"),
            ("Bearer alice:sesame: öffne dich!", "authentication failed"),
            ("Bearer alice", "Bearer takes an authid and its ticket"),
            ("Basic !!!", "Basic takes Base64"),
            (basic("alice", "sesam"), "authentication failed"),
            ("Digest alice", "none of Bearer, Basic and Concord-HMAC-SHA256"),
        ],
    )
    @asynchronous
    async def test_others_are_told_how(self, value: str, text: str, bench: Bench) -> None:
        node = bench.node({"realm1": CLOSED}, transports=bridged())
        topic = {"topic": "com.example.news"}
        answer = await post(node.ports["ws"], PUBLISH, topic, Authorization=value)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert text in answer.json["message"]
        assert node.directory.realms["realm1"].sessions == {}

    @asynchronous
    async def test_a_wrong_ticket_is_one_line_in_the_log(self, bench: Bench) -> None:
        node = bench.node({"realm1": CLOSED}, transports=bridged())
        await post(node.ports["ws"], PUBLISH, {"topic": "com.example.news"}, Authorization="Bearer alice:no")
        (line,) = [line for line in bench.log.lines("warn") if "refused" in line]
        assert "tcp:127.0.0.1:" in line
        assert "wrong ticket for 'alice'" in line
        assert node.counters["refused_joins"] == 1

    @asynchronous
    async def test_a_realm_that_is_not_there_is_not_found(self, bench: Bench) -> None:
        node = bench.node({"realm1": OPEN, "realm2": OPEN}, transports=bridged(realms=["realm2"]))
        for realm, status in (("realm1", 404), ("realm2", 200), ("realm3", 404), ("not%20valid", 400)):
            answer = await post(node.ports["ws"], f"/api/{realm}/publish", {"topic": "com.example.news"})
            assert (realm, answer.status) == (realm, status)


class TestBadRequests:
    @pytest.mark.parametrize(
        ("body", "text"),
        [
            (b"", "truncated"),
            (b"[1]", "Expected `object`"),
            (b'{"procedure": 1}', "$.procedure"),
            (b'{"args": []}', "`procedure`"),
            (b'{"procedure": "com.example.add", "arg": []}', "`arg`"),
            (b'{"uri": "com.example.add"}', "a JSON object of procedure, args, kwargs, options: "),
            (b'{"procedure": "com.example.add", "args": {}}', "args must be an array"),
            (b'{"procedure": "com.example.add", "args": null}', "args must be an array"),
            (b'{"procedure": "com.example.add", "kwargs": []}', "kwargs must be an object"),
            (b'{"procedure": "com.example.add", "args": [123456789012345678901]}', "2^64-1"),
            (b'{"procedure": "com.example.add", "args": [' + b"[" * 200 + b"]" * 200 + b"]}", "100"),
            (b'{"procedure": "com.example.add", "args": ["\xff"]}', ""),
            (b'{"procedure": "com.example.add", "options": {"progress": true}}', "options.progress"),
            (b'{"procedure": "com.example.add", "options": {"receive_progress": true}}', "options.receive_"),
            (b'{"procedure": "com example"}', "com example"),
        ],
    )
    @asynchronous
    async def test_a_body_that_is_no_call(self, body: bytes, text: str, bench: Bench) -> None:
        """It is told what is wrong, and the session that others use lives on."""
        node = bench.node(transports=bridged())
        await post(node.ports["ws"], PUBLISH, {"topic": "com.example.news"})
        before = set(node.directory.realms["realm1"].sessions)
        answer = await post(node.ports["ws"], CALL, body)
        assert answer.status == 400
        assert answer.json["error"] in ("wamp.error.invalid_argument", "wamp.error.invalid_uri")
        assert text in answer.json["message"]
        assert set(node.directory.realms["realm1"].sessions) == before

    @pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
    @asynchronous
    async def test_another_type_than_json(self, kind: str, bench: Bench) -> None:
        """What a page of another origin could send unasked is refused."""
        node = bench.node(transports=bridged())
        answer = await post(node.ports["ws"], CALL, ADD, Content_Type=kind)
        assert (answer.status, answer.json["error"]) == (415, "wamp.error.invalid_argument")
        answer = await post(node.ports["ws"], CALL, ADD, Content_Type="Application/JSON; charset=utf-8")
        assert answer.status == 404  # no such procedure

    @asynchronous
    async def test_the_log_says_where_it_is(self, bench: Bench) -> None:
        node = bench.node(transports=bridged(path="/wamp/api"))
        place = f"http://127.0.0.1:{node.ports['ws'].getHost().port}/wamp/api"
        assert any(f", calls and events by HTTP {place}" in line for line in bench.log.lines("info"))
        assert (await post(node.ports["ws"], "/wamp/api/realm1/call", ADD)).status == 404  # nobody has it
        assert (await post(node.ports["ws"], "/api/realm1/call", ADD)).status == 405  # a page's path

    @asynchronous
    async def test_paths_and_methods(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        for path in ("/api", "/api/", "/api/realm1", "/api/realm1/", "/api/realm1/call/", "/api/realm1/cull"):
            assert (path, (await post(node.ports["ws"], path, ADD)).status) == (path, 404)
        answer = await fetch(node.ports["ws"], "GET", CALL)
        assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")
        assert (await fetch(node.ports["ws"], "GET", "/")).status == 200  # the page is there still
        assert (await fetch(node.ports["ws"], "GET", "/apis")).status == 404

    @asynchronous
    async def test_a_body_that_is_too_long(self, bench: Bench) -> None:
        node = bench.node(transports=bridged(body_limit_bytes=1024))
        answer = await post(node.ports["ws"], CALL, {**ADD, "args": ["x" * 1024]})
        assert (answer.status, answer.json["error"]) == (413, "wamp.error.payload_size_exceeded")
        assert "body_limit_bytes=1024" in answer.json["message"]


class TestBounds:
    @asynchronous
    async def test_requests_that_wait(self, bench: Bench) -> None:
        node = bench.node(transports=bridged(requests=1))
        callee = await callee_of(node)
        first = await dial(node.ports["ws"], octets("POST", CALL, ADD))
        invocation = await callee.receive()
        answer = await post(node.ports["ws"], CALL, ADD)
        assert (answer.status, answer.json["error"]) == (503, "concord.error.limit_exceeded")
        assert answer.headers["retry-after"] == "1"
        assert "requests=1" in answer.json["message"]
        callee.send(70, invocation[1], {}, [5])
        assert b"[5]" in await first.rest()
        _, answer = await together(serve(callee, [6]), post(node.ports["ws"], CALL, ADD))
        assert answer.json["args"] == [6]
        await callee.leave()

    @asynchronous
    async def test_bodies_that_wait(self, bench: Bench) -> None:
        """Those whose clients have gone count too: where a session is slowed down, they are still there."""
        limits = {"messages_per_second": 1}
        node = bench.node({"realm1": {**OPEN, "limits": limits}}, transports=bridged(requests_bytes=2**20))
        large = {"topic": "com.example.news", "args": ["x" * 300_000]}
        answers = [await dial(node.ports["ws"], octets("POST", PUBLISH, large)) for _ in range(8)]
        full = 0
        for answer in answers:
            full += b"requests_bytes=1048576" in await answer.rest()
        assert 2 <= full <= 6
        assert (await post(node.ports["ws"], PUBLISH, large)).status == 200

    @asynchronous
    async def test_a_stream_lets_go_of_its_body(self, bench: Bench) -> None:
        node = bench.node(transports=bridged(requests_bytes=2**20))
        large = {"procedure": "com.example.nothing", "args": ["x" * 700_000]}
        for _ in range(3):
            answer = await post(node.ports["ws"], CALL, large, Accept="text/event-stream")
            assert answer.status == 404

    @asynchronous
    async def test_sessions_make_room_or_refuse(self, bench: Bench) -> None:
        node = bench.node({"realm1": CLOSED}, transports=bridged(sessions=1))
        callee = await callee_of(node, "com.example.add", "service", "backstage")
        alice, service = basic("alice", "sesame: öffne dich"), basic("service", "backstage")
        topic = {"topic": "com.example.news"}
        for who in (alice, service, alice):
            assert (await post(node.ports["ws"], PUBLISH, topic, Authorization=who)).status == 200
            assert len(node.directory.realms["realm1"].sessions) == 2
        busy = await dial(node.ports["ws"], octets("POST", CALL, ADD, Authorization=alice))
        await callee.receive()
        answer = await post(node.ports["ws"], PUBLISH, topic, Authorization=service)
        assert (answer.status, answer.json["error"]) == (503, "concord.error.limit_exceeded")
        busy.close()
        await callee.leave()

    @asynchronous
    async def test_an_idle_session_leaves(self, bench: Bench) -> None:
        node = bench.node(transports=bridged(session_idle_ms=20))
        await post(node.ports["ws"], PUBLISH, {"topic": "com.example.news"})
        realm = node.directory.realms["realm1"]
        assert len(realm.sessions) == 1
        await until(lambda: not realm.sessions)

    @asynchronous
    async def test_a_limit_of_the_realm_is_too_many_requests(self, bench: Bench) -> None:
        limits = {"pending_calls_per_session": 1}
        node = bench.node({"realm1": {**OPEN, "limits": limits}}, transports=bridged())
        callee = await callee_of(node)
        first = await dial(node.ports["ws"], octets("POST", CALL, ADD))
        await callee.receive()
        answer = await post(node.ports["ws"], CALL, ADD)
        assert (answer.status, answer.json["error"]) == (429, "concord.error.limit_exceeded")
        first.close()
        await callee.leave()

    @asynchronous
    async def test_a_throttled_session_is_slowed_down_and_loses_nothing(self, bench: Bench) -> None:
        node = bench.node({"realm1": {**OPEN, "limits": {"messages_per_second": 5}}}, transports=bridged())
        topic = {"topic": "com.example.news"}
        answers = await together(*(post(node.ports["ws"], PUBLISH, topic) for _ in range(8)))
        assert {answer.status for answer in answers} == {200}
        assert node.counters["throttled"] > 0


class TestChange:
    @asynchronous
    async def test_a_ticket_that_changed_counts_at_once(self, bench: Bench) -> None:
        node = bench.node({"realm1": CLOSED}, transports=bridged())
        topic, old = {"topic": "com.example.news"}, basic("alice", "sesame: öffne dich")
        assert (await post(node.ports["ws"], PUBLISH, topic, Authorization=old)).status == 200
        principals = {"alice": {"role": "user", "secret": "another"}}
        changed = {**CLOSED, "authentication": {"ticket": {"principals": principals}}}
        write(bench.directory, {"realm1": changed}, transports=bridged())
        await node.reload()
        assert (await post(node.ports["ws"], PUBLISH, topic, Authorization=old)).status == 401
        new = basic("alice", "another")
        assert (await post(node.ports["ws"], PUBLISH, topic, Authorization=new)).status == 200

    @asynchronous
    async def test_a_session_is_judged_anew_after_its_time(self, bench: Bench) -> None:
        node = bench.node(transports=bridged(session_ms=1000))
        realm = node.directory.realms["realm1"]
        await post(node.ports["ws"], PUBLISH, {"topic": "com.example.news"})
        (first,) = realm.sessions
        await sleep(1.05)
        await post(node.ports["ws"], PUBLISH, {"topic": "com.example.news"})
        (second,) = realm.sessions
        assert first != second

    @asynchronous
    async def test_a_killed_session_answers_its_callers(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        callee = await callee_of(node)
        dialog = await dial(node.ports["ws"], octets("POST", CALL, ADD))
        await callee.receive()
        body = {"procedure": "wamp.session.list"}
        listed = (await post(node.ports["ws"], CALL, body)).json["args"][0]
        (mine,) = [number for number in listed if number != callee.session_id]
        callee.send(48, 2, {}, "wamp.session.kill", [mine])
        assert b"503 Service Unavailable" in await dialog.rest()
        await callee.leave()

    @asynchronous
    async def test_the_router_stops_while_a_call_waits(self, bench: Bench) -> None:
        node = bench.node(transports=bridged())
        callee = await callee_of(node)
        dialog = await dial(node.ports["ws"], octets("POST", CALL, ADD))
        await callee.receive()
        realm = node.directory.realms["realm1"]
        await node.stopService()
        await dialog.rest()
        assert realm.sessions == {}
