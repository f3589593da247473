"""WAMP AP 'Event History': feature event_history."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter, text

from realms.history.config import HistoryConfig

GET = "wamp.subscription.get_events"
HISTORIES = (
    HistoryConfig(uri="com.log.", match="prefix"),
    HistoryConfig(uri="com.exact"),
    HistoryConfig(uri="com..wild", match="wildcard"),
)
FIRST = "2023-11-14T22:30:00.000Z"  # the wall clock of the router when it starts


@pytest.fixture
def router(serializers):
    router = WireRouter(serializers, replace(CONFIG, event_history=HISTORIES))
    yield router
    router.check()


@pytest.fixture
def peer(router):
    return router.join()


def lookup(peer, topic, match="exact"):
    return peer.ask("wamp.subscription.lookup", topic, {"match": match})


def ask(peer, subscription, **kwargs):
    """Call get_events: give the events and the keywords of its RESULT."""
    request = peer.call(GET, [subscription], kwargs)
    code, answered, details, (events,), keywords = peer.take()
    assert [code, answered, details] == [50, request, {}]
    return events, keywords


def texts(peer, subscription, **kwargs):
    """Call get_events: give the first argument of each event."""
    return [event["args"][0] for event in ask(peer, subscription, **kwargs)[0]]


def published(peer, *values, topic="com.exact", **options):
    """Publish each value: give the publication ids."""
    ids = []
    for value in values:
        peer.publish(topic, [value], acknowledge=True, **options)
        ids.append(peer.take()[2])
    return ids


def refused(peer, error, *args, **kwargs):
    request = peer.call(GET, list(args), kwargs)
    peer.expect([8, 48, request, {}, error, ANY])


def test_the_events_of_a_subscription(peer):
    """
    "an array of Event objects containing an additional timestamp string attribute"
    """
    peer.publish("com.exact", [1, "ü"], {"k": [True]}, acknowledge=True)
    publication = peer.take()[2]
    peer.publish("com.exact")
    subscription = peer.subscribe("com.exact")
    (first, second), _ = ask(peer, subscription)
    assert first == {
        "timestamp": FIRST,
        "subscription": subscription,
        "publication": publication,
        "details": {},
        "args": [1, "ü"],
        "kwargs": {"k": [True]},
    }
    assert second.keys() == {"timestamp", "subscription", "publication", "details"}


def test_each_subscription_has_its_own_history(peer):
    """The example of the section: the exact ones have their topic's events, the prefix has all."""
    for topic in ("com.log.auth", "com.log.basket", "com.log.basket", "com.log.checkout"):
        peer.publish(topic, [topic])
    auth, basket = peer.subscribe("com.log.auth"), peer.subscribe("com.log.basket")
    assert texts(peer, auth) == ["com.log.auth"]
    assert texts(peer, basket) == ["com.log.basket"] * 2
    events, _ = ask(peer, peer.subscribe("com.log.", match="prefix"))
    assert [event["details"] for event in events] == [
        {"topic": "com.log.auth"},
        {"topic": "com.log.basket"},
        {"topic": "com.log.basket"},
        {"topic": "com.log.checkout"},
    ]
    assert texts(peer, peer.subscribe("com.log..", match="wildcard")) == []
    assert len(texts(peer, peer.subscribe("com.log.ba", match="prefix"))) == 2


def test_a_subscription_is_there_before_anybody_subscribes(router, peer):
    """
    "preinitializing history-enabled topics with "dummy" subscriptions even if there are not yet any real
    subscribers"
    """
    published(peer, "a")
    subscription = lookup(peer, "com.exact")
    assert texts(peer, subscription) == ["a"]
    assert peer.ask("wamp.subscription.count_subscribers", subscription) == 0
    assert peer.subscribe("com.exact") == subscription
    peer.send([34, peer.next(), subscription])
    peer.take()
    assert lookup(peer, "com.exact") == subscription
    assert texts(peer, lookup(peer, "com.log.", "prefix")) == []


def test_limit_and_reverse(peer):
    """ "Indicates the maximum number of events", "in reverse order of occurrence" """
    published(peer, *"abcde")
    subscription = lookup(peer, "com.exact")
    assert texts(peer, subscription, limit=2) == ["a", "b"]
    assert texts(peer, subscription, limit=2, reverse=True) == ["e", "d"]
    assert texts(peer, subscription, reverse=True) == [*"edcba"]
    assert texts(peer, subscription, reverse=False, limit=99) == [*"abcde"]


def test_times(router, peer):
    """from and until include the moment, after and before do not; all conditions hold together."""
    for value in "abc":
        published(peer, value)
        router.advance(1000)
    subscription = lookup(peer, "com.exact")
    second = "2023-11-14T22:30:01.000Z"
    assert texts(peer, subscription, from_time=second) == ["b", "c"]
    assert texts(peer, subscription, after_time=second) == ["c"]
    assert texts(peer, subscription, before_time=second) == ["a"]
    assert texts(peer, subscription, until_time=second) == ["a", "b"]
    assert texts(peer, subscription, from_time=second, until_time=second) == ["b"]
    assert texts(peer, subscription, from_time="2023-11-15T00:30:01+02:00", reverse=True) == ["c", "b"]
    assert texts(peer, subscription, after_time="2023-11-14T22:30:00.9995Z", before_time=second) == []


