"""The bytes of a message on each kind of wire (RFC 6455 section 5.2, WAMP AP 'RawSocket Transport')."""

import json

import pytest
from msgspec import Raw

from router.transport.framing import CHANNELS
from router.wamp.messages import Event, Published, Result
from router.wamp.serializers import JSON, MSGPACK, SERIALIZERS

OVERHEAD = len(b'[50,1,{},[""]]')


def result(payload_bytes: int) -> Result:
    """Make a message whose JSON is ``payload_bytes`` long."""
    return Result(1, {}, ["x" * (payload_bytes - OVERHEAD)])


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (20, b"\x81\x14"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\0\0\0\0\0\x01\0\0"),
    ],
)
def test_websocket_lengths_are_minimal(size: int, header: bytes) -> None:
    frame = CHANNELS["websocket", "json"].frame(result(size), None)
    assert frame[: len(header)] == header
    assert len(frame) == len(header) + size
    assert json.loads(frame[len(header) :])[0] == 50


@pytest.mark.parametrize("name", ["msgpack", "cbor"])
@pytest.mark.parametrize(("text", "second"), [("", 0), ("x" * 200, 0x7E), ("x" * 70_000, 0x7F)])
def test_websocket_frames_of_binary_serializers_are_binary(name: str, text: str, second: int) -> None:
    frame = CHANNELS["websocket", name].frame(Result(1, {}, [text]), None)
    assert frame[0] == 0x82
    assert frame[1] == (second or len(frame) - 2)


@pytest.mark.parametrize(
    ("size", "prefix"),
    [(20, b"\0\0\0\x14"), (65536, b"\0\x01\0\0"), (2**24 - 1, b"\0\xff\xff\xff"), (2**24, b"\x08\0\0\0")],
)
def test_rawsocket_prefix(size: int, prefix: bytes) -> None:
    frame = CHANNELS["rawsocket", "json"].frame(result(size), None)
    assert frame[:4] == prefix
    assert len(frame) == 4 + size


def test_unframed_is_the_serialized_message() -> None:
    message = Published(1, 2)
    assert CHANNELS["message", "json"].frame(message, None) == JSON.encode(message)


@pytest.mark.parametrize("framing", ["websocket", "rawsocket", "message"])
@pytest.mark.parametrize("name", list(SERIALIZERS))
@pytest.mark.parametrize("origin", list(SERIALIZERS))
def test_a_payload_of_any_origin_is_carried(framing: str, name: str, origin: str) -> None:
    """The same for the sender's serializer and for the others, which transcode."""
    args: Raw = SERIALIZERS[origin].dump(["a", 1])
    channel = CHANNELS[framing, name]
    frame = channel.frame(Event(1, 2, {}, args), SERIALIZERS[origin])
    header = {"websocket": 2, "rawsocket": 4, "message": 0}[framing]
    event = channel.serializer.decode(frame[header:])
    assert channel.serializer.load(event.args) == ["a", 1]  # type: ignore[attr-defined]


def test_a_channel_tells_what_it_is() -> None:
    channel = CHANNELS["rawsocket", "msgpack"]
    assert repr(channel) == "<Channel rawsocket/msgpack>"
    assert (channel.framing, channel.serializer) == ("rawsocket", MSGPACK)
