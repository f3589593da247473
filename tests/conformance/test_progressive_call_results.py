"""WAMP AP 'Progressive Call Results': feature progressive_call_results."""

import pytest
from wire_router import ANY

CANCELED = "wamp.error.canceled"
TIMEOUT = "wamp.error.timeout"
PROGRESS = {"progress": True}
WANTED = {"receive_progress": True}


@pytest.fixture
def caller(router):
    return router.join()


@pytest.fixture
def callee(router):
    callee = router.join()
    callee.register("com.x")
    return callee


def under_way(caller, callee, **options):
    """Send a CALL that wants progressive results, and give its id when the callee has INVOCATION 1."""
    request = caller.call("com.x", receive_progress=True, **options)
    callee.expect([68, 1, ANY, WANTED])
    return request


def test_progressive_results(caller, callee):
    """
    "the Dealer will immediately send a RESULT message ... with RESULT.Details.progress|bool := true".
    """
    request = under_way(caller, callee)
    callee.send([70, 1, PROGRESS, ["Y2010", 120]])
    caller.expect_only([50, request, PROGRESS, ["Y2010", 120]])
    callee.send([70, 1, PROGRESS, ["Y2011", 205]], [70, 1, {}, ["Total", 490]])
    caller.expect_only([50, request, PROGRESS, ["Y2011", 205]], [50, request, {}, ["Total", 490]])


def test_results_may_be_empty_and_of_any_structure(caller, callee):
    """
    "progressive results and/or the final result MAY have different structure"; each may be empty.
    """
    request = under_way(caller, callee)
    callee.send(
        [70, 1, PROGRESS], [70, 1, PROGRESS, [], {"foo": 10}], [70, 1, {}, [1, 2, 3], {"moo": "hello"}]
    )
    caller.expect_only(
        [50, request, PROGRESS],
        [50, request, PROGRESS, [], {"foo": 10}],
        [50, request, {}, [1, 2, 3], {"moo": "hello"}],
    )


def test_it_may_end_in_an_error(caller, callee):
    """
    "An invocation MUST always end in either a normal RESULT or ERROR message".
    """
    request = under_way(caller, callee)
    callee.send([70, 1, PROGRESS, [1]], [8, 68, 1, {}, "com.myapp.invalid_revenue_year", [1830]])
    caller.expect_only(
        [50, request, PROGRESS, [1]], [8, 48, request, {}, "com.myapp.invalid_revenue_year", [1830]]
    )


def test_a_callee_need_not_produce_them(caller, callee):
    """
    "a Callee is not required to produce progressive results".
    """
    request = under_way(caller, callee)
    callee.send([70, 1, {}, ["all"]])
    caller.expect_only([50, request, {}, ["all"]])


@pytest.mark.parametrize("options", [{}, {"receive_progress": False}])
def test_a_caller_that_is_not_prepared(caller, callee, options):
    """
    receive_progress says "that the Caller is prepared to process progressive results": others get the final
    one.
    """
    request = caller.call("com.x", **options)
    callee.expect([68, 1, ANY, {}])
    callee.send([70, 1, PROGRESS, ["partial"]], [70, 1, {}, ["final"]])
    caller.expect_only([50, request, {}, ["final"]])


@pytest.mark.parametrize("without", ["callee.progressive_call_results", "callee.call_canceling"])
def test_a_callee_that_announced_less(router, caller, without):
    """A difference: autobahn-js and wampy.js send progressive results without announcing what they need."""
    callee = router.join(without=(without,))
    callee.register("com.x")
    request = under_way(caller, callee)
    callee.send([70, 1, PROGRESS, [1]], [70, 1, {}, [2]])
    caller.expect_only([50, request, PROGRESS, [1]], [50, request, {}, [2]])


def test_a_callee_that_cannot_be_interrupted(router, caller):
    """'Caller Leaving': without Call Canceling there is no INTERRUPT, and what still comes is dropped."""
    callee = router.join(without=("callee.call_canceling",))
    callee.register("com.x")
    under_way(caller, callee)
    caller.vanish()
    callee.send([70, 1, PROGRESS, [1]], [70, 1, {}, [2]])
    callee.expect_nothing()
    assert callee.connection.session is not None


def test_only_while_the_call_is_ongoing(caller, callee):
    """
    "may only be sent during a call or invocation is still ongoing": a later one is dropped.
    """
    request = under_way(caller, callee)
    callee.send([70, 1, {}], [70, 1, PROGRESS, ["late"]])
    caller.expect_only([50, request, {}])
    callee.expect_nothing()