def test_publications(peer):
    """
    "possible to find an event with the specified publication|id and then return events including or
    excluding the matched one"
    """
    _, b, _, d, _ = published(peer, *"abcde")
    subscription = lookup(peer, "com.exact")
    assert texts(peer, subscription, from_publication=b) == [*"bcde"]
    assert texts(peer, subscription, after_publication=b) == [*"cde"]
    assert texts(peer, subscription, before_publication=d) == [*"abc"]
    assert texts(peer, subscription, until_publication=d) == [*"abcd"]
    assert texts(peer, subscription, after_publication=b, before_publication=d) == ["c"]
    assert texts(peer, subscription, after_publication=d, before_publication=b) == []
    assert texts(peer, subscription, before_publication=d, reverse=True, limit=2) == ["c", "b"]


def test_topic(peer):
    """ "For pattern-based subscriptions, only include publications to the specified topic." """
    published(peer, "a", topic="com.log.x")
    published(peer, "b", topic="com.log.y")
    subscription = lookup(peer, "com.log.", "prefix")
    assert texts(peer, subscription, topic="com.log.y") == ["b"]
    assert texts(peer, subscription, topic="com.log.z") == []


def test_a_wildcard(peer):
    published(peer, "a", topic="com.x.wild")
    published(peer, "b", topic="com.x.tame")
    assert texts(peer, lookup(peer, "com..wild", "wildcard")) == ["a"]


def test_a_cursor_goes_on_where_the_last_page_ended(peer):
    """
    "router implementations may provide additional options, such as pagination"
    """
    published(peer, *"abcde")
    subscription = lookup(peer, "com.exact")
    events, first = ask(peer, subscription, limit=2)
    assert first == {"cursor": ANY, "more": True, "gap": False}
    assert texts(peer, subscription, limit=2, cursor=first["cursor"]) == ["c", "d"]
    events, rest = ask(peer, subscription, cursor=first["cursor"])
    assert (len(events), rest["more"]) == (3, False)
    assert ask(peer, subscription, cursor=rest["cursor"]) == ([], {**rest, "more": False})
    published(peer, "f")
    assert texts(peer, subscription, cursor=rest["cursor"]) == ["f"]


def test_black_and_whitelisting(router, peer):
    """
    "These same rules must also apply to event history requests."
    """
    published(peer, "all")
    published(peer, "admins", eligible_authrole=["admin"])
    published(peer, "alice", eligible_authid=["alice"])
    published(peer, "not alice", exclude_authid=["alice"])
    published(peer, "not admins", exclude_authrole=["admin"])
    subscription = lookup(peer, "com.exact")
    assert texts(router.join("alice"), subscription) == ["all", "alice", "not admins"]
    assert texts(router.join("carol"), subscription) == ["all", "admins", "not alice"]


@pytest.mark.parametrize("options", [{"eligible": [7]}, {"exclude": [7]}, {"exclude": []}])
def test_what_names_sessions_is_not_kept(peer, options):
    """
    "should be ignored by the Event History mechanism and not be saved at all"
    """
    published(peer, "a", **options)
    assert texts(peer, lookup(peer, "com.exact")) == []


def test_details_are_kept(router):
    """ "The original details of the event" """
    known = router.join("known")
    known.publish("com.exact", ["a"], ppt_scheme="x_custom")
    ((event,), _) = ask(known, lookup(known, "com.exact"))
    assert event["details"] == {
        "ppt_scheme": "x_custom",
        "publisher": known.id,
        "publisher_authid": "known",
        "publisher_authrole": "known",
    }


def test_a_caller_that_may_not_subscribe(router, peer):
    """
    "Prohibited Event History meta procedure calls must fail with the wamp.error.not_authorized error URI."
    """
    guest = router.join("guest")
    subscription = lookup(peer, "com.exact")
    refused(guest, "wamp.error.not_authorized", subscription)


def test_other_subscriptions_have_no_history(peer):
    """Where nothing is kept, the caller is told so; an empty list would say that there was nothing."""
    refused(peer, "wamp.error.history_unavailable", peer.subscribe("com.other"))
    refused(peer, "wamp.error.history_unavailable", peer.subscribe("com.", match="prefix"))
    refused(peer, "wamp.error.no_such_subscription", 99)


def test_a_publication_that_is_not_there(peer):
    published(peer, "a")
    refused(peer, "wamp.error.no_such_publication", lookup(peer, "com.exact"), after_publication=99)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ([], {}),
        (["1"], {}),
        ([1, 2], {}),
        ([1], {"limit": 0}),
        ([1], {"limit": "many"}),
        ([1], {"reverse": 1}),
        ([1], {"from_time": "yesterday"}),
        ([1], {"from_time": "2023-11-14T22:30:00"}),
        ([1], {"until_time": "2023-13-14T22:30:00Z"}),
        ([1], {"topic": "a..b"}),
        ([1], {"from_publication": -1}),
        ([1], {"cursor": "from the start"}),
        ([1], {"form_time": FIRST}),
    ],
)
def test_arguments_are_checked(peer, args, kwargs):
    refused(peer, "wamp.error.invalid_argument", *args, **kwargs)


def test_the_errors_name_what_is_wrong(peer):
    request = peer.call(GET, [1], {"form_time": FIRST})
    peer.expect([8, 48, request, {}, ANY, [text("unknown keyword argument 'form_time'; allowed: reverse")]])


def test_testaments_are_kept(router, peer):
    """They are publications like others."""
    other = router.join()
    other.call("wamp.session.add_testament", ["com.exact", ["gone"], {}])
    other.take()
    other.vanish()
    assert texts(peer, lookup(peer, "com.exact")) == ["gone"]


def test_null_arguments_are_absent(peer):
    published(peer, "a")
    assert texts(peer, lookup(peer, "com.exact"), limit=None, from_time=None, cursor=None) == ["a"]
