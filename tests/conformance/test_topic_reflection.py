"""WAMP AP 'Interface Reflection', topics and events: feature topic_reflection; docs/reflection.md."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter

from realms.catalogue import Catalogue, TopicEntry

LIST, DESCRIBE = "wamp.reflection.topic.list", "wamp.reflection.topic.describe"
DEFINE = "wamp.reflect.define"
ENTRY = TopicEntry(title="Prices", kwargs='{"type": "object"}')
CATALOGUE = Catalogue(
    topics={
        "com.open.price": ENTRY,
        "com.open..status": TopicEntry(description="How it is.", match="wildcard"),
        "com.secret.alarm": TopicEntry(),
    }
)


@pytest.fixture
def router(serializers):
    router = WireRouter(serializers, replace(CONFIG, catalogue=CATALOGUE))
    yield router
    router.check()


@pytest.fixture
def peer(router):
    return router.join()


@pytest.fixture
def watcher(router):
    """Give what a session is told of definitions: (name of the event, arguments)."""
    watcher = router.join()
    names = {watcher.subscribe(f"wamp.reflect.{name}"): name for name in ("on_define", "on_undefine")}

    def told():
        return [(names[message[1]], message[4]) for message in watcher.drain()]

    return told


def define(peer, *args, **kwargs):
    request = peer.call(DEFINE, list(args), kwargs)
    peer.expect([50, request, {}])


def test_welcome_says_so(peer):
    """ "HELLO.Details.roles.broker.reflection|bool := true" """
    assert peer.details["roles"]["broker"]["reflection"] is True


def test_list_and_describe(peer):
    assert peer.ask(LIST) == ["com.open.price", "com.secret.alarm"]
    assert peer.ask(LIST, match="wildcard") == ["com.open..status"]
    price = {"uri": "com.open.price", "match": "exact", "title": "Prices", "kwargs": {"type": "object"}}
    status = {"uri": "com.open..status", "match": "wildcard", "description": "How it is."}
    assert peer.ask(DESCRIBE, "com.open.price") == price
    assert peer.ask(DESCRIBE, "com.open.x.status") == status
    assert peer.ask(DESCRIBE, "com.open..status", match="wildcard") == status
    assert peer.ask(DESCRIBE, "com.nothing") is None


def test_only_what_the_session_may_use(router):
    """
    "procedures and topics it is authorized to access or provide"
    """
    guest = router.join("guest")
    assert guest.ask(LIST) == ["com.open.price"]
    assert guest.ask(DESCRIBE, "com.secret.alarm") is None
    assert guest.ask("wamp.reflect.describe", "com.secret.alarm") == {}


def test_a_publisher_describes_its_topics(router, peer):
    """Who may publish there; the guest may, under com.open."""
    guest = router.join("guest")
    define(guest, "com.open.news", {"title": "News"}, kind="topic")
    assert peer.ask(DESCRIBE, "com.open.news") == {"uri": "com.open.news", "match": "exact", "title": "News"}
    request = guest.call(DEFINE, ["com.closed", {}], {"kind": "topic"})
    guest.expect([8, 48, request, {}, "wamp.error.not_authorized", ANY])


def test_on_define_and_on_undefine(router, peer, watcher):
    """ "A topic or procedure has been defined for reflection", "has been undefined from reflection" """
    news = ["com.news", {"kind": "topic", "match": "exact"}]
    define(peer, "com.news", {"title": "News"}, kind="topic")
    assert watcher() == [("on_define", news)]
    define(peer, "com.news", {"title": "Other news"}, kind="topic")
    assert watcher() == [("on_define", news)]
    define(peer, "com.news", None, kind="topic")
    assert watcher() == [("on_undefine", news)]
    define(peer, "com.p.", {}, match="prefix")
    peer.leave()
    pattern = ["com.p.", {"kind": "procedure", "match": "prefix"}]
    assert watcher() == [("on_define", pattern), ("on_undefine", pattern)]


def test_of_several_descriptions_the_last_counts(router, peer, watcher):
    """When its session goes, the one before it does."""
    one, two = router.join("alice"), router.join("bob")
    define(one, "com.news", {"title": "one"}, kind="topic")
    define(two, "com.news", {"title": "two"}, kind="topic")
    assert peer.ask(DESCRIBE, "com.news")["title"] == "two"
    watcher()
    two.leave()
    news = ["com.news", {"kind": "topic", "match": "exact"}]
    assert watcher() == [("on_define", news)]
    assert peer.ask(DESCRIBE, "com.news")["title"] == "one"
    one.leave()
    assert watcher() == [("on_undefine", news)]


def test_a_changed_catalogue_is_told(router, peer, watcher):
    topics = {"com.open.price": replace(ENTRY, title="Price"), "com.new": TopicEntry()}
    changed = replace(CONFIG, catalogue=Catalogue(topics=topics))
    router.turn.deliver(router.realm.reconfigure(changed))
    router.end_turn()
    exact = {"kind": "topic", "match": "exact"}
    assert watcher() == [
        ("on_undefine", ["com.open..status", {"kind": "topic", "match": "wildcard"}]),
        ("on_undefine", ["com.secret.alarm", exact]),
        ("on_define", ["com.open.price", exact]),
        ("on_define", ["com.new", exact]),
    ]
    assert peer.ask(LIST) == ["com.new", "com.open.price"]
