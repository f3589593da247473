"""
Peers that break the rules, against a running node.

Each gets ABORT or a close with the reason; a counter moves and one line is logged; nothing of the
router's inside is told; a witness on the same node still works, and no table keeps anything.
"""

import json
import struct
import zlib
from typing import Any

import cbor2
import pytest
import pytest_twisted
from node_bench import OPEN, RAWSOCKET, WEBSOCKET, Bench
from wamp_client import ROLES, WampClient, connect, dial, soon, until

asynchronous: Any = pytest_twisted.ensureDeferred
VIOLATION = "wamp.error.protocol_violation"
TICKET = {
    **OPEN,
    "authentication": {"ticket": {"principals": {"ann": {"role": "anonymous", "secret": "sesame"}}}},
}


class Scene:
    """A node with a witness; ``settles`` checks what must hold after a hostile peer."""

    def __init__(self, bench: Bench, **settings: Any) -> None:
        transport = {"handshake_timeout_ms": 10_000, **settings}
        websocket = {**WEBSOCKET, "page": "none", **transport}
        self.log = bench.log
        self.node = bench.node(
            {"realm1": OPEN, "secret": TICKET}, transports=[websocket, {**RAWSOCKET, **transport}]
        )
        self.realm = self.node.directory.realms["realm1"]
        self.websocket, self.rawsocket = self.node.ports["ws"], self.node.ports["raw"]
        self.counters = self.node.counters

    async def begin(self) -> "Scene":
        self.witness = await (await connect(self.websocket)).join()
        assert (await self.witness.request(64, {}, "com.witness"))[0] == 65
        return self

    async def settles(self, counter: str, text: str, count: int = 1) -> None:
        """Check what the router noticed, and that nothing but the witness is left."""
        assert self.counters[counter] == count, dict(self.counters)
        (line,) = self.log.lines("warn", "error", "critical")
        assert text in line
        assert self.counters["defects"] == 0
        self.witness.send(48, 2, {}, "com.witness", [1])
        invocation = await self.witness.receive()
        assert invocation[0] == 68
        self.witness.send(70, invocation[1], {}, ["fine"])
        assert await self.witness.receive() == [50, 2, {}, ["fine"]]
        await until(lambda: sum(len(listener.connections) for listener in self.node.listeners) == 1)
        assert list(self.realm.sessions) == [self.witness.session_id]
        held = self.realm.dealer.registrations_by_policy()
        assert [len(held[policy]) for policy in ("exact", "prefix", "wildcard")] == [1, 0, 0]
        assert self.realm.broker.subscription_by_id == {}
        await self.witness.leave()
        await until(lambda: not self.realm.sessions)


async def aborted(client: WampClient, reason: str = VIOLATION) -> str:
    """Wait for ABORT and the close, and give what the peer was told."""
    *_, abort = await client.receive_all()
    code, close_reason = await client.ended
    assert abort[0] == 3, abort
    assert abort[2] == reason
    assert (code, close_reason) == (1000, reason)
    text: str = abort[1]["message"]
    assert "Traceback" not in text
    assert len(text) < 500
    return text


MALFORMED: list[tuple[str, bytes, str]] = [
    ("json", b"", "not valid JSON"),
    ("json", b"{", "must be an array"),
    ("json", b"[48,1,{},", "not valid JSON"),
    ("json", b"nonsense", "not valid JSON"),
    ("json", b'[48,1,{},"com.x"] x', "not valid JSON"),
    ("json", b'[48,1,{},"\\ud800"]', "not valid JSON"),
    ("json", b"null", "must be an array"),
    ("json", b"{}", "must be an array"),
    ("json", b"[]", "must not be an empty array"),
    ("json", b'[48,1,{},"com.x",' + b"[" * 200 + b"]" * 200 + b"]", "must not nest deeper"),
    ("json", b"[" * 100_000, ""),
    ("msgpack", b"", "not valid MessagePack"),
    ("msgpack", b"\xc1", "not valid MessagePack"),
    ("msgpack", b"\x94\x30\x01\x80", "not valid MessagePack"),
    ("msgpack", b"\xdd\xff\xff\xff\xff", "not valid MessagePack"),
    ("msgpack", b"\x94\x30\x01\x80\xa1\xff", "not valid UTF-8"),
    ("msgpack", b"\x94\x30\x01\x80\xc7\x01\x05x", ""),
    ("cbor", b"", "must be an array"),
    ("cbor", b"\xff", "must be an array"),
    ("cbor", b"\x84\x18\x30\x01\xa0", "not valid CBOR"),
    ("cbor", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "CBOR"),
    ("cbor", b"\x84\x18\x30\x01\xa0\x61\xff", ""),
    ("cbor", cbor2.dumps([48, 1, {}, cbor2.CBORTag(28, "com.x")]), ""),
]


