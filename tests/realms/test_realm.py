"""A realm's order of decisions: request id, permission, disclosure, and only then the routing."""

from typing import Any

import pytest
from realm_play import CREATED, FEATURES, NOW, PEER, TYPES, Play, config, may, play, roles

from realms.auth import Identity
from realms.auth.config import Anonymous, Authentication
from realms.config import HeartbeatOverride, Limits, MetaApi, SlowConsumer
from realms.realm import AGENT
from router.routing.handshake import Refusal
from router.wamp.errors import ProtocolViolation
from router.wamp.features import welcome_roles
from router.wamp.serializers import SERIALIZERS

NOT_AUTHORIZED = "wamp.error.not_authorized"
NO_DISCLOSURE = "wamp.error.option_disallowed.disclose_me"


def refused(name: str, request_type: int, request: int, error: str, text: str) -> Any:
    return [(name, [8, request_type, request, {}, error, [text]])]


class TestJoining:
    def test_welcome_tells_who_the_session_is_and_what_the_router_does(self) -> None:
        """WAMP BP 'WELCOME'; ``_limits`` names the largest message that the router accepts."""
        realm = Play().realm
        identity = Identity(authid="ann", role="clerk", authmethod="ticket", authextra={"a": 1})
        admission: Any = realm.admit(7, identity, PEER, FEATURES)
        assert admission.welcome.wire() == [
            2,
            7,
            {
                "agent": AGENT,
                "realm": "realm1",
                "authid": "ann",
                "authrole": "clerk",
                "authmethod": "ticket",
                "authprovider": "static",
                "authextra": {"a": 1},
                "roles": welcome_roles(True),
                "_limits": {"message_bytes": 4096},
            },
        ]
        assert admission.realm is realm
        assert admission.session.features == FEATURES
        assert realm.sessions == {7: admission.session}
        assert repr(realm) == "<Realm 'realm1'>"

    def test_welcome_announces_no_meta_api_where_there_is_none(self) -> None:
        realm = Play(meta_api=MetaApi(enabled=False)).realm
        identity = Identity(authid="ann", role="clerk", authmethod="anonymous")
        admission: Any = realm.admit(7, identity, PEER, FEATURES)
        announced = admission.welcome.details["roles"]
        assert announced == welcome_roles(False)
        assert "session_meta_api" not in announced["broker"]["features"]
        assert "authextra" not in admission.welcome.details

    def test_a_role_that_is_gone_lets_nobody_in(self) -> None:
        realm = Play().realm
        refusal = realm.admit(7, Identity(authid="ann", role="ghost", authmethod="ticket"), PEER, FEATURES)
        assert refusal == Refusal(
            "wamp.error.no_such_role",
            "authentication failed",
            "ticket: 'ann' has the role 'ghost', which is gone",
        )
        assert realm.sessions == {}

    def test_on_join_and_on_leave_are_told(self) -> None:
        """WAMP AP 'Session Meta API': details on join; id, authid and authrole on leave."""
        stage = play("watcher")
        stage("watcher", [32, 1, {}, "wamp.session.on_join"])
        stage("watcher", [32, 2, {}, "wamp.session.on_leave"])
        joined = stage.join("ann")
        details = {
            "session": 2,
            "authid": "ann@x",
            "authrole": "clerk",
            "authmethod": "anonymous",
            "authprovider": "static",
            "transport": {"type": "websocket", "peer": "tcp:192.0.2.7:4711"},
        }
        publication = stage.publications
        assert joined == [("watcher", [36, 1, publication, {}, [details]])]
        assert stage.leave("ann") == [("watcher", [36, 2, publication + 1, {}, [2, "ann@x", "clerk"]])]
        assert stage.leave("ann") == []
        assert stage.realm.counters["sessions"] == 2

    def test_without_the_meta_api_nothing_is_told(self) -> None:
        stage = play("watcher", meta_api=MetaApi(enabled=False))
        stage("watcher", [32, 1, {}, "wamp.session.on_join"])
        assert stage.join("ann") == []
        (answer,) = stage("watcher", [48, 2, {}, "wamp.session.count"])
        assert answer[1][:5] == [8, 48, 2, {}, "wamp.error.no_such_procedure"]

    def test_a_realm_is_full_at_its_limit(self) -> None:
        stage = play("ann", limits=Limits(sessions=2))
        assert not stage.realm.is_full()
        stage.join("bob")
        assert stage.realm.is_full()

    def test_leaving_leaves_nothing_behind(self) -> None:
        """Subscriptions, registrations, calls and invocations of the session are gone, the others' stay."""
        stage = play("ann", "bob")
        stage("ann", [64, 1, {}, "com.x"])
        stage("ann", [32, 2, {}, "com.t"])
        stage("bob", [48, 1, {}, "com.x"])
        assert stage.leave("ann") == refused(
            "bob", 48, 1, "wamp.error.canceled", "the callee left before it answered"
        )
        assert list(stage.realm.sessions) == [2]
        assert stage.realm.broker.subscription_by_id == {}
        assert stage.realm.dealer.registrations_by_policy() == {"exact": [], "prefix": [], "wildcard": []}


