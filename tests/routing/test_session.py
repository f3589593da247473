"""A session, and what a client announces about itself."""

import pytest

from router.routing.session import MAX_FEATURES, MAX_NAME, Session, announced_features


def test_repr_names_it():
    assert repr(Session(7, "alice", "user")) == "<Session 7 'alice' as 'user'>"


def test_roles_and_features():
    roles = {
        "caller": {"features": {"call_canceling": True, "x": False}},
        "callee": {"features": {"call_canceling": True}},
        "publisher": {},
    }
    expected = {"caller", "callee", "publisher", "caller.call_canceling", "callee.call_canceling"}
    assert announced_features(roles) == expected
    assert Session(1, features=expected).supports("callee.call_canceling")
    assert not Session(1, features=expected).supports("publisher.call_canceling")


@pytest.mark.parametrize("value", [1, "true", None, [], {}])
def test_a_feature_is_announced_by_true_alone(value):
    """'call_canceling|bool := true' (WAMP AP 'Call Canceling')"""
    assert announced_features({"callee": {"features": {"call_canceling": value}}}) == {"callee"}


@pytest.mark.parametrize("attributes", [None, [], "x", {"features": None}, {"features": ["call_canceling"]}])
def test_a_role_of_another_shape_announces_nothing_else(attributes):
    assert announced_features({"callee": attributes}) == {"callee"}


def test_the_second_spelling_of_canceling():
    """WAMP AP 'Progressive Call Invocations' has "call_cancelling"."""
    assert "callee.call_canceling" in announced_features({"callee": {"features": {"call_cancelling": True}}})


def test_a_feature_that_a_client_claims_and_fails_on():
    """Autobahn|Python loses its session by an UNSUBSCRIBED that it did not ask for; other clients do not."""
    names = ("subscription_revocation", "payload_transparency", "payload_encryption_cryptobox")
    claimed = announced_features({"subscriber": {"features": dict.fromkeys(names, True)}})
    assert "subscriber.subscription_revocation" not in claimed
    assert "subscriber.payload_transparency" in claimed
    for name in names[1:]:
        features = {each: True for each in names if each != name}
        assert "subscriber.subscription_revocation" in announced_features(
            {"subscriber": {"features": features}}
        )


def test_what_a_client_announces_is_bounded():
    """A HELLO of a megabyte of names must not stay in memory for as long as its session."""
    features = {"x" * 1000: True, **{f"feature_{number}": True for number in range(1000)}}
    roles = {"callee": {"features": features}, "y" * 1000: {}}
    kept = announced_features(roles)
    assert len(kept) <= MAX_FEATURES + 1
    assert max(map(len, kept)) <= MAX_NAME + len("callee.")
