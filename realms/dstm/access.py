"""
Pointer rules: which parts of a space a session may read and write.

Rules of this file:

- A pattern is a JSON Pointer whose tokens may be ``*`` (any one token), ``{authid}`` (the token
  that equals the session's authid) and, at the end, ``**`` (all that follows, nothing too).
- Of several patterns that match a pointer, the most specific decides alone: token by token from
  the left, a literal goes before ``{authid}``, that before ``*``, that before ``**``. Without a
  match, nothing is allowed.
- Rules do not go through arrays, whose tokens shift: below an array everything is allowed that is
  allowed for the array and all below it, and nothing else.
- Whatever must be known of hidden parts to decide is decided as if they could be anything, so
  that a refusal tells nothing of them.

A compiled set of rules is a ``Sight``: what is allowed at one pointer and below it. ``step`` leads
to the next token, so that a walk through a document costs one dict access for each token.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple

from realms.dstm import document as tree
from realms.dstm.document import MISSING, Document
from realms.dstm.pointer import Path, parse, render

READ: Final = 1
WRITE: Final = 2
BOTH: Final = READ | WRITE

# A document is not deeper.
MAX_TOKENS: Final = 64


class Wild(Enum):
    """The tokens of a pattern that are no literals."""

    AUTHID = "{authid}"
    ONE = "*"
    REST = "**"


Pattern = tuple["str | Wild", ...]


class Rule(NamedTuple):
    """What a pattern allows: ``allow`` is a mask of ``READ`` and ``WRITE``."""

    pattern: Pattern
    allow: int


def read_pattern(text: str) -> Pattern:
    """
    Read a pattern such as ``/users/{authid}/**``.

    Raises:
        ValueError: it is no pointer, or a special token is misspelt or misplaced.
    """
    tokens = [_token(token) for token in parse(text)]
    if len(tokens) > MAX_TOKENS:
        raise ValueError(f"a pattern may have {MAX_TOKENS} tokens, got {len(tokens)}")
    if Wild.REST in tokens[:-1]:
        raise ValueError("'**' stands for all that follows: it must be the last token")
    return tuple(tokens)


def _token(token: str) -> "str | Wild":
    if token in ("{authid}", "*", "**"):
        return Wild(token)
    if "*" in token:
        raise ValueError(f"{token!r}: '*' stands for one whole token, '**' for all that follow")
    if token.startswith("{") and token.endswith("}"):
        raise ValueError(f"{token!r}: the only name in braces is {{authid}}")
    if token == "-":
        raise ValueError("'-' is a place in an array: rules through arrays are refused")
    return token


class _Node:
    """The patterns that begin alike: what they allow at this place, below it, and where they go on."""

    __slots__ = ("authid", "every", "here", "literals", "one", "rest", "some")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}  # token -> _Node
        self.authid: _Node | None = None
        self.one: _Node | None = None
        self.here: int | None = None  # what the pattern allows that ends here
        self.rest: int | None = None  # what the pattern allows that ends here with **
        self.some = 0  # what any pattern allows below
        self.every = BOTH  # what all patterns below allow

    def child(self, token: "str | Wild") -> "_Node":
        if isinstance(token, str):
            return self.literals.setdefault(token, _Node())
        if token is Wild.AUTHID:
            self.authid = self.authid or _Node()
            return self.authid
        self.one = self.one or _Node()
        return self.one

    def summarize(self) -> None:
        """Compute ``some`` and ``every``, of the deeper nodes too."""
        if self.rest is not None:
            self.some, self.every = self.rest, self.rest
        for node in [*self.literals.values(), self.authid, self.one]:
            if node is not None:
                node.summarize()
                here = node.here if node.here is not None else node.rest
                self.some |= node.some | (here or 0)
                self.every &= node.every & (BOTH if here is None else here)


class Sight:
    """
    What is allowed at one pointer; masks of ``READ`` and ``WRITE``.

    :ivar here: at this pointer itself, whatever is below it
    :ivar whole: at this pointer and everywhere below it, whatever is there
    :ivar some: at this pointer or perhaps somewhere below it
    """

    __slots__ = ("_authid", "_next", "_other", "_rest", "_threads", "here", "some", "whole")

    def __init__(self, threads: Sequence[_Node], rest: int | None, authid: str) -> None:
        # The patterns that still go on, the most specific first, then what ``**`` of an earlier one says.
        self._threads = threads
        self._rest = rest
        self._authid = authid
        self._next: dict[str, Sight] = {}  # token -> Sight, of tokens that a pattern names
        self._other: Sight | None = None  # the same for every other token
        decisions = [d for node in threads for d in (node.here, node.rest) if d is not None]
        self.here = next(iter(decisions), rest or 0)
        self.some, below = self.here | (rest or 0), BOTH
        for node in threads:
            self.some |= node.some
            below &= node.every
        covered = rest if rest is not None else _last_rest(threads)
        self.whole = self.here & below & (covered or 0)

    def step(self, token: str) -> "Sight":
        """Give the sight of the member ``token``."""
        if not self._threads:
            return self
        known = self._next.get(token)
        if known is not None:
            return known
        if token == self._authid or any(token in node.literals for node in self._threads):
            known = self._next[token] = self._after(token)
            return known
        return self.other()

    def other(self) -> "Sight":
        """Give the sight of a member that no pattern names."""
        if self._other is None:
            self._other = self._after(None) if self._threads else self
        return self._other

    def named(self) -> set[str]:
        """Give the members that a pattern names."""
        names = {token for node in self._threads for token in node.literals}
        if any(node.authid is not None for node in self._threads):
            names.add(self._authid)
        return names

    def _after(self, token: str | None) -> "Sight":
        threads: list[_Node] = []
        for node in self._threads:
            if token is not None:
                threads += [node.literals[token]] if token in node.literals else []
                threads += [node.authid] if node.authid is not None and token == self._authid else []
            threads += [node.one] if node.one is not None else []
            if node.rest is not None:
                return Sight(_until_rest(threads), _rest_of(threads, node.rest), self._authid)
        return Sight(_until_rest(threads), _rest_of(threads, self._rest), self._authid)


class Shared:
    """What two sights both allow: a view of a session with rules; the same attributes as ``Sight``."""

    __slots__ = ("_next", "_one", "_two", "here", "some", "whole")

    def __init__(self, one: "AnySight", two: "AnySight") -> None:
        self._one, self._two = one, two
        self._next: dict[tuple[int, int], AnySight] = {}
        self.here: int = one.here & two.here
        self.some: int = one.some & two.some
        self.whole: int = one.whole & two.whole

    def step(self, token: str) -> "AnySight":
        """Give the sight of the member ``token``."""
        return self._pair(self._one.step(token), self._two.step(token))

    def other(self) -> "AnySight":
        """Give the sight of a member that no pattern names."""
        return self._pair(self._one.other(), self._two.other())

    def named(self) -> set[str]:
        """Give the members that a pattern names."""
        return self._one.named() | self._two.named()

    def _pair(self, one: "AnySight", two: "AnySight") -> "AnySight":
        key = (id(one), id(two))  # both live as long as this does
        if key not in self._next:
            self._next[key] = shared(one, two)
        return self._next[key]


AnySight = Sight | Shared

# mask -> what allows just this, here and everywhere below
UNIFORM: Final[tuple[Sight, ...]] = tuple(Sight((), mask, "") for mask in range(BOTH + 1))


def shared(one: AnySight, two: AnySight) -> AnySight:
    """Give what both sights allow."""
    if one.whole == BOTH:
        return two
    return one if two.whole == BOTH else Shared(one, two)


class Rules:
    """The rules of one role, compiled once for all of its sessions."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._root = _Node()
        self.names_authid = False
        for rule in rules:
            self.names_authid |= Wild.AUTHID in rule.pattern
            self._add(rule)
        self._root.summarize()

    def sight(self, authid: str) -> Sight | None:
        """Give what a session with this authid may do with the root; ``None`` where it may do everything."""
        root = Sight(*_start(self._root), authid if self.names_authid else "")
        return None if root.whole == BOTH else root

    def _add(self, rule: Rule) -> None:
        node = self._root
        ends_with_rest = bool(rule.pattern) and rule.pattern[-1] is Wild.REST
        for token in rule.pattern[:-1] if ends_with_rest else rule.pattern:
            node = node.child(token)
        if ends_with_rest:
            node.rest = rule.allow
        else:
            node.here = rule.allow


def sight_of_paths(paths: Iterable[Path]) -> Sight:
    """Give the sight that shows these pointers with all below them, and the way to them: a view."""
    root = _Node()
    for path in paths:
        node = root
        for token in path:
            node = node.child(token)
        node.rest = BOTH
    root.summarize()
    return Sight(*_start(root), "")


def found(document: Document, path: Path, root: AnySight) -> tuple[AnySight, object]:
    """
    Give what is allowed at ``path`` of ``document``, and the node there or ``MISSING``.

    Below an array it is what is allowed for the whole array.
    """
    sight, node = root, document.find(())
    for token in path:
        if node is MISSING:
            sight = sight.step(token)
            continue
        if tree.is_array(node):
            return UNIFORM[sight.whole], document.find(path)
        node = tree.child(node, token)
        sight = sight.step(token)
    return sight, node


def shown(path: Path) -> str:
    """Give a pointer as messages to clients show it, of bounded length."""
    text = render(path)
    return text if len(text) <= 200 else f"{text[:197]}..."


def is_leaf(node: object) -> bool:
    """Tell whether a node holds nothing below it, or is missing."""
    return not (tree.is_object(node) or tree.is_array(node))


def _start(root: _Node) -> tuple[list[_Node], int | None]:
    return [root], root.rest


def _until_rest(threads: list[_Node]) -> list[_Node]:
    """Leave out what can decide nothing: what comes after a pattern that matches everything."""
    for index, node in enumerate(threads):
        if node.rest is not None:
            return threads[: index + 1]
    return threads


def _rest_of(threads: list[_Node], otherwise: int | None) -> int | None:
    rest = _last_rest(threads)
    return otherwise if rest is None else rest


def _last_rest(threads: Sequence[_Node]) -> int | None:
    return next((node.rest for node in threads if node.rest is not None), None)