REQUESTS: list[list[Any]] = [
    [16, 0, {"acknowledge": True}, "com.t"],
    [32, 0, {}, "com.t"],
    [34, 0, 1],
    [48, 0, {}, "com.p"],
    [64, 0, {}, "com.p"],
    [66, 0, 1],
]


def numbered(wire: list[Any], request: int) -> list[Any]:
    return [wire[0], request, *wire[2:]]


class TestRequestIds:
    """WAMP BP 'IDs': a client counts its requests from 1 on."""

    @pytest.mark.parametrize("wire", REQUESTS)
    @pytest.mark.parametrize("strict", [False, True])
    def test_zero_is_a_violation(self, wire: list[Any], strict: bool) -> None:
        stage = Play(strict_ids=strict)
        stage.join("ann", features=frozenset())
        with pytest.raises(ProtocolViolation, match="request id 0: ids begin with 1"):
            stage("ann", wire)

    @pytest.mark.parametrize("wire", REQUESTS)
    @pytest.mark.parametrize("strict", [False, True])
    @pytest.mark.parametrize("request_id", [1, 2])
    def test_an_id_that_was_used_or_goes_backwards_is_a_violation(
        self, wire: list[Any], strict: bool, request_id: int
    ) -> None:
        stage = Play(strict_ids=strict)
        stage.join("ann", features=frozenset())
        stage("ann", [32, 1, {}, "com.a"])
        stage("ann", [32, 2, {}, "com.b"])
        text = f"request id {request_id} was used before: the last one was 2"
        with pytest.raises(ProtocolViolation, match=text):
            stage("ann", numbered(wire, request_id))

    @pytest.mark.parametrize("wire", REQUESTS)
    def test_a_gap_is_tolerated(self, wire: list[Any]) -> None:
        """Autobahn takes an id before serialization can fail."""
        stage = play("ann")
        (answer, *_) = stage("ann", numbered(wire, 5))
        assert 5 in answer[1][1:3]
        with pytest.raises(ProtocolViolation, match="request id 4 was used before: the last one was 5"):
            stage("ann", [32, 4, {}, "com.t"])

    @pytest.mark.parametrize("wire", REQUESTS)
    def test_a_gap_is_a_violation_with_strict_ids(self, wire: list[Any]) -> None:
        stage = play("ann", strict_ids=True)
        with pytest.raises(ProtocolViolation, match="request id 2 leaves a gap: 1 was due"):
            stage("ann", numbered(wire, 2))

    @pytest.mark.parametrize("strict", [False, True])
    def test_all_kinds_of_request_share_one_sequence(self, strict: bool) -> None:
        stage = play("ann", strict_ids=strict)
        for request, wire in enumerate(REQUESTS, start=1):
            (answer, *_) = stage("ann", numbered(wire, request))
            assert request in answer[1][1:3]

    def test_a_refused_request_has_used_its_id(self) -> None:
        stage = play("ann", roles=roles(clerk=[]), strict_ids=True)
        for request, wire in enumerate([w for w in REQUESTS if w[0] in (16, 32, 48, 64)], start=1):
            (answer,) = stage("ann", numbered(wire, request))
            assert answer[1][4] == NOT_AUTHORIZED


