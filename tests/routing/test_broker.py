"""
The broker's decisions: WAMP BP 'Publish and Subscribe' and the sections that each test names.

Messages go in, and what is to be sent comes out: ``([session ids], wire array)`` or ``(topic, args)``.
"""

import pytest
from msgspec import Raw

from router.routing.broker import Broker, BrokerLimits
from router.routing.outputs import Delivery
from router.routing.session import Session
from router.routing.shards import node_of
from router.wamp.errors import ProtocolViolation
from router.wamp.messages import Publish, Subscribe, Unsubscribe

NOW = "2025-05-06T07:08:09.000Z"
TOPIC = "com.example.topic"


def told(outputs):
    return [
        ([session.id for session in output.recipients], output.message.wire())
        if isinstance(output, Delivery)
        else (output.topic, output.args)
        for output in outputs
    ]


def error(session, request_type, request, uri, text):
    return [([session], [8, request_type, request, {}, uri, [text]])]


class Scene:
    """A broker and the sessions 1 to 4 that talk to it, each by its own methods."""

    def __init__(self, **limits):
        self.broker = Broker(limits=BrokerLimits(**limits))
        self.sessions = {
            1: Session(
                1, "alice", "manager", features=["publisher.payload_passthru_mode"], serializer="json"
            ),
            2: Session(2, "bob", "staff", serializer="cbor"),
            3: Session(3, "carol", "staff", serializer="json"),
            4: Session(4, "dave", "guest", serializer="json"),
        }

    def subscribe(self, session, topic=TOPIC, request=1, **options):
        return told(self.broker.subscribe(self.sessions[session], Subscribe(request, options, topic), NOW))

    def unsubscribe(self, session, subscription, request=2):
        return told(self.broker.unsubscribe(self.sessions[session], Unsubscribe(request, subscription)))

    def publish(
        self, session, topic=TOPIC, *, publication=70, disclose=False, args=None, kwargs=None, **options
    ):
        msg = Publish(3, options, topic, args, kwargs)
        return told(self.broker.publish(self.sessions[session], msg, publication, disclose))

    def leave(self, session):
        return told(self.broker.leave(self.sessions[session]))

    def retained(self, session, topic=TOPIC, **options):
        """Tell which publications ``session`` gets on subscribing, and take the subscription back."""
        outputs = self.subscribe(session, topic, get_retained=True, **options)
        self.unsubscribe(session, outputs[0][1][2])
        events = [wire for to, wire in outputs if isinstance(to, list) and wire[0] == 36]
        assert all(wire[3]["retained"] is True for wire in events)
        return [wire[2] for wire in events]


@pytest.fixture
def scene():
    return Scene()


def test_subscribe_creates_a_subscription(scene):
    details = {"id": 1, "created": NOW, "uri": TOPIC, "match": "exact"}
    assert scene.subscribe(1) == [
        ([1], [33, 1, 1]),
        ("wamp.subscription.on_create", [1, details]),
        ("wamp.subscription.on_subscribe", [1, 1]),
    ]


class TestRevoke:
    """WAMP AP 'Subscription Revocation'."""

    def scene(self):
        scene = Scene()
        for session in (1, 2):
            scene.sessions[session].features = frozenset({"subscriber.subscription_revocation"})
        for session in (1, 2, 3):
            scene.subscribe(session)
        return scene

    def revoke(self, scene, subscription, session=None):
        return told(scene.broker.revoke(subscription, scene.sessions.get(session), "why"))

    def test_one_session_is_told_and_the_others_stay(self):
        scene = self.scene()
        assert self.revoke(scene, 1, 1) == [
            ([1], [35, 0, {"subscription": 1, "reason": "why"}]),
            ("wamp.subscription.on_unsubscribe", [1, 1]),
        ]
        assert scene.broker.list_subscribers(1) == [2, 3]
        assert scene.sessions[1].subscriptions == {}

    def test_who_did_not_announce_it_is_not_told(self):
        """ "the Broker MUST NOT send an UNSUBSCRIBED message to the Subscriber" """
        assert self.revoke(self.scene(), 1, 3) == [("wamp.subscription.on_unsubscribe", [3, 1])]

    def test_all_sessions_at_once(self):
        scene = self.scene()
        assert self.revoke(scene, 1) == [
            ([1, 2], [35, 0, {"subscription": 1, "reason": "why"}]),
            ("wamp.subscription.on_unsubscribe", [1, 1]),
            ("wamp.subscription.on_unsubscribe", [2, 1]),
            ("wamp.subscription.on_unsubscribe", [3, 1]),
            ("wamp.subscription.on_delete", [3, 1]),
        ]
        assert scene.broker.subscription_by_id == {}

    def test_nothing_is_revoked_where_nobody_holds_it(self):
        scene = self.scene()
        assert self.revoke(scene, 1, 4) == []
        assert self.revoke(scene, 2) == []
        assert scene.broker.count_subscribers(1) == 3


