"""
A document that shares its structure: an edit makes a new one, and the old one stays as it was.

Rules of this file:

- Nodes are never changed. A scalar is its own node; an object is a dict of up to ``SMALL`` members,
  copied at each edit, or else a ``HashTrieMap``; an array is a tuple or, above ``SMALL``, an ``Array``.
- What a node is made of is known here alone: others go through the functions below.
- ``put``, ``insert`` and ``remove`` are the three edits that all others are made of.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeGuard

from msgspec import UNSET
from rpds import HashTrieMap

from realms.dstm.array import Array
from realms.dstm.changes import Change
from realms.dstm.pointer import ROOT, Path, parse, render
from realms.dstm.values import size as json_size

SMALL: Final = 64

Node = Any


class _Missing:
    """The one value ``MISSING``: nothing is there."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()


class DoesNotFit(Exception):
    """
    An edit that the document does not allow.

    :ivar path: where
    :ivar reason: why not
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{render(path)!r}: {reason}")
        self.path = path
        self.reason = reason


def freeze(value: Any) -> Node:
    """Make a node of a plain, normalized value."""
    kind = value.__class__
    if kind is dict:
        return _object({key: freeze(member) for key, member in value.items()})
    if kind is list or kind is tuple:
        return _array([freeze(element) for element in value])
    return value


def thaw(node: Node) -> Any:
    """Make a plain value of a node; it shares nothing that could be changed."""
    kind = node.__class__
    if kind is dict or kind is HashTrieMap:
        return {key: thaw(member) for key, member in node.items()}
    if kind is tuple or kind is Array:
        return [thaw(element) for element in node]
    return node


def is_object(node: Node) -> bool:
    """Tell whether a node is an object."""
    kind = node.__class__
    return kind is dict or kind is HashTrieMap


def is_array(node: Node) -> TypeGuard[Sequence[Node]]:
    """Tell whether a node is an array."""
    kind = node.__class__
    return kind is tuple or kind is Array


def length(node: Node) -> int:
    """Give the number of members or elements of a container."""
    return len(node)


def child(node: Node, token: str) -> Node:
    """Give what is below ``token``, or ``MISSING``."""
    kind = node.__class__
    if kind is dict or kind is HashTrieMap:
        return node.get(token, MISSING)
    if kind is tuple or kind is Array:
        index = index_of(token)
        return node[index] if index is not None and index < len(node) else MISSING
    return MISSING


def members(node: Node) -> Iterator[tuple[str, Node]]:
    """Give token and node of everything in a container, one after the other; an array's in order."""
    if is_object(node):
        return iter(node.items())
    return ((str(index), element) for index, element in enumerate(node))


def index_of(token: str) -> int | None:
    """Give the index that a token stands for (RFC 6901, section 4), or None."""
    if token.isascii() and token.isdigit() and len(token) < 16 and (token[0] != "0" or len(token) == 1):
        return int(token)
    return None