class TestAuthorization:
    @pytest.mark.parametrize(
        ("wire", "action"),
        [
            ([48, 1, {}, "org.x"], "call"),
            ([64, 1, {}, "org.x"], "register"),
            ([16, 1, {"acknowledge": True}, "org.x"], "publish"),
            ([32, 1, {}, "org.x"], "subscribe"),
        ],
    )
    def test_what_the_role_may_not_do_is_an_error(self, wire: list[Any], action: str) -> None:
        stage = play("ann", roles=roles(clerk=[may("com.")]))
        text = f"role 'clerk' may not {action} 'org.x'"
        assert stage("ann", wire) == refused("ann", wire[0], 1, NOT_AUTHORIZED, text)
        again = stage("ann", numbered(wire, 2))  # from the cache
        assert again == refused("ann", wire[0], 2, NOT_AUTHORIZED, text)

    def test_a_publication_that_is_not_acknowledged_is_dropped_silently(self) -> None:
        stage = play("ann", "bob", roles=roles(clerk=[may("", allow=("subscribe",))]))
        stage("bob", [32, 1, {}, "com.t"])
        assert stage("ann", [16, 1, {}, "com.t", ["x"]]) == []
        assert stage.realm.counters["publishes_refused"] == 1

    @pytest.mark.parametrize("code", [32, 64])
    def test_a_match_policy_of_any_type_is_refused_and_never_a_defect(self, code: int) -> None:
        stage = play("ann")
        for request, match in enumerate(("fuzzy", ["exact"], {"a": 1}, 7, True), start=1):
            (answer,) = stage("ann", [code, request, {"match": match}, "com.x"])
            assert answer[1][:5] == [8, code, request, {}, "wamp.error.invalid_argument"]

    def test_an_invalid_uri_is_an_error_and_no_violation(self) -> None:
        stage = play("ann", uri_check="strict")
        for request, code in enumerate((48, 64, 32), start=1):
            (answer,) = stage("ann", [code, request, {}, "com.X"])
            assert answer[1][4] == "wamp.error.invalid_uri"

    @pytest.mark.parametrize("match", ["prefix", "wildcard"])
    def test_a_clients_pattern_never_answers_in_the_routers_name(self, match: str) -> None:
        """A call under wamp., concord. or dstm. that the router does not know reaches no client."""
        stage = play("ann", "bob", meta_api=MetaApi(enabled=False))
        pattern = "" if match == "prefix" else ".session.count"
        (registered, *_) = stage("ann", [64, 1, {"match": match}, pattern])
        assert registered[1][0] == 65
        for request, procedure in enumerate(("wamp.session.count", "concord.session.count"), start=1):
            for options in ({}, {"timeout": 5}):
                request_id = 2 * request - 1 + len(options)
                assert stage("bob", [48, request_id, options, procedure]) == refused(
                    "bob",
                    48,
                    request_id,
                    "wamp.error.no_such_procedure",
                    f"the router has no procedure '{procedure}'",
                )
        ((name, invocation),) = stage("bob", [48, 9, {}, "com.session.count" if match != "prefix" else "x"])
        assert (name, invocation[0]) == ("ann", 68)


class TestDisclosure:
    def stage(self, disclosure: str) -> Play:
        stage = play("ann", "bob", roles=roles(clerk=[may("", disclosure=disclosure)]))
        stage("bob", [64, 1, {}, "com.p"])
        stage("bob", [32, 2, {}, "com.t"])
        return stage

    @pytest.mark.parametrize(
        ("disclosure", "asked", "told"),
        [
            ("on_request", False, False),
            ("on_request", True, True),
            ("always", False, True),
            ("always", True, True),
            ("never", False, False),
        ],
    )
    def test_callee_and_subscriber_learn_who_it_was(self, disclosure: str, asked: bool, told: bool) -> None:
        """WAMP AP 'Caller Identification', 'Publisher Identification'."""
        stage = self.stage(disclosure)
        options = {"disclose_me": True} if asked else {}
        caller = {"caller": 1, "caller_authid": "ann@x", "caller_authrole": "clerk"} if told else {}
        assert stage("ann", [48, 1, options, "com.p", [7]]) == [("bob", [68, 1, 1, caller, [7]])]
        publisher = {f"publisher{key[6:]}": value for key, value in caller.items()}
        ((name, event),) = stage("ann", [16, 2, options, "com.t", [7]])
        assert (name, event[3:]) == ("bob", [publisher, [7]])

    def test_a_request_to_disclose_is_refused_where_it_is_not_allowed(self) -> None:
        stage = self.stage("never")
        text = "this realm does not disclose who calls or publishes here"
        asked = {"disclose_me": True}
        assert stage("ann", [48, 1, asked, "com.p"]) == refused("ann", 48, 1, NO_DISCLOSURE, text)
        assert stage("ann", [16, 2, {**asked, "acknowledge": True}, "com.t"]) == refused(
            "ann", 16, 2, NO_DISCLOSURE, text
        )
        assert stage("ann", [16, 3, asked, "com.t"]) == []
        assert stage("ann", [48, 4, {"disclose_me": False}, "com.p"])[0][1][0] == 68