@asynchronous
@pytest.mark.parametrize(("serializer", "data", "text"), MALFORMED)
async def test_malformed_messages(bench: Bench, serializer: str, data: bytes, text: str) -> None:
    """Whatever octets: ABORT with the reason, in the peer's own serialization."""
    scene = await Scene(bench).begin()
    client = await (await connect(scene.websocket, serializer)).join()
    client.sendMessage(data, serializer != "json")
    told = await aborted(client)
    assert text in told
    await scene.settles("protocol_violations", told)


WRONG: list[tuple[Any, str]] = [
    (["x"], "the message code must be an integer, not a string"),
    ([1.5], "the message code must be an integer, not a number"),
    ([True], "the message code must be an integer, not a boolean"),
    ([-1], "the message code must be in 0..2^53"),
    ([0], "unknown message code 0"),
    ([7], "unknown message code 7"),
    ([71], "unknown message code 71"),
    ([2**53], f"unknown message code {2**53}"),
    ([48], "expected [CALL, request, options, procedure, args?, kwargs?], got 1 elements"),
    ([48, 1, {}], "expected [CALL, request, options, procedure, args?, kwargs?], got 3 elements"),
    ([48, "1", {}, "com.x"], "CALL.request must be an integer, not a string"),
    ([48, -1, {}, "com.x"], "CALL.request must be in 0..2^53"),
    ([48, 2**53 + 1, {}, "com.x"], "CALL.request must be in 0..2^53"),
    ([48, 1, [], "com.x"], "CALL.options must be a map, not an array"),
    ([48, 1, None, "com.x"], "CALL.options must be a map, not null"),
    ([48, 1, {}, 7], "CALL.procedure must be a string, not an integer"),
    ([48, 1, {}, "com.x", {}], "CALL.args must be an array, not a map"),
    ([48, 1, {}, "com.x", [], []], "CALL.kwargs must be a map, not an array"),
    ([16, 1, {}, None], "PUBLISH.topic must be a string, not null"),
    ([32, 1, {}, {}], "SUBSCRIBE.topic must be a string, not a map"),
    ([34, 1, "x"], "UNSUBSCRIBE.subscription must be an integer, not a string"),
    ([64, 1, {}, []], "REGISTER.procedure must be a string, not an array"),
    ([70, 1, 5], "YIELD.options must be a map, not an integer"),
    # in the wrong state
    ([1, "realm1", {"roles": ROLES}], "received HELLO while the session was open"),
    ([2, 1, {}], "received WELCOME while the session was open"),
    ([4, "ticket", {}], "received CHALLENGE while the session was open"),
    ([5, "x", {}], "received AUTHENTICATE while the session was open"),
    ([17, 1, 1], "received PUBLISHED while the session was open"),
    ([33, 1, 1], "received SUBSCRIBED while the session was open"),
    ([35, 1], "received UNSUBSCRIBED while the session was open"),
    ([36, 1, 1, {}], "received EVENT while the session was open"),
    ([50, 1, {}], "received RESULT while the session was open"),
    ([65, 1, 1], "received REGISTERED while the session was open"),
    ([67, 1], "received UNREGISTERED while the session was open"),
    ([68, 1, 1, {}], "received INVOCATION while the session was open"),
    ([69, 1, {}], "received INTERRUPT while the session was open"),
    # that answer or repeat what never was
    ([8, 48, 1, {}, "com.error"], "received ERROR for a request of type 48"),
    ([8, 68, 1, {}, "com.error"], "no INVOCATION 1 was sent"),
    ([70, 1, {}], "no INVOCATION 1 was sent"),
    ([48, 0, {}, "com.x"], "request id 0: ids begin with 1"),
]


