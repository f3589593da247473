"""Operators look at a router and change it, by procedures and topics under ``concord.``."""

from typing import Any

import pytest
import pytest_twisted
from node_bench import EVERYTHING, WEBSOCKET, Bench, write
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from wamp_client import WampClient, connect, soon, until

from router import __version__, log_feed
from router.config_directory import load
from router.configuration import ConfigurationError
from router.log import LogLevels

MAY_ALL = {"permissions": [{"uri": "", "match": "prefix", "allow": EVERYTHING}]}


def managed(scope: str = "node", **more: Any) -> dict[str, Any]:
    """A realm in which ``boss`` is an operator by ticket; anonymous clients may do everything but that."""
    return {
        "roles": {"anonymous": MAY_ALL, "operator": MAY_ALL},
        "authentication": {
            "anonymous": {"role": "anonymous"},
            "ticket": {"principals": {"boss": {"secret": "t", "role": "operator"}}},
        },
        "management": {"roles": ["operator"], "scope": scope, **more},
    }


def asynchronous(function: Any) -> Any:
    return pytest_twisted.ensureDeferred(function)


async def anybody(node: Any, realm: str = "realm1") -> WampClient:
    return await (await connect(node.ports["ws"])).join(realm)


async def operator(node: Any, realm: str = "realm1") -> WampClient:
    client = await connect(node.ports["ws"])
    client.send(
        1, realm, {"roles": {"caller": {}, "subscriber": {}}, "authmethods": ["ticket"], "authid": "boss"}
    )
    await client.receive()
    client.send(5, "t", {})
    client.session_id = (await client.receive())[1]
    return client


async def refusal(client: WampClient, procedure: str, *args: Any, **kwargs: Any) -> tuple[str, str]:
    """Call, and give the URI and the text of the error."""
    answer = await client.request(48, {}, procedure, list(args), kwargs)
    assert answer[0] == 8, answer
    return answer[4], answer[5][0]


@asynchronous
async def test_who_may_call_everything_is_no_operator(bench: Bench) -> None:
    node = bench.node({"realm1": managed()})
    client = await anybody(node)
    for name in ("node", "realms", "sessions", "kill", "log_level", "reload", "metrics", "stats"):
        error, text = await refusal(client, f"concord.{name}")
        assert error == "wamp.error.not_authorized"
        assert text == "role 'anonymous' is not among management.roles of this realm"


@asynchronous
async def test_an_operator_needs_a_permission_as_well(bench: Bench) -> None:
    realm = managed()
    realm["roles"]["operator"] = {"permissions": [{"uri": "concord.realms", "allow": ["call"]}]}
    node = bench.node({"realm1": realm})
    client = await operator(node)
    assert (await client.call("concord.realms"))[0]["realm"] == "realm1"
    assert (await refusal(client, "concord.sessions"))[1] == "role 'operator' may not call 'concord.sessions'"


@asynchronous
async def test_without_operators_there_are_no_procedures(bench: Bench) -> None:
    node = bench.node()
    client = await anybody(node)
    assert (await refusal(client, "concord.realms"))[0] == "wamp.error.no_such_procedure"


@asynchronous
async def test_what_the_node_is(bench: Bench) -> None:
    node = bench.node({"realm1": managed(), "realm2": managed()})
    told = await (await operator(node)).call("concord.node")
    assert told["version"] == __version__
    assert told["realms"] == ["realm1", "realm2"]
    [transport] = told["transports"]
    assert (transport["name"], transport["connections"]) == ("ws", 1)
    assert told["memory_bytes"] > 1_000_000
    assert told["open_files"] > 3
    assert told["uptime_ms"] >= 0
    assert told["counters"]["connections"] == 1


@asynchronous
async def test_what_realms_do(bench: Bench) -> None:
    node = bench.node({"realm1": managed(stats_interval_ms=100), "realm2": managed("realm")})
    boss, callee = await operator(node), await anybody(node)
    await callee.request(64, {}, "com.x")
    now = node.turn.now()
    office = node.management._offices["realm1"]
    office.beat(now + 10)
    node.pulse.beat(node.directory.realms.values())
    boss.requests += 1
    boss.send(48, boss.requests, {}, "com.x")
    invocation = await callee.receive()
    callee.send(70, invocation[1], {})
    await boss.receive()
    office.beat(now + 20)
    one, two = await boss.call("concord.realms")
    assert (one["realm"], one["sessions"], one["registrations"]) == ("realm1", 2, 1)
    assert one["calls"] >= 1
    assert one["calls_per_second"] == 0.1
    assert one["call_p50_ms"] is not None
    assert (two["realm"], two["sessions"]) == ("realm2", 0)
    [only] = await (await operator(node, "realm2")).call("concord.realms")
    assert (only["realm"], only["sessions"]) == ("realm2", 1)


