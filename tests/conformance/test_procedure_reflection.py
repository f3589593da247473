"""WAMP AP 'Interface Reflection', procedures and errors: feature procedure_reflection; docs/reflection.md."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter

from realms.catalogue import Catalogue, ErrorEntry, ProcedureEntry

LIST, DESCRIBE = "wamp.reflection.procedure.list", "wamp.reflection.procedure.describe"
DEFINE = "wamp.reflect.define"
CATALOGUE = Catalogue(
    procedures={
        "com.open.add": ProcedureEntry(
            title="Add", args='{"type": "array"}', errors=("com.open.error.overflow",), deprecated=True
        ),
        "com.open.math.": ProcedureEntry(title="Mathematics", match="prefix"),
        "com.secret.launch": ProcedureEntry(title="Launch"),
    },
    errors={"com.open.error.overflow": ErrorEntry(title="Too large", kwargs='{"type": "object"}')},
)
ADD = {
    "uri": "com.open.add",
    "match": "exact",
    "title": "Add",
    "args": {"type": "array"},
    "errors": ["com.open.error.overflow"],
    "deprecated": True,
    "registered": False,
}


@pytest.fixture
def router(serializers):
    router = WireRouter(serializers, replace(CONFIG, catalogue=CATALOGUE))
    yield router
    router.check()


@pytest.fixture
def peer(router):
    return router.join()


def define(peer, *args, **kwargs):
    request = peer.call(DEFINE, list(args), kwargs)
    peer.expect([50, request, {}])


def refused(peer, error, *args, **kwargs):
    request = peer.call(DEFINE, list(args), kwargs)
    peer.expect([8, 48, request, {}, error, ANY])


def test_welcome_says_so(peer):
    """ "HELLO.Details.roles.dealer.reflection|bool := true" """
    assert peer.details["roles"]["dealer"]["reflection"] is True


def test_list(router, peer):
    """What the catalogue has, and what is registered, described or not."""
    assert peer.ask(LIST) == ["com.open.add", "com.secret.launch"]
    peer.register("com.open.add")
    peer.register("com.x")
    peer.register("com.p.", match="prefix")
    assert peer.ask(LIST) == ["com.open.add", "com.secret.launch", "com.x"]
    assert peer.ask(LIST, match="prefix") == ["com.open.math.", "com.p."]
    assert peer.ask(LIST, match="wildcard") == []


def test_describe(peer):
    """What the catalogue says, and whether it is registered now."""
    assert peer.ask(DESCRIBE, "com.open.add") == ADD
    peer.register("com.open.add")
    assert peer.ask(DESCRIBE, "com.open.add") == {**ADD, "registered": True}
    assert peer.ask(DESCRIBE, "com.nothing") is None
    assert peer.ask(DESCRIBE, "no uri") is None


def test_what_is_registered_and_not_described(peer):
    peer.register("com.x")
    assert peer.ask(DESCRIBE, "com.x") == {"uri": "com.x", "match": "exact", "registered": True}


def test_patterns(peer):
    """Without match, the best description of a concrete URI; with it, that of the pattern itself."""
    found = {"uri": "com.open.math.", "match": "prefix", "title": "Mathematics", "registered": False}
    assert peer.ask(DESCRIBE, "com.open.math.sqrt") == found
    assert peer.ask(DESCRIBE, "com.open.math.", match="prefix") == found
    assert peer.ask(DESCRIBE, "com.open.math.sqrt", match="exact") is None
    peer.register("com.open.math.", match="prefix")
    assert peer.ask(DESCRIBE, "com.open.math.sqrt")["registered"] is True


def test_only_what_the_session_may_use(router, peer):
    """
    "procedures and topics it is authorized to access or provide"
    """
    peer.register("com.x")
    guest = router.join("guest")
    assert guest.ask(LIST) == ["com.open.add"]
    assert guest.ask(DESCRIBE, "com.open.add") == ADD
    assert guest.ask(DESCRIBE, "com.secret.launch") is None
    assert guest.ask(DESCRIBE, "com.x") is None
    assert guest.ask(LIST, match="prefix") == ["com.open.math."]


def test_errors(router, peer):
    """wamp.reflection.error.list and describe: shown to everybody who may call them."""
    guest = router.join("guest")
    for session in (peer, guest):
        assert session.ask("wamp.reflection.error.list") == ["com.open.error.overflow"]
        assert session.ask("wamp.reflection.error.describe", "com.open.error.overflow") == {
            "uri": "com.open.error.overflow",
            "match": "exact",
            "title": "Too large",
            "kwargs": {"type": "object"},
        }
    assert peer.ask("wamp.reflection.error.describe", "com.open.add") is None


def test_a_callee_describes_what_it_offers(router, peer):
    """ "A topic or procedure is defined for reflection: wamp.reflect.define" """
    callee = router.join("alice")
    define(callee, "com.mul", {"title": "Multiply", "args": {"type": "array"}, "description": None})
    found = {"uri": "com.mul", "match": "exact", "title": "Multiply", "args": {"type": "array"}}
    assert peer.ask(DESCRIBE, "com.mul") == {**found, "registered": False}
    assert "com.mul" in peer.ask(LIST)
    define(callee, "com.mul", {"title": "Times"})
    assert peer.ask(DESCRIBE, "com.mul")["title"] == "Times"
    define(callee, "com.mul", None)
    assert peer.ask(DESCRIBE, "com.mul") is None


def test_a_description_ends_with_its_session(router, peer):
    callee = router.join("alice")
    define(callee, "com.mul.", {"title": "a"}, kind="procedure", match="prefix")
    define(callee, "com.mul.error", {"title": "b"}, kind="error")
    callee.vanish()
    assert peer.ask(LIST, match="prefix") == ["com.open.math."]
    assert peer.ask("wamp.reflection.error.list") == ["com.open.error.overflow"]


def test_who_may_describe(router, peer):
    """Who may provide it; and what the realm's configuration describes, nobody else does."""
    guest = router.join("guest")
    refused(guest, "wamp.error.not_authorized", "com.open.mul", {})
    refused(peer, "wamp.error.not_authorized", "com.open.add", {"title": "Mine"})
    refused(peer, "wamp.error.not_authorized", "wamp.session.count", {"title": "Mine"})
    refused(peer, "wamp.error.invalid_uri", "com..x", {})


