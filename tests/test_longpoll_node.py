"""HTTP long-poll on a node's real sockets, beside the page and the WebSocket."""

import json
from typing import Any

import pytest_twisted
from node_bench import OPEN, WEBSOCKET, Bench
from wamp_client import Dialog, connect, dial, request, until

HELLO = b'[1, "realm1", {"roles": {"publisher": {}, "subscriber": {}}}]'


def asynchronous(function: Any) -> Any:
    return pytest_twisted.ensureDeferred(function)


async def begin(port: Any, path: str, body: bytes = b"") -> Dialog:
    """Post a request whose answer may take its time."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}"]
    return await dial(port, "\r\n".join([*lines, "", ""]).encode() + body)


async def post(port: Any, path: str, body: bytes = b"") -> tuple[int, bytes]:
    head, _, rest = (await (await begin(port, path, body)).rest()).partition(b"\r\n\r\n")
    return int(head.split()[1]), rest


@asynchronous
async def test_a_client_that_polls_is_a_session_like_others(bench: Bench) -> None:
    settings = {**WEBSOCKET, "longpoll": {"path": "/lp", "receive_timeout_ms": 500}}
    node = bench.node({"realm1": OPEN}, transports=[settings])
    port = node.ports["ws"]
    status, body = await post(port, "/lp/open", b'{"protocols": ["wamp.2.json"]}')
    assert status == 200
    at = f"/lp/{json.loads(body)['transport']}"
    assert await post(port, f"{at}/send", HELLO) == (204, b"")
    _, welcome = await post(port, f"{at}/receive")
    assert json.loads(welcome)[0] == 2
    await post(port, f"{at}/send", b'[32, 1, {}, "com.example.topic"]')
    assert json.loads((await post(port, f"{at}/receive"))[1])[:2] == [33, 1]

    waiting = await begin(port, f"{at}/receive")
    other = await (await connect(port)).join()
    details = await other.call("wamp.session.get", json.loads(welcome)[1])
    assert details["transport"]["type"] == "longpoll"
    await other.request(16, {"acknowledge": True}, "com.example.topic", ["news"])
    assert json.loads((await waiting.rest()).partition(b"\r\n\r\n")[2])[4] == ["news"]

    assert await post(port, f"{at}/receive") == (204, b"")  # nothing for half a second
    assert (await request(port, "/")).startswith(b"HTTP/1.1 200 OK")

    last = await begin(port, f"{at}/receive")
    await until(lambda: any(c.transport is c and c._waiting for c in node.listeners[0].connections))
    stopped = node.stopService()
    assert b"wamp.close.system_shutdown" in await last.rest()
    await stopped
