"""WAMP AP 'Call Canceling': feature call_canceling."""

import pytest
from wire_router import ANY, text

CANCELED = "wamp.error.canceled"
MODES = ["skip", "kill", "killnowait"]


@pytest.fixture
def caller(router):
    return router.join()


@pytest.fixture
def callee(router):
    callee = router.join()
    callee.register("com.slow")
    return callee


def under_way(caller, callee):
    """Send a CALL, and give its id when the callee has its INVOCATION 1."""
    request = caller.call("com.slow")
    callee.expect([68, 1, ANY, {}])
    return request


def test_skip(caller, callee):
    """
    "skip: ... ERROR is sent immediately back to the caller. No INTERRUPT is sent ... the result is
    discarded".
    """
    request = under_way(caller, callee)
    caller.send([49, request, {"mode": "skip"}])
    caller.expect([8, 48, request, {}, CANCELED, ANY])
    callee.expect_nothing()
    callee.send([70, 1, {}, ["discarded"]])
    caller.expect_nothing()


def test_killnowait(caller, callee):
    """
    "killnowait: ... ERROR is sent immediately back ... INTERRUPT is sent to the callee and any response ...
    discarded".
    """
    request = under_way(caller, callee)
    caller.send([49, request, {"mode": "killnowait"}])
    caller.expect([8, 48, request, {}, CANCELED, ANY])
    callee.expect([69, 1, {"mode": "killnowait", "reason": CANCELED}])
    callee.send([8, 68, 1, {}, CANCELED])
    caller.expect_nothing()
    callee.expect_nothing()


@pytest.mark.parametrize(
    "answer", [[8, 68, 1, {}, CANCELED, ["stopped"]], [70, 1, {}, ["just done"]]], ids=["ERROR", "YIELD"]
)
def test_kill(caller, callee, answer):
    """
    "kill: INTERRUPT is sent to the callee, but ERROR is not returned to the caller until after the callee
    has responded".
    """
    request = under_way(caller, callee)
    caller.send([49, request, {"mode": "kill"}])
    caller.expect_nothing()
    callee.expect([69, 1, {"mode": "kill", "reason": CANCELED}])
    callee.send(answer)
    if answer[0] == 8:
        caller.expect([8, 48, request, {}, CANCELED, ["stopped"]])
    else:
        caller.expect([50, request, {}, ["just done"]])


@pytest.mark.parametrize("mode", MODES)
def test_a_callee_that_did_not_announce_it(router, caller, mode):
    """
    "If the callee does not support call canceling, then behavior is skip.".
    """
    callee = router.join(without=("callee.call_canceling",))
    callee.register("com.slow")
    request = under_way(caller, callee)
    caller.send([49, request, {"mode": mode}])
    caller.expect([8, 48, request, {}, CANCELED, ANY])
    callee.expect_nothing()
    callee.send([70, 1, {}, ["discarded"]])
    caller.expect_nothing()
    callee.expect_nothing()


@pytest.mark.parametrize("options", [{}, {"mode": None}])
def test_the_default_mode(caller, callee, options):
    """The section names no default; here it is killnowait: the caller is free at once and the work stops."""
    request = under_way(caller, callee)
    caller.send([49, request, options])
    caller.expect([8, 48, request, {}, CANCELED, ANY])
    callee.expect([69, 1, {"mode": "killnowait", "reason": CANCELED}])


@pytest.mark.parametrize("mode", MODES)
def test_an_answered_call(caller, callee, mode):
    """CANCEL and RESULT may cross: a CANCEL that comes too late is ignored."""
    request = under_way(caller, callee)
    callee.send([70, 1, {}, ["done"]])
    caller.expect([50, request, {}, ["done"]])
    caller.send([49, request, {"mode": mode}], [49, 4711, {"mode": mode}])
    caller.expect_nothing()
    callee.expect_nothing()


def test_canceled_twice(caller, callee):
    """Every call ends once: a second CANCEL of a killed call is ignored, and a stronger one ends it."""
    request = under_way(caller, callee)
    caller.send([49, request, {"mode": "kill"}], [49, request, {"mode": "kill"}])
    callee.expect_only([69, 1, {"mode": "kill", "reason": CANCELED}])
    caller.send([49, request, {"mode": "killnowait"}])
    caller.expect([8, 48, request, {}, CANCELED, ANY])
    callee.expect([69, 1, {"mode": "killnowait", "reason": CANCELED}])
    callee.send([8, 68, 1, {}, CANCELED])
    caller.expect_nothing()


def test_the_callee_leaves_after_kill(caller, callee):
    """A killed call still is pending: the callee's leaving ends it."""
    request = under_way(caller, callee)
    caller.send([49, request, {"mode": "kill"}])
    callee.expect([69, 1, ANY])
    callee.vanish()
    caller.expect([8, 48, request, {}, CANCELED, ANY])


@pytest.mark.parametrize("mode", ["abort", "", 1, True, ["kill"]])
def test_an_invalid_mode(caller, callee, mode):
    """
    "mode|string == "skip" | "kill" | "killnowait"": another one is answered, and the call goes on.
    """
    request = under_way(caller, callee)
    caller.send([49, request, {"mode": mode}])
    caller.expect([8, 49, request, {}, "wamp.error.invalid_argument", [text("skip")]])
    callee.expect_nothing()
    callee.send([70, 1, {}])
    caller.expect([50, request, {}])


def test_only_the_caller_cancels(router, caller, callee):
    """A request id is one of its session: the same id of another session means nothing."""
    request = under_way(caller, callee)
    other = router.join()
    other.send([49, request, {"mode": "killnowait"}])
    other.expect_nothing()
    callee.expect_nothing()
    callee.send([70, 1, {}])
    caller.expect([50, request, {}])


def test_the_other_spelling_counts(router, caller):
    """
    'Progressive Call Invocations' spells the feature "call_cancelling": an announcement so spelled counts.
    """
    callee = router.peer()
    callee.send([1, "realm1", {"roles": {"callee": {"features": {"call_cancelling": True}}}}])
    callee.expect([2, ANY, ANY])
    callee.register("com.slow")
    request = under_way(caller, callee)
    caller.send([49, request, {"mode": "kill"}])
    callee.expect([69, 1, {"mode": "kill", "reason": CANCELED}])


def test_a_feature_must_be_true(router, caller):
    """
    "call_canceling|bool := true": any other value announces nothing.
    """
    callee = router.peer()
    callee.send([1, "realm1", {"roles": {"callee": {"features": {"call_canceling": 1}}}}])
    callee.expect([2, ANY, ANY])
    callee.register("com.slow")
    request = under_way(caller, callee)
    caller.send([49, request, {"mode": "kill"}])
    caller.expect([8, 48, request, {}, CANCELED, ANY])
    callee.expect_nothing()