class TestHold:
    """WAMP AP 'Event History': subscriptions that are there before anybody subscribes."""

    def test_it_is_there_without_sessions_and_nobody_is_told(self):
        scene = Scene()
        assert scene.broker.hold("exact", TOPIC, NOW) is True
        assert scene.broker.lookup(TOPIC) == 1
        assert scene.publish(1) == []
        assert scene.subscribe(2) == [([2], [33, 1, 1]), ("wamp.subscription.on_subscribe", [2, 1])]
        assert scene.leave(2) == [("wamp.subscription.on_unsubscribe", [2, 1])]
        scene.broker.release("exact", TOPIC)
        assert scene.broker.lookup(TOPIC) is None
        assert scene.broker.subscription_by_id == {}

    def test_one_that_has_sessions_goes_with_the_last_of_them(self):
        scene = Scene()
        scene.subscribe(2)
        scene.broker.hold("exact", TOPIC, NOW)
        scene.broker.release("exact", TOPIC)
        assert scene.broker.lookup(TOPIC) == 1
        assert [topic for topic, _ in scene.leave(2)] == [
            "wamp.subscription.on_unsubscribe",
            "wamp.subscription.on_delete",
        ]

    def test_what_is_not_held_is_not_released(self):
        scene = Scene()
        scene.subscribe(2)
        scene.broker.release("exact", TOPIC)
        scene.broker.release("prefix", TOPIC)
        assert scene.broker.count_subscribers(1) == 1

    def test_one_shape_too_many(self):
        scene = Scene()
        for number in range(128):
            scene.subscribe(
                1, ".".join("" if number >> bit & 1 else "a" for bit in range(8)), match="wildcard"
            )
        assert scene.broker.hold("wildcard", "a.a.a.a.a.a.a.", NOW) is False


def test_a_trust_level_and_the_publisher_are_details_of_the_event(scene):
    """WAMP AP 'Publication Trust Levels', 'Publisher Identification'."""
    scene.subscribe(2)
    message = Publish(3, {}, TOPIC)
    details = {
        "publisher": 1,
        "publisher_authid": "alice",
        "publisher_authrole": "manager",
        "trustlevel": 0,
    }
    published = scene.broker.publish_with_options(scene.sessions[1], message, 70, True, 0)
    assert told(published) == [([2], [36, 1, 70, details])]
    testament = scene.broker.publish_testament(scene.sessions[1], message, 71, False, 5)
    assert told(testament) == [([2], [36, 1, 71, {"trustlevel": 5}])]


def test_on_publication_is_told_of_all_that_is_sent_before_it_is(scene):
    found = []
    scene.broker.on_publication = found.append
    message = Publish(3, {"acknowledge": True}, TOPIC, [1])
    scene.broker.publish_with_options(scene.sessions[1], message, 70, False)
    scene.broker.publish_testament(scene.sessions[1], Publish(0, {}, TOPIC, [2]), 71)
    scene.broker.publish_own(TOPIC, [3], None, 72)
    refused = Publish(3, {"retain": "yes"}, TOPIC, [4])
    scene.broker.publish_with_options(scene.sessions[1], refused, 73, False)
    assert [(each.id, each.args) for each in found] == [(70, [1]), (71, [2]), (72, [3])]


