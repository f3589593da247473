"""
Which of the URIs in a table match a concrete URI, best match first.

Rules of this file:

- A table maps ``(match policy, uri) -> value``. A value is anything but ``None``.
- The order of matches is that of WAMP AP 'Pattern-based Registrations': the exact
  URI; then prefixes, longest first, by characters (``a1.b2.c3`` matches
  ``a1.b2.c33``); then wildcards by the length of the portion of components before
  each wildcard, compared portion by portion.
- No lookup walks over all patterns.

Why wildcards are grouped by shape. Take two wildcard patterns that match the same
URI. They have equally many components and agree wherever both are literal, so the
first position at which they differ is a literal against a wildcard, and the one with
the literal there has the longer portion. Precedence therefore depends only on which
positions are literal: the *shape*. Written as a string with one character for each
component, ``0`` for a literal and ``1`` for a wildcard, the lesser shape wins. A lookup
needs one dict access for each shape in use with the URI's number of components, in order.

Cost of a lookup, for a URI of ``c`` characters and ``n`` components:

- exact: one dict access;
- prefix: one slice and one dict access for each distinct prefix length up to ``c``;
- wildcard: one dict access for each shape of ``n`` components, at most
  ``max_shapes``. Without that bound a hostile peer could make each lookup cost 2**n.
"""

from bisect import insort
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any, Final, Generic, TypeVar

from router.wamp.uris import EXACT, PREFIX, WILDCARD

V = TypeVar("V")

MAX_SHAPES: Final = 128


class TooManyShapes(ValueError):
    """A wildcard pattern would add one shape too many; ``str()`` names the limit and its value."""


class _Shape(Generic[V]):
    """The wildcard patterns with literals at the same positions."""

    __slots__ = ("key", "rank", "values")

    def __init__(self, literals: list[bool]) -> None:
        positions = [index for index, literal in enumerate(literals) if literal]
        self.rank = _rank(literals)
        self.key: Callable[[list[str]], Any] = itemgetter(*positions) if positions else _no_literals
        self.values: dict[Any, V] = {}  # the literal components -> value


def _no_literals(components: list[str]) -> tuple[()]:
    return ()


def _rank(literals: list[bool]) -> str:
    return "".join("0" if literal else "1" for literal in literals)


def _by_rank(shape: _Shape[Any]) -> str:
    return shape.rank


class PatternTable(Generic[V]):
    """
    Values by match policy and URI, found by the concrete URI that they match.

    ``exact`` (URI -> value) is public for reading: a hot path looks there first and asks for
    patterns only while ``has_patterns`` is true.
    """

    __slots__ = ("_lengths", "_prefixes", "_shapes", "_wildcards", "exact", "has_patterns", "max_shapes")

    def __init__(self, max_shapes: int = MAX_SHAPES) -> None:
        self.max_shapes = max_shapes
        self.has_patterns = False
        self.exact: dict[str, V] = {}  # URI -> value
        self._prefixes: dict[str, V] = {}  # prefix -> value
        self._lengths: dict[int, int] = {}  # length -> number of prefixes so long; longest first
        self._wildcards: dict[str, V] = {}  # pattern -> value
        self._shapes: dict[int, list[_Shape[V]]] = {}  # number of components -> shapes, best first

    def __len__(self) -> int:
        return len(self.exact) + len(self._prefixes) + len(self._wildcards)

    def __iter__(self) -> Iterator[tuple[str, str, V]]:
        """Iterate over ``(match, uri, value)``: exact, then prefix, then wildcard, each as inserted."""
        for match in (EXACT, PREFIX, WILDCARD):
            for uri, value in self._values(match).items():
                yield match, uri, value

    def insert(self, match: str, uri: str, value: V) -> None:
        """
        Set the value of ``uri`` under the policy ``match``; an older one is replaced.

        Raises:
            TooManyShapes: a wildcard pattern of a new shape, and ``max_shapes`` of
                that number of components are in use. The table is unchanged.
            ValueError: ``match`` is no match policy.
        """
        values = self._values(match)
        if match == WILDCARD:
            self._insert_wildcard(uri, value)
        elif match == PREFIX and uri not in values:
            self._lengths[len(uri)] = self._lengths.get(len(uri), 0) + 1
            self._lengths = dict(sorted(self._lengths.items(), reverse=True))
        values[uri] = value
        self.has_patterns = bool(self._prefixes or self._wildcards)

    def remove(self, match: str, uri: str) -> V:
        """
        Take ``uri`` out under the policy ``match`` and return its value.

        Raises:
            KeyError: it is not in the table.
            ValueError: ``match`` is no match policy.
        """
        value = self._values(match).pop(uri)
        if match == WILDCARD:
            self._remove_wildcard(uri)
        elif match == PREFIX:
            self._lengths[len(uri)] -= 1
            if not self._lengths[len(uri)]:
                del self._lengths[len(uri)]
        self.has_patterns = bool(self._prefixes or self._wildcards)
        return value

    def get(self, match: str, uri: str) -> V | None:
        """
        Give the value inserted with exactly this policy and URI; no matching.

        Raises:
            ValueError: ``match`` is no match policy.
        """
        return self._values(match).get(uri)

    def best(self, uri: str) -> V | None:
        """Give the value of the best match for the concrete ``uri``."""
        value = self.exact.get(uri)
        if value is None and self.has_patterns:
            return next(self._matching_patterns(uri), None)
        return value

    def all(self, uri: str) -> list[V]:
        """Give the values of all matches for the concrete ``uri``, best first."""
        value = self.exact.get(uri)
        found = [] if value is None else [value]
        if self.has_patterns:
            found.extend(self._matching_patterns(uri))
        return found

    def _matching_patterns(self, uri: str) -> Iterator[V]:
        prefixes = self._prefixes
        for length in self._lengths:
            if length <= len(uri):
                value = prefixes.get(uri[:length])
                if value is not None:
                    yield value
        if self._shapes:
            components = uri.split(".")
            for shape in self._shapes.get(len(components), ()):
                value = shape.values.get(shape.key(components))
                if value is not None:
                    yield value

    def _values(self, match: str) -> dict[str, V]:
        if match == EXACT:
            return self.exact
        if match == PREFIX:
            return self._prefixes
        if match == WILDCARD:
            return self._wildcards
        raise ValueError(f"match policy {match!r} is none of exact, prefix, wildcard")

    def _insert_wildcard(self, uri: str, value: V) -> None:
        components = uri.split(".")
        literals = [component != "" for component in components]
        rank = _rank(literals)
        shapes = self._shapes.get(len(components), [])
        shape = next((known for known in shapes if known.rank == rank), None)
        if shape is None:
            if len(shapes) >= self.max_shapes:
                raise TooManyShapes(
                    f"wildcard patterns of {len(components)} components put their wildcards in at most "
                    f"{self.max_shapes} different ways here; {uri!r} would be one more"
                )
            shape = _Shape(literals)
            insort(shapes, shape, key=_by_rank)
            self._shapes[len(components)] = shapes
        shape.values[shape.key(components)] = value

    def _remove_wildcard(self, uri: str) -> None:
        components = uri.split(".")
        shapes = self._shapes[len(components)]
        rank = _rank([component != "" for component in components])
        shape = next(known for known in shapes if known.rank == rank)
        del shape.values[shape.key(components)]
        if not shape.values:
            shapes.remove(shape)
        if not shapes:
            del self._shapes[len(components)]
