"""The dealer: what ends a call besides its answer, and what comes too late, by wire arrays."""

import pytest
from dealer_play import CANCELED, EVERYTHING, NO_CANCELING, NOW, TIMEOUT, Play, canceled, interrupted, pair

from router.wamp.errors import ProtocolViolation


class TestCancel:
    """WAMP AP 'Call Canceling'."""

    def called(self, **kwargs):
        play = pair(**kwargs)
        play("caller", [48, 7, {}, "com.x"])
        return play

    def test_skip_tells_the_caller_alone(self):
        play = self.called()

        assert play("caller", [49, 7, {"mode": "skip"}]) == [canceled("caller", 7)]
        assert play.pending() == (0, 0)
        assert play("callee", [70, 1, {}, ["too late"]]) == []

    @pytest.mark.parametrize("options", [{"mode": "killnowait"}, {}, {"mode": None}])
    def test_killnowait_tells_both_and_is_the_default(self, options):
        """The specification names no default mode."""
        play = self.called()

        assert play("caller", [49, 7, options]) == [canceled("caller", 7), interrupted("callee", 1)]
        assert play.pending() == (0, 0)
        assert play("callee", [8, 68, 1, {}, CANCELED]) == []

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            ([70, 1, {}, ["done"]], [50, 7, {}, ["done"]]),
            ([70, 1, {"x": 1}, ["done"]], [50, 7, {}, ["done"]]),
            ([8, 68, 1, {}, CANCELED, ["stopped"]], [8, 48, 7, {}, CANCELED, ["stopped"]]),
        ],
    )
    def test_kill_waits_for_the_answer_of_the_callee(self, answer, told):
        """'the caller may receive RESULT or ERROR depending whether the callee finishes ... first'"""
        play = self.called()

        assert play("caller", [49, 7, {"mode": "kill"}]) == [interrupted("callee", 1, "kill")]
        assert play.pending() == (1, 1)
        assert play("callee", answer) == [("caller", told)]
        assert play.pending() == (0, 0)

    def test_a_second_kill_is_ignored(self):
        play = self.called()
        play("caller", [49, 7, {"mode": "kill"}])

        assert play("caller", [49, 7, {"mode": "kill"}]) == []
        assert play.pending() == (1, 1)

    @pytest.mark.parametrize(
        ("mode", "told"),
        [
            ("skip", [canceled("caller", 7)]),
            ("killnowait", [canceled("caller", 7), interrupted("callee", 1)]),
        ],
    )
    def test_another_mode_still_ends_a_killed_call(self, mode, told):
        play = self.called()
        play("caller", [49, 7, {"mode": "kill"}])

        assert play("caller", [49, 7, {"mode": mode}]) == told
        assert play("callee", [8, 68, 1, {}, CANCELED]) == []

    @pytest.mark.parametrize("mode", ["skip", "kill", "killnowait"])
    def test_a_callee_without_canceling_makes_every_mode_skip(self, mode):
        """'If the callee does not support call canceling, then behavior is skip.'"""
        play = self.called(callee_features=NO_CANCELING)

        assert play("caller", [49, 7, {"mode": mode}]) == [canceled("caller", 7)]
        assert play("callee", [70, 1, {}]) == []

    @pytest.mark.parametrize("mode", ["abort", "", 1, ["kill"]])
    def test_an_unknown_mode_is_answered_and_the_call_goes_on(self, mode):
        play = self.called()

        ((name, wire),) = play("caller", [49, 7, {"mode": mode}])

        assert (name, wire[:5]) == ("caller", [8, 49, 7, {}, "wamp.error.invalid_argument"])
        assert wire[5][0].endswith("is none of killnowait, kill, skip")
        assert play("callee", [70, 1, {}]) == [("caller", [50, 7, {}])]

    @pytest.mark.parametrize("mode", ["kill", "no such mode"])
    def test_a_cancel_that_comes_too_late_or_for_nothing_is_ignored(self, mode):
        """CANCEL and RESULT may cross."""
        play = self.called()
        play("callee", [70, 1, {}])

        for request in (7, 99):
            assert play("caller", [49, request, {"mode": mode}]) == []

    def test_a_call_of_another_session_cannot_be_canceled(self):
        play = self.called().join("other")

        assert play("other", [49, 7, {"mode": "skip"}]) == []
        assert play.pending() == (1, 1)