class TestShards:
    """WAMP AP 'Sharded Subscription'."""

    def test_nodes_are_those_of_the_sessions_that_are_there(self):
        scene = Scene()
        for session, nkey in ((1, "a"), (2, "a"), (3, "b"), (4, None)):
            scene.subscribe(session, nkey=nkey)
        subscription = scene.broker.get(1)
        assert (subscription.nodes, subscription.nkeys) == ({"a": 2, "b": 1}, {1: "a", 2: "a", 3: "b"})
        scene.leave(1)
        scene.subscribe(3)
        assert (subscription.nodes, subscription.nkeys) == ({"a": 1}, {2: "a"})
        scene.unsubscribe(2, 1)
        assert (subscription.nodes, subscription.nkeys) == ({}, {})
        assert scene.publish(2, rkey="x") == [([3, 4], [36, 1, 70, {}])]

    def test_an_event_with_a_resource_key_goes_to_one_of_them(self):
        scene = Scene()
        for session, nkey in ((1, "a"), (2, "b"), (3, None)):
            scene.subscribe(session, nkey=nkey)
        for rkey in ("x", "y", "z"):
            node = node_of(rkey, ["a", "b"])
            (((*receivers,), _),) = scene.publish(4, rkey=rkey)
            assert receivers == [{"a": 1, "b": 2}[node], 3]

    def test_they_are_bounded(self):
        scene = Scene()
        scene.subscribe(1)
        for number in range(1000):
            scene.broker.get(1).add(Session(100 + number), f"node{number}")
        text = "a subscription has at most 1000 node keys"
        assert scene.subscribe(3, nkey="c") == error(3, 32, 1, "concord.error.limit_exceeded", text)
        assert scene.subscribe(3, nkey="node1")[0] == ([3], [33, 1, 1])


def test_a_second_session_shares_the_subscription(scene):
    scene.subscribe(1)
    assert scene.subscribe(2, request=9) == [([2], [33, 9, 1]), ("wamp.subscription.on_subscribe", [2, 1])]


def test_the_same_session_again_gets_the_same_subscription_and_nothing_is_announced(scene):
    scene.subscribe(1)
    assert scene.subscribe(1, request=2) == [([1], [33, 2, 1])]
    assert scene.subscribe(1, request=3, match="exact") == [([1], [33, 3, 1])]
    assert scene.subscribe(1, request=4, match=None) == [([1], [33, 4, 1])]
    assert scene.broker.count_subscribers(1) == 1


def test_another_match_policy_is_another_subscription(scene):
    scene.subscribe(1)
    assert scene.subscribe(1, match="prefix")[0] == ([1], [33, 1, 2])
    assert scene.subscribe(1, match="wildcard")[0] == ([1], [33, 1, 3])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"match": "regex"}, "match='regex' is none of exact, prefix, wildcard"),
        ({"match": 5}, "match=5 is none of exact, prefix, wildcard"),
        ({"get_retained": "yes"}, "get_retained='yes' is neither true nor false"),
    ],
)
def test_subscribe_names_an_option_of_a_wrong_type(scene, options, text):
    assert scene.subscribe(1, **options) == error(1, 32, 1, "wamp.error.invalid_argument", text)
    assert scene.broker.subscription_by_id == {}


def test_subscriptions_of_a_session_are_limited():
    scene = Scene(subscriptions_per_session=2)
    scene.subscribe(1, "a")
    scene.subscribe(1, "b")
    text = "subscriptions_per_session=2 is reached"
    assert scene.subscribe(1, "c") == error(1, 32, 1, "concord.error.limit_exceeded", text)
    assert scene.broker.lookup("c") is None
    assert scene.subscribe(1, "b") == [([1], [33, 1, 2])]
    assert scene.subscribe(2, "b")[0] == ([2], [33, 1, 2])


def test_shapes_of_wildcard_patterns_are_limited(scene):
    patterns = [".".join("a" if number >> bit & 1 else "" for bit in range(8)) for number in range(129)]
    for pattern in patterns[:128]:
        scene.subscribe(1, pattern, match="wildcard")
    before = scene.broker.subscriptions_by_policy()
    [([session], wire)] = scene.subscribe(2, patterns[128], match="wildcard")
    assert (session, wire[:5]) == (2, [8, 32, 1, {}, "concord.error.limit_exceeded"])
    assert "at most 128 different ways" in wire[5][0]
    assert (scene.broker.subscriptions_by_policy(), scene.sessions[2].subscriptions) == (before, {})


