"""
MessagePack: ``wamp.2.msgpack``, version 5.

msgspec decodes the message and leaves args and kwargs as slices, unchecked: it lets
invalid UTF-8 through. So both are decoded once more, which checks them.

Extension types: 0 is null (JavaScript clients write undefined so), -1 is a timestamp,
any other positive one is its bytes; equal serializers forward all of them untouched.
The other negative ones are reserved, and readers fail on them.
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
    SCALARS,
    TOO_DEEP,
    Serializer,
    nests_deeper,
)
from router.wamp.serializers.elements import NO_ARRAY, Uncarriable, malformed, read_message
from router.wamp.serializers.transcoding import plain, transcode


def _extension(code: int, data: memoryview) -> bytes | None:
    if code < 0:
        raise Uncarriable(f"MessagePack extension type {code} is reserved")
    return None if code == 0 else bytes(data)


_SHALLOW_BYTES: Final = MAX_DEPTH  # a level takes one byte, so a shorter message cannot be too deep

_decode_message = msgspec.msgpack.Decoder(ANY_MESSAGE, ext_hook=_extension).decode
_decode_elements = msgspec.msgpack.Decoder(list[Raw]).decode
_decode_list = msgspec.msgpack.Decoder(list, ext_hook=_extension).decode
_decode_map = msgspec.msgpack.Decoder(dict[str, Any], ext_hook=_extension).decode
_decode_any = msgspec.msgpack.Decoder(ext_hook=_extension).decode
_encode = msgspec.msgpack.Encoder().encode


_MALFORMED: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def decode(data: bytes) -> Message:
    try:
        message = _decode_message(data)
        # Only CALL, PUBLISH and YIELD have all these fields; AttributeError sends the others the long way.
        args = message.args
        if args is not None:
            args = _decode_list(args)
        kwargs = message.kwargs
        if kwargs is not None:
            kwargs = _decode_map(kwargs)
        options = message.options
        if len(data) <= _SHALLOW_BYTES or not nests_deeper([args, kwargs, options], MAX_DEPTH, keys=True):
            if options and not SCALARS.issuperset(map(type, options.values())):
                message.options = plain(options)
            checked: Message = message
            return checked
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, AttributeError, Uncarriable):
        pass
    return _decode_carefully(data)


def _decode_carefully(data: bytes) -> Message:
    try:
        elements = _decode_elements(data)
    except msgspec.ValidationError:
        raise ProtocolViolation(NO_ARRAY) from None
    except _MALFORMED as error:
        raise malformed("MessagePack", error) from None
    return read_message(elements, _parse, plain)


def _parse(element: Raw) -> Any:
    try:
        value = _decode_any(element)
    except msgspec.ValidationError as error:
        raise Uncarriable(str(error)) from None  # a timestamp that is none
    except _MALFORMED as error:
        raise malformed("MessagePack", error) from None
    if nests_deeper(value, keys=True):
        raise ProtocolViolation(TOO_DEEP)
    return value


def load(raw: Raw) -> Any:
    return plain(_decode_any(raw))


def dump(value: Any) -> Raw:
    return Raw(_encode(value))


def encode(message: Message, origin: Serializer | None = None) -> bytes:
    if origin is MSGPACK:
        return _encode(message.wire())
    if type(message) in BARE:
        return _encode(message)
    if origin is None:
        return _encode(message.wire())
    return _encode(transcode(message, origin, dump))


MSGPACK: Final = Serializer(
    name="msgpack",
    is_binary=True,
    rawsocket_id=2,
    decode=decode,
    encode=encode,
    encode_wire=_encode,
    load=load,
    dump=dump,
    plain=plain,
)
