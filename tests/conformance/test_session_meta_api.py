"""WAMP AP 'Session Meta API': feature session_meta_api."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter

from realms.config import MetaApi

KILLED = "wamp.close.killed"
TRANSPORT = {"type": "rawsocket", "peer": "tcp:192.0.2.7:4711"}


@pytest.fixture
def peer(router):
    return router.join("carol")


def described(peer, authid, authrole, authmethod="ticket"):
    return {
        "session": peer.id,
        "authid": authid,
        "authrole": authrole,
        "authmethod": authmethod,
        "authprovider": "static",
        "transport": TRANSPORT,
    }


def call_kill(peer, name, *args, **kwargs):
    return peer.call(f"wamp.session.{name}", list(args), kwargs)


def test_on_join(router, peer):
    """wamp.session.on_join: "a single positional argument details|dict" """
    subscription = peer.subscribe("wamp.session.on_join")
    alice = router.join("alice")
    peer.expect_only([36, subscription, ANY, {}, [described(alice, "alice", "user")]])


@pytest.mark.parametrize("how", ["leave", "vanish"])
def test_on_leave(router, peer, how):
    """
    wamp.session.on_leave: "three positional arguments", when it "leaves a realm ... or is disconnected"
    """
    subscription = peer.subscribe("wamp.session.on_leave")
    alice = router.join("alice")
    getattr(alice, how)()
    peer.expect_only([36, subscription, ANY, {}, [alice.id, "alice", "user"]])


def test_a_refused_join_is_no_event(router, peer):
    """Meta events tell of sessions that joined."""
    peer.subscribe("wamp.session.on_join")
    peer.subscribe("wamp.session.on_leave")
    other = router.peer()
    other.hello(authmethods=["ticket"], authid="alice")
    other.expect([4, "ticket", {}])
    other.send([5, "wrong", {}])
    other.expect_abort("wamp.error.authentication_denied")
    peer.expect_nothing()


def test_count_and_list(router, peer):
    """wamp.session.count and wamp.session.list, with and without filter_authroles."""
    alice, bob, nobody = router.join("alice"), router.join("bob"), router.join()
    assert peer.ask("wamp.session.count") == 4
    assert set(peer.ask("wamp.session.list")) == {peer.id, alice.id, bob.id, nobody.id}
    assert peer.ask("wamp.session.count", ["user"]) == 2
    assert set(peer.ask("wamp.session.list", ["user", "admin"])) == {peer.id, alice.id, bob.id}
    assert peer.ask("wamp.session.count", []) == 0
    assert peer.ask("wamp.session.list", ["nobody"]) == []
    assert peer.ask("wamp.session.count", None) == 4
    bob.vanish()
    assert peer.ask("wamp.session.count", ["user"]) == 1


def test_get(router, peer):
    """wamp.session.get: details of a session, one's own included."""
    nobody = router.join()
    assert peer.ask("wamp.session.get", peer.id) == described(peer, "carol", "admin")
    details = peer.ask("wamp.session.get", nobody.id)
    assert details == described(nobody, nobody.details["authid"], "anonymous", "anonymous")


def test_get_no_such_session(router, peer):
    """
    "wamp.error.no_such_session - No session with the given ID exists on the router."
    """
    alice = router.join("alice")
    alice.leave()
    for session in (alice.id, 4711):
        request = peer.call("wamp.session.get", [session])
        peer.expect([8, 48, request, {}, "wamp.error.no_such_session", ANY])


def test_kill(router, peer):
    """wamp.session.kill: the reason "defaults to wamp.close.killed and the message is omitted"; no result."""
    alice, bob = router.join("alice"), router.join("bob")
    on_leave = peer.subscribe("wamp.session.on_leave")
    request = call_kill(peer, "kill", alice.id)
    peer.expect_only([50, request, {}], [36, on_leave, ANY, {}, [alice.id, "alice", "user"]])
    alice.expect_only([6, {}, KILLED])
    alice.send([6, {}, "wamp.close.goodbye_and_out"])
    assert alice.closed is not None
    bob.expect_nothing()
    assert bob.closed is None


def test_kill_with_reason_and_message(router, peer):
    """
    "reason ... sent to client in GOODBYE.Reason", "message ... in GOODBYE.Details under the key "message""
    """
    alice = router.join("alice")
    request = call_kill(peer, "kill", alice.id, reason="com.myapp.maintenance", message="Come back later.")
    peer.expect([50, request, {}])
    alice.expect_only([6, {"message": "Come back later."}, "com.myapp.maintenance"])


