"""About how many bytes things take: quick, and bounded where the answer is only whether it is too much."""

from collections.abc import Sequence
from typing import Any, Final

from realms.dstm.changes import Change
from realms.dstm.document import is_array, is_object, length, members
from realms.dstm.values import size

ENTRY_BYTES: Final = 700  # of a remembered decision and its places in the tables
CHANGE_BYTES: Final = 200  # of a change besides its value


def weigh_node(node: Any, most: int) -> int:
    """Give about the bytes of a node as JSON; once it is over ``most``, any number over it."""
    total, waiting = 0, [node]
    while waiting and total <= most:
        node = waiting.pop()
        if is_object(node) or is_array(node):
            total += 2 + 2 * length(node)
            if total <= most:
                for token, below in members(node):
                    total += len(token)
                    waiting.append(below)
        else:
            total += len(node) + 2 if isinstance(node, str) else 6
    return total


def weigh_entry(changes: Sequence[Change], *more: Any) -> int:
    """Give about the memory of a remembered decision; ``more``: plain values that it holds besides."""
    total = ENTRY_BYTES
    for change in changes:
        value = change.value
        kind = value.__class__
        total += CHANGE_BYTES
        if kind is str:
            total += len(value)
        elif kind is dict or kind is list:
            total += 2 * size(value)
    for value in more:
        if value:
            total += size(value)
    return total