class TestCalls:
    def test_a_call_and_its_result(self) -> None:
        stage = play("ann", "bob")
        stage("bob", [64, 1, {}, "com.p"])
        assert stage("ann", [48, 1, {}, "com.p", [1], {"a": 2}]) == [("bob", [68, 1, 1, {}, [1], {"a": 2}])]
        assert stage("bob", [70, 1, {}, [3]]) == [("ann", [50, 1, {}, [3]])]
        assert stage("ann", [48, 2, {}, "com.p", [1]]) == [("bob", [68, 2, 1, {}, [1]])]
        assert stage("bob", [8, 68, 2, {}, "com.error", ["no"]]) == [
            ("ann", [8, 48, 2, {}, "com.error", ["no"]])
        ]
        assert stage("ann", [48, 3, {}, "com.p"]) == [("bob", [68, 3, 1, {}])]
        assert stage("ann", [49, 3, {"mode": "skip"}]) == refused(
            "ann", 48, 3, "wamp.error.canceled", "canceled by the caller"
        )

    def test_an_error_for_anything_but_an_invocation_is_a_violation(self) -> None:
        with pytest.raises(ProtocolViolation, match="ERROR for a request of type 48: a client answers"):
            play("ann")("ann", [8, 48, 1, {}, "com.error"])

    def test_a_timeout_wakes_the_realm_at_the_soonest_deadline(self) -> None:
        """Only a call with a deadline moves the alarm, to a time of the monotonic clock in seconds."""
        stage = play("ann", "bob")
        stage("bob", [64, 1, {}, "com.p"])
        stage("ann", [48, 1, {}, "com.p"])
        assert stage.woken == []
        assert stage.realm.next_deadline() is None
        stage("ann", [48, 2, {"timeout": 500}, "com.p"])
        stage("ann", [48, 3, {"timeout": 200}, "com.p"])
        assert stage.woken == [("realm1", NOW + 0.5), ("realm1", NOW + 0.2)]
        assert stage.realm.next_deadline() == NOW + 0.2
        told = stage.told(stage.realm.expire(NOW + 0.3))
        assert told == [
            ("ann", [8, 48, 3, {}, "wamp.error.timeout", ["no answer within 200 ms"]]),
            ("bob", [69, 3, {"mode": "killnowait", "reason": "wamp.error.timeout"}]),
        ]

    def test_the_realms_own_timeout_wakes_it_too(self) -> None:
        stage = play("ann", "bob", limits=Limits(call_timeout_ms=100))
        stage("bob", [64, 1, {}, "com.p"])
        for request in (1, 2):  # the second one has a cached grant
            stage("ann", [48, request, {}, "com.p"], now=NOW + request)
        assert stage.woken == [("realm1", NOW + 1.1), ("realm1", NOW + 1.1)]

    def test_further_input_of_a_progressive_invocation_has_the_same_id(self) -> None:
        """WAMP AP 'Progressive Call Invocations'; what comes after the end of the call is dropped."""
        stage = play("ann", "bob")
        stage("bob", [64, 1, {}, "com.p"])
        assert stage("ann", [48, 1, {"progress": True}, "com.p", [1]]) == [
            ("bob", [68, 1, 1, {"progress": True}, [1]])
        ]
        assert stage("ann", [48, 1, {"progress": True}, "com.p", [2]]) == [
            ("bob", [68, 1, 1, {"progress": True}, [2]])
        ]
        stage("bob", [70, 1, {}, ["enough"]])
        assert stage("ann", [48, 1, {"progress": True}, "com.p", [3]]) == []
        with pytest.raises(ProtocolViolation, match="request id 0"):
            stage("ann", [48, 0, {"progress": True}, "com.p"])


class TestPublications:
    def test_an_event_to_every_subscriber_but_the_publisher(self) -> None:
        """The first publication asks the role, the others its cache: nobody sees a difference."""
        stage = play("ann", "bob", "eve")
        for name in ("ann", "bob", "eve"):
            stage(name, [32, 1, {}, "com.t"])
        before = stage.publications - 1
        for request in (2, 3, 4):
            assert stage("ann", [16, request, {}, "com.t", [request]]) == [
                ("bob", [36, 1, before + request, {}, [request]]),
                ("eve", [36, 1, before + request, {}, [request]]),
            ]
        assert stage("ann", [16, 5, {"acknowledge": True}, "com.other"]) == [("ann", [17, 5, before + 5])]