@pytest.mark.parametrize("session", ["own", 4711])
def test_kill_no_such_session(peer, session):
    """
    "Specifying the caller's own session will result in a wamp.error.no_such_session"
    """
    request = call_kill(peer, "kill", peer.id if session == "own" else session)
    peer.expect([8, 48, request, {}, "wamp.error.no_such_session", ANY])


@pytest.mark.parametrize("reason", ["", "not a uri", "com..x", 5])
@pytest.mark.parametrize("name", ["kill", "kill_by_authid", "kill_by_authrole", "kill_all"])
def test_kill_invalid_uri(router, peer, name, reason):
    """
    "wamp.error.invalid_uri - A reason keyword argument has a value that is not a valid non-empty URI."
    """
    alice = router.join("alice")
    args = {"kill": [alice.id], "kill_by_authid": ["alice"], "kill_by_authrole": ["user"], "kill_all": []}[
        name
    ]
    request = call_kill(peer, name, *args, reason=reason)
    peer.expect([8, 48, request, {}, "wamp.error.invalid_uri", ANY])
    alice.expect_nothing()


def test_kill_by_authid(router, peer):
    """
    wamp.session.kill_by_authid: the caller is excluded; "list of WAMP session IDs of session that were
    killed"
    """
    carols = [router.join("carol"), router.join("carol")]
    alice = router.join("alice")
    request = call_kill(peer, "kill_by_authid", "carol", message="bye")
    answer = peer.take()
    assert answer[:3] == [50, request, {}]
    (killed,) = answer[3]
    assert sorted(killed) == [carol.id for carol in carols]
    for carol in carols:
        carol.expect_only([6, {"message": "bye"}, KILLED])
    alice.expect_nothing()
    peer.expect_nothing()
    request = call_kill(peer, "kill_by_authid", "nobody")
    peer.expect([50, request, {}, [[]]])


def test_kill_by_authrole(router, peer):
    """wamp.session.kill_by_authrole: the caller is excluded; "number of sessions closed" """
    alice, bob, other = router.join("alice"), router.join("bob"), router.join()
    request = call_kill(peer, "kill_by_authrole", "user", reason="com.x")
    peer.expect([50, request, {}, [2]])
    for killed in (alice, bob):
        killed.expect_only([6, {}, "com.x"])
    other.expect_nothing()
    request = call_kill(peer, "kill_by_authrole", "admin")
    peer.expect_only([50, request, {}, [0]])


def test_kill_all(router, peer):
    """wamp.session.kill_all: "The caller's own session is excluded from the closed sessions." """
    others = [router.join("alice"), router.join("carol"), router.join()]
    request = call_kill(peer, "kill_all", message="bye")
    peer.expect_only([50, request, {}, [3]])
    for other in others:
        other.expect_only([6, {"message": "bye"}, KILLED])
        assert other.closed is None
        other.send([6, {}, "wamp.close.goodbye_and_out"])
        assert other.closed is not None
    assert peer.ask("wamp.session.list") == [peer.id]


def test_kill_all_is_silent(router, peer):
    """
    "Closing all sessions in the realm will not generate session meta events or testament events"
    """
    on_leave, testament = peer.subscribe("wamp.session.on_leave"), peer.subscribe("com.testament")
    alice = router.join("alice")
    alice.call("wamp.session.add_testament", ["com.testament", ["bye"], {}])
    alice.expect([50, 1, {}])
    request = call_kill(peer, "kill_all")
    peer.expect_only([50, request, {}, [1]])
    alice.expect_only([6, {}, KILLED])
    alice.vanish()
    peer.expect_nothing()
    bob = router.join("bob")
    bob.call("wamp.session.add_testament", ["com.testament", ["bye"], {}])
    bob.expect([50, 1, {}])
    bob.leave()
    peer.expect_only([36, testament, ANY, {}, ["bye"], {}], [36, on_leave, ANY, {}, [bob.id, "bob", "user"]])


