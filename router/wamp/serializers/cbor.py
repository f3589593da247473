"""
CBOR: ``wamp.2.cbor`` (RFC 8949).

cbor2 decodes the message item by item, and where it stands after each one gives the
slices of args and kwargs. It allocates nothing for lengths that are only declared.

Tags have three classes, and what stands in none of them is transported untouched:

- ``_REFUSED``: shared references, which need the state of a whole document, and what a
  careless reader would execute or compile.
- numbers: a bignum is the integer that it is, if it fits into 64 bit.
- ``_INTERPRETED``: readers turn them into objects, and fail where they cannot. One
  peer must never break another, so the content has to be what cbor2 can read.

A tag says how to read its content; transcoding keeps the content alone.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from itertools import takewhile
from typing import Any, Final

import cbor2
from cbor2 import CBORDecodeError, CBORDecoder, CBORTag
from msgspec import Raw
from msgspec.msgpack import Encoder

from router.wamp.errors import ProtocolViolation
from router.wamp.ids import MAX_ID
from router.wamp.messages import Call, Message, Publish, Wire, Yield
from router.wamp.serializers.base import ELEMENT_DEPTH, OUT_OF_RANGE, SCALARS, TOO_DEEP, Serializer
from router.wamp.serializers.elements import NO_ARRAY, Uncarriable, malformed, read_message
from router.wamp.serializers.transcoding import plain, transcode

_REFUSED: Final = {
    25: "string reference",
    28: "shared value",
    29: "shared reference",
    35: "regular expression",
    36: "MIME message",
    256: "string reference namespace",
}
_INTERPRETED: Final = (0, 1, 4, 5, 30, 37, 52, 54, 100, 260, 261, 1004, 43000)
_SET: Final = 258

_ARRAY: Final = 0x80  # plus the length, up to 23
_INDEFINITE_ARRAY: Final = 0x9F
_BREAK: Final = b"\xff"
_NEGATIVE_64: Final = b"\x3b"  # the head of a negative integer of 8 bytes
_might_be_out_of_range: Final = re.compile(rb"\x3b[\x80-\xff]").search  # one below -2^63

_HOT: Final[dict[int, tuple[Any, tuple[type, ...]]]] = {  # code -> class, types of its head
    Call.CODE: (Call, (int, dict, str)),
    Publish.CODE: (Publish, (int, dict, str)),
    Yield.CODE: (Yield, (int, dict)),
}

_TagDecoder = Callable[[Any, bool], Any]
_check_numbers = Encoder(enc_hook=lambda value: None).encode  # MessagePack refuses what is out of range


def _refuse(tag: int) -> _TagDecoder:
    def refuse(content: Any, immutable: bool) -> Any:
        raise ProtocolViolation(f"CBOR tag {tag} ({_REFUSED[tag]}) is not allowed")

    return refuse


def _interpret(tag: int) -> _TagDecoder:
    def interpret(content: Any, immutable: bool) -> Any:
        try:
            cbor2.loads(cbor2.dumps(CBORTag(tag, content)))
        except (cbor2.CBORError, RecursionError):
            raise Uncarriable(f"CBOR tag {tag} has a content that it cannot have") from None
        return content

    return interpret


def _positive_bignum(content: Any, immutable: bool) -> int:
    if type(content) is not bytes:
        raise ProtocolViolation("CBOR tags 2 and 3 (bignums) must hold a byte string")
    if len(content.lstrip(b"\0")) > 8:
        raise Uncarriable(OUT_OF_RANGE)
    return int.from_bytes(content)


def _negative_bignum(content: Any, immutable: bool) -> int:
    number = -1 - _positive_bignum(content, immutable)
    if number < -(2**63):
        raise Uncarriable(OUT_OF_RANGE)
    return number


def _set(content: Any, immutable: bool) -> Any:
    if type(content) not in (list, tuple):
        raise Uncarriable("CBOR tag 258 (set) must hold an array")
    return content


def _content(content: Any, immutable: bool) -> Any:
    return content


def _unknown_tag(tag: CBORTag, immutable: bool) -> Any:
    return tag.value


_TAGS: Final[dict[int, _TagDecoder]] = {
    **{tag: _refuse(tag) for tag in _REFUSED},
    **{tag: _interpret(tag) for tag in _INTERPRETED},
    2: _positive_bignum,
    3: _negative_bignum,
    _SET: _set,
    55799: _content,  # "this is CBOR"
}
_ANY_CONTENT: Final = dict.fromkeys(_TAGS, _content)


def _reader(data: bytes, start: int, tags: Mapping[int, _TagDecoder]) -> tuple[Callable[[], Any], BytesIO]:
    stream = BytesIO(data)
    stream.seek(start)
    decoder = CBORDecoder(stream, semantic_decoders=tags, tag_hook=_unknown_tag, max_depth=ELEMENT_DEPTH)
    return decoder.decode, stream


def decode(data: bytes) -> Message:
    try:
        message = _decode_hot(data)
    except (CBORDecodeError, IndexError, OverflowError, TypeError):
        message = None
    return _decode_carefully(data) if message is None else message


def _decode_hot(data: bytes) -> Message | None:
    """Decode what clients send all day, written as they all write it; None for anything else."""
    read, stream = _reader(data, 1, _TAGS)
    code = read()
    if type(code) is not int or code not in _HOT:
        return None
    kind, types = _HOT[code]
    head = [read() for _ in types]
    if tuple(map(type, head)) != types or not 0 <= head[0] <= MAX_ID or not _is_plain(head[1]):
        return None
    values, payload = [head[1]], list[Raw]()
    for expected in (list, dict)[: data[0] - _ARRAY - 1 - len(types)]:
        start = stream.tell()
        value = read()
        if type(value) is not expected or (expected is dict and not _has_string_keys(value)):
            return None
        payload.append(Raw(data[start : stream.tell()]))
        values.append(value)
    if data[0] != _ARRAY + 1 + len(types) + len(payload) or stream.tell() != len(data):
        return None
    if _NEGATIVE_64 in data and _might_be_out_of_range(data):
        _check_numbers(values)
    message: Message = kind(*head, *payload)
    return message


def _is_plain(options: dict[Any, Any]) -> bool:
    return not options or (_has_string_keys(options) and SCALARS.issuperset(map(type, options.values())))


def _has_string_keys(value: Iterable[Any]) -> bool:
    return all(type(key) is str for key in value)


def _decode_carefully(data: bytes) -> Message:
    try:
        elements = _split(data)
    except CBORDecodeError as error:
        raise _malformed(error) from None
    return read_message(elements, _parse, plain)


def _split(data: bytes) -> list[Raw]:
    """Give the elements of the message's array; tags are looked at later."""
    length, start = _array_head(data)
    read, stream = _reader(data, start, _ANY_CONTENT)
    elements: list[Raw] = []
    while len(elements) < length if length is not None else not _is_break(data, start):
        read()
        elements.append(Raw(data[start : stream.tell()]))
        start = stream.tell()
    if start + (length is None) != len(data):
        raise ProtocolViolation("not valid CBOR: trailing bytes after the message")
    return elements


