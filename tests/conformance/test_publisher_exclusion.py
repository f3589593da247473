"""WAMP AP 'Publisher Exclusion': feature publisher_exclusion."""

import pytest
from wire_router import ANY


@pytest.mark.parametrize("options", [{}, {"exclude_me": True}, {"exclude_me": None}])
def test_by_default_the_publisher_is_excluded(router, options):
    """
    "a Publisher of an event will not itself receive an event published, even when subscribed"
    """
    publisher, other = router.join(), router.join()
    subscription = publisher.subscribe("com.topic")
    other.subscribe("com.topic")
    publisher.publish("com.topic", [1], **options)
    publisher.expect_nothing()
    other.expect([36, subscription, ANY, {}, [1]])


@pytest.mark.parametrize("match", ["exact", "prefix", "wildcard"])
def test_exclude_me_false(router, match):
    """
    "exclude_me := false, the Publisher of the event will receive that event, if it is subscribed"
    """
    publisher, other = router.join(), router.join()
    for peer in (publisher, other):
        subscription = peer.subscribe("com.topic", match=match)
    publisher.publish("com.topic", [1], exclude_me=False)
    details = {} if match == "exact" else {"topic": "com.topic"}
    for peer in (publisher, other):
        peer.expect_only([36, subscription, ANY, details, [1]])


def test_exclude_me_false_without_a_subscription(router):
    """
    "if it is subscribed to the Topic published to"
    """
    publisher = router.join()
    publisher.publish("com.topic", exclude_me=False, acknowledge=True)
    publisher.expect_only([17, 1, ANY])


def test_it_is_the_session_that_is_excluded(router):
    """The Publisher is one session: another one of the same client receives the event."""
    publisher, other = router.join("alice"), router.join("alice")
    subscription = publisher.subscribe("com.topic")
    other.subscribe("com.topic")
    publisher.publish("com.topic")
    publisher.expect_nothing()
    other.expect([36, subscription, ANY, {}])


@pytest.mark.parametrize("value", [0, "false", []])
def test_exclude_me_is_a_boolean(router, value):
    """
    "exclude_me|bool": another type is answered, where the publication is acknowledged.
    """
    publisher = router.join()
    publisher.publish("com.topic", exclude_me=value, acknowledge=True)
    publisher.expect([8, 16, 1, {}, "wamp.error.invalid_argument", ANY])