@asynchronous
@pytest.mark.parametrize(("wire", "text"), WRONG)
async def test_messages_that_no_client_may_send(bench: Bench, wire: Any, text: str) -> None:
    """Of the wrong type, unknown, in the wrong state: the text names the message and the element."""
    scene = await Scene(bench).begin()
    client = await (await connect(scene.websocket)).join()
    client.send(*wire)
    assert text in await aborted(client)
    await scene.settles("protocol_violations", text)


@asynchronous
@pytest.mark.parametrize("serializer", ["msgpack", "cbor"])
async def test_the_other_serializers_are_as_strict(bench: Bench, serializer: str) -> None:
    scene = await Scene(bench).begin()
    for wire, text in ((["x"], "the message code"), ([48, 1, {}, 7], "CALL.procedure"), ([99], "unknown")):
        client = await (await connect(scene.websocket, serializer)).join()
        client.send(*wire)
        assert text in await aborted(client)
        scene.log.events.pop()
    assert scene.counters["protocol_violations"] == 3
    await scene.witness.leave()


EARLY: list[Any] = [
    [5, "x", {}],
    [6, {}, "wamp.close.normal"],
    [8, 68, 1, {}, "com.error"],
    [16, 1, {}, "com.x"],
    [32, 1, {}, "com.x"],
    [34, 1, 1],
    [48, 1, {}, "com.x"],
    [49, 1, {}],
    [64, 1, {}, "com.x"],
    [66, 1, 1],
    [70, 1, {}],
    [2, 1, {}],
]


@asynchronous
@pytest.mark.parametrize("wire", EARLY)
async def test_messages_before_hello(bench: Bench, wire: Any) -> None:
    """AUTHENTICATE without CHALLENGE and GOODBYE without a session among them."""
    scene = await Scene(bench).begin()
    client = await connect(scene.websocket)
    client.send(*wire)
    text = await aborted(client)
    assert text.endswith("before a session was open")
    await scene.settles("protocol_violations", text)


@asynchronous
@pytest.mark.parametrize("wire", [[1, "secret", {"roles": ROLES}], [48, 1, {}, "com.x"], [6, {}, "x.y"]])
async def test_messages_instead_of_authenticate(bench: Bench, wire: Any) -> None:
    scene = await Scene(bench).begin()
    client = await connect(scene.websocket)
    client.send(1, "secret", {"roles": ROLES, "authmethods": ["ticket"], "authid": "ann"})
    assert (await client.receive())[0] == 4
    client.send(*wire)
    text = await aborted(client)
    assert text.endswith("while AUTHENTICATE was awaited")
    await scene.settles("protocol_violations", text)


@asynchronous
async def test_a_second_guess_needs_a_second_connection(bench: Bench) -> None:
    """Whatever comes together with a wrong AUTHENTICATE is not looked at."""
    scene = await Scene(bench).begin()
    client = await connect(scene.websocket)
    client.send(1, "secret", {"roles": ROLES, "authmethods": ["ticket"], "authid": "ann"})
    assert (await client.receive())[0] == 4
    client.send(5, "wrong", {})
    client.send(5, "sesame", {})
    assert await aborted(client, "wamp.error.authentication_denied") == "authentication failed"
    await scene.settles("refused_joins", "ticket: wrong ticket for 'ann'")


@asynchronous
async def test_nothing_is_routed_after_the_violation(bench: Bench) -> None:
    """What stands behind it in the same read is dropped."""
    scene = await Scene(bench).begin()
    client = await (await connect(scene.websocket)).join()
    for wire in ([99], [64, 1, {}, "com.late"], [48, 2, {}, "com.witness"]):
        client.send(*wire)
    await aborted(client)
    assert list(scene.witness.inbox.pending) == []
    await scene.settles("protocol_violations", "unknown message code 99")


