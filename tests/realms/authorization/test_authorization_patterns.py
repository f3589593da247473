"""How permissions relate to each other: which covers which, and which never decides."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realms.authorization.patterns import covers, eclipsing, is_in
from realms.config import Permission
from router.routing.matching import PatternTable


def pattern(text: str) -> Permission:
    """Read ``"prefix com."``."""
    match, _, uri = text.partition(" ")
    return Permission(uri=uri, match=match)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mine", "asked", "expected"),
    [
        ("exact com.x", "exact com.x", True),
        ("exact com.x", "exact com.y", False),
        ("exact com.x", "prefix com.x", False),
        ("exact com.x", "wildcard com.x", False),
        ("prefix com.", "exact com.x", True),
        ("prefix com.", "exact co", False),
        ("prefix com.", "prefix com.a", True),
        ("prefix com.a", "prefix com.", False),
        ("prefix com.", "wildcard com..x", True),
        ("prefix com.a", "wildcard com..x", False),
        ("wildcard com..x", "exact com.a.x", True),
        ("wildcard com..x", "exact com.a.y", False),
        ("wildcard com..x", "prefix com.a.x", False),
        ("wildcard com..", "wildcard com..x", True),
        ("wildcard com..x", "wildcard com..", False),
    ],
)
def test_covers(mine: str, asked: str, expected: bool) -> None:
    other = pattern(asked)
    assert covers(pattern(mine), other.uri, other.match) is expected


@pytest.mark.parametrize(
    ("mine", "others", "expected"),
    [
        ("wildcard com..x", ["prefix com."], "prefix com."),
        ("wildcard com..x", ["prefix "], "prefix "),
        ("wildcard com..x", ["prefix com.a"], None),
        ("wildcard com.x", ["exact com.x"], "exact com.x"),
        ("wildcard com.x", ["exact com.y"], None),
        ("wildcard com..x", ["wildcard .."], None),
        ("wildcard ..", ["wildcard com..x"], None),
        ("prefix com.", ["prefix ", "prefix com.a"], None),
        ("exact com.x", ["prefix com."], None),
    ],
)
def test_what_goes_before_a_permission_everywhere(mine: str, others: list[str], expected: str | None) -> None:
    found = eclipsing(pattern(mine), [pattern(other) for other in others])
    assert (None if found is None else f"{found.match} {found.uri}") == expected


components = st.sampled_from(["a", "b", "ab"])
concrete = st.lists(components, min_size=1, max_size=4).map(".".join)
wildcards = st.lists(st.sampled_from(["a", "b", ""]), min_size=1, max_size=4).map(".".join)
prefixes = st.builds(lambda uri, cut: uri[:cut], concrete, st.integers(0, 9))
patterns = st.one_of(
    concrete.map(lambda uri: Permission(uri=uri)),
    prefixes.map(lambda uri: Permission(uri=uri, match="prefix")),
    wildcards.map(lambda uri: Permission(uri=uri, match="wildcard")),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(patterns, max_size=5, unique_by=lambda p: (p.match, p.uri)), concrete)
def test_what_never_decides_is_never_the_best_match(permissions: list[Permission], uri: str) -> None:
    """The warning agrees with the table that decides."""
    table: PatternTable[Permission] = PatternTable()
    for permission in permissions:
        table.insert(permission.match, permission.uri, permission)
    best = table.best(uri)
    assert best is None or eclipsing(best, permissions) is None


def test_what_lies_under_a_name() -> None:
    assert is_in("wamp.x", ("wamp.",))
    assert is_in("wamp", ("wamp.",))
    assert not is_in("wampum", ("wamp.",))
