"""The dealer: registrations and calls, by wire arrays (see dealer_play)."""

import pytest
from dealer_play import CREATED, PPT, Play, pair, refused
from msgspec import Raw

from router.routing.dealer import DealerLimits
from router.wamp.errors import ProtocolViolation


class TestRegister:
    """WAMP BP 'Registering and Unregistering', AP 'Shared Registration', 'Registration Meta API'."""

    def test_the_first_creates_the_registration(self):
        play = Play().join("callee")

        assert play("callee", [64, 25, {}, "com.x"]) == [
            ("callee", [65, 25, 1]),
            (
                "wamp.registration.on_create",
                [1, {"id": 1, "created": CREATED, "uri": "com.x", "match": "exact", "invoke": "single"}],
            ),
            ("wamp.registration.on_register", [1, 1]),
        ]

    def test_others_join_it(self):
        play = Play().join("one", "two")
        play("one", [64, 1, {"invoke": "first"}, "com.x"])

        assert play("two", [64, 5, {"invoke": "first"}, "com.x"]) == [
            ("two", [65, 5, 1]),
            ("wamp.registration.on_register", [2, 1]),
        ]

    @pytest.mark.parametrize(("first", "second"), [("single", "single"), ("first", "last")])
    def test_it_exists_already(self, first, second):
        play = Play().join("one", "two")
        play("one", [64, 1, {"invoke": first}, "com.x"])

        ((name, wire),) = play("two", [64, 5, {"invoke": second}, "com.x"])

        assert (name, wire[:5]) == ("two", [8, 64, 5, {}, "wamp.error.procedure_already_exists"])
        assert play.dealer.list_callees(1) == [1]

    def test_the_same_callee_twice(self):
        play = Play().join("callee")
        play("callee", [64, 1, {"invoke": "first"}, "com.x"])

        assert play("callee", [64, 2, {"invoke": "first"}, "com.x"]) == [
            refused(
                "callee",
                64,
                2,
                "wamp.error.procedure_already_exists",
                "this session already registered 'com.x'",
            )
        ]

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"invoke": "any"}, "invoke='any' is none of single, first, last, roundrobin, random"),
            ({"match": "regex"}, "match='regex' is none of exact, prefix, wildcard"),
            ({"match": ["exact"]}, "match=a list is none of exact, prefix, wildcard"),
        ],
    )
    def test_a_bad_option_is_answered_with_what_is_allowed(self, options, text):
        play = Play().join("callee")

        assert play("callee", [64, 3, options, "com.x"]) == [
            ("callee", [8, 64, 3, {}, "wamp.error.invalid_argument", [text]])
        ]
        assert play.dealer.lookup("com.x") is None

    def test_options_that_are_none_are_absent(self):
        play = Play().join("callee")
        options = {"match": None, "invoke": None, "forward_timeout": None, "disclose_caller": None}

        assert play("callee", [64, 1, options, "com.x"])[0] == ("callee", [65, 1, 1])

    def test_a_limit_is_named(self):
        play = pair(registrations_per_session=1)

        assert play("callee", [64, 2, {}, "com.y"]) == [
            refused(
                "callee",
                64,
                2,
                "concord.error.limit_exceeded",
                "limit registrations_per_session=1 is reached",
            )
        ]

    def test_new_limits_hold_from_then_on(self):
        play = pair()
        play.dealer.limits = DealerLimits(registrations_per_session=1, pending_calls_per_session=0)

        assert play.dealer.limits.registrations_per_session == 1
        assert play("callee", [64, 2, {}, "com.y"])[0][1][4] == "concord.error.limit_exceeded"
        assert play("caller", [48, 1, {}, "com.x"])[0][1][4] == "concord.error.limit_exceeded"
        assert play.dealer.lookup("com.x") == 1


class TestUnregister:
    """WAMP BP 'Registering and Unregistering'."""

    def test_the_last_one_out_deletes_it(self):
        play = Play().join("one", "two", "caller")
        play("one", [64, 1, {"invoke": "first"}, "com.x"])
        play("two", [64, 1, {"invoke": "first"}, "com.x"])

        assert play("one", [66, 9, 1]) == [
            ("one", [67, 9]),
            ("wamp.registration.on_unregister", [1, 1]),
        ]
        assert play("caller", [48, 1, {}, "com.x"]) == [("two", [68, 1, 1, {}])]
        assert play("two", [66, 9, 1]) == [
            ("two", [67, 9]),
            ("wamp.registration.on_unregister", [2, 1]),
            ("wamp.registration.on_delete", [2, 1]),
        ]
        assert play("caller", [48, 2, {}, "com.x"])[0][1][4] == "wamp.error.no_such_procedure"

    def test_only_what_the_session_holds(self):
        play = pair()

        assert play("caller", [66, 4, 1]) == [
            refused(
                "caller", 66, 4, "wamp.error.no_such_registration", "this session holds no registration 1"
            )
        ]
        assert play.dealer.count_callees(1) == 1

    def test_calls_under_way_can_still_be_answered(self):
        play = pair()
        play("caller", [48, 7, {}, "com.x"])
        play("callee", [66, 2, 1])

        assert play("callee", [70, 1, {}, [1]]) == [("caller", [50, 7, {}, [1]])]


