"""Testaments in their two scopes: WAMP AP 'Session Testament'."""

import pytest

from router.routing import testaments  # not the class: pytest would collect a name that begins with Test
from router.routing.options import Refused
from router.wamp.messages import Publish


def publish(topic, args=None):
    return Publish(0, {}, topic, args)


def taken(held, session_id):
    return [msg.topic for msg in held.take(session_id)]


@pytest.fixture
def held():
    held = testaments.Testaments(max_per_session=10)
    for scope, topic in (("destroyed", "a"), ("detached", "b"), ("destroyed", "c"), ("detached", "d")):
        held.add(1, scope, publish(topic))
    held.add(2, "destroyed", publish("x"))
    return held


def test_detached_comes_before_destroyed_each_in_order_of_arrival(held):
    assert taken(held, 1) == ["b", "d", "a", "c"]
    assert taken(held, 1) == []
    assert taken(held, 2) == ["x"]


def test_a_session_without_testaments_has_nothing_to_publish(held):
    assert held.take(3) == []


@pytest.mark.parametrize(("scope", "left"), [("detached", ["a", "c"]), ("destroyed", ["b", "d"])])
def test_each_scope_is_flushed_by_itself(held, scope, left):
    held.flush(1, scope)
    held.flush(3, scope)
    assert (taken(held, 1), taken(held, 2)) == (left, ["x"])


def test_nothing_is_kept_for_a_session_that_flushed_all(held):
    held.flush(1, "detached")
    held.flush(1, "destroyed")
    held.take(2)
    assert held._by_session == {}


def test_the_number_is_bounded_over_both_scopes():
    held = testaments.Testaments(max_per_session=2)
    held.add(1, "destroyed", publish("a"))
    held.add(1, "detached", publish("b"))
    with pytest.raises(Refused, match=r"^testaments_per_session=2 is reached$") as refused:
        held.add(1, "destroyed", publish("c"))
    assert refused.value.error == "concord.error.limit_exceeded"
    held.add(2, "destroyed", publish("c"))
    assert taken(held, 1) == ["b", "a"]


def test_the_size_is_bounded_over_both_scopes():
    held = testaments.Testaments(max_per_session=10, max_bytes_per_session=200)
    held.add(1, "destroyed", publish("a", ["." * 100]))
    with pytest.raises(Refused, match=r"^the testaments of a session have at most 200 bytes$"):
        held.add(1, "detached", publish("b", ["." * 100]))
    held.add(1, "detached", publish("b", ["." * 10]))
    assert taken(held, 1) == ["b", "a"]