@asynchronous
async def test_a_value_that_nobody_else_could_carry_fails_the_request_alone(bench: Bench) -> None:
    """ERROR ``invalid_argument``; the session lives on."""
    scene = await Scene(bench).begin()
    client = await (await connect(scene.websocket)).join()
    for request_id, value in enumerate(("1e999", "1" * 400, "-9223372036854775809"), start=1):
        client.sendMessage(f'[48,{request_id},{{}},"com.witness",[{value}]]'.encode())
        answer = await client.receive()
        assert answer[:5] == [8, 48, request_id, {}, "wamp.error.invalid_argument"]
    assert scene.counters["payloads_refused"] == 3
    client.requests = 3
    assert await client.call("wamp.session.count") == 2
    await client.leave()
    await scene.witness.leave()


def frame(
    payload: bytes, first: int = 0x81, mask: bytes | None = b"\0\0\0\0", length: int | None = None
) -> bytes:
    """Make a WebSocket frame octet by octet; a mask of zeros leaves the payload as it is."""
    length = len(payload) if length is None else length
    flag = 0x80 if mask is not None else 0
    if length < 126:
        head = struct.pack(">BB", first, flag | length)
    elif length < 65536:
        head = struct.pack(">BBH", first, flag | 126, length)
    else:
        head = struct.pack(">BBQ", first, flag | 127, length)
    return head + (mask or b"") + payload


CALL = b'[48,1,{},"com.x"]'


@asynchronous
@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (frame(CALL, mask=None), 1002),  # not masked
        (frame(b"x" * 300, mask=None), 1002),
        (frame(CALL, 0x83), 1002),  # reserved opcode
        (frame(CALL, 0xC1), 1002),  # reserved bit without an extension
        (frame(CALL, 0x80), 1002),  # continues nothing
        (frame(CALL, 0x01) + frame(CALL), 1002),  # a new message inside a fragmented one
        (frame(b"x" * 126, 0x89), 1002),  # a ping too long
        (frame(b"", 0x09), 1002),  # a fragmented ping
        (frame(b"x", 0x88), 1002),  # a close with half a code
        (frame(b"\xff\xfe"), 1007),  # no UTF-8
        (frame(b'[48,1,{},"\xed\xa0\x80"]'), 1007),  # a surrogate
        (frame(b"[48,\xc3", 0x01) + frame(b"(,1]", 0x80), 1007),  # no UTF-8 across fragments
    ],
)
async def test_violations_of_the_websocket_protocol(bench: Bench, octets: bytes, code: int) -> None:
    """RFC 6455: the close code says what; the session goes, with a counter and a line in the log."""
    scene = await Scene(bench).begin()
    client = await (await connect(scene.websocket)).join()
    client.transport.write(octets)
    assert await client.receive_all() == []
    assert (await client.ended)[0] == code
    await scene.settles("protocol_violations", client.welcome[2]["authid"])


@asynchronous
@pytest.mark.parametrize("broken", [frame(CALL, mask=None), frame(b"\xff"), frame(b"", length=2**40)])
async def test_nothing_is_routed_after_a_violation_of_the_websocket_protocol(
    bench: Bench, broken: bytes
) -> None:
    """Neither in the same read nor while the close handshake goes on; the session's own things are taken."""
    scene = await Scene(bench).begin()
    client = await (await connect(scene.websocket)).join()
    client.sendCloseFrame = lambda **_: None  # it answers no close, and goes on talking
    client.dataReceived = lambda data: None
    client.transport.write(broken + frame(b'[48,1,{},"com.witness"]'))
    await until(lambda: scene.counters["protocol_violations"] + scene.counters["oversized_incoming"])
    client.transport.write(frame(b'[48,2,{},"com.witness"]') * 3)
    await soon(client.ended)
    await until(lambda: len(scene.realm.sessions) == 1)
    assert scene.counters["defects"] == 0
    assert list(scene.witness.inbox.pending) == []
    await scene.witness.leave()