class TestMetaApi:
    """What WAMP AP 'Registration Meta API' asks comes from the table that dispatches."""

    @pytest.fixture
    def dealer(self):
        play = Play().join("one", "two")
        play("one", [64, 1, {"match": "wildcard"}, "com..z"])
        play("one", [64, 2, {"invoke": "first"}, "com.x"])
        play("one", [64, 3, {"match": "prefix"}, "com.x"])
        play("two", [64, 1, {"invoke": "first"}, "com.x"])
        return play.dealer

    def test_registrations_by_policy(self, dealer):
        assert dealer.registrations_by_policy() == {"exact": [2], "prefix": [3], "wildcard": [1]}

    def test_lookup_is_by_the_policy_and_match_by_precedence(self, dealer):
        assert [dealer.lookup("com.x", match) for match in ("exact", "prefix", "wildcard")] == [2, 3, None]
        assert dealer.lookup("com.x") == 2
        found = [dealer.match(uri) for uri in ("com.x", "com.x.y", "com.a.z", "com.a")]
        assert found == [2, 3, 1, None]

    def test_get_and_callees(self, dealer):
        assert dealer.get(1).details() == {
            "id": 1,
            "created": CREATED,
            "uri": "com..z",
            "match": "wildcard",
            "invoke": "single",
        }
        assert (dealer.list_callees(2), dealer.count_callees(2)) == ([1, 2], 2)
        assert (dealer.get(9), dealer.list_callees(9), dealer.count_callees(9)) == (None, None, None)


class TestCall:
    """WAMP BP 'Calling and Invocations'."""

    def test_a_call_and_its_result(self):
        play = pair()

        assert play("caller", [48, 7814135, {}, "com.x", [23, 7]]) == [("callee", [68, 1, 1, {}, [23, 7]])]
        assert play.pending() == (1, 1)
        assert play("callee", [70, 1, {}, [], {"sum": 30}]) == [
            ("caller", [50, 7814135, {}, [], {"sum": 30}])
        ]
        assert play.pending() == (0, 0)

    def test_a_call_and_its_error(self):
        """Of the details only payload passthru attributes are carried."""
        play = pair()
        play("caller", [48, 9, {}, "com.x", None, {"a": 1}])

        assert play("callee", [8, 68, 1, {"x": 1, **PPT}, "com.myapp.error", ["why"], {"severity": 3}]) == [
            ("caller", [8, 48, 9, PPT, "com.myapp.error", ["why"], {"severity": 3}])
        ]
        assert play.pending() == (0, 0)

    def test_payload_is_passed_by_reference_with_its_senders_serializer(self):
        """``origin`` says in which serialization args and kwargs are."""
        play = Play().join("callee", serializer="json").join("caller", serializer="cbor")
        play("callee", [64, 1, {}, "com.x"])
        args, kwargs = Raw(b"args"), Raw(b"kwargs")

        for call_options, answer in (
            ({}, [70, 1, {}, args, kwargs]),
            ({"timeout": 1}, [70, 2, {"x": 1}, args, kwargs]),
            ({}, [8, 68, 3, {}, "com.error", args, kwargs]),
        ):
            request = answer[2 if answer[0] == 8 else 1]
            (invocation,) = play.outputs("caller", [48, request, call_options, "com.x", args, kwargs])
            (reply,) = play.outputs("callee", answer)
            assert (invocation.origin, reply.origin) == ("cbor", "json")
            for delivery in (invocation, reply):
                assert delivery.message.args is args
                assert delivery.message.kwargs is kwargs

    def test_what_the_router_says_itself_has_no_origin(self):
        play = Play().join("caller", serializer="cbor")
        (refusal,) = play.outputs("caller", [48, 1, {}, "com.x"])

        assert refusal.origin is None

    def test_no_such_procedure(self):
        play = pair()

        assert play("caller", [48, 3, {}, "com.y"]) == [
            refused("caller", 48, 3, "wamp.error.no_such_procedure", "nothing is registered for 'com.y'")
        ]
        assert play.pending() == (0, 0)

    def test_invocation_ids_count_from_1_for_each_callee(self):
        play = Play().join("one", "two", "caller")
        play("one", [64, 1, {}, "com.one"])
        play("two", [64, 1, {}, "com.two"])

        ids = [
            play("caller", [48, request, options, uri])[0][1][1]
            for request, (uri, options) in enumerate(
                [("com.one", {}), ("com.one", {"timeout": 5}), ("com.two", {}), ("com.one", {})], 1
            )
        ]

        assert ids == [1, 2, 1, 3]

    def test_a_session_may_call_its_own_procedure(self):
        play = pair()

        assert play("callee", [48, 2, {}, "com.x"]) == [("callee", [68, 1, 1, {}])]
        assert play("callee", [70, 1, {}, ["me"]]) == [("callee", [50, 2, {}, ["me"]])]
        assert play.pending() == (0, 0)

    @pytest.mark.parametrize(
        "options",
        [{"receive_progress": 1}, {"progress": "true"}, {"timeout": -1}, {"timeout": 1.5}, {"timeout": True}],
    )
    def test_a_bad_option_is_answered_and_nothing_is_invoked(self, options):
        play = pair()

        ((name, wire),) = play("caller", [48, 1, options, "com.x"])

        assert (name, wire[:5]) == ("caller", [8, 48, 1, {}, "wamp.error.invalid_argument"])
        assert wire[5][0].startswith(f"{next(iter(options))}=")
        assert play.pending() == (0, 0)

    def test_options_that_are_none_or_unknown_are_absent(self):
        play = pair()
        names = ["timeout", "progress", "receive_progress", "disclose_me", *PPT]
        options = dict.fromkeys(names) | {"x_custom": 1}

        assert play("caller", [48, 1, options, "com.x"]) == [("callee", [68, 1, 1, {}])]
        assert play.dealer.next_deadline() is None


