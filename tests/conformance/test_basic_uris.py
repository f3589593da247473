"""WAMP BP 'URIs' and 'Basic Profile URIs'."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter

INVALID = "wamp.error.invalid_uri"

# 'Relaxed/Loose URIs': components must not contain ".", "#" or white space, and must not be empty.
NO_URIS = [
    "",
    ".",
    "com.",
    ".com",
    "com..app",
    "com.my app",
    "com.#app",
    "com.app\n",
    "com.app\u00a0x",
    "com.\x00app",
    "com.\x7f\u2028",
    "a\tb",
    "#",
]
LOOSE = ["com", "com.myapp.topic1", "Com.My-App.Thing!", "com.ünï.☃", "1.2.3", "a_b.c", "com/app", "a:b@c"]
STRICT = ["com", "com.myapp.topic1", "1.2.3", "a_b.c", "_"]
REQUESTS = {
    "PUBLISH": lambda uri: [16, 1, {"acknowledge": True}, uri],
    "SUBSCRIBE": lambda uri: [32, 1, {}, uri],
    "CALL": lambda uri: [48, 1, {}, uri],
    "REGISTER": lambda uri: [64, 1, {}, uri],
}


@pytest.fixture(params=REQUESTS)
def message(request):
    """Give each request that names a resource: its URI -> wire array."""
    return REQUESTS[request.param]


@pytest.mark.parametrize("uri", NO_URIS)
def test_an_incorrect_uri(router, message, uri):
    """
    'Incorrect URIs': "MUST respond with an ERROR message and give ... wamp.error.invalid_uri"; the session
    lives on.
    """
    peer = router.join()
    peer.send(message(uri))
    peer.expect([8, message(uri)[0], 1, {}, INVALID, ANY])
    peer.send([32, 2, {}, "com.x"])
    peer.expect_only([33, 2, ANY])


def test_an_incorrect_realm(router):
    """'Incorrect URIs': "(e.g. realm, topic)"; before there is a session, the answer is ABORT."""
    peer = router.peer()
    peer.hello(realm="no realm")
    peer.expect_abort(INVALID)


def test_an_incorrect_topic_without_acknowledge(router):
    """'PUBLISH': "By default, publications are unacknowledged, and the Broker will not respond"."""
    peer = router.join()
    peer.publish("no topic")
    peer.expect_nothing()
    peer.publish("com.x", acknowledge=True)
    peer.expect([17, 2, ANY])


@pytest.mark.parametrize("uri", LOOSE)
def test_loose_uris(router, uri):
    """'Relaxed/Loose URIs': anything else is allowed in a component, in any language."""
    peer = router.join()
    registration = peer.register(uri)
    peer.call(uri)
    peer.expect([68, 1, registration, {}])
    subscription = peer.subscribe(uri)
    peer.publish(uri, exclude_me=False)
    peer.expect([36, subscription, ANY, {}])


@pytest.mark.parametrize("uri", LOOSE)
def test_strict_uris(serializers, message, uri):
    """'Strict URIs': "components SHOULD only contain lower-case letters, digits and _", where configured."""
    router = WireRouter(serializers, replace(CONFIG, uri_check="strict"))
    peer = router.join()
    peer.send(message(uri))
    answer = peer.take()
    assert (INVALID in answer) == (uri not in STRICT), answer


@pytest.mark.parametrize(
    ("match", "uri"), [("prefix", ""), ("prefix", "com."), ("wildcard", "com..x"), ("wildcard", ".")]
)
@pytest.mark.parametrize("code", [32, 64])
def test_empty_components_in_patterns(router, code, match, uri):
    """'URIs': empty components "may be used to denote wildcard components"."""
    peer = router.join()
    peer.send([code, 1, {"match": match}, uri])
    assert peer.drain()[0] == [code + 1, 1, ANY]


@pytest.mark.parametrize(
    ("match", "uri"),
    [("prefix", "com .x"), ("prefix", "com..x"), ("wildcard", "com. .x"), ("wildcard", "com.#")],
)
@pytest.mark.parametrize("code", [32, 64])
def test_incorrect_patterns(router, code, match, uri):
    """'URIs': the other rules hold for patterns, too."""
    peer = router.join()
    peer.send([code, 1, {"match": match}, uri])
    peer.expect([8, code, 1, {}, INVALID, ANY])


@pytest.mark.parametrize("uri", ["wamp", "wamp.x", "wamp.session.on_join"])
@pytest.mark.parametrize("code", [16, 64])
def test_reserved_uris(router, code, uri):
    """'Reserved URIs': "application URIs MUST NOT use wamp as a first URI component"."""
    peer = router.join()
    peer.send([code, 1, {"acknowledge": True}, uri])
    peer.expect([8, code, 1, {}, "wamp.error.not_authorized", ANY])


def test_reserved_means_the_first_component(router):
    """'Reserved URIs': "wamp" elsewhere, or as a part of a component, is the application's."""
    peer = router.join()
    for uri in ("wampum.x", "com.wamp.x"):
        peer.register(uri)


def test_a_pattern_does_not_take_calls_of_reserved_uris(router):
    """
    'Reserved URIs': what the protocol does not define there does not exist, whoever registered a pattern.
    """
    callee, caller = router.join(), router.join()
    callee.register("", match="prefix")
    callee.register(".session.", match="wildcard")
    caller.call("wamp.session.invented")
    caller.expect([8, 48, 1, {}, "wamp.error.no_such_procedure", ANY])
    assert caller.ask("wamp.session.count") == 2
    assert caller.ask("wamp.registration.match", "wamp.session.count") is None
    assert caller.ask("wamp.registration.match", "wamp.session.invented") is None
    callee.expect_nothing()


def test_not_authorized(router):
    """'Authorization': "since the Peer is not authorized to perform the operation"."""
    peer = router.join("guest")
    peer.send([16, 1, {"acknowledge": True}, "com.x"], [32, 2, {}, "com.x"], [48, 3, {}, "com.x"])
    peer.send([64, 4, {}, "com.open.x"])
    peer.expect(
        *[[8, code, n, {}, "wamp.error.not_authorized", ANY] for n, code in enumerate((16, 32, 48, 64), 1)]
    )


def test_a_url_that_is_too_long(router):
    """The limit of a URI's length is named."""
    peer = router.join()
    peer.call("com." + "x" * 1000)
    answer = peer.take()
    assert answer[:5] == [8, 48, 1, {}, INVALID]
    assert "512" in answer[5][0]
