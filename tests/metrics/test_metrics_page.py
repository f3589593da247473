"""What Prometheus reads of a node: every line of it, and who may read it."""

import os
from pathlib import Path
from typing import Any

import prometheus_text
import pytest
import pytest_twisted
from node_bench import OPEN, WEBSOCKET, Bench, write
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from twisted.internet import reactor
from wamp_client import connect, request

from realms.extension import Extension, Measure
from router import __version__
from router.config_directory import load
from router.configuration import ConfigurationError
from router.node import Node

WITH_A_SPACE = {"realm1": {**OPEN, "extensions": {"dstm": {"spaces": {"shop": {"log": "memory"}}}}}}
SERVED = {**WEBSOCKET, "metrics": {}, "health": True}


def asynchronous(function: Any) -> Any:
    return pytest_twisted.ensureDeferred(function)


async def get(port: Any, path: str = "/metrics", **headers: str) -> tuple[int, str, str]:
    """Give status, head and body of the answer."""
    head, _, body = (await request(port, path, **headers)).decode().partition("\r\n\r\n")
    return int(head.split()[1]), head, body


class Scrape:
    """What the page of a node says."""

    def __init__(self, body: str) -> None:
        self.families = prometheus_text.read(body)

    def value(self, name: str, **labels: str) -> float:
        family = next(f for f in self.families.values() if any(key[0] == name for key in f.samples))
        return family.samples[name, tuple(sorted(labels.items()))]


async def scrape(node: Any) -> Scrape:
    status, head, body = await get(node.ports["ws"])
    assert status == 200
    assert "Content-Type: text/plain; version=" in head
    return Scrape(body)


@asynchronous
async def test_promtool_would_have_nothing_to_say(bench: Bench) -> None:
    node = bench.node(WITH_A_SPACE, transports=[SERVED])
    scraped = await scrape(node)
    assert prometheus_text.lint(scraped.families) == []
    assert {name.partition("_")[0] for name in scraped.families} == {"concord", "process", "python"}


@asynchronous
async def test_what_a_realm_does_can_be_read(bench: Bench) -> None:
    node = bench.node(transports=[SERVED])
    callee = await (await connect(node.ports["ws"])).join()
    caller = await (await connect(node.ports["ws"])).join()
    await callee.request(64, {}, "com.x")
    await callee.request(32, {}, "com.topic")
    await caller.request(16, {"acknowledge": True}, "com.topic")
    await callee.receive()
    node.pulse.beat(node.directory.realms.values())
    caller.send(48, 2, {}, "com.x")
    caller.requests = 2
    invocation = await callee.receive()
    scraped = await scrape(node)
    assert scraped.value("concord_sessions", realm="realm1") == 2
    assert scraped.value("concord_sessions_joined_total", realm="realm1") == 2
    assert scraped.value("concord_registrations", realm="realm1") == 1
    assert scraped.value("concord_subscriptions", realm="realm1") == 1
    assert scraped.value("concord_events_total", realm="realm1") == 1
    assert scraped.value("concord_calls_total", realm="realm1") == 1
    assert scraped.value("concord_pending_calls", realm="realm1") == 1
    assert scraped.value("concord_call_seconds_count", realm="realm1") == 0
    assert scraped.value("concord_queued_bytes", realm="realm1") == 0
    assert scraped.value("concord_connections", transport="ws") == 3
    assert scraped.value("concord_protocol_violations_total") == 0
    assert scraped.value("concord_info", version=__version__) == 1

    callee.send(70, invocation[1], {})
    await caller.receive()
    await caller.request(48, {}, "com.not_there")
    scraped = await scrape(node)
    assert scraped.value("concord_pending_calls", realm="realm1") == 0
    assert scraped.value("concord_call_seconds_count", realm="realm1") == 1
    no_such = "wamp.error.no_such_procedure"
    assert scraped.value("concord_errors_total", realm="realm1", error=no_such) == 1


