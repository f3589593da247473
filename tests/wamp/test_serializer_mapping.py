"""How values go from one serializer to another, and which are refused (docs/serializers.md)."""

import math
from collections.abc import Callable
from typing import Any

import cbor2
import msgspec
import pytest
from cbor2 import CBORTag
from msgspec.msgpack import Ext

from router.wamp.errors import PayloadRefused, ProtocolViolation
from router.wamp.messages import (
    Call,
    Event,
    Message,
    Yield,
)
from router.wamp.serializers import CBOR, JSON, MSGPACK, SERIALIZERS, Serializer

ALL = list(SERIALIZERS.values())
WRITERS: dict[Serializer, Callable[[Any], bytes]] = {
    JSON: msgspec.json.encode,
    MSGPACK: msgspec.msgpack.encode,
    CBOR: cbor2.dumps,
}

each = pytest.mark.parametrize("serializer", ALL, ids=SERIALIZERS)
each_binary = pytest.mark.parametrize("serializer", [MSGPACK, CBOR], ids=["msgpack", "cbor"])


def write(serializer: Serializer, value: Any) -> bytes:
    """Encode ``value`` the way a client would, with no help from the code under test."""
    data: bytes = WRITERS[serializer](value)
    return data


def call(serializer: Serializer, args: Any, options: Any = None) -> bytes:
    return write(serializer, [48, 1, options or {}, "com.proc", args])


def decode_call(serializer: Serializer, *elements: Any) -> Call:
    message = serializer.decode(write(serializer, [48, *elements]))
    assert type(message) is Call
    return message


def transcoded(origin: Serializer, target: Serializer, argument: Any) -> Any:
    """Give what a client of ``target`` reads where one of ``origin`` wrote ``argument``."""
    message = origin.decode(call(origin, [argument]))
    data = target.encode(message, origin)
    if target is JSON:
        return msgspec.json.decode(data)[4][0]
    return (msgspec.msgpack.decode if target is MSGPACK else cbor2.loads)(data)[4][0]


def assert_violation(serializer: Serializer, data: bytes, text: str) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        serializer.decode(data)
    assert text in caught.value.text


def assert_refused(serializer: Serializer, data: bytes, text: str) -> Message:
    with pytest.raises(PayloadRefused) as caught:
        serializer.decode(data)
    assert text in caught.value.text
    return caught.value.message


# payloads that could not be carried by all

OUT_OF_RANGE = "integers must be in -2^63..2^64-1"


@each
@pytest.mark.parametrize("number", [-(2**63), -1, 0, 2**53 + 1, 2**63, 2**64 - 1, -1e308, 5e-324, 0.1])
def test_numbers_in_range_reach_every_serializer(serializer: Serializer, number: float) -> None:
    for target in ALL:
        result = transcoded(serializer, target, number)
        assert (type(result), result) == (type(number), number)


@pytest.mark.parametrize(
    ("serializer", "data"),
    [
        (JSON, b'[48,1,{},"a",[18446744073709551616]]'),
        (JSON, b'[48,1,{},"a",[-9223372036854775809]]'),
        (JSON, b'[48,1,{},"a",[1' + b"0" * 5000 + b"]]"),
        (JSON, b'[48,1,{},"a",[1e999]]'),
        (JSON, b'[48,1,{},"a",[{"a":-1e999}]]'),
        (CBOR, call(CBOR, [2**64])),
        (CBOR, call(CBOR, [-(2**63) - 1])),
        (CBOR, call(CBOR, [-(2**64)])),
        (CBOR, call(CBOR, [-(2**64) - 1])),
        (CBOR, call(CBOR, [CBORTag(3, b"\x80" + bytes(7))])),
        (CBOR, call(CBOR, [{2**70: 1}])),
    ],
    ids=repr,
)
def test_numbers_out_of_range_are_refused(serializer: Serializer, data: bytes) -> None:
    message = assert_refused(serializer, data, "CALL.args: " + OUT_OF_RANGE)
    assert type(message) is Call
    assert (message.request, message.args) == (1, None)


def test_refused_kwargs_are_named_and_leave_no_args_either() -> None:
    message = assert_refused(JSON, b'[70,9,{},[1],{"a":1e999}]', "YIELD.kwargs: " + OUT_OF_RANGE)
    assert message == Yield(9, {})


