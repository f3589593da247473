"""WAMP BP 'Protocol Errors': ABORT with wamp.error.protocol_violation, and nothing is left of the session."""

import pytest
from wire_router import ANY, text

VIOLATION = "wamp.error.protocol_violation"
HELLO = [1, "realm1", {"roles": {"caller": {}}}]

# What the section lists: message -> wire array
AFTER = {
    "WELCOME": [2, 1, {}],
    "HELLO": HELLO,
    "CHALLENGE": [4, "ticket", {}],
    "AUTHENTICATE": [5, "x", {}],
    "ERROR with an invalid REQUEST.Type": [8, 48, 1, {}, "com.error"],
    "ERROR for no INVOCATION that was sent": [8, 68, 1, {}, "com.error"],
    "YIELD with an invalid INVOCATION.Request": [70, 1, {}],
    "SUBSCRIBED": [33, 1, 1],
    "UNSUBSCRIBED": [35, 1],
    "PUBLISHED": [17, 1, 1],
    "EVENT": [36, 1, 1, {}],
    "RESULT": [50, 1, {}],
    "REGISTERED": [65, 1, 1],
    "UNREGISTERED": [67, 1],
    "INVOCATION": [68, 1, 1, {}],
    "INTERRUPT": [69, 1, {}],
}
BEFORE = {
    "WELCOME": [2, 1, {}],
    "CHALLENGE": [4, "ticket", {}],
    "AUTHENTICATE": [5, "x", {}],
    "GOODBYE": [6, {}, "wamp.close.normal"],
    "ERROR": [8, 48, 1, {}, "com.error"],
    "PUBLISH": [16, 1, {}, "com.x"],
    "PUBLISHED": [17, 1, 1],
    "SUBSCRIBE": [32, 1, {}, "com.x"],
    "SUBSCRIBED": [33, 1, 1],
    "UNSUBSCRIBE": [34, 1, 1],
    "UNSUBSCRIBED": [35, 1],
    "EVENT": [36, 1, 1, {}],
    "CALL": [48, 1, {}, "com.x"],
    "CANCEL": [49, 1, {}],
    "RESULT": [50, 1, {}],
    "REGISTER": [64, 1, {}, "com.x"],
    "REGISTERED": [65, 1, 1],
    "UNREGISTER": [66, 1, 1],
    "UNREGISTERED": [67, 1],
    "INVOCATION": [68, 1, 1, {}],
    "INTERRUPT": [69, 1, {}],
    "YIELD": [70, 1, {}],
}
INCOMPATIBLE = [
    [],
    {},
    "hello",
    7,
    None,
    [[]],
    ["1", "realm1", {}],
    [0],
    [9, 1, {}],
    [255, 1],
    [256, 1, {}],
    [1024],
    [-1],
    [48],
    [48, 1],
    [48, 1, {}],
    [48, 1, [], "com.x"],
    [48, 1, None, "com.x"],
    [48, 1, {}, 5],
    [48, 1, {}, "com.x", {}],
    [48, 1, {}, "com.x", "args"],
    [48, 1, {}, "com.x", [], []],
    [32, 1, "com.x"],
    [6, {}, 5],
    [70, 1, {}, "result"],
]
MALFORMED = {
    "json": [
        b"",
        b"[",
        b"[48,1,{},",
        b"\xff\xfe",
        b'[48,1,{},"com.x",["\xff"]]',
        b"[48,1,{},'com.x']",
        b"NaN",
    ],
    "msgpack": [b"", b"\xc1", b"\x95\x30\x01\x80", b"\x94\x30\x01\x80\xa5com"],
    "cbor": [b"", b"\xff", b"\x85\x18\x30\x01", b"\x84\x18\x30\x01\xa0\x65com"],
}


def test_every_kind_of_message_is_judged():
    """The two tables hold each message that is not a client's to send, or not yet."""
    codes = {1, 2, 4, 5, 6, 8, 16, 17, 32, 33, 34, 35, 36, 48, 49, 50, 64, 65, 66, 67, 68, 69, 70}
    assert {message[0] for message in BEFORE.values()} == codes - {1}
    assert {message[0] for message in AFTER.values()} == codes - {6, 16, 32, 34, 48, 49, 64, 66}


