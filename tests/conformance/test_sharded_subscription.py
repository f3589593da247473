"""WAMP AP 'Sharded Subscription': feature sharded_subscription; docs/decisions/0013 says what the keys do."""

import pytest
from wire_router import ANY

TOPIC = "com.myapp.sensor"
KEYS = [f"sn{number}" for number in range(40)]


@pytest.fixture
def publisher(router):
    return router.join()


def nodes(router, *nkeys, **options):
    """Subscribe a session for each node key: ``None`` has none."""
    peers = [router.join() for _ in nkeys]
    for peer, nkey in zip(peers, nkeys, strict=True):
        peer.subscribe(TOPIC, **({} if nkey is None else {"nkey": nkey}), **options)
    return peers


def got(peer):
    """Give the first argument of the events that came since the last call."""
    return [message[4][0] for message in peer.drain()]


def publish(publisher, keys=KEYS):
    for key in keys:
        publisher.publish(TOPIC, [key], rkey=key)


def test_each_resource_has_one_node(router, publisher):
    """
    "rkey is a stable, technical resource key", "nkey is a stable, technical node key"
    """
    peers = nodes(router, "node1", "node2", "node3")
    publish(publisher)
    first = [got(peer) for peer in peers]
    assert sorted(key for keys in first for key in keys) == sorted(KEYS)
    assert all(first)
    publish(publisher)
    assert [got(peer) for peer in peers] == first


def test_sessions_of_one_node_get_the_same(router, publisher):
    one, same, other = nodes(router, "node1", "node1", "node2")
    publish(publisher)
    first = got(one)
    assert first == got(same)
    assert sorted(first + got(other)) == sorted(KEYS)


def test_who_has_no_node_key_gets_all(router, publisher):
    plain, one, other = nodes(router, None, "node1", "node2")
    publish(publisher)
    assert got(plain) == KEYS
    assert sorted(got(one) + got(other)) == sorted(KEYS)


def test_without_a_resource_key_all_get_it(router, publisher):
    peers = nodes(router, "node1", "node2")
    publisher.publish(TOPIC, ["all"])
    publisher.publish(TOPIC, ["all"], acknowledge=True, rkey=None)
    publisher.take()
    assert [got(peer) for peer in peers] == [["all", "all"]] * 2


def test_resources_stay_where_they_are(router, publisher):
    """When a node goes, the others share what it had; when it is back, all is as before."""
    one, two, three = nodes(router, "node1", "node2", "node3")
    publish(publisher)
    first, second, third = got(one), got(two), got(three)
    three.leave()
    publish(publisher)
    now_one, now_two = got(one), got(two)
    assert set(first) < set(now_one)
    assert set(second) < set(now_two)
    assert sorted(now_one + now_two) == sorted(KEYS)
    (again,) = nodes(router, "node3")
    publish(publisher)
    assert (got(one), got(two), got(again)) == (first, second, third)


def test_each_subscription_has_its_own_nodes(router, publisher):
    """The example of the section subscribes a wildcard."""
    (exact,) = nodes(router, "node1")
    pattern = router.join()
    subscription = pattern.subscribe("com..sensor", match="wildcard", nkey="node2")
    publisher.publish(TOPIC, ["a"], rkey="sn1")
    assert got(exact) == ["a"]
    pattern.expect_only([36, subscription, ANY, {"topic": TOPIC}, ["a"]])


def test_the_last_subscribe_says_the_node(router, publisher):
    (peer,) = nodes(router, "node1")
    (other,) = nodes(router, "node2")
    peer.subscribe(TOPIC, nkey="node2")
    publish(publisher)
    assert got(peer) == got(other) == KEYS
    peer.subscribe(TOPIC)
    publish(publisher)
    assert got(peer) == got(other) == KEYS


def test_other_rules_hold_beside_it(router, publisher):
    """A node's sessions may be excluded; a resource has the same node for whoever may receive it."""
    one, other = nodes(router, "node1", "node2")
    publisher.subscribe(TOPIC, nkey="node1")
    publish(publisher)
    first = got(one)
    publisher.publish(TOPIC, ["x"], rkey=first[0], exclude=[one.id])
    publisher.publish(TOPIC, ["y"], rkey=first[0], exclude_me=False, eligible=[one.id, other.id])
    assert got(one) == ["y"]
    publisher.expect_nothing()
    other.drain()


def test_a_retained_event_goes_to_its_node(router, publisher):
    one, two = nodes(router, "node1", "node2")
    publisher.publish(TOPIC, ["kept"], rkey="sn7", retain=True)
    has_it = bool(got(one))
    assert bool(got(two)) is not has_it
    one.subscribe(TOPIC, nkey="node1", get_retained=True)
    two.subscribe(TOPIC, nkey="node2", get_retained=True)
    assert (bool(got(one)), bool(got(two))) == (has_it, not has_it)


@pytest.mark.parametrize("key", [5, "", "x" * 257, ["a"]])
def test_a_key_is_a_string(publisher, key):
    request = publisher.next()
    publisher.send([32, request, {"nkey": key}, TOPIC])
    publisher.expect([8, 32, request, {}, "wamp.error.invalid_argument", ANY])
    request = publisher.publish(TOPIC, rkey=key, acknowledge=True)
    publisher.expect([8, 16, request, {}, "wamp.error.invalid_argument", ANY])
