"""WAMP AP 'Shared Registration': feature shared_registration."""

import pytest
from wire_router import ANY

EXISTS = "wamp.error.procedure_already_exists"
POLICIES = ["single", "roundrobin", "random", "first", "last"]


@pytest.fixture
def caller(router):
    return router.join()


def shared(router, count, **options):
    callees = [router.join() for _ in range(count)]
    assert len({callee.register("com.shared", **options) for callee in callees}) == 1
    return callees


def invoked(caller, callees, times=1):
    """Call so many times: give the indexes of the callees that were invoked."""
    found = []
    for _ in range(times):
        caller.call("com.shared")
        found += [index for index, callee in enumerate(callees) if callee.drain()]
    return found


@pytest.mark.parametrize("first", [{}, {"invoke": "single"}, {"invoke": None}])
@pytest.mark.parametrize("second", POLICIES)
def test_single(router, first, second):
    """
    "With 'single', the Dealer MUST fail all subsequent attempts to register a procedure for the URI"
    """
    router.join().register("com.shared", **first)
    other = router.join()
    other.send([64, 1, {"invoke": second}, "com.shared"])
    other.expect([8, 64, 1, {}, EXISTS, ANY])


@pytest.mark.parametrize("first", POLICIES[1:])
@pytest.mark.parametrize("second", [*POLICIES, None])
def test_the_policies_must_agree(router, first, second):
    """
    "MUST fail all subsequent attempts ... where the value for this option does not match"
    """
    registration = router.join().register("com.shared", invoke=first)
    other = router.join()
    other.send([64, 1, {"invoke": second}, "com.shared"])
    other.expect([65, 1, registration] if first == second else [8, 64, 1, {}, EXISTS, ANY])


def test_the_policy_holds_while_the_registration_exists(router):
    """
    "while the registration remains in existence": afterwards another policy may be chosen.
    """
    callee, other = router.join(), router.join()
    registration = callee.register("com.shared", invoke="first")
    callee.send([66, callee.next(), registration])
    callee.expect([67, 2])
    other.register("com.shared", invoke="last")


def test_a_callee_registers_once(router):
    """A choice: a session is in a shared registration once."""
    (callee,) = shared(router, 1, invoke="roundrobin")
    callee.send([64, callee.next(), {"invoke": "roundrobin"}, "com.shared"])
    callee.expect([8, 64, 2, {}, EXISTS, ANY])


def test_roundrobin(router, caller):
    """
    "picked subsequently from the list of registrations ... looping back to the beginning"
    """
    callees = shared(router, 3, invoke="roundrobin")
    assert invoked(caller, callees, 7) == [0, 1, 2, 0, 1, 2, 0]


def test_roundrobin_while_callees_come_and_go(router, caller):
    """'roundrobin': nobody loses its turn because another one leaves or joins."""
    callees = shared(router, 3, invoke="roundrobin")
    assert invoked(caller, callees, 2) == [0, 1]
    callees[0].vanish()
    assert invoked(caller, callees, 3) == [2, 1, 2]
    callees.append(router.join())
    callees[3].register("com.shared", invoke="roundrobin")
    assert sorted(invoked(caller, callees, 3)) == [1, 2, 3]
    caller.expect([8, 48, ANY, {}, "wamp.error.canceled", ANY])  # of the callee that vanished


def test_random(router, caller):
    """
    "a callee is picked randomly from the list of registrations for each call"
    """
    callees = shared(router, 3, invoke="random")
    router.draws = [2, 0, 0, 1, 2]
    assert invoked(caller, callees, 5) == [2, 0, 0, 1, 2]
    assert router.draws == []


@pytest.mark.parametrize(("invoke", "order"), [("first", [0, 1, 2]), ("last", [2, 1, 0])])
def test_hot_stand_by(router, caller, invoke, order):
    """'Hot Stand-By': "the first respectively last callee on the current list of registrations" """
    callees = shared(router, 3, invoke=invoke)
    for index in order:
        assert invoked(caller, callees, 2) == [index, index]
        callees[index].vanish()
    assert invoked(caller, callees) == []
    assert [answer[4] for answer in caller.drain() if answer[0] == 8][-1] == "wamp.error.no_such_procedure"


def test_the_last_one_on_the_current_list(router, caller):
    """'Hot Stand-By', last: a callee that registers later takes over."""
    callees = shared(router, 1, invoke="last")
    assert invoked(caller, callees) == [0]
    callees.append(router.join())
    callees[1].register("com.shared", invoke="last")
    assert invoked(caller, callees) == [1]


def test_patterns_are_shared_too(router, caller):
    """'Pattern-based Registrations' and shared ones combine."""
    callees = shared(router, 2, invoke="roundrobin", match="prefix")
    assert invoked(caller, callees, 3) == [0, 1, 0]


def test_each_call_is_answered_by_its_callee(router, caller):
    """Invocation ids are those of each callee: the same id at two callees is two calls."""
    one, two = shared(router, 2, invoke="roundrobin")
    first, second = caller.call("com.shared", [1]), caller.call("com.shared", [2])
    one.expect([68, 1, ANY, {}, [1]])
    two.expect([68, 1, ANY, {}, [2]])
    two.send([70, 1, {}, ["two"]])
    one.send([70, 1, {}, ["one"]])
    caller.expect_only([50, second, {}, ["two"]], [50, first, {}, ["one"]])


def test_unregister_ends_one_callees_part(router, caller):
    """'UNREGISTER' concerns the session that sends it."""
    callees = shared(router, 2, invoke="first")
    callees[0].send([66, callees[0].next(), 1])
    callees[0].expect([67, 2])
    assert invoked(caller, callees) == [1]