class TestMetaApi:
    def test_a_procedure_is_answered_by_the_router(self) -> None:
        stage = play("ann", "bob")
        assert stage("ann", [48, 1, {}, "wamp.session.count"]) == [("ann", [50, 1, {}, [2]])]
        assert stage("ann", [48, 2, {}, "wamp.session.list", [["clerk"]]]) == [("ann", [50, 2, {}, [[1, 2]]])]
        (answer,) = stage("ann", [48, 3, {"timeout": 100, "disclose_me": True}, "wamp.session.get", [9]])
        assert answer[1] == [8, 48, 3, {}, "wamp.error.no_such_session", ["no session 9 in this realm"]]

    def test_a_procedure_needs_permission_like_any_other(self) -> None:
        stage = play("ann", roles=roles(clerk=[may(""), may("wamp.session.kill", allow=())]))
        (answer,) = stage("ann", [48, 1, {}, "wamp.session.kill_all"])
        assert answer[1][4] == NOT_AUTHORIZED

    def test_arguments_are_read_with_the_callers_serializer(self) -> None:
        """On a connection they are the caller's bytes."""
        for serializer in SERIALIZERS.values():
            stage = play("ann", "bob")
            stage.sessions["ann"].serializer = serializer
            args, kwargs = serializer.dump([2]), serializer.dump({"reason": "com.reason", "message": "bye"})
            assert stage("ann", [48, 1, {}, "wamp.session.kill", args, kwargs]) == [
                ("ann", [50, 1, {}]),
                ("bob", [6, {"message": "bye"}, "com.reason"]),
            ]
            assert stage("ann", [48, 2, {}, "wamp.session.count"]) == [("ann", [50, 2, {}, [2]])]

    @pytest.mark.parametrize(
        ("options", "feature"),
        [
            ({"progress": True}, "progressive_call_invocations"),
            ({"ppt_scheme": "x"}, "payload_passthru_mode"),
        ],
    )
    def test_a_procedure_takes_no_further_input_and_no_foreign_payload(
        self, options: Any, feature: str
    ) -> None:
        """Who announced the feature gets an ERROR; who did not has broken the protocol."""
        stage = Play()
        stage.join("ann", features=frozenset({f"caller.{feature}"}))
        (answer,) = stage("ann", [48, 1, options, "wamp.session.count"])
        assert answer[1][:5] == [8, 48, 1, {}, "wamp.error.feature_not_supported"]
        assert feature in answer[1][5][0]
        stage.join("bob", features=frozenset())
        with pytest.raises(ProtocolViolation, match=feature):
            stage("bob", [48, 1, options, "wamp.session.count"])

    def test_kill_answers_before_the_others_go(self) -> None:
        stage = play("ann", "bob", "eve")
        assert stage("ann", [48, 1, {}, "wamp.session.kill_all"]) == [
            ("ann", [50, 1, {}, [2]]),
            ("bob", [6, {}, "wamp.close.killed"]),
            ("eve", [6, {}, "wamp.close.killed"]),
        ]

    def test_registrations_and_subscriptions_are_announced(self) -> None:
        stage = play("ann", "watcher")
        stage("watcher", [32, 1, {"match": "prefix"}, "wamp.registration."])
        stage("watcher", [32, 2, {"match": "prefix"}, "wamp.subscription."])

        def topics(told: Any) -> list[str]:
            return [wire[3]["topic"] for name, wire in told if name == "watcher"]

        assert topics(stage("ann", [64, 1, {}, "com.p"])) == [
            "wamp.registration.on_create",
            "wamp.registration.on_register",
        ]
        assert topics(stage("ann", [66, 2, 1])) == [
            "wamp.registration.on_unregister",
            "wamp.registration.on_delete",
        ]
        told = stage("ann", [32, 3, {}, "com.t"])
        assert told[0] == ("ann", [33, 3, 3])
        details = {"id": 3, "created": CREATED, "uri": "com.t", "match": "exact"}
        assert told[1][1][4] == [1, details]
        assert topics(stage("ann", [34, 4, 3])) == [
            "wamp.subscription.on_unsubscribe",
            "wamp.subscription.on_delete",
        ]


