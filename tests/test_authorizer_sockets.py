"""Authorizers over real sockets: what a client sends in one go is taken in order, and nobody else waits."""

import json
from typing import Any

import pytest
import pytest_twisted
from autobahn.twisted.wamp import ApplicationSession
from node_bench import OPEN, RAWSOCKET, WEBSOCKET, Bench, write
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from wamp_client import connect, dial, soon, until

AUTHORIZE = "com.example.authorize"
REALM: dict[str, Any] = {
    "roles": {
        "asked": {
            "authorizer": AUTHORIZE,
            "permissions": [{"uri": "com.example.free", "allow": ["call", "register"]}],
        },
        "everything": OPEN["roles"]["anonymous"],
    },
    "authentication": {"anonymous": {"role": "asked"}},
}
EVENTS = 60


def asynchronous(function: Any) -> Any:
    return pytest_twisted.ensureDeferred(function)


class Authorizer(ApplicationSession):
    """Takes some milliseconds for each answer; every third event is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.at_once = 0  # questions that wait for their answer in the same moment
        self.most_at_once = 0
        self.events: list[int] = []
        self.ready: Deferred[None] = Deferred()

    async def onJoin(self, details: Any) -> None:
        await self.register(self.authorize, AUTHORIZE)
        await self.subscribe(self.events.append, "com.example.topic")
        self.ready.callback(None)

    async def authorize(self, session: Any, uri: str, action: str, options: Any) -> Any:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await deferLater(reactor, 0.002, lambda: None)
        self.at_once -= 1
        return action == "publish" and options.get("number", 1) % 3 != 0


async def start(bench: Bench, **websocket: Any) -> tuple[Any, Authorizer]:
    node = bench.node({"realm1": REALM}, transports=[{**WEBSOCKET, **websocket}, RAWSOCKET])
    component = Authorizer()
    node.connect(component, realm="realm1", authid="authorizer", role="everything")
    await soon(component.ready)
    return node, component


def burst() -> list[list[Any]]:
    return [[16, n, {"number": n}, "com.example.topic", [n]] for n in range(1, EVENTS + 1)]


ALLOWED = [n for n in range(1, EVENTS + 1) if n % 3]


@pytest.mark.parametrize("serializer", ["json", "msgpack", "cbor"])
@asynchronous
async def test_a_burst_by_websocket(bench: Bench, serializer: str) -> None:
    node, component = await start(bench)
    client = await (await connect(node.ports["ws"], serializer)).join()
    for message in burst():
        client.send(*message)
    await until(lambda: len(component.events) == len(ALLOWED))
    assert component.events == ALLOWED
    assert component.asked == EVENTS
    assert component.most_at_once == 1
    client.requests = EVENTS
    answer = await client.request(48, {}, "com.example.free")
    assert answer[:5] == [8, 48, EVENTS + 1, {}, "wamp.error.no_such_procedure"]


@asynchronous
async def test_a_burst_by_rawsocket_in_one_segment(bench: Bench) -> None:
    node, component = await start(bench)
    hello = [1, "realm1", {"roles": {"publisher": {}}}]
    goodbye = [6, {}, "wamp.close.close_realm"]
    frames = b"".join(
        len(data).to_bytes(4, "big") + data
        for data in (json.dumps(message).encode() for message in (hello, *burst(), goodbye))
    )
    dialog = await dial(node.ports["raw"], b"\x7f\xf1\x00\x00" + frames)
    await dialog.until(b"wamp.close.goodbye_and_out")
    assert component.events == ALLOWED
    dialog.close()


@asynchronous
async def test_other_sessions_go_on_meanwhile(bench: Bench) -> None:
    """One waits for many answers; the calls of the others need none and are done before."""
    node, component = await start(bench)
    waiting = await (await connect(node.ports["ws"])).join()
    callee = await (await connect(node.ports["ws"])).join()
    caller = await (await connect(node.ports["ws"])).join()
    assert (await callee.request(64, {}, "com.example.free"))[0] == 65
    for message in burst():
        waiting.send(*message)
    for _ in range(10):
        caller.requests += 1
        caller.send(48, caller.requests, {}, "com.example.free")
        invocation = await callee.receive()
        callee.send(70, invocation[1], {})
        assert (await caller.receive())[:2] == [50, caller.requests]
    assert len(component.events) < len(ALLOWED)
    await until(lambda: len(component.events) == len(ALLOWED))


@asynchronous
async def test_sessions_wait_each_for_itself(bench: Bench) -> None:
    node, component = await start(bench)
    clients = [await (await connect(node.ports["ws"])).join() for _ in range(5)]
    for client in clients:
        for message in burst()[:10]:
            client.send(*message)
    await until(lambda: component.asked == 50)
    assert component.most_at_once > 1


@asynchronous
async def test_a_component_of_the_routers_process_keeps_its_order(bench: Bench) -> None:
    node, component = await start(bench)
    asking = ApplicationSession()
    joined: Deferred[None] = Deferred()
    asking.on("join", lambda session, details: joined.callback(None))
    node.connect(asking, realm="realm1", authid="inside", role="asked")
    await soon(joined)
    for n in ALLOWED:
        asking.publish("com.example.topic", n)
    await until(lambda: len(component.events) == len(ALLOWED))
    assert component.events == ALLOWED


@asynchronous
async def test_the_authorizer_goes_and_comes_back(bench: Bench) -> None:
    """Without it everything is refused, with a line in the log; with the next one all is as before."""
    node, component = await start(bench)
    client = await (await connect(node.ports["ws"])).join()
    assert (await client.request(16, {"acknowledge": True}, "com.example.topic", [1]))[0] == 17
    component.leave()
    await until(lambda: len(node.directory.realms["realm1"].sessions) == 1)
    refused = await client.request(16, {"acknowledge": True}, "com.example.topic", [2])
    assert refused[4] == "wamp.error.authorization_failed"
    (line,) = [line for line in bench.log.lines("warn") if "may not publish com.example.topic" in line]
    assert "wamp.error.no_such_procedure" in line
    again = Authorizer()
    node.connect(again, realm="realm1", authid="authorizer", role="everything")
    await soon(again.ready)
    assert (await client.request(16, {"acknowledge": True}, "com.example.topic", [3]))[0] == 17
    await until(lambda: again.events == [3])


@asynchronous
async def test_a_reload_while_many_wait(bench: Bench) -> None:
    """No session and no message is lost: what was asked of the old role is decided by the new one."""
    node, component = await start(bench)
    clients = [await (await connect(node.ports["ws"])).join() for _ in range(4)]
    for client in clients:
        for message in burst():
            client.send(*message)
    await until(lambda: component.asked > 20)
    free = {"permissions": [{"uri": "com.example.", "match": "prefix", "allow": ["publish"]}]}
    roles = {**REALM["roles"], "asked": free}
    write(bench.directory, {"realm1": {**REALM, "roles": roles}}, transports=[WEBSOCKET, RAWSOCKET])
    before = len(component.events)
    await soon(node.reload())
    for client in clients:
        client.requests = EVENTS
        assert (await client.request(16, {"acknowledge": True}, "com.example.topic", [0]))[0] == 17
    assert len(component.events) - before > 4 * EVENTS // 2
    assert len(node.directory.realms["realm1"].sessions) == 5