@asynchronous
async def test_sessions_page_by_page(bench: Bench) -> None:
    node = bench.node({"realm1": managed(), "realm2": managed()})
    clients = [await operator(node), await anybody(node), await anybody(node)]
    ids = sorted(client.session_id for client in clients)
    boss = clients[0]
    first = await boss.call("concord.sessions", "realm1", 2)
    assert [session["session"] for session in first] == ids[:2]
    rest = await boss.call("concord.sessions", "realm1", 2, ids[1])
    assert [session["session"] for session in rest] == ids[2:]
    [mine] = [s for s in first + rest if s["session"] == boss.session_id]
    assert (mine["authid"], mine["authrole"], mine["authmethod"]) == ("boss", "operator", "ticket")
    assert mine["transport"]["type"] == "websocket"
    assert await boss.call("concord.sessions", "realm2") == []


@asynchronous
@pytest.mark.parametrize(
    ("procedure", "kwargs", "error", "text"),
    [
        ("sessions", {"realm": "realm3"}, "wamp.error.no_such_realm", "there are realm1"),
        ("sessions", {"realm": 3}, "wamp.error.invalid_argument", "realm must be a string"),
        ("sessions", {"limit": 1001}, "wamp.error.invalid_argument", "limit must be a number from 0 to 1000"),
        ("sessions", {"limit": True}, "wamp.error.invalid_argument", "limit must be a number"),
        ("sessions", {"limits": 1}, "wamp.error.invalid_argument", "unknown argument 'limits'"),
        ("kill", {"session": 77}, "wamp.error.no_such_session", "no other session 77"),
        ("kill", {"session": "x"}, "wamp.error.no_such_session", "no other session 'x'"),
        ("kill", {"session": 77, "reason": "a b"}, "wamp.error.invalid_argument", "reason must be a URI"),
        ("log_level", {"level": "loud"}, "wamp.error.invalid_argument", "level must be one of critical"),
        ("log_level", {"level": "default"}, "wamp.error.invalid_argument", "needs a namespace"),
        ("node", {"x": 1}, "wamp.error.invalid_argument", "takes none"),
    ],
)
async def test_arguments_that_can_not_be(
    bench: Bench, procedure: str, kwargs: Any, error: str, text: str
) -> None:
    node = bench.node({"realm1": managed()})
    node.log_levels = LogLevels(node.configuration.node.log)
    told = await refusal(await operator(node), f"concord.{procedure}", **kwargs)
    assert told[0] == error
    assert text in told[1]


@asynchronous
async def test_too_many_arguments(bench: Bench) -> None:
    boss = await operator(bench.node({"realm1": managed()}))
    assert (await refusal(boss, "concord.stats", 1))[1] == "1 arguments: concord.stats takes none"


@asynchronous
async def test_a_session_is_ended(bench: Bench) -> None:
    node = bench.node({"realm1": managed()})
    boss, other = await operator(node), await anybody(node)
    assert await boss.call("concord.kill", other.session_id, "com.example.tired", "go home") is None
    assert await other.receive() == [6, {"message": "go home"}, "com.example.tired"]
    [line] = [line for line in bench.log.lines("warn") if "ended by" in line]
    assert "ended by boss: com.example.tired" in line
    error, _ = await refusal(boss, "concord.kill", boss.session_id)
    assert error == "wamp.error.no_such_session"


@asynchronous
async def test_the_scope_of_a_realm(bench: Bench) -> None:
    node = bench.node({"realm1": managed("realm"), "realm2": managed("node")})
    boss, other = await operator(node), await anybody(node, "realm2")
    for name in ("node", "log_level", "reload"):
        assert (await refusal(boss, f"concord.{name}"))[0] == "wamp.error.no_such_procedure"
    assert (await refusal(boss, "concord.sessions", "realm2"))[0] == "wamp.error.no_such_realm"
    told = await refusal(boss, "concord.kill", other.session_id, realm="realm2")
    assert told[0] == "wamp.error.no_such_realm"
    assert "node" not in await boss.call("concord.stats")
    metrics = await boss.call("concord.metrics")
    assert {sample["labels"]["realm"] for samples in metrics.values() for sample in samples} == {"realm1"}
    metrics = await (await operator(node, "realm2")).call("concord.metrics")
    assert metrics["concord_info"] == [{"labels": {"version": __version__}, "value": 1}]


@asynchronous
async def test_slow_consumers(bench: Bench) -> None:
    node = bench.node({"realm1": managed(), "realm2": managed("realm")})
    boss, slow = await operator(node), await anybody(node)
    link = node.directory.realms["realm1"].sessions[slow.session_id].link
    link.blocked = True
    link.append_wire(b"\x8a\x05later" * 10)
    node.turn.flush()
    [told] = await boss.call("concord.slow_consumers")
    assert (told["session"], told["queued_bytes"], told["dropping"]) == (slow.session_id, 70, False)
    assert await (await operator(node, "realm2")).call("concord.slow_consumers") == []
    link.resumeProducing()
    assert await boss.call("concord.slow_consumers") == []