@pytest.mark.parametrize(
    "bignum",
    [
        CBORTag(2, b"\0" * 9 + b"\x05"),
        CBORTag(2, b"\x05"),
        CBORTag(3, b"\x04"),
        CBORTag(3, b"\x7f" + b"\xff" * 7),
    ],
)
def test_a_bignum_that_fits_is_an_integer(bignum: CBORTag) -> None:
    value = int.from_bytes(bignum.value)
    expected = value if bignum.tag == 2 else -1 - value
    assert [transcoded(CBOR, target, bignum) for target in (JSON, MSGPACK)] == [expected, expected]


def test_a_bignum_holds_bytes() -> None:
    assert_violation(CBOR, call(CBOR, [CBORTag(2, "5")]), "must hold a byte string")


# the mapping: docs/serializers.md


@each_binary
def test_binary_becomes_a_json_string_and_comes_back(serializer: Serializer) -> None:
    data = bytes.fromhex("10e3ff9053075c526f5fc06d4fe37cdb")
    text = "\0EOP/kFMHXFJvX8BtT+N82w=="  # WAMP AP 'Binary support in JSON'
    assert transcoded(serializer, JSON, [data, {"k": b""}]) == [text, {"k": "\0"}]
    assert transcoded(JSON, serializer, [text, {"k": "\0"}]) == [data, {"k": b""}]


@each_binary
@pytest.mark.parametrize("text", ["\0a", "\0ä", "\0no base64!", "a\0YQ==", ""])
def test_a_string_that_only_looks_binary_stays_a_string(serializer: Serializer, text: str) -> None:
    assert transcoded(JSON, serializer, text) == text


def test_binary_keys_stay_strings() -> None:
    assert transcoded(MSGPACK, JSON, {b"a": 1}) == {"\0YQ==": 1}
    assert transcoded(JSON, MSGPACK, {"\0YQ==": "\0YQ=="}) == {"\0YQ==": b"a"}


def test_the_routers_own_binary_becomes_a_json_string() -> None:
    assert JSON.encode(Event(1, 2, {}, [b"a"])) == b'[36,1,2,{},["\\u0000YQ=="]]'


@each_binary
def test_binary_options_and_details_are_mapped_too(serializer: Serializer) -> None:
    message = decode_call(serializer, 1, {"key": b"a", "x": [b"b"]}, "a")
    assert JSON.encode(message, serializer) == b'[48,1,{"key":"\\u0000YQ==","x":["\\u0000Yg=="]},"a"]'
    message = decode_call(JSON, 1, {"key": "\0YQ=="}, "a")
    assert serializer.encode(message, JSON) == write(serializer, [48, 1, {"key": b"a"}, "a"])
    assert JSON.encode(message, JSON) == b'[48,1,{"key":"\\u0000YQ=="},"a"]'


@each_binary
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_has_no_number_for_is_null(serializer: Serializer, number: float) -> None:
    assert transcoded(serializer, JSON, [number, {"k": number}]) == [None, {"k": None}]
    other = CBOR if serializer is MSGPACK else MSGPACK
    assert str(transcoded(serializer, other, number)) == str(number)


@each_binary
def test_keys_become_their_json_text(serializer: Serializer) -> None:
    value = {"s": 0, -5: 2, None: 3, True: 4, 2.5: 5, math.nan: 6, 2**64 - 1: 7}
    expected = {"s": 0, "-5": 2, "null": 6, "true": 4, "2.5": 5, "18446744073709551615": 7}
    assert transcoded(serializer, JSON, value) == expected
    assert transcoded(serializer, JSON, {False: {1: {2: 3}}}) == {"false": {"1": {"2": 3}}}
    other = CBOR if serializer is MSGPACK else MSGPACK
    assert transcoded(serializer, other, {1: {None: 2.5}}) == {1: {None: 2.5}}


@each_binary
def test_of_keys_that_become_equal_the_last_one_counts(serializer: Serializer) -> None:
    assert transcoded(serializer, JSON, {1: "int", "1": "str"}) == {"1": "str"}
    assert transcoded(serializer, JSON, {"1": "str", 1: "int"}) == {"1": "int"}


