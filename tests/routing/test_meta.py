"""
The meta API: WAMP AP 'Session Meta API', 'Registration Meta API', 'Subscriptions Meta API' and
'Session Testament'.

What a procedure answers is compared with the wire array of RESULT or ERROR to a CALL with the request id 7.
"""

import pytest

from router.routing.broker import Broker, BrokerLimits
from router.routing.dealer import Dealer, DealerLimits
from router.routing.meta import MetaApi, session_details
from router.routing.session import Session
from router.wamp.messages import Publish, Register, Subscribe

NOW = "2025-05-06T07:08:09.000Z"
TRANSPORT = {"type": "websocket", "peer": "tcp4:127.0.0.1:5000"}


def result(*args):
    return [50, 7, {}, list(args)] if args else [50, 7, {}]


def error(uri, text):
    return [8, 48, 7, {}, uri, [text]]


def invalid(text):
    return error("wamp.error.invalid_argument", text)


class Scene:
    """A realm's tables and the sessions 1 to 4; ``ask`` calls a procedure as session 1."""

    def __init__(self):
        self.sessions = {
            1: Session(1, "alice", "manager", transport=TRANSPORT),
            2: Session(2, "bob", "staff", authmethod="ticket", authprovider="dynamic"),
            3: Session(3, "carol", "staff"),
            4: Session(4, "alice", "guest"),
        }
        self.broker = Broker(limits=BrokerLimits())
        self.dealer = Dealer(limits=DealerLimits(), randbelow=lambda n: 0)
        self.meta = MetaApi(self.sessions, self.broker, self.dealer, testaments_per_session=3)

    def call(self, uri, *args, caller=1, **kwargs):
        return self.meta.procedures[uri](self.sessions[caller], list(args), kwargs)

    def ask(self, uri, *args, **kwargs):
        return self.call(uri, *args, **kwargs).answer(7).wire()

    def kill(self, uri, *args, **kwargs):
        """Tell the answer, and each session that is killed with its GOODBYE."""
        outcome = self.call(uri, *args, **kwargs)
        killed = [(output.session.id, output.message.wire()) for output in outcome.outputs]
        return outcome.answer(7).wire(), killed

    def testaments(self, session):
        return self.meta.take_testaments(self.sessions[session])


@pytest.fixture
def scene():
    return Scene()


def test_every_procedure_of_the_specification_is_there_and_no_other(scene):
    assert sorted(scene.meta.procedures) == sorted(
        [
            *(f"wamp.session.{name}" for name in ("count", "list", "get", "kill")),
            *(f"wamp.session.{name}" for name in ("kill_by_authid", "kill_by_authrole", "kill_all")),
            *(f"wamp.session.{name}" for name in ("add_testament", "flush_testaments")),
            *(f"wamp.registration.{name}" for name in ("list", "lookup", "match", "get")),
            *(f"wamp.registration.{name}" for name in ("list_callees", "count_callees")),
            *(f"wamp.subscription.{name}" for name in ("list", "lookup", "match", "get")),
            *(f"wamp.subscription.{name}" for name in ("list_subscribers", "count_subscribers")),
            "wamp.registration.remove_callee",
            "wamp.session.modify_details",
            "wamp.subscription.remove_subscriber",
        ]
    )


def test_session_details():
    details = {
        "session": 2,
        "authid": "bob",
        "authrole": "staff",
        "authmethod": "ticket",
        "authprovider": "dynamic",
    }
    session = Session(2, "bob", "staff", authmethod="ticket", authprovider="dynamic", authextra={"secret": 1})
    assert session_details(session) == details
    session.transport = TRANSPORT
    assert session_details(session) == {**details, "transport": TRANSPORT}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], [1, 2, 3, 4]),
        ([None], [1, 2, 3, 4]),
        ([["staff"]], [2, 3]),
        ([["guest", "manager", "nobody"]], [1, 4]),
        ([[]], []),
    ],
)
def test_count_and_list_sessions(scene, args, expected):
    assert scene.ask("wamp.session.list", *args) == result(expected)
    assert scene.ask("wamp.session.count", *args) == result(len(expected))


@pytest.mark.parametrize("roles", ["staff", {"staff": 1}, 5, ["staff", 1], [["staff"]]])
def test_filter_authroles_is_a_list_of_strings(scene, roles):
    for uri in ("wamp.session.list", "wamp.session.count"):
        assert scene.ask(uri, roles) == invalid("filter_authroles must be a list of roles")


