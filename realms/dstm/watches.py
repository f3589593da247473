"""
Who waits for which reads to change.

A trie of pointers holds the waiting tokens by the kind of their read, so that the cost of a change is
its own pointer, and below it those whom it wakes, however many wait elsewhere.
"""

from collections.abc import Hashable, Iterable, Iterator
from typing import Final, Generic, TypeVar

from realms.dstm.changes import Change
from realms.dstm.document import Document, is_array
from realms.dstm.pointer import Path, parse
from realms.dstm.reads import Read

_INDEX: Final = frozenset("0123456789")
_LOOKED: Final = ("value", "keys", "exists")
_ALL: Final = (*_LOOKED, "container", "place")
# op of a change -> the kinds of read that it changes at its own pointer; below it
_AT: Final = {"add": _LOOKED, "remove": _ALL, "replace": ("value", "keys", "container")}
_BELOW: Final = {"add": _LOOKED, "remove": _ALL, "replace": _ALL}

Token = TypeVar("Token", bound=Hashable)


class _Node(Generic[Token]):
    """Those who wait at one pointer."""

    __slots__ = ("children", "waiting")

    def __init__(self) -> None:
        self.children: dict[str, _Node[Token]] = {}  # token of the pointer -> _Node
        self.waiting: dict[str, dict[Token, None]] = {}  # kind of read -> who waits


class Watches(Generic[Token]):
    """Tokens of any hashable kind, each waiting for some reads."""

    __slots__ = ("_reads", "_root")

    def __init__(self) -> None:
        self._root: _Node[Token] = _Node()
        self._reads: dict[Token, tuple[int, tuple[Read, ...]]] = {}  # token -> base, reads

    def __len__(self) -> int:
        return len(self._reads)

    def __contains__(self, token: Token) -> bool:
        return token in self._reads

    def add(self, token: Token, reads: Iterable[Read], base: int) -> None:
        """
        Let ``token`` wait for a change of any of ``reads``, in place of those that it waited for.

        :param base: the version that was read
        """
        self.remove(token)
        self._reads[token] = base, tuple(dict.fromkeys(reads))
        for kind, path in self._reads[token][1]:
            node = self._root
            for step in path:
                node = node.children.setdefault(step, _Node())
            node.waiting.setdefault(kind, {})[token] = None

    def remove(self, token: Token) -> None:
        """Let ``token`` wait no more; nothing happens if it does not."""
        _, reads = self._reads.pop(token, (0, ()))
        for read in reads:
            self._take_out(token, read)

    def woken(
        self, changes: Iterable[Change], version: int | None = None, document: Document | None = None
    ) -> set[Token]:
        """
        Give those for whom a change counts. They go on waiting until they are removed.

        :param version: of the changes: who has read it already is left out
        :param document: the one after the changes: tells arrays from objects with numbers for names;
            without it, both are taken for arrays, and some wake in vain
        """
        woken: dict[Token, None] = {}
        for change in changes:
            for waiting in self._met(change, document):
                woken.update(waiting)
        if version is None:
            return set(woken)
        return {token for token in woken if self._reads[token][0] < version}

    def _met(self, change: Change, document: Document | None) -> Iterator[dict[Token, None]]:
        """Give the groups of tokens that a change wakes."""
        path = parse(change.path)
        node = self._root
        for end, step in enumerate(path, 1):
            yield from _groups(node, ("value",))
            if end == len(path) and change.op != "replace":
                yield from _groups(node, ("keys",))
                if step[:1] in _INDEX and _may_be_array(path[:-1], document):
                    yield from _shifted(node)
            below = node.children.get(step)
            if below is None:
                return
            node = below
        yield from _groups(node, _AT[change.op])
        for below in node.children.values():
            yield from _all_groups(below, _BELOW[change.op])

    def _take_out(self, token: Token, read: Read) -> None:
        trail = [self._root]
        for step in read.path:
            trail.append(trail[-1].children[step])
        waiting = trail[-1].waiting
        group = waiting[read.kind]
        del group[token]
        if not group:
            del waiting[read.kind]
        while len(trail) > 1 and not trail[-1].waiting and not trail[-1].children:
            trail.pop()
            del trail[-1].children[read.path[len(trail) - 1]]


def _may_be_array(path: Path, document: Document | None) -> bool:
    return document is None or is_array(document.find(path))


def _shifted(array: _Node[Token]) -> Iterator[dict[Token, None]]:
    """Give all who wait at or below an element."""
    for step, node in array.children.items():
        if step[:1] in _INDEX:
            yield from _all_groups(node, _ALL)


def _groups(node: _Node[Token], kinds: Iterable[str]) -> Iterator[dict[Token, None]]:
    for kind in kinds:
        group = node.waiting.get(kind)
        if group is not None:
            yield group


def _all_groups(node: _Node[Token], kinds: tuple[str, ...]) -> Iterator[dict[Token, None]]:
    """Give the groups at a node and below it."""
    yield from _groups(node, kinds)
    for below in node.children.values():
        yield from _all_groups(below, kinds)
