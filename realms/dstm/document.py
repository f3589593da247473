"""
A document that shares its structure: an edit makes a new one, and the old one stays as it was.

Rules of this file:

- Nodes are never changed. A scalar is its own node; an object is a dict of up to ``SMALL`` members,
  copied at each edit, or else a ``Trie``; an array is a tuple or, above ``SMALL``, an ``Array``.
- Each container knows its size, so that what a large value weighs is never counted again.
- What a node is made of is known here alone: others go through the functions below.
- ``put``, ``insert`` and ``remove`` are the three edits that all others are made of.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import UNSET, Struct, json

from realms.dstm.array import Array
from realms.dstm.changes import Change
from realms.dstm.pointer import ROOT, Path, parse, render
from realms.dstm.trie import Trie

SMALL: Final = 128  # members that a dict's copy takes no longer for than an edit of a Trie

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


class _Object(Struct, frozen=True, gc=False, eq=False):
    """
    An object.

    :ivar inside: token -> node
    :ivar size: bytes as JSON
    """

    inside: Any
    size: int


class _Array(Struct, frozen=True, gc=False, eq=False):
    """
    An array.

    :ivar inside: nodes
    :ivar size: bytes as JSON
    """

    inside: Any
    size: int


_encode: Final = json.Encoder().encode
_CONTAINERS: Final = frozenset({dict, list, tuple})
_BRANCHES: Final[frozenset[Any]] = frozenset({_Object, _Array})


def freeze(value: Any) -> Node:
    """Make a node of a plain, normalized value."""
    kind = value.__class__
    if kind is dict:
        below = {token: freeze(it) for token, it in value.items() if it.__class__ in _CONTAINERS}
        if not below:
            return _Object(_mapping(value.copy()), len(_encode(value)))
        flat = len(_encode({**value, **dict.fromkeys(below, 0)}))
        return _Object(_mapping({**value, **below}), flat + sum([node.size - 1 for node in below.values()]))
    if kind is not list and kind is not tuple:
        return value
    if any(it.__class__ in _CONTAINERS for it in value):
        elements = tuple(map(freeze, value))
        return _Array(_sequence(elements), 1 + len(elements) + sum(map(weight, elements)))
    return _Array(_sequence(tuple(value)), len(_encode(value)))


def thaw(node: Node) -> Any:
    """Make a plain value of a node; it shares nothing that could be changed."""
    kind = node.__class__
    if kind is _Object:
        return {
            token: thaw(below) if below.__class__ in _BRANCHES else below
            for token, below in node.inside.items()
        }
    if kind is _Array:
        return [thaw(below) if below.__class__ in _BRANCHES else below for below in node.inside]
    return node


def weight(node: Node) -> int:
    """Give the bytes of a node as JSON; of a container, at once."""
    return node.size if node.__class__ in _BRANCHES else len(_encode(node))


def is_object(node: Node) -> bool:
    """Tell whether a node is an object."""
    return node.__class__ is _Object


def is_array(node: Node) -> bool:
    """Tell whether a node is an array."""
    return node.__class__ is _Array


def length(node: Node) -> int:
    """Give the number of members or elements of a container."""
    return len(node.inside)


def child(node: Node, token: str) -> Node:
    """Give what is below ``token``, or ``MISSING``."""
    if node.__class__ is _Object:
        return node.inside.get(token, MISSING)
    if node.__class__ is _Array:
        index = index_of(token)
        return node.inside[index] if index is not None and index < len(node.inside) else MISSING
    return MISSING


def members(node: Node) -> Iterator[tuple[str, Node]]:
    """Give token and node of everything in a container, one after the other; an array's in order."""
    if node.__class__ is _Object:
        return iter(node.inside.items())
    return ((str(index), element) for index, element in enumerate(node.inside))


def index_of(token: str) -> int | None:
    """Give the index that a token stands for (RFC 6901, section 4), or None."""
    if token.isascii() and token.isdigit() and len(token) < 16 and (token[0] != "0" or len(token) == 1):
        return int(token)
    return None