def test_get_session(scene):
    assert scene.ask("wamp.session.get", 2) == result(session_details(scene.sessions[2]))
    assert scene.ask("wamp.session.get", 1.0) == result(session_details(scene.sessions[1]))
    expected = error("wamp.error.no_such_session", "no session 99 in this realm")
    assert scene.ask("wamp.session.get", 99) == expected


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("wamp.session.get", "session"),
        ("wamp.session.kill", "session"),
        ("wamp.registration.get", "registration"),
        ("wamp.registration.list_callees", "registration"),
        ("wamp.registration.count_callees", "registration"),
        ("wamp.subscription.get", "subscription"),
        ("wamp.subscription.list_subscribers", "subscription"),
        ("wamp.subscription.count_subscribers", "subscription"),
    ],
)
@pytest.mark.parametrize("args", [[], [None], ["1"], [True], [1.5], [float("nan")], [[1]]])
def test_an_id_is_an_integer(scene, uri, name, args):
    assert scene.ask(uri, *args) == invalid(f"{name} must be an id")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("wamp.session.kill_by_authid", "authid"),
        ("wamp.session.kill_by_authrole", "authrole"),
        ("wamp.session.add_testament", "topic"),
        ("wamp.registration.lookup", "procedure"),
        ("wamp.registration.match", "procedure"),
        ("wamp.subscription.lookup", "topic"),
        ("wamp.subscription.match", "topic"),
    ],
)
@pytest.mark.parametrize("args", [[], [None], [1], [["a"]]])
def test_a_string_is_a_string(scene, uri, name, args):
    assert scene.ask(uri, *args) == invalid(f"{name} must be a string")


def test_one_argument_too_many(scene):
    assert scene.ask("wamp.session.get", 1, 2) == invalid("2 positional arguments, not at most 1")
    assert scene.ask("wamp.subscription.list", 1) == invalid("1 positional arguments, not at most 0")


def test_a_keyword_argument_that_nobody_knows(scene):
    expected = "unknown keyword argument 'reson'; allowed: reason, message"
    assert scene.ask("wamp.session.kill", 2, reson="a.b") == invalid(expected)
    assert scene.ask("wamp.session.count", x=1) == invalid("unknown keyword argument 'x'; allowed: none")
    assert scene.ask("wamp.session.count", x=None) == result(4)
    [text] = scene.call("wamp.session.count", **{"x" * 10_000: 1}).args
    assert len(text) < 100


GOODBYE = [6, {}, "wamp.close.killed"]


def test_kill(scene):
    assert scene.kill("wamp.session.kill", 2) == (result(), [(2, GOODBYE)])


def test_kill_with_reason_and_message(scene):
    goodbye = [6, {"message": "go away"}, "com.example.reason"]
    expected = (result(), [(2, goodbye)])
    assert scene.kill("wamp.session.kill", 2, reason="com.example.reason", message="go away") == expected
    assert scene.kill("wamp.session.kill", 2, reason=None, message=None) == (result(), [(2, GOODBYE)])


@pytest.mark.parametrize("session", [1, 99])
def test_kill_reaches_other_sessions_only(scene, session):
    expected = error("wamp.error.no_such_session", f"no other session {session} in this realm")
    assert scene.kill("wamp.session.kill", session) == (expected, [])


def test_kill_by_authid_tells_which_and_spares_the_caller(scene):
    assert scene.kill("wamp.session.kill_by_authid", "alice") == (result([4]), [(4, GOODBYE)])
    assert scene.kill("wamp.session.kill_by_authid", "nobody") == (result([]), [])


def test_kill_by_authrole_tells_how_many_and_spares_the_caller(scene):
    killed = [(2, GOODBYE), (3, GOODBYE)]
    assert scene.kill("wamp.session.kill_by_authrole", "staff") == (result(2), killed)
    assert scene.kill("wamp.session.kill_by_authrole", "staff", caller=2) == (result(1), killed[1:])


def test_kill_all_spares_the_caller(scene):
    goodbye = [6, {"message": "bye"}, "a.b"]
    expected = (result(3), [(2, goodbye), (3, goodbye), (4, goodbye)])
    assert scene.kill("wamp.session.kill_all", reason="a.b", message="bye") == expected