class TestTestaments:
    """WAMP AP 'Session Testament'."""

    def leave(self, stage: Play, **keywords: Any) -> list[Any]:
        stage("bob", [32, 1, {}, "com.will"])
        stage("ann", [48, 1, {}, "wamp.session.add_testament", ["com.will", ["gone"], {"a": 1}], keywords])
        return [wire[3:] for name, wire in stage.leave("ann") if name == "bob"]

    def test_is_published_when_the_session_leaves(self) -> None:
        stage = play("ann", "bob")
        assert self.leave(stage) == [[{}, ["gone"], {"a": 1}]]
        assert stage.leave("ann") == []

    def test_needs_permission_when_it_is_published(self) -> None:
        stage = play("ann", "bob", roles=roles(clerk=[may(""), may("com.will", "exact", ("subscribe",))]))
        assert self.leave(stage) == []

    @pytest.mark.parametrize(
        ("disclosure", "told"), [("on_request", True), ("always", True), ("never", False)]
    )
    def test_discloses_as_a_publication_would(self, disclosure: str, told: bool) -> None:
        stage = play("ann", "bob", roles=roles(clerk=[may("", disclosure=disclosure)]))
        ((details, *_),) = self.leave(stage, publish_options={"disclose_me": True})
        assert ("publisher" in details) is told


class TestRefusedPayload:
    """A payload that another serializer could not carry: whoever waits for it gets the error."""

    ERROR = ("wamp.error.invalid_argument", ["too big a number"])

    def refuse(self, stage: Play, name: str, wire: list[Any]) -> Any:
        message = TYPES[wire[0]](*wire[1:])
        error: Any = TYPES[8](wire[0], wire[1], {}, *self.ERROR)
        return stage.told(stage.realm.refuse_payload(stage.sessions[name], message, error, NOW))

    def test_of_a_call(self) -> None:
        stage = play("ann", strict_ids=True)
        assert self.refuse(stage, "ann", [48, 1, {}, "com.p"]) == [("ann", [8, 48, 1, {}, *self.ERROR])]
        assert stage("ann", [32, 2, {}, "com.t"])[0][1][0] == 33  # the id was used
        assert self.refuse(stage, "ann", [48, 2, {}, "com.p"]) == []  # further input of a call that has ended

    def test_of_a_call_with_an_old_id(self) -> None:
        """A caller without progressive invocations has no further input."""
        stage = play()
        stage.join("ann", features=frozenset())
        assert self.refuse(stage, "ann", [48, 2, {}, "com.p"]) == [("ann", [8, 48, 2, {}, *self.ERROR])]
        with pytest.raises(ProtocolViolation, match="request id 2 was used before"):
            self.refuse(stage, "ann", [48, 2, {}, "com.p"])

    def test_of_a_publication(self) -> None:
        stage = play("ann")
        assert self.refuse(stage, "ann", [16, 1, {}, "com.t"]) == []
        assert self.refuse(stage, "ann", [16, 2, {"acknowledge": True}, "com.t"]) == [
            ("ann", [8, 16, 2, {}, *self.ERROR])
        ]

    @pytest.mark.parametrize("answer", [[70, 1, {}], [8, 68, 1, {}, "com.error"]])
    def test_of_an_answer(self, answer: list[Any]) -> None:
        stage = play("ann", "bob")
        stage("bob", [64, 1, {}, "com.p"])
        stage("ann", [48, 1, {}, "com.p"])
        assert self.refuse(stage, "bob", answer) == [("ann", [8, 48, 1, {}, *self.ERROR])]
        assert self.refuse(stage, "bob", answer) == []

    def test_of_further_input_ends_the_call_and_not_the_session(self) -> None:
        stage = play("ann", "bob")
        stage("bob", [64, 1, {}, "com.p"])
        stage("ann", [48, 1, {"progress": True}, "com.p"])
        assert self.refuse(stage, "ann", [48, 1, {"progress": True}, "com.p"]) == [
            ("ann", [8, 48, 1, {}, *self.ERROR]),
            ("bob", [69, 1, {"mode": "killnowait", "reason": "wamp.error.canceled"}]),
        ]
        assert stage("bob", [70, 1, {}]) == []

    def test_of_a_message_that_no_client_may_send(self) -> None:
        with pytest.raises(ProtocolViolation, match="received RESULT while the session was open"):
            self.refuse(play("ann"), "ann", [50, 1, {}])


