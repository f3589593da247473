"""WAMP BP 'Sessions': HELLO, WELCOME, ABORT and GOODBYE."""

import pytest
from wire_router import ANY, FEATURES, MESSAGE_LIMIT_BYTES, roles, text

from router.transport.connection import State
from router.wamp import features


def test_hello_is_answered_by_welcome(router):
    """'Session Establishment': "the Router will reply with a WELCOME or ABORT message", as its first one."""
    peer = router.peer()
    peer.hello()
    peer.expect_only([2, 7_000_001, ANY])


def test_welcome_details(router):
    """'WELCOME': the agent, who the session is, the roles of the router; own keys begin with "_"."""
    peer = router.join("alice")
    details = peer.details
    assert details.pop("roles").keys() == {"broker", "dealer"}
    assert details.pop("agent").startswith("Concord/")
    assert details == {
        "realm": "realm1",
        "authid": "alice",
        "authrole": "user",
        "authmethod": "ticket",
        "authprovider": "static",
        "_limits": {"message_bytes": MESSAGE_LIMIT_BYTES},
    }


def test_welcome_announces_the_features(router):
    """'Router: Role and Feature Announcement': each feature of each role, as a boolean."""
    announced = router.join().details["roles"]
    assert announced.keys() == {"broker", "dealer"}
    assert announced["broker"]["features"] == dict.fromkeys(features.BROKER, True)
    assert announced["dealer"]["features"] == dict.fromkeys(features.DEALER, True)


@pytest.mark.parametrize("role", FEATURES)
def test_one_role_without_features_is_enough(router, role):
    """
    'Client: Role and Feature Announcement': "must support at least one role"; the dictionary may be empty.
    """
    peer = router.peer()
    peer.send([1, "realm1", {"roles": {role: {}}}])
    peer.expect_only([2, ANY, ANY])


@pytest.mark.parametrize(
    "details",
    [{}, {"roles": {}}, {"roles": []}, {"roles": None}, {"roles": {"dealer": {}}}, {"roles": "caller"}],
)
def test_hello_without_a_role_of_a_client(router, details):
    """'Client: Role and Feature Announcement': "A Client must announce the roles it supports"."""
    peer = router.peer()
    peer.send([1, "realm1", details])
    peer.expect_abort("wamp.error.protocol_violation", text("roles"))


def test_unknown_details_are_ignored(router):
    """'Extensibility': "Attributes unknown to an implementation MUST be ignored"."""
    peer = router.peer()
    features = {"call_canceling": True, "time_travel": True, "x": 1}
    peer.send(
        [1, "realm1", {"roles": {"caller": {"features": features, "more": 1}}, "_own": [1], "agent": "x"}]
    )
    peer.expect_only([2, ANY, ANY])


def test_no_such_realm(router):
    """'ABORT', example: "The realm does not exist."."""
    peer = router.peer()
    peer.hello(realm="realm2")
    peer.expect_abort("wamp.error.no_such_realm", text("realm2"))


def test_second_hello(router):
    """
    'HELLO': "It is a protocol error to receive a second HELLO message during the lifetime of the session".
    """
    peer = router.join()
    peer.hello()
    peer.expect_abort("wamp.error.protocol_violation", text("received HELLO"))


def test_client_aborts_the_opening(router):
    """'ABORT': "No response to an ABORT message is expected.", and nothing is left."""
    peer = router.peer()
    peer.send([3, {}, "wamp.error.whatever"])
    peer.expect_nothing()
    assert peer.closed is not None
    assert router.realm.sessions == {}


def test_client_aborts_its_session(router):
    """'ABORT' of an open session: no response, and whatever it held is gone."""
    peer = router.join()
    peer.register("com.x")
    peer.send([3, {"message": "bye"}, "wamp.error.protocol_violation"])
    peer.expect_nothing()
    assert peer.closed is not None
    other = router.join()
    other.call("com.x")
    other.expect([8, 48, 1, {}, "wamp.error.no_such_procedure", ANY])


def test_client_aborts_while_it_is_challenged(router):
    """State chart: while CHALLENGING, ABORT ends the opening."""
    peer = router.peer()
    peer.hello(authmethods=["ticket"], authid="alice")
    peer.expect([4, "ticket", {}])
    peer.send([3, {}, "wamp.error.whatever"])
    peer.expect_nothing()
    assert peer.closed is not None


def test_client_closes_its_session(router):
    """'GOODBYE': "GOODBYE must be replied to by the receiving Peer", with goodbye_and_out."""
    peer = router.join()
    peer.send([6, {}, "wamp.close.close_realm"])
    peer.expect_only([6, {}, "wamp.close.goodbye_and_out"])
    assert peer.closed is None
    assert router.realm.sessions == {}


