"""Choosing a callee for a call, the features that must be announced, and the messages that end it."""

import pytest

from router.routing import calls
from router.routing.options import Refused
from router.routing.registrations import Registrations
from router.routing.session import Session
from router.wamp.errors import ProtocolViolation
from router.wamp.messages import Call, Cancel

PROGRESSIVE = ("callee.progressive_call_invocations", "callee.call_canceling")
PASSTHRU = ("callee.payload_passthru_mode",)


def registration_of(*callees, invoke="first", match="exact"):
    registrations = Registrations(10)
    for callee in callees:
        options = {"invoke": invoke, "match": match}
        registration, _ = registrations.add(callee, "com.x", options, "2024-01-01")
    return registration


def busy(callee, count):
    callee.invocations.update(dict.fromkeys(range(1, count + 1)))
    return callee


def pick(registration, max_invocations=5, progressive=False, passthru_mode=False):
    return calls.pick_callee(registration, lambda n: 0, max_invocations, progressive, passthru_mode)


def pending(features=()):
    return calls.PendingCall(Session(1), 11, Session(2, features=features), 22)


class TestDescribe:
    def test_nothing_to_say(self):
        call = Call(1, {"custom": 1, "timeout": 5}, "com.x")
        assert calls.describe(registration_of(Session(1)), Session(2), call, False) == {}

    def test_all_there_is_to_say(self):
        caller = Session(2, "joe", "user")
        registration = registration_of(Session(1), match="prefix")
        call = Call(1, {"ppt_scheme": "mqtt", "custom": 1}, "com.x.y")

        assert calls.describe(registration, caller, call, True) == {
            "ppt_scheme": "mqtt",
            "procedure": "com.x.y",
            "caller": 2,
            "caller_authid": "joe",
            "caller_authrole": "user",
        }


class TestAnnounced:
    @pytest.mark.parametrize(
        ("option", "feature"),
        [
            ({"progress": True}, "progressive_call_invocations"),
            ({"ppt_scheme": "wamp"}, "payload_passthru_mode"),
        ],
    )
    def test_a_caller_may_use_what_it_announced(self, option, feature):
        calls.check_announced(Session(1, features=[f"caller.{feature}"]), option)
        with pytest.raises(ProtocolViolation, match=f"{feature} was not announced"):
            calls.check_announced(Session(1, features=[f"callee.{feature}"]), option)

    def test_unset_options_need_nothing(self):
        calls.check_announced(Session(1), {"progress": False, "ppt_scheme": ""})
        calls.check_announced(Session(1), {"progress": None, "ppt_scheme": None})

    @pytest.mark.parametrize(
        ("features", "expected"),
        [
            ((), False),
            (("progressive_call_invocations",), False),
            (("call_canceling",), False),
            (("progressive_call_results", "call_canceling"), False),
            (("progressive_call_invocations", "call_canceling"), True),
        ],
    )
    def test_progressive_invocations_need_canceling(self, features, expected):
        callee = Session(1, features=[f"callee.{feature}" for feature in features])

        assert calls.takes_progress(callee) is expected


class TestMessages:
    def test_a_late_answer_is_dropped_and_one_to_nothing_is_a_violation(self):
        callee = Session(1)
        callee.next_invocation_id = 3

        assert [calls.late(callee, number) for number in (1, 2)] == [[], []]
        for number in (0, 3, -1):
            with pytest.raises(ProtocolViolation, match=rf"^no INVOCATION {number} was sent$"):
                calls.late(callee, number)

    def test_interrupt(self):
        call = pending()
        delivery = calls.interrupt(call, "kill", "wamp.error.canceled")

        assert delivery.recipients == (call.callee,)
        assert delivery.message.wire() == [69, 22, {"mode": "kill", "reason": "wamp.error.canceled"}]

    def test_abandonment_interrupts_a_callee_that_can_cancel(self):
        (told,) = calls.abandonment(pending(["callee.call_canceling"]), "wamp.error.timeout")

        assert told.message.wire() == [69, 22, {"mode": "killnowait", "reason": "wamp.error.timeout"}]
        assert calls.abandonment(pending(), "wamp.error.timeout") == []

    def test_failure(self):
        call = pending()
        delivery = calls.failure(call, "wamp.error.canceled", "why")

        assert delivery.recipients == (call.caller,)
        assert delivery.message.wire() == [8, 48, 11, {}, "wamp.error.canceled", ["why"]]

    def test_refusal(self):
        peer = Session(1)
        delivery = calls.refusal(peer, Cancel(7, {}), Refused("wamp.error.invalid_argument", "why"))

        assert delivery.recipients == (peer,)
        assert delivery.message.wire() == [8, 49, 7, {}, "wamp.error.invalid_argument", ["why"]]