@pytest.mark.parametrize(
    ("uri", "args", "silent"),
    [
        ("wamp.session.kill", [2], False),
        ("wamp.session.kill_by_authid", ["bob"], False),
        ("wamp.session.kill_by_authrole", ["staff"], False),
        ("wamp.session.kill_all", [], True),
    ],
)
def test_kill_all_is_silent(scene, uri, args, silent):
    """'Closing all sessions in the realm will not generate session meta events or testament events'"""
    assert scene.call(uri, *args).silent is silent


@pytest.mark.parametrize("uri", ["wamp.session.count", "wamp", "concord.x", "dstm.x"])
def test_no_registration_matches_what_is_the_routers_own(scene, uri):
    """The answer is that of dispatch: a client's pattern never gets such a call."""
    scene.dealer.register(scene.sessions[2], Register(1, {"match": "prefix"}, ""), NOW)
    assert scene.ask("wamp.registration.match", uri) == result(None)
    assert scene.ask("wamp.registration.match", "com.x") == result(1)


KILLS = [
    ("wamp.session.kill", [2]),
    ("wamp.session.kill_by_authid", ["bob"]),
    ("wamp.session.kill_by_authrole", ["staff"]),
    ("wamp.session.kill_all", []),
]


@pytest.mark.parametrize(("uri", "args"), KILLS)
@pytest.mark.parametrize("reason", ["", "a..b", "white space", 5, ["a"]])
def test_the_reason_is_a_uri(scene, uri, args, reason):
    expected = error("wamp.error.invalid_uri", "reason is no valid, non-empty URI")
    assert scene.kill(uri, *args, reason=reason) == (expected, [])


@pytest.mark.parametrize(("uri", "args"), KILLS)
def test_the_message_is_a_string(scene, uri, args):
    assert scene.kill(uri, *args, message={}) == (invalid("message must be a string"), [])


def test_add_testament(scene):
    assert scene.ask("wamp.session.add_testament", "a.b", ["bye"], {"k": 1}) == result()
    assert scene.ask("wamp.session.add_testament", "a.c") == result()
    options = {"exclude_authrole": ["guest"], "retain": True}
    assert scene.ask("wamp.session.add_testament", "a.d", None, None, publish_options=options) == result()
    assert scene.testaments(1) == [
        Publish(0, {}, "a.b", ["bye"], {"k": 1}),
        Publish(0, {}, "a.c", None, None),
        Publish(0, options, "a.d", None, None),
    ]
    assert (scene.testaments(1), scene.testaments(2)) == ([], [])


def test_testaments_of_both_scopes(scene):
    scene.ask("wamp.session.add_testament", "a", scope="destroyed")
    scene.ask("wamp.session.add_testament", "b", scope="detached")
    scene.ask("wamp.session.add_testament", "c", scope=None)
    assert [publish.topic for publish in scene.testaments(1)] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("scope", "left"), [({}, ["b"]), ({"scope": "destroyed"}, ["b"]), ({"scope": "detached"}, ["a"])]
)
def test_flush_testaments(scene, scope, left):
    scene.ask("wamp.session.add_testament", "a")
    scene.ask("wamp.session.add_testament", "b", scope="detached")
    scene.ask("wamp.session.add_testament", "x", caller=2)
    assert scene.ask("wamp.session.flush_testaments", **scope) == result()
    assert [publish.topic for publish in scene.testaments(1)] == left
    assert [publish.topic for publish in scene.testaments(2)] == ["x"]


