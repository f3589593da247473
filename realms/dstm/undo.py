"""Undoing a version by a transaction: conditional, so that it takes back nothing that came after."""

from typing import Any

from realms.dstm.changes import Change
from realms.dstm.document import Document
from realms.dstm.operations import Add, Op, Remove, Replace, inverse
from realms.dstm.pointer import Path, parse
from realms.dstm.reads import Read
from realms.dstm.transaction import Transaction
from realms.dstm.window import Entry


def undoing_transaction(epoch: str, entry: Entry, before: Document) -> Transaction:
    """
    Give the transaction that undoes a commit: if nothing that it has changed was changed since.

    :param before: the document of the version before
    """
    nodes: list[tuple[Path, Any]] = []
    document = before
    for change in entry.changes:
        path = parse(change.path)
        nodes.append((path, document.find(path)))
        document = document.apply((change,))
    reads = tuple(dict.fromkeys(Read("value", path) for path, _ in nodes))
    ops = tuple(_op_of(change) for change in inverse(entry.changes, nodes))
    return Transaction(None, epoch, entry.version, reads, ops)


def _op_of(change: Change) -> Op:
    if change.op == "remove":
        return Remove(change.path)
    return (Replace if change.op == "replace" else Add)(change.path, change.value)
