"""WAMP AP 'Payload Passthru Mode': feature payload_passthru_mode."""

import base64
import itertools

import pytest
from wire_router import ANY, WireRouter, text

VIOLATION = "wamp.error.protocol_violation"
NOT_SUPPORTED = "wamp.error.feature_not_supported"
PPT = {
    "ppt_scheme": "wamp",
    "ppt_serializer": "cbor",
    "ppt_cipher": "xsalsa20poly1305",
    "ppt_keyid": "GTtQ37XGJO2O4R8D",
}
ATTRIBUTES = [
    PPT,
    {"ppt_scheme": "mqtt"},
    {"ppt_scheme": "mqtt", "ppt_serializer": "native"},
    {"ppt_scheme": "x_my_ppt", "ppt_serializer": "custom", "ppt_cipher": "custom", "ppt_keyid": "any: thing"},
]
BINARY = bytes(range(256))


def payload_for(peer):
    """Give the one binary item as ``peer`` writes it ('Binary support in JSON')."""
    return "\0" + base64.b64encode(BINARY).decode() if peer.serializer == "json" else BINARY


@pytest.fixture
def caller(router):
    return router.join()


@pytest.fixture
def callee(router):
    callee = router.join()
    callee.register("com.x")
    return callee


@pytest.mark.parametrize("attributes", ATTRIBUTES)
def test_call_and_result(caller, callee, attributes):
    """
    "must be forwarded via INVOCATION, EVENT and RESULT messages": the attributes and one binary item,
    untouched.
    """
    request = caller.call("com.x", [payload_for(caller)], **attributes)
    callee.expect_only([68, 1, ANY, attributes, [payload_for(callee)]])
    callee.send([70, 1, {**attributes, "progress": False}, [payload_for(callee)]])
    caller.expect_only([50, request, attributes, [payload_for(caller)]])


def test_error(caller, callee):
    """
    "as well as ERROR messages in the case of failures"
    """
    request = caller.call("com.x", **PPT)
    callee.expect([68, 1, ANY, PPT])
    callee.send([8, 68, 1, PPT, "com.myapp.invalid_revenue_year", [payload_for(callee)]])
    caller.expect_only([8, 48, request, PPT, "com.myapp.invalid_revenue_year", [payload_for(caller)]])


def test_progressive_results(caller, callee):
    """
    "nothing prevents the use of Payload Passthru Mode with other features such as ... Progressive Call
    Results"
    """
    request = caller.call("com.x", receive_progress=True, **PPT)
    callee.expect([68, 1, ANY, {**PPT, "receive_progress": True}])
    callee.send([70, 1, {**PPT, "progress": True}, [1]], [70, 1, PPT, [2]])
    caller.expect_only([50, request, {**PPT, "progress": True}, [1]], [50, request, PPT, [2]])


@pytest.mark.parametrize("attributes", ATTRIBUTES)
def test_event(router, attributes):
    """
    "Publishing event to a topic with encryption and key ID"
    """
    publisher, subscriber = router.join(), router.join()
    subscription = subscriber.subscribe("com.topic")
    publisher.publish("com.topic", [payload_for(publisher)], **attributes)
    subscriber.expect_only([36, subscription, ANY, attributes, [payload_for(subscriber)]])


def test_a_retained_event(router):
    """'Event Retention': what is kept keeps its attributes."""
    publisher, subscriber = router.join(), router.join()
    publisher.publish("com.topic", [payload_for(publisher)], retain=True, **PPT)
    subscription = subscriber.subscribe("com.topic", get_retained=True)
    subscriber.expect([36, subscription, ANY, {**PPT, "retained": True}, [payload_for(subscriber)]])


@pytest.mark.parametrize(
    ("sender", "receiver"), list(itertools.product(("json", "msgpack", "cbor"), ("json", "msgpack", "cbor")))
)
def test_binary_between_serializers(sender, receiver):
    """
    "WAMP peers MUST perform the special Binary serialization in JSON"
    """
    router = WireRouter()
    caller, callee = router.join(serializer=sender), router.join(serializer=receiver)
    callee.register("com.x")
    caller.call("com.x", [payload_for(caller)], **PPT)
    callee.expect_only([68, 1, ANY, PPT, [payload_for(callee)]])


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_scheme_is_none(router, value):
    """
    "by checking the existence and non-empty value of this attribute"
    """
    caller = router.join(without=("caller.payload_passthru_mode",))
    callee = router.join(without=("callee.payload_passthru_mode",))
    callee.register("com.x")
    caller.call("com.x", [1], ppt_scheme=value)
    code, invocation, _, details, args = callee.take()
    assert (code, invocation, args) == (68, 1, [1])
    assert not details.get("ppt_scheme")


