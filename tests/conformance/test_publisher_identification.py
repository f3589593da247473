"""WAMP AP 'Publisher Identification': feature publisher_identification."""

import pytest
from wire_router import ANY


@pytest.fixture
def subscriber(router):
    subscriber = router.join()
    subscriber.subscription = subscriber.subscribe("com.topic")
    return subscriber


def identity(publisher, authid, authrole):
    return {"publisher": publisher.id, "publisher_authid": authid, "publisher_authrole": authrole}


def test_disclose_me(router, subscriber):
    """
    "EVENT message ... with the Publisher's WAMP session ID in EVENT.Details.publisher"; authid and authrole
    MAY follow.
    """
    publisher = router.join("alice")
    publisher.publish("com.topic", [1], disclose_me=True)
    subscriber.expect_only([36, subscriber.subscription, ANY, identity(publisher, "alice", "user"), [1]])


@pytest.mark.parametrize("options", [{}, {"disclose_me": False}, {"disclose_me": None}])
def test_nothing_is_disclosed_unasked(router, subscriber, options):
    """
    "A Publisher may request the disclosure of its identity": without that nobody learns it.
    """
    router.join("alice").publish("com.topic", [1], **options)
    subscriber.expect([36, subscriber.subscription, ANY, {}, [1]])


def test_the_configuration_discloses(router, subscriber):
    """
    "A Broker may also (automatically) disclose the identity of a Publisher"
    """
    publisher = router.join("known")
    publisher.publish("com.topic", [1])
    subscriber.expect([36, subscriber.subscription, ANY, identity(publisher, "known", "known"), [1]])


@pytest.mark.parametrize("acknowledge", [True, False])
def test_the_broker_denies(router, subscriber, acknowledge):
    """
    "a Broker may deny a Publisher's request": wamp.error.option_disallowed.disclose_me, and no event.
    """
    publisher = router.join("shy")
    publisher.publish("com.topic", [1], disclose_me=True, acknowledge=acknowledge)
    if acknowledge:
        publisher.expect([8, 16, 1, {}, "wamp.error.option_disallowed.disclose_me", ANY])
    publisher.expect_nothing()
    subscriber.expect_nothing()
    publisher.publish("com.topic", [2])
    subscriber.expect([36, subscriber.subscription, ANY, {}, [2]])


def test_every_subscription_is_told(router, subscriber):
    """The identity is a detail of the publication, whatever the subscription."""
    publisher = router.join("alice")
    prefix = subscriber.subscribe("com", match="prefix")
    publisher.publish("com.topic", disclose_me=True)
    who = identity(publisher, "alice", "user")
    subscriber.expect(
        [36, subscriber.subscription, ANY, who], [36, prefix, ANY, {**who, "topic": "com.topic"}]
    )


def test_an_anonymous_publisher(router, subscriber):
    """The authid is the one that WELCOME gave."""
    publisher = router.join()
    publisher.publish("com.topic", disclose_me=True)
    who = identity(publisher, publisher.details["authid"], "anonymous")
    subscriber.expect([36, subscriber.subscription, ANY, who])