def test_kill_all_leaves_nothing(router, peer):
    """What the killed sessions held is gone: calls end, registrations and subscriptions are told of."""
    deleted = peer.subscribe("wamp.registration.on_delete")
    alice = router.join("alice")
    registration = alice.register("com.x")
    alice.subscribe("com.topic")
    pending = peer.call("com.x")
    alice.expect([68, 1, registration, {}])
    request = call_kill(peer, "kill_all")
    answers = peer.drain()
    assert [50, request, {}, [1]] in answers
    assert [8, 48, pending, {}, "wamp.error.canceled", ANY] in answers
    assert [36, deleted, ANY, {}, [alice.id, registration]] in answers
    assert len(answers) == 3
    assert alice.drain()[-1] == [6, {}, KILLED]
    assert peer.ask("wamp.registration.match", "com.x") is None
    assert peer.ask("wamp.subscription.match", "com.topic") is None


def test_modify_details(router, peer):
    """The profile's wamp.session.modify_details: what it adds is told by wamp.session.get."""
    alice = router.join("alice")
    peer.expect_nothing()
    request = peer.call(
        "wamp.session.modify_details", [alice.id, {"language": "de", "ü": [1, None, {"a": 2.5}]}]
    )
    peer.expect([50, request, {}])
    details = alice.ask("wamp.session.get", alice.id)
    assert (details["language"], details["ü"], details["authid"]) == ("de", [1, None, {"a": 2.5}], "alice")
    request = alice.call("wamp.session.modify_details", [alice.id, {"language": None}])
    alice.expect([50, request, {}])
    assert "language" not in peer.ask("wamp.session.get", alice.id)
    request = peer.call("wamp.session.modify_details", [4711, {}])
    peer.expect([8, 48, request, {}, "wamp.error.no_such_session", ANY])


def test_a_killed_session_may_join_again(router, peer):
    """A killed session closes its connection; another connection is as good as before."""
    alice = router.join("alice")
    peer.expect_nothing()
    request = call_kill(peer, "kill", alice.id)
    peer.expect([50, request, {}])
    alice.drain()
    again = router.join("alice")
    assert again.id != alice.id
    assert set(peer.ask("wamp.session.list")) == {peer.id, again.id}


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("count", ["user"], {}),
        ("count", [[1]], {}),
        ("list", [{}], {}),
        ("list", [[], 1], {}),
        ("get", [], {}),
        ("get", ["1"], {}),
        ("get", [1], {"x": 1}),
        ("kill", [], {}),
        ("kill", ["x"], {}),
        ("kill", [1], {"message": 5}),
        ("kill_by_authid", [5], {}),
        ("kill_by_authrole", [], {}),
        ("modify_details", [1], {}),
        ("modify_details", [1, {"authrole": "admin"}], {}),
        ("modify_details", [1, {"authextra": {"admin": True}}], {}),  # which authorizers are told
        ("kill_all", [1], {}),
        ("kill_all", [], {"session": 1}),
    ],
)
def test_arguments_are_checked(router, peer, name, args, kwargs):
    """'Interaction', wamp.error.invalid_argument: "argument types or values are not acceptable"."""
    other = router.join()
    request = peer.call(f"wamp.session.{name}", args, kwargs)
    peer.expect([8, 48, request, {}, "wamp.error.invalid_argument", ANY])
    other.expect_nothing()


def test_permissions_count(router):
    """Meta procedures are called like others: a role needs the permission."""
    guest = router.join("guest")
    assert guest.ask("wamp.session.count") == 1
    config = replace(CONFIG, roles={**CONFIG.roles, "guest": replace(CONFIG.roles["guest"], permissions=())})
    router.turn.deliver(router.realm.reconfigure(config))
    request = guest.call("wamp.session.count")
    guest.expect([8, 48, request, {}, "wamp.error.not_authorized", ANY])


def test_a_realm_without_the_meta_api(serializers):
    """
    Announced = implemented: where it is off, it is neither announced nor served, and there are no events.
    """
    router = WireRouter(serializers, replace(CONFIG, meta_api=MetaApi(enabled=False)))
    peer = router.join()
    announced = {name for role in peer.details["roles"].values() for name in role["features"]}
    assert announced.isdisjoint({"session_meta_api", "subscription_meta_api", "registration_meta_api"})
    assert "testament_meta_api" not in announced
    peer.subscribe("wamp.session.on_join")
    router.join()
    request = peer.call("wamp.session.count")
    peer.expect_only([8, 48, request, {}, "wamp.error.no_such_procedure", ANY])