def test_testaments_are_limited(scene):
    assert scene.meta.testaments_per_session == 3
    for _ in range(3):
        scene.ask("wamp.session.add_testament", "a")
    expected = error("concord.error.limit_exceeded", "testaments_per_session=3 is reached")
    assert scene.ask("wamp.session.add_testament", "a") == expected
    scene.meta.testaments_per_session = 4
    assert scene.ask("wamp.session.add_testament", "a") == result()
    assert len(scene.testaments(1)) == 4


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        (["a", "bye"], {}, invalid("args must be a list")),
        (["a", [], [1]], {}, invalid("kwargs must be a dict with strings as keys")),
        (["a", [], {1: 2}], {}, invalid("kwargs must be a dict with strings as keys")),
        (["a"], {"publish_options": []}, invalid("publish_options must be a dict with strings as keys")),
        (["a"], {"publish_options": {1: 2}}, invalid("publish_options must be a dict with strings as keys")),
        (["a"], {"publish_options": {"retain": 1}}, invalid("retain=1 is neither true nor false")),
        (["a"], {"publish_options": {"exclude": 1}}, invalid("exclude: Expected array | null, got int")),
        (
            ["a"],
            {"publish_options": {"ppt_scheme": "mqtt"}},
            invalid("ppt_scheme: payload_passthru_mode was not announced"),
        ),
        (["a"], {"scope": "gone"}, invalid("scope='gone' is none of destroyed, detached")),
        (["a..b"], {}, error("wamp.error.invalid_uri", "topic is no valid URI")),
    ],
)
def test_an_impossible_testament_is_refused_at_once(scene, args, kwargs, expected):
    assert scene.ask("wamp.session.add_testament", *args, **kwargs) == expected
    assert scene.testaments(1) == []


def test_flush_names_an_unknown_scope(scene):
    expected = invalid("scope='gone' is none of destroyed, detached")
    assert scene.ask("wamp.session.flush_testaments", scope="gone") == expected


def test_a_testament_with_payload_passthru_from_a_session_that_announced_it(scene):
    scene.sessions[1] = Session(1, features=["publisher.payload_passthru_mode"])
    options = {"ppt_scheme": "mqtt"}
    assert scene.ask("wamp.session.add_testament", "a", publish_options=options) == result()


def test_registrations(scene):
    shared = {"invoke": "roundrobin"}
    for session, procedure, options in (
        (2, "com.example.proc", shared),
        (3, "com.example.proc", shared),
        (2, "com.example", {"match": "prefix"}),
        (2, "com..proc", {"match": "wildcard"}),
    ):
        scene.dealer.register(scene.sessions[session], Register(1, options, procedure), NOW)
    details = {
        "id": 1,
        "created": NOW,
        "uri": "com.example.proc",
        "match": "exact",
        "invoke": "roundrobin",
    }
    ask = scene.ask
    assert ask("wamp.registration.list") == result({"exact": [1], "prefix": [2], "wildcard": [3]})
    assert ask("wamp.registration.lookup", "com.example.proc") == result(1)
    assert ask("wamp.registration.lookup", "com.example.proc", None) == result(1)
    assert ask("wamp.registration.lookup", "com.example", {"match": "prefix"}) == result(2)
    assert ask("wamp.registration.lookup", "com.example", {"match": None}) == result(None)
    assert ask("wamp.registration.match", "com.example.proc") == result(1)
    assert ask("wamp.registration.match", "com.other.proc") == result(3)
    assert ask("wamp.registration.match", "org.other") == result(None)
    assert ask("wamp.registration.get", 1) == result(details)
    assert ask("wamp.registration.list_callees", 1) == result([2, 3])
    assert ask("wamp.registration.count_callees", 1) == result(2)


def test_subscriptions(scene):
    for session, topic, options in (
        (2, "com.example.topic", {}),
        (3, "com.example.topic", {}),
        (2, "com.example", {"match": "prefix"}),
        (2, "com..topic", {"match": "wildcard"}),
    ):
        scene.broker.subscribe(scene.sessions[session], Subscribe(1, options, topic), NOW)
    ask = scene.ask
    assert ask("wamp.subscription.list") == result({"exact": [1], "prefix": [2], "wildcard": [3]})
    assert ask("wamp.subscription.lookup", "com.example.topic") == result(1)
    assert ask("wamp.subscription.lookup", "com..topic", {"match": "wildcard"}) == result(3)
    assert ask("wamp.subscription.lookup", "com.example") == result(None)
    assert ask("wamp.subscription.match", "com.example.topic") == result([1, 2, 3])
    assert ask("wamp.subscription.match", "org.other") == result(None)
    details = {"id": 2, "created": NOW, "uri": "com.example", "match": "prefix"}
    assert ask("wamp.subscription.get", 2) == result(details)
    assert ask("wamp.subscription.list_subscribers", 1) == result([2, 3])
    assert ask("wamp.subscription.count_subscribers", 1) == result(2)


MODIFY = "wamp.session.modify_details"