@asynchronous
async def test_what_is_queued_for_a_slow_consumer_can_be_read(bench: Bench) -> None:
    node = bench.node(transports=[SERVED])
    slow = await (await connect(node.ports["ws"])).join()
    [session] = node.directory.realms["realm1"].sessions.values()
    session.link.blocked = True
    session.link.append_wire(b"\x8a\x05later" * 100)
    node.turn.flush()
    scraped = await scrape(node)
    assert scraped.value("concord_queued_bytes", realm="realm1") == 700
    assert scraped.value("concord_slow_consumers", realm="realm1") == 1
    session.link.resumeProducing()
    await slow.leave()


@asynchronous
async def test_the_line_of_a_registration_can_be_read(bench: Bench) -> None:
    node = bench.node(transports=[SERVED])
    callee = await (await connect(node.ports["ws"])).join()
    caller = await (await connect(node.ports["ws"])).join()
    await callee.request(64, {"concurrency": 1}, "com.x")
    for request_id in (1, 2, 3):
        caller.send(48, request_id, {}, "com.x")
    await callee.receive()
    scraped = await scrape(node)
    assert scraped.value("concord_queued_calls", realm="realm1") == 2
    assert scraped.value("concord_pending_calls", realm="realm1") == 3
    assert scraped.value("concord_calls_total", realm="realm1") == 1


@asynchronous
async def test_what_realms_and_the_node_count_is_told_once(bench: Bench) -> None:
    node = bench.node(transports=[SERVED])
    node.counters["shared"] = 5
    node.counters["only_here"] = 7
    node.directory.realms["realm1"].counters["shared"] = 3
    scraped = await scrape(node)
    assert scraped.value("concord_shared_total", realm="realm1") == 3
    assert scraped.value("concord_only_here_total") == 7


@asynchronous
async def test_pages_tell_of_every_metric(bench: Bench) -> None:
    node = bench.node(WITH_A_SPACE, transports=[SERVED])
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    for name in (await scrape(node)).families:
        known = name.startswith(("process_", "python_")) or f"`{name}`" in page
        suffix = name.removeprefix("concord").removeprefix("_dstm")
        assert known or f"`{suffix}`" in page, name


@asynchronous
async def test_a_space_tells_of_itself(bench: Bench) -> None:
    node = bench.node(WITH_A_SPACE, transports=[SERVED])
    client = await (await connect(node.ports["ws"])).join()
    await client.request(48, {}, "dstm.shop.put", ["/a", 1])
    scraped = await scrape(node)
    labels = {"realm": "realm1", "space": "shop"}
    assert scraped.value("concord_dstm_commits_total", **labels) == 1
    assert scraped.value("concord_dstm_conflicts_total", **labels) == 0
    assert scraped.value("concord_dstm_waiters", **labels) == 0
    assert scraped.value("concord_dstm_version", **labels) == 1
    assert scraped.value("concord_dstm_log_lag_versions", **labels) == 0
    assert scraped.value("concord_dstm_open", **labels) == 1


class Clock(Extension):
    name = "clock"

    def measures(self) -> Any:
        yield Measure("clock_ticks", "counter", "Ticks.", 7, {"hand": 'a "long"\\one'})
        yield Measure("clock_skew_seconds", "gauge", "How wrong it is.", 0.5)


class Broken(Extension):
    name = "broken"

    def measures(self) -> Any:
        yield Measure("broken_parts", "gauge", "Parts.", 1)
        raise RuntimeError("no more")


@asynchronous
async def test_an_extension_tells_its_own_and_a_broken_one_harms_nobody(bench: Bench) -> None:
    write(
        bench.directory, {"realm1": {**OPEN, "extensions": {"clock": {}, "broken": {}}}}, transports=[SERVED]
    )
    node = Node(load(bench.directory, extensions={"clock": Clock, "broken": Broken}), reactor)
    node.startService()
    bench.nodes.append(node)
    scraped = await scrape(node)
    assert scraped.value("concord_clock_skew_seconds", realm="realm1") == 0.5
    assert scraped.value("concord_clock_ticks_total", realm="realm1", hand=r"a \"long\"\\one") == 7
    assert not any("broken" in name for name in scraped.families)
    assert bench.log.take_failures() == ["RuntimeError('no more')"]


