"""WAMP AP 'Session Testament': feature testament_meta_api."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter


@pytest.fixture
def heir(router):
    """Give a subscriber to com.testament."""
    heir = router.join()
    heir.subscription = heir.subscribe("com.testament")
    return heir


def add(peer, *args, **kwargs):
    """Add a testament for com.testament: its args, its kwargs."""
    request = peer.call("wamp.session.add_testament", ["com.testament", *args], kwargs)
    peer.expect([50, request, {}])


@pytest.mark.parametrize("how", ["leave", "vanish", "abort"])
def test_a_testament_is_published(router, heir, how):
    """
    "reliably sent by the Broker once either the WAMP session has detached or the client connection has been
    lost"
    """
    peer = router.join()
    add(peer, ["Seeya!"], {"my_name": "app1"})
    heir.expect_nothing()
    if how == "abort":
        peer.send([2, 1, {}])
        peer.expect_abort("wamp.error.protocol_violation")
    else:
        getattr(peer, how)()
    heir.expect_only([36, heir.subscription, ANY, {}, ["Seeya!"], {"my_name": "app1"}])


def test_the_payload_is_what_was_given(router, heir):
    """
    "with the specified arguments, keyword arguments", in each subscriber's serialization.
    """
    peer = router.join()
    payload = [1, -1.5, "ü", None, True, {"a": [1, 2]}]
    add(peer, payload, {"k": payload})
    heirs = [router.join(serializer=name) for name in ("json", "msgpack", "cbor")]
    for other in heirs:
        other.subscribe("com.testament")
    peer.vanish()
    for other in (heir, *heirs):
        other.expect_only([36, heir.subscription, ANY, {}, payload, {"k": payload}])


def test_scopes(router, heir):
    """
    "MUST send detached-scope Testaments before destroyed-scope Testaments", each "in the order they were
    added"
    """
    peer = router.join()
    for number, scope in enumerate(["destroyed", "detached", "destroyed", "detached"]):
        add(peer, [number], {}, scope=scope)
    peer.vanish()
    assert [message[4] for message in heir.drain()] == [[1], [3], [0], [2]]


@pytest.mark.parametrize(
    ("kwargs", "left"),
    [({}, [1]), ({"scope": "destroyed"}, [1]), ({"scope": "detached"}, [0]), ({"scope": None}, [1])],
)
def test_flush(router, heir, kwargs, left):
    """
    "Removes testaments for the given scope"; "the default MUST be destroyed"; no value is returned.
    """
    peer = router.join()
    add(peer, [0], {})
    add(peer, [1], {}, scope="detached")
    request = peer.call("wamp.session.flush_testaments", [], kwargs)
    peer.expect([50, request, {}])
    peer.vanish()
    assert [message[4] for message in heir.drain()] == [left]


def test_flush_both(router, heir):
    """
    "A Client can also clear testaments if the information is no longer relevant"
    """
    peer = router.join()
    add(peer, [0], {})
    add(peer, [1], {}, scope="detached")
    for scope in ("detached", "destroyed"):
        request = peer.call("wamp.session.flush_testaments", [], {"scope": scope})
        peer.expect([50, request, {}])
    peer.vanish()
    heir.expect_nothing()


def test_flush_is_for_the_session_itself(router, heir):
    """
    "remove the Testaments for that Session"
    """
    peer, other = router.join(), router.join()
    add(peer, [1], {})
    request = other.call("wamp.session.flush_testaments")
    other.expect([50, request, {}])
    peer.vanish()
    heir.expect([36, heir.subscription, ANY, {}, [1], {}])


def test_publish_options(router, heir):
    """
    "options for the event when it is published ... Not all options may be honoured (for example,
    acknowledge)"
    """
    peer = router.join("alice")
    alice, bob = router.join("alice"), router.join("bob")
    alice.subscribe("com.testament")
    bob.subscribe("com.testament")
    options = {
        "acknowledge": True,
        "exclude_authid": ["bob"],
        "eligible_authrole": ["user"],
        "disclose_me": True,
    }
    add(peer, ["x"], {}, publish_options=options)
    peer.vanish()
    identity = {"publisher": peer.id, "publisher_authid": "alice", "publisher_authrole": "user"}
    alice.expect([36, heir.subscription, ANY, identity, ["x"], {}])
    heir.expect_nothing()
    bob.expect_nothing()


def test_a_retained_testament(router):
    """'Event Retention': a testament may be the last word on its topic."""
    peer = router.join()
    add(peer, ["gone"], {}, publish_options={"retain": True})
    peer.vanish()
    late = router.join()
    subscription = late.subscribe("com.testament", get_retained=True)
    late.expect([36, subscription, ANY, {"retained": True}, ["gone"], {}])


def test_the_session_itself_gets_nothing(router):
    """It has left when its testaments are published."""
    peer = router.join()
    peer.subscribe("com.testament")
    add(peer, ["x"], {}, publish_options={"exclude_me": False})
    peer.leave()
    peer.expect_nothing()


def test_testaments_end_with_their_session(router, heir):
    """A new session on the same connection has none."""
    peer = router.join()
    add(peer, ["x"], {})
    peer.leave()
    heir.expect([36, heir.subscription, ANY, {}, ["x"], {}])
    peer.join()
    peer.leave()
    heir.expect_nothing()


def test_before_on_leave(router, heir):
    """A testament is part of leaving: whoever learns of the leaving has it."""
    on_leave = heir.subscribe("wamp.session.on_leave")
    peer = router.join("alice")
    add(peer, ["x"], {})
    peer.vanish()
    heir.expect_only(
        [36, heir.subscription, ANY, {}, ["x"], {}], [36, on_leave, ANY, {}, [peer.id, "alice", "user"]]
    )


def test_a_killed_sessions_testaments(router, heir):
    """
    "destroyed (when the WAMP session no longer exists on the server)": also where it is killed.
    """
    peer = router.join()
    add(peer, ["x"], {})
    request = heir.call("wamp.session.kill", [peer.id])
    heir.expect_only([50, request, {}], [36, heir.subscription, ANY, {}, ["x"], {}])
    peer.expect([6, {}, "wamp.close.killed"])


def test_permission_counts_when_it_is_published(router):
    """A testament is a publication: a role that may not publish there has no testament there either."""
    heir = router.join()
    heir.subscribe("com.secret")
    guest = router.join("guest")
    request = guest.call("wamp.session.add_testament", ["com.secret", [], {}])
    guest.expect([50, request, {}])
    guest.vanish()
    heir.expect_nothing()


@pytest.mark.parametrize("gone", [True, False])
def test_who_is_let_in_no_more_publishes_what_his_role_may_now(router, heir, gone):
    """A configuration without the role, or without the principal and with a role that may not publish."""
    peer = router.join("bob")
    add(peer, ["as the role was"])
    others = {
        authid: each for authid, each in CONFIG.authentication.ticket.principals.items() if authid != "bob"
    }
    if gone:
        roles = {name: role for name, role in CONFIG.roles.items() if name != "user"}
        others = {authid: each for authid, each in others.items() if each.role != "user"}
    else:
        roles = {**CONFIG.roles, "user": replace(CONFIG.roles["user"], permissions=())}
    ticket = replace(CONFIG.authentication.ticket, principals=others)
    config = replace(CONFIG, roles=roles, authentication=replace(CONFIG.authentication, ticket=ticket))
    router.turn.deliver(router.realm.reconfigure(config))
    router.end_turn()
    peer.expect_only([6, ANY, "wamp.error.not_authorized"])
    heir.expect_nothing()


@pytest.mark.parametrize(
    ("args", "kwargs", "error"),
    [
        ([], {}, "invalid_argument"),
        ([5, [], {}], {}, "invalid_argument"),
        (["com.x", {}, {}], {}, "invalid_argument"),
        (["com.x", [], []], {}, "invalid_argument"),
        (["com.x", [], {}, 1], {}, "invalid_argument"),
        (["com.x", [], {}], {"scope": "frozen"}, "invalid_argument"),
        (["com.x", [], {}], {"publish_options": []}, "invalid_argument"),
        (["com.x", [], {}], {"publish_options": {"eligible": 1}}, "invalid_argument"),
        (["com x", [], {}], {}, "invalid_uri"),
        (["com..x", [], {}], {}, "invalid_uri"),
    ],
)
def test_arguments_are_checked(router, args, kwargs, error):
    """'Interaction': "argument types or values are not acceptable"; an incorrect URI is invalid_uri."""
    peer = router.join()
    request = peer.call("wamp.session.add_testament", args, kwargs)
    peer.expect([8, 48, request, {}, f"wamp.error.{error}", ANY])


def test_testaments_are_bounded(serializers):
    """The limit is named."""
    router = WireRouter(serializers, replace(CONFIG, limits=replace(CONFIG.limits, testaments_per_session=1)))
    peer = router.join()
    add(peer, [1], {})
    request = peer.call("wamp.session.add_testament", ["com.testament", [2], {}])
    answer = peer.take()
    assert answer[:5] == [8, 48, request, {}, "concord.error.limit_exceeded"]
    assert "testaments_per_session=1" in answer[5][0]
