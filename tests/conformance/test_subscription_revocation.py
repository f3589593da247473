"""WAMP AP 'Subscription Revocation': feature subscription_revocation."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG

from realms.config import RoleConfig

REMOVE = "wamp.subscription.remove_subscriber"
UNANNOUNCED = ["subscriber.subscription_revocation"]


@pytest.fixture
def admin(router):
    return router.join("carol")


def remove(admin, *args, **kwargs):
    """Call the meta procedure, which answers with nothing."""
    request = admin.call(REMOVE, list(args), kwargs)
    admin.expect([50, request, {}])


def test_unsubscribed_with_request_0_and_details(router, admin):
    """
    "it's set to zero and another argument is appended to indicate which subscription to revoke"
    """
    subscriber = router.join()
    subscription = subscriber.subscribe("com.topic")
    remove(admin, subscription, subscriber.id, reason="com.why")
    subscriber.expect_only([35, 0, {"subscription": subscription, "reason": "com.why"}])


def test_no_event_follows(router, admin):
    """A revoked subscription has ended: the others still get its events."""
    revoked, other = router.join(), router.join()
    subscription = revoked.subscribe("com.topic")
    other.subscribe("com.topic")
    remove(admin, subscription, revoked.id)
    admin.publish("com.topic", [1])
    revoked.expect_only([35, 0, {"subscription": subscription, "reason": ANY}])
    other.expect_only([36, subscription, ANY, {}, [1]])


def test_who_did_not_announce_it_is_told_nothing(router, admin):
    """
    "In this case, the Broker MUST NOT send an UNSUBSCRIBED message to the Subscriber."
    """
    subscriber = router.join(without=UNANNOUNCED)
    subscription = subscriber.subscribe("com.topic")
    remove(admin, subscription, subscriber.id)
    admin.publish("com.topic")
    subscriber.expect_nothing()


def test_the_meta_event_tells_it(router, admin):
    """
    "The Subscriber MAY use the subscription meta event wamp.subscription.on_unsubscribe"
    """
    subscriber = router.join(without=UNANNOUNCED)
    subscription = subscriber.subscribe("com.topic")
    events = subscriber.subscribe("wamp.subscription.on_unsubscribe")
    subscriber.drain()
    remove(admin, subscription, subscriber.id)
    subscriber.expect_only([36, events, ANY, {}, [subscriber.id, subscription]])


def test_the_subscriber_may_subscribe_again(router, admin):
    """What was revoked is gone like any other subscription; a new one is a new one."""
    subscriber = router.join()
    subscription = subscriber.subscribe("com.topic")
    remove(admin, subscription, subscriber.id)
    subscriber.drain()
    request = subscriber.next()
    subscriber.send([34, request, subscription])
    subscriber.expect([8, 34, request, {}, "wamp.error.no_such_subscription", ANY])
    again = subscriber.subscribe("com.topic")
    admin.publish("com.topic")
    subscriber.expect_only([36, again, ANY, {}])


def test_a_changed_configuration_revokes(router):
    """
    "actively revoke a previously granted subscription"; the reason is a URI, since Autobahn takes no other
    """
    subscriber = router.join()
    subscription = subscriber.subscribe("com.topic")
    changed = replace(CONFIG, roles={**CONFIG.roles, "anonymous": RoleConfig()})
    router.turn.deliver(router.realm.reconfigure(changed))
    router.end_turn()
    subscriber.expect_only([35, 0, {"subscription": subscription, "reason": "wamp.error.not_authorized"}])


@pytest.mark.parametrize(
    ("subscription", "session", "error"),
    [(99, 1, "no_such_subscription"), (1, 99, "no_such_session")],
)
def test_there_is_no_such_thing(router, admin, subscription, session, error):
    """An administrator that names a wrong one is told so."""
    router.join().subscribe("com.topic")
    request = admin.call(REMOVE, [subscription, session])
    admin.expect([8, 48, request, {}, f"wamp.error.{error}", ANY])