def test_arrays_and_maps_as_keys_become_their_json_text() -> None:
    array_key = b"\x95\x30\x01\x80\xa1a\x91\x81\x92\x01\xc4\x01a\xc3"
    message = MSGPACK.decode(array_key)
    for target in (JSON, CBOR):
        out = target.decode(target.encode(message, MSGPACK))
        assert isinstance(out, Call)
        assert target.load(out.args) == [{'[1,"\\u0000YQ=="]': True}]
    map_key = b"\x85\x18\x30\x01\xa0\x61a\x81\xa1\xa1\x01\x82\x02\x03\xf5"
    message = CBOR.decode(map_key)
    assert JSON.encode(message, CBOR) == b'[48,1,{},"a",[{"{\\"1\\":[2,3]}":true}]]'
    assert MSGPACK.decode(MSGPACK.encode(message, CBOR))


def test_messagepack_extensions() -> None:
    for target in (JSON, CBOR):
        assert transcoded(MSGPACK, target, Ext(0, b"abc")) is None
    assert transcoded(MSGPACK, CBOR, Ext(7, b"abc")) == b"abc"
    assert transcoded(MSGPACK, JSON, {"k": Ext(127, b"a")}) == {"k": "\0YQ=="}
    assert transcoded(MSGPACK, MSGPACK, Ext(7, b"abc")) == Ext(7, b"abc")


@pytest.mark.parametrize("code", [-2, -128])
def test_reserved_messagepack_extensions_are_refused(code: int) -> None:
    assert_refused(MSGPACK, call(MSGPACK, [Ext(code, b"a")]), f"extension type {code} is reserved")


def test_messagepack_timestamps_become_text() -> None:
    instant = Ext(-1, (1).to_bytes(4))
    for target in (JSON, CBOR):
        assert transcoded(MSGPACK, target, instant) == "1970-01-01T00:00:01+00:00"
        assert transcoded(MSGPACK, target, {"k": {"t": instant}}) == {"k": {"t": "1970-01-01T00:00:01+00:00"}}
    assert_refused(MSGPACK, call(MSGPACK, [Ext(-1, b"abc")]), "timestamp")
    assert_refused(MSGPACK, call(MSGPACK, [Ext(-1, bytes(4) + b"\x7f" * 8)]), "Timestamp is out of range")


def test_cbor_undefined_and_unassigned_simple_values_become_null() -> None:
    for value in (cbor2.undefined, cbor2.CBORSimpleValue(16), cbor2.CBORSimpleValue(255)):
        assert [transcoded(CBOR, target, [value]) for target in (JSON, MSGPACK)] == [[None], [None]]
        assert transcoded(CBOR, CBOR, value) == value


@pytest.mark.parametrize("data", ["f93e00", "fa3fc00000", "fb3ff8000000000000"])
def test_cbor_floats_of_every_width(data: str) -> None:
    message = CBOR.decode(b"\x85\x18\x30\x01\xa0\x61a\x81" + bytes.fromhex(data))
    assert isinstance(message, Call)
    assert CBOR.load(message.args) == [1.5]
    assert JSON.encode(message, CBOR) == b'[48,1,{},"a",[1.5]]'


def test_cbor_items_of_indefinite_length() -> None:
    parts = [
        "9f",
        "1830",
        "01",
        "bf",
        "ff",
        "7f6161ff",
        "9f",
        "5f41014102ff",
        "7f61616162ff",
        "9fff",
        "ff",
        "ff",
    ]
    message = CBOR.decode(bytes.fromhex("".join(parts)))
    assert isinstance(message, Call)
    assert (message.request, message.options, message.procedure) == (1, {}, "a")
    assert CBOR.load(message.args) == [b"\x01\x02", "ab", []]


@pytest.mark.parametrize("head", ["9805", "990005", "9a00000005", "9b0000000000000005"])
def test_cbor_lengths_may_be_written_long(head: str) -> None:
    message = CBOR.decode(bytes.fromhex(head + "1830 01 a0 6161 8107"))
    assert isinstance(message, Call)
    assert CBOR.load(message.args) == [7]


@pytest.mark.parametrize("tag", [25, 28, 29, 35, 36, 256])
def test_cbor_tags_that_share_or_execute_are_violations(tag: int) -> None:
    for content in (0, "a", [1]):
        assert_violation(CBOR, call(CBOR, [CBORTag(tag, content)]), f"CBOR tag {tag} (")
        assert_violation(CBOR, call(CBOR, [], {"x": CBORTag(tag, content)}), f"CBOR tag {tag} (")
        assert_violation(CBOR, call(CBOR, [{"x": CBORTag(99, [CBORTag(tag, content)])}]), f"CBOR tag {tag} (")