@asynchronous
async def test_a_text_message_where_binary_ones_were_agreed_on(bench: Bench) -> None:
    for serializer, is_binary in (("json", True), ("cbor", False)):
        scene = await Scene(bench).begin()
        client = await (await connect(scene.websocket, serializer)).join()
        client.sendMessage(b"[]", is_binary)
        text = await aborted(client)
        assert (
            text
            == f"wamp.2.{serializer} takes WebSocket messages of type {'text' if is_binary else 'binary'}"
        )
        await scene.settles("protocol_violations", text)
        scene.log.events.clear()


class TestSize:
    LIMIT = {"message_limit_bytes": 4096}
    TEXT = "message of 5000 bytes is larger than message_limit_bytes = 4096"

    @asynchronous
    @pytest.mark.parametrize(
        "octets",
        [
            frame(b"x" * 5000),
            frame(b"", length=5000),  # announced, and never sent
            frame(b"x" * 2500, 0x01) + frame(b"x" * 2500, 0x80),
            frame(b"x" * 3000, 0x01) + frame(b"x", 0x00) * 1000 + frame(b"x" * 1000, 0x80),
        ],
        ids=["whole", "announced", "two fragments", "many fragments"],
    )
    async def test_of_a_websocket_message(self, bench: Bench, octets: bytes) -> None:
        """Close code 1009, with the limit in the reason, before the message is there."""
        scene = await Scene(bench, **self.LIMIT).begin()
        client = await (await connect(scene.websocket)).join()
        assert client.welcome[2]["_limits"] == {"message_bytes": 4096}
        client.transport.write(octets)
        code, reason = await client.ended
        assert code == 1009
        assert reason.endswith("bytes is larger than message_limit_bytes = 4096")
        await scene.settles("oversized_incoming", "is larger than message_limit_bytes = 4096")

    @asynchronous
    async def test_a_length_that_nobody_means(self, bench: Bench) -> None:
        scene = await Scene(bench, **self.LIMIT).begin()
        client = await (await connect(scene.websocket)).join()
        client.transport.write(frame(b"x" * 100, length=2**62))
        code, reason = await client.ended
        assert (code, reason) == (1009, f"message of {2**62} bytes is larger than message_limit_bytes = 4096")
        await scene.settles("oversized_incoming", "message_limit_bytes = 4096")

    @asynchronous
    async def test_of_a_rawsocket_message(self, bench: Bench) -> None:
        """ABORT with ``payload_size_exceeded``; the text names the limit."""
        scene = await Scene(bench, **self.LIMIT).begin()
        dialog = await dial(scene.rawsocket, b"\x7f\xf1\0\0")
        await dialog.until(b"\x7f")
        hello = json.dumps([1, "realm1", {"roles": ROLES}]).encode()
        dialog.send(len(hello).to_bytes(4, "big") + hello)
        await dialog.until(b"[2,")
        dialog.send((5000).to_bytes(4, "big") + b"x" * 5000)
        told = (await dialog.rest()).rpartition(b"[3,")[2]
        assert told.endswith(b'"wamp.error.payload_size_exceeded"]')
        assert self.TEXT.encode() in told
        await scene.settles("oversized_incoming", self.TEXT)

    @asynchronous
    async def test_a_message_that_swells_when_it_is_decompressed(self, bench: Bench) -> None:
        """The limit is one of the message, and not of what crosses the wire."""
        scene = await Scene(bench, **self.LIMIT).begin()
        request = (
            "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: wamp.2.json\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        )
        dialog = await dial(scene.websocket, request.encode())
        assert b"permessage-deflate" in await dialog.until(b"\r\n\r\n")
        packer = zlib.compressobj(wbits=-15)
        packed = packer.compress(b" " * 3_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)
        assert len(packed) < 4096
        dialog.send(frame(packed[:-4], 0xC1))
        received = await dialog.rest()
        assert b"\x03\xf1message is larger than message_limit_bytes = 4096" in received  # 1009
        await scene.settles("oversized_incoming", "message_limit_bytes = 4096")


class TestSilence:
    """Half-open connections: whoever opens no session in time has to go."""

    SOON = {"handshake_timeout_ms": 300}

    @asynchronous
    @pytest.mark.parametrize(
        ("port", "octets"),
        [
            ("websocket", b""),
            ("websocket", b"GET /ws HTTP/1.1\r\nHost:"),
            ("rawsocket", b""),
            ("rawsocket", b"\x7f"),
        ],
    )
    async def test_without_a_handshake(self, bench: Bench, port: str, octets: bytes) -> None:
        scene = Scene(bench, **self.SOON)
        dialog = await dial(getattr(scene, port), octets)
        assert await dialog.rest() == b""
        assert scene.counters["handshake_timeouts"] == 1
        await until(lambda: not any(listener.connections for listener in scene.node.listeners))

    @asynchronous
    @pytest.mark.parametrize("hello", [None, {"authmethods": ["ticket"], "authid": "ann"}])
    async def test_without_hello_or_authenticate(self, bench: Bench, hello: Any) -> None:
        """ABORT with ``wamp.error.timeout``, although the WebSocket's own pings are answered."""
        scene = await Scene(bench, **self.SOON).begin()
        client = await connect(scene.websocket)
        if hello:
            client.send(1, "secret", {"roles": ROLES, **hello})
        text = await aborted(client, "wamp.error.timeout")
        assert text == "no session was opened within the handshake timeout"
        await scene.settles("handshake_timeouts", text)

    @asynchronous
    async def test_an_open_session_may_be_silent(self, bench: Bench) -> None:
        scene = await Scene(bench, **self.SOON).begin()
        late = await connect(scene.websocket)
        await aborted(late, "wamp.error.timeout")  # it came later than the witness
        await scene.settles("handshake_timeouts", "handshake timeout")


class TestFloods:
    @asynchronous
    async def test_of_connections(self, bench: Bench) -> None:
        """Over ``connections`` new ones are closed; the others stay, and a place that is free is taken."""
        scene = await Scene(bench, connections=4).begin()
        members = [await (await connect(scene.websocket)).join() for _ in range(3)]
        for _ in range(20):
            refused = await dial(scene.websocket)
            assert await refused.rest() == b""
        assert scene.counters["connections_refused"] == 20
        assert len(scene.node.listeners[0].connections) == 4
        assert await members[0].call("wamp.session.count") == 4
        for member in members:
            member.vanish()
        await until(lambda: len(scene.node.listeners[0].connections) == 1)
        await (await (await connect(scene.websocket)).join()).leave()
        await scene.witness.leave()

    @asynchronous
    async def test_of_sessions(self, bench: Bench) -> None:
        node = bench.node({"realm1": {**OPEN, "limits": {"sessions": 2}}})
        members = [await (await connect(node.ports["ws"])).join() for _ in range(2)]
        third = await connect(node.ports["ws"])
        third.send(1, "realm1", {"roles": ROLES})
        text = await aborted(third, "concord.error.limit_exceeded")
        assert text == "the realm has its limit of sessions = 2"
        await members[0].leave()
        await until(lambda: len(node.directory.realms["realm1"].sessions) == 1)
        members[0] = await (await connect(node.ports["ws"])).join()
        for member in members:
            await member.leave()

    @asynchronous
    async def test_of_connections_that_vanish_at_once(self, bench: Bench) -> None:
        scene = await Scene(bench).begin()
        for number in range(150):
            dialog = await dial(
                scene.rawsocket if number % 2 else scene.websocket, b"\x7f\xf1\0\0"[: number % 5]
            )
            dialog.close()
        await until(lambda: sum(len(listener.connections) for listener in scene.node.listeners) == 1)
        assert await scene.witness.call("wamp.session.count") == 1
        assert scene.log.lines("error", "critical") == []
        await scene.witness.leave()
