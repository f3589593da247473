"""One subscription: its sessions as a tuple, and its nodes."""

from router.routing.session import Session
from router.routing.shards import node_of
from router.routing.subscriptions import MAX_NODES, Subscription

ONE, TWO, THREE = (Session(number) for number in (1, 2, 3))


def made(*members):
    """Make a subscription with (session, node key)."""
    subscription = Subscription(7, "com.topic", "exact", "now")
    for session, nkey in members:
        subscription.add(session, nkey)
    return subscription


def test_it_tells_what_it_is():
    subscription = made((ONE, None))
    assert subscription.details() == {"id": 7, "created": "now", "uri": "com.topic", "match": "exact"}
    assert repr(subscription) == "<Subscription 7 exact 'com.topic': 1 sessions>"


def test_the_recipients_are_made_again_only_after_a_change():
    subscription = made((ONE, None), (TWO, None))
    before = subscription.snapshot()
    assert before == (ONE, TWO)
    subscription.add(ONE, "a")
    assert subscription.recipients is before
    subscription.discard(ONE)
    assert subscription.recipients == ()
    assert subscription.snapshot() == (TWO,)
    assert before == (ONE, TWO)


def test_a_session_has_the_node_key_that_it_gave_last():
    subscription = made((ONE, "a"), (TWO, "a"), (ONE, "b"))
    assert (subscription.nkeys, subscription.nodes) == ({1: "b", 2: "a"}, {"a": 1, "b": 1})
    subscription.add(ONE, None)
    subscription.discard(TWO)
    assert (subscription.nkeys, subscription.nodes) == ({}, {})


def test_a_shard_is_one_node_and_all_that_are_none():
    sessions = (ONE, TWO, THREE)
    assert made((ONE, None), (TWO, None)).shard("x", sessions) is sessions
    subscription = made((ONE, "a"), (TWO, "b"), (THREE, None))
    for rkey in ("x", "y", "z"):
        chosen = {"a": ONE, "b": TWO}[node_of(rkey, ["a", "b"])]
        assert subscription.shard(rkey, sessions) == [chosen, THREE]


def test_there_is_room_for_so_many_nodes():
    subscription = made(*((Session(number), f"node{number}") for number in range(MAX_NODES)))
    assert subscription.is_full_for("another")
    assert not subscription.is_full_for("node1")
