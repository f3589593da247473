"""What the fast path takes, Autobahn would have taken just so: the same messages, the same answers."""

import random
from itertools import pairwise
from typing import Any

import pytest
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from fake_realm import Wire
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from websocket_peer import BINARY, CLOSE, PING, PONG, TEXT, frame, frames, request

from router.transport.websocket import FastWebSocket, options_as_class


class Collecting(FastWebSocket):
    """Gathers the messages, whichever way they come."""

    def onOpen(self) -> None:
        self.messages: list[bytes] = []
        self.fast = 0

    def receive_all(self, messages: list[bytes], now: float) -> None:
        self.messages += messages
        self.fast += len(messages)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        assert isBinary is (self.opcode == 0x82)
        self.messages.append(payload)


class BinaryCollecting(Collecting):
    opcode = 0x82


class Plain(Collecting):
    """The same without the fast path."""

    dataReceived = WebSocketServerProtocol.dataReceived


class BinaryPlain(Plain):
    opcode = 0x82


LIMIT = 66_000
LOWER_LIMIT = 60_000


def opened(kind: type[Collecting], limit: int = LIMIT) -> tuple[Any, Wire]:
    """Give a protocol of ``kind`` after its opening handshake, and its wire."""
    factory = WebSocketServerFactory(reactor=Clock(), server="")
    factory.log = kind.log
    factory.setProtocolOptions(
        maxFramePayloadSize=limit, maxMessagePayloadSize=limit, openHandshakeTimeout=0, failByDrop=False
    )
    protocol: Any = options_as_class(kind, factory)()
    protocol.factory = factory
    wire = Wire(protocol)
    protocol.makeConnection(wire)
    protocol.dataReceived(request(protocols=None))
    assert wire.take().startswith(b"HTTP/1.1 101 ")
    return protocol, wire


def outcome(kind: type[Collecting], pieces: list[bytes], limit: int = LIMIT) -> Any:
    """Feed ``pieces``; give the messages, the bytes written, and how the connection stands."""
    protocol, wire = opened(kind, limit)
    for piece in pieces:
        if wire.connected:
            protocol.dataReceived(piece)
    if protocol.closeHandshakeTimeoutCall is not None:
        protocol.closeHandshakeTimeoutCall.cancel()
    return protocol.messages, wire.take(), wire.connected, wire.aborted, protocol.state


def sized(draw: Any) -> bytes:
    size = draw(st.one_of(st.integers(0, 20), st.sampled_from([124, 125, 126, 127, 128, 300, 65535, 65536])))
    piece = draw(st.sampled_from([b"x", "\u00e4".encode(), "\U0001f600".encode(), b"xyz\n"]))
    return bytes((piece * (size // len(piece) + 1))[:size])  # a cut character is invalid UTF-8


KINDS = ["fragments", "unfinished", "ping", "pong", "breach", "other", "close"]


@st.composite
def some_frames(draw: Any, opcode: int) -> bytes:
    """Draw frames of one message, or a control frame, or a breach of the protocol."""
    mask = draw(st.sampled_from([b"\x11\x22\x33\x44", b"\0\0\0\0", b"\xff\0\xff\0"]))
    what = draw(st.sampled_from(["whole"] * 6 + KINDS))
    payload = sized(draw)
    if what == "whole":
        return frame(payload, opcode, mask=mask)
    if what == "fragments":
        middle = frame(b"p", PING) if draw(st.booleans()) else b""
        cut = draw(st.integers(0, len(payload)))
        return (
            frame(payload[:cut], opcode, fin=False, mask=mask) + middle + frame(payload[cut:], 0, mask=mask)
        )
    if what in ("ping", "pong"):
        return frame(payload[:125], PING if what == "ping" else PONG, mask=mask)
    if what == "close":
        return frame(draw(st.sampled_from([b"", b"\x03\xe8", b"\x03\xe8bye", b"\x00\x01", b"x"])), CLOSE)
    if what == "other":
        return frame(payload, draw(st.sampled_from([0, 3, 7, 11, 15])), mask=mask)
    if what == "unfinished":
        return frame(payload, opcode, fin=False, mask=mask)
    return draw(st.sampled_from(list(breaches(opcode).values())))  # type: ignore[no-any-return]


def breaches(opcode: int) -> dict[str, bytes]:
    """Make one frame for each thing that a client may not send."""
    return {
        "unmasked": frame(b"x" * 50, opcode, mask=None),
        "unmasked, longer": frame(b"x" * 300, opcode, mask=None),
        "compressed": frame(b"x", opcode, rsv=4),
        "reserved bit": frame(b"x", opcode, rsv=1),
        "length in 2 instead of 0": frame(b"x" * 50, opcode, length_bytes=2),
        "length in 8 instead of 0": frame(b"x" * 50, opcode, length_bytes=8),
        "length in 8 instead of 2": frame(b"x" * 300, opcode, length_bytes=8),
        "too large": frame(b"x" * (LIMIT + 1), opcode),
        "too large for this client": frame(b"x" * 60_001, opcode),
        "invalid UTF-8": frame(b"ok \xff no", opcode),
        "cut UTF-8": frame(b"x" * 200 + b"\xc3", opcode),
        "fragmented ping": frame(b"x", PING, fin=False),
        "large ping": frame(b"x" * 126, PING),
        "continuation of nothing": frame(b"x", 0),
        "reserved opcode": frame(b"x", 3),
        "message inside a message": frame(b"x", opcode, fin=False) + frame(b"y", opcode),
    }


@pytest.mark.parametrize("name", list(breaches(TEXT)))
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4, 5, 7, 8, 9, 20])
def test_each_breach_ends_in_the_same_way(name: str, opcode: int, cut: int) -> None:
    """Alone in its read, behind a message, and cut ``cut`` octets after its beginning or before its end."""
    fast, plain = (Collecting, Plain) if opcode == TEXT else (BinaryCollecting, BinaryPlain)
    bad, good = breaches(opcode)[name], frame(b"good", opcode)
    for cut_at in (cut, len(bad) - cut):
        for after in (good, b""):
            pieces = [piece for piece in (good + bad[:cut_at], bad[cut_at:] + after, after) if piece]
            assert outcome(fast, pieces, LOWER_LIMIT) == outcome(plain, pieces, LOWER_LIMIT)


@given(
    binary=st.booleans(),
    limit=st.sampled_from([LIMIT, LOWER_LIMIT]),
    data=st.data(),
    count=st.integers(1, 8),
    cuts=st.lists(st.one_of(st.integers(0, 400), st.integers(0, 140_000)), max_size=12),
)
@settings(deadline=None, max_examples=400)
def test_the_fast_path_changes_nothing_that_can_be_seen(
    binary: bool, limit: int, data: Any, count: int, cuts: list[int]
) -> None:
    """Equal messages, equal bytes in answer, an equal end, wherever the stream is cut."""
    opcode = BINARY if binary else TEXT
    stream = b"".join(data.draw(some_frames(opcode)) for _ in range(count))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges) if a < b]
    fast, plain = (BinaryCollecting, BinaryPlain) if binary else (Collecting, Plain)
    assert outcome(fast, pieces, limit) == outcome(plain, pieces, limit)


