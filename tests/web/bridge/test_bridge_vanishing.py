"""Clients that go at any moment: nothing of them stays."""

from random import Random
from typing import Any

import pytest
from http_play import bridged, callee_of, octets, post
from node_bench import OPEN, Bench
from pytest_twisted import ensureDeferred as asynchronous
from wamp_client import WampClient, dial, reactor, until

from router.web.bridge.resource import BridgeResource

CALL = "/api/realm1/call"
WORK = {"procedure": "com.example.add", "args": [1]}
NEWS = "/api/realm1/subscribe?topic=com.example.news"
HISTORY = [{"uri": "com.example.news"}]


def answers(callee: WampClient, random: Random) -> None:
    """Let ``callee`` answer each call, now, late, with progress, with an error, or not at all."""

    def take(message: Any) -> None:
        callee.inbox.get().addCallback(take)
        if message[0] != 68:
            return
        draw, request = random.random(), message[1]
        if draw < 0.2 and message[3].get("receive_progress"):
            callee.send(70, request, {"progress": True}, ["some"])
        if draw < 0.5:
            callee.send(70, request, {}, ["all"])
        elif draw < 0.7:
            reactor.callLater(random.random() / 50, callee.send, 70, request, {}, ["late"])
        elif draw < 0.8:
            callee.send(8, 68, request, {}, "com.example.error")

    callee.inbox.get().addCallback(take)


@pytest.mark.parametrize("seed", range(3))
@asynchronous
async def test_nothing_of_them_stays(seed: int, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[BridgeResource] = []
    init = BridgeResource.__init__

    def noted(self: BridgeResource, *args: Any) -> None:
        init(self, *args)
        made.append(self)

    monkeypatch.setattr(BridgeResource, "__init__", noted)
    random = Random(seed)
    settings = {"session_idle_ms": 10, "sessions": 5, "call_timeout_ms": 200, "heartbeat_ms": 100}
    node = bench.node({"realm1": {**OPEN, "event_history": HISTORY}}, transports=bridged(**settings))
    callee = await callee_of(node)
    answers(callee, random)
    last = str((await post(node.ports["ws"], "/api/realm1/publish/com.example.news", {})).json["publication"])
    requests = [
        octets("POST", CALL, WORK),
        octets("POST", CALL, WORK, Accept="text/event-stream"),
        octets("POST", CALL, WORK, Authorization="Bearer a:b"),
        octets("POST", "/api/realm1/publish", {"topic": "com.example.news", "args": ["x" * 1000]}),
        octets("GET", NEWS),
        octets("GET", NEWS, Last_Event_ID=last),
        octets("GET", NEWS, Last_Event_ID="1"),
        octets("GET", "/api/realm1/openapi.json"),
    ]
    for _ in range(150):
        request = random.choice(requests)
        cut = random.choice([len(request), len(request), random.randrange(len(request))])
        dialog = await dial(node.ports["ws"], request[:cut])
        reactor.callLater(random.random() / 20, dialog.close)
    (bridge,) = made
    realm = node.directory.realms["realm1"]
    await until(lambda: set(realm.sessions) == {callee.session_id}, "only the callee is there")
    assert (bridge.waiting, len(bridge.streams), len(bridge.sessions)) == (0, 0, 0)
    await until(lambda: len(node.listeners[0].connections) == 1)
    assert node.counters["defects"] == 0
    callee.vanish()