class TestTimeout:
    """WAMP AP 'Call Timeouts': milliseconds."""

    def expired(self, request, timeout_ms):
        return "caller", [8, 48, request, {}, TIMEOUT, [f"no answer within {timeout_ms} ms"]]

    def test_the_deadline_ends_the_call(self):
        """'The cancellation mode is implicitly killnowait if the Callee supports call cancellation'"""
        play = pair()
        assert play("caller", [48, 7, {"timeout": 1500}, "com.x"]) == [("callee", [68, 1, 1, {}])]
        assert play.dealer.next_deadline() == NOW + 1.5

        assert play.expire(NOW + 1.499) == []
        assert play.expire(NOW + 1.5) == [
            self.expired(7, 1500),
            interrupted("callee", 1, reason=TIMEOUT),
        ]
        assert play.pending() == (0, 0)
        assert play.dealer.next_deadline() is None
        assert play("callee", [70, 1, {}, ["too late"]]) == []
        assert play("callee", [8, 68, 1, {}, TIMEOUT]) == []

    def test_a_callee_without_canceling_is_not_told(self):
        """'otherwise the cancellation mode is skip'"""
        play = pair(callee_features=NO_CANCELING)
        play("caller", [48, 7, {"timeout": 1}, "com.x"])

        assert play.expire(NOW + 1) == [self.expired(7, 1)]

    @pytest.mark.parametrize("options", [{}, {"timeout": 0}, {"timeout": None}])
    def test_no_timeout(self, options):
        """'deactivated if there is no timeout option, or if its value is 0'"""
        play = pair()
        play("caller", [48, 7, options, "com.x"])

        assert play.dealer.next_deadline() is None
        assert play.expire(NOW + 1e9) == []
        assert play.pending() == (1, 1)

    @pytest.mark.parametrize(
        ("options", "deadline"),
        [({}, NOW + 2), ({"x": 1}, NOW + 2), ({"timeout": 50}, NOW + 0.05), ({"timeout": 0}, None)],
    )
    def test_the_default_holds_for_calls_that_name_none(self, options, deadline):
        play = pair(call_timeout_ms=2000)
        play("caller", [48, 7, options, "com.x"])

        assert play.dealer.next_deadline() == deadline

    @pytest.mark.parametrize("timeout", [-1, 2.0, "5", True, [5], 2**53 + 1, 10**400])
    def test_what_is_no_timeout_is_refused(self, timeout):
        play = pair()

        ((name, wire),) = play("caller", [48, 7, {"timeout": timeout}, "com.x"])

        assert (name, wire[:5]) == ("caller", [8, 48, 7, {}, "wamp.error.invalid_argument"])
        assert wire[5][0].endswith("is no integer from 0 to 9007199254740992")

    @pytest.mark.parametrize("default", [0, 2000])
    def test_a_callee_that_wants_to_watch_the_time_itself_gets_the_timeout(self, default):
        """``forward_timeout``: no timer here."""
        play = pair(options={"forward_timeout": True}, call_timeout_ms=default)

        assert play("caller", [48, 7, {"timeout": 300}, "com.x"]) == [
            ("callee", [68, 1, 1, {"timeout": 300}])
        ]
        assert play.dealer.next_deadline() is None

    @pytest.mark.parametrize(
        ("options", "features"),
        [
            ({}, EVERYTHING),
            ({"forward_timeout": False}, EVERYTHING),
            ({"forward_timeout": True}, EVERYTHING - {"callee.call_timeout"}),
        ],
    )
    def test_it_must_ask_for_that_and_announce_it(self, options, features):
        play = pair(options=options, callee_features=features)

        assert play("caller", [48, 7, {"timeout": 300}, "com.x"]) == [("callee", [68, 1, 1, {}])]
        assert play.dealer.next_deadline() == NOW + 0.3

    def test_the_default_is_the_routers_and_is_not_forwarded(self):
        play = pair(options={"forward_timeout": True}, call_timeout_ms=2000)

        assert play("caller", [48, 7, {"x": 1}, "com.x"]) == [("callee", [68, 1, 1, {}])]
        assert play.dealer.next_deadline() == NOW + 2

    def test_in_a_shared_registration_each_callee_speaks_for_itself(self):
        play = Play().join("own", "plain", "caller")
        play("own", [64, 1, {"invoke": "roundrobin", "forward_timeout": True}, "com.x"])
        play("plain", [64, 1, {"invoke": "roundrobin"}, "com.x"])

        found = [play("caller", [48, request, {"timeout": 9}, "com.x"]) for request in (1, 2)]

        assert found == [[("own", [68, 1, 1, {"timeout": 9}])], [("plain", [68, 1, 1, {}])]]

    def test_each_progressive_result_starts_it_anew(self):
        """'the time between received YIELD messages thereafter' (AP 'Progressive Call Results')"""
        play = pair()
        play("caller", [48, 7, {"timeout": 1000, "receive_progress": True}, "com.x"])
        play.now = NOW + 0.9
        play("callee", [70, 1, {"progress": True}])
        assert play.dealer.next_deadline() == NOW + 1.9

        assert play.expire(NOW + 1.8) == []
        assert play.expire(NOW + 1.9)[0] == self.expired(7, 1000)

    def test_progress_without_a_timeout_starts_none(self):
        play = pair()
        play("caller", [48, 7, {"receive_progress": True}, "com.x"])
        play("callee", [70, 1, {"progress": True}])

        assert play.dealer.next_deadline() is None

    def test_it_ends_a_killed_call_too(self):
        play = pair()
        play("caller", [48, 7, {"timeout": 10}, "com.x"])
        play("caller", [49, 7, {"mode": "kill"}])

        assert play.expire(NOW + 1) == [self.expired(7, 10), interrupted("callee", 1, reason=TIMEOUT)]

    def test_several_at_once_earliest_first(self):
        play = pair(callee_features=NO_CANCELING)
        for request, timeout in ((1, 30), (2, 10), (3, 20), (4, 500)):
            play("caller", [48, request, {"timeout": timeout}, "com.x"])

        assert [wire[2] for _, wire in play.expire(NOW + 0.1)] == [2, 3, 1]
        assert play.pending() == (1, 1)

    @pytest.mark.parametrize(
        "end",
        [
            lambda play: play("callee", [70, 1, {}]),
            lambda play: play("callee", [70, 1, {"x": 1}]),
            lambda play: play("callee", [8, 68, 1, {}, "com.error"]),
            lambda play: play("caller", [49, 1, {}]),
            lambda play: play.leave("caller"),
            lambda play: play.leave("callee"),
        ],
    )
    def test_whatever_ends_the_call_ends_its_timer(self, end):
        play = pair()
        play("caller", [48, 1, {"timeout": 10}, "com.x"])

        assert len(end(play)) >= 1

        assert play.dealer.next_deadline() is None
        assert play.expire(NOW + 1) == []

    def test_ended_calls_do_not_pile_up(self):
        play = pair(call_timeout_ms=60_000)
        play("caller", [48, 1, {}, "com.x"])
        for request in range(2, 500):
            play("caller", [48, request, {}, "com.x"])
            play("callee", [70, request, {}])

        assert play.dealer._under_way.deadlines.entries <= 2


