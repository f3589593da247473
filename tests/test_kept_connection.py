"""A proxy keeps its connections to the router: pages first, then a WebSocket on the same one."""

import re
from typing import Any

import pytest
import pytest_twisted
from node_bench import WEBSOCKET, Bench
from wamp_client import Dialog, dial, until

PAGE = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: wamp.2.json\r\n\r\n"
)
SETTINGS = {**WEBSOCKET, "health": True}


def asynchronous(function: Any) -> Any:
    return pytest_twisted.ensureDeferred(function)


def masked(text: bytes) -> bytes:
    """Make a frame of a client, with a mask that changes nothing."""
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


async def answers(dialog: Dialog, count: int) -> list[bytes]:
    """Wait for so many answers, and give their statuses."""
    await until(lambda: dialog.received.count(b"HTTP/1.1 ") == count)
    return re.findall(rb"HTTP/1\.1 (\d+)", dialog.received)


@asynchronous
@pytest.mark.parametrize("pages", [1, 3])
async def test_a_websocket_after_pages(bench: Bench, pages: int) -> None:
    node = bench.node(transports=[SETTINGS])
    dialog = await dial(node.ports["ws"], b"")
    for count in range(pages):
        dialog.transport.write(PAGE)
        await answers(dialog, count + 1)
    dialog.transport.write(UPGRADE)
    assert (await answers(dialog, pages + 1))[-1] == b"101"
    dialog.transport.write(masked(b'[1,"realm1",{"roles":{"caller":{}}}]'))
    await until(lambda: b"[2," in dialog.received)
    dialog.transport.write(masked(b'[6,{},"wamp.close.normal"]'))
    await until(lambda: b"wamp.close.goodbye_and_out" in dialog.received)
    dialog.transport.abortConnection()


@asynchronous
async def test_a_handshake_that_fails_there(bench: Bench) -> None:
    node = bench.node(transports=[SETTINGS])
    dialog = await dial(node.ports["ws"], PAGE)
    await answers(dialog, 1)
    dialog.transport.write(UPGRADE.replace(b"/ws", b"/nowhere"))
    assert await answers(dialog, 2) == [b"200", b"404"]
    await dialog.ended


@asynchronous
async def test_one_that_comes_before_the_answer_is_the_sites(bench: Bench) -> None:
    node = bench.node(transports=[SETTINGS])
    dialog = await dial(node.ports["ws"], PAGE + UPGRADE)
    assert await answers(dialog, 2) == [b"200", b"426"]
    dialog.transport.abortConnection()


@asynchronous
async def test_one_that_opens_no_session_is_dropped_in_time(bench: Bench) -> None:
    node = bench.node(transports=[{**SETTINGS, "handshake_timeout_ms": 100}])
    dialog = await dial(node.ports["ws"], PAGE)
    await answers(dialog, 1)
    dialog.transport.write(UPGRADE)
    await answers(dialog, 2)
    await dialog.ended
    assert node.counters["handshake_timeouts"] == 1
