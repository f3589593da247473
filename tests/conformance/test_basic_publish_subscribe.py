"""WAMP BP 'Publish and Subscribe'."""

import pytest
from wire_router import ANY

PAYLOADS = [
    (),
    ([],),
    (["Hello, world!"],),
    ([], {"color": "orange", "sizes": [23, 42, 7]}),
    ([1, [2, {"a": None}]], {"x": True, "y": -1.5}),
]


def test_subscribe(router):
    """'SUBSCRIBED': "answers by sending a SUBSCRIBED message" with the request's id and a subscription's."""
    peer = router.join()
    peer.send([32, 1, {}, "com.myapp.mytopic1"])
    peer.expect_only([33, 1, ANY])


def test_one_subscription_for_all_subscribers(router):
    """'SUBSCRIBED', note: the id may be assigned to the topic and "sent to all Subscribers"."""
    one, two = router.join(), router.join()
    assert one.subscribe("com.topic") == two.subscribe("com.topic")
    assert one.subscribe("com.topic") != one.subscribe("com.other")


def test_subscribe_again(router):
    """
    'SUBSCRIBED', note: "answer with SUBSCRIBED message, containing the existing Subscription|id"; one
    event.
    """
    peer, publisher = router.join(), router.join()
    subscription = peer.subscribe("com.topic")
    assert peer.subscribe("com.topic") == subscription
    publisher.publish("com.topic")
    peer.expect_only([36, subscription, ANY, {}])


def test_unsubscribe(router):
    """'UNSUBSCRIBED': the Broker confirms, and no further event arrives."""
    peer, publisher = router.join(), router.join()
    subscription = peer.subscribe("com.topic")
    peer.send([34, 2, subscription])
    peer.expect([35, 2])
    publisher.publish("com.topic")
    peer.expect_nothing()


def test_unsubscribe_leaves_other_subscribers_alone(router):
    """'UNSUBSCRIBE' ends the subscription of the session that sends it."""
    peer, other, publisher = router.join(), router.join(), router.join()
    subscription = peer.subscribe("com.topic")
    other.subscribe("com.topic")
    peer.send([34, 2, subscription])
    peer.expect([35, 2])
    publisher.publish("com.topic")
    other.expect([36, subscription, ANY, {}])


@pytest.mark.parametrize("whose", ["nobody's", "another's", "a former one"])
def test_unsubscribe_error(router, whose):
    """'Unsubscribe ERROR': wamp.error.no_such_subscription, for any that this session does not hold."""
    peer, other = router.join(), router.join()
    subscription = other.subscribe("com.topic") if whose == "another's" else 4711
    if whose == "a former one":
        subscription = peer.subscribe("com.topic")
        peer.send([34, peer.next(), subscription])
        peer.expect([35, 2])
    request = peer.next()
    peer.send([34, request, subscription])
    peer.expect([8, 34, request, {}, "wamp.error.no_such_subscription", ANY])


@pytest.mark.parametrize("payload", PAYLOADS)
def test_event(router, payload):
    """'EVENT': the payload is what "was provided with the original publication request"."""
    subscriber, publisher = router.join(), router.join()
    subscription = subscriber.subscribe("com.topic")
    publisher.publish("com.topic", *payload)
    subscriber.expect_only([36, subscription, ANY, {}, *payload])
    publisher.expect_nothing()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_event_in_every_serialization(router, payload):
    """
    'Serializers': "enabling components using different kinds of serializations to connect to each other".
    """
    publisher = router.join()
    subscribers = [router.join(serializer=name) for name in ("json", "msgpack", "cbor", "json")]
    for subscriber in subscribers:
        subscription = subscriber.subscribe("com.topic")
    publisher.publish("com.topic", *payload)
    for subscriber in subscribers:
        subscriber.expect_only([36, subscription, ANY, {}, *payload])


@pytest.mark.parametrize("options", [{}, {"acknowledge": False}, {"acknowledge": None}])
def test_publications_are_unacknowledged(router, options):
    """'PUBLISH': "By default, publications are unacknowledged"."""
    publisher = router.join()
    publisher.publish("com.topic", **options)
    publisher.expect_nothing()


