"""Behaviour of the serializers: what they accept, what they refuse, and what they write."""

import pytest
from msgspec import Raw

from router.wamp.messages import Call, Invocation
from router.wamp.serializers import JSON, MSGPACK, SERIALIZERS, Serializer


@pytest.mark.parametrize("serializer", SERIALIZERS.values(), ids=SERIALIZERS.keys())
def test_a_call_passes_through_every_serializer(serializer: Serializer) -> None:
    sent = Call(1, {}, "com.example.add", [1, 2], {"a": None})
    message = serializer.decode(serializer.encode(sent))
    assert type(message) is Call
    assert type(message.args) is Raw
    assert serializer.load(message.args) == [1, 2]
    assert serializer.load(message.kwargs) == {"a": None}


def test_a_payload_of_the_same_serializer_is_forwarded_by_reference() -> None:
    message = JSON.decode(b'[48,1,{},"com.example.add",[1, 2 ]]')
    assert JSON.encode(Invocation(7, 8, {}, message.args), JSON) == b"[68,7,8,{},[1, 2 ]]"


def test_a_payload_of_another_serializer_is_transcoded() -> None:
    message = JSON.decode(b'[48,1,{},"com.example.add",[1, 2 ]]')
    assert MSGPACK.encode(Invocation(7, 8, {}, message.args), JSON) == b"\x95\x44\x07\x08\x80\x92\x01\x02"