def _array_head(data: bytes) -> tuple[int | None, int]:
    """Give the number of elements, None for an array of indefinite length, and where they start."""
    head = data[0] if data else 0
    if _ARRAY <= head < _ARRAY + 24:
        return head - _ARRAY, 1
    if head == _INDEFINITE_ARRAY:
        return None, 1
    if _ARRAY + 24 <= head < _ARRAY + 28:
        start = 1 + (1 << (head - _ARRAY - 24))
        return int.from_bytes(data[1:start]), start
    raise ProtocolViolation(NO_ARRAY)


def _is_break(data: bytes, position: int) -> bool:
    return data[position : position + 1] == _BREAK


def _parse(element: Raw) -> Any:
    data = bytes(element)
    try:
        value = _reader(data, 0, _TAGS)[0]()
        if _might_be_out_of_range(data):
            _check_numbers(plain(value))
    except CBORDecodeError as error:
        raise _malformed(error) from None
    except OverflowError:
        raise Uncarriable(OUT_OF_RANGE) from None
    return None if value is cbor2.undefined else value


def _malformed(error: CBORDecodeError) -> Exception:
    if isinstance(error.__cause__, (ProtocolViolation, Uncarriable)):  # from one of the tag decoders
        return error.__cause__
    return ProtocolViolation(TOO_DEEP) if "nesting depth" in str(error) else malformed("CBOR", error)


def load(raw: Raw) -> Any:
    return plain(_reader(bytes(raw), 0, _TAGS)[0]())


def dump(value: Any) -> Raw:
    return Raw(cbor2.dumps(value))


def encode(message: Message, origin: Serializer | None = None) -> bytes:
    if origin is CBOR or origin is None:
        return _join(message.wire())
    return _join(transcode(message, origin, dump))


def _join(wire: Wire | Message) -> bytes:
    """Write an array of up to 23 elements, the payloads that are CBOR already as they are."""
    if isinstance(wire, Message):
        wire = wire.wire()
    head = list(takewhile(lambda element: type(element) is not Raw, wire))
    payload = [bytes(item) if type(item) is Raw else cbor2.dumps(item) for item in wire[len(head) :]]
    return b"".join((bytes((_ARRAY + len(wire),)), cbor2.dumps(head)[1:], *payload))


CBOR: Final = Serializer(
    name="cbor",
    is_binary=True,
    rawsocket_id=3,
    decode=decode,
    encode=encode,
    encode_wire=_join,
    load=load,
    dump=dump,
    plain=plain,
)