class TestLateAnswers:
    """WAMP BP 'Caller Leaving': 'the Dealer shall be prepared to discard a YIELD or ERROR response'."""

    @pytest.mark.parametrize("answer", [[70, 1, {}], [70, 1, {"progress": True}], [8, 68, 1, {}, "com.e"]])
    def test_a_second_answer_is_dropped(self, answer):
        play = pair()
        play("caller", [48, 1, {}, "com.x"])
        play("callee", [70, 1, {}])

        assert play("callee", answer) == []

    @pytest.mark.parametrize("request_id", [0, 2, 99])
    @pytest.mark.parametrize("answer", [[70, None, {}], [70, None, {"x": 1}], [8, 68, None, {}, "com.e"]])
    def test_an_answer_to_an_invocation_that_never_was_is_a_violation(self, answer, request_id):
        play = pair()
        play("caller", [48, 1, {}, "com.x"])

        with pytest.raises(ProtocolViolation, match=f"no INVOCATION {request_id} was sent"):
            play("callee", [request_id if item is None else item for item in answer])

    def test_a_session_answers_its_own_invocations_only(self):
        """The caller has none, so even a number that the callee has is none of its own."""
        play = pair()
        play("caller", [48, 1, {}, "com.x"])

        with pytest.raises(ProtocolViolation, match="no INVOCATION 1 was sent"):
            play("caller", [70, 1, {}])
        assert play.pending() == (1, 1)

    def test_an_error_answers_an_invocation(self):
        play = pair()
        play("caller", [48, 1, {}, "com.x"])

        with pytest.raises(ProtocolViolation, match="type 48, not an INVOCATION"):
            play("callee", [8, 48, 1, {}, "com.e"])


