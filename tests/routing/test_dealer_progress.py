"""The dealer: progressive results and progressive invocations, by wire arrays (see dealer_play)."""

import pytest
from dealer_play import CANCELED, EVERYTHING, NO_CANCELING, NOW, PPT, Play, interrupted, pair

from router.wamp.errors import ProtocolViolation
from router.wamp.messages import Error


class TestProgressiveResults:
    """WAMP AP 'Progressive Call Results'."""

    def test_progressive_results_and_the_final_one(self):
        play = pair()

        assert play("caller", [48, 5, {"receive_progress": True}, "com.x"]) == [
            ("callee", [68, 1, 1, {"receive_progress": True}])
        ]
        assert play("callee", [70, 1, {"progress": True}, ["Y2010", 120]]) == [
            ("caller", [50, 5, {"progress": True}, ["Y2010", 120]])
        ]
        assert play("callee", [70, 1, {"progress": True}]) == [("caller", [50, 5, {"progress": True}])]
        assert play("callee", [70, 1, {}, ["Total", 490]]) == [("caller", [50, 5, {}, ["Total", 490]])]
        assert play.pending() == (0, 0)

    def test_progress_false_is_final(self):
        play = pair()
        play("caller", [48, 5, {"receive_progress": True}, "com.x"])

        assert play("callee", [70, 1, {"progress": False}, [1]]) == [("caller", [50, 5, {}, [1]])]
        assert play.pending() == (0, 0)

    @pytest.mark.parametrize("options", [{}, {"receive_progress": False}])
    def test_a_progressive_result_that_nobody_asked_for_is_dropped(self, options):
        """The call goes on: only a final result ends it."""
        play = pair()
        play("caller", [48, 5, options, "com.x"])

        assert play("callee", [70, 1, {"progress": True}, ["part"]]) == []
        assert play("callee", [70, 1, {}, ["all"]]) == [("caller", [50, 5, {}, ["all"]])]

    @pytest.mark.parametrize(
        "features", [{"callee.call_canceling"}, {"callee.progressive_call_results"}, set()]
    )
    def test_a_callee_that_announced_less_may_send_progress_too(self, features):
        """autobahn-js and wampy.js do; the specification would have the dealer disregard them."""
        play = pair(callee_features=features)

        assert play("caller", [48, 5, {"receive_progress": True}, "com.x"]) == [
            ("callee", [68, 1, 1, {"receive_progress": True}])
        ]
        assert play("callee", [70, 1, {"progress": True}, ["part"]]) == [
            ("caller", [50, 5, {"progress": True}, ["part"]])
        ]
        play("caller", [49, 5, {"mode": "skip"}])
        assert play("callee", [70, 1, {"progress": True}, ["late"]]) == []

    def test_a_late_progressive_result_is_dropped(self):
        play = pair()
        play("caller", [48, 5, {"receive_progress": True}, "com.x"])
        play("caller", [49, 5, {"mode": "skip"}])

        assert play("callee", [70, 1, {"progress": True}]) == []