def test_router_closes_a_session(router):
    """
    'GOODBYE': the router initiates closing; the client's reply is not replied to, and ends the connection.
    """
    peer = router.join()
    router.turn.deliver(router.realm.close("wamp.close.system_shutdown"))
    router.end_turn()
    peer.expect_only([6, {}, "wamp.close.system_shutdown"])
    assert peer.closed is None
    peer.send([6, {}, "wamp.close.goodbye_and_out"])
    peer.expect_nothing()
    assert peer.closed is not None


def test_messages_on_their_way_are_ignored_while_closing(router):
    """State chart, SHUTTING DOWN: "Received other / ignore"."""
    peer = router.join()
    router.turn.deliver(router.realm.close())
    router.end_turn()
    peer.expect([6, {}, "wamp.close.close_realm"])
    peer.send([48, 1, {}, "com.x"], [32, 2, {}, "com.x"], [70, 1, {}])
    peer.expect_nothing()
    peer.send([6, {}, "wamp.close.goodbye_and_out"])
    assert peer.closed is not None


def test_the_connection_is_used_again(router):
    """'Transport and Session Lifetime': subsequent sessions on one connection, each with its own ids."""
    peer = router.join("alice")
    first = peer.id
    peer.subscribe("com.topic")
    peer.leave()
    peer.join(without=("callee.call_canceling",))
    assert peer.id != first
    assert peer.details["authmethod"] == "anonymous"
    assert peer.ask("wamp.session.list") == [peer.id]
    assert peer.ask("wamp.subscription.list") == {"exact": [], "prefix": [], "wildcard": []}
    other = router.join()
    other.publish("com.topic", [1])
    peer.expect_nothing()  # the old session's subscription is gone
    request = peer.publish("com.topic", acknowledge=True)
    peer.expect([17, request, ANY])


def test_the_new_session_has_its_own_features(router):
    """'Client: Role and Feature Announcement' holds for one session, not for the connection."""
    caller = router.join()
    callee = router.join()
    callee.leave()
    callee.join(without=("callee.call_canceling",))
    registration = callee.register("com.x")
    request = caller.call("com.x")
    callee.expect([68, 1, registration, {}])
    caller.send([49, request, {"mode": "killnowait"}])
    caller.expect([8, 48, request, {}, "wamp.error.canceled", ANY])
    callee.expect_nothing()


def test_a_lost_connection_ends_the_session(router):
    """'Session Closing': a session "ends when the underlying transport disappears"."""
    watcher, peer = router.join(), router.join("alice")
    subscription = watcher.subscribe("wamp.session.on_leave")
    peer.vanish()
    watcher.expect_only([36, subscription, ANY, {}, [peer.id, "alice", "user"]])
    assert list(router.realm.sessions) == [watcher.id]


def test_messages_of_one_read_that_closes_and_reopens(router):
    """GOODBYE and the next HELLO may arrive in one piece."""
    peer = router.join(serializer="json")
    hello = b'[1,"realm1",{"roles":{"caller":{}}}]'
    peer.send_bytes(b'[6,{},"wamp.close.close_realm"]', hello, b'[48,1,{},"com.x"]')
    peer.expect_only(
        [6, {}, "wamp.close.goodbye_and_out"],
        [2, ANY, ANY],
        [8, 48, 1, {}, "wamp.error.no_such_procedure", ANY],
    )
    assert peer.states[-1] is State.ESTABLISHED


def test_welcome_is_the_first_message_though_the_session_is_announced(router):
    """'WELCOME': "MUST be the first message sent by the Router"."""
    watcher = router.join()
    subscription = watcher.subscribe("wamp.session.on_join")
    peer = router.peer()
    peer.send([1, "realm1", {"roles": roles()}])
    peer.expect_only([2, ANY, ANY])
    watcher.expect_only([36, subscription, ANY, {}, [ANY]])


def test_messages_of_a_role_that_was_not_announced(router):
    """A choice: what a client announces decides what it is sent, not what it may send."""
    peer = router.peer()
    peer.send([1, "realm1", {"roles": {"subscriber": {}}}])
    peer.expect([2, ANY, ANY])
    registration = peer.register("com.x")
    request = peer.call("com.x", [1])
    peer.expect([68, 1, registration, {}, [1]])
    peer.send([70, 1, {}, [2]])
    peer.expect([50, request, {}, [2]])
    request = peer.publish("com.topic", acknowledge=True)
    peer.expect([17, request, ANY])


@pytest.mark.parametrize("reason", ["", "no uri", "com..x"])
def test_a_reason_that_is_no_uri(router, reason):
    """A choice: a client that leaves may leave, whatever it gives as its reason."""
    peer = router.join()
    peer.send([6, {}, reason])
    peer.expect_only([6, {}, "wamp.close.goodbye_and_out"])
    peer.join()
    peer.send([3, {}, reason])
    assert peer.closed is not None
