"""
Autobahn's serializers with messages left as the arrays that they are on the wire.

Autobahn's own message classes know a part of the options and details that routers use, and its
session gives arguments to functions by name, where a keyword argument may be called ``options``. A
client that shows whatever comes takes the arrays instead.
"""

from typing import Any

from autobahn.wamp import serializer as codecs
from autobahn.wamp.message import Message

_KINDS = {"json": "JsonSerializer", "msgpack": "MsgPackSerializer", "cbor": "CBORSerializer"}


class Wire(Message):  # type: ignore[misc]  # Autobahn's names are Any here
    """Any WAMP message; ``array`` is what is on the wire."""

    __slots__ = ("array",)

    def __init__(self, array: list[Any]) -> None:
        super().__init__()
        self.array = array

    @staticmethod
    def parse(wmsg: list[Any]) -> "Wire":
        """Take a message that came."""
        return Wire(wmsg)

    def marshal(self) -> list[Any]:
        """Give what is to be sent."""
        return self.array


def serializer(name: str) -> Any:
    """Make the serializer ``name``: json, msgpack or cbor."""
    base = getattr(codecs, _KINDS[name])
    kinds = dict.fromkeys(base.MESSAGE_TYPE_MAP, Wire)
    return type("WireSerializer", (base,), {"MESSAGE_TYPE_MAP": kinds})()