class TestProgressiveInvocations:
    """WAMP AP 'Progressive Call Invocations'."""

    def test_all_chunks_are_one_call(self):
        """'the Dealer must also use the same Request|id with every INVOCATION to the Callee'"""
        play = pair()

        assert play("caller", [48, 7, {"progress": True}, "com.x", [1]]) == [
            ("callee", [68, 1, 1, {"progress": True}, [1]])
        ]
        assert play("caller", [48, 7, {"progress": True}, "com.x", [2]]) == [
            ("callee", [68, 1, 1, {"progress": True}, [2]])
        ]
        assert play.pending() == (1, 1)
        assert play("caller", [48, 7, {}, "com.x", [3], {"k": 1}]) == [
            ("callee", [68, 1, 1, {}, [3], {"k": 1}])
        ]
        assert play("callee", [70, 1, {}, ["done"]]) == [("caller", [50, 7, {}, ["done"]])]
        assert play.pending() == (0, 0)

    def test_options_other_than_progress_are_those_of_the_first_call(self):
        """'Freezing of Options in Progressive Call Invocations'"""
        play = Play().join("callee", "caller")
        play("callee", [64, 1, {"match": "prefix"}, "com"])
        frozen = {
            **PPT,
            "procedure": "com.x",
            "caller": 2,
            "caller_authid": "caller@x",
            "caller_authrole": "user",
            "receive_progress": True,
        }
        first = {"progress": True, "receive_progress": True, "timeout": 500, **PPT}

        assert play("caller", [48, 1, first, "com.x"], disclose=True) == [
            ("callee", [68, 1, 1, {**frozen, "progress": True}])
        ]
        play.now += 0.4
        other = {"progress": True, "receive_progress": False, "timeout": 9000, "ppt_scheme": "mqtt"}
        assert play("caller", [48, 1, other, "com.x"]) == [
            ("callee", [68, 1, 1, {**frozen, "progress": True}])
        ]
        assert play("caller", [48, 1, {}, "com.x"]) == [("callee", [68, 1, 1, frozen])]
        assert play.dealer.next_deadline() == NOW + 0.5

    def test_results_may_progress_at_the_same_time(self):
        play = pair()
        play("caller", [48, 1, {"progress": True, "receive_progress": True}, "com.x"])

        assert play("callee", [70, 1, {"progress": True}, [1]]) == [
            ("caller", [50, 1, {"progress": True}, [1]])
        ]
        assert play("caller", [48, 1, {"progress": True}, "com.x"])[0][0] == "callee"

    def test_a_shared_registration_keeps_to_one_callee(self):
        """'and then route all subsequent progressive calls to the same Callee'"""
        play = Play().join("a", "b", "caller")
        for name in "ab":
            play(name, [64, 1, {"invoke": "roundrobin"}, "com.x"])

        chunks = [play("caller", [48, 1, {"progress": True}, "com.x"]) for _ in range(3)]
        other = play("caller", [48, 2, {}, "com.x"])
        last = play("caller", [48, 1, {}, "com.x"])

        assert [chunk[0][0] for chunk in chunks] == ["a", "a", "a"]
        assert (other[0][0], last[0][0]) == ("b", "a")

    def test_a_caller_that_did_not_announce_it(self):
        """'MUST be treated as protocol errors'"""
        play = pair().join("plain", features=())

        with pytest.raises(ProtocolViolation, match="progressive_call_invocations was not announced"):
            play("plain", [48, 1, {"progress": True}, "com.x"])
        assert play.pending() == (0, 0)

    @pytest.mark.parametrize("features", [{"callee.call_canceling"}, {"callee.progressive_call_invocations"}])
    def test_a_callee_without_the_feature_or_without_canceling(self, features):
        """'with the Dealer responding to the Caller with the wamp.error.feature_not_supported error'"""
        play = pair(callee_features=features)

        ((name, wire),) = play("caller", [48, 1, {"progress": True}, "com.x"])

        assert (name, wire[4]) == ("caller", "wamp.error.feature_not_supported")
        assert play.pending() == (0, 0)

    @pytest.mark.parametrize("first", [{}, {"timeout": 5}, {"progress": False}])
    def test_a_pending_call_that_is_not_progressive_cannot_be_continued(self, first):
        """'Verification of CALL Request IDs': abort_session("wamp.error.protocol_violation")"""
        play = pair()
        play("caller", [48, 1, first, "com.x"])

        for options in ({}, {"progress": True}):
            with pytest.raises(ProtocolViolation, match="takes no further input"):
                play("caller", [48, 1, options, "com.x"])

    def test_the_final_chunk_is_final(self):
        """'A call invocation MUST always end in a normal CALL without the "progress": true option'"""
        play = pair()
        play("caller", [48, 1, {"progress": True}, "com.x"])
        play("caller", [48, 1, {"progress": False}, "com.x"])

        with pytest.raises(ProtocolViolation, match="takes no further input"):
            play("caller", [48, 1, {}, "com.x"])

    @pytest.mark.parametrize("other", ["com.y", "com.nothing"])
    def test_a_chunk_names_the_same_procedure(self, other):
        play = pair()
        play("callee", [64, 2, {}, "com.y"])
        play("caller", [48, 1, {"progress": True}, "com.x"])

        with pytest.raises(ProtocolViolation, match="called another procedure"):
            play("caller", [48, 1, {"progress": True}, other])

    def test_chunks_go_on_after_the_callee_unregistered(self):
        play = pair()
        play("caller", [48, 1, {"progress": True}, "com.x"])
        play("callee", [66, 2, 1])

        assert play("caller", [48, 1, {}, "com.x", [2]]) == [("callee", [68, 1, 1, {}, [2]])]

    def test_chunks_of_a_killed_call_are_dropped(self):
        """The callee is about to answer; its answer ends the call."""
        play = pair()
        play("caller", [48, 1, {"progress": True}, "com.x"])
        play("caller", [49, 1, {"mode": "kill"}])

        assert play("caller", [48, 1, {"progress": True}, "com.x"]) == []
        assert play("caller", [48, 1, {}, "com.x"]) == []
        assert play("callee", [8, 68, 1, {}, CANCELED]) == [("caller", [8, 48, 1, {}, CANCELED])]


class TestFailuresOnTheWay:
    """A message of a call could not be carried: the call ends, and whoever is still at it is told."""

    TOO_LARGE = Error(68, 1, {}, "wamp.error.payload_size_exceeded", ["too large"])
    TO_CALLER = ("caller", [8, 48, 5, {}, "wamp.error.payload_size_exceeded", ["too large"]])
    TO_CALLEE = interrupted("callee", 1, reason="wamp.error.payload_size_exceeded")

    def test_a_callee_that_did_not_get_its_invocation_is_not_interrupted(self):
        play = pair()
        for options in ({}, {"progress": True}):
            play("caller", [48, 5, options, "com.x"])
            callee = play.sessions["callee"]
            error = Error(68, callee.next_invocation_id - 1, {}, *self.TO_CALLER[1][4:])
            assert play.told(play.dealer.undelivered(callee, error)) == [self.TO_CALLER]

    @pytest.mark.parametrize("last", [{"progress": True}, {}])
    def test_a_callee_that_got_an_earlier_chunk_is_interrupted(self, last):
        play = pair()
        play("caller", [48, 5, {"progress": True}, "com.x"])
        play("caller", [48, 5, last, "com.x"])
        callee = play.sessions["callee"]
        assert play.told(play.dealer.undelivered(callee, self.TOO_LARGE)) == [self.TO_CALLER, self.TO_CALLEE]
        assert play.pending() == (0, 0)

    def test_a_call_that_has_ended(self):
        play = pair()
        play("caller", [48, 5, {}, "com.x"])
        play("callee", [70, 1, {}])
        assert play.dealer.undelivered(play.sessions["callee"], self.TOO_LARGE) == []

    @pytest.mark.parametrize("cancels", [True, False])
    def test_a_callee_that_works_on_is_interrupted(self, cancels):
        play = pair(callee_features=EVERYTHING if cancels else NO_CANCELING)
        play("caller", [48, 5, {"receive_progress": True}, "com.x"])
        told = play.told(play.dealer.error(play.sessions["callee"], self.TOO_LARGE, interrupt=True))
        assert told == [self.TO_CALLER, *([self.TO_CALLEE] if cancels else [])]
