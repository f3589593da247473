"""Several WAMP messages in one WebSocket message (WAMP AP 'Message Batching')."""

import json
import zlib
from typing import Any

import msgspec
import pytest
from fake_realm import HELLO
from test_websocket import WebBench, head
from websocket_peer import BINARY, PING, PONG, TEXT, frame, frames, request

from router.routing.outputs import Delivery
from router.transport.batching import BATCH_BYTES, Batching
from router.wamp.errors import ProtocolViolation
from router.wamp.messages import Event
from router.wamp.serializers import CBOR, JSON, MSGPACK

PUBLISHES = [json.dumps([16, n, {}, "com.example.topic"]).encode() for n in (1, 2, 3)]


def joined(messages: list[bytes], separator: bytes = b"\x1e") -> bytes:
    return b"".join(message + separator for message in messages)


def prefixed(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(4, "big") + message for message in messages)


class TestBatching:
    @pytest.mark.parametrize("separator", [b"\x1e", b"\x18"])
    def test_json_is_answered_with_the_separator_that_the_peer_uses(self, separator: bytes) -> None:
        batching = Batching(JSON)
        assert batching.split(joined([b"[1]", b"[2]"], separator)) == [b"[1]", b"[2]"]
        assert list(batching.batches([b"[3]", b"[4]"])) == [joined([b"[3]", b"[4]"], separator)]

    def test_json_begins_with_the_record_separator(self) -> None:
        assert list(Batching(JSON).batches([b"[1]"])) == [b"[1]\x1e"]

    @pytest.mark.parametrize("serializer", [MSGPACK, CBOR])
    def test_binary_serializers_have_lengths(self, serializer: Any) -> None:
        batching = Batching(serializer)
        batch = b"\0\0\0\1a\0\0\1\1" + b"b" * 257
        assert batching.split(batch) == [b"a", b"b" * 257]
        assert list(batching.batches([b"a", b"b" * 257])) == [batch]

    @pytest.mark.parametrize("batch", [b"", b"[1]", b"[1]\x1e[2]"])
    def test_json_that_is_no_batch(self, batch: bytes) -> None:
        with pytest.raises(ProtocolViolation, match="record separator"):
            Batching(JSON).split(batch)

    @pytest.mark.parametrize(
        ("batch", "text"),
        [
            (b"", "must hold a message"),
            (b"\0\0\0", "past its end"),
            (b"\0\0\0\2a", "past its end"),
            (b"\xff\xff\xff\xffa", "past its end"),
            (b"\0\0\0\1a\0\0", "past its end"),
        ],
    )
    def test_binary_that_is_no_batch(self, batch: bytes, text: str) -> None:
        with pytest.raises(ProtocolViolation, match=text):
            Batching(MSGPACK).split(batch)

    def test_long_batches_are_begun_anew_and_one_message_is_always_taken(self) -> None:
        messages = [b"a" * 40_000, b"b" * 40_000, b"c" * (BATCH_BYTES + 1), b"d"]
        batches = list(Batching(MSGPACK).batches(messages))
        assert batches == [prefixed(message) for message in messages]
        assert list(Batching(MSGPACK).batches([])) == []


class TestWebSocket:
    @pytest.mark.parametrize("name", ["json", "msgpack", "cbor"])
    def test_is_offered_for_each_serializer(self, name: str) -> None:
        wire = WebBench().connect(request(protocols=f"wamp.2.{name}.batched"))
        assert head(wire)["sec-websocket-protocol"] == f"wamp.2.{name}.batched"
        assert wire.protocol.connection.serializer.name == name

    def test_the_messages_of_a_batch_are_taken_in_order(self) -> None:
        bench = WebBench()
        wire = bench.open(protocols="wamp.2.json.batched")
        ((opcode, welcome),) = bench.send(wire, frame(joined([HELLO, PUBLISHES[0]])))
        assert opcode == TEXT
        assert json.loads(welcome.removesuffix(b"\x1e")) == [2, 7, {}]
        bench.send(wire, frame(joined(PUBLISHES[1:])))
        assert [message.request for message in bench.realm.taken] == [1, 2, 3]

    def test_one_turn_is_one_batch(self) -> None:
        bench = WebBench()
        wire = bench.open(protocols="wamp.2.msgpack.batched")
        hello = msgspec.msgpack.encode(json.loads(HELLO))
        bench.send(wire, frame(prefixed(hello), BINARY))
        (session,) = bench.entrance.sessions
        bench.turn.deliver([Delivery((session,), Event(1, n, {}, [n])) for n in (5, 6)])
        bench.end_turn()
        ((opcode, batch),) = frames(wire.take())
        events = [msgspec.msgpack.encode([36, 1, n, {}, [n]]) for n in (5, 6)]
        assert (opcode, batch) == (BINARY, prefixed(*events))

    def test_what_came_before_a_broken_batch_counts(self) -> None:
        bench = WebBench()
        wire = bench.open(protocols="wamp.2.json.batched")
        answers = bench.send(wire, frame(joined([HELLO, PUBLISHES[0]])) + frame(PUBLISHES[1]))
        assert [message.request for message in bench.realm.taken] == [1]
        abort = json.loads(answers[0][1].split(b"\x1e")[1])
        assert abort[0] == 3
        assert abort[2] == "wamp.error.protocol_violation"
        assert "record separator" in abort[1]["message"]

    def test_a_ping_keeps_its_place(self) -> None:
        bench = WebBench()
        wire = bench.open(protocols="wamp.2.json.batched")
        found = bench.send(wire, frame(joined([HELLO])) + frame(b"are you there", PING))
        assert [opcode for opcode, _ in found] == [TEXT, PONG]

    def test_fragments_and_compression(self) -> None:
        bench = WebBench()
        wire = bench.open(protocols="wamp.2.json.batched", extensions="permessage-deflate")
        deflate = zlib.compressobj(wbits=-15)
        data = deflate.compress(joined([HELLO, PUBLISHES[0]])) + deflate.flush(zlib.Z_SYNC_FLUSH)
        data = data.removesuffix(b"\0\0\xff\xff")
        pieces = (frame(data[:9], rsv=4, fin=False), frame(data[9:], 0))
        for piece in pieces:
            wire.protocol.dataReceived(piece)
        bench.end_turn()
        answer = wire.take()
        assert answer[0] == 0xC1  # one compressed text message
        inflate = zlib.decompressobj(wbits=-15)
        welcome = inflate.decompress(answer[2:] + b"\0\0\xff\xff")
        assert json.loads(welcome.removesuffix(b"\x1e")) == [2, 7, {}]
        assert len(bench.realm.taken) == 1
