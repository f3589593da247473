"""WAMP AP 'Registration Meta API': feature registration_meta_api."""

import pytest
from wire_router import ANY, CREATED

NO_SUCH = "wamp.error.no_such_registration"
PROCEDURES = ("get", "list_callees", "count_callees")
EVENTS = ("on_create", "on_register", "on_unregister", "on_delete")


@pytest.fixture
def peer(router):
    return router.join()


@pytest.fixture
def watcher(router):
    """Give a session that is subscribed to each of the events: ``told`` gives what it received."""
    watcher = router.join()
    topics = {watcher.subscribe(f"wamp.registration.{name}"): name for name in EVENTS}

    def told():
        messages = watcher.drain()
        assert all(message[0] == 36 and message[3] == {} and len(message) == 5 for message in messages)
        return [(topics[message[1]], message[4]) for message in messages]

    return told


def details(registration, uri, match="exact", invoke="single"):
    return {"id": registration, "created": CREATED, "uri": uri, "match": match, "invoke": invoke}


def test_on_create_and_on_register(peer, watcher):
    """
    "on_register event MUST be fired subsequent to a wamp.registration.on_create event"
    """
    registration = peer.register("com.x", match="prefix", invoke="first")
    created = [peer.id, details(registration, "com.x", "prefix", "first")]
    assert watcher() == [("on_create", created), ("on_register", [peer.id, registration])]


def test_on_unregister_and_on_delete(peer, watcher):
    """
    "on_delete event MUST be preceded by a wamp.registration.on_unregister event"
    """
    registration = peer.register("com.x")
    watcher()
    peer.send([66, peer.next(), registration])
    peer.expect([67, 2])
    ids = [peer.id, registration]
    assert watcher() == [("on_unregister", ids), ("on_delete", ids)]


@pytest.mark.parametrize("how", ["leave", "vanish"])
def test_a_session_that_leaves_is_detached(router, watcher, how):
    """
    "Fired when a Callee session is removed from a registration", whatever removes it.
    """
    one, two = router.join(), router.join()
    registration = one.register("com.x", invoke="first")
    two.register("com.x", invoke="first")
    watcher()
    getattr(one, how)()
    assert watcher() == [("on_unregister", [one.id, registration])]
    getattr(two, how)()
    assert watcher() == [("on_unregister", [two.id, registration]), ("on_delete", [two.id, registration])]


def test_a_second_callee_creates_nothing(router, peer, watcher):
    """on_create is for "a URI which was previously without a registration"."""
    registration = peer.register("com.x", invoke="last")
    watcher()
    other = router.join()
    other.register("com.x", invoke="last")
    assert watcher() == [("on_register", [other.id, registration])]


def test_a_refused_request_is_no_event(router, peer, watcher):
    """Meta events tell of changes."""
    peer.register("com.x")
    watcher()
    other = router.join()
    other.send([64, 1, {}, "com.x"], [66, 2, 99])
    assert [message[0] for message in other.drain()] == [8, 8]
    assert watcher() == []


def test_list(peer):
    """wamp.registration.list: "A dictionary with a list of registration IDs for each match policy." """
    assert peer.ask("wamp.registration.list") == {"exact": [], "prefix": [], "wildcard": []}
    one, two = peer.register("com.a"), peer.register("com.b")
    prefix = peer.register("com", match="prefix")
    wildcard = peer.register("com.", match="wildcard")
    assert peer.ask("wamp.registration.list") == {
        "exact": [one, two],
        "prefix": [prefix],
        "wildcard": [wildcard],
    }


def test_lookup(peer):
    """wamp.registration.lookup: "managing a procedure, according to some match policy", or null."""
    exact, prefix = peer.register("com.x"), peer.register("com.x", match="prefix")
    assert peer.ask("wamp.registration.lookup", "com.x") == exact
    assert peer.ask("wamp.registration.lookup", "com.x", {}) == exact
    assert peer.ask("wamp.registration.lookup", "com.x", {"match": "prefix", "invoke": "single"}) == prefix
    assert peer.ask("wamp.registration.lookup", "com.x", {"match": "wildcard"}) is None
    assert peer.ask("wamp.registration.lookup", "com.x.y", {"match": "prefix"}) is None


def test_match(peer):
    """wamp.registration.match: "The ID of best matching registration, or null." """
    exact, prefix = peer.register("com.x.y"), peer.register("com.x", match="prefix")
    wildcard = peer.register("com..z", match="wildcard")
    found = [peer.ask("wamp.registration.match", uri) for uri in ("com.x.y", "com.x.z", "com.y.z", "org.x")]
    assert found == [exact, prefix, wildcard, None]


def test_get(peer):
    """wamp.registration.get: RegistrationDetails."""
    registration = peer.register("com..x", match="wildcard", invoke="random")
    assert peer.ask("wamp.registration.get", registration) == details(
        registration, "com..x", "wildcard", "random"
    )


def test_callees(router, peer):
    """wamp.registration.list_callees and count_callees."""
    other = router.join()
    registration = peer.register("com.x", invoke="roundrobin")
    other.register("com.x", invoke="roundrobin")
    assert peer.ask("wamp.registration.list_callees", registration) == [peer.id, other.id]
    assert peer.ask("wamp.registration.count_callees", registration) == 2
    other.vanish()
    assert peer.ask("wamp.registration.list_callees", registration) == [peer.id]
    assert peer.ask("wamp.registration.count_callees", registration) == 1


@pytest.mark.parametrize("name", PROCEDURES)
def test_no_such_registration(peer, name):
    """
    "No registration with the given ID exists on the router."
    """
    registration = peer.register("com.x")
    peer.send([66, peer.next(), registration])
    peer.expect([67, 2])
    for unknown in (registration, 4711):
        request = peer.call(f"wamp.registration.{name}", [unknown])
        peer.expect([8, 48, request, {}, NO_SUCH, ANY])


@pytest.mark.parametrize(
    ("name", "args"),
    [
        *((name, args) for name in PROCEDURES for args in ([], ["1"], [None], [1, 2])),
        ("list", [1]),
        *(
            ("lookup", args)
            for args in ([], [1], ["com.x", "prefix"], ["com.x", {"match": "x"}], ["a", {}, 1])
        ),
        *(("match", args) for args in ([], [1], ["com.x", 1])),
    ],
)
def test_arguments_are_checked(peer, name, args):
    """'Interaction', wamp.error.invalid_argument: "argument types or values are not acceptable"."""
    request = peer.call(f"wamp.registration.{name}", args)
    peer.expect([8, 48, request, {}, "wamp.error.invalid_argument", ANY])


def test_lookup_and_match_agree_with_dispatch(router, peer):
    """Ghost registrations (crossbar#2187): after whatever ends, dispatch and the meta API say the same."""
    callees = [router.join() for _ in range(3)]
    for callee in callees:
        callee.register("com.x", invoke="first")
    callees[2].register("com", match="prefix")
    for callee in callees:
        found = peer.ask("wamp.registration.match", "com.x")
        peer.call("com.x")
        assert callee.drain()[-1][2] == found
        assert peer.ask("wamp.registration.list_callees", found)[0] == callee.id
        callee.vanish()
        peer.expect([8, 48, ANY, {}, "wamp.error.canceled", ANY])
    assert peer.ask("wamp.registration.match", "com.x") is None
    request = peer.call("com.x")
    peer.expect([8, 48, request, {}, "wamp.error.no_such_procedure", ANY])