class TestUndeliverable:
    """A message that is larger than its receiver takes."""

    TEXT = ["a message of 5000 bytes is more than the receiver takes: 4096"]
    EXCEEDED = "wamp.error.payload_size_exceeded"

    def fails(self, stage: Play, name: str, wire: list[Any]) -> Any:
        message = TYPES[wire[0]](*wire[1:])
        return stage.told(stage.realm.undeliverable(stage.sessions[name], message, 5000, 4096))

    def stage(self, **options: Any) -> Play:
        stage = play("ann", "bob")
        stage("bob", [64, 1, {}, "com.p"])
        stage("ann", [48, 1, options, "com.p"])
        return stage

    def test_an_invocation_fails_the_call(self) -> None:
        stage = self.stage()
        assert self.fails(stage, "bob", [68, 1, 1, {}, ["x"]]) == [
            ("ann", [8, 48, 1, {}, self.EXCEEDED, self.TEXT])
        ]
        assert stage("bob", [70, 1, {}]) == []

    def test_a_result_becomes_an_error(self) -> None:
        stage = self.stage()
        stage("bob", [70, 1, {}])
        assert self.fails(stage, "ann", [50, 1, {}, ["x"]]) == [
            ("ann", [8, 48, 1, {}, self.EXCEEDED, self.TEXT])
        ]

    def test_a_progressive_result_ends_the_call(self) -> None:
        """After its ERROR the caller hears no more of it, and the callee is interrupted."""
        stage = self.stage(receive_progress=True)
        assert self.fails(stage, "ann", [50, 1, {"progress": True}, ["x"]]) == [
            ("ann", [8, 48, 1, {}, self.EXCEEDED, self.TEXT]),
            ("bob", [69, 1, {"mode": "killnowait", "reason": "wamp.error.canceled"}]),
        ]
        assert stage("bob", [70, 1, {}, ["late"]]) == []

    def test_an_error_keeps_its_request_and_loses_its_payload(self) -> None:
        assert self.fails(self.stage(), "ann", [8, 48, 1, {}, "com.error", ["x"]]) == [
            ("ann", [8, 48, 1, {}, self.EXCEEDED, self.TEXT])
        ]

    def test_an_event_is_counted(self) -> None:
        stage = self.stage()
        assert self.fails(stage, "ann", [36, 1, 2, {}, ["x"]]) == []
        assert stage.realm.counters["events_dropped"] == 1

    def test_an_error_without_payload_is_answered_too(self) -> None:
        """Its URI alone may be too long; the error that says so is not answered once more."""
        stage = self.stage()
        assert self.fails(stage, "ann", [8, 48, 1, {}, "com.error"]) == [
            ("ann", [8, 48, 1, {}, self.EXCEEDED, self.TEXT])
        ]
        assert self.fails(stage, "ann", [8, 48, 1, {}, self.EXCEEDED, self.TEXT]) == []


class TestDroppedEvents:
    def test_are_told_to_the_session_alone_if_it_subscribed(self) -> None:
        stage = play("ann", "bob")
        assert stage.told(stage.realm.dropped(stage.sessions["ann"], 3)) == []
        stage("bob", [32, 1, {}, "concord.session.on_drop"])
        assert stage.told(stage.realm.dropped(stage.sessions["ann"], 4)) == []
        stage("ann", [32, 1, {}, "concord.session.on_drop"])
        told = stage.told(stage.realm.dropped(stage.sessions["ann"], 5))
        assert told == [("ann", [36, 1, stage.publications, {}, [{"events": 5}]])]
        assert stage.realm.counters["events_dropped"] == 12