@pytest.mark.parametrize("message", BEFORE.values(), ids=BEFORE)
def test_before_the_session_is_established(router, message):
    """
    "Receiving GOODBYE message, before session was established." and the like.
    """
    peer = router.peer()
    peer.send(message)
    peer.expect_abort(VIOLATION, text("before a session was open"))


@pytest.mark.parametrize(
    "message", [HELLO, *(BEFORE[name] for name in BEFORE if name != "AUTHENTICATE")], ids=str
)
def test_while_authenticate_is_awaited(router, message):
    """State chart, CHALLENGING: "Received other" leads to FAILED."""
    peer = router.peer()
    peer.hello(authmethods=["ticket"], authid="alice")
    peer.expect([4, "ticket", {}])
    peer.send(message)
    peer.expect_abort(VIOLATION, text("while AUTHENTICATE was awaited"))


@pytest.mark.parametrize("message", AFTER.values(), ids=AFTER)
def test_after_the_session_is_established(router, message):
    """
    "Receiving HELLO message, after session was established." and the like.
    """
    peer = router.join()
    peer.send(message)
    peer.expect_abort(VIOLATION)


def test_whatever_the_offender_held_is_gone(router):
    """
    "disposing all of their resources such as subscriptions and registrations"; nobody else notices.
    """
    offender, other = router.join(), router.join()
    on_leave = other.subscribe("wamp.session.on_leave")
    offender.register("com.x")
    offender.subscribe("com.topic")
    request = other.call("com.x")
    offender.expect([68, 1, ANY, {}])
    offender.send([2, 1, {}])
    offender.expect_abort(VIOLATION)
    other.expect_only(
        [8, 48, request, {}, "wamp.error.canceled", ANY],
        [36, on_leave, ANY, {}, [offender.id, ANY, "anonymous"]],
    )
    assert other.ask("wamp.registration.list")["exact"] == []
    assert other.ask("wamp.subscription.lookup", "com.topic") is None
    assert other.ask("wamp.session.list") == [other.id]


def test_nothing_is_processed_afterwards(router):
    """
    "without waiting for or processing any messages subsequently received from the peer", one read included.
    """
    offender, other = router.join(serializer="json"), router.join()
    subscription = other.subscribe("com.topic")
    publish = b'[16,1,{},"com.topic"]'
    offender.send_bytes(
        publish, b"[70,1,{}]", b'[16,2,{},"com.topic"]', b'[1,"realm1",{"roles":{"caller":{}}}]'
    )
    offender.expect_abort(VIOLATION)
    offender.send_bytes(publish)
    offender.expect_nothing()
    other.expect_only([36, subscription, ANY, {}])


@pytest.mark.parametrize("message", INCOMPATIBLE, ids=str)
def test_incompatible_messages(router, message):
    """
    "Receiving protocol incompatible message, such as empty array, invalid WAMP message type id, etc.".
    """
    for peer in (router.join(), router.peer()):
        peer.send(message)
        peer.expect_abort(VIOLATION)


def test_further_elements_are_ignored(router):
    """A choice: an element behind the last one that is defined is ignored, as unknown attributes are."""
    peer = router.join()
    peer.send([48, 1, {}, "com.x", [], {}, "more"], [34, 2, 7, "more"])
    peer.expect([8, 48, 1, {}, "wamp.error.no_such_procedure", ANY])
    peer.expect([8, 34, 2, {}, "wamp.error.no_such_subscription", ANY])


@pytest.mark.parametrize(
    ("serializer", "data"), [(name, data) for name in MALFORMED for data in MALFORMED[name]]
)
def test_malformed_messages(router, serializer, data):
    """
    "Catching error during message encoding/decoding.".
    """
    peer = router.join(serializer=serializer)
    peer.send_bytes(data)
    peer.expect_abort(VIOLATION)


def test_abort_says_no_internals(router):
    """
    "optional attributes in ABORT.Details such as a human readable error message", one sentence.
    """
    peer = router.join()
    peer.send([70, 99, {}])
    peer.expect_abort(VIOLATION, text("no INVOCATION 99 was sent"))