def test_new_limits_hold_from_the_next_request_on(scene):
    scene.subscribe(1, "a")
    scene.subscribe(1, "b")
    scene.publish(2, retain=True)
    scene.broker.limits = BrokerLimits(subscriptions_per_session=1, retained_events=1, retained_bytes=1)
    assert scene.broker.limits.subscriptions_per_session == 1
    assert scene.subscribe(1, "c")[0][1][4] == "concord.error.limit_exceeded"
    assert scene.publish(2, "other", retain=True, acknowledge=True)[0][1][4] == "concord.error.limit_exceeded"
    assert (scene.broker.count_subscribers(1), scene.retained(3)) == (1, [70])


def test_unsubscribe(scene):
    scene.subscribe(1)
    scene.subscribe(2)
    assert scene.unsubscribe(1, 1, request=8) == [
        ([1], [35, 8]),
        ("wamp.subscription.on_unsubscribe", [1, 1]),
    ]
    assert scene.unsubscribe(2, 1, request=9) == [
        ([2], [35, 9]),
        ("wamp.subscription.on_unsubscribe", [2, 1]),
        ("wamp.subscription.on_delete", [2, 1]),
    ]
    assert scene.publish(3) == []
    assert (scene.broker.get(1), scene.broker.lookup(TOPIC)) == (None, None)


@pytest.mark.parametrize("subscription", [1, 99])
def test_unsubscribe_from_what_the_session_does_not_hold(scene, subscription):
    scene.subscribe(1)
    text = f"this session holds no subscription {subscription}"
    expected = error(2, 34, 2, "wamp.error.no_such_subscription", text)
    assert scene.unsubscribe(2, subscription) == expected


def test_a_subscription_id_is_never_used_again(scene):
    scene.subscribe(1)
    scene.unsubscribe(1, 1)
    assert scene.subscribe(1)[0] == ([1], [33, 1, 2])


def test_leave_ends_all_subscriptions_of_a_session(scene):
    scene.subscribe(1, "a")
    scene.subscribe(1, "b.", match="prefix")
    scene.subscribe(2, "a")
    assert scene.leave(1) == [
        ("wamp.subscription.on_unsubscribe", [1, 1]),
        ("wamp.subscription.on_unsubscribe", [1, 2]),
        ("wamp.subscription.on_delete", [1, 2]),
    ]
    assert scene.leave(1) == []
    assert scene.publish(3, "a") == [([2], [36, 1, 70, {}])]
    assert scene.sessions[1].subscriptions == {}


def test_publish_without_subscribers(scene):
    assert scene.publish(1) == []
    assert scene.publish(1, acknowledge=True) == [([1], [17, 3, 70])]
    assert scene.publish(1, acknowledge=True, exclude_me=False) == [([1], [17, 3, 70])]


def test_publish_reaches_each_subscriber_in_one_delivery(scene):
    scene.subscribe(2)
    scene.subscribe(3)
    args, kwargs = Raw(b'["x"]'), Raw(b'{"k":1}')
    assert scene.publish(1) == [([2, 3], [36, 1, 70, {}])]
    assert scene.publish(1, args=args) == [([2, 3], [36, 1, 70, {}, args])]
    assert scene.publish(1, args=args, kwargs=kwargs) == [([2, 3], [36, 1, 70, {}, args, kwargs])]


def test_the_payload_keeps_its_origin(scene):
    scene.subscribe(1)
    scene.subscribe(2, "com.", match="prefix")
    for options in ({}, {"exclude_me": False}):
        outputs = scene.broker.publish(scene.sessions[3], Publish(1, options, TOPIC, Raw(b"[]")), 70)
        assert [(output.origin, bytes(output.message.args)) for output in outputs] == [("json", b"[]")] * 2
    [output] = scene.broker.publish(scene.sessions[2], Publish(1, {}, TOPIC, Raw(b"\x80")), 70)
    assert output.origin == "cbor"


def test_published_comes_after_the_events_and_carries_no_payload(scene):
    scene.subscribe(2)
    assert scene.publish(1, acknowledge=True) == [([2], [36, 1, 70, {}]), ([1], [17, 3, 70])]
    for unset in (False, None):
        assert scene.publish(1, acknowledge=unset) == [([2], [36, 1, 70, {}])]


