"""WAMP AP 'Caller Identification': feature caller_identification."""

import pytest
from wire_router import ANY

PLAIN = {}


@pytest.fixture
def callee(router):
    callee = router.join()
    callee.register("com.x")
    return callee


def identity(caller, authid, authrole):
    return {"caller": caller.id, "caller_authid": authid, "caller_authrole": authrole}


def test_disclose_me(router, callee):
    """
    "INVOCATION message MUST contain ... Details.caller"; caller_authid and caller_authrole "MAY also be
    included".
    """
    caller = router.join("alice")
    caller.call("com.x", disclose_me=True)
    callee.expect([68, 1, ANY, identity(caller, "alice", "user")])


@pytest.mark.parametrize("options", [{}, {"disclose_me": False}, {"disclose_me": None}])
def test_nothing_is_disclosed_unasked(router, callee, options):
    """
    "A Caller MAY request the disclosure of its identity": without that nobody learns it.
    """
    router.join("alice").call("com.x", **options)
    callee.expect([68, 1, ANY, PLAIN])


def test_the_configuration_discloses(router, callee):
    """
    "a Dealer MAY disclose the identity of a Caller even without the Caller having explicitly requested".
    """
    caller = router.join("known")
    caller.call("com.x")
    callee.expect([68, 1, ANY, identity(caller, "known", "known")])


def test_the_dealer_denies(router, callee):
    """
    "A Dealer MAY deny a Caller's request to disclose its identity"; the error is that of the URI reference.
    """
    caller = router.join("shy")
    request = caller.call("com.x", disclose_me=True)
    caller.expect([8, 48, request, {}, "wamp.error.option_disallowed.disclose_me", ANY])
    callee.expect_nothing()
    caller.call("com.x")
    callee.expect([68, 1, ANY, PLAIN])


def test_the_callee_asks(router):
    """
    "With the above registration, the registered procedure is called with the caller's sessionID".
    """
    callee, caller = router.join(), router.join("alice")
    callee.register("com.who", disclose_caller=True)
    for number in (1, 2):
        caller.call("com.who", [number])
        callee.expect([68, number, ANY, identity(caller, "alice", "user"), [number]])
    callee.register("com.other")
    caller.call("com.other")
    callee.expect([68, 3, ANY, PLAIN])


def test_the_callee_asks_and_the_configuration_forbids(router):
    """
    "A Callee MAY request the disclosure of caller identity": where the realm never discloses, it does not.
    """
    callee, caller = router.join(), router.join("shy")
    callee.register("com.who", disclose_caller=True)
    caller.call("com.who")
    caller.call("com.who", timeout=100)
    callee.expect([68, 1, ANY, PLAIN], [68, 2, ANY, PLAIN])


def test_each_callee_asks_for_itself(router):
    """'Shared Registration': the option is that of the callee which is invoked."""
    asks, other, caller = router.join(), router.join(), router.join("alice")
    asks.register("com.who", invoke="roundrobin", disclose_caller=True)
    registration = other.register("com.who", invoke="roundrobin")
    caller.call("com.who")
    caller.call("com.who")
    asks.expect([68, 1, registration, identity(caller, "alice", "user")])
    other.expect([68, 1, registration, PLAIN])
    asks.send([66, asks.next(), registration])
    asks.expect([67, 2])
    caller.call("com.who")
    other.expect([68, 2, registration, PLAIN])


@pytest.mark.parametrize("value", [1, "yes"])
def test_disclose_caller_is_a_boolean(router, value):
    """'Messages', bool: "integers MUST NOT be used instead of boolean value"."""
    callee = router.join()
    callee.send([64, 1, {"disclose_caller": value}, "com.who"])
    callee.expect([8, 64, 1, {}, "wamp.error.invalid_argument", ANY])


@pytest.mark.parametrize("without", ["caller.caller_identification", "callee.caller_identification"])
def test_peers_that_did_not_announce_it(router, without):
    """The feature changes what is told, not what may be sent: whoever asks is served."""
    callee, caller = router.join(without=(without,)), router.join("alice", without=(without,))
    callee.register("com.x")
    caller.call("com.x", disclose_me=True)
    callee.expect([68, 1, ANY, identity(caller, "alice", "user")])
