"""What messages the serializers accept, which they refuse, and what they write."""

from collections.abc import Callable
from typing import Any

import cbor2
import msgspec
import pytest
from msgspec import Raw
from msgspec.msgpack import Ext

from router.wamp.errors import ProtocolViolation
from router.wamp.messages import (
    Authenticate,
    Call,
    Cancel,
    Error,
    Event,
    Goodbye,
    Hello,
    Invocation,
    Message,
    Publish,
    Published,
    Register,
    Subscribe,
    Subscribed,
    Unsubscribed,
    Yield,
)
from router.wamp.serializers import CBOR, JSON, MAX_DEPTH, MSGPACK, SERIALIZERS, Serializer
from router.wamp.serializers.base import nests_deeper

ALL = list(SERIALIZERS.values())
WRITERS: dict[Serializer, Callable[[Any], bytes]] = {
    JSON: msgspec.json.encode,
    MSGPACK: msgspec.msgpack.encode,
    CBOR: cbor2.dumps,
}

each = pytest.mark.parametrize("serializer", ALL, ids=SERIALIZERS)


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


def assert_violation(serializer: Serializer, data: bytes, text: str) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        serializer.decode(data)
    assert text in caught.value.text


# names


def test_names_subprotocols_and_rawsocket_ids() -> None:
    facts = [(s.name, s.subprotocol, s.is_binary, s.rawsocket_id) for s in ALL]
    assert facts == [
        ("json", "wamp.2.json", False, 1),
        ("msgpack", "wamp.2.msgpack", True, 2),
        ("cbor", "wamp.2.cbor", True, 3),
    ]
    assert {name: serializer.name for name, serializer in SERIALIZERS.items()} == {s: s for s in SERIALIZERS}
    assert repr(JSON) == "<Serializer json>"


# messages