@pytest.mark.parametrize("options", [{}, {"acknowledge": False}, {"exclude_me": True}, {"exclude_me": None}])
def test_the_publisher_does_not_get_its_own_event(scene, options):
    scene.subscribe(2)
    scene.subscribe(1)
    scene.subscribe(3)
    assert scene.publish(1, **options) == [([2, 3], [36, 1, 70, {}])]
    scene.unsubscribe(2, 1)
    scene.unsubscribe(3, 1)
    assert scene.publish(1, **options) == []


def test_exclude_me_false_lets_the_publisher_receive(scene):
    """WAMP AP 'Publisher Exclusion'."""
    scene.subscribe(1)
    scene.subscribe(2)
    assert scene.publish(1, exclude_me=False) == [([1, 2], [36, 1, 70, {}])]


def test_recipients_are_a_snapshot(scene):
    """What is to be sent does not change with the tables."""
    scene.subscribe(2)
    scene.subscribe(3)
    [output] = scene.broker.publish(scene.sessions[1], Publish(1, {}, TOPIC), 70)
    scene.leave(3)
    scene.subscribe(4)
    assert [session.id for session in output.recipients] == [2, 3]
    assert scene.publish(1) == [([2, 4], [36, 1, 70, {}])]


def test_an_unchanged_subscription_hands_out_the_same_recipients(scene):
    scene.subscribe(2)
    first, second = (scene.broker.publish(scene.sessions[1], Publish(1, {}, TOPIC), 70) for _ in range(2))
    assert first[0].recipients is second[0].recipients


@pytest.mark.parametrize("options", [{}, {"exclude_me": True, "acknowledge": False}])
def test_patterns_get_the_topic_and_the_exact_subscription_comes_first(scene, options):
    """WAMP AP 'Pattern-based Subscription': one event for each matching subscription."""
    scene.subscribe(2, "com..topic", match="wildcard")
    scene.subscribe(2, "com.", match="prefix")
    scene.subscribe(3, "com.example", match="prefix")
    scene.subscribe(2)
    scene.subscribe(4, "org.", match="prefix")
    assert scene.publish(1, **options) == [
        ([2], [36, 4, 70, {}]),
        ([3], [36, 3, 70, {"topic": TOPIC}]),
        ([2], [36, 2, 70, {"topic": TOPIC}]),
        ([2], [36, 1, 70, {"topic": TOPIC}]),
    ]


def test_with_patterns_the_publisher_is_excluded_everywhere(scene):
    scene.subscribe(1, "com.", match="prefix")
    scene.subscribe(1)
    scene.subscribe(2)
    assert scene.publish(1) == [([2], [36, 2, 70, {}])]
    assert scene.publish(1, acknowledge=True) == [([2], [36, 2, 70, {}]), ([1], [17, 3, 70])]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"exclude": [2]}, [3, 4]),
        ({"eligible": [4, 2, 9]}, [2, 4]),
        ({"eligible": []}, []),
        ({"eligible": [1, 2]}, [2]),
        ({"eligible": [1, 2], "exclude_me": False}, [1, 2]),
        ({"exclude_authid": ["bob"], "eligible_authrole": ["staff"]}, [3]),
        ({"eligible_authid": ["dave"]}, [4]),
        ({"exclude_authrole": ["staff", "guest"]}, []),
    ],
)
def test_black_and_white_listing(scene, options, expected):
    for session in (1, 2, 3, 4):
        scene.subscribe(session)
    events = scene.publish(1, **options)
    assert [(sorted(to), wire) for to, wire in events] == ([(expected, [36, 1, 70, {}])] if expected else [])


@pytest.mark.parametrize("disclose", [True, False])
def test_disclosure_is_what_the_realm_decided(scene, disclose):
    """WAMP AP 'Publisher Identification'."""
    scene.subscribe(2)
    details = (
        {"publisher": 1, "publisher_authid": "alice", "publisher_authrole": "manager"} if disclose else {}
    )
    for options in ({}, {"disclose_me": True}):
        assert scene.publish(1, disclose=disclose, **options) == [([2], [36, 1, 70, details])]


def test_payload_passthru_attributes_are_carried_untouched(scene):
    """WAMP AP 'Payload Passthru Mode'."""
    scene.subscribe(2)
    scene.subscribe(3, "com.", match="prefix")
    ppt = {"ppt_scheme": "x_my", "ppt_serializer": "custom", "ppt_cipher": "c", "ppt_keyid": "k"}
    assert scene.publish(1, x_other=1, **ppt) == [
        ([2], [36, 1, 70, ppt]),
        ([3], [36, 2, 70, {**ppt, "topic": TOPIC}]),
    ]


