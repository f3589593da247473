"""
Answers that are too large for one message: pulled by the client in bounded pages of one version.

Rules of this file:

- An answer is a row of parts, pointer and value, to be set in order. What is too large for a
  page begins as an empty container, and its members follow as parts of their own; in an array,
  the place after the last element is where the next one is appended.
- Parts are made when their page is asked for, so that no turn pays for a whole document. The
  pages of an answer come from one pinned version, whose nodes are shared with later ones.
- Pages in waiting are bounded in number for each session, and are forgotten in time.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from realms.dstm import document as tree
from realms.dstm.access import READ, AnySight, is_leaf
from realms.dstm.document import MISSING
from realms.dstm.pointer import Path, render
from realms.dstm.visible import can_show, visible_members

# Bytes that a part costs in a message besides its pointer and its value, about.
PART_BYTES: Final = 16
# What bounds the time that a page, or a part of it, takes to make, whatever its size.
PARTS_PER_PAGE: Final = 400
NODES_PER_PART: Final = 4000


class Part(NamedTuple):
    """A value to be set at a pointer; ``bytes`` is its size in a message, about."""

    path: Path
    value: Any
    bytes: int


class Page(NamedTuple):
    """Some parts; ``rest`` gives those of the next pages, ``None`` on the last one."""

    parts: list[Part]
    rest: "Iterator[Part] | None"

    def wire(self) -> list[Any]:
        """Give the parts as messages carry them: ``[[pointer, value], ...]``."""
        return [[render(part.path), part.value] for part in self.parts]


def parts_of(node: Any, path: Path, sight: AnySight, limit: int) -> Iterator[Part]:
    """Give what ``sight`` shows of a node, in parts of up to ``limit`` bytes (a longer text is one)."""
    if can_show(node, sight):
        yield from _parts(node, path, PART_BYTES + sum(len(token) + 1 for token in path), sight, limit)


def _parts(node: Any, path: Path, weight: int, sight: AnySight, limit: int) -> Iterator[Part]:
    """Give the parts of a node of which something is shown; ``weight`` is that of its pointer."""
    if is_leaf(node):
        yield Part(path, node, weight + _leaf_bytes(node))
    elif not sight.whole & READ:
        yield Part(path, {}, weight)
        for token, child, below in visible_members(node, sight):
            if can_show(child, below):
                yield from _parts(child, (*path, token), weight + len(token) + 1, below, limit)
    elif (own := weighed(node, limit)) <= limit:
        yield Part(path, tree.thaw(node), weight + own)
    else:
        yield Part(path, {} if tree.is_object(node) else [], weight)
        for token, child in tree.members(node):
            if is_leaf(child):
                yield Part((*path, token), child, weight + len(token) + 1 + _leaf_bytes(child))
            else:
                yield from _parts(child, (*path, token), weight + len(token) + 1, sight, limit)


def page_of(parts: Iterator[Part], limit: int) -> Page:
    """Take a page of about ``limit`` bytes from ``parts``."""
    taken: list[Part] = []
    total = 0
    for part in parts:
        taken.append(part)
        total += part.bytes
        if total >= limit or len(taken) >= PARTS_PER_PAGE:
            following = next(parts, None)
            return Page(taken, None if following is None else _with(following, parts))
    return Page(taken, None)


def assembled(parts: Iterable[Part], base: Path = ()) -> Any:
    """Set ``parts`` in order and give the value at ``base``, the pointer of the first one; or ``MISSING``."""
    holder: dict[str, Any] = {}
    for part in parts:
        steps = ("", *part.path[len(base) :])
        target: Any = holder
        for step in steps[:-1]:
            target = target[int(step)] if isinstance(target, list) else target[step]
        if isinstance(target, list):
            target.append(part.value)
        else:
            target[steps[-1]] = part.value
    return holder.get("", MISSING)


def weighed(node: Any, limit: int) -> int:
    """
    Give the size of a node as JSON, about; once it is over ``limit``, any number over it.

    What has more than ``NODES_PER_PART`` nodes counts as over it, so that no part takes long to make.
    """
    total, left = 0, NODES_PER_PART
    waiting = [node]
    while waiting:
        value = waiting.pop()
        if is_leaf(value):
            total += _leaf_bytes(value)
        else:
            left -= tree.length(value)
            if left < 0:
                return limit + 1
            for token, child in tree.members(value):
                total += len(token) + 4
                waiting.append(child)
        if total > limit:
            return total
    return total


def _leaf_bytes(node: Any) -> int:
    return len(node) + 2 if node.__class__ is str else 6


def _with(first: Part, others: Iterator[Part]) -> Iterator[Part]:
    yield first
    yield from others


class Waiting(NamedTuple):
    """What is left of a paged answer. ``kwargs`` stand beside each page's parts."""

    rest: Iterator[Part]
    kwargs: dict[str, Any]
    until_ms: int


class Cursors:
    """The paged answers that sessions are reading."""

    def __init__(self, per_session: int, timeout_ms: int) -> None:
        self.per_session = per_session
        self.timeout_ms = timeout_ms
        self._last = 0
        self._waiting: dict[int, OrderedDict[str, Waiting]] = {}  # session id -> token -> Waiting

    def keep(self, session_id: int, rest: Iterator[Part], kwargs: dict[str, Any], now_ms: int) -> str:
        """Keep the rest of an answer, and give the token of its next page; the oldest ones make room."""
        self._last += 1
        token = f"{self._last}"
        mine = self._waiting.setdefault(session_id, OrderedDict())
        mine[token] = Waiting(rest, kwargs, now_ms + self.timeout_ms)
        while len(mine) > self.per_session:
            mine.popitem(last=False)
        return token

    def take(self, session_id: int, token: object, now_ms: int) -> Waiting | None:
        """Give what a token stands for, once; ``None`` if that is no longer kept, or another session's."""
        mine = self._waiting.get(session_id, OrderedDict())
        waiting = mine.pop(token, None) if isinstance(token, str) else None
        if not mine:
            self._waiting.pop(session_id, None)
        return waiting if waiting is not None and now_ms < waiting.until_ms else None

    def left(self, session_id: int) -> None:
        """Forget what a session was reading."""
        self._waiting.pop(session_id, None)

    def expire(self, now_ms: int) -> bool:
        """Forget what nobody asked for in time; tell whether anything is left."""
        for session_id, mine in list(self._waiting.items()):
            for token in [token for token, waiting in mine.items() if waiting.until_ms <= now_ms]:
                del mine[token]
            if not mine:
                del self._waiting[session_id]
        return bool(self._waiting)