@each
@pytest.mark.parametrize(
    "message",
    [
        Hello("realm1", {"roles": {"caller": {"features": {"call_timeout": True}}}}),
        Authenticate("", {}),
        Goodbye({}, "wamp.close.normal"),
        Subscribe(1, {"match": "prefix"}, "com."),
        Register(2**53, {"concurrency": 5}, "com.proc"),
        Cancel(3, {"mode": "kill"}),
        Published(1, 2**53),
        Unsubscribed(0, {"subscription": 4, "reason": "com.reason"}),
        Unsubscribed(1),
        Publish(1, {"acknowledge": True, "eligible": [1, 2]}, "com.topic"),
        Yield(1, {}),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_without_payload_comes_back_equal(serializer: Serializer, message: Message) -> None:
    assert serializer.decode(serializer.encode(message)) == message


@each
@pytest.mark.parametrize("args", [None, [], [1, "é", None, 1.5, True]], ids=["no args", "empty", "args"])
@pytest.mark.parametrize("kwargs", [None, {}, {"a": [{}]}], ids=["no kwargs", "empty", "kwargs"])
def test_args_and_kwargs_stay_opaque(serializer: Serializer, args: Any, kwargs: Any) -> None:
    for sent in (Call(1, {}, "a.b", args, kwargs), Error(48, 1, {}, "a.b", args, kwargs)):
        message: Any = serializer.decode(serializer.encode(sent))
        for field, value in ((message.args, args), (message.kwargs, kwargs)):
            if value is not None:
                assert type(field) is Raw
                assert serializer.load(field) == value
        assert message.kwargs is None or kwargs is not None
        assert message.args is None or args is not None or kwargs is not None


@each
def test_nothing_is_written_after_the_last_element_present(serializer: Serializer) -> None:
    assert serializer.encode(Call(1, {}, "a")) == write(serializer, [48, 1, {}, "a"])
    assert serializer.encode(Subscribed(1, 2)) == write(serializer, [33, 1, 2])
    assert serializer.encode(Call(1, {}, "a", None, {"k": 1})) == write(
        serializer, [48, 1, {}, "a", [], {"k": 1}]
    )


def test_a_payload_of_the_same_serializer_is_forwarded_byte_for_byte() -> None:
    message = JSON.decode(b'[48,1,{},"com.proc",[1, 2 ] , {"a" :1e2}]')
    assert isinstance(message, Call)
    out = Invocation(7, 8, {}, message.args, message.kwargs)
    assert JSON.encode(out, JSON) == b'[68,7,8,{},[1, 2 ],{"a" :1e2}]'

    lengthy = b"\x95\x30\x01\x80\xa1a\xdc\x00\x01\xcf" + bytes(7) + b"\x05"
    message = MSGPACK.decode(lengthy)
    assert isinstance(message, Call)
    assert MSGPACK.encode(Event(7, 8, {}, message.args), MSGPACK) == b"\x95\x24\x07\x08\x80" + lengthy[6:]

    unending = b"\x86\x18\x30\x01\xa0\x61a\x9f\x01\xff\xbf\x61k\x02\xff"
    message = CBOR.decode(unending)
    assert isinstance(message, Call)
    out = Invocation(7, 8, {}, message.args, message.kwargs)
    assert CBOR.encode(out, CBOR) == b"\x86\x18\x44\x07\x08\xa0\x9f\x01\xff\xbf\x61k\x02\xff"


@each
def test_kwargs_without_args_are_forwarded_behind_an_empty_array(serializer: Serializer) -> None:
    message = decode_call(serializer, 1, {}, "a", [], {"k": 1})
    out = serializer.encode(Invocation(7, 8, {}, None, message.kwargs), serializer)
    assert out == write(serializer, [68, 7, 8, {}, [], {"k": 1}])


@each
@pytest.mark.parametrize("origin", [None, *ALL], ids=str)
def test_a_message_of_numbers_is_the_same_from_everywhere(
    serializer: Serializer, origin: Serializer | None
) -> None:
    assert serializer.encode(Published(1, 2**53), origin) == write(serializer, [17, 1, 2**53])


@each
def test_the_routers_own_payload_is_plain_values(serializer: Serializer) -> None:
    event = Event(1, 2, {"topic": "a"}, [{"session": 3}, (4,)], {"ok": True})
    assert serializer.encode(event) == write(
        serializer, [36, 1, 2, {"topic": "a"}, [{"session": 3}, [4]], {"ok": True}]
    )


# leniency that real clients need


@each
def test_null_args_and_kwargs_are_absent(serializer: Serializer) -> None:
    message = decode_call(serializer, 1, {}, "a", None, None)
    assert (message.args, message.kwargs) == (None, None)
    message = decode_call(serializer, 1, {}, "a", None, {"k": 1})
    assert message.args is None
    assert serializer.load(message.kwargs) == {"k": 1}


@each
def test_unset_options_are_null(serializer: Serializer) -> None:
    unset = {JSON: None, MSGPACK: Ext(0, b"\0"), CBOR: cbor2.undefined}[serializer]
    message = decode_call(serializer, 1, {"timeout": unset, "deep": [unset]}, "a", [unset])
    assert message.options == {"timeout": None, "deep": [None]}
    assert serializer.load(message.args) == [None]
    message = decode_call(serializer, 1, {}, "a", unset, unset)
    assert (message.args, message.kwargs) == (None, None)


@each
def test_ids_may_be_integral_floats(serializer: Serializer) -> None:
    message = serializer.decode(write(serializer, [48.0, 7.0, {}, "a", [7.0]]))
    assert type(message) is Call
    assert type(message.request) is int
    assert message.request == 7
    assert type(serializer.load(message.args)[0]) is float
    assert serializer.decode(write(serializer, [17, 1.0, 9007199254740992.0])) == Published(1, 2**53)


@each
def test_elements_after_the_last_one_are_ignored(serializer: Serializer) -> None:
    message = decode_call(serializer, 1, {}, "a", [1], {}, "extra", [2])
    assert len(serializer.encode(message, serializer)) < len(call(serializer, [1])) + 2
    assert serializer.decode(write(serializer, [33, 1, 2, {}])) == Subscribed(1, 2)


# breaches of the protocol


@each
@pytest.mark.parametrize(
    ("wire", "text"),
    [
        ([], "must not be an empty array"),
        ({}, "a WAMP message must be an array"),
        (48, "a WAMP message must be an array"),
        ("48", "a WAMP message must be an array"),
        (None, "a WAMP message must be an array"),
        ([99], "unknown message code 99"),
        (["48", 1, {}, "a"], "the message code must be an integer, not a string"),
        ([48.5, 1, {}, "a"], "the message code must be an integer, not a number"),
        ([[48], 1, {}, "a"], "the message code must be an integer, not an array"),
        ([48], "expected [CALL, request, options, procedure, args?, kwargs?], got 1 element"),
        ([48, 1, {}], "expected [CALL, request, options, procedure, args?, kwargs?], got 3 elements"),
        ([1, "realm1"], "expected [HELLO, realm, details], got 2 elements"),
        ([48, "1", {}, "a"], "CALL.request must be an integer, not a string"),
        ([48, 1.5, {}, "a"], "CALL.request must be an integer, not a number"),
        ([48, True, {}, "a"], "CALL.request must be an integer, not a boolean"),
        ([48, None, {}, "a"], "CALL.request must be an integer, not null"),
        ([48, -1, {}, "a"], "CALL.request must be in 0..2^53"),
        ([48, 2**53 + 1, {}, "a"], "CALL.request must be in 0..2^53"),
        ([33, 1, 2**53 + 1], "SUBSCRIBED.subscription must be in 0..2^53"),
        ([48, 1, [], "a"], "CALL.options must be a map, not an array"),
        ([48, 1, None, "a"], "CALL.options must be a map, not null"),
        ([48, 1, {}, 5], "CALL.procedure must be a string, not an integer"),
        ([48, 1, {}, {}], "CALL.procedure must be a string, not a map"),
        ([48, 1, {}, "a", {}], "CALL.args must be an array, not a map"),
        ([48, 1, {}, "a", "b"], "CALL.args must be an array, not a string"),
        ([48, 1, {}, "a", [], []], "CALL.kwargs must be a map, not an array"),
        ([48, 1, {}, "a", [], 5], "CALL.kwargs must be a map, not an integer"),
        ([70, 1, {}, False], "YIELD.args must be an array, not a boolean"),
        ([8, 48, 1, {}, "a", 1.5], "ERROR.args must be an array, not a number"),
    ],
    ids=str,
)
def test_what_is_no_message(serializer: Serializer, wire: Any, text: str) -> None:
    assert_violation(serializer, write(serializer, wire), text)


@pytest.mark.parametrize(
    ("serializer", "data", "text"),
    [
        (JSON, b"", "not valid JSON"),
        (JSON, b"[48,1,{},", "not valid JSON"),
        (JSON, b'[48,1,{},"a"] x', "not valid JSON"),
        (JSON, b'[48,1,{},"a"][48,2,{},"a"]', "not valid JSON"),
        (JSON, b'[48,1,{},"a",[NaN]]', "not valid JSON"),
        (JSON, b'[48,1,{},"a",[1,]]', "not valid JSON"),
        (JSON, b'[48,1,{},"a",["\\ud800"]]', "not valid JSON"),
        (JSON, b'[48,1,{},"a",["\\udc00\\ud800"]]', "not valid JSON"),
        (JSON, b'[48,1,{},"a",["\\x"]]', "not valid JSON"),
        (JSON, b'[48,1,{},"a",["\x1e"]]', "not valid JSON"),
        (JSON, b'[48,1,{},"a",["\xff"]]', "UTF-8"),
        (JSON, b'[48,1,{},"a",["\xed\xa0\x80"]]', "UTF-8"),
        (JSON, b'[48,1,{},"a",[],{"\xff":1}]', "UTF-8"),
        (JSON, b'[48,1,{},"\xff"]', "UTF-8"),
        (JSON, b'[48,1,{"\xff":1},"a"]', "UTF-8"),
        (JSON, b'[48,1,{"a":18446744073709551616},"a"]', "CALL.options: integers must be in"),
        (JSON, b'[48,1,{"a":1e999},"a"]', "CALL.options: integers must be in"),
        (JSON, b"[48,1" + b"0" * 5000 + b',{},"a"]', "CALL.request: integers must be in"),
        (MSGPACK, b"", "not valid MessagePack"),
        (MSGPACK, b"\x94\x30\x01\x80", "not valid MessagePack"),
        (MSGPACK, b"\x94\x30\x01\x80\xa1a\x00", "not valid MessagePack"),
        (MSGPACK, b"\x95\x30\x01\x80\xa1a\x91\xc1", "not valid MessagePack"),
        (MSGPACK, b"\x95\x30\x01\x80\xa1a\x91\x81\x80\x01", "map keys must be hashable"),
        (MSGPACK, b"\x95\x30\x01\x80\xa1a\xdd\xff\xff\xff\xff", "not valid MessagePack"),
        (MSGPACK, b"\x95\x30\x01\x80\xa1a\x91\xdb\xff\xff\xff\xff", "not valid MessagePack"),
        (MSGPACK, b"\x95\x30\x01\x80\xa1a\x91\xa1\xff", "UTF-8"),
        (MSGPACK, b"\x94\x30\x01\x80\xa1\xff", "UTF-8"),
        (MSGPACK, b"\x96\x30\x01\x80\xa1a\x90\x81\x01\x02", "CALL.kwargs must have strings as keys"),
        (MSGPACK, b"\x94\x30\x01\x81\x01\x02\xa1a", "CALL.options must have strings as keys"),
        (MSGPACK, b"\x94\x30\x01\x81\xa1a\xd4\xfe\x00\xa1a", "CALL.options: MessagePack extension type -2"),
        (CBOR, b"", "must be an array"),
        (CBOR, b"\x84\x18\x30\x01\xa0", "not valid CBOR"),
        (CBOR, b"\x9f\x18\x30\x01\xa0\x61a", "not valid CBOR"),
        (CBOR, b"\x84\x18\x30\x01\xa0\x61a\x00", "trailing bytes"),
        (CBOR, b"\x9f\x18\x30\x01\xa0\x61a\xff\x00", "trailing bytes"),
        (CBOR, b"\x9f\x18\x30\x01\xff", "got 2 elements"),
        (CBOR, b"\xd9\xd9\xf7\x84\x18\x30\x01\xa0\x61a", "must be an array"),
        (CBOR, b"\x9b" + b"\xff" * 8, "not valid CBOR"),
        (CBOR, b"\x9c", "must be an array"),
        (CBOR, b"\x98", "not valid CBOR"),
        (CBOR, b"\x85\x18\x30\x01\xa0\x61a\x9b" + b"\xff" * 8, "not valid CBOR"),
        (CBOR, b"\x85\x18\x30\x01\xa0\x61a\x81\x5b" + b"\xff" * 8, "not valid CBOR"),
        (CBOR, b"\x85\x18\x30\x01\xa0\x61a\x81\x61\xff", "not valid CBOR"),
        (CBOR, b"\x85\x18\x30\x01\xa0\x61a\x81\xff", "not valid CBOR"),
        (CBOR, b"\x86\x18\x30\x01\xa0\x61a\x80\xa1\x01\x02", "CALL.kwargs must have strings as keys"),
        (CBOR, b"\x84\x18\x30\x01\xa1\x01\x02\x61a", "CALL.options must have strings as keys"),
        (
            CBOR,
            b"\x84\x18\x30\x01\xa1\x61a\x3b" + b"\xff" * 8 + b"\x61a",
            "CALL.options: integers must be in",
        ),
    ],
    ids=repr,
)
def test_malformed_bytes(serializer: Serializer, data: bytes, text: str) -> None:
    assert_violation(serializer, data, text)


@each
def test_every_truncation_of_a_message_is_a_violation(serializer: Serializer) -> None:
    data = write(serializer, [48, 1, {"a": "b"}, "com.proc", [1, "two"], {"three": [4.5]}])
    for length in range(len(data)):
        with pytest.raises(ProtocolViolation):
            serializer.decode(data[:length])


def nested(depth: int, inner: Any = 0) -> Any:
    for level in range(depth):
        inner = [inner] if level % 2 else {"k": inner}
    return inner


@each
@pytest.mark.parametrize("field", ["args", "kwargs", "options", "unused"])
def test_depth_is_bounded(serializer: Serializer, field: str) -> None:
    def message(depth: int) -> bytes:
        deep = nested(depth - 2)  # below the message and one more array or map
        if field == "args":
            return write(serializer, [48, 1, {}, "a", [deep]])
        if field == "kwargs":
            return write(serializer, [48, 1, {}, "a", [], {"k": deep}])
        if field == "options":
            return write(serializer, [48, 1, {"k": deep}, "a"])
        return write(serializer, [32, 1, {"k": deep}, "a"])

    accepted: Any = serializer.decode(message(MAX_DEPTH))
    for other in ALL:
        assert other.decode(other.encode(accepted, serializer))
    for depth in (MAX_DEPTH + 1, MAX_DEPTH + 50):
        assert_violation(serializer, message(depth), "deeper than 100")


@pytest.mark.parametrize(
    ("serializer", "start", "level"),
    [
        (JSON, b'[48,1,{},"a",', b"["),
        (JSON, b'[48,1,{"a":', b'{"a":'),
        (JSON, b"", b"["),
        (MSGPACK, b"\x95\x30\x01\x80\xa1a", b"\x91"),
        (MSGPACK, b"\x95\x30\x01\x80\xa1a", b"\x81\xa1a"),
        (MSGPACK, b"", b"\x91"),
        (CBOR, b"\x85\x18\x30\x01\xa0\x61a", b"\x81"),
        (CBOR, b"\x85\x18\x30\x01\xa0\x61a", b"\x9f"),
        (CBOR, b"\x85\x18\x30\x01\xa0\x61a", b"\xc1"),
        (CBOR, b"\x85\x18\x30\x01\xa0\x61a", b"\xd8\x63"),
        (CBOR, b"", b"\x81"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "open"])
def test_depth_bombs(serializer: Serializer, start: bytes, level: bytes, closed: bool) -> None:
    end = {JSON: b"", MSGPACK: b"\x01", CBOR: b"\x01"}[serializer] if closed else b""
    if serializer is JSON and closed:
        end = b"0" + level.replace(b"[", b"]").replace(b'{"a":', b"}") * 10_000
    with pytest.raises(ProtocolViolation):
        serializer.decode(start + level * 10_000 + end)


@pytest.mark.parametrize(
    ("serializer", "level", "end"), [(JSON, b"[", b"]"), (MSGPACK, b"\x91", b"")], ids=repr
)
def test_depths_around_the_decoders_own_limit(serializer: Serializer, level: bytes, end: bytes) -> None:
    start = {JSON: b'[48,1,{},"a",', MSGPACK: b"\x95\x30\x01\x80\xa1a"}[serializer]
    inner = {JSON: b"0", MSGPACK: b"\0"}[serializer]
    for depth in range(800, 1010):
        data = start + level * depth + inner + end * depth + end
        assert_violation(serializer, data, "deeper than 100")


def test_deep_arrays_as_keys_count_as_depth() -> None:
    key = b"\x91" * 150 + b"\x01"
    assert_violation(MSGPACK, b"\x95\x30\x01\x80\xa1a\x91\x81" + key + b"\x01", "deeper than 100")


def test_a_scalar_has_no_depth() -> None:
    assert not nests_deeper("x", 0)
    assert nests_deeper([], 0)
    assert not nests_deeper([], 1)
    assert nests_deeper({"a": [{}]}, 2)
