"""Requests of roles about which a procedure decides: it is asked as for every session, in order."""

from typing import Any

import pytest
from autobahn.twisted.wamp import ApplicationSession
from http_play import bridged, fetch, post, stream, together
from node_bench import OPEN, Bench
from pytest_twisted import ensureDeferred as asynchronous
from twisted.internet.defer import Deferred
from wamp_client import soon, until

from router.routing.outputs import Farewell
from router.wamp.messages import Goodbye

PUBLISH = "/api/realm1/publish"
REALM: dict[str, Any] = {
    "roles": {
        "anonymous": {"authorizer": "com.example.authorize"},
        "service": OPEN["roles"]["anonymous"],
    },
    "authentication": OPEN["authentication"],
}


class Authorizer(ApplicationSession):
    """Allows what is below ``com.open.``, a little later; ``asked`` are the URIs."""

    def __init__(self, transport: str) -> None:
        super().__init__()
        self.transport_of_clients = transport
        self.asked: list[str] = []
        self.ready: Deferred[None] = Deferred()

    async def onJoin(self, details: Any) -> None:
        await self.register(self.authorize, "com.example.authorize")
        self.ready.callback(None)

    def authorize(self, session: Any, uri: str, action: str, options: Any) -> Any:
        self.asked.append(uri)
        assert session["transport"]["type"] == self.transport_of_clients
        return {"allow": uri.startswith("com.open."), "cache": False}


async def authorizer(node: Any, transport: str = "http") -> Authorizer:
    component = Authorizer(transport)
    node.connect(component, realm="realm1", authid="authorizer", role="service")
    await soon(component.ready)
    return component


@asynchronous
async def test_it_is_asked(bench: Bench) -> None:
    node = bench.node({"realm1": REALM}, transports=bridged())
    component = await authorizer(node)
    assert (await post(node.ports["ws"], PUBLISH, {"topic": "com.open.news"})).status == 200
    answer = await post(node.ports["ws"], PUBLISH, {"topic": "com.closed.news"})
    assert (answer.status, answer.json["error"]) == (403, "wamp.error.not_authorized")
    answer = await fetch(node.ports["ws"], "GET", "/api/realm1/subscribe?topic=com.closed.news")
    assert answer.status == 403
    assert component.asked == ["com.open.news", "com.closed.news", "com.closed.news"]


@asynchronous
async def test_many_at_once_are_all_answered(bench: Bench) -> None:
    """They share a session that pauses while each is decided."""
    node = bench.node({"realm1": REALM}, transports=bridged())
    await authorizer(node)
    topics = [f"com.{'open' if number % 3 else 'closed'}.t{number}" for number in range(30)]
    answers = await together(*(post(node.ports["ws"], PUBLISH, {"topic": topic}) for topic in topics))
    assert [answer.status for answer in answers] == [200 if n % 3 else 403 for n in range(30)]


@asynchronous
async def test_a_stream_begins_when_it_is_decided(bench: Bench) -> None:
    node = bench.node({"realm1": REALM}, transports=bridged())
    await authorizer(node)
    path = "/api/realm1/subscribe?topic=com.open.a&topic=com.open.b"
    opened = await stream(node.ports["ws"], "GET", path)
    await opened.until(": subscribed")
    await post(node.ports["ws"], PUBLISH, {"topic": "com.open.b", "args": ["here"]})
    await opened.until("here")
    await opened.close()


@asynchronous
async def test_where_nobody_can_be_asked(bench: Bench) -> None:
    node = bench.node({"realm1": REALM}, transports=bridged())
    answer = await post(node.ports["ws"], PUBLISH, {"topic": "com.open.news"})
    assert (answer.status, answer.json["error"]) == (503, "wamp.error.authorization_failed")


@asynchronous
async def test_webhooks_of_such_a_role(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """They try again until somebody can be asked; a no is a no."""
    monkeypatch.setattr("router.web.webhooks.REJOIN_SECONDS", 0.01)
    hook = {"role": "anonymous", "url": "https://example.com", "secret": "x"}
    hooks = [{**hook, "topic": topic} for topic in ("com.open.news", "com.closed.news")]
    node = bench.node({"realm1": {**REALM, "webhooks": hooks}}, transports=bridged())
    waits = "realm1/webhook-1: can't subscribe 'com.open.news': wamp.error.authorization_failed"
    await until(lambda: any(waits in line for line in bench.log.lines("error")))
    realm = node.directory.realms["realm1"]
    for session in list(realm.sessions.values()):  # one that ends meanwhile tries again from the beginning
        node.turn.deliver([Farewell(session, Goodbye({}, "wamp.close.killed"))])
    await authorizer(node, "webhook")
    await until(lambda: realm.broker.lookup("com.open.news", "exact") is not None)
    refused = "realm1/webhook-2: can't subscribe 'com.closed.news': wamp.error.not_authorized"
    await until(lambda: any(refused in line for line in bench.log.lines("error")))
    assert sum(waits in line for line in bench.log.lines("error")) <= 2
