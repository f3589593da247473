"""
What a serializer is, and the bounds that every payload keeps.

A serializer is a value that bundles four functions; each of its modules builds
one instance. The functions are plain functions with module-level names, because
they are the hot path: a method that looks up ``self`` would be measurably slower.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from operator import or_
from typing import Annotated, Any, Final, Protocol

from msgspec import Meta, Raw

from router.wamp.messages import (
    MESSAGE_TYPES,
    Message,
    Published,
    Registered,
    Subscribed,
    Unregister,
    Unsubscribe,
    Wire,
)

MAX_DEPTH: Final = 100  # arrays and maps inside each other, the message itself counted
ELEMENT_DEPTH: Final = MAX_DEPTH - 1

TOO_DEEP: Final = f"arrays and maps must not nest deeper than {MAX_DEPTH}"
OUT_OF_RANGE: Final = "integers must be in -2^63..2^64-1, and other numbers in the range of a double"

# Nothing but numbers: no payload, no options, nothing that may be absent.
BARE: Final = frozenset({Published, Subscribed, Unsubscribe, Registered, Unregister})

ANY_MESSAGE: Final[Any] = reduce(or_, MESSAGE_TYPES)  # what msgspec decodes: the tagged union

_Int = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


def _usual(depth: int) -> Any:
    """Build the type of values with up to ``depth`` arrays and maps inside each other."""
    usual: Any = str | _Int | float | bool | None
    for _ in range(depth):
        usual = str | _Int | float | bool | None | list[usual] | dict[str, usual]
    return usual


# What nearly every payload is: decoding to this type checks numbers and depth on the way, at no
# cost over decoding to any type (benchmark: calls, window 64; two calls less for each message).
# msgspec's own tree for it doubles with each level, so the depth is small.
USUAL: Final[Any] = _usual(6)

SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_CONTAINERS: Final = frozenset({list, dict, tuple})  # a tuple is an array that is a map's key


class Encode(Protocol):
    """The type of ``Serializer.encode``."""

    def __call__(self, message: Message, origin: "Serializer | None" = None) -> bytes: ...


@dataclass(frozen=True, slots=True, eq=False)
class Serializer:
    """
    One WAMP serialization (WAMP BP 'Serializers').

    - ``decode(data)``: the message, with args and kwargs as ``msgspec.Raw`` or None.
      Raises: ``ProtocolViolation`` where ``data`` is no message; ``PayloadRefused``
      where its payload holds what no other serializer could carry.
    - ``encode(message, origin)``: the bytes to send. ``origin`` is the serializer that
      decoded the message's payload and options; None for plain Python values.
    - ``encode_wire(wire)``: the same for the wire array of a message, or for a ``COMPLETE``
      message, whose payload, if it is raw, is of this serializer.
    - ``load(raw)``: a payload that ``decode`` accepted, as plain Python values:
      None, bool, int (64 bit), float, str, bytes, list and dict.
    - ``dump(value)``: plain Python values as a payload of this serializer.
    - ``plain(value)``: options or details that ``decode`` gave, as plain Python values.

    What was accepted can be transcoded: ``other.dump(this.load(raw))`` never fails.
    """

    name: str
    is_binary: bool  # WebSocket frame type
    rawsocket_id: int  # WAMP AP 'RawSocket Transport', handshake
    decode: Callable[[bytes], Message]
    encode: Encode
    encode_wire: Callable[[Wire | Message], bytes]
    load: Callable[[Raw], Any]
    dump: Callable[[Any], Raw]
    plain: Callable[[Any], Any]

    @property
    def subprotocol(self) -> str:
        """The WebSocket subprotocol, ``wamp.2.json`` for instance."""
        return f"wamp.2.{self.name}"

    def __repr__(self) -> str:
        return f"<Serializer {self.name}>"


def nests_deeper(value: Any, limit: int = ELEMENT_DEPTH, *, keys: bool = False) -> bool:
    """
    Tell whether more than ``limit`` arrays and maps lie inside each other in ``value``.

    Goes down level by level, which costs less than visiting one container after the
    other. ``keys`` says that the keys of maps may be arrays.
    """
    level = [value] if type(value) in _CONTAINERS else []
    while level and limit:
        limit -= 1
        below = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) in _CONTAINERS
        ]
        if keys:
            maps = [parent for parent in level if type(parent) is dict]
            below += [key for key in chain.from_iterable(maps) if type(key) is tuple]
        level = below
    return bool(level)
