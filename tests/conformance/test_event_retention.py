"""WAMP AP 'Event Retention': feature event_retention."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter

RETAINED = {"retained": True}


@pytest.fixture
def publisher(router):
    return router.join()


def retained(peer, topic="com.topic", **options):
    """Subscribe with get_retained: give the subscription and the events that come at once."""
    subscription = peer.subscribe(topic, get_retained=True, **options)
    return subscription, peer.drain()


def test_a_retained_event(router, publisher):
    """
    "the Broker MUST send the Subscriber the most recent Retained Event ... Event.Details.retained|bool set
    to true"
    """
    publisher.publish("com.topic", ["old"], retain=True)
    publisher.publish("com.topic", [21.5], {"unit": "C"}, retain=True, acknowledge=True)
    publication = publisher.take()[2]
    subscription, events = retained(router.join())
    assert events == [[36, subscription, publication, RETAINED, [21.5], {"unit": "C"}]]


def test_subscribers_get_it_at_once_without_the_mark(router, publisher):
    """retained says "that it is not an immediately new message": a new one has no such mark."""
    subscriber = router.join()
    subscription = subscriber.subscribe("com.topic")
    publisher.publish("com.topic", [1], retain=True)
    subscriber.expect_only([36, subscription, ANY, {}, [1]])


@pytest.mark.parametrize("serializer", ["json", "msgpack", "cbor"])
def test_in_every_serialization(router, publisher, serializer):
    """What was retained from one serialization is delivered in another, also when the publisher is gone."""
    publisher.publish("com.topic", [1, "ü", {"a": None}], {"k": [True]}, retain=True)
    publisher.vanish()
    subscription, events = retained(router.join(serializer=serializer))
    assert events == [[36, subscription, ANY, RETAINED, [1, "ü", {"a": None}], {"k": [True]}]]


@pytest.mark.parametrize("options", [{}, {"get_retained": False}, {"get_retained": None}])
def test_get_retained_is_asked_for(router, publisher, options):
    """
    "Lack of the key in Subscribe.Options MUST be interpreted as a false value."
    """
    publisher.publish("com.topic", [1], retain=True)
    router.join().subscribe("com.topic", **options)


@pytest.mark.parametrize("options", [{}, {"retain": False}, {"retain": None}])
def test_retain_is_asked_for(router, publisher, options):
    """
    "Lack of the key in Publish.Options MUST be interpreted as a false value.": the older one stays.
    """
    publisher.publish("com.topic", ["old"], retain=True)
    publisher.publish("com.topic", ["new"], **options)
    subscription, events = retained(router.join())
    assert events == [[36, subscription, ANY, RETAINED, ["old"]]]


def test_there_is_nothing(router, publisher):
    """A topic without a retained event."""
    publisher.publish("com.other", [1], retain=True)
    assert retained(router.join())[1] == []


def test_an_event_without_payload_is_one(router, publisher):
    """An event need not have a payload: the most recent one replaces the other."""
    publisher.publish("com.topic", [1], retain=True)
    publisher.publish("com.topic", retain=True)
    subscription, events = retained(router.join())
    assert events == [[36, subscription, ANY, RETAINED]]


def test_subscribed_comes_first(router, publisher):
    """An EVENT never comes before its SUBSCRIBED."""
    publisher.publish("com.topic", [1], retain=True)
    peer = router.join()
    peer.send([32, 1, {"get_retained": True}, "com.topic"])
    peer.expect_only([33, 1, ANY], [36, ANY, ANY, RETAINED, [1]])


def test_again_for_the_same_subscription(router, publisher):
    """'SUBSCRIBED', note: subscribing again is answered, and what is asked for is sent again."""
    publisher.publish("com.topic", [1], retain=True)
    peer = router.join()
    first = retained(peer)
    assert len(first[1]) == 1
    assert retained(peer) == first


@pytest.mark.parametrize(
    ("options", "authids"),
    [
        ({"eligible_authid": ["alice"]}, {"alice"}),
        ({"eligible_authrole": ["user"]}, {"alice", "bob"}),
        ({"exclude_authid": ["alice"]}, {"bob", "carol"}),
        ({"exclude_authrole": ["admin"]}, {"alice", "bob"}),
        ({"eligible_authid": []}, set()),
        ({"eligible": []}, set()),
        ({"eligible_authrole": ["user"], "exclude_authid": ["bob"]}, {"alice"}),
    ],
)
def test_lists_are_respected(router, publisher, options, authids):
    """
    "MUST NOT send the Subscriber a Retained Event that they would not be eligible to receive"
    """
    publisher.publish("com.topic", [1], retain=True, **options)
    got = {authid for authid in ("alice", "bob", "carol") if retained(router.join(authid))[1]}
    assert got == authids


def test_session_ids_are_respected(router, publisher):
    """The same for lists of session ids."""
    one, two = router.join(), router.join()
    publisher.publish("com.topic", [1], retain=True, eligible=[one.id])
    assert len(retained(one)[1]) == 1
    assert retained(two)[1] == []


def test_supplemental_events(router, publisher):
    """
    "one event that all subscribers would receive, and MAY include other supplemental events" with lists.
    """
    publisher.publish("com.topic", ["all"], retain=True)
    publisher.publish("com.topic", ["user"], retain=True, eligible_authrole=["user"])
    for authid, expected in (("alice", "user"), ("carol", "all")):
        peer = router.join(authid)
        assert retained(peer)[1][0][4] == [expected]
        peer.leave()
    publisher.publish("com.topic", ["all again"], retain=True)
    assert retained(router.join("alice"))[1][0][4] == ["all again"]


def test_the_publisher_would_not_have_received_it(router, publisher):
    """
    "that they would have received if they were subscribing when it was published": not its own, unless
    asked for.
    """
    publisher.publish("com.topic", ["mine"], retain=True)
    assert retained(publisher)[1] == []
    publisher.publish("com.topic", ["mine"], retain=True, exclude_me=False)
    publisher.drain()
    assert len(retained(publisher)[1]) == 1


@pytest.mark.parametrize(("match", "pattern"), [("prefix", "com.t"), ("wildcard", "com.")])
def test_patterns_get_one_for_each_topic(router, publisher, match, pattern):
    """A choice: a pattern gets the most recent retained event of each topic that it matches."""
    for topic in ("com.t1", "com.t2", "org.t3", "com.t1"):
        publisher.publish(topic, [topic], retain=True)
    subscription, events = retained(router.join(), pattern, match=match)
    expected = [
        [36, subscription, ANY, {**RETAINED, "topic": topic}, [topic]] for topic in ("com.t2", "com.t1")
    ]
    assert events == expected


def test_the_publishers_identity_is_retained(router):
    """'Publisher Identification': the details of the event stay what they were."""
    publisher = router.join("alice")
    publisher.publish("com.topic", retain=True, disclose_me=True)
    identity = {"publisher": publisher.id, "publisher_authid": "alice", "publisher_authrole": "user"}
    publisher.vanish()
    assert retained(router.join())[1][0][3] == {**identity, **RETAINED}


def test_a_refused_publication_is_not_retained(router):
    """
    "if it were eligible to be published on the topic"
    """
    guest = router.join("guest")
    guest.publish("com.secret", [1], retain=True)
    assert retained(router.join(), "com.secret")[1] == []


@pytest.mark.parametrize("value", [1, "true"])
def test_retain_is_a_boolean(router, publisher, value):
    """
    "retain|bool": another type is answered, where the publication is acknowledged.
    """
    publisher.publish("com.topic", retain=value, acknowledge=True)
    publisher.expect([8, 16, 1, {}, "wamp.error.invalid_argument", ANY])


def test_it_is_bounded(serializers):
    """
    "on a best-effort basis": the limit is named to a publisher that wants an acknowledgement.
    """
    router = WireRouter(serializers, replace(CONFIG, limits=replace(CONFIG.limits, retained_events=1)))
    publisher = router.join()
    publisher.publish("com.one", [1], retain=True, acknowledge=True)
    publisher.expect([17, 1, ANY])
    publisher.publish("com.two", [2], retain=True, acknowledge=True)
    answer = publisher.take()
    assert answer[:5] == [8, 16, 2, {}, "concord.error.limit_exceeded"]
    assert "retained_events=1" in answer[5][0]
    publisher.publish("com.one", [3], retain=True, acknowledge=True)
    publisher.expect([17, 3, ANY])
    assert retained(router.join(), "com.one")[1][0][4] == [3]