def test_caller_leaves(caller, callee):
    """
    'Caller Leaving': "the Dealer sends an INTERRUPT to the Callee with mode="killnowait""; the rest is
    dropped.
    """
    request = under_way(caller, callee)
    callee.send([70, 1, PROGRESS, [1]])
    caller.expect([50, request, PROGRESS, [1]])
    caller.vanish()
    callee.expect([69, 1, {"mode": "killnowait", "reason": CANCELED}])
    callee.send([70, 1, PROGRESS, [2]], [70, 1, {}, [3]])
    callee.expect_nothing()
    assert callee.ask("wamp.session.count") == 1


def test_callee_leaves(caller, callee):
    """'Callee Leaving': "an ERROR message to the Caller with the wamp.error.canceled URI"."""
    request = under_way(caller, callee)
    callee.send([70, 1, PROGRESS, [1]])
    callee.leave()
    caller.expect_only([50, request, PROGRESS, [1]], [8, 48, request, {}, CANCELED, ANY])


def test_timeout_between_results(router, caller, callee):
    """
    'Timeouts': "the time limit between the initial call and the first result, and between results
    thereafter".
    """
    request = under_way(caller, callee, timeout=100)
    for number in range(4):
        router.advance(90)
        callee.send([70, 1, PROGRESS, [number]])
        caller.expect_only([50, request, PROGRESS, [number]])
    router.advance(99)
    caller.expect_nothing()
    router.advance(51)
    caller.expect([8, 48, request, {}, TIMEOUT, ANY])
    callee.expect([69, 1, {"mode": "killnowait", "reason": TIMEOUT}])


def test_timeout_before_the_first_result(router, caller, callee):
    """'Timeouts': "the time between receipt of the CALL message and receipt of the first YIELD message"."""
    request = under_way(caller, callee, timeout=100)
    router.advance(150)
    caller.expect([8, 48, request, {}, TIMEOUT, ANY])
    callee.expect([69, 1, {"mode": "killnowait", "reason": TIMEOUT}])
    callee.send([70, 1, PROGRESS, ["late"]])
    caller.expect_nothing()


def test_cancel_between_results(caller, callee):
    """'Call Canceling' is "required for canceling progressive results"."""
    request = under_way(caller, callee)
    callee.send([70, 1, PROGRESS, [1]])
    caller.send([49, request, {"mode": "kill"}])
    callee.expect([69, 1, {"mode": "kill", "reason": CANCELED}])
    callee.send([70, 1, PROGRESS, [2]], [8, 68, 1, {}, CANCELED])
    caller.expect_only(
        [50, request, PROGRESS, [1]], [50, request, PROGRESS, [2]], [8, 48, request, {}, CANCELED]
    )


def test_a_progressive_result_that_the_caller_cannot_take(router, callee):
    """
    "A call MUST always end": the ERROR ends it, the callee is interrupted, and nothing comes after it.
    """
    caller = router.join(most=3000)
    request = under_way(caller, callee)
    callee.send([70, 1, PROGRESS, ["x" * 3000]])
    caller.expect_only([8, 48, request, {}, "wamp.error.payload_size_exceeded", ANY])
    callee.expect_only([69, 1, {"mode": "killnowait", "reason": ANY}])
    callee.send([70, 1, PROGRESS, [2]], [70, 1, {}, [3]])
    caller.expect_nothing()
    callee.expect_nothing()


def test_a_progressive_result_that_the_caller_cannot_take_from_a_callee_that_cannot_cancel(router):
    """The same where the callee cannot be interrupted: what still comes is dropped."""
    caller, callee = router.join(most=3000), router.join(without=("callee.call_canceling",))
    callee.register("com.x")
    request = under_way(caller, callee)
    callee.send([70, 1, PROGRESS, ["x" * 3000]], [70, 1, {}, [1]])
    caller.expect_only([8, 48, request, {}, "wamp.error.payload_size_exceeded", ANY])
    callee.expect_nothing()


def test_a_result_that_nobody_could_read(router):
    """
    A value outside every other serializer's range: the call ends with ERROR, and a stream is interrupted.
    """
    caller, callee = router.join(), router.join(serializer="json")
    callee.register("com.x")
    request = under_way(caller, callee)
    callee.send_bytes(b'[70,1,{"progress":true},[1e999]]')
    caller.expect_only([8, 48, request, {}, "wamp.error.invalid_argument", ANY])
    callee.expect_only([69, 1, {"mode": "killnowait", "reason": ANY}])
    callee.send([70, 1, {}, [2]])
    caller.expect_nothing()