TAGGED = [
    (CBORTag(0, "2013-03-21T20:04:00Z"), "2013-03-21T20:04:00Z"),
    (CBORTag(1, 1363896240), 1363896240),
    (CBORTag(1, 1.5), 1.5),
    (CBORTag(4, [-2, 27315]), [-2, 27315]),
    (CBORTag(5, [-1, 3]), [-1, 3]),
    (CBORTag(24, b"\x01"), "\0AQ=="),
    (CBORTag(30, [1, 3]), [1, 3]),
    (CBORTag(32, "http://example.com"), "http://example.com"),
    (CBORTag(37, b"a" * 16), "\0YWFhYWFhYWFhYWFhYWFhYQ=="),
    (CBORTag(52, b"\x7f\0\0\1"), "\0fwAAAQ=="),
    (CBORTag(54, b"\0" * 16), "\0" + "A" * 22 + "=="),
    (CBORTag(100, 1), 1),
    (CBORTag(258, [1, "a", [2]]), [1, "a", [2]]),
    (CBORTag(260, b"\x7f\0\0\1"), "\0fwAAAQ=="),
    (CBORTag(261, {b"\0\0\0\0": 24}), {"\0AAAAAA==": 24}),
    (CBORTag(1004, "2013-03-21"), "2013-03-21"),
    (CBORTag(43000, [1, 2]), [1, 2]),
    (CBORTag(55799, [1]), [1]),
    (CBORTag(2**64 - 1, {"a": CBORTag(0, "2013-03-21T20:04:00Z")}), {"a": "2013-03-21T20:04:00Z"}),
]


@pytest.mark.parametrize(("tagged", "content"), TAGGED, ids=lambda value: repr(value)[:40])
def test_cbor_tags_travel_to_cbor_and_leave_their_content_elsewhere(tagged: CBORTag, content: Any) -> None:
    data = call(CBOR, [tagged])
    message = CBOR.decode(data)
    assert CBOR.encode(message, CBOR) == data
    assert transcoded(CBOR, JSON, tagged) == content
    assert MSGPACK.decode(MSGPACK.encode(message, CBOR))


@pytest.mark.parametrize(
    "tagged",
    [
        CBORTag(0, "yesterday"),
        CBORTag(0, "2013-03-21T20:04:00"),
        CBORTag(0, 1),
        CBORTag(1, "1"),
        CBORTag(1, 1e300),
        CBORTag(1, math.nan),
        CBORTag(4, [1, 2, 3]),
        CBORTag(4, [2**63, 1]),
        CBORTag(5, [2**40, 3]),
        CBORTag(30, [1, 0]),
        CBORTag(37, b"short"),
        CBORTag(52, b"short"),
        CBORTag(100, 10**12),
        CBORTag(258, 1),
        CBORTag(260, b"short"),
        CBORTag(1004, "soon"),
        CBORTag(4, [[[[1]]]]),
    ],
    ids=lambda tagged: repr(tagged)[:40],
)
def test_cbor_tags_that_readers_would_fail_on_are_refused(tagged: CBORTag) -> None:
    message = assert_refused(CBOR, call(CBOR, [[tagged]]), f"CALL.args: CBOR tag {tagged.tag} ")
    assert message == Call(1, {}, "com.proc")


def test_no_cbor_tag_becomes_an_object() -> None:
    """Whatever tags cbor2 knows, or will know: what is accepted loads as plain values."""
    accepted = 0
    for tag in [*range(1100), 43000, 43001, 55799]:
        for content in (1, "2013-03-21", b"a" * 16, [1, 2]):
            try:
                message = CBOR.decode(call(CBOR, [CBORTag(tag, content)]))
            except (PayloadRefused, ProtocolViolation):
                continue
            accepted += 1
            assert isinstance(message, Call)
            assert type(CBOR.load(message.args)[0]) in (int, str, bytes, list)
    assert accepted > 4000


def test_huge_bytes_in_tags_cost_no_more_than_reading_them() -> None:
    """A fraction of two bignums would reduce them, which takes minutes at this size."""
    huge = CBORTag(30, [CBORTag(2, b"\xff" * 1_000_000), CBORTag(2, b"\xfe" * 1_000_001)])
    assert_refused(CBOR, call(CBOR, [huge]), OUT_OF_RANGE)
