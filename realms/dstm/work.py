"""
A document under the ops of one transaction: what they change, what they read, what they own.

Rules of this file:

- A transaction's own writes are no reads: ``WriteSet`` knows what it has determined itself.
- Nothing is set through the functions of ``document`` without being noted as a change. Among the
  changes, ``add`` always means that nothing was there before (in an array: that the rest moved on).
- Whatever a copy duplicates counts as bytes of the transaction, so that ops can't multiply a document.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct

from realms.dstm.changes import Change
from realms.dstm.document import MISSING, Document, child, freeze, is_array, is_object, length, members, thaw
from realms.dstm.pointer import ROOT, Path, render
from realms.dstm.reads import Kind, Read

_INDEX: Final = frozenset("0123456789")

FailureKind = Literal["state", "constraint", "test", "size"]


class Limits(Struct, frozen=True, gc=False):
    """Bounds of one transaction (numbers, bytes as JSON) and of the document that it leaves behind."""

    ops: int = 1000
    reads: int = 1000
    want: int = 100
    publish: int = 100
    transaction_bytes: int = 2**20
    document_bytes: int = 64 * 2**20
    depth: int = 64


class OpFailed(Exception):
    """
    An op that can't be applied; nothing of its transaction is.

    :ivar index: of the op
    :ivar reason: what is wrong, for people
    :ivar met: what of the document is the cause: if it changed since the base, it is a conflict
    :ivar kind: ``state``: the target is not as the op needs it; ``test``: a test failed;
        ``constraint``: a bound of ``inc`` or of the numbers; ``size``: too large
    """

    def __init__(self, index: int, reason: str, met: tuple[Read, ...], kind: FailureKind) -> None:
        super().__init__(f"ops[{index}]: {reason}")
        self.index = index
        self.reason = reason
        self.met = met
        self.kind = kind


class Applied(NamedTuple):
    """
    What ops come to.

    :ivar document: the one after them
    :ivar changes: in order
    :ivar before: of each change its path, and the node that was there or ``MISSING``
    """

    document: Document
    changes: tuple[Change, ...]
    before: tuple[tuple[Path, Any], ...]


class WriteSet:
    """
    The places that own ops have determined: a read there is none of the shared document.

    Elements of an array of the shared document are never among them, since they move. Where own ops have
    moved them, an index says nothing of the shared document any more: there, the whole array is read.
    """

    __slots__ = ("_moved", "_whole")

    def __init__(self) -> None:
        self._whole: dict[Path, bool] = {}  # path -> True: it and all below; False: only that it is there
        self._moved: frozenset[Path] = frozenset()  # of arrays

    def copy(self) -> "WriteSet":
        """Give one that is independent of this."""
        copy = WriteSet()
        copy._whole = self._whole.copy()
        copy._moved = self._moved
        return copy

    def covers(self, kind: Kind, path: Path) -> bool:
        """Tell whether own ops alone decide what such a read learns."""
        whole = self._whole
        if not whole:
            return False
        if path in whole and (kind == "exists" or kind == "place"):
            return True
        return any(whole.get(path[:end]) for end in range(len(path) + 1))

    def shared(self, kind: Kind, path: Path) -> Read:
        """Give the read of the shared document that one of the document with own ops amounts to."""
        if self._moved:
            for end in range(len(path)):
                if path[:end] in self._moved:
                    return Read("value", path[:end])
        return Read(kind, path)

    def set(self, path: Path) -> None:
        """Note that the value at ``path`` was set or removed."""
        self._whole[path] = True

    def touch(self, path: Path) -> None:
        """Note that something is at ``path`` whose value depends on the shared document."""
        self._whole.setdefault(path, False)

    def move(self, array: Path) -> None:
        """Note that elements of an array have other indices than before."""
        self._moved |= {array}


class Implied:
    """The reads that ops imply on ``document``, the one that the first of them meets."""

    __slots__ = ("document", "reads", "writes")

    def __init__(self, document: Document, writes: WriteSet) -> None:
        self.document = document
        self.writes = writes
        self.reads: dict[Read, None] = {}

    def read(self, kind: Kind, path: Path) -> None:
        """Note a read, unless it is of what own ops have determined."""
        if not self.writes.covers(kind, path):
            self.reads[self.writes.shared(kind, path)] = None

    def set(self, path: Path) -> None:
        """Note a write of what is at ``path``, except in an array of the shared document."""
        if not self._leads_through_array(path):
            self.writes.set(path)

    def remove(self, path: Path) -> None:
        """Note a removal."""
        if path and path[-1][:1] in _INDEX and self._is_array(path[:-1]):
            self.writes.move(path[:-1])
        else:
            self.set(path)

    def add(self, path: Path) -> None:
        """Note the read and the write of an ``add``."""
        parent = path[:-1]
        if not path:
            self.writes.set(path)
        elif path[-1] == "-":
            self.read("container", parent)
        elif path[-1][:1] in _INDEX and self._is_array(parent):
            self.read("keys", parent)
            self.writes.move(parent)
        else:
            self.read("container", parent)
            self.set(path)

    def touch(self, path: Path) -> None:
        """Note a blind write."""
        if not self._leads_through_array(path):
            self.writes.touch(path)

    def shared(self, reads: Iterable[Read]) -> tuple[Read, ...]:
        """Give those reads that are of the shared document, as reads of it."""
        writes = self.writes
        return tuple(writes.shared(*read) for read in reads if not writes.covers(*read))

    def is_missing(self, path: Path) -> bool:
        """Tell whether nothing is at ``path`` before the first op."""
        return self.document.find(path) is MISSING

    def _is_array(self, path: Path) -> bool:
        return is_array(self.document.find(path))

    def _leads_through_array(self, path: Path) -> bool:
        places = _index_places(path)
        return bool(places) and any(self._is_array(path[:end]) for end in places)


@lru_cache(maxsize=10_000)
def _index_places(path: Path) -> tuple[int, ...]:
    """Give the places of the tokens of a path that may be indices of arrays."""
    return tuple(place for place, token in enumerate(path) if token[:1] in _INDEX)


class Refused(Exception):
    """An op can't be applied; ``OpFailed`` without the index."""

    def __init__(self, reason: str, *met: Read, kind: FailureKind = "state") -> None:
        super().__init__(reason)
        self.reason = reason
        self.met = met
        self.kind = kind