def test_published(router):
    """'PUBLISHED': sent if acknowledge is true, with the publication's id, also without subscribers."""
    subscriber, publisher = router.join(), router.join()
    publisher.send([16, 1, {"acknowledge": True}, "com.topic"])
    code, request, nobody_saw = publisher.take()
    assert (code, request) == (17, 1)
    subscription = subscriber.subscribe("com.topic")
    publisher.send([16, 2, {"acknowledge": True}, "com.topic"])
    code, request, publication = publisher.take()
    assert (code, request) == (17, 2)
    assert publication != nobody_saw
    subscriber.expect_only([36, subscription, publication, {}])


@pytest.mark.parametrize("acknowledge", [True, False])
def test_publish_error(router, acknowledge):
    """'Publish ERROR': sent if acknowledge is true; otherwise nothing tells of it. No event either way."""
    subscriber, publisher = router.join(), router.join("guest")
    subscriber.subscribe("com.secret")
    publisher.publish("com.secret", acknowledge=acknowledge)
    if acknowledge:
        publisher.expect([8, 16, 1, {}, "wamp.error.not_authorized", ANY])
    publisher.expect_nothing()
    subscriber.expect_nothing()


def test_the_publisher_gets_no_event(router):
    """
    'EVENT': "the Publisher of an event will never receive the published event even if ... also a
    Subscriber".
    """
    publisher, other = router.join(), router.join()
    subscription = publisher.subscribe("com.topic")
    other.subscribe("com.topic")
    publisher.publish("com.topic")
    publisher.expect_nothing()
    other.expect([36, subscription, ANY, {}])


def test_events_keep_their_order(router):
    """'Transports' are ordered: the events of one publisher arrive as they were published."""
    subscriber, publisher = router.join(), router.join()
    subscription = subscriber.subscribe("com.topic")
    for number in range(5):
        publisher.publish("com.topic", [number])
    subscriber.expect_only(*[[36, subscription, ANY, {}, [number]] for number in range(5)])


def test_no_event_before_subscribed(router):
    """'SUBSCRIBED' comes before any EVENT of the subscription (wamp-proto#169), also within one read."""
    subscriber, publisher = router.join(serializer="json"), router.join(serializer="json")
    publisher.publish("com.topic", [0], retain=True)
    first = b'[32,1,{"get_retained":true},"com.topic"]'
    second = b'[16,2,{"exclude_me":false},"com.topic",[1]]'
    subscriber.send_bytes(first, second)
    subscriber.expect_only([33, 1, ANY], [36, ANY, ANY, {"retained": True}, [0]], [36, ANY, ANY, {}, [1]])


def test_no_event_of_a_subscription_that_ended(router):
    """'Subscribing': "A subscription lasts for the duration of a session"."""
    peer, publisher = router.join(), router.join()
    peer.subscribe("com.topic")
    peer.leave()
    publisher.publish("com.topic")
    peer.expect_nothing()


@pytest.mark.parametrize("options", [{"match": "regex"}, {"match": 1}, {"get_retained": "yes"}])
def test_subscribe_error(router, options):
    """'Subscribe ERROR': an option that cannot be met is answered, and nothing is subscribed."""
    peer = router.join()
    peer.send([32, 1, options, "com.topic"])
    peer.expect([8, 32, 1, {}, "wamp.error.invalid_argument", ANY])
    assert router.realm.broker.subscription_by_id == {}


def test_unset_and_unknown_options_are_absent(router):
    """'Extensibility': unknown attributes are ignored; some clients send their unset options as null."""
    subscriber, publisher = router.join(), router.join()
    subscription = subscriber.subscribe("com.topic", match=None, get_retained=None, color="red", _own=1)
    unset = dict.fromkeys(("exclude_me", "eligible", "exclude", "disclose_me", "retain", "ppt_scheme"))
    publisher.publish("com.topic", [1], acknowledge=True, color="red", **unset)
    publisher.expect([17, 1, ANY])
    subscriber.expect_only([36, subscription, ANY, {}, [1]])


def test_an_integer_is_no_boolean(router):
    """'Messages', bool: "integers MUST NOT be used instead of boolean value"."""
    subscriber, publisher = router.join(), router.join()
    subscriber.subscribe("com.topic")
    publisher.publish("com.topic", acknowledge=True, exclude_me=0)
    publisher.expect([8, 16, 1, {}, "wamp.error.invalid_argument", ANY])
    subscriber.expect_nothing()
