"""The messages as values: their wire arrays, with nothing absent written at the end."""

from copy import copy

import pytest
from msgspec import Raw

from router.wamp.messages import (
    MESSAGE_TYPES,
    Abort,
    Authenticate,
    Call,
    Cancel,
    Challenge,
    Error,
    Event,
    Goodbye,
    Hello,
    Interrupt,
    Invocation,
    Message,
    Publish,
    Published,
    Register,
    Registered,
    Result,
    Subscribe,
    Subscribed,
    Unregister,
    Unregistered,
    Unsubscribe,
    Unsubscribed,
    Welcome,
    Wire,
    Yield,
)

EXAMPLES: list[tuple[Message, Wire]] = [
    (Hello("realm1", {"roles": {}}), [1, "realm1", {"roles": {}}]),
    (Welcome(7, {"roles": {}}), [2, 7, {"roles": {}}]),
    (Abort({}, "wamp.error.no_such_realm"), [3, {}, "wamp.error.no_such_realm"]),
    (Challenge("ticket", {}), [4, "ticket", {}]),
    (Authenticate("secret", {}), [5, "secret", {}]),
    (Goodbye({}, "wamp.close.normal"), [6, {}, "wamp.close.normal"]),
    (Error(48, 1, {}, "com.error", [2]), [8, 48, 1, {}, "com.error", [2]]),
    (Publish(1, {}, "com.topic", [2], {"a": 3}), [16, 1, {}, "com.topic", [2], {"a": 3}]),
    (Published(1, 2), [17, 1, 2]),
    (Subscribe(1, {}, "com.topic"), [32, 1, {}, "com.topic"]),
    (Subscribed(1, 2), [33, 1, 2]),
    (Unsubscribe(1, 2), [34, 1, 2]),
    (Unsubscribed(1), [35, 1]),
    (Unsubscribed(0, {"subscription": 2}), [35, 0, {"subscription": 2}]),
    (Event(1, 2, {}, [3], {"a": 4}), [36, 1, 2, {}, [3], {"a": 4}]),
    (Call(1, {}, "com.proc"), [48, 1, {}, "com.proc"]),
    (Cancel(1, {"mode": "kill"}), [49, 1, {"mode": "kill"}]),
    (Result(1, {}, [3], {"a": 4}), [50, 1, {}, [3], {"a": 4}]),
    (Register(1, {}, "com.proc"), [64, 1, {}, "com.proc"]),
    (Registered(1, 2), [65, 1, 2]),
    (Unregister(1, 2), [66, 1, 2]),
    (Unregistered(1), [67, 1]),
    (Invocation(1, 2, {}, [3], {"a": 4}), [68, 1, 2, {}, [3], {"a": 4}]),
    (Interrupt(1, {}), [69, 1, {}]),
    (Yield(1, {}, [3]), [70, 1, {}, [3]]),
]

# The messages with a payload, up to it.
WITH_PAYLOAD: list[Message] = [
    Abort({}, "com.reason"),
    Error(48, 1, {}, "com.error"),
    Publish(1, {}, "com.topic"),
    Event(1, 2, {}),
    Call(1, {}, "com.proc"),
    Result(1, {}),
    Invocation(1, 2, {}),
    Yield(1, {}),
]


def _name(value: object) -> str:
    return type(value).__name__


def test_there_are_24_messages_with_a_code_each() -> None:
    codes = {kind.CODE for kind in MESSAGE_TYPES}
    assert len(MESSAGE_TYPES) == len(codes) == 24
    assert {type(message) for message, _ in EXAMPLES} == set(MESSAGE_TYPES)


@pytest.mark.parametrize("kind", MESSAGE_TYPES, ids=lambda kind: kind.__name__)
def test_the_code_is_the_tag_that_decoding_goes_by(kind: type[Message]) -> None:
    assert kind.__struct_config__.tag == kind.CODE
    assert kind.__struct_config__.array_like
    assert not kind.__struct_config__.gc


@pytest.mark.parametrize(("message", "wire"), EXAMPLES, ids=_name)
def test_wire_array(message: Message, wire: Wire) -> None:
    assert message.wire() == wire


@pytest.mark.parametrize("message", WITH_PAYLOAD, ids=_name)
def test_absent_trailing_elements_are_not_written(message: Message) -> None:
    message = copy(message)
    head = message.wire()
    args, kwargs = Raw(b"[1]"), Raw(b"{}")
    message.args = args  # type: ignore[attr-defined]
    assert message.wire() == [*head, args]
    message.kwargs = kwargs  # type: ignore[attr-defined]
    assert message.wire() == [*head, args, kwargs]
    message.args = None  # type: ignore[attr-defined]
    assert message.wire() == [*head, [], kwargs]


@pytest.mark.parametrize("message", WITH_PAYLOAD, ids=_name)
def test_an_empty_payload_is_still_a_payload(message: Message) -> None:
    message = copy(message)
    head = message.wire()
    message.args = []  # type: ignore[attr-defined]
    message.kwargs = {}  # type: ignore[attr-defined]
    assert message.wire() == [*head, [], {}]