def test_payload_passthru_that_was_not_announced_is_a_violation(scene):
    with pytest.raises(
        ProtocolViolation, match="PUBLISH has ppt_scheme, but payload_passthru_mode was not ann"
    ):
        scene.publish(2, ppt_scheme="mqtt")


def test_an_option_of_a_wrong_type_is_refused_where_the_publisher_asks(scene):
    scene.subscribe(2)
    text = "exclude: Expected array | null, got str"
    expected = error(1, 16, 3, "wamp.error.invalid_argument", text)
    assert scene.publish(1, acknowledge=True, exclude="bob") == expected
    assert scene.publish(1, exclude="bob") == []
    assert scene.publish(1, acknowledge="yes") == []


def test_a_retained_event_follows_subscribed_and_precedes_the_announcements(scene):
    """WAMP AP 'Event Retention'."""
    args = Raw(b'["x"]')
    scene.publish(1, args=args, retain=True, publication=71)
    assert scene.subscribe(2, get_retained=True)[:2] == [
        ([2], [33, 1, 1]),
        ([2], [36, 1, 71, {"retained": True}, args]),
    ]
    assert scene.subscribe(3) == [([3], [33, 1, 1]), ("wamp.subscription.on_subscribe", [3, 1])]
    assert scene.subscribe(4, "com.example.other", get_retained=True)[1][0] == "wamp.subscription.on_create"


def test_a_retained_event_keeps_its_origin(scene):
    scene.publish(2, args=Raw(b"\x80"), retain=True)
    outputs = scene.broker.subscribe(scene.sessions[1], Subscribe(1, {"get_retained": True}, TOPIC), NOW)
    assert [output.origin for output in outputs if isinstance(output, Delivery)] == [None, "cbor"]


def test_an_event_is_delivered_before_it_is_retained_for_later(scene):
    scene.subscribe(2)
    assert scene.publish(1, retain=True, acknowledge=True) == [([2], [36, 1, 70, {}]), ([1], [17, 3, 70])]


def test_subscribing_again_gives_the_retained_event_again(scene):
    scene.subscribe(2)
    scene.publish(1, retain=True)
    assert scene.subscribe(2, get_retained=True) == [
        ([2], [33, 1, 1]),
        ([2], [36, 1, 70, {"retained": True}]),
    ]


def test_the_last_retained_event_that_a_session_would_have_received(scene):
    scene.publish(1, retain=True, publication=71)
    scene.publish(1, retain=True, publication=72, eligible_authrole=["staff"])
    scene.publish(1, retain=True, publication=73, exclude=[2], eligible_authrole=["staff"])
    scene.publish(1, publication=74)
    assert [scene.retained(session) for session in (1, 2, 3, 4)] == [[], [72], [73], [71]]
    scene.publish(1, retain=True, publication=75, exclude_me=False)
    assert [scene.retained(session) for session in (1, 2, 3, 4)] == [[75]] * 4


def test_an_empty_eligible_list_retains_for_nobody(scene):
    scene.publish(1, retain=True, eligible=[])
    assert [scene.retained(session) for session in (1, 2, 3, 4)] == [[]] * 4


def test_a_retained_event_survives_its_publisher_and_still_excludes_its_id(scene):
    scene.publish(1, retain=True)
    scene.leave(1)
    assert (scene.retained(1), scene.retained(2)) == ([], [70])


def test_a_pattern_gets_the_retained_event_of_each_matching_topic():
    scene = Scene(retained_per_subscribe=2)
    for publication, topic in enumerate(["a.x", "a.y", "b.x", "a.z"], start=71):
        scene.publish(1, topic, publication=publication, retain=True)
    scene.publish(1, "a.z", publication=75, retain=True, eligible=[9])
    assert scene.retained(2, "a.", match="prefix") == [72, 74]
    assert scene.retained(2, ".x", match="wildcard") == [71, 73]
    outputs = scene.subscribe(3, ".y", match="wildcard", get_retained=True)
    assert outputs[1] == ([3], [36, 3, 72, {"retained": True, "topic": "a.y"}])