class TestReconfiguration:
    def change(self, stage: Play, **settings: Any) -> Any:
        return stage.told(stage.realm.reconfigure(config(**settings)))

    GONE = (
        "ann",
        [6, {"message": "the configuration no longer lets this session in"}, "wamp.error.not_authorized"],
    )

    def test_a_session_whose_role_is_gone_has_to_go(self) -> None:
        stage = Play(roles=roles(clerk=[may("")], boss=[may("")]))
        stage.join("ann", "boss", "local")
        stage.join("bob", "clerk", "local")
        assert self.change(stage) == [self.GONE]

    def test_a_session_whose_way_in_is_gone_has_to_go(self) -> None:
        stage = play("ann")
        assert self.change(stage, authentication=Authentication()) == [self.GONE]

    def test_a_session_that_would_get_another_role_now_has_to_go(self) -> None:
        stage = play("ann")
        changed = roles(clerk=[may("")], guest=[])
        authentication = Authentication(anonymous=Anonymous(role="guest"))
        assert self.change(stage, roles=changed, authentication=authentication) == [self.GONE]

    def test_new_permissions_hold_at_once(self) -> None:
        stage = play("ann")
        stage("ann", [32, 1, {}, "com.t"])
        assert self.change(stage, roles=roles(clerk=[may("com.t", "exact", ("subscribe",))])) == []
        (answer,) = stage("ann", [16, 2, {"acknowledge": True}, "com.t"])
        assert answer[1][4] == NOT_AUTHORIZED
        assert len(stage.sessions["ann"].subscriptions) == 1

    def test_what_a_session_may_no_longer_hold_is_taken_from_it(self) -> None:
        """Subscriptions and registrations, patterns too; the meta API tells it."""
        stage = play("ann", "watcher")
        stage("ann", [32, 1, {}, "com.t"])
        stage("ann", [32, 2, {"match": "prefix"}, "com.deep."])
        stage("ann", [32, 3, {}, "com.kept"])
        stage("ann", [64, 4, {}, "com.p"])
        stage("ann", [64, 5, {}, "com.kept"])
        stage("watcher", [32, 1, {"match": "prefix"}, "wamp."])
        changed = roles(
            clerk=[
                may(""),
                may("com.t", "exact", ("call",)),
                may("com.deep.x", "exact", ()),
                may("com.p", "exact", ("call",)),
            ]
        )
        told = self.change(stage, roles=changed)
        assert [(name, wire[3]["topic"]) for name, wire in told] == [
            ("watcher", "wamp.subscription.on_unsubscribe"),
            ("watcher", "wamp.subscription.on_delete"),
            ("watcher", "wamp.subscription.on_unsubscribe"),
            ("watcher", "wamp.subscription.on_delete"),
            ("watcher", "wamp.registration.on_unregister"),
            ("watcher", "wamp.registration.on_delete"),
        ]
        ann = stage.sessions["ann"]
        assert [held.topic for held in ann.subscriptions.values()] == ["com.kept"]
        assert [held.procedure for held in ann.registrations.values()] == ["com.kept"]

    def test_a_session_that_announced_it_is_told_that_a_subscription_is_revoked(self) -> None:
        """WAMP AP 'Subscription Revocation'; before anybody else is told."""
        stage = play("ann", "watcher")
        stage.sessions["ann"].features = frozenset({"subscriber.subscription_revocation"})
        stage("ann", [32, 1, {}, "com.t"])
        stage("watcher", [32, 1, {}, "wamp.subscription.on_unsubscribe"])
        told = self.change(stage, roles=roles(clerk=[may("wamp.")]))
        revoked = {"subscription": 1, "reason": NOT_AUTHORIZED}
        assert told[0] == ("ann", [35, 0, revoked])
        assert [(name, wire[4]) for name, wire in told[1:]] == [("watcher", [stage.sessions["ann"].id, 1])]

    def test_limits_policies_and_rules_are_the_new_ones(self) -> None:
        stage = play("ann", "bob")
        stage("bob", [64, 1, {}, "com.p"])
        stage("ann", [48, 1, {}, "com.p"])
        slow, heartbeat = SlowConsumer(policy="drop"), HeartbeatOverride(interval_ms=0)
        limits = Limits(
            call_timeout_ms=50,
            subscriptions_per_session=0,
            registrations_per_session=1,
            testaments_per_session=0,
        )
        self.change(stage, limits=limits, strict_ids=True, slow_consumer=slow, heartbeat=heartbeat)
        assert stage.sessions["ann"].link.rules is slow
        assert stage.realm.heartbeat is heartbeat
        stage("ann", [48, 2, {}, "com.p"])
        assert stage.woken == [("realm1", NOW + 0.05)]
        exceeded = "concord.error.limit_exceeded"
        assert stage("ann", [32, 3, {}, "com.t"])[0][1][4] == exceeded
        assert stage("bob", [64, 2, {}, "com.q"])[0][1][4] == exceeded
        assert stage("bob", [48, 3, {}, "wamp.session.add_testament", ["com.t", [], {}]])[0][1][4] == exceeded
        with pytest.raises(ProtocolViolation, match="leaves a gap"):
            stage("bob", [32, 9, {}, "com.t"])

    def test_the_meta_api_can_be_turned_off_and_on(self) -> None:
        stage = play("ann")
        self.change(stage, meta_api=MetaApi(enabled=False))
        assert stage("ann", [48, 1, {}, "wamp.session.count"])[0][1][0] == 8
        self.change(stage)
        assert stage("ann", [48, 2, {}, "wamp.session.count"]) == [("ann", [50, 2, {}, [1]])]


def test_close_says_goodbye_to_every_session() -> None:
    """WAMP BP 'Session Closing': with the reason that the router gives."""
    stage = play("ann", "bob")
    assert stage.told(stage.realm.close()) == [
        ("ann", [6, {}, "wamp.close.close_realm"]),
        ("bob", [6, {}, "wamp.close.close_realm"]),
    ]
    told = stage.told(stage.realm.close("wamp.close.system_shutdown"))
    assert told[0] == ("ann", [6, {}, "wamp.close.system_shutdown"])
