"""What a role may do: precedence, patterns, reserved names, disclosure, and a cache that stays small."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from realms.config import Permission, RoleConfig
from realms.permissions import MAX_CACHED, MAX_CACHED_LENGTH, Grant, Role, compile_roles, shortened

EVERYTHING = ("call", "register", "publish", "subscribe")
NOT_AUTHORIZED = "wamp.error.not_authorized"
INVALID_URI = "wamp.error.invalid_uri"
INVALID_ARGUMENT = "wamp.error.invalid_argument"


def may(uri: str, match: str = "exact", allow: Any = EVERYTHING, **more: Any) -> Permission:
    return Permission(uri=uri, match=match, allow=allow, **more)  # type: ignore[arg-type]


def forbid(uri: str, match: str = "exact") -> Permission:
    return may(uri, match, ())


def role(*permissions: Permission, rules: str = "loose", uri_length: int = 100) -> Role:
    config = RoleConfig(permissions=permissions)
    return compile_roles({"clerk": config}, rules, uri_length)["clerk"]


@pytest.mark.parametrize("level", [0, 7])
def test_a_trust_level_is_part_of_the_grant(level: int) -> None:
    """WAMP AP 'Call Trust Levels', 'Publication Trust Levels': then the short way is not taken."""
    clerk = role(may("com.", "prefix", trust_level=level), may("com.x"))
    for grant in (clerk.may_call("com.y"), clerk.may_publish("com.y")):
        assert (grant.trust_level, grant.plain, grant.error) == (level, False, None)
    assert clerk.may_publish("com.x").trust_level is None
    assert clerk.may_publish("com.x").plain


def test_without_a_permission_nothing_is_allowed() -> None:
    """Every action is refused, and the text names role, action and URI."""
    clerk = role()
    for grant, action in (
        (clerk.may_call("com.x"), "call"),
        (clerk.may_register("com.x", "exact"), "register"),
        (clerk.may_publish("com.x"), "publish"),
        (clerk.may_subscribe("com.x", "exact"), "subscribe"),
    ):
        assert grant == Grant(NOT_AUTHORIZED, f"role 'clerk' may not {action} 'com.x'")
    refused = clerk.may_subscribe("com.", "prefix")
    assert refused.text == "role 'clerk' may not subscribe 'com.' with match 'prefix'"
    assert repr(clerk) == "<Role 'clerk'>"


@pytest.mark.parametrize("action", EVERYTHING)
def test_a_permission_allows_what_it_lists_and_nothing_else(action: str) -> None:
    clerk = role(may("com.x", allow=(action,)))
    allowed = {
        "call": clerk.may_call("com.x"),
        "register": clerk.may_register("com.x", "exact"),
        "publish": clerk.may_publish("com.x"),
        "subscribe": clerk.may_subscribe("com.x", "exact"),
    }
    assert [name for name, grant in allowed.items() if grant.error is None] == [action]


class TestPrecedence:
    @pytest.mark.parametrize(
        ("uri", "allowed"),
        [
            ("com.shop.admin", False),  # exact before the prefix
            ("com.shop.admin.x", True),  # the prefix com.shop. alone
            ("com.shop.internal.x", False),  # the longer prefix
            ("com.shop.internals", True),  # com.shop.internal. does not match this
            ("com.bank.status", True),  # the wildcard
            ("com.bank.other", False),  # none
            ("com.shop.status", True),  # a prefix before a wildcard
        ],
    )
    def test_the_most_specific_permission_decides_alone(self, uri: str, allowed: bool) -> None:
        clerk = role(
            may("com..status", "wildcard"),
            may("com.shop.", "prefix"),
            forbid("com.shop.internal.", "prefix"),
            forbid("com.shop.admin"),
        )
        assert (clerk.may_call(uri).error is None) is allowed

    def test_the_wildcard_with_the_longer_literal_portion_decides(self) -> None:
        """Of ``a.b..d`` and ``a..c.d`` the first decides about ``a.b.c.d`` (WAMP AP's example)."""
        assert role(may("a.b..d", "wildcard"), forbid("a..c.d", "wildcard")).may_call("a.b.c.d").error is None
        assert role(forbid("a.b..d", "wildcard"), may("a..c.d", "wildcard")).may_call("a.b.c.d").error

    def test_any_prefix_goes_before_any_wildcard(self) -> None:
        assert role(forbid("", "prefix"), may("com.x.", "wildcard")).may_call("com.x.y").error

    def test_many_wildcard_shapes_are_all_kept(self) -> None:
        """The routing tables' bound on wildcard shapes is for clients, not for the configuration."""
        patterns = [".".join("x" if number >> i & 1 else "" for i in range(8)) for number in range(200)]
        clerk = role(*(may(pattern, "wildcard") for pattern in patterns))
        assert clerk.may_call("x.x.x.y.y.y.y.y").error is None


class TestPatterns:
    @pytest.mark.parametrize(
        ("uri", "match", "allowed"),
        [
            ("com.shop.", "prefix", True),
            ("com.shop.news.", "prefix", True),
            ("com.shop", "prefix", False),  # com.shopping too
            ("com.", "prefix", False),
            ("", "prefix", False),
            ("com.shop..x", "wildcard", True),
            ("com.shop.", "wildcard", True),
            ("com.shop.a.b", "wildcard", True),
            ("com..x", "wildcard", False),
            (".shop.x", "wildcard", False),
        ],
    )
    def test_a_pattern_is_allowed_where_a_prefix_permission_covers_it(
        self, uri: str, match: str, allowed: bool
    ) -> None:
        clerk = role(may("com.shop.", "prefix"))
        assert (clerk.may_subscribe(uri, match).error is None) is allowed
        assert (clerk.may_register(uri, match).error is None) is allowed

    @pytest.mark.parametrize(
        ("uri", "match", "allowed"),
        [
            ("com..status", "wildcard", True),
            ("com.a.status", "wildcard", True),
            ("com..", "wildcard", False),
            ("com...status", "wildcard", False),
            ("..status", "wildcard", False),
            ("com.", "prefix", False),
        ],
    )
    def test_a_wildcard_permission_covers_narrower_wildcards(
        self, uri: str, match: str, allowed: bool
    ) -> None:
        assert (role(may("com..status", "wildcard")).may_subscribe(uri, match).error is None) is allowed

    @pytest.mark.parametrize(
        ("permission", "uri", "match", "allowed"),
        [
            (forbid("com.shop.admin"), "com.shop.", "prefix", False),
            (forbid("com.shop.admin"), "com.shop.b", "prefix", True),
            (forbid("com.shop.admin"), "com.shop.", "wildcard", False),
            (forbid("com.shop.admin"), "com.shop..x", "wildcard", True),
            (forbid("com.shop.admin.", "prefix"), "com.shop.", "prefix", False),
            (forbid("com.shop.admin.", "prefix"), "com.shop..x", "wildcard", False),
            (forbid("com.shop.admin.", "prefix"), "com.shop.", "wildcard", True),
            (forbid("com.shop.admin.", "prefix"), "com.shop.public.", "prefix", True),
            (forbid("com.shop.admin.", "prefix"), "com.shop.admin.x.", "prefix", False),
            (forbid("com.shop.ad", "prefix"), "com.shop.", "wildcard", False),
            (forbid("com..secret", "wildcard"), "com.shop.", "prefix", True),  # com.shop. goes before it
        ],
    )
    def test_a_permission_that_goes_before_must_not_forbid_a_part(
        self, permission: Permission, uri: str, match: str, allowed: bool
    ) -> None:
        clerk = role(may("com.shop.", "prefix"), permission)
        assert (clerk.may_subscribe(uri, match).error is None) is allowed

    def test_a_wildcard_that_goes_before_must_not_forbid_a_part_of_a_wildcard(self) -> None:
        clerk = role(may("com..", "wildcard"), forbid("com.admin.", "wildcard"))
        assert clerk.may_subscribe("com..x", "wildcard").error == NOT_AUTHORIZED
        assert clerk.may_subscribe("com.shop.", "wildcard").error is None

    def test_a_broader_permission_that_forbids_does_not_count(self) -> None:
        """What ``com.shop.`` allows stays allowed under a general permission that allows less."""
        clerk = role(may("", "prefix", ("call",)), may("com.shop.", "prefix"), forbid("...", "wildcard"))
        assert clerk.may_subscribe("com.shop.", "prefix").error is None
        assert clerk.may_subscribe("com.shop..x", "wildcard").error is None
        assert clerk.may_subscribe("com.bank.", "prefix").error == NOT_AUTHORIZED


components = st.sampled_from(["a", "b", "ab"])
concrete = st.lists(components, min_size=1, max_size=4).map(".".join)
wildcards = st.lists(st.sampled_from(["a", "b", "ab", ""]), min_size=1, max_size=4).map(".".join)
prefixes = st.builds(lambda uri, cut: uri[:cut], concrete, st.integers(0, 9)).filter(
    lambda uri: not uri.startswith(".")
)
of_match = {"exact": concrete, "prefix": prefixes, "wildcard": wildcards}
patterns = st.sampled_from(["prefix", "wildcard"]).flatmap(lambda m: st.tuples(st.just(m), of_match[m]))
permissions = st.sampled_from(["exact", "prefix", "wildcard"]).flatmap(
    lambda m: st.builds(may, of_match[m], st.just(m), st.sampled_from([(), EVERYTHING, ("call",)]))
)
tables = st.lists(permissions, max_size=6, unique_by=lambda p: (p.match, p.uri))


def matches(match: str, pattern: str, uri: str) -> bool:
    if match == "prefix":
        return uri.startswith(pattern)
    ours, theirs = pattern.split("."), uri.split(".")
    return len(ours) == len(theirs) and all(a in ("", b) for a, b in zip(ours, theirs, strict=True))


def members(match: str, pattern: str) -> st.SearchStrategy[str]:
    """Draw concrete URIs that the pattern stands for."""
    if match == "prefix":
        ends = st.one_of(st.just(""), components, concrete, concrete.map(lambda uri: "." + uri))
        found = ends.map(lambda end: pattern + end)
        return found.filter(lambda uri: uri != "" and ".." not in uri and uri[-1] != "." and uri[0] != ".")
    parts = [st.just(part) if part else components for part in pattern.split(".")]
    return st.tuples(*parts).map(".".join)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_member_of_an_allowed_pattern_is_forbidden(data: st.DataObject) -> None:
    """Whatever the permissions: who may subscribe a pattern may subscribe each URI that it stands for."""
    table = data.draw(tables)
    match, pattern = data.draw(patterns)
    clerk = role(*table)
    if clerk.may_subscribe(pattern, match).error is None:
        uri = data.draw(members(match, pattern))
        assert matches(match, pattern, uri)
        assert clerk.may_subscribe(uri, "exact").error is None, (table, match, pattern, uri)


@settings(max_examples=150, deadline=None)
@given(tables, patterns)
def test_a_pattern_whose_own_permission_is_there_is_refused_for_a_reason(
    table: list[Permission], chosen: tuple[str, str]
) -> None:
    """A permission for just this pattern counts, unless one that goes before it forbids something."""
    match, pattern = chosen
    others = [p for p in table if (p.match, p.uri) != (match, pattern)]
    clerk = role(may(pattern, match), *others)
    if clerk.may_subscribe(pattern, match).error is not None:
        assert any("subscribe" not in p.allow for p in others)
        without = [p for p in others if "subscribe" in p.allow]
        assert role(may(pattern, match), *without).may_subscribe(pattern, match).error is None


class TestReservedNames:
    """Only the router and its extensions publish and register under these."""

    @pytest.mark.parametrize("uri", ["wamp.x", "wamp", "concord.a.b", "concord", "dstm.a", "dstm"])
    def test_no_client_publishes_or_registers_there(self, uri: str) -> None:
        clerk = role(may("", "prefix"), may(uri))
        for grant in (clerk.may_publish(uri), clerk.may_register(uri, "exact")):
            assert grant.error == NOT_AUTHORIZED
            assert grant.text.startswith("wamp.*, concord.*, dstm.* are the router's own: clients may not ")
        assert clerk.may_register("wamp.", "prefix").error == NOT_AUTHORIZED
        assert clerk.may_subscribe(uri, "exact").error is None

    def test_a_name_is_said_once(self) -> None:
        """The name of an extension may be one that is reserved anyway."""
        config = RoleConfig(permissions=(may("", "prefix"),))
        clerk = compile_roles({"clerk": config}, "loose", 100, ("wamp.", "dstm.", "dstm."))["clerk"]
        assert clerk.may_publish("dstm.x").text.startswith("wamp.*, dstm.* are the router's own")

    def test_names_that_only_look_alike_are_free(self) -> None:
        clerk = role(may("", "prefix"))
        for uri in ("wampum.x", "com.wamp.x", "concordia"):
            assert clerk.may_publish(uri).error is None
            assert clerk.may_register(uri, "exact").error is None

    def test_a_call_there_is_never_plain(self) -> None:
        """The router answers it itself, so that the realm has to look again."""
        clerk = role(may("", "prefix"))
        assert clerk.may_call("com.x").plain
        assert not clerk.may_call("wamp.session.count").plain
        assert not clerk.may_call("dstm.read").plain


class TestDisclosure:
    @pytest.mark.parametrize(
        ("disclosure", "expected"),
        [
            ("on_request", Grant(discloses=False, may_disclose=True, plain=True)),
            ("always", Grant(discloses=True, may_disclose=True, plain=False)),
            ("never", Grant(discloses=False, may_disclose=False, plain=True)),
        ],
    )
    def test_is_part_of_the_grant(self, disclosure: str, expected: Grant) -> None:
        clerk = role(may("com.x", disclosure=disclosure))
        assert clerk.may_publish("com.x") == expected
        # The callee may ask who calls: where it must never learn that, a call is not plain.
        plain = disclosure == "on_request"
        assert clerk.may_call("com.x") == structs.replace(expected, plain=plain)


class TestInvalidRequests:
    def test_a_uri_that_breaks_the_rules(self) -> None:
        clerk = role(may("", "prefix"), rules="strict")
        grants = (
            clerk.may_call("Com.X"),
            clerk.may_publish("Com.X"),
            clerk.may_register("Com.X", "exact"),
            clerk.may_subscribe("Com.X", "exact"),
        )
        text = "'Com.X' is no valid URI for match 'exact' (rules: strict)"
        assert grants == (Grant(INVALID_URI, text),) * 4
        assert clerk.may_subscribe("com..x", "exact").error == INVALID_URI
        assert clerk.may_subscribe("com..x", "wildcard").error is None

    def test_a_uri_that_is_too_long(self) -> None:
        """The text gives the limit; the URI itself, which may be huge, is not sent back."""
        clerk = role(may("", "prefix"), uri_length=20)
        assert clerk.may_call("x" * 20).error is None
        assert clerk.may_call("x" * 21) == Grant(INVALID_URI, "a URI may have 20 characters, got 21")

    @pytest.mark.parametrize("match", ["fuzzy", "", 7, 1.5, ["exact"], {"a": 1}, True, b"exact"])
    def test_a_match_policy_that_is_none(self, match: Any) -> None:
        for decide in (role().may_register, role().may_subscribe):
            grant = decide("com.x", match)
            assert grant.error == INVALID_ARGUMENT
            assert grant.text.startswith("match must be one of exact, prefix, wildcard, got ")

    def test_what_is_shown_of_a_value_is_bounded(self) -> None:
        assert len(shortened("x" * 10_000)) == 100
        assert shortened([["x" * 10_000]]) == "a list"


class TestCache:
    def test_remembers_a_decision(self) -> None:
        clerk = role(may("com.", "prefix"))
        assert clerk.call == clerk.publish == clerk.register == clerk.subscribe == {}
        assert clerk.call.get("com.x") is None
        grant = clerk.may_call("com.x")
        assert clerk.call == {"com.x": grant}
        refused = clerk.may_publish("org.x")
        assert clerk.publish == {"org.x": refused}
        assert list(clerk.register) == []
        clerk.may_register("com.x", "exact")
        clerk.may_register("com.x", "prefix")
        assert list(clerk.register) == [("exact", "com.x"), ("prefix", "com.x")]
        clerk.may_subscribe("com.x", "wildcard")
        assert list(clerk.subscribe) == [("wildcard", "com.x")]

    def test_never_holds_more_than_its_limit(self) -> None:
        """A client that asks for ever new URIs does not make the router grow."""
        clerk = role(may("com.", "prefix"))
        for number in range(MAX_CACHED + 5):
            clerk.may_call(f"com.x{number}")
        assert len(clerk.call) == 5

    def test_never_holds_long_or_invalid_uris(self) -> None:
        clerk = role(may("", "prefix"), uri_length=MAX_CACHED_LENGTH + 1)
        allowed = "x" * (MAX_CACHED_LENGTH + 1)
        for uri in (allowed, allowed + "x", "wamp." + "x" * 10_000, "no uri", ""):
            clerk.may_call(uri)
            clerk.may_publish(uri)
            clerk.may_register(uri, "exact")
            clerk.may_subscribe(uri, "exact")
        clerk.may_subscribe("com.x", "y" * 10_000)
        assert clerk.may_call(allowed).error is None
        assert clerk.call == clerk.publish == clerk.register == clerk.subscribe == {}
