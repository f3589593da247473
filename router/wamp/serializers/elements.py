"""
Read a message element by element: slow, lenient where real clients need it, exact in its errors.

The serializers' fast paths accept what is plainly right and leave the rest to
this one: what is wrong, to be told so, and what is unusual but meant well:

- ids that arrive as integral floats (JavaScript clients) become integers;
- null or undefined args and kwargs are absent ones;
- elements after the last one that the message defines are ignored.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Raw
from msgspec.structs import fields

from router.wamp.errors import PayloadRefused, ProtocolViolation
from router.wamp.ids import MAX_ID
from router.wamp.messages import MESSAGE_TYPES, Id, Message
from router.wamp.serializers.base import TOO_DEEP

_TYPE_NAMES: Final = {
    bool: "a boolean",
    bytes: "binary data",
    dict: "a map",
    float: "a number",
    int: "an integer",
    list: "an array",
    str: "a string",
    type(None): "null",
}


NO_ARRAY: Final = "a WAMP message must be an array"


class Uncarriable(Exception):
    """A well-formed value that no other serializer could carry; ``text`` says which."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def malformed(serialization: str, error: Exception) -> ProtocolViolation:
    """Say what is wrong with bytes that a decoder failed on."""
    if isinstance(error, RecursionError):
        return ProtocolViolation(TOO_DEEP)
    if isinstance(error, UnicodeDecodeError):
        return ProtocolViolation("a string is not valid UTF-8")
    return ProtocolViolation(f"not valid {serialization}: {error}")


def _id(value: Any, where: str) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise ProtocolViolation(f"{where} must be an integer, not {_type_name(value)}")
    if not 0 <= value <= MAX_ID:
        raise ProtocolViolation(f"{where} must be in 0..2^53")
    return value


def _string(value: Any, where: str) -> str:
    if type(value) is not str:
        raise ProtocolViolation(f"{where} must be a string, not {_type_name(value)}")
    return value


def _map(value: Any, where: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise ProtocolViolation(f"{where} must be a map, not {_type_name(value)}")
    if not all(type(key) is str for key in value):
        raise ProtocolViolation(f"{where} must have strings as keys")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if type(value) is not list:
        raise ProtocolViolation(f"{where} must be an array, not {_type_name(value)}")
    return value


def _type_name(value: Any) -> str:
    return _TYPE_NAMES.get(type(value), "another type")


_Reader = Callable[[Any, str], Any]
_PAYLOAD: Final[dict[str, _Reader]] = {"args": _list, "kwargs": _map}
_READERS: Final[dict[Any, _Reader]] = {
    int: _id,
    Id: _id,
    str: _string,
}  # a field's type -> its reader; else _map


class _Layout:
    """The elements of one message type: its head, then its payload if it has one."""

    def __init__(self, kind: type[Message]) -> None:
        everything = fields(kind)
        self.build: Callable[..., Message] = kind
        self.name = kind.__name__.upper()
        self.head: list[tuple[str, _Reader]] = [
            (f"{self.name}.{field.name}", _READERS.get(field.type, _map))
            for field in everything
            if field.name not in _PAYLOAD
        ]
        self.payload = [field.name for field in everything if field.name in _PAYLOAD]
        self.required = sum(field.required for field in everything)
        names = [field.name if field.required else f"{field.name}?" for field in everything]
        self.array = f"[{', '.join([self.name, *names])}]"


_LAYOUTS: Final = {kind.CODE: _Layout(kind) for kind in MESSAGE_TYPES}


def read_message(
    elements: Sequence[Raw], parse: Callable[[Raw], Any], plain: Callable[[Any], Any]
) -> Message:
    """
    Make a message of its array's elements.

    ``parse`` gives a checked element as a value, and raises ``ProtocolViolation`` or
    ``Uncarriable``; ``plain`` gives a map of options as the message shall hold it.

    Raises:
        ProtocolViolation: the elements are no WAMP message.
        PayloadRefused: args or kwargs are well-formed but cannot be carried by all serializers.
    """
    if not elements:
        raise ProtocolViolation("a WAMP message must not be an empty array")
    code = _id(_parse_head(elements[0], parse, "the message code"), "the message code")
    layout = _LAYOUTS.get(code)
    if layout is None:
        raise ProtocolViolation(f"unknown message code {code}")
    if len(elements) <= layout.required:
        raise ProtocolViolation(f"expected {layout.array}, got {len(elements)} elements")
    return _read_elements(layout, elements[1:], parse, plain)


def _read_elements(
    layout: _Layout, elements: Sequence[Raw], parse: Callable[[Raw], Any], plain: Callable[[Any], Any]
) -> Message:
    head: list[Any] = []
    for (where, read), element in zip(layout.head, elements, strict=False):
        value = read(_parse_head(element, parse, where), where)
        head.append(plain(value) if read is _map else value)
    message = layout.build(*head)
    for name, element in zip(layout.payload, elements[len(layout.head) :], strict=False):
        where = f"{layout.name}.{name}"
        try:
            value = parse(element)
        except Uncarriable as error:
            raise PayloadRefused(f"{where}: {error.text}", layout.build(*head)) from None
        if value is not None:
            _PAYLOAD[name](value, where)
            setattr(message, name, element)
    return message


def _parse_head(element: Raw, parse: Callable[[Raw], Any], where: str) -> Any:
    try:
        return parse(element)
    except Uncarriable as error:
        raise ProtocolViolation(f"{where}: {error.text}") from None
