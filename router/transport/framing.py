"""
How a WAMP message becomes the bytes that go to one kind of peer.

A channel is a framing together with a serializer. There is one object for each
combination, so that a fan-out encodes and frames an event once per channel and
hands the same bytes to every subscriber on it.
"""

from collections.abc import Callable
from typing import Final

from router.wamp.messages import Message
from router.wamp.serializers import SERIALIZERS, Serializer

Frame = Callable[[Message, Serializer | None], bytes]

# Headers of unmasked, unfragmented frames by payload length: RFC 6455 section 5.2.
_TEXT: Final = [bytes((0x81, n)) for n in range(126)]
_BINARY: Final = [bytes((0x82, n)) for n in range(126)]

# RawSocket: the four octets of a message of exactly 2**24, whose length needs the 25th bit, X
# (WAMP AP 'RawSocket Transport').
_RAWSOCKET_LONGEST: Final = b"\x08\0\0\0"


class Channel:
    """
    ``frame(message, origin)`` gives the bytes for the peers of one framing and serializer.

    ``origin`` is the serializer of the message's raw payload, as in ``Delivery``.
    """

    __slots__ = ("frame", "framing", "serializer")

    def __init__(self, framing: str, serializer: Serializer) -> None:
        self.framing = framing
        self.serializer = serializer
        self.frame = _FRAMINGS[framing](serializer)

    def __repr__(self) -> str:
        return f"<Channel {self.framing}/{self.serializer.name}>"


def _websocket(serializer: Serializer) -> Frame:
    encode, encode_wire = serializer.encode, serializer.encode_wire
    short = _BINARY if serializer.is_binary else _TEXT
    first = short[0][:1]

    def frame(message: Message, origin: Serializer | None = None) -> bytes:
        # Equal serializers are the usual case, and a step less for them (benchmark: calls, window 64).
        if origin is serializer:
            payload = encode_wire(message if message.COMPLETE else message.wire())
        else:
            payload = encode(message, origin)
        n = len(payload)
        if n < 126:
            return short[n] + payload
        if n < 65536:
            return b"%b\x7e%b%b" % (first, n.to_bytes(2, "big"), payload)
        return b"%b\x7f%b%b" % (first, n.to_bytes(8, "big"), payload)

    return frame


def _rawsocket(serializer: Serializer) -> Frame:
    encode = serializer.encode

    def frame(message: Message, origin: Serializer | None = None) -> bytes:
        payload = encode(message, origin)
        n = len(payload)
        # Longer ones have no prefix at all: no peer takes them, and the outbox refuses them by their size.
        return (n.to_bytes(4, "big") if n < 2**24 else _RAWSOCKET_LONGEST) + payload

    return frame


def _unframed(serializer: Serializer) -> Frame:
    encode = serializer.encode

    def frame(message: Message, origin: Serializer | None = None) -> bytes:
        return encode(message, origin)

    return frame


# "message": whoever writes the bytes frames them itself (a compressed WebSocket, a component in the process).
_FRAMINGS: Final = {"websocket": _websocket, "rawsocket": _rawsocket, "message": _unframed}

# (framing, serializer name) -> Channel
CHANNELS: Final = {
    (framing, name): Channel(framing, serializer)
    for framing in _FRAMINGS
    for name, serializer in SERIALIZERS.items()
}