@asynchronous
async def test_who_asks_for_open_metrics_gets_them(bench: Bench) -> None:
    node = bench.node(transports=[SERVED])
    accept = "application/openmetrics-text;version=1.0.0"
    status, head, body = await get(node.ports["ws"], accept=accept)
    assert status == 200
    assert "application/openmetrics-text" in head
    names = {family.name for family in text_string_to_metric_families(body)}
    assert "concord_calls" in names


@asynchronous
async def test_a_token_is_asked_for(bench: Bench) -> None:
    metrics = {"path": "/private/numbers", "token": {"file": "token"}}
    (bench.directory / "token").write_text("s3cret\n")
    os.chmod(bench.directory / "token", 0o600)
    node = bench.node(transports=[{**WEBSOCKET, "metrics": metrics}])
    port = node.ports["ws"]
    for wrong in ("", "Bearer", "Bearer s3cre", "Basic s3cret", "Bearer é"):
        status, head, body = await get(port, "/private/numbers", authorization=wrong)
        assert (status, "concord" in body) == (401, False), wrong
        assert "WWW-Authenticate: Bearer" in head
    assert (await get(port, "/private/numbers", authorization="Bearer s3cret"))[0] == 200
    assert (await get(port, "/metrics"))[0] == 404
    refused = [line for line in bench.log.lines("warn") if "metrics refused" in line]
    assert refused == ["metrics refused to 127.0.0.1: no token, or a wrong one"] * 5


@asynchronous
async def test_an_address_that_may_not_read(bench: Bench) -> None:
    settings = {**WEBSOCKET, "metrics": {"allow": ["10.0.0.0/8"]}, "trusted_proxies": ["127.0.0.1"]}
    node = bench.node(transports=[settings])
    port = node.ports["ws"]
    assert (await get(port))[0] == 403
    assert (await get(port, x_forwarded_for="10.1.2.3"))[0] == 200
    assert (await get(port, x_forwarded_for="::ffff:10.1.2.3"))[0] == 200
    assert (await get(port, x_forwarded_for="192.0.2.1"))[0] == 403


@asynchronous
async def test_whoever_comes_through_an_unknown_proxy_may_not_read(bench: Bench) -> None:
    """A proxy on this machine has an address that may, and everybody comes with it."""
    node = bench.node(transports=[SERVED])
    port = node.ports["ws"]
    assert (await get(port))[0] == 200
    assert (await get(port, x_forwarded_for="192.0.2.1"))[0] == 403
    assert (await get(port, x_forwarded_for="127.0.0.1"))[0] == 403
    assert (await get(port, forwarded="for=127.0.0.1"))[0] == 403
    assert any("trusted_proxies" in line for line in bench.log.lines("warn"))


@asynchronous
async def test_a_router_says_whether_it_is_well(bench: Bench) -> None:
    node = bench.node(transports=[SERVED])
    port = node.ports["ws"]
    assert [(await get(port, path))[0] for path in ("/healthz", "/readyz")] == [200, 200]
    node.running = 0  # as while it stops
    assert [(await get(port, path))[0] for path in ("/healthz", "/readyz")] == [200, 503]
    node.running = 1


@asynchronous
async def test_without_the_settings_there_is_nothing(bench: Bench) -> None:
    node = bench.node()
    for path in ("/metrics", "/healthz", "/readyz"):
        assert (await get(node.ports["ws"], path))[0] == 404


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metrics": {"path": "/ws"}}, "its path /ws is also that of path"),
        ({"metrics": {"path": "/healthz"}, "health": True}, "its path /healthz is also that of health"),
        ({"path": "/readyz", "health": True}, "its path /readyz is also that of path"),
        ({"metrics": {"path": "metrics"}}, "must be a URL's path"),
        ({"metrics": {"allow": ["10.0.0.0/33"]}}, "must be an IP address or a network"),
        ({"metrics": {"token": {"env": "NOT_SET"}}}, "the environment variable NOT_SET is not set"),
    ],
)
def test_settings_that_can_not_be(tmp_path: Any, settings: Any, message: str) -> None:
    write(tmp_path, transports=[{**WEBSOCKET, **settings}])
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, {})
    [problem] = raised.value.problems
    assert message in problem.message
