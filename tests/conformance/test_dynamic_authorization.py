"""
WAMP AP 'Authorization': a router "decides within a Realm whether an Action on an URI or URI pattern is
allowed for the requesting Principal". Here a procedure decides.
"""

from collections.abc import Iterator

import pytest
from msgspec import structs
from wire_router import ANY, CONFIG, WirePeer, WireRouter, text

from realms.config import RoleConfig

AUTHORIZE = "com.example.authorize"


@pytest.fixture
def router(serializers: tuple[str, ...]) -> Iterator[WireRouter]:
    """The role of alice and bob has no permission, and an authorizer."""
    roles = {**CONFIG.roles, "user": RoleConfig(authorizer=AUTHORIZE)}
    router = WireRouter(serializers, structs.replace(CONFIG, roles=roles))
    yield router
    router.check()


@pytest.fixture
def authorizer(router: WireRouter) -> WirePeer:
    peer = router.join()
    peer.register(AUTHORIZE)
    return peer


def question(authorizer: WirePeer, session: WirePeer, uri: str, action: str, options: object) -> int:
    """Expect a question, and give the request id of its answer."""
    code, request, _, details, args = authorizer.take()
    assert (code, details) == (68, {})
    assert args[0]["session"] == session.id
    assert args[1:] == [uri, action, options]
    return int(request)


@pytest.mark.parametrize(
    ("wire", "uri", "action", "options"),
    [
        ([16, 1, {"acknowledge": True}, "com.t"], "com.t", "publish", {"acknowledge": True}),
        ([32, 1, {}, "com.t"], "com.t", "subscribe", {"match": "exact"}),
        ([32, 1, {"match": "wildcard"}, "com..t"], "com..t", "subscribe", {"match": "wildcard"}),
        ([64, 1, {"match": "prefix"}, "com."], "com.", "register", {"match": "prefix"}),
        ([48, 1, {}, "wamp.session.count"], "wamp.session.count", "call", {}),
    ],
)
@pytest.mark.parametrize("allow", [True, False])
def test_each_action(router, authorizer, wire, uri, action, options, allow):
    """ "whether an Action on an URI or URI pattern is allowed": the procedure says it of each."""
    alice = router.join("alice")
    if action == "register":  # of this pattern the authorizer's own procedure is a part
        wire, uri = [64, 1, {"match": "prefix"}, "org."], "org."
    alice.send(wire)
    alice.expect_nothing()
    request = question(authorizer, alice, uri, action, options)
    authorizer.send([70, request, {}, [allow]])
    if allow:
        assert alice.take()[0] in (17, 33, 65, 50)
    else:
        alice.expect([8, wire[0], 1, {}, "wamp.error.not_authorized", ANY])


def test_failures_are_secure(router, authorizer):
    """
    'Authorization': "rejected due to a technical runtime failure ("fail secure" operation)".
    """
    alice = router.join("alice")
    for n, answer in enumerate(([8, 68, 1, {}, "com.oops"], [70, 2, {}, ["maybe"]], None), 1):
        alice.send([48, n, {}, "com.x"])
        question(authorizer, alice, "com.x", "call", {})
        if answer is None:
            router.advance(5001)
            authorizer.expect([69, 3, ANY])
        else:
            authorizer.send(answer)
        alice.expect([8, 48, n, {}, "wamp.error.authorization_failed", [text("could not be decided")]])


def test_the_order_of_a_session_is_kept(router, authorizer):
    """BP 'Transports': messages of a session are ordered; an answer that takes time changes nothing."""
    alice, subscriber = router.join("alice"), router.join()
    subscription = subscriber.subscribe("com.t")
    for n in (1, 2, 3):
        alice.send([16, n, {}, "com.t", [n]])
    for n in (1, 2, 3):
        request = question(authorizer, alice, "com.t", "publish", {})
        authorizer.expect_nothing()
        authorizer.send([70, request, {}, [True]])
        subscriber.expect_only([36, subscription, ANY, {}, [n]])


def test_an_answer_that_is_remembered(router, authorizer):
    """A further request is not asked about while an answer counts."""
    alice = router.join("alice")
    alice.send([48, 1, {}, "wamp.session.count"])
    request = question(authorizer, alice, "wamp.session.count", "call", {})
    authorizer.send([70, request, {}, [{"allow": True, "cache": True, "ttl_ms": 1000}]])
    alice.send([48, 2, {}, "wamp.session.count"])
    alice.expect([50, 1, {}, [2]], [50, 2, {}, [2]])
    router.advance(1001)
    alice.send([48, 3, {}, "wamp.session.count"])
    authorizer.send([70, question(authorizer, alice, "wamp.session.count", "call", {}), {}, [False]])
    alice.expect([8, 48, 3, {}, "wamp.error.not_authorized", ANY])
