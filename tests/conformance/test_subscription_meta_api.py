"""WAMP AP 'Subscription Meta API': feature subscription_meta_api."""

import pytest
from wire_router import ANY, CREATED

NO_SUCH = "wamp.error.no_such_subscription"
PROCEDURES = ("get", "list_subscribers", "count_subscribers")
EVENTS = ("on_create", "on_subscribe", "on_unsubscribe", "on_delete")


@pytest.fixture
def peer(router):
    return router.join()


@pytest.fixture
def watcher(router):
    """Give a session that is subscribed to each of the events: ``told`` gives what it received."""
    watcher = router.join()
    topics = {}
    for name in EVENTS:
        request = watcher.next()
        watcher.send([32, request, {}, f"wamp.subscription.{name}"])
        answer, *_ = watcher.drain()  # the rest is what it is told of itself
        topics[answer[2]] = name

    def told():
        messages = watcher.drain()
        assert all(message[0] == 36 and message[3] == {} and len(message) == 5 for message in messages)
        return [(topics[message[1]], message[4]) for message in messages]

    return told


def details(subscription, uri, match="exact"):
    return {"id": subscription, "created": CREATED, "uri": uri, "match": match}


def test_on_create_and_on_subscribe(peer, watcher):
    """
    "on_subscribe event MUST always be fired subsequent to a wamp.subscription.on_create event"
    """
    subscription = peer.subscribe("com.topic", match="prefix")
    created = [peer.id, details(subscription, "com.topic", "prefix")]
    assert watcher() == [("on_create", created), ("on_subscribe", [peer.id, subscription])]


def test_a_second_subscriber_creates_nothing(router, peer, watcher):
    """on_create is for "a topic which was previously without subscribers"."""
    subscription = peer.subscribe("com.topic")
    watcher()
    other = router.join()
    other.subscribe("com.topic")
    assert watcher() == [("on_subscribe", [other.id, subscription])]
    other.subscribe("com.topic")
    assert watcher() == []


def test_on_unsubscribe_and_on_delete(peer, watcher):
    """
    "on_delete event MUST always be preceded by a wamp.subscription.on_unsubscribe event"
    """
    subscription = peer.subscribe("com.topic")
    watcher()
    peer.send([34, peer.next(), subscription])
    peer.expect([35, 2])
    ids = [peer.id, subscription]
    assert watcher() == [("on_unsubscribe", ids), ("on_delete", ids)]


@pytest.mark.parametrize("how", ["leave", "vanish"])
def test_a_session_that_leaves_is_detached(router, watcher, how):
    """
    "Fired when a session is removed from a subscription", whatever removes it.
    """
    one, two = router.join(), router.join()
    subscription = one.subscribe("com.topic")
    two.subscribe("com.topic")
    watcher()
    getattr(one, how)()
    assert watcher() == [("on_unsubscribe", [one.id, subscription])]
    getattr(two, how)()
    assert watcher() == [("on_unsubscribe", [two.id, subscription]), ("on_delete", [two.id, subscription])]


def test_a_refused_request_is_no_event(peer, watcher):
    """Meta events tell of changes."""
    peer.send([32, 1, {"match": "x"}, "com.topic"], [34, 2, 99])
    assert [message[0] for message in peer.drain()] == [8, 8]
    assert watcher() == []


def test_list(peer):
    """wamp.subscription.list: "A dictionary with a list of subscription IDs for each match policy." """
    assert peer.ask("wamp.subscription.list") == {"exact": [], "prefix": [], "wildcard": []}
    one, two = peer.subscribe("com.a"), peer.subscribe("com.b")
    prefix = peer.subscribe("com", match="prefix")
    wildcard = peer.subscribe("com.", match="wildcard")
    assert peer.ask("wamp.subscription.list") == {
        "exact": [one, two],
        "prefix": [prefix],
        "wildcard": [wildcard],
    }


def test_lookup(peer):
    """wamp.subscription.lookup: "managing a topic, according to some match policy", or null."""
    exact, prefix = peer.subscribe("com.x"), peer.subscribe("com.x", match="prefix")
    assert peer.ask("wamp.subscription.lookup", "com.x") == exact
    assert peer.ask("wamp.subscription.lookup", "com.x", {"match": "prefix", "get_retained": True}) == prefix
    assert peer.ask("wamp.subscription.lookup", "com.x", {"match": "wildcard"}) is None
    assert peer.ask("wamp.subscription.lookup", "com.y") is None


def test_match(peer):
    """wamp.subscription.match: "A list of all matching subscription IDs, or null." """
    exact, prefix = peer.subscribe("com.x.y"), peer.subscribe("com.x", match="prefix")
    wildcard = peer.subscribe("com..y", match="wildcard")
    peer.subscribe("com.z")
    assert set(peer.ask("wamp.subscription.match", "com.x.y")) == {exact, prefix, wildcard}
    assert peer.ask("wamp.subscription.match", "com.x.z") == [prefix]
    assert peer.ask("wamp.subscription.match", "org.x") is None


def test_match_agrees_with_dispatch(router, peer):
    """Whatever matches gets the event, and nothing else does."""
    subscriber = router.join()
    for match, uri in (
        ("exact", "com.x.y"),
        ("prefix", "com.x"),
        ("wildcard", "com..y"),
        ("wildcard", "..y."),
    ):
        subscriber.subscribe(uri, match=match)
    for topic in ("com.x.y", "com.x", "com.z.y", "a.b.y.d", "org"):
        peer.publish(topic)
        got = [event[1] for event in subscriber.drain()]
        assert got == (peer.ask("wamp.subscription.match", topic) or [])


def test_get(peer):
    """wamp.subscription.get: SubscriptionDetails."""
    subscription = peer.subscribe("com..x", match="wildcard")
    assert peer.ask("wamp.subscription.get", subscription) == details(subscription, "com..x", "wildcard")


def test_subscribers(router, peer):
    """wamp.subscription.list_subscribers and count_subscribers."""
    other = router.join()
    subscription = peer.subscribe("com.x")
    other.subscribe("com.x")
    assert set(peer.ask("wamp.subscription.list_subscribers", subscription)) == {peer.id, other.id}
    assert peer.ask("wamp.subscription.count_subscribers", subscription) == 2
    other.vanish()
    assert peer.ask("wamp.subscription.list_subscribers", subscription) == [peer.id]
    assert peer.ask("wamp.subscription.count_subscribers", subscription) == 1


@pytest.mark.parametrize("name", PROCEDURES)
def test_no_such_subscription(peer, name):
    """
    "No subscription with the given ID exists on the router."
    """
    subscription = peer.subscribe("com.x")
    peer.send([34, peer.next(), subscription])
    peer.expect([35, 2])
    for unknown in (subscription, 4711):
        request = peer.call(f"wamp.subscription.{name}", [unknown])
        peer.expect([8, 48, request, {}, NO_SUCH, ANY])


@pytest.mark.parametrize(
    ("name", "args"),
    [
        *((name, args) for name in PROCEDURES for args in ([], ["1"], [None], [1, 2])),
        ("list", [1]),
        *(
            ("lookup", args)
            for args in ([], [1], ["com.x", "prefix"], ["com.x", {"match": "x"}], ["a", {}, 1])
        ),
        *(("match", args) for args in ([], [1], ["com.x", 1])),
    ],
)
def test_arguments_are_checked(peer, name, args):
    """'Interaction', wamp.error.invalid_argument: "argument types or values are not acceptable"."""
    request = peer.call(f"wamp.subscription.{name}", args)
    peer.expect([8, 48, request, {}, "wamp.error.invalid_argument", ANY])