class Document(Struct, frozen=True, gc=False, eq=False):
    """
    One version of a document.

    :ivar root: its node
    :ivar size: its bytes as JSON
    """

    root: Node
    size: int

    @classmethod
    def of(cls, value: Any) -> "Document":
        """Make a document of a plain, normalized value."""
        root = freeze(value)
        return cls(root, weight(root))

    def __repr__(self) -> str:
        return f"<Document of {self.size} bytes>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and thaw(self.root) == thaw(other.root)

    __hash__ = None  # type: ignore[assignment]

    def find(self, path: Path) -> Node:
        """Give the node at ``path``, or ``MISSING``."""
        node = self.root
        for token in path:
            node = node.inside.get(token, MISSING) if node.__class__ is _Object else child(node, token)
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
            return Document(node, weight(node))
        parents = self._parents(path)
        parent, token = parents[-1], path[-1]
        if parent.__class__ is _Object:
            inside = parent.inside
            before = inside.get(token, MISSING)
            grown = weight(node) + (_key(inside, token) if before is MISSING else -weight(before))
            return self._rebuilt(
                path, parents, _Object(_with_member(inside, token, node), parent.size + grown)
            )
        before = child(parent, token)
        if before is MISSING:
            raise DoesNotFit(path, _no_element(parent, token))
        size = parent.size + weight(node) - weight(before)
        return self._rebuilt(path, parents, _Array(_with_element(parent.inside, int(token), node), size))

    def insert(self, path: Path, node: Node) -> "Document":
        """
        Insert an element into an array (``-``: at its end), or set a member of an object, or the root.

        Raises:
            DoesNotFit: there is no such container, or the index is beyond its end.
        """
        if not path:
            return self.put(path, node)
        parents = self._parents(path)
        parent, token = parents[-1], path[-1]
        if parent.__class__ is _Object:
            return self.put(path, node)
        elements = parent.inside
        index = len(elements) if token == "-" else index_of(token)
        if index is None or index > len(elements):
            raise DoesNotFit(path, _no_element(parent, token))
        size = parent.size + weight(node) + (1 if elements else 0)
        if elements.__class__ is Array:
            return self._rebuilt(path, parents, _Array(elements.insert(index, node), size))
        longer = _sequence((*elements[:index], node, *elements[index:]))
        return self._rebuilt(path, parents, _Array(longer, size))

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
        size = parent.size - weight(before)
        if parent.__class__ is _Object:
            inside = _without_member(parent.inside, token)
            return self._rebuilt(path, parents, _Object(inside, size - _key(inside, token)))
        inside = _without_element(parent.inside, int(token))
        return self._rebuilt(path, parents, _Array(inside, size - (1 if inside else 0)))

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
            node = node.inside.get(token, MISSING) if node.__class__ is _Object else child(node, token)
            parents.append(node)
        if node.__class__ not in _BRANCHES:
            raise DoesNotFit(path, f"{render(path[:-1])!r} is no object and no array")
        return parents

    def _rebuilt(self, path: Path, parents: list[Node], changed: Node) -> "Document":
        """Put ``changed`` in the place of the last parent, and so on up to the root."""
        grown = changed.size - parents[-1].size
        for depth in range(len(parents) - 2, -1, -1):
            parent, token = parents[depth], path[depth]
            if parent.__class__ is _Object:
                changed = _Object(_with_member(parent.inside, token, changed), parent.size + grown)
            else:
                changed = _Array(_with_element(parent.inside, int(token), changed), parent.size + grown)
        return Document(changed, changed.size)


def _mapping(inside: dict[str, Node]) -> Any:
    return inside if len(inside) <= SMALL else Trie.of(inside)


def _sequence(elements: tuple[Node, ...]) -> Sequence[Node] | Array:
    return elements if len(elements) <= SMALL else Array.of(elements)


def _with_member(inside: Any, token: str, below: Node) -> Any:
    if inside.__class__ is not dict:
        return inside.set(token, below)
    changed = inside.copy()
    changed[token] = below
    return changed if len(changed) <= SMALL else Trie.of(changed)


def _without_member(inside: Any, token: str) -> Any:
    if inside.__class__ is dict:
        changed = inside.copy()
        del changed[token]
        return changed
    smaller = inside.remove(token)
    return dict(smaller.items()) if len(smaller) <= SMALL // 2 else smaller


def _with_element(inside: Any, index: int, below: Node) -> Any:
    if inside.__class__ is Array:
        return inside.set(index, below)
    return (*inside[:index], below, *inside[index + 1 :])


def _without_element(inside: Any, index: int) -> Any:
    if inside.__class__ is not Array:
        return inside[:index] + inside[index + 1 :]
    shorter = inside.remove(index)
    return tuple(shorter) if len(shorter) <= SMALL // 2 else shorter


def _no_element(parent: Node, token: str) -> str:
    return f"{token!r:.40} is no index of the {length(parent)} elements there"


def _key(others: Any, token: str) -> int:
    """Give the bytes that a member's key takes beside ``others``: itself, a colon and perhaps a comma."""
    return len(_encode(token)) + (2 if others else 1)