@asynchronous
async def test_levels_of_the_log(bench: Bench) -> None:
    node = bench.node({"realm1": managed()})
    boss = await operator(node)
    assert (await refusal(boss, "concord.log_level"))[0] == "wamp.error.unavailable"
    node.log_levels = LogLevels(node.configuration.node.log)
    assert await boss.call("concord.log_level") == {"": "info"}
    assert await boss.call("concord.log_level", "debug", "router.node") == {
        "": "info",
        "router.node": "debug",
    }
    assert await boss.call("concord.log_level", "error") == {"": "error", "router.node": "debug"}
    assert await boss.call("concord.log_level", "default", "router.node") == {"": "error"}
    assert "log level of router.node set to debug by boss" in bench.log.lines("warn")
    for i in range(99):
        await boss.call("concord.log_level", "info", f"n{i}")
    assert (await refusal(boss, "concord.log_level", "info", "more"))[0] == "concord.error.limit_exceeded"


@asynchronous
async def test_a_reload_says_what_became_of_it(bench: Bench) -> None:
    node = bench.node({"realm1": managed()})
    boss = await operator(node)
    write(bench.directory, {"realm1": managed(), "realm2": managed()})
    assert await boss.call("concord.reload") == {"reloaded": True, "report": ""}
    assert sorted(node.directory.realms) == ["realm1", "realm2"]
    write(bench.directory, {"realm1": managed("galaxy")})
    told = await boss.call("concord.reload")
    assert told["reloaded"] is False
    assert "management.scope" in told["report"]
    write(bench.directory, {"realm1": {**managed(), "management": {}}})
    assert await boss.call("concord.reload") == {"reloaded": True, "report": ""}
    assert (await refusal(boss, "concord.reload"))[0] == "wamp.error.no_such_procedure"


@asynchronous
async def test_statistics_are_told_to_operators_alone(bench: Bench) -> None:
    node = bench.node({"realm1": managed(stats_interval_ms=100)})
    boss, other = await operator(node), await anybody(node)
    for client in (boss, other):
        await client.request(32, {}, "concord.stats")
    event = await boss.receive()
    assert event[0] == 36
    assert event[5]["interval_ms"] == 100
    assert event[5]["realms"][0]["sessions"] == 2
    assert event[5]["node"]["connections"] == 2
    assert await boss.receive()
    assert not other.inbox.pending


@asynchronous
async def test_the_log_is_told_to_operators_alone(bench: Bench) -> None:
    node = bench.node({"realm1": managed(stats_interval_ms=3_600_000)})
    node.log_levels = LogLevels(node.configuration.node.log)
    boss, other = await operator(node), await anybody(node)
    for client in (boss, other):
        await client.request(32, {}, "concord.log")
    log = Logger("some.part")
    log.debug("not kept")
    log.warn("{what} happened", what="it")
    line = (await boss.receive())[5]
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warn",
        "namespace": "some.part",
        "message": "it happened",
        "fields": {"what": "it"},
    }
    await soon(deferToThread(log.error, "from a thread"))
    assert (await boss.receive())[5]["message"] == "from a thread"
    assert not other.inbox.pending


@asynchronous
async def test_a_flood_of_lines_is_bounded(bench: Bench) -> None:
    node = bench.node({"realm1": managed(stats_interval_ms=3_600_000)})
    boss = await operator(node)
    await boss.request(32, {}, "concord.log")
    log = Logger("some.part")
    for number in range(log_feed.MOST_WAITING + 50):
        log.info("{text}", text="x" * 100_000 if number == 0 else "y")
    first = (await boss.receive())[5]
    assert len(first["message"]) == log_feed.LONGEST_TEXT
    assert len(first["fields"]["text"]) == 1000
    assert 0 < first["lost"] < log_feed.MOST_WAITING + 50
    feed = node.management._feed
    await until(lambda: not feed._waiting)


@asynchronous
async def test_nobody_is_told_where_the_scope_is_the_realm(bench: Bench) -> None:
    node = bench.node({"realm1": managed("realm", stats_interval_ms=3_600_000)})
    boss = await operator(node)
    await boss.request(32, {}, "concord.log")
    Logger("some.part").warn("it happened")
    assert await boss.call("concord.sessions")
    assert not boss.inbox.pending


def test_an_operator_must_be_a_role(tmp_path: Any) -> None:
    realm = {**managed(), "management": {"roles": ["oprator"]}}
    write(tmp_path, {"realm1": realm}, transports=[WEBSOCKET])
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, {})
    [problem] = raised.value.problems
    assert problem.path == "management.roles[0]"
    assert "'operator'" in problem.message
