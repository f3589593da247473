"""
How the URIs of permissions relate to each other, and to a pattern that a client asks for.

Rules of this file: nothing here knows what is allowed; a pattern is its URI and its match policy.
"""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from router.wamp import uris


class Pattern(Protocol):
    """A URI and how it is matched: a permission."""

    @property
    def uri(self) -> str: ...

    @property
    def match(self) -> str: ...


P = TypeVar("P", bound=Pattern)


def precedence(pattern: Pattern) -> tuple[int, int, str]:
    """Order patterns as ``PatternTable`` does: of two that match one URI, the lesser decides."""
    if pattern.match == uris.EXACT:
        return 0, 0, ""
    if pattern.match == uris.PREFIX:
        return 1, -len(pattern.uri), ""
    shape = "".join("0" if component else "1" for component in pattern.uri.split("."))
    return 2, 0, shape


def covers(pattern: Pattern, uri: str, match: str) -> bool:
    """Tell whether ``pattern`` applies to every URI that the one asked for stands for."""
    if pattern.match == uris.PREFIX:
        literal = _beginning(uri) if match == uris.WILDCARD else uri
        return literal.startswith(pattern.uri)
    if pattern.match == uris.WILDCARD:
        return match != uris.PREFIX and _components_agree(pattern.uri, uri, strict=True)
    return match == uris.EXACT and pattern.uri == uri


def overlaps(pattern: Pattern, uri: str, match: str) -> bool:
    """Tell whether some URI could be meant by both (where in doubt, yes)."""
    mine, other = pattern.uri, uri
    kinds = (pattern.match, match)
    if kinds == (uris.EXACT, uris.PREFIX):
        return mine.startswith(other)
    if kinds == (uris.PREFIX, uris.PREFIX):
        return mine.startswith(other) or other.startswith(mine)
    if uris.PREFIX in kinds:
        prefix, wildcard = (mine, other) if pattern.match == uris.PREFIX else (other, mine)
        return _prefix_meets_wildcard(prefix, wildcard)
    return _components_agree(mine, other, strict=False)


def eclipsing(pattern: P, others: Iterable[P]) -> P | None:
    """Find one of ``others`` that goes before ``pattern`` wherever that matches: it never decides."""
    for other in others:
        if precedence(other) < precedence(pattern) and covers(other, pattern.uri, pattern.match):
            return other
        if other.match == uris.EXACT and pattern.match == uris.WILDCARD and other.uri == pattern.uri:
            return other
    return None


def is_in(uri: str, prefixes: tuple[str, ...]) -> bool:
    """Tell whether ``uri`` lies under one of ``prefixes``, or is one without its dot."""
    return uri.startswith(prefixes) or f"{uri}." in prefixes


def _beginning(wildcard: str) -> str:
    """Give what all URIs begin with that the pattern stands for: ``a.`` of ``a..c``."""
    components = wildcard.split(".")
    if "" not in components:
        return wildcard
    literals = components[: components.index("")]
    return "".join(f"{component}." for component in literals)


def _prefix_meets_wildcard(prefix: str, wildcard: str) -> bool:
    """Compare the components that the prefix has whole; its last one may go on."""
    *whole, last = prefix.split(".")
    components = wildcard.split(".")
    if len(whole) >= len(components):
        return False
    agrees = all(not w or p == w for p, w in zip(whole, components, strict=False))
    following = components[len(whole)]
    return agrees and (not following or following.startswith(last))


def _components_agree(mine: str, other: str, *, strict: bool) -> bool:
    """Compare component by component; an empty one stands for any (``strict``: only on our side)."""
    ours, theirs = mine.split("."), other.split(".")
    if len(ours) != len(theirs):
        return False
    pairs: Iterable[tuple[str, str]] = zip(ours, theirs, strict=True)
    return all(not a or a == b or (not strict and not b) for a, b in pairs)