@given(st.lists(st.binary(max_size=140), min_size=1, max_size=6), st.integers(1, 40))
@settings(deadline=None, max_examples=60)
@example([b"x" * 65_535, b"y" * 126], 1)
def test_small_pieces(payloads: list[bytes], size: int) -> None:
    stream = b"".join(frame(payload, BINARY, mask=bytes(range(4))) for payload in payloads)
    size = max(size, len(stream) // 500)
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    messages, written, *_ = outcome(BinaryCollecting, pieces)
    assert messages == payloads
    assert written == b""


@pytest.mark.parametrize("payload", [b"", b"x", b"xyz" * 20])
def test_an_unmasked_frame_is_refused_however_short_it_is(payload: bytes) -> None:
    _, written, *_ = outcome(Collecting, [frame(payload, mask=None)])
    assert frames(written) == [(CLOSE, b"\x03\xeaunmasked client-to-server frame")]


@pytest.mark.parametrize("size", range(1, 12))
def test_the_first_octets_of_a_frame(size: int) -> None:
    """Whatever of a header has come, the rest is waited for."""
    for data in (frame(b"x" * 300), frame(b"x" * 20), frame(b"x" * 65_536)):
        messages, written, *_ = outcome(Collecting, [data[:size], data[size:]])
        assert [len(message) for message in messages] == [len(data) - header(data)]
        assert written == b""


def header(data: bytes) -> int:
    """Tell how long the header of the frame ``data`` is, with its mask."""
    return {126: 8, 127: 14}.get(data[1] & 0x7F, 6)


def test_whole_frames_take_the_fast_path() -> None:
    """All of a read, and one that comes in two pieces; so the comparison above compares two things."""
    protocol, _ = opened(Collecting)
    stream = frame(b"one") + frame(b"x" * 126) + frame("\u00e4".encode() * 100) + frame(b"y" * 65535)
    protocol.dataReceived(stream[:-10])
    protocol.dataReceived(stream[-10:] + frame(b"")[:3])
    protocol.dataReceived(frame(b"")[3:])
    assert protocol.fast == len(protocol.messages) == 5
    plain, _ = opened(Plain)
    plain.dataReceived(stream)
    assert plain.fast == 0
    assert len(plain.messages) == 4


def test_a_large_frame_is_never_gathered_twice() -> None:
    """Of a frame of 8 MB, nothing waits in the buffer that a next piece would be appended to."""
    protocol, _ = opened(Collecting)
    protocol.maxMessagePayloadSize = protocol.maxFramePayloadSize = 2**23
    payload = random.Random(7).randbytes(2**22).hex().encode()
    data = frame(payload)
    for start in range(0, len(data), 65536):
        protocol.dataReceived(data[start : start + 65536])
        assert protocol.data == b""
    assert protocol.messages == [payload]
    protocol.dataReceived(frame(b"after"))
    assert protocol.messages[1:] == [b"after"]