def test_an_acknowledged_event_that_cannot_be_retained_is_refused():
    """Nobody gets it, so that publishing it again does not deliver it twice."""
    scene = Scene(retained_events=1)
    scene.subscribe(2)
    scene.publish(1, "other", retain=True)
    expected = error(1, 16, 3, "concord.error.limit_exceeded", "retained_events=1 is reached")
    assert scene.publish(1, retain=True, acknowledge=True) == expected
    assert (scene.retained(3), scene.retained(3, "other")) == ([], [70])


def test_any_other_event_that_cannot_be_retained_is_delivered_and_the_older_one_forgotten():
    """An older event must not pass for the last one."""
    scene = Scene(retained_bytes=len(TOPIC) + len("{'retain': True}") + 10)
    scene.subscribe(2)
    scene.publish(1, args=Raw(b"." * 10), retain=True)
    assert scene.retained(3) == [70]
    too_long = Raw(b"." * 11)
    assert scene.publish(1, args=too_long, retain=True) == [([2], [36, 1, 70, {}, too_long])]
    assert scene.retained(3) == []


def test_the_routers_own_events(scene):
    scene.subscribe(2, "wamp.session.on_leave")
    scene.subscribe(3, "wamp.", match="prefix")
    outputs = scene.broker.publish_own("wamp.session.on_leave", [5, "eve", "guest"], None, 80)
    assert told(outputs) == [
        ([2], [36, 1, 80, {}, [5, "eve", "guest"]]),
        ([3], [36, 2, 80, {"topic": "wamp.session.on_leave"}, [5, "eve", "guest"]]),
    ]
    assert [output.origin for output in outputs] == [None, None]
    assert scene.broker.publish_own("wamp.session.on_join", [{}], {"k": 1}, 81)[0].message.kwargs == {"k": 1}


def test_a_testament_holds_plain_values_and_is_not_acknowledged(scene):
    """WAMP AP 'Session Testament'."""
    scene.subscribe(2)
    scene.subscribe(3)
    options = {"exclude_authid": ["carol"], "acknowledge": True, "retain": True}
    msg = Publish(0, options, TOPIC, ["bye"], {"k": b"\0"})
    outputs = scene.broker.publish_testament(scene.sessions[1], msg, 90)
    assert told(outputs) == [([2], [36, 1, 90, {}, ["bye"], {"k": b"\0"}])]
    assert outputs[0].origin is None
    assert (scene.retained(4), scene.retained(3)) == ([90], [])


def test_a_testament_discloses_where_the_realm_decided_so(scene):
    scene.subscribe(2)
    outputs = scene.broker.publish_testament(scene.sessions[1], Publish(0, {}, TOPIC), 90, True)
    details = {"publisher": 1, "publisher_authid": "alice", "publisher_authrole": "manager"}
    assert told(outputs) == [([2], [36, 1, 90, details])]


def test_a_testament_with_an_impossible_option_is_dropped(scene):
    scene.subscribe(2)
    assert scene.broker.publish_testament(scene.sessions[1], Publish(0, {"exclude": 1}, TOPIC), 90) == []


def test_what_the_meta_api_asks(scene):
    """WAMP AP 'Subscriptions Meta API'."""
    scene.subscribe(1)
    scene.subscribe(2)
    scene.subscribe(1, "com.", match="prefix")
    scene.subscribe(1, "com..topic", match="wildcard")
    broker = scene.broker
    assert broker.subscriptions_by_policy() == {"exact": [1], "prefix": [2], "wildcard": [3]}
    assert (broker.lookup(TOPIC), broker.lookup("com.", "prefix"), broker.lookup("com.")) == (1, 2, None)
    assert (broker.match(TOPIC), broker.match("com.a"), broker.match("org")) == ([1, 2, 3], [2], [])
    assert broker.get(2).details() == {"id": 2, "created": NOW, "uri": "com.", "match": "prefix"}
    assert (broker.list_subscribers(1), broker.count_subscribers(1)) == ([1, 2], 2)
    assert (broker.list_subscribers(9), broker.count_subscribers(9), broker.get(9)) == (None, None, None)


def test_representation(scene):
    scene.subscribe(1)
    assert repr(scene.broker.get(1)) == "<Subscription 1 exact 'com.example.topic': 1 sessions>"
