"""
JSON: ``wamp.2.json``.

msgspec decodes the message and leaves args and kwargs as slices, unchecked: it lets
invalid UTF-8, bad escapes and any number through. So both are decoded once more, to a
type that also bounds numbers and depth: one call checks all. What is outside that type
and may still be allowed (integers from 2**63 on, deep nesting) is checked step by step.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from router.wamp.errors import ProtocolViolation
from router.wamp.messages import Message
from router.wamp.serializers.base import (
    ANY_MESSAGE,
    BARE,
    MAX_DEPTH,
    OUT_OF_RANGE,
    TOO_DEEP,
    USUAL,
    Serializer,
    nests_deeper,
)
from router.wamp.serializers.elements import NO_ARRAY, Uncarriable, malformed, read_message
from router.wamp.serializers.transcoding import from_json, to_json, transcode

_BINARY_MARK: Final = b"\\u0000"

# A closed level takes two bytes, so a shorter message cannot be too deep.
_SHALLOW_BYTES: Final = 2 * MAX_DEPTH

_decode_message = msgspec.json.Decoder(ANY_MESSAGE).decode
_decode_elements = msgspec.json.Decoder(list[Raw]).decode
_check_list = msgspec.json.Decoder(list[USUAL]).decode
_check_map = msgspec.json.Decoder(dict[str, USUAL]).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_check_numbers = msgspec.msgpack.Encoder().encode


_MALFORMED: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def decode(data: bytes) -> Message:
    try:
        message = _decode_message(data)
        # Only CALL, PUBLISH and YIELD have all these fields; AttributeError sends the others the long way.
        if message.args is not None:
            _check_list(message.args)
        if message.kwargs is not None:
            _check_map(message.kwargs)
        if message.options:
            _check_numbers(message.options)
            if len(data) > _SHALLOW_BYTES and nests_deeper(message.options):
                return _decode_carefully(data)
        return message  # type: ignore[no-any-return]
    except (*_MALFORMED, OverflowError, AttributeError):
        pass
    return _decode_carefully(data)


def _decode_carefully(data: bytes) -> Message:
    try:
        elements = _decode_elements(data)
    except msgspec.ValidationError:
        raise ProtocolViolation(NO_ARRAY) from None
    except _MALFORMED as error:
        raise malformed("JSON", error) from None
    return read_message(elements, _parse, _as_it_is)


def _parse(element: Raw) -> Any:
    try:
        value = _decode_any(element)
        _check_numbers(value)
    except (msgspec.ValidationError, OverflowError):
        raise Uncarriable(OUT_OF_RANGE) from None
    except _MALFORMED as error:
        raise malformed("JSON", error) from None
    if nests_deeper(value):
        raise ProtocolViolation(TOO_DEEP)
    return value


def _as_it_is(value: Any) -> Any:
    return value


def load(raw: Raw) -> Any:
    value = _decode_any(raw)
    return from_json(value) if _BINARY_MARK in bytes(raw) else value


def dump(value: Any) -> Raw:
    return Raw(_encode(to_json(value)))


def encode(message: Message, origin: Serializer | None = None) -> bytes:
    if origin is JSON:
        return _encode(message.wire())
    if type(message) in BARE:
        return _encode(message)
    return _encode(transcode(message, origin, dump))


JSON: Final = Serializer(
    name="json",
    is_binary=False,
    rawsocket_id=1,
    decode=decode,
    encode=encode,
    encode_wire=_encode,
    load=load,
    dump=dump,
    plain=from_json,
)
