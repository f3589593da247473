"""WAMP AP 'Subscriber Black- and Whitelisting': feature subscriber_blackwhite_listing."""

import itertools

import pytest
from wire_router import ANY

# name -> authid; the roles are anonymous, user, user, admin
WHO = {"nobody": None, "alice": "alice", "bob": "bob", "carol": "carol"}
ROLES = {"nobody": "anonymous", "alice": "user", "bob": "user", "carol": "admin"}


@pytest.fixture
def publisher(router):
    return router.join()


@pytest.fixture
def subscribers(router):
    """Give name -> peer, all subscribed to com.topic."""
    peers = {name: router.join(authid) for name, authid in WHO.items()}
    for peer in peers.values():
        peer.subscribe("com.topic")
    return peers


def receivers(publisher, subscribers, **options):
    """Publish with these options, session ids as names: give the names of those who got the event."""
    for key in ("eligible", "exclude"):
        if options.get(key):
            options[key] = [subscribers[who].id if who in subscribers else who for who in options[key]]
    publisher.publish("com.topic", [1], **options)
    return {name for name, peer in subscribers.items() if [message[0] for message in peer.drain()] == [36]}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"exclude": ["alice", "carol"]}, {"nobody", "bob"}),
        ({"exclude": [4711]}, {"nobody", "alice", "bob", "carol"}),
        ({"exclude": []}, {"nobody", "alice", "bob", "carol"}),
        ({"exclude_authid": ["alice", "x"]}, {"nobody", "bob", "carol"}),
        ({"exclude_authrole": ["user"]}, {"nobody", "carol"}),
        ({"eligible": ["alice", "carol", 4711]}, {"alice", "carol"}),
        ({"eligible_authid": ["alice", "bob", "x"]}, {"alice", "bob"}),
        ({"eligible_authrole": ["user", "anonymous"]}, {"nobody", "alice", "bob"}),
        ({"eligible": None, "exclude_authid": None}, {"nobody", "alice", "bob", "carol"}),
        ({"eligible": ["alice", "bob", "carol"], "exclude": ["alice"]}, {"bob", "carol"}),
    ],
)
def test_lists(publisher, subscribers, options, expected):
    """'Feature Definition': each of the six lists, and the section's third example."""
    assert receivers(publisher, subscribers, **options) == expected


@pytest.mark.parametrize("name", ["eligible", "eligible_authid", "eligible_authrole"])
def test_an_empty_eligible_list_admits_nobody(publisher, subscribers, name):
    """
    "if there is an eligible attribute present, the Subscriber's sessionid is in this list": in an empty one
    is nobody.
    """
    assert receivers(publisher, subscribers, **{name: []}) == set()


KINDS = {"session": "", "authid": "_authid", "authrole": "_authrole"}


def value_of(kind, name):
    return {"session": name, "authid": WHO[name] or "?", "authrole": ROLES[name]}[kind]


@pytest.mark.parametrize(("first", "second"), list(itertools.product(KINDS, KINDS)))
def test_all_six_statements_hold(publisher, subscribers, first, second):
    """
    "if and only if all of the following statements hold true": lists intersect, of whatever kinds they are.
    """
    eligible = [value_of(first, name) for name in ("alice", "carol")]
    exclude = [value_of(second, "alice")]
    options = {f"eligible{KINDS[first]}": eligible, f"exclude{KINDS[second]}": exclude}
    expected = {
        name for name in WHO if value_of(first, name) in eligible and value_of(second, name) not in exclude
    }
    assert receivers(publisher, subscribers, **options) == expected
    assert "carol" in expected
    assert "alice" not in expected


def test_lists_of_three_kinds(publisher, subscribers):
    """All three whitelists at once: who is in all of them."""
    options = {
        "eligible": ["alice", "carol"],
        "eligible_authid": ["alice", "bob"],
        "eligible_authrole": ["user"],
    }
    assert receivers(publisher, subscribers, **options) == {"alice"}


def test_the_publisher_stays_excluded(router, subscribers):
    """
    'Publisher Exclusion' is a further condition: being eligible is not enough, and exclude_me: false does
    it.
    """
    alice = subscribers["alice"]
    alice.publish("com.topic", eligible=[alice.id])
    alice.expect_nothing()
    alice.publish("com.topic", eligible=[alice.id], exclude_me=False)
    alice.expect_only([36, ANY, ANY, {}])
    alice.publish("com.topic", exclude=[alice.id], exclude_me=False, eligible_authrole=["user"])
    alice.expect_nothing()
    subscribers["bob"].expect([36, ANY, ANY, {}])


def test_only_subscribers_receive(publisher, router, subscribers):
    """
    "but only if those are actually subscribed to the topic"
    """
    other = router.join()
    publisher.publish("com.topic", eligible=[other.id])
    other.expect_nothing()


def test_patterns_are_narrowed_too(publisher, router):
    """The lists concern the Subscribers of every matching subscription."""
    alice, bob = router.join("alice"), router.join("bob")
    for peer in (alice, bob):
        prefix = peer.subscribe("com", match="prefix")
    publisher.publish("com.topic", exclude_authid=["alice"])
    alice.expect_nothing()
    bob.expect([36, prefix, ANY, {"topic": "com.topic"}])


def test_the_lists_are_not_told(publisher, subscribers):
    """Nobody learns who else was chosen."""
    publisher.publish("com.topic", eligible_authid=["alice"], exclude=[4711])
    subscribers["alice"].expect_only([36, ANY, ANY, {}])


@pytest.mark.parametrize(
    "options",
    [
        {"eligible": 5},
        {"eligible": ["x"]},
        {"eligible": [1.5]},
        {"exclude": {}},
        {"exclude": [None]},
        {"exclude_authid": "alice"},
        {"exclude_authid": [5]},
        {"eligible_authrole": [["user"]]},
    ],
)
@pytest.mark.parametrize("acknowledge", [True, False])
def test_lists_of_another_type(publisher, subscribers, options, acknowledge):
    """
    "list[int]", "list[string]": a list that cannot be read must not let an event through.
    """
    publisher.publish("com.topic", acknowledge=acknowledge, **options)
    if acknowledge:
        publisher.expect([8, 16, 1, {}, "wamp.error.invalid_argument", ANY])
    for subscriber in subscribers.values():
        subscriber.expect_nothing()


@pytest.mark.parametrize("serializer", ["msgpack", "cbor"])
def test_integral_floats_are_session_ids(router, subscribers, serializer):
    """Clients in JavaScript send ids as doubles."""
    publisher = router.join(serializer=serializer)
    publisher.publish("com.topic", eligible=[float(subscribers["alice"].id)])
    subscribers["alice"].expect([36, ANY, ANY, {}])
    publisher.publish("com.topic", exclude=[float(subscribers["alice"].id)], eligible_authrole=["user"])
    subscribers["bob"].expect([36, ANY, ANY, {}])
