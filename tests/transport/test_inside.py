"""Clients inside the process: they are peers like any other, are told their end once, and are bounded."""

import json
from typing import Any

from msgspec import Raw
from node_bench import OPEN, Bench
from pytest_twisted import ensureDeferred as asynchronous
from wamp_client import connect, until

from router.routing.handshake import Peer
from router.transport.inside import Credential, InsideConnection

PEER = Peer(address="inside", host="", transport="http", listener="ws", message_limit_bytes=2**62)


class Recorder:
    """A client that notes what it is told: "joined", wire arrays, ("ended", reason, text)."""

    def __init__(self, node: Any, write: Any = None) -> None:
        self.told: list[Any] = []
        self.fails = False
        directory, turn, counters = node.directory, node.turn, node.counters
        self.connection = InsideConnection(self, PEER, directory, turn, counters, write)

    def joined(self) -> None:
        self.told.append("joined")

    def received(self, code: int, fields: list[Raw]) -> None:
        if self.fails:
            raise RuntimeError("a defect of the client")
        self.told.append([json.loads(bytes(field)) for field in fields])

    def ended(self, reason: str, text: str) -> None:
        self.told.append(("ended", reason, text))


async def joined(node: Any, write: Any = None, **credential: Any) -> Recorder:
    recorder = Recorder(node, write)
    recorder.connection.join("realm1", Credential(**credential))
    await until(lambda: recorder.told)
    return recorder


@asynchronous
async def test_joins_asks_and_leaves(bench: Bench) -> None:
    node = bench.node()
    recorder = await joined(node)
    assert recorder.told == ["joined"]
    recorder.connection.send([48, 1, {}, "wamp.session.count", Raw(b"[]")])
    await until(lambda: len(recorder.told) == 2)
    assert recorder.told[1] == [50, 1, {}, [1]]
    recorder.connection.leave()
    recorder.connection.leave()
    assert recorder.told[2:] == [("ended", "wamp.close.normal", "")]
    assert node.directory.realms["realm1"].sessions == {}


@asynchronous
async def test_answers_a_challenge(bench: Bench) -> None:
    ticket = {"principals": {"alice": {"role": "anonymous", "secret": "sesame"}}}
    node = bench.node({"realm1": {**OPEN, "authentication": {"ticket": ticket}}})
    good = await joined(node, authmethods=("ticket",), authid="alice", signature="sesame")
    assert good.told == ["joined"]
    bad = await joined(node, authmethods=("ticket",), authid="alice", signature="sesam")
    assert bad.told == [("ended", "wamp.error.authentication_denied", "authentication failed")]
    good.connection.leave()


@asynchronous
async def test_is_told_once_that_the_router_ended_it(bench: Bench) -> None:
    node = bench.node()
    recorder = await joined(node)
    client = await (await connect(node.ports["ws"])).join()
    await client.call("wamp.session.kill_by_authrole", "anonymous")
    await until(lambda: len(recorder.told) == 2)
    assert recorder.told[1] == ("ended", "wamp.close.killed", "")
    recorder.connection.send([48, 1, {}, "wamp.session.count"])
    recorder.connection.expire()
    assert len(recorder.told) == 2
    await client.leave()


@asynchronous
async def test_a_breach_of_the_protocol_ends_it(bench: Bench) -> None:
    node = bench.node()
    recorder = await joined(node)
    recorder.connection.send([48, 0, {}, "wamp.session.count"])
    await until(lambda: len(recorder.told) == 2)
    assert recorder.told[1][1] == "wamp.error.protocol_violation"
    assert "request id 0" in recorder.told[1][2]


@asynchronous
async def test_while_it_is_not_read_from_its_messages_wait(bench: Bench) -> None:
    node = bench.node()
    recorder = await joined(node)
    connection = recorder.connection
    connection.pause_reading()
    for request in (1, 2):
        connection.send([48, request, {}, "wamp.session.count"])
    node.turn.flush()
    assert len(recorder.told) == 1
    connection.resume_reading()
    await until(lambda: len(recorder.told) == 3)
    assert [answer[1] for answer in recorder.told[1:]] == [1, 2]
    connection.pause_reading()
    connection.send([48, 3, {}, "wamp.session.count"])
    connection.leave()
    connection.resume_reading()
    assert len(recorder.told) == 4  # and the end


@asynchronous
async def test_a_defect_of_the_client_ends_it_alone(bench: Bench) -> None:
    node = bench.node()
    recorder, other = await joined(node), await joined(node)
    recorder.fails = True
    for each in (recorder, other):
        each.connection.send([48, 1, {}, "wamp.session.count"])
    await until(lambda: len(other.told) == 2 and len(recorder.told) == 2)
    assert recorder.told[1] == ("ended", "wamp.error.unavailable", "dropped by the router")
    assert recorder.connection.dropped
    assert bench.log.take_failures() == ["RuntimeError('a defect of the client')"]
    other.connection.leave()


@asynchronous
async def test_an_expired_handshake(bench: Bench) -> None:
    node = bench.node()
    recorder = Recorder(node)
    recorder.connection.expire()
    await until(lambda: recorder.told)
    assert recorder.told[0][:2] == ("ended", "wamp.error.timeout")
    assert node.counters["handshake_timeouts"] == 1


class TestSink:
    """What a client makes of its messages goes out in order, and waits while nothing is taken."""

    @asynchronous
    async def test_in_order_with_what_is_said_between(self, bench: Bench) -> None:
        node = bench.node()
        written: list[bytes] = []
        recorder = await joined(node, written.append)
        connection = recorder.connection
        connection.sink.append(b"one ")
        connection.say(b"two ")
        connection.send([48, 1, {}, "wamp.session.count"])
        await until(lambda: len(recorder.told) == 2)
        assert b"".join(written) == b"two one "
        connection.leave()

    @asynchronous
    async def test_what_is_held_goes_out_before_the_end(self, bench: Bench) -> None:
        node = bench.node()
        written: list[bytes] = []
        recorder = await joined(node, written.append)
        connection = recorder.connection
        connection.outbox.pauseProducing()
        connection.sink.append(b"held")
        connection.send([48, 1, {}, "wamp.session.count"])
        await until(lambda: len(recorder.told) == 2)
        connection.say(b"a heartbeat that a full peer does not get")
        assert written == []
        connection.leave()
        assert written == [b"held"]

    @asynchronous
    async def test_a_peer_that_takes_nothing_is_given_up(self, bench: Bench) -> None:
        marks = {"low_water_bytes": 1024, "high_water_bytes": 2048, "limit_bytes": 4096}
        node = bench.node({"realm1": {**OPEN, "slow_consumer": marks}})
        recorder = await joined(node, lambda data: None)
        connection = recorder.connection
        connection.outbox.pauseProducing()
        connection.sink.append(b"x" * 2000)
        connection.send([48, 1, {}, "wamp.session.count"])
        await until(lambda: len(recorder.told) == 2)
        connection.sink.append(b"x" * 3000)
        connection.resume_reading()  # it was paused past the low mark
        connection.send([48, 2, {}, "wamp.session.count"])
        await until(lambda: recorder.told[-1][0] == "ended")
        assert connection.dropped
        assert node.counters["slow_consumers_disconnected"] == 1