class TestPatterns:
    """WAMP AP 'Pattern-based Registrations'."""

    def test_the_callee_learns_the_procedure_that_was_called(self):
        play = Play().join("prefix", "wildcard", "exact", "caller")
        play("prefix", [64, 1, {"match": "prefix"}, "com.x"])
        play("wildcard", [64, 1, {"match": "wildcard"}, "com..y"])
        play("exact", [64, 1, {}, "com.x.y"])

        found = [
            play("caller", [48, number, {}, uri])
            for number, uri in enumerate(["com.x.y", "com.x.z", "com.z.y"], 1)
        ]

        assert found == [
            [("exact", [68, 1, 3, {}])],
            [("prefix", [68, 1, 1, {"procedure": "com.x.z"}])],
            [("wildcard", [68, 1, 2, {"procedure": "com.z.y"}])],
        ]


class TestShared:
    """WAMP AP 'Shared Registration', 'Load Balancing' and 'Hot Stand-By'."""

    def called(self, play, count, start=1):
        return [play("caller", [48, start + number, {}, "com.x"])[0][0] for number in range(count)]

    def shared(self, invoke, **options):
        play = Play(**options).join("a", "b", "c", "caller")
        for name in "abc":
            play(name, [64, 1, {"invoke": invoke}, "com.x"])
        return play

    @pytest.mark.parametrize(
        ("invoke", "expected"), [("first", "aaaa"), ("last", "cccc"), ("roundrobin", "abca")]
    )
    def test_the_policy_decides(self, invoke, expected):
        assert self.called(self.shared(invoke), 4) == list(expected)

    def test_random_takes_what_is_drawn(self):
        drawn = iter([2, 0, 1])
        play = self.shared("random", randbelow=lambda n: next(drawn))

        assert self.called(play, 3) == ["c", "a", "b"]

    def test_hot_standby_takes_over(self):
        play = self.shared("first")
        assert self.called(play, 1) == ["a"]

        play.leave("a")

        assert self.called(play, 1, start=2) == ["b"]

    def test_a_callee_at_its_limit_is_passed_over_and_then_nobody_is_left(self):
        play = self.shared("first", pending_invocations_per_session=1)

        assert self.called(play, 3) == ["a", "b", "c"]
        assert play("caller", [48, 4, {}, "com.x"]) == [
            refused(
                "caller",
                48,
                4,
                "concord.error.limit_exceeded",
                "each callee of 'com.x' is at its limit pending_invocations_per_session=1",
            )
        ]
        play("b", [70, 1, {}])
        assert self.called(play, 1, start=5) == ["b"]


class TestLimits:
    def test_pending_calls_of_a_caller(self):
        play = pair(pending_calls_per_session=2).join("other")
        for request in (1, 2):
            play("caller", [48, request, {}, "com.x"])

        assert play("caller", [48, 3, {}, "com.x"]) == [
            refused(
                "caller",
                48,
                3,
                "concord.error.limit_exceeded",
                "limit pending_calls_per_session=2 is reached",
            )
        ]
        assert play("other", [48, 1, {}, "com.x"])[0][0] == "callee"
        play("callee", [70, 1, {}])
        assert play("caller", [48, 4, {}, "com.x"])[0][0] == "callee"

    def test_pending_invocations_of_a_single_callee(self):
        play = pair(pending_invocations_per_session=1)
        play("caller", [48, 1, {}, "com.x"])

        ((name, wire),) = play("caller", [48, 2, {}, "com.x"])

        assert (name, wire[4]) == ("caller", "concord.error.limit_exceeded")
        assert play.pending() == (1, 1)


