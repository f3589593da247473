"""WAMP AP 'Authentication Methods': who fails too often is refused unheard, and told when to come again."""

import pytest
from msgspec.structs import replace
from twisted.logger import capturedLogs
from wire_router import ANY, CONFIG, WireRouter

from realms.auth.common_config import Failures

DENIED = "wamp.error.authentication_denied"
LIMIT = "concord.error.limit_exceeded"


@pytest.fixture
def router(serializers):
    """A router that hears three failures of a name within 30 seconds."""
    failures = Failures(window_ms=30_000, authid_attempts=3, address_attempts=6)
    router = WireRouter(
        serializers, replace(CONFIG, authentication=replace(CONFIG.authentication, failures=failures))
    )
    yield router
    router.check()


def challenged(router, authid="alice"):
    peer = router.peer()
    peer.hello(authmethods=["ticket"], authid=authid)
    peer.expect([4, "ticket", {}])
    return peer


def fail(router, authid="alice"):
    peer = challenged(router, authid)
    peer.send([5, "wrong", {}])
    peer.expect_abort(DENIED, "authentication failed")


@pytest.mark.parametrize("authid", ["alice", "nobody"])
def test_a_name_that_failed_too_often(router, authid):
    """One that does not exist is treated alike. The right ticket is heard again when time has passed."""
    for _ in range(3):
        fail(router, authid)
    peer = router.peer()
    peer.hello(authmethods=["ticket"], authid=authid)
    peer.expect_abort(LIMIT, "too many failed attempts: try again in 10 s")
    router.join("bob")
    router.advance(10_000)
    if authid == "alice":
        router.join("alice")
    else:
        fail(router, authid)


def test_who_was_challenged_before_is_not_heard_either(router):
    peers = [challenged(router) for _ in range(5)]
    for peer in peers[:3]:
        peer.send([5, "wrong", {}])
        peer.expect_abort(DENIED, ANY)
    for peer in peers[3:]:
        peer.send([5, "ticket", {}])
        peer.expect_abort(LIMIT, ANY)
    assert router.realm.counters["joins_throttled"] == 2


def test_an_address_that_failed_too_often(router):
    for number in range(6):
        fail(router, f"name{number}")
    peer = router.peer()
    peer.hello(authmethods=["ticket"], authid="alice")
    peer.expect_abort(LIMIT, "too many failed attempts: try again in 5 s")
    assert router.join().details["authmethod"] == "anonymous"  # proves nothing, guesses nothing


def test_success_forgives(router):
    for _ in range(2):
        fail(router)
        fail(router)
        router.join("alice")


def test_a_hello_that_says_too_little_is_no_failure(router):
    for _ in range(10):
        peer = router.peer()
        peer.hello(authmethods=["ticket"])
        peer.expect_abort(DENIED, "HELLO.Details.authid must be a text that names who joins")
    router.join("alice")


def test_one_line_of_the_log_for_each_refusal(router):
    """Method, name, address and why; never the secret."""
    with capturedLogs() as logs:
        fail(router)
        for _ in range(2):
            fail(router)
        peer = router.peer()
        peer.hello(authmethods=["ticket"], authid="alice")
        peer.expect_abort(LIMIT, ANY)
    lines = [event["log_format"].format(**event) for event in logs]
    start = "tcp:192.0.2.7:4711 refused as 'alice': "
    assert lines[0] == f"{start}{DENIED}: ticket: wrong ticket for 'alice'"
    assert lines[3] == f"{start}{LIMIT}: ticket: too many failed attempts: try again in 10 s"
    assert len(lines) == 4
    assert {event["realm"] for event in logs} == {"realm1"}
    assert "'wrong'" not in str(logs)
