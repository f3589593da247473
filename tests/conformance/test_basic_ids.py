"""WAMP BP 'IDs': global, router and session scope."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter, text

from router.node import publication_ids
from router.wamp.ids import MAX_ID, random_session_id

REQUESTS = {
    "PUBLISH": lambda request: [16, request, {"acknowledge": True}, "com.x"],
    "SUBSCRIBE": lambda request: [32, request, {}, "com.x"],
    "UNSUBSCRIBE": lambda request: [34, request, 1],
    "CALL": lambda request: [48, request, {}, "com.x"],
    "REGISTER": lambda request: [64, request, {}, "com.x"],
    "UNREGISTER": lambda request: [66, request, 1],
}


@pytest.fixture(params=REQUESTS)
def message(request):
    """Give each kind of request: its id -> wire array."""
    return REQUESTS[request.param]


@pytest.fixture
def plain():
    """A feature that would excuse an old id."""
    return ("caller.progressive_call_invocations",)


@pytest.mark.parametrize("draw", [random_session_id, publication_ids()], ids=["session", "publication"])
def test_global_scope(draw):
    """'IDs': "drawn randomly from a uniform distribution over the complete range [1, 2^53]"."""
    drawn = [draw() for _ in range(2000)]
    assert len(set(drawn)) == len(drawn)
    assert all(type(each) is int and 1 <= each <= 2**53 for each in drawn)
    eighths = {(each - 1) >> 50 for each in drawn}
    assert eighths == set(range(8))
    assert 0.45 < sum(drawn) / len(drawn) / 2**53 < 0.55


def test_publications_have_ids_of_their_own(router):
    """
    'IDs', global scope: PUBLISHED.Publication is EVENT.Publication, and each publication has another one.
    """
    publisher, subscriber = router.join(), router.join()
    subscription = subscriber.subscribe("com.topic")
    for _ in range(2):
        publisher.publish("com.topic", acknowledge=True)
    (first, second) = [publisher.take()[2] for _ in range(2)]
    assert first != second
    subscriber.expect([36, subscription, first, {}], [36, subscription, second, {}])


def test_request_ids_from_one_on(router, message):
    """'IDs', session scope: "MUST be incremented by 1 beginning with 1"; each is answered under its id."""
    peer = router.join()
    for request in (1, 2, 3):
        peer.send(message(request))
        answer = peer.take()
        assert request in (answer[1], answer[2])


@pytest.mark.parametrize("last", [1, 5])
def test_a_request_id_is_used_once(router, message, plain, last):
    """'Protocol Errors': "non-sequential session scope request ID": used before."""
    peer = router.join(without=plain)
    peer.send([32, last, {}, "com.first"])
    peer.expect([33, last, ANY])
    peer.send(message(last))
    peer.expect_abort("wamp.error.protocol_violation", text("request id"))


def test_a_request_id_never_goes_back(router, message, plain):
    """'Protocol Errors': "non-sequential session scope request ID": lower than the last one."""
    peer = router.join(without=plain)
    peer.send([32, 7, {}, "com.first"])
    peer.expect([33, 7, ANY])
    peer.send(message(6))
    peer.expect_abort("wamp.error.protocol_violation", text("request id"))


def test_zero_is_no_request_id(router, message):
    """'IDs': "integers between (inclusive) 1 and 2^53"."""
    peer = router.join()
    peer.send(message(0))
    peer.expect_abort("wamp.error.protocol_violation")


@pytest.mark.parametrize("request_id", [-1, 2**53 + 1, "1", 1.5, None, True, [1]])
def test_what_is_no_id(router, message, request_id):
    """'IDs': an id is an integer in 1..2^53."""
    peer = router.join()
    peer.send(message(request_id))
    peer.expect_abort("wamp.error.protocol_violation")


def test_a_gap_is_tolerated(router, message):
    """
    A choice: clients that take an id before serialization fails leave gaps (``strict_ids`` forbids them).
    """
    peer = router.join()
    peer.send(message(41))
    assert 41 in peer.take()


@pytest.mark.parametrize("first", [2, 3])
def test_strict_ids_forbid_a_gap(serializers, message, first):
    """'Protocol Errors': "non-sequential session scope request ID": with ``strict_ids`` a gap is one, too."""
    router = WireRouter(serializers, replace(CONFIG, strict_ids=True))
    peer = router.join()
    peer.send(message(first))
    peer.expect_abort("wamp.error.protocol_violation", text("gap"))


def test_strict_ids_let_the_sequence_pass(serializers, message):
    """'IDs', session scope: 1, 2, 3 is what ``strict_ids`` asks for."""
    router = WireRouter(serializers, replace(CONFIG, strict_ids=True))
    peer = router.join()
    for request in (1, 2, 3):
        peer.send(message(request))
        assert request in peer.take()


@pytest.mark.parametrize("strict_ids", [False, True])
def test_request_ids_wrap(serializers, message, strict_ids):
    """'IDs', session scope: "wrapping to 1 after it reached 2^53"."""
    router = WireRouter(serializers, replace(CONFIG, strict_ids=strict_ids))
    peer = router.join()
    router.realm.sessions[peer.id].last_request_id = MAX_ID - 1
    for request in (MAX_ID, 1, 2):
        peer.send(message(request))
        assert request in peer.take()


def test_invocation_ids_count_for_each_callee(router):
    """'IDs', session scope: INVOCATION.Request is sequential in the direction router to client, from 1."""
    caller, one, two = router.join(), router.join(), router.join()
    first, second = one.register("com.one"), two.register("com.two")
    for _ in range(3):
        caller.call("com.one")
    caller.call("com.two")
    one.expect(*[[68, request, first, {}] for request in (1, 2, 3)])
    two.expect([68, 1, second, {}])


def test_the_directions_count_apart(router):
    """'IDs', session scope: "for each direction": a session that is caller and callee uses 1 in both."""
    peer = router.join()
    registration = peer.register("com.x")
    peer.call("com.x", [1])
    peer.expect([68, 1, registration, {}, [1]])
    peer.send([70, 1, {}, [2]])
    peer.expect_only([50, 2, {}, [2]])


def test_a_new_session_counts_from_one(router):
    """'IDs', session scope: the scope ends with the session."""
    peer = router.join()
    peer.subscribe("com.x")
    peer.leave()
    peer.join()
    peer.send([32, 1, {}, "com.x"])
    peer.expect([33, 1, ANY])


@pytest.mark.parametrize("serializer", ["msgpack", "cbor"])
def test_integral_floats_are_ids(serializer):
    """Clients in JavaScript send ids as doubles: "2^53 is the largest integer such that ... exactly"."""
    router = WireRouter((serializer,))
    callee, caller = router.join(), router.join()
    callee.send([64, 1.0, {}, "com.x"])
    code, request, registration = callee.take()
    assert (code, request) == (65, 1)
    caller.send([48, 1.0, {"timeout": 50}, "com.x"])
    callee.expect([68, 1, registration, {}])
    callee.send([70, 1.0, {}, ["done"]])
    caller.expect([50, 1, {}, ["done"]])
    callee.send([66, 2.0, float(registration)])
    callee.expect([67, 2])
    router.check()
