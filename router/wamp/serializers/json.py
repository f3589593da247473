"""
JSON: ``wamp.2.json``.

msgspec decodes the message and leaves args and kwargs as slices, unchecked: it lets
invalid UTF-8, bad escapes and any number through. So both are decoded once more,
which checks them, and the result is encoded to MessagePack, which refuses integers
beyond 64 bit in less time than looking at them would take.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from router.wamp.errors import ProtocolViolation
from router.wamp.ids import MAX_ID
from router.wamp.messages import Message
from router.wamp.serializers.base import (
    ANY_MESSAGE,
    BARE,
    MAX_DEPTH,
    OUT_OF_RANGE,
    TOO_DEEP,
    Serializer,
    nests_deeper,
)
from router.wamp.serializers.elements import NO_ARRAY, Uncarriable, malformed, read_message
from router.wamp.serializers.transcoding import from_json, to_json, transcode

# A closed level takes two bytes, so a shorter message cannot be too deep.
_SHALLOW_BYTES: Final = 2 * MAX_DEPTH
_BINARY_MARK: Final = b"\\u0000"

_decode_message = msgspec.json.Decoder(ANY_MESSAGE).decode
_decode_elements = msgspec.json.Decoder(list[Raw]).decode
_decode_list = msgspec.json.Decoder(list).decode
_decode_map = msgspec.json.Decoder(dict).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_check_numbers = msgspec.msgpack.Encoder().encode


_MALFORMED: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def decode(data: bytes) -> Message:
    try:
        message = _decode_message(data)
        # Only CALL, PUBLISH and YIELD have all these fields; AttributeError sends the others the long way.
        args = message.args
        if args is not None:
            args = _decode_list(args)
            _check_numbers(args)
        kwargs = message.kwargs
        if kwargs is not None:
            kwargs = _decode_map(kwargs)
            _check_numbers(kwargs)
        options = message.options
        if options:
            _check_numbers(options)
        if 0 <= message.request <= MAX_ID and (
            len(data) <= _SHALLOW_BYTES or not nests_deeper([args, kwargs, options], MAX_DEPTH)
        ):
            checked: Message = message
            return checked
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
    load=load,
    dump=dump,
    plain=from_json,
)
