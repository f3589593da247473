"""
Whatever arrives: a message that every serializer can carry, or one of two errors.

Bytes are drawn at random, as mutations of valid messages, and as valid messages
whose payload holds everything that the serialization can say.
"""

import math
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC
from typing import Any

import cbor2
import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.msgpack import Ext

from router.wamp.errors import PayloadRefused, ProtocolViolation
from router.wamp.messages import MESSAGE_TYPES, Message
from router.wamp.serializers import CBOR, JSON, MSGPACK, SERIALIZERS, Serializer

ALL = list(SERIALIZERS.values())
unhurried = settings(deadline=None)  # a shared machine may stand still at any moment
serializers = st.sampled_from(ALL)


def decoded(serializer: Serializer, data: bytes) -> Message | None:
    """Decode; None where it was refused in one of the two ways that are allowed."""
    try:
        return serializer.decode(data)
    except (ProtocolViolation, PayloadRefused) as refusal:
        assert_clear(refusal)
        return None


def assert_clear(refusal: ProtocolViolation | PayloadRefused) -> None:
    assert 10 < len(refusal.text) < 300
    if isinstance(refusal, PayloadRefused):
        assert getattr(refusal.message, "args", None) is getattr(refusal.message, "kwargs", None) is None


def same(one: Any, other: Any) -> bool:
    """Equality of plain values: NaN equals itself, 1 does not equal 1.0 or True."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(item, other[key]) for key, item in one.items())
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


def assert_carried_by_all(origin: Serializer, message: Message) -> None:
    """Each serializer encodes the message, decodes it again, and nothing but its spelling changed."""
    head = [name for name in message.__struct_fields__ if name not in ("args", "kwargs")]
    for target in ALL:
        data = target.encode(message, origin)
        again = target.decode(data)
        assert type(again) is type(message)
        for name in head:
            value = getattr(message, name)
            assert isinstance(value, dict) or getattr(again, name) == value
        for name in ("args", "kwargs"):
            before, after = getattr(message, name, None), getattr(again, name, None)
            if before is not None:
                assert_same_payload(origin, before, target, after)
        assert target.encode(again, target) == target.encode(target.decode(data), target)


def assert_same_payload(origin: Serializer, before: Raw, target: Serializer, after: Any) -> None:
    if target is origin:
        assert bytes(after) == bytes(before)
    elif target is JSON:  # which cannot say everything, but says again what it said
        assert same(JSON.load(JSON.dump(JSON.load(after))), JSON.load(after))
    else:
        assert same(target.load(after), origin.load(before))


# What can be said


finite = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers(-(2**63), 2**64 - 1)
text = st.text(max_size=8)
binary = st.binary(max_size=8)
common = st.none() | st.booleans() | integers | text | finite
json_values = st.recursive(
    common | binary.map(lambda data: "\0" + b64encode(data).decode()) | text.map("\0".__add__),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
binary_keys = common | binary | st.tuples(integers, text)
timestamps = st.datetimes(timezones=st.just(UTC))


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=4) | st.dictionaries(binary_keys, inner, max_size=4)


msgpack_values = st.recursive(
    common | binary | st.floats() | timestamps | st.builds(Ext, st.integers(-128, 127), binary),
    containers,
    max_leaves=12,
)
tag_numbers = st.integers(0, 300) | st.integers(0, 2**64 - 1) | st.sampled_from([1004, 43000, 55799])
cbor_values = st.recursive(
    common
    | binary
    | st.floats()
    | st.integers()
    | timestamps
    | st.decimals()
    | st.fractions()
    | st.uuids()
    | st.ip_addresses()
    | st.just(cbor2.undefined)
    | st.sampled_from([*range(20), *range(32, 256)]).map(cbor2.CBORSimpleValue),
    lambda inner: containers(inner) | st.builds(cbor2.CBORTag, tag_numbers, inner),
    max_leaves=12,
)


def wires(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Wire arrays of all messages that have a payload."""
    ids, options, uri = st.integers(0, 2**53), st.dictionaries(text, value, max_size=3), text
    payload = st.lists(value, max_size=3), st.dictionaries(text, value, max_size=3)
    heads = [
        st.tuples(st.sampled_from([16, 48]), ids, options, uri),
        st.tuples(st.sampled_from([50, 70]), ids, options),
        st.tuples(st.sampled_from([36, 68]), ids, ids, options),
        st.tuples(st.just(8), ids, ids, options, uri),
        st.tuples(st.just(3), options, uri),
    ]
    whole = [st.tuples(head, st.tuples(*payload[:length])) for head in heads for length in range(3)]
    return st.one_of(whole).map(lambda parts: [*parts[0], *parts[1]])