def test_modify_details_adds_changes_and_takes_away(scene):
    def added():
        ((details,),) = scene.ask("wamp.session.get", 2)[3:]
        return {name: value for name, value in details.items() if not name.startswith(("auth", "session"))}

    assert added() == {}
    assert scene.ask(MODIFY, 2, {"language": "de", "tags": ["a"]}) == result()
    assert added() == {"language": "de", "tags": ["a"]}
    assert session_details(scene.sessions[2])["language"] == "de"
    assert scene.ask(MODIFY, 2.0, {"tags": None, "language": "fr", "absent": None}) == result()
    assert added() == {"language": "fr"}
    assert scene.ask(MODIFY, 2, {"language": None}) == result()
    assert scene.sessions[2].details is None


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([99, {"a": 1}], error("wamp.error.no_such_session", "no session 99 in this realm")),
        ([2], invalid("details must be a dict with strings as keys")),
        ([2, [1]], invalid("details must be a dict with strings as keys")),
        ([2, {1: 2}], invalid("details must be a dict with strings as keys")),
        (["2", {}], invalid("session must be an id")),
        ([2, {"authrole": "x", "a": 1}], invalid("authrole: what the router knows cannot be changed")),
        (
            [2, {"a": "x" * 16_384}],
            error("concord.error.limit_exceeded", "the added details of a session have at most 16384 bytes"),
        ),
    ],
)
def test_modify_details_changes_nothing_where_it_fails(scene, args, expected):
    assert scene.ask(MODIFY, *args) == expected
    assert scene.sessions[2].details is None


REMOVE = "wamp.subscription.remove_subscriber"


@pytest.mark.parametrize(
    ("args", "kwargs", "reason"),
    [
        ([1, 2], {}, "concord.revoked.removed"),
        ([1.0, 2.0, None], {}, "concord.revoked.removed"),
        ([1, 2, "com.why"], {}, "com.why"),
        ([1, 2], {"reason": "com.why"}, "com.why"),
    ],
)
def test_remove_subscriber_revokes_a_subscription(scene, args, kwargs, reason):
    scene.sessions[2].features = frozenset({"subscriber.subscription_revocation"})
    scene.broker.subscribe(scene.sessions[2], Subscribe(1, {}, "com.topic"), NOW)
    outcome = scene.call(REMOVE, *args, **kwargs)
    assert outcome.answer(7).wire() == result()
    revoked, on_unsubscribe, on_delete = outcome.outputs
    assert revoked.recipients == [scene.sessions[2]]
    assert revoked.message.wire() == [35, 0, {"subscription": 1, "reason": reason}]
    assert (on_unsubscribe.args, on_delete.args) == ([2, 1], [2, 1])


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ([9, 2], {}, error("wamp.error.no_such_subscription", "no subscription 9 in this realm")),
        ([1, 3], {}, error("wamp.error.no_such_session", "no session 3 holds the subscription 1")),
        ([1, 99], {}, error("wamp.error.no_such_session", "no session 99 holds the subscription 1")),
        ([1], {}, invalid("session must be an id")),
        ([1, 2, 3], {}, error("wamp.error.invalid_uri", "reason is no valid, non-empty URI")),
        ([1, 2], {"reason": ""}, error("wamp.error.invalid_uri", "reason is no valid, non-empty URI")),
    ],
)
def test_remove_subscriber_changes_nothing_where_it_fails(scene, args, kwargs, expected):
    scene.broker.subscribe(scene.sessions[2], Subscribe(1, {}, "com.topic"), NOW)
    assert scene.ask(REMOVE, *args, **kwargs) == expected
    assert scene.broker.list_subscribers(1) == [2]


@pytest.mark.parametrize("kind", ["registration", "subscription"])
def test_no_such_registration_or_subscription(scene, kind):
    members = "callees" if kind == "registration" else "subscribers"
    for name in ("get", f"list_{members}", f"count_{members}"):
        expected = error(f"wamp.error.no_such_{kind}", f"no {kind} 99 in this realm")
        assert scene.ask(f"wamp.{kind}.{name}", 99) == expected


@pytest.mark.parametrize("uri", ["wamp.registration.lookup", "wamp.subscription.lookup"])
def test_lookup_names_wrong_options(scene, uri):
    assert scene.ask(uri, "a", "prefix") == invalid("options must be a dict")
    expected = invalid("match='regex' is none of exact, prefix, wildcard")
    assert scene.ask(uri, "a", {"match": "regex"}) == expected