def test_the_caller_must_announce_it(router, callee):
    """
    "Caller sends a CALL message with payload passthru without announcing it ... PROTOCOL ERRORS"
    """
    caller = router.join(without=("caller.payload_passthru_mode",))
    caller.call("com.x", **PPT)
    caller.expect_abort(VIOLATION, text("payload_passthru_mode"))
    callee.expect_nothing()


def test_the_publisher_must_announce_it(router):
    """
    "Publisher sends a PUBLISH message with payload passthru, without announcing it ... PROTOCOL ERRORS"
    """
    publisher, subscriber = router.join(without=("publisher.payload_passthru_mode",)), router.join()
    subscriber.subscribe("com.topic")
    publisher.publish("com.topic", **PPT)
    publisher.expect_abort(VIOLATION, text("payload_passthru_mode"))
    subscriber.expect_nothing()


def test_the_callee_must_announce_it_to_use_it(router, caller):
    """
    "Callee sends a YIELD message with payload passthru without announcing it ... PROTOCOL ERRORS"
    """
    callee = router.join(without=("callee.payload_passthru_mode",))
    callee.register("com.x")
    request = caller.call("com.x")
    callee.expect([68, 1, ANY, {}])
    callee.send([70, 1, PPT])
    callee.expect_abort(VIOLATION, text("payload passthru mode"))
    caller.expect([8, 48, request, {}, "wamp.error.canceled", ANY])


def test_a_callee_that_does_not_support_it(router, caller):
    """
    "the Dealer MUST respond to the Caller with a wamp.error.feature_not_supported error message"
    """
    callee = router.join(without=("callee.payload_passthru_mode",))
    callee.register("com.x")
    request = caller.call("com.x", **PPT)
    caller.expect([8, 48, request, {}, NOT_SUPPORTED, ANY])
    callee.expect_nothing()


def test_a_caller_that_does_not_support_it(router, callee):
    """
    "the Dealer MUST respond to the Callee with a wamp.error.feature_not_supported"; the Caller's call ends,
    too.
    """
    caller = router.join(without=("caller.payload_passthru_mode",))
    request = caller.call("com.x")
    callee.expect([68, 1, ANY, {}])
    callee.send([70, 1, PPT])
    callee.expect([8, 70, 1, {}, NOT_SUPPORTED, ANY])
    caller.expect([8, 48, request, {}, NOT_SUPPORTED, ANY])


def test_a_subscriber_that_does_not_support_it(router):
    """
    "cannot be recognized at the protocol level ... must be covered at the Subscriber side": it gets the
    event.
    """
    publisher, subscriber = router.join(), router.join(without=("subscriber.payload_passthru_mode",))
    subscription = subscriber.subscribe("com.topic")
    publisher.publish("com.topic", ["x"], **PPT)
    subscriber.expect([36, subscription, ANY, PPT, ["x"]])


def test_a_callee_that_supports_it_is_chosen(router, caller):
    """'Shared Registration' with callees of different features: one that can take the call gets it."""
    cannot = router.join(without=("callee.payload_passthru_mode",))
    cannot.register("com.shared", invoke="first")
    can = router.join()
    can.register("com.shared", invoke="first")
    caller.call("com.shared", **PPT)
    can.expect([68, 1, ANY, PPT])


def test_the_routers_own_procedures_do_not_support_it(caller):
    """The router cannot read such a payload, so its meta procedures are Callees without the feature."""
    request = caller.call("wamp.session.count", ["x"], **PPT)
    caller.expect([8, 48, request, {}, NOT_SUPPORTED, ANY])


def test_a_testament_with_it(router):
    """'Session Testament': publish_options are those of PUBLISH, with the same condition."""
    heir, peer = router.join(), router.join()
    subscription = heir.subscribe("com.testament")
    request = peer.call("wamp.session.add_testament", ["com.testament", ["x"], {}], {"publish_options": PPT})
    peer.expect([50, request, {}])
    peer.vanish()
    heir.expect([36, subscription, ANY, PPT, ["x"], {}])
    other = router.join(without=("publisher.payload_passthru_mode",))
    request = other.call("wamp.session.add_testament", ["com.testament", ["x"], {}], {"publish_options": PPT})
    other.expect([8, 48, request, {}, "wamp.error.invalid_argument", ANY])