@unhurried
@given(wires(json_values))
def test_what_json_says_is_carried_by_all(wire: Any) -> None:
    message = decoded(JSON, msgspec.json.encode(wire))
    assert message is not None
    assert_carried_by_all(JSON, message)


@unhurried
@given(wires(msgpack_values))
def test_what_messagepack_says_is_carried_by_all_or_refused(wire: Any) -> None:
    message = decoded(MSGPACK, msgspec.msgpack.encode(wire))
    if message is not None:
        assert_carried_by_all(MSGPACK, message)


@unhurried
@given(wires(cbor_values), st.booleans())
def test_what_cbor_says_is_carried_by_all_or_refused(wire: Any, indefinite: bool) -> None:
    message = decoded(CBOR, cbor2.dumps(wire, indefinite_containers=indefinite))
    if message is not None:
        assert_carried_by_all(CBOR, message)


@unhurried
@given(wires(st.recursive(common | binary, lambda inner: st.lists(inner) | st.dictionaries(text, inner))))
def test_what_all_can_say_is_never_refused(wire: Any) -> None:
    for serializer, data in (
        (MSGPACK, msgspec.msgpack.encode(wire)),
        (CBOR, cbor2.dumps(wire)),
    ):
        assert_carried_by_all(serializer, serializer.decode(data))


# What nobody should say


@unhurried
@given(serializers, st.binary(max_size=64))
def test_random_bytes(serializer: Serializer, data: bytes) -> None:
    message = decoded(serializer, data)
    if message is not None:
        assert_carried_by_all(serializer, message)


WRITERS: dict[Serializer, Callable[[Any], bytes]] = {
    JSON: msgspec.json.encode,
    MSGPACK: msgspec.msgpack.encode,
    CBOR: cbor2.dumps,
}
STARTS = {
    JSON: b'[48,1,{},"a",[',
    MSGPACK: b"\x95\x30\x01\x80\xa1a\x91",
    CBOR: b"\x85\x18\x30\x01\xa0\x61a\x81",
}


@unhurried
@given(serializers, st.binary(max_size=32))
@example(CBOR, b"\xa1\xd9\x01\x02\x80\x01")
@example(CBOR, b"\xd9\x01\x02\x81\xf7")
def test_a_call_with_random_bytes_as_payload(serializer: Serializer, data: bytes) -> None:
    message = decoded(serializer, STARTS[serializer] + data + (b"]]" if serializer is JSON else b""))
    if message is not None:
        assert_carried_by_all(serializer, message)


@unhurried
@given(serializers, wires(json_values), st.data())
def test_mutated_messages(serializer: Serializer, wire: Any, draw: st.DataObject) -> None:
    data = bytearray(WRITERS[serializer](wire))
    for _ in range(draw.draw(st.integers(1, 4))):
        start = draw.draw(st.integers(0, len(data)))
        end = draw.draw(st.integers(start, min(start + 3, len(data))))
        data[start:end] = draw.draw(st.binary(max_size=3))
    message = decoded(serializer, bytes(data))
    if message is not None:
        assert_carried_by_all(serializer, message)


@unhurried
@given(serializers, st.lists(json_values, max_size=7), st.sampled_from([kind.CODE for kind in MESSAGE_TYPES]))
def test_arrays_that_begin_like_a_message(serializer: Serializer, elements: list[Any], code: int) -> None:
    message = decoded(serializer, bytes(serializer.dump([code, *elements])))
    if message is not None:
        assert_carried_by_all(serializer, message)
