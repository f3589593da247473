"""WAMP AP 'Call Re-Routing': feature call_reroute."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter

from realms.config import Limits

UNAVAILABLE = "wamp.error.unavailable"
NOBODY = "wamp.error.no_available_callee"
P = "com.example.work"


def three(router, invoke):
    """Register three callees, in this order."""
    callees = [router.join() for _ in range(3)]
    for callee in callees:
        callee.register(P, invoke=invoke)
    return callees


def decline(callee, invocation=1):
    callee.send([8, 68, invocation, {}, UNAVAILABLE])


@pytest.mark.parametrize(
    ("invoke", "order"),
    [("roundrobin", [0, 1, 2]), ("first", [0, 1, 2]), ("last", [2, 1, 0]), ("random", [0, 1, 2])],
)
def test_by_the_invocation_policy(router, invoke, order):
    """
    "The Dealer MUST adhere to the invocation policy of the procedure when rerouting the CALL, while
    assuming that the unavailable registration virtually does not exist."
    """
    callees = three(router, invoke)
    caller = router.join()
    request = caller.call(P, [7], {"k": "v"})
    for place in order:
        callees[place].expect_only([68, 1, ANY, {}, [7], {"k": "v"}])
        decline(callees[place])
    caller.expect([8, 48, request, {}, NOBODY, ANY])


def test_without_the_caller_ever_having_to_know_about_it(router):
    callees = three(router, "first")
    caller = router.join()
    request = caller.call(P, [7])
    callees[0].expect([68, 1, ANY, {}, [7]])
    decline(callees[0])
    callees[1].expect([68, 1, ANY, {}, [7]])
    callees[1].send([70, 1, {}, ["done"]])
    caller.expect_only([50, request, {}, ["done"]])


def test_what_is_kept_for_another_callee_is_bounded(serializers):
    """A call for which there is no room is made all the same; whoever declines it is the last then."""
    router = WireRouter(serializers, replace(CONFIG, limits=Limits(kept_call_bytes_per_session=50_000)))
    first, second = three(router, "first")[:2]
    caller = router.join()
    kept, not_kept = caller.call(P, ["x" * 40_000]), caller.call(P, ["y" * 40_000])
    first.expect_only([68, 1, ANY, {}, ["x" * 40_000]], [68, 2, ANY, {}, ["y" * 40_000]])
    decline(first, 2)
    caller.expect_only([8, 48, not_kept, {}, NOBODY, ANY])
    decline(first, 1)
    second.expect_only([68, 1, ANY, {}, ["x" * 40_000]])
    second.send([70, 1, {}])
    caller.expect_only([50, kept, {}])
    caller.call(P, ["z" * 40_000])
    first.expect_only([68, 3, ANY, {}, ["z" * 40_000]])
    decline(first, 3)
    assert second.take()[:2] == [68, 2]
    router.check()


def test_single(router):
    """
    "single: Responds with a wamp.error.no_available_callee error message to the CALLER"
    """
    callee, caller = router.join(), router.join()
    callee.register(P)
    request = caller.call(P)
    callee.expect([68, 1, ANY, {}])
    decline(callee)
    caller.expect_only([8, 48, request, {}, NOBODY, ANY])


def test_a_callee_that_did_not_announce_it_answers(router):
    """Its error is an error like any other."""
    plain = router.join(without=["callee.call_reroute"])
    plain.register(P, invoke="first")
    other, caller = router.join(), router.join()
    other.register(P, invoke="first")
    request = caller.call(P)
    plain.expect([68, 1, ANY, {}])
    decline(plain)
    caller.expect_only([8, 48, request, {}, UNAVAILABLE])
    other.expect_nothing()


def test_another_error_is_an_answer(router):
    callees = three(router, "first")
    caller = router.join()
    request = caller.call(P)
    callees[0].expect([68, 1, ANY, {}])
    callees[0].send([8, 68, 1, {}, "com.example.no", ["because"]])
    caller.expect_only([8, 48, request, {}, "com.example.no", ["because"]])


def test_the_deadline_stays(router):
    callees = three(router, "first")
    caller = router.join()
    request = caller.call(P, timeout=1000)
    callees[0].expect([68, 1, ANY, {}])
    router.advance(800)
    decline(callees[0])
    callees[1].expect([68, 1, ANY, {}])
    router.advance(199)
    caller.expect_nothing()
    router.advance(2)
    caller.expect([8, 48, request, {}, "wamp.error.timeout", ANY])
    callees[1].expect([69, 1, {"mode": "killnowait", "reason": "wamp.error.timeout"}])
    callees[1].send([70, 1, {}])  # too late


def test_the_deadline_stays_where_the_first_callee_kept_the_time(router):
    """The second callee is told no timeout: it would give itself the whole of it."""
    callees = [router.join() for _ in range(2)]
    for callee in callees:
        callee.register(P, invoke="first", forward_timeout=True)
    caller = router.join()
    request = caller.call(P, timeout=1000)
    callees[0].expect([68, 1, ANY, {"timeout": 1000}])
    router.advance(800)
    decline(callees[0])
    callees[1].expect([68, 1, ANY, {}])
    router.advance(199)
    caller.expect_nothing()
    router.advance(2)
    caller.expect_only([8, 48, request, {}, "wamp.error.timeout", ANY])
    callees[1].expect([69, 1, {"mode": "killnowait", "reason": "wamp.error.timeout"}])


def test_one_that_waits_after_a_callee_kept_the_time_ends_with_its_timeout(router):
    first, second, caller = router.join(), router.join(), router.join()
    first.register(P, invoke="first", forward_timeout=True)
    second.register(P, invoke="first", concurrency=1)
    occupying = caller.call(P)
    first.expect([68, 1, ANY, {}])
    decline(first)
    second.expect([68, 1, ANY, {}])
    request = caller.call(P, timeout=1000)
    first.expect([68, 2, ANY, {"timeout": 1000}])
    decline(first, 2)
    router.advance(1001)
    caller.expect_only([8, 48, request, {}, "wamp.error.timeout", ANY])
    second.send([70, 1, {}])
    caller.expect_only([50, occupying, {}])
    second.expect_nothing()


def test_a_cancel_reaches_the_one_that_has_it(router):
    callees = three(router, "first")
    caller = router.join()
    request = caller.call(P)
    callees[0].expect([68, 1, ANY, {}])
    decline(callees[0])
    callees[1].expect([68, 1, ANY, {}])
    caller.send([49, request, {"mode": "killnowait"}])
    caller.expect([8, 48, request, {}, "wamp.error.canceled", ANY])
    callees[1].expect_only([69, 1, {"mode": "killnowait", "reason": "wamp.error.canceled"}])
    decline(callees[1])
    callees[2].expect_nothing()


def test_what_has_begun_to_answer_is_not_begun_anew(router):
    callees = three(router, "first")
    caller = router.join()
    request = caller.call(P, receive_progress=True)
    callees[0].expect([68, 1, ANY, {"receive_progress": True}])
    callees[0].send([70, 1, {"progress": True}, ["half"]])
    caller.expect([50, request, {"progress": True}, ["half"]])
    decline(callees[0])
    caller.expect_only([8, 48, request, {}, NOBODY, ANY])


def test_progressive_input_is_not_sent_again(router):
    callees = three(router, "first")
    caller = router.join()
    request = caller.call(P, [1], progress=True)
    callees[0].expect([68, 1, ANY, {"progress": True}, [1]])
    decline(callees[0])
    caller.expect_only([8, 48, request, {}, NOBODY, ANY])


def test_details_are_those_of_the_new_callee(router):
    """Who calls is told to those that asked for it."""
    first, second, caller = router.join(), router.join(), router.join("alice")
    first.register(P, invoke="first")
    second.register(P, invoke="first", disclose_caller=True)
    caller.call(P)
    first.expect([68, 1, ANY, {}])
    decline(first)
    told = {"caller": caller.id, "caller_authid": "alice", "caller_authrole": "user"}
    second.expect_only([68, 1, ANY, told])


def test_the_second_one_leaves(router):
    callees = three(router, "first")
    caller = router.join()
    request = caller.call(P)
    callees[0].expect([68, 1, ANY, {}])
    decline(callees[0])
    callees[1].expect([68, 1, ANY, {}])
    callees[1].vanish()
    caller.expect_only([8, 48, request, {}, "wamp.error.canceled", ANY])