class Document:
    """
    One version of a document.

    :ivar root: its node
    :ivar size: about its bytes as JSON
    """

    __slots__ = ("root", "size")

    def __init__(self, root: Node, size: int) -> None:
        self.root = root
        self.size = size

    @classmethod
    def of(cls, value: Any) -> "Document":
        """Make a document of a plain, normalized value."""
        return cls(freeze(value), json_size(value))

    def __repr__(self) -> str:
        return f"<Document of {self.size} bytes>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and thaw(self.root) == thaw(other.root)

    __hash__ = None  # type: ignore[assignment]

    def find(self, path: Path) -> Node:
        """Give the node at ``path``, or ``MISSING``."""
        node = self.root
        for token in path:
            node = node.get(token, MISSING) if node.__class__ is dict else child(node, token)
            if node is MISSING:
                return MISSING
        return node

    def plain(self, path: Path = ROOT) -> Any:
        """Give the plain value at ``path``, or ``MISSING``."""
        return thaw(self.find(path))

    def put(self, path: Path, node: Node) -> "Document":
        """
        Set a member of an object, replace an element of an array, or the root.

        Raises:
            DoesNotFit: there is no such container, or no such element.
        """
        if not path:
            return Document(node, _weight(node))
        parents = self._parents(path)
        token = path[-1]
        parent = parents[-1]
        before = child(parent, token)
        if is_object(parent):
            grown = _weight(node) - (-_key_weight(token) if before is MISSING else _weight(before))
            return self._rebuilt(path, parents, _with_member(parent, token, node), grown)
        if before is MISSING:
            raise DoesNotFit(path, _no_element(parent, token))
        index = int(token)
        changed = parent.set(index, node) if parent.__class__ is Array else _with_element(parent, index, node)
        return self._rebuilt(path, parents, changed, _weight(node) - _weight(before))

    def insert(self, path: Path, node: Node) -> "Document":
        """
        Insert an element into an array (``-``: at its end), or set a member of an object, or the root.

        Raises:
            DoesNotFit: there is no such container, or the index is beyond its end.
        """
        if not path:
            return self.put(path, node)
        parents = self._parents(path)
        parent = parents[-1]
        if not is_array(parent):
            return self.put(path, node)
        token = path[-1]
        index = len(parent) if token == "-" else index_of(token)
        if index is None or index > len(parent):
            raise DoesNotFit(path, _no_element(parent, token))
        if parent.__class__ is Array:
            changed = parent.insert(index, node)
        else:
            changed = _array((*parent[:index], node, *parent[index:]))
        return self._rebuilt(path, parents, changed, _weight(node) + 1)

    def remove(self, path: Path) -> "Document":
        """
        Take a member or an element away.

        Raises:
            DoesNotFit: nothing is there, or it is the root.
        """
        if not path:
            raise DoesNotFit(path, "the document itself can't be removed")
        parents = self._parents(path)
        parent, token = parents[-1], path[-1]
        before = child(parent, token)
        if before is MISSING:
            raise DoesNotFit(path, "nothing is there")
        if is_object(parent):
            shrunk = _weight(before) + _key_weight(token)
            return self._rebuilt(path, parents, _without_member(parent, token), -shrunk)
        index = int(token)
        if parent.__class__ is Array:
            changed = parent.remove(index)
        else:
            changed = parent[:index] + parent[index + 1 :]
        return self._rebuilt(path, parents, changed, -_weight(before) - 1)

    def apply(self, changes: Iterable[Change]) -> "Document":
        """
        Apply changes in order.

        Raises:
            DoesNotFit: one is for another document; nothing is applied.
            ValueError: one is no change.
        """
        document = self
        for change in changes:
            document = document._apply(change)
        return document

    def _apply(self, change: Change) -> "Document":
        path = parse(change.path)
        if change.op == "remove":
            return self.remove(path)
        if change.value is UNSET:
            raise ValueError(f"{change.op} of {change.path!r} has no value")
        if change.op == "replace":
            if self.find(path) is MISSING:
                raise DoesNotFit(path, "nothing is there to be replaced")
            return self.put(path, freeze(change.value))
        if change.op == "add":
            return self.insert(path, freeze(change.value))
        raise ValueError(f"a change is add, remove or replace, not {change.op!r:.40}")

    def _parents(self, path: Path) -> list[Node]:
        """Give the containers above ``path``, from the root on."""
        node = self.root
        parents = [node]
        for token in path[:-1]:
            node = child(node, token)
            parents.append(node)
        if not (is_object(node) or is_array(node)):
            parent = path[:-1]
            raise DoesNotFit(path, f"{render(parent)!r} is no object and no array")
        return parents

    def _rebuilt(self, path: Path, parents: list[Node], changed: Node, grown: int) -> "Document":
        """Put ``changed`` in the place of the last parent, and so on up to the root."""
        for depth in range(len(parents) - 2, -1, -1):
            parent, token = parents[depth], path[depth]
            if is_object(parent):
                changed = _with_member(parent, token, changed)
            elif parent.__class__ is Array:
                changed = parent.set(int(token), changed)
            else:
                changed = _with_element(parent, int(token), changed)
        return Document(changed, self.size + grown)


def _object(members: dict[str, Node]) -> Node:
    return members if len(members) <= SMALL else HashTrieMap(members)


def _array(elements: Sequence[Node]) -> Node:
    return tuple(elements) if len(elements) <= SMALL else Array.of(elements)


def _with_member(node: Node, token: str, below: Node) -> Node:
    if node.__class__ is dict:
        changed = node.copy()
        changed[token] = below
        return changed if len(changed) <= SMALL else HashTrieMap(changed)
    return node.insert(token, below)


def _without_member(node: Node, token: str) -> Node:
    if node.__class__ is dict:
        changed = node.copy()
        del changed[token]
        return changed
    smaller = node.remove(token)
    return dict(smaller.items()) if len(smaller) <= SMALL // 2 else smaller


def _with_element(node: tuple[Node, ...], index: int, below: Node) -> Node:
    return (*node[:index], below, *node[index + 1 :])


def _no_element(parent: Sequence[Node], token: str) -> str:
    return f"{token!r:.40} is no index of the {len(parent)} elements there"


def _weight(node: Node) -> int:
    """Give about the bytes of a node as JSON."""
    kind = node.__class__
    if kind is str:
        return len(node) + 2 if node.isascii() else len(node.encode()) + 2
    if kind is int:
        return 1 if -10 < node < 10 else len(str(node))
    if kind is dict or kind is HashTrieMap:
        return 2 + sum(_key_weight(key) + _weight(member) for key, member in node.items())
    if kind is tuple or kind is Array:
        return 2 + sum(1 + _weight(element) for element in node)
    return 8 if kind is float else 4


def _key_weight(token: str) -> int:
    return len(token.encode()) + 4
