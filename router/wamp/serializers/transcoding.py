"""
The mapping between serializers: what one can say and another cannot (see docs/serializers.md).

Everything meets in the middle, in plain Python values: None, bool, int, float, str,
bytes, list, and dict with scalar keys. Each direction is total: what ``decode``
accepted has a plain form, and what is plain has a form in every serializer.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Raw

from router.wamp.messages import Message, Wire
from router.wamp.serializers.base import SCALARS, Serializer

_PLAIN: Final = SCALARS | {bytes}
_json = msgspec.json.Encoder().encode


def plain(value: Any) -> Any:
    """Give what MessagePack or CBOR decoded as plain values."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list or kind is tuple:
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {_plain_key(key): plain(item) for key, item in value.items()}
    if kind is datetime:
        return value.isoformat()
    return None  # CBOR's undefined and its unassigned simple values


def _plain_key(key: Any) -> Any:
    """A scalar stays; an array or a map as a key becomes its JSON text."""
    key = plain(key)
    return _json(to_json(key)).decode() if isinstance(key, (list, dict)) else key


def to_json(value: Any) -> Any:
    """Give plain values as what JSON can say (WAMP AP 'Binary support in JSON')."""
    kind = type(value)
    if kind is dict:
        return {_json_key(key): to_json(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [to_json(item) for item in value]
    if kind is bytes:
        return "\0" + b64encode(value).decode()
    return value


def _json_key(key: Any) -> str:
    """A string stays; any other scalar becomes its JSON text."""
    if type(key) is str:
        return key
    key = to_json(key)
    return key if type(key) is str else _json(key).decode()


def from_json(value: Any) -> Any:
    """Give what JSON decoded as plain values: binary strings become bytes, but not in keys."""
    kind = type(value)
    if kind is str:
        return _binary(value) if value.startswith("\0") else value
    if kind is list:
        return [from_json(item) for item in value]
    if kind is dict:
        return {key: from_json(item) for key, item in value.items()}
    return value


def _binary(text: str) -> str | bytes:
    try:
        return b64decode(text[1:], validate=True)
    except (Base64Error, ValueError):  # a text that only looks like one: not ASCII, or not Base64
        return text


def transcode(message: Message, origin: Serializer | None, dump: Callable[[Any], Raw]) -> Wire:
    """Give the wire array with each array and map as a payload of another serializer."""
    return [
        dump(_plain_element(element, origin)) if isinstance(element, (Raw, dict, list)) else element
        for element in message.wire()
    ]


def _plain_element(element: Any, origin: Serializer | None) -> Any:
    if origin is None:
        return element
    return origin.load(element) if type(element) is Raw else origin.plain(element)
