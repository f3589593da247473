"""Clients that stop reading while much is sent to them, on real sockets with real kernel buffers."""

from typing import Any

import pytest_twisted
from node_bench import OPEN, Bench
from wamp_client import WampClient, connect, reactor, until

asynchronous: Any = pytest_twisted.ensureDeferred
LOW, HIGH, LIMIT = 65_536, 262_144, 1_048_576
TEXT = "x" * 20_000


def slow(policy: str, **more: Any) -> dict[str, Any]:
    rules = {
        "policy": policy,
        "low_water_bytes": LOW,
        "high_water_bytes": HIGH,
        "limit_bytes": LIMIT,
        "patience_ms": 300,
        **more,
    }
    return {"realm1": {**OPEN, "slow_consumer": rules}}


class Flood:
    """A publisher, an attentive subscriber and a deaf one, on one node."""

    def __init__(self, bench: Bench, realms: Any) -> None:
        self.node = bench.node(realms)
        self.realm = self.node.directory.realms["realm1"]
        self.highest = 0  # bytes that ever waited for the deaf one
        self.published = 0

    async def begin(self) -> "Flood":
        self.publisher, self.reader, self.deaf = [
            await (await connect(self.node.ports["ws"])).join() for _ in range(3)
        ]
        for subscriber in (self.reader, self.deaf):
            assert (await subscriber.request(32, {}, "com.flood"))[0] == 33
        return self

    async def publish(self, count: int) -> None:
        """Publish, and see that the attentive subscriber gets each event, in order."""
        session = self.realm.sessions.get(self.deaf.session_id)
        for _ in range(count):
            self.published += 1
            self.publisher.send(16, self.published, {}, "com.flood", [self.published, TEXT])
            assert (await self.reader.receive())[4][0] == self.published
            if session is not None:
                self.highest = max(self.highest, session.link.queued_bytes)

    async def publish_until(self, condition: Any) -> None:
        """Publish until ``condition()``, at most 40 MB."""
        while not condition():
            assert self.published < 2000
            await self.publish(10)

    def outbox_of(self, client: WampClient) -> Any:
        return self.realm.sessions[client.session_id].link

    async def end(self, *clients: WampClient) -> None:
        for client in clients:
            await client.leave()
        await until(lambda: not self.realm.sessions)


@asynchronous
async def test_disconnect(bench: Bench) -> None:
    """The policy ``disconnect``: past the high mark without progress it goes; nobody else notices."""
    flood = await Flood(bench, slow("disconnect")).begin()
    flood.deaf.transport.pauseProducing()
    outbox = flood.outbox_of(flood.deaf)
    await flood.publish_until(lambda: outbox.queued_bytes > HIGH)
    assert outbox.queued_bytes < LIMIT
    await until(lambda: flood.node.counters["slow_consumers_disconnected"] == 1)
    await until(lambda: len(flood.realm.sessions) == 2)
    await flood.publish(5)
    (line,) = bench.log.lines("warn")
    assert f"session {flood.deaf.session_id}) disconnected: " in line
    assert line.endswith("bytes queued, none taken for 300 ms")
    assert outbox.queued_bytes == 0
    flood.deaf.vanish()
    await flood.end(flood.publisher, flood.reader)


@asynchronous
async def test_the_limit_holds_for_a_flood_that_is_faster_than_the_patience(bench: Bench) -> None:
    """Past ``limit_bytes`` it goes at once, with either policy: that is what bounds the memory."""
    flood = await Flood(bench, slow("disconnect", patience_ms=600_000)).begin()
    flood.deaf.transport.pauseProducing()
    await flood.publish_until(lambda: flood.node.counters["slow_consumers_disconnected"])
    assert HIGH < flood.highest <= LIMIT
    (line,) = bench.log.lines("warn")
    assert f"more than limit_bytes = {LIMIT}" in line
    await until(lambda: len(flood.realm.sessions) == 2)
    flood.deaf.vanish()
    await flood.end(flood.publisher, flood.reader)


@asynchronous
async def test_drop(bench: Bench) -> None:
    """The policy ``drop``: events are lost and counted, and it is told so when it reads again."""
    flood = await Flood(bench, slow("drop")).begin()
    deaf, counters = flood.deaf, flood.realm.counters
    assert (await deaf.request(32, {}, "concord.session.on_drop"))[0] == 33
    deaf.transport.pauseProducing()
    outbox = flood.outbox_of(deaf)
    await flood.publish_until(lambda: outbox.dropped >= 20)
    assert flood.highest <= HIGH + 2 * len(TEXT)  # one event past the mark, and no more
    assert flood.node.counters["slow_consumers_disconnected"] == 0
    dropped = outbox.dropped
    deaf.transport.resumeProducing()
    seen = []
    while True:
        event = await deaf.receive()
        if event[4] == [{"events": dropped}]:
            break
        seen.append(event[4][0])
    assert seen == list(range(1, flood.published - dropped + 1))
    assert counters["events_dropped"] == flood.node.counters["events_dropped"] == dropped
    await flood.publish(1)
    assert (await deaf.receive())[4][0] == flood.published
    assert any(f"{dropped} events dropped" in line for line in bench.log.lines("warn"))
    await flood.end(deaf, flood.publisher, flood.reader)


@asynchronous
async def test_who_does_not_read_answers_is_not_read_from(bench: Bench) -> None:
    """It cannot ask for more: requests wait in its own socket, and every one is answered in the end."""
    node = bench.node(slow("disconnect", patience_ms=600_000))
    realm = node.directory.realms["realm1"]
    client = await (await connect(node.ports["ws"])).join()
    outbox = realm.sessions[client.session_id].link
    client.transport.pauseProducing()
    text = "com." + "x" * 400
    count = 18_000
    for request in range(1, count + 1):
        client.send(48, request, {}, text)  # no such procedure: the answer is as long as the request
    await until(lambda: outbox.reading_paused)
    session = realm.sessions[client.session_id]
    await until(lambda: settled(session, outbox))
    assert 0 < session.last_request_id < count
    assert outbox.queued_bytes < HIGH
    assert outbox.reading_paused
    client.transport.resumeProducing()
    for request in range(1, count + 1):
        answer = await client.receive()
        assert answer[:3] == [8, 48, request]
    await client.leave()
    assert node.counters["slow_consumers_disconnected"] == 0


_seen: dict[Any, tuple[int, float]] = {}


def settled(session: Any, outbox: Any) -> bool:
    """Tell whether nothing has moved for a tenth of a second."""
    now = reactor.seconds()
    last, since = _seen.get(session, (0, now))
    if last != session.last_request_id:
        _seen[session] = (session.last_request_id, now)
        return False
    return bool(now - since > 0.1)
