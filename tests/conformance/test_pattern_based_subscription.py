"""WAMP AP 'Pattern-based Subscription': feature pattern_based_subscription."""

import pytest
from wire_router import ANY


@pytest.fixture
def subscriber(router):
    return router.join()


@pytest.fixture
def publisher(router):
    return router.join()


@pytest.mark.parametrize(
    ("topic", "applies"),
    [
        ("com.myapp.topic.emergency.11", True),
        ("com.myapp.topic.emergency-low", True),
        ("com.myapp.topic.emergency.category.severe", True),
        ("com.myapp.topic.emergency", True),
        ("com.myapp.topic.emerge", False),
    ],
)
def test_prefix_matching(subscriber, publisher, topic, applies):
    """'Prefix Matching', the section's examples: matching is by characters."""
    subscription = subscriber.subscribe("com.myapp.topic.emergency", match="prefix")
    publisher.publish(topic, [1])
    subscriber.expect_only(*[[36, subscription, ANY, {"topic": topic}, [1]]] * applies)


@pytest.mark.parametrize(
    ("topic", "applies"),
    [
        ("com.myapp.foo.userevent", True),
        ("com.myapp.bar.userevent", True),
        ("com.myapp.a12.userevent", True),
        ("com.myapp.foo.userevent.bar", False),
        ("com.myapp.foo.user", False),
        ("com.myapp2.foo.userevent", False),
    ],
)
def test_wildcard_matching(subscriber, publisher, topic, applies):
    """'Wildcard Matching', the section's examples: a wildcard stands for one whole component."""
    subscription = subscriber.subscribe("com.myapp..userevent", match="wildcard")
    publisher.publish(topic, [1])
    subscriber.expect_only(*[[36, subscription, ANY, {"topic": topic}, [1]]] * applies)


def test_exact_matching_is_the_default(subscriber, publisher):
    """
    "By default, Subscribers subscribe to topics with exact matching policy"; no Details.topic then.
    """
    subscription = subscriber.subscribe("com.topic")
    publisher.publish("com.topic.more")
    publisher.publish("com.topic")
    subscriber.expect_only([36, subscription, ANY, {}])


def test_an_event_for_each_matching_subscription(subscriber, publisher):
    """
    "the event will be delivered for each subscription"; the publication id "will be identical"
    """
    exact = subscriber.subscribe("com.topic.a")
    prefixes = [subscriber.subscribe(prefix, match="prefix") for prefix in ("com.topic", "com", "c")]
    wildcards = [subscriber.subscribe(pattern, match="wildcard") for pattern in ("com..a", ".topic.")]
    subscriber.subscribe("com.other", match="prefix")
    publisher.publish("com.topic.a", [1], acknowledge=True)
    publication = publisher.take()[2]
    events = subscriber.drain()
    details = {"topic": "com.topic.a"}
    expected = [[36, exact, publication, {}, [1]]]
    expected += [[36, subscription, publication, details, [1]] for subscription in (*prefixes, *wildcards)]
    assert sorted(events, key=lambda event: event[1]) == sorted(expected, key=lambda event: event[1])


def test_the_policy_belongs_to_the_subscription(router, subscriber):
    """
    "Every subscription instance, based on a topic URI and some options, has a unique ID", shared by its
    subscribers.
    """
    other = router.join()
    ids = [subscriber.subscribe("com.topic", match=match) for match in ("exact", "prefix", "wildcard")]
    assert len(set(ids)) == 3
    assert [other.subscribe("com.topic", match=match) for match in ("exact", "prefix", "wildcard")] == ids


def test_no_set_semantics(subscriber, publisher):
    """
    "cannot subscribe to a broad pattern, and then unsubscribe from a subset": each one stands on its own.
    """
    broad, narrow = subscriber.subscribe("com", match="prefix"), subscriber.subscribe("com.topic")
    subscriber.send([34, subscriber.next(), narrow])
    subscriber.expect([35, 3])
    publisher.publish("com.topic")
    subscriber.expect_only([36, broad, ANY, {"topic": "com.topic"}])


def test_the_publisher_is_excluded_from_patterns_too(router, publisher):
    """'EVENT': "the Publisher of an event will never receive the published event"."""
    other = router.join()
    subscription = publisher.subscribe("com", match="prefix")
    other.subscribe("com", match="prefix")
    publisher.publish("com.topic")
    publisher.expect_nothing()
    other.expect([36, subscription, ANY, {"topic": "com.topic"}])


def test_a_pattern_shows_nothing_that_is_forbidden(router):
    """
    'Authorization': a role may subscribe a pattern only where it may subscribe all that the pattern stands
    for.
    """
    guest = router.join("guest")
    for match, uri in (("prefix", "com"), ("prefix", ""), ("wildcard", "com..x"), ("wildcard", "..")):
        request = guest.next()
        guest.send([32, request, {"match": match}, uri])
        guest.expect([8, 32, request, {}, "wamp.error.not_authorized", ANY])
    guest.subscribe("com.open.x", match="prefix")
    guest.subscribe("com.open..x", match="wildcard")


@pytest.mark.parametrize("match", ["Prefix", "", 1, True, {}])
def test_an_invalid_policy(subscriber, match):
    """
    "match|string := "prefix"", "wildcard" or "exact": another one is answered.
    """
    subscriber.send([32, 1, {"match": match}, "com.topic"])
    subscriber.expect([8, 32, 1, {}, ANY, ANY])