class TestCallerIdentification:
    """WAMP AP 'Caller Identification'."""

    def test_the_caller_is_disclosed_where_the_realm_says_so(self):
        play = pair()

        assert play("caller", [48, 1, {"disclose_me": True}, "com.x"]) == [("callee", [68, 1, 1, {}])]
        assert play("caller", [48, 2, {}, "com.x"], disclose=True) == [
            (
                "callee",
                [68, 2, 1, {"caller": 2, "caller_authid": "caller@x", "caller_authrole": "user"}],
            )
        ]

    @pytest.mark.parametrize(("disclose", "told"), [(True, True), (None, True), (False, False)])
    def test_the_callee_asks(self, disclose, told):
        """'A Callee MAY request the disclosure of caller identity'; the realm may forbid it."""
        play = pair(options={"disclose_caller": True})
        details = {"caller": 2, "caller_authid": "caller@x", "caller_authrole": "user"} if told else {}

        expected = [("callee", [68, 1, 1, details])]
        assert play("caller", [48, 1, {}, "com.x"], disclose=disclose) == expected

    def test_each_callee_asks_for_itself(self):
        play = Play().join("asks", "other", "caller")
        play("asks", [64, 1, {"invoke": "roundrobin", "disclose_caller": True}, "com.x"])
        play("other", [64, 1, {"invoke": "roundrobin"}, "com.x"])

        (first,), (second,) = play("caller", [48, 1, {}, "com.x"]), play("caller", [48, 2, {}, "com.x"])
        play("asks", [66, 2, 1])
        (third,) = play("caller", [48, 3, {}, "com.x"])

        assert [name for name, _ in (first, second, third)] == ["asks", "other", "other"]
        assert [wire[3].get("caller") for _, wire in (first, second, third)] == [3, None, None]


class TestPayloadPassthru:
    """WAMP AP 'Payload Passthru Mode'."""

    def test_the_attributes_are_carried_there_and_back(self):
        play = pair()

        assert play("caller", [48, 1, PPT, "com.x", ["sealed"]]) == [("callee", [68, 1, 1, PPT, ["sealed"]])]
        assert play("callee", [70, 1, PPT, ["sealed"]]) == [("caller", [50, 1, PPT, ["sealed"]])]
        assert play.pending() == (0, 0)

    def test_a_caller_that_did_not_announce_it(self):
        """'MUST be treated as PROTOCOL ERRORS'"""
        play = pair().join("plain", features=())

        with pytest.raises(ProtocolViolation, match="payload_passthru_mode was not announced"):
            play("plain", [48, 1, PPT, "com.x"])

    def test_a_callee_that_did_not_announce_it_is_not_called(self):
        """'the Dealer MUST respond to the Caller with a wamp.error.feature_not_supported error message'"""
        play = pair(callee_features=())

        ((name, wire),) = play("caller", [48, 1, PPT, "com.x"])

        assert (name, wire[4]) == ("caller", "wamp.error.feature_not_supported")

    def test_a_callee_that_did_not_announce_it_may_not_use_it(self):
        """'MUST be treated as PROTOCOL ERRORS'"""
        play = pair(callee_features=())
        play("caller", [48, 1, {}, "com.x"])

        with pytest.raises(ProtocolViolation, match="did not announce"):
            play("callee", [70, 1, PPT, ["sealed"]])
        assert play.pending() == (1, 1)

    def test_a_result_for_a_caller_that_did_not_announce_it(self):
        """'the Dealer MUST respond to the Callee with' feature_not_supported; the call ends with it too."""
        play = pair().join("plain", features=())
        play("plain", [48, 4, {}, "com.x"])
        error = ["wamp.error.feature_not_supported", ["the caller did not announce payload_passthru_mode"]]

        assert play("callee", [70, 1, PPT, ["sealed"]]) == [
            ("plain", [8, 48, 4, {}, *error]),
            ("callee", [8, 70, 1, {}, *error]),
        ]
        assert play.pending() == (0, 0)


class TestRevoke:
    def test_nothing_to_take(self):
        play = pair()

        assert play.told(play.dealer.revoke(99, None, "com.reason")) == []
        assert play.told(play.dealer.revoke(1, play.sessions["caller"], "com.reason")) == []
        assert play.dealer.count_callees(1) == 1
