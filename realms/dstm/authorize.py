"""
Whether a session with pointer rules may have a transaction decided.

Rules of this file:

- Every declared and implied read is checked, before anything is decided: what a session may not
  see, it can neither test, copy, bound nor wait for.
- An op that depends on what it meets (all but ``add``, ``remove`` and ``replace``) needs to read it.
- A container is read, written or replaced only where everything below it is allowed.
- A refusal names the place and the pointer that was asked for, and nothing of the document.
"""

from collections.abc import Iterable
from typing import Any, Final

from realms.dstm import document as tree
from realms.dstm.access import READ, WRITE, AnySight, found, is_leaf, shown
from realms.dstm.document import Document
from realms.dstm.errors import DstmError
from realms.dstm.operations import Add, Copy, Merge, Move, Op, Push, Remove, Replace, Test
from realms.dstm.pointer import Path, parse
from realms.dstm.reads import Read
from realms.dstm.transaction import Transaction

NOT_AUTHORIZED: Final = "wamp.error.not_authorized"


def refused(action: str, path: Path, part: str, index: int) -> DstmError:
    """Say that ``action`` is not allowed at ``path``, which stands at ``part[index]`` of the request."""
    text = f"{part}[{index}]: this session may not {action} {shown(path)!r}"
    return DstmError(NOT_AUTHORIZED, text, part=part, index=index, path=shown(path))


def may_read(document: Document, read: Read, root: AnySight) -> bool:
    """Tell whether a dependence of this kind shows nothing hidden."""
    sight, node = found(document, read.path, root)
    if read.kind == "value":
        return _may(READ, sight, node)
    if read.kind == "keys":
        return bool(sight.whole & READ) or _shows_all_keys(sight)
    return bool(sight.some & READ)


def check_reads(document: Document, reads: Iterable[Read], root: AnySight, part: str = "reads") -> None:
    """
    Check reads of a request.

    Raises:
        DstmError: ``not_authorized``.
    """
    for index, read in enumerate(reads):
        if not may_read(document, read, root):
            raise refused("read", read.path, part, index)


def check_transaction(document: Document, transaction: Transaction, root: AnySight) -> None:
    """
    Check all that a transaction reads, wants and writes, against the newest ``document``.

    Raises:
        DstmError: ``not_authorized``.
    """
    check_reads(document, transaction.reads, root)
    check_reads(document, (Read("value", path) for path in transaction.want), root, "want")
    for index, op in enumerate(transaction.ops):
        _check_op(document, op, root, index)


def hide_containers(values: Iterable[Any], want: Iterable[Path], root: AnySight) -> list[Any]:
    """Leave out, as missing, what became a container that may be hidden in part after it was allowed."""
    return [
        None if isinstance(value, dict | list) and not sight_at(path, root).whole & READ else value
        for value, path in zip(values, want, strict=True)
    ]


def _check_op(document: Document, op: Op, root: AnySight, index: int) -> None:
    path = parse(op.path)
    for read in _reads_of(op):
        if not may_read(document, read, root):
            raise refused("read", read.path, "ops", index)
    if isinstance(op, Test):
        return
    if isinstance(op, Merge):
        _check_merge(document, path, op.value, root, index)
        return
    if isinstance(op, Move) and not _may_write(*found(document, parse(op.from_), root), True):
        raise refused("write", parse(op.from_), "ops", index)
    if isinstance(op, Move | Copy):
        leaf = is_leaf(document.find(parse(op.from_)))
    else:
        leaf = not isinstance(op, Push) and not isinstance(getattr(op, "value", None), dict | list)
    if not _may_write(*found(document, path, root), leaf):
        raise refused("write", path, "ops", index)


def _reads_of(op: Op) -> list[Read]:
    path = parse(op.path)
    if isinstance(op, Merge):
        return []  # checked at each of its members
    if isinstance(op, Replace | Remove):
        return [Read("exists", path)]
    parent = [Read("exists", path[:-1])] if path else []
    if isinstance(op, Add):
        return parent
    return [Read("value", parse(op.from_)), *parent] if isinstance(op, Move | Copy) else [Read("value", path)]


def _check_merge(document: Document, path: Path, patch: Any, root: AnySight, index: int) -> None:
    """Check a merge patch member by member, where it changes members of what is an object."""
    sight, node = found(document, path, root)
    if tree.is_object(node) and isinstance(patch, dict) and sight.some & READ:
        for token, value in patch.items():
            _check_merge(document, (*path, token), value, root, index)
    elif not _may(READ, sight, node):
        raise refused("read", path, "ops", index)
    elif not _may_write(sight, node, not isinstance(patch, dict | list)):
        raise refused("write", path, "ops", index)


def _may(action: int, sight: AnySight, node: Any) -> bool:
    return bool(sight.whole & action) or (bool(sight.here & action) and is_leaf(node))


def _may_write(sight: AnySight, node: Any, value_is_leaf: bool) -> bool:
    if sight.whole & WRITE:
        return True
    # Below may be what must stay: only what is visibly no container is replaced, and by none.
    return value_is_leaf and bool(sight.whole & READ or sight.here & READ) and _may(WRITE, sight, node)


def _shows_all_keys(sight: AnySight) -> bool:
    below = [sight.other(), *(sight.step(token) for token in sight.named())]
    return bool(sight.here & READ) and all(member.here & READ for member in below)


def sight_at(path: Path, sight: AnySight) -> AnySight:
    """Give the sight at a pointer, whatever is there."""
    for token in path:
        sight = sight.step(token)
    return sight