class TestLeave:
    """WAMP BP 'Caller Leaving During an RPC Invocation', 'Callee Leaving During an RPC Invocation'."""

    def test_the_caller_leaves(self):
        """'That INTERRUPT message MUST have Options.mode set to "killnowait"'"""
        play = pair()
        play("caller", [48, 1, {}, "com.x"])
        play("caller", [48, 2, {"receive_progress": True}, "com.x"])

        assert play.leave("caller") == [interrupted("callee", 1), interrupted("callee", 2)]
        assert play.pending() == (0, 0)
        assert play("callee", [70, 1, {}]) == []
        assert play("callee", [70, 2, {"progress": True}]) == []
        assert play.dealer.list_callees(1) == [1]

    def test_a_callee_without_canceling_is_not_told(self):
        play = pair(callee_features=NO_CANCELING)
        play("caller", [48, 1, {}, "com.x"])

        assert play.leave("caller") == []
        assert play("callee", [70, 1, {}]) == []

    def test_the_callee_leaves(self):
        play = pair().join("other")
        play("caller", [48, 7, {}, "com.x"])
        play("other", [48, 8, {}, "com.x"])
        text = "the callee left before it answered"

        assert play.leave("callee") == [
            canceled("caller", 7, text),
            canceled("other", 8, text),
            ("wamp.registration.on_unregister", [1, 1]),
            ("wamp.registration.on_delete", [1, 1]),
        ]
        assert play.pending() == (0, 0)
        assert play("caller", [48, 9, {}, "com.x"])[0][1][4] == "wamp.error.no_such_procedure"

    def test_a_killed_call_is_answered_once(self):
        play = pair()
        play("caller", [48, 7, {}, "com.x"])
        play("caller", [49, 7, {"mode": "kill"}])

        told = play.leave("callee")

        assert [wire[2] for name, wire in told if name == "caller"] == [7]

    def test_a_canceled_call_is_not_answered_again(self):
        play = pair()
        play("caller", [48, 7, {}, "com.x"])
        play("caller", [49, 7, {"mode": "killnowait"}])

        assert [name for name, _ in play.leave("callee")] == [
            "wamp.registration.on_unregister",
            "wamp.registration.on_delete",
        ]

    def test_the_others_of_a_shared_registration_go_on(self):
        play = Play().join("a", "b", "caller")
        for name in "ab":
            play(name, [64, 1, {"invoke": "roundrobin"}, "com.x"])
        play("caller", [48, 1, {"progress": True}, "com.x"])
        play("caller", [48, 2, {}, "com.x"])

        assert play.leave("a") == [
            canceled("caller", 1, "the callee left before it answered"),
            ("wamp.registration.on_unregister", [1, 1]),
        ]
        assert play("b", [70, 1, {}, [2]]) == [("caller", [50, 2, {}, [2]])]
        assert play("caller", [48, 3, {}, "com.x"]) == [("b", [68, 2, 1, {}])]

    def test_a_session_that_called_itself_is_told_nothing(self):
        play = pair()
        play("callee", [48, 2, {"timeout": 9}, "com.x"])

        assert [name for name, _ in play.leave("callee")] == [
            "wamp.registration.on_unregister",
            "wamp.registration.on_delete",
        ]
        assert play.pending() == (0, 0)
        assert play.dealer.next_deadline() is None

    def test_it_leaves_every_table(self):
        play = pair().join("other")
        play("callee", [64, 2, {"match": "prefix"}, "com.y"])
        play("callee", [64, 3, {"match": "wildcard"}, "com..z"])
        play("other", [64, 1, {}, "com.other"])
        play("caller", [48, 1, {"timeout": 50}, "com.x"])
        play("callee", [48, 4, {"progress": True}, "com.other"])

        play.leave("callee")

        assert play.dealer.registrations_by_policy() == {"exact": [4], "prefix": [], "wildcard": []}
        callee = play.sessions["callee"]
        assert (callee.calls, callee.invocations, callee.registrations) == ({}, {}, {})
        assert play.pending() == (0, 0)

    def test_a_stranger_leaves(self):
        assert Play().join("stranger").leave("stranger") == []
