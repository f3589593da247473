"""
A persistent mapping of texts for objects of many members: an edit shares nearly everything with the old one.

A trie by the bits of the hash, whose leaves are dicts. An edit copies one leaf of at most ``LEAF`` members
and a list of ``WIDTH`` places for each level above it; reading goes down as many levels and then is a
dict's own. It never has to be rebuilt as a whole, and its members can be read on from where one stopped.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

BITS: Final = 5
WIDTH: Final = 1 << BITS
LEAF: Final = 64
FEW: Final = 2  # members of a leaf, whose neighbours may be as empty
DEEPEST: Final = 12  # below it, the bits of a hash are used up: keys of one hash share a leaf of any size

_Leaf = dict[str, Any]
_Node = Any  # a list of WIDTH nodes, or a leaf
_Trail = list[tuple[list[_Node], int]]  # the lists on the way down to a leaf, and the places taken


class Trie:
    """An immutable mapping."""

    __slots__ = ("_length", "_root")

    def __init__(self, root: _Node, length: int) -> None:
        self._root = root
        self._length = length

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> "Trie":
        """Make a trie of ``members``."""
        leaf = dict(members)
        return cls(_split(leaf, 0) if len(leaf) > LEAF else leaf, len(leaf))

    def __len__(self) -> int:
        return self._length

    def get(self, key: str, default: Any = None) -> Any:
        """Give the value of ``key``."""
        node = self._root
        bits = hash(key)
        while node.__class__ is list:
            node = node[bits & 31]
            bits >>= BITS
        return node.get(key, default)

    def set(self, key: str, value: Any) -> "Trie":
        """Set one member."""
        trail, leaf = self._way(key)
        changed = leaf.copy()
        changed[key] = value
        grown = len(changed) - len(leaf)
        if len(changed) > LEAF and len(trail) < DEEPEST:
            return Trie(_rebuilt(trail, _split(changed, len(trail))), self._length + grown)
        return Trie(_rebuilt(trail, changed), self._length + grown)

    def remove(self, key: str) -> "Trie":
        """
        Leave out one member.

        Raises:
            KeyError: it is not there.
        """
        trail, leaf = self._way(key)
        changed = leaf.copy()
        del changed[key]
        if len(changed) <= FEW:
            trail, changed = _joined(trail, changed)
        return Trie(_rebuilt(trail, changed), self._length - 1)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Give key and value of each member, in no order that means anything."""
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            if node.__class__ is list:
                waiting.extend(node)
            else:
                yield from node.items()

    def _way(self, key: str) -> tuple[_Trail, _Leaf]:
        """Give the lists from the root down to the leaf of ``key``, and the leaf."""
        node = self._root
        bits = hash(key)
        trail = []
        while node.__class__ is list:
            place = bits & 31
            trail.append((node, place))
            node = node[place]
            bits >>= BITS
        return trail, node


def _joined(trail: _Trail, leaf: _Leaf) -> tuple[_Trail, _Leaf]:
    """
    Make one leaf of all below a list, and so on upwards, where they hold half of a leaf together at most.

    So nothing stays of an object that was large once.
    """
    for depth in range(len(trail) - 1, -1, -1):
        above, place = trail[depth]
        together = leaf.copy()
        for at, node in enumerate(above):
            if at != place:
                if node.__class__ is list or len(together) + len(node) > LEAF // 2:
                    return trail[: depth + 1], leaf
                together.update(node)
        leaf = together
    return [], leaf


def _rebuilt(trail: _Trail, node: _Node) -> _Node:
    """Put ``node`` in the place of the leaf, in copies of the lists above it."""
    for above, place in reversed(trail):
        copied = above.copy()
        copied[place] = node
        node = copied
    return node


def _split(leaf: _Leaf, depth: int) -> _Node:
    """Make a node of a leaf that has become too large."""
    if len(leaf) <= LEAF or depth >= DEEPEST:
        return leaf
    leaves: list[_Leaf] = [{} for _ in range(WIDTH)]
    shift = depth * BITS
    for key, value in leaf.items():
        leaves[hash(key) >> shift & 31][key] = value
    return [_split(part, depth + 1) for part in leaves]