def test_describe_whatever_it_is(router, peer):
    """ "A topic or procedure is asked to be described (reflected upon): wamp.reflect.describe" """
    define(peer, "com.open.add", {"title": "Sums"}, kind="topic")
    assert peer.ask("wamp.reflect.describe", "com.open.add") == {
        "procedure": ADD,
        "topic": {"uri": "com.open.add", "match": "exact", "title": "Sums"},
    }
    assert peer.ask("wamp.reflect.describe", "com.nothing") == {}


@pytest.mark.parametrize(
    ("procedure", "args", "kwargs"),
    [
        (LIST, ["com.x"], {}),
        (LIST, [], {"match": "regex"}),
        (DESCRIBE, [], {}),
        (DESCRIBE, [5], {}),
        (DEFINE, ["com.x", "text"], {}),
        (DEFINE, ["com.x", {"titel": "a"}], {}),
        (DEFINE, ["com.x", {"title": 5}], {}),
        (DEFINE, ["com.x", {"args": "{}"}], {}),
        (DEFINE, ["com.x", {"errors": ["a b"]}], {}),
        (DEFINE, ["com.x", {"deprecated": 1}], {}),
        (DEFINE, ["com.x", {}], {"kind": "thing"}),
        (DEFINE, ["com.", {}], {"kind": "topic", "match": "prefix"}),
        (DEFINE, ["com.x", None], {}),
    ],
)
def test_arguments_are_checked(peer, procedure, args, kwargs):
    request = peer.call(procedure, args, kwargs)
    peer.expect([8, 48, request, {}, "wamp.error.invalid_argument", ANY])
