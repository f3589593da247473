"""WAMP AP 'Publication Trust Levels': feature publication_trustlevels."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG

from realms.config import Permission, RoleConfig


@pytest.fixture
def subscriber(router):
    return router.join()


def test_the_level_of_the_publishers_role(router, subscriber):
    """
    "depending on the application defined role of the (authenticated) Publisher"
    """
    subscription = subscriber.subscribe("com.topic")
    router.join("trusted").publish("com.topic", ["Hello, world!"])
    subscriber.expect([36, subscription, ANY, {"trustlevel": 3}, ["Hello, world!"]])
    router.join("alice").publish("com.topic", ["Hello, world!"])
    subscriber.expect_only([36, subscription, ANY, {}, ["Hello, world!"]])


def test_the_level_of_the_topic(router, subscriber):
    """
    "according to the Broker configuration on a per-topic basis"; "0 means lowest trust"
    """
    allow = ("publish",)
    permissions = (
        Permission(uri="com.", match="prefix", allow=allow),
        Permission(uri="com.low", allow=allow, trust_level=0),
        Permission(uri="com.high.", match="prefix", allow=allow, trust_level=9),
    )
    roles = {**CONFIG.roles, "user": RoleConfig(permissions=permissions)}
    router.turn.deliver(router.realm.reconfigure(replace(CONFIG, roles=roles)))
    subscription = subscriber.subscribe("com.", match="prefix")
    alice = router.join("alice")
    for topic in ("com.low", "com.high.x", "com.other"):
        alice.publish(topic)
    subscriber.expect_only(
        [36, subscription, ANY, {"trustlevel": 0, "topic": "com.low"}],
        [36, subscription, ANY, {"trustlevel": 9, "topic": "com.high.x"}],
        [36, subscription, ANY, {"topic": "com.other"}],
    )


def test_a_publisher_cannot_say_it_itself(router, subscriber):
    """The Broker assigns it."""
    subscription = subscriber.subscribe("com.topic")
    router.join("alice").publish("com.topic", trustlevel=7)
    router.join("trusted").publish("com.topic", trustlevel=7)
    subscriber.expect_only(
        [36, subscription, ANY, {}],
        [36, subscription, ANY, {"trustlevel": 3}],
    )


def test_with_other_options(router, subscriber):
    """Beside other details, and acknowledged like any publication."""
    subscription = subscriber.subscribe("com.topic")
    trusted = router.join("trusted")
    request = trusted.publish("com.topic", acknowledge=True, disclose_me=True)
    trusted.expect([17, request, ANY])
    disclosed = {
        "publisher": trusted.id,
        "publisher_authid": "trusted",
        "publisher_authrole": "trusted",
    }
    subscriber.expect_only([36, subscription, ANY, {"trustlevel": 3, **disclosed}])


def test_a_retained_event_and_a_testament(router, subscriber):
    """They carry the level, too."""
    trusted = router.join("trusted")
    trusted.publish("com.topic", retain=True)
    trusted.call("wamp.session.add_testament", ["com.topic", [], {}])
    trusted.take()
    subscription = subscriber.subscribe("com.topic", get_retained=True)
    subscriber.expect([36, subscription, ANY, {"trustlevel": 3, "retained": True}])
    trusted.vanish()
    subscriber.expect_only([36, subscription, ANY, {"trustlevel": 3}, [], {}])
