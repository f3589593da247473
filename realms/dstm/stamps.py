"""
Which version last changed what: decides whether a read still holds.

A trie of pointers mirrors the changes of the last versions. A node keeps the last version of each kind of
change at its pointer, of an add or remove of a member, and of anything at it or below. So a read is
checked in as many steps as its pointer has tokens, however many versions lie between.

A pointer through an array names another element after each insertion or removal before it, so such a
pointer holds only as long as the array's membership does. Array or object is asked of the newest
document: where that has changed since the base, the container was replaced, and the read is lost anyway.

Rules of this file:

- Where it is not known whether a read holds, it does not.
- What is at or before ``horizon`` is forgotten. There are at most ``entries`` nodes and changes.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from realms.dstm.changes import Change
from realms.dstm.document import Document, is_array
from realms.dstm.pointer import parse
from realms.dstm.reads import Read

DEFAULT_ENTRIES: Final = 200_000
_INDEX: Final = frozenset("0123456789")


class _Node(Struct, gc=False):
    """Versions of the last changes; 0: none. Not seen by the garbage collector: there are no cycles."""

    below: int = 0  # of any change here or below
    added: int = 0
    removed: int = 0
    replaced: int = 0
    members: int = 0  # of an add or remove of a member or element
    children: "dict[str, _Node] | None" = None  # token -> _Node


class Stamps:
    """
    The changes of the last versions, by pointer.

    :ivar horizon: the oldest base that a read can be checked against
    """

    __slots__ = ("_changes", "_entries", "_nodes", "_recorded", "_root", "horizon")

    def __init__(self, horizon: int = 0, entries: int = DEFAULT_ENTRIES) -> None:
        """
        Begin where nothing is known.

        :param horizon: the version that the next recorded one follows
        """
        self.horizon = horizon
        self._entries = entries
        self._root = _Node()
        self._nodes = 0
        self._recorded: deque[tuple[int, Sequence[Change]]] = deque()  # (version, changes), ascending
        self._changes = 0  # in _recorded

    def record(self, version: int, changes: Sequence[Change]) -> None:
        """Note what a version changed; versions come in ascending order."""
        self._note(version, changes)
        self._recorded.append((version, changes))
        self._changes += len(changes)
        while self._nodes > self._entries or self._changes > self._entries:
            self.forget_through(self._recorded[0][0])

    def changed_since(self, read: Read, base: int, document: Document) -> bool:
        """
        Tell whether something that ``read`` depends on was changed after version ``base``.

        :param document: the one of the last recorded version
        """
        if base < self.horizon:
            return True
        node = self._root
        kind, path = read
        if node.below <= base:
            return False
        looked = kind != "container" and kind != "place"
        for end, token in enumerate(path):
            if node.removed > base or node.replaced > base or (looked and node.added > base):
                return True
            if node.members > base and token[:1] in _INDEX and is_array(document.find(path[:end])):
                return True
            below = None if node.children is None else node.children.get(token)
            if below is None or below.below <= base:
                return False
            node = below
        return _changed_at(node, kind, base)

    def forget_through(self, version: int) -> None:
        """Forget ``version`` and those before: it becomes the horizon."""
        recorded = self._recorded
        while recorded and recorded[0][0] <= version:
            _, changes = recorded.popleft()
            self._changes -= len(changes)
            for change in changes:
                self._prune(change.path, version)
        self.horizon = max(self.horizon, version)

    def forget_after(self, version: int) -> None:
        """Go back to where ``version`` was the last one, because what followed did not come to be."""
        kept = [entry for entry in self._recorded if entry[0] <= version]
        self.horizon = min(self.horizon, version)
        self._root = _Node()
        self._nodes = 0
        self._recorded = deque(kept)
        self._changes = sum(len(changes) for _, changes in kept)
        for recorded, changes in kept:
            self._note(recorded, changes)

    def _note(self, version: int, changes: Sequence[Change]) -> None:
        for change in changes:
            node = parent = self._root
            for token in parse(change.path):
                node.below = version
                parent = node
                node = self._child(node, token)
            node.below = version
            if change.op == "replace":
                node.replaced = version
                continue
            parent.members = version
            if change.op == "add":
                node.added = version
            else:
                node.removed = version

    def _child(self, node: _Node, token: str) -> _Node:
        if node.children is None:
            node.children = {}
        child = node.children.get(token)
        if child is None:
            child = node.children[token] = _Node()
            self._nodes += 1
        return child

    def _prune(self, pointer: str, version: int) -> None:
        """Take out the nodes of a pointer that say nothing of what is after ``version``."""
        trail: list[tuple[dict[str, _Node], str, _Node]] = []
        node = self._root
        for token in parse(pointer):
            child = None if node.children is None else node.children.get(token)
            if node.children is None or child is None:
                break
            trail.append((node.children, token, child))
            node = child
        for siblings, token, child in reversed(trail):
            if child.below > version or child.children:
                break
            del siblings[token]
            self._nodes -= 1


def _changed_at(node: _Node, kind: str, base: int) -> bool:
    """Tell whether a read of a node's own pointer was changed, where something at it or below was."""
    if kind == "value":
        return True
    if kind == "exists":
        return node.added > base or node.removed > base
    if kind == "place":
        return node.removed > base
    gone = node.removed > base or node.replaced > base
    return gone or (kind == "keys" and (node.added > base or node.members > base))