class Work:
    """A document under the ops of one transaction."""

    __slots__ = ("before", "changes", "copied", "document", "limits")

    def __init__(self, document: Document, limits: Limits) -> None:
        self.document = document
        self.limits = limits
        self.changes: list[Change] = []
        self.before: list[tuple[Path, Any]] = []
        self.copied = 0  # bytes, about

    def add(self, path: Path, value: Any, pointer: str | None = None) -> None:
        """Do what ``add`` does: insert into an array, set a member, replace the whole; as ``put``."""
        if path and (path[-1] == "-" or path[-1][:1] in _INDEX):
            parent = self.document.find(path[:-1])
            if is_array(parent):
                index = str(length(parent)) if path[-1] == "-" else path[-1]
                self.insert((*path[:-1], index), value)
                return
        self.put(path, self.document.find(path), value, pointer)

    def insert(self, path: Path, value: Any) -> None:
        """Insert an element into an array."""
        self.document = self.document.insert(path, freeze(value))
        self.changes.append(Change("add", render(path), value))
        self.before.append((path, MISSING))

    def put(self, path: Path, before: Any, value: Any, pointer: str | None = None) -> None:
        """
        Set a member of an object, replace an element of an array or the whole.

        :param before: the node that is there, or ``MISSING``
        :param pointer: of ``path``, if it is known
        """
        if pointer is None:
            pointer = render(path)
        self.document = self.document.put(path, freeze(value))
        self.changes.append(Change("add" if before is MISSING else "replace", pointer, value))
        self.before.append((path, before))

    def remove(self, path: Path) -> None:
        """Remove what is at ``path``."""
        before = self.existing(path)
        if not path:
            raise Refused("the document itself can't be removed; replace it", Read("place", path))
        self.document = self.document.remove(path)
        self.changes.append(Change("remove", render(path)))
        self.before.append((path, before))

    def merge(self, path: Path, patch: Any) -> None:
        """Do RFC 7396's MergePatch at ``path``."""
        node = self.document.find(path)
        if not isinstance(patch, dict) or not is_object(node):
            self.put(path, node, _without_nulls(patch))
            return
        for token, value in patch.items():
            below = (*path, token)
            if value is not None:
                self.merge(below, value)
            elif child(node, token) is not MISSING:
                self.remove(below)

    def existing(self, path: Path) -> Any:
        """Give the node at ``path``, or refuse the op."""
        node = self.document.find(path)
        if node is MISSING:
            raise Refused(f"nothing is at {shown(path)}", *self.met(path))
        return node

    def duplicate(self, source: Path, path: Path) -> Any:
        """Give the plain value at ``source``, counted, as what is set at ``path``."""
        value = self.existing(source)
        left = self.limits.transaction_bytes - self.copied
        self.copied += _measure(value, left, self.limits.depth - len(path), Read("value", source))
        return thaw(value)

    def met(self, path: Path) -> tuple[Read, ...]:
        """Give the reads that tell why an op does not fit at ``path``."""
        node: Any = self.document.find(ROOT)
        for end, token in enumerate(path):
            below = child(node, token)
            if below is MISSING:
                return _met_end(node, path, end)
            node = below
        if is_object(node) or is_array(node):
            return Read("exists", path), Read("container", path)
        return (Read("value", path),)


def _met_end(node: Any, path: Path, end: int) -> tuple[Read, ...]:
    if is_array(node):
        return (Read("keys", path[:end]),)
    return (Read("exists", path[: end + 1]),) if is_object(node) else (Read("value", path[:end]),)


def shown(path: Path) -> str:
    return repr(render(path))


def _measure(node: Any, bytes_left: int, depth_left: int, source: Read) -> int:
    """Give about the bytes of a node as JSON; stop where they are too many, or too deep."""
    total = 0
    waiting = [(node, depth_left)]
    while waiting:
        node, depth = waiting.pop()
        total += len(node) + 2 if isinstance(node, str) else 4
        below = is_object(node) or is_array(node)
        if below and depth <= 0:
            raise Refused(f"a copy of {shown(source.path)} would nest too deeply there", source, kind="size")
        if total + (2 * length(node) if below else 0) > bytes_left:
            raise Refused(f"{shown(source.path)} is too large to be copied or moved", source, kind="size")
        if below:
            keyed = is_object(node)
            for token, member in members(node):
                total += len(token) + 4 if keyed else 2
                waiting.append((member, depth - 1))
    return total


def _without_nulls(patch: Any) -> Any:
    """Give what a patch leaves where nothing was before."""
    if not isinstance(patch, dict):
        return patch
    return {token: _without_nulls(value) for token, value in patch.items() if value is not None}


def equal(node: Any, value: Any) -> bool:
    """Tell whether a node is this plain value; True is not 1. The cost is bounded by ``value``."""
    if isinstance(value, dict):
        return (
            is_object(node)
            and length(node) == len(value)
            and all(equal(child(node, token), item) for token, item in value.items())
        )
    if isinstance(value, list):
        return (
            is_array(node)
            and length(node) == len(value)
            and all(equal(child(node, str(index)), item) for index, item in enumerate(value))
        )
    return type(node) is type(value) and bool(node == value)
