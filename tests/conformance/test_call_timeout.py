"""WAMP AP 'Call Timeouts': feature call_timeout."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter, text

TIMEOUT = "wamp.error.timeout"
INTERRUPT = [69, 1, {"mode": "killnowait", "reason": TIMEOUT}]


@pytest.fixture
def caller(router):
    return router.join()


def callee_of(router, *without, **options):
    callee = router.join(without=without)
    callee.register("com.slow", **options)
    return callee


def test_timeout_in_milliseconds(router, caller):
    """
    "CALL.Options.timeout|integer in milliseconds"; the error "MUST use wamp.error.timeout", within 50 ms.
    """
    callee = callee_of(router)
    request = caller.call("com.slow", timeout=200)
    callee.expect([68, 1, ANY, {}])
    router.advance(199)
    caller.expect_nothing()
    callee.expect_nothing()
    router.advance(51)
    caller.expect_only([8, 48, request, {}, TIMEOUT, [text("200 ms")]])
    callee.expect_only(INTERRUPT)
    callee.send([70, 1, {}, ["late"]])
    caller.expect_nothing()
    callee.expect_nothing()


def test_a_callee_that_cannot_cancel(router, caller):
    """
    "implicitly killnowait if the Callee supports call cancellation, otherwise ... skip".
    """
    callee = callee_of(router, "callee.call_canceling")
    request = caller.call("com.slow", timeout=200)
    callee.expect([68, 1, ANY, {}])
    router.advance(250)
    caller.expect([8, 48, request, {}, TIMEOUT, ANY])
    callee.expect_nothing()
    callee.send([8, 68, 1, {}, "com.error"])
    caller.expect_nothing()
    callee.expect_nothing()


@pytest.mark.parametrize("answer", [[70, 1, {}, [1]], [8, 68, 1, {}, "com.error", [1]]])
def test_an_answer_in_time(router, caller, answer):
    """An answered call does not time out."""
    callee = callee_of(router)
    request = caller.call("com.slow", timeout=200)
    callee.expect([68, 1, ANY, {}])
    router.advance(199)
    callee.send(answer)
    caller.expect([50, request, {}, [1]] if answer[0] == 70 else [8, 48, request, {}, "com.error", [1]])
    router.advance(1_000_000)
    caller.expect_nothing()
    callee.expect_nothing()


@pytest.mark.parametrize("options", [{}, {"timeout": 0}, {"timeout": None}])
def test_no_timeout(router, caller, options):
    """
    "deactivated if there is no timeout option, or if its value is 0".
    """
    callee = callee_of(router)
    request = caller.call("com.slow", **options)
    callee.expect([68, 1, ANY, {}])
    router.advance(10_000_000_000)
    caller.expect_nothing()
    callee.send([70, 1, {}])
    caller.expect([50, request, {}])


def test_each_call_has_its_own(router, caller):
    """The timer is one for each call, whatever the order of their deadlines."""
    callee = callee_of(router)
    requests = {ms: caller.call("com.slow", timeout=ms) for ms in (300, 100, 200)}
    callee.drain()
    for ms in (100, 200, 300):
        router.advance(100)
        caller.expect_only([8, 48, requests[ms], {}, TIMEOUT, ANY])
    assert callee.drain() == [[69, n, ANY] for n in (2, 3, 1)]


def test_a_canceled_call_does_not_time_out(router, caller):
    """A call ends once."""
    callee = callee_of(router)
    request = caller.call("com.slow", timeout=100)
    callee.expect([68, 1, ANY, {}])
    caller.send([49, request, {"mode": "skip"}])
    caller.expect([8, 48, request, {}, "wamp.error.canceled", ANY])
    router.advance(1000)
    caller.expect_nothing()
    callee.expect_nothing()


def test_a_killed_call_times_out(router, caller):
    """A callee that does not answer INTERRUPT does not hold the caller longer than its timeout."""
    callee = callee_of(router)
    request = caller.call("com.slow", timeout=100)
    callee.expect([68, 1, ANY, {}])
    caller.send([49, request, {"mode": "kill"}])
    callee.expect([69, 1, {"mode": "kill", "reason": ANY}])
    router.advance(150)
    caller.expect([8, 48, request, {}, TIMEOUT, ANY])
    callee.expect(INTERRUPT)


def test_the_caller_leaves_first(router, caller):
    """The timer of a caller that left is gone with its call."""
    callee = callee_of(router)
    caller.call("com.slow", timeout=100)
    callee.expect([68, 1, ANY, {}])
    caller.vanish()
    callee.expect([69, 1, {"mode": "killnowait", "reason": "wamp.error.canceled"}])
    router.advance(1000)
    callee.expect_nothing()


def test_the_timeout_is_not_forwarded_unasked(router, caller):
    """
    "handles the timeout logic locally without forwarding the timeout value".
    """
    callee = callee_of(router)
    caller.call("com.slow", timeout=100)
    callee.expect([68, 1, ANY, {}])


def test_forward_timeout(router, caller):
    """
    "checks if the matching RPC registration had the forward_timeout option set": the Callee has the timer.
    """
    callee = callee_of(router, forward_timeout=True)
    request = caller.call("com.slow", timeout=100)
    callee.expect([68, 1, ANY, {"timeout": 100}])
    router.advance(1000)
    caller.expect_nothing()
    callee.expect_nothing()
    callee.send([8, 68, 1, {}, TIMEOUT])
    caller.expect([8, 48, request, {}, TIMEOUT])


@pytest.mark.parametrize("options", [{}, {"timeout": 0}])
def test_there_is_nothing_to_forward(router, caller, options):
    """Without a timeout INVOCATION has none."""
    callee = callee_of(router, forward_timeout=True)
    caller.call("com.slow", **options)
    callee.expect([68, 1, ANY, {}])


def test_forward_timeout_without_the_feature(router, caller):
    """
    "If the Callee does not support Call Timeouts, a Dealer ... MUST start a timeout timer".
    """
    callee = callee_of(router, "callee.call_timeout", forward_timeout=True)
    request = caller.call("com.slow", timeout=100)
    callee.expect([68, 1, ANY, {}])
    router.advance(150)
    caller.expect([8, 48, request, {}, TIMEOUT, ANY])
    callee.expect(INTERRUPT)


def test_forward_timeout_is_each_callees_own(router, caller):
    """'Shared Registration': the option is that of the callee which is invoked."""
    forwards = callee_of(router, invoke="roundrobin", forward_timeout=True)
    other = callee_of(router, invoke="roundrobin")
    one, two = caller.call("com.slow", timeout=100), caller.call("com.slow", timeout=100)
    forwards.expect([68, 1, ANY, {"timeout": 100}])
    other.expect([68, 1, ANY, {}])
    router.advance(150)
    caller.expect_only([8, 48, two, {}, TIMEOUT, ANY])
    other.expect(INTERRUPT)
    forwards.send([70, 1, {}])
    caller.expect([50, one, {}])


@pytest.mark.parametrize("timeout", [-1, "100", True, [1], 2**53 + 1, 1.5])
def test_an_invalid_timeout(router, caller, timeout):
    """
    "timeout|integer": anything else is answered, and nothing is called.
    """
    callee = callee_of(router)
    request = caller.call("com.slow", timeout=timeout)
    caller.expect([8, 48, request, {}, "wamp.error.invalid_argument", [text("timeout")]])
    callee.expect_nothing()


def test_a_far_deadline(router, caller):
    """The longest timeout is accepted, and nothing happens before it."""
    callee = callee_of(router)
    request = caller.call("com.slow", timeout=2**53)
    callee.expect([68, 1, ANY, {}])
    router.advance(86_400_000)
    callee.send([70, 1, {}])
    caller.expect([50, request, {}])


@pytest.mark.parametrize(
    ("options", "ends"), [({}, True), ({"timeout": 0}, False), ({"timeout": 5000}, False)]
)
def test_the_realms_default(serializers, options, ends):
    """A choice: a realm may have a timeout for calls that name none (``call_timeout_ms``)."""
    limits = replace(CONFIG.limits, call_timeout_ms=1000)
    router = WireRouter(serializers, replace(CONFIG, limits=limits))
    caller, callee = router.join(), callee_of(router)
    request = caller.call("com.slow", **options)
    callee.expect([68, 1, ANY, {}])
    router.advance(1050)
    if ends:
        caller.expect([8, 48, request, {}, TIMEOUT, ANY])
        callee.expect(INTERRUPT)
    router.check()
