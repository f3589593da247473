"""
What a sight shows of a document, and of a change to it.

Rules of this file:

- A value that is allowed with all below it is shown as it is. On the way to what may be visible,
  an object is shown with its visible members alone; anything else there is hidden.
- An array is shown whole or not at all.
- A change becomes what turns the visible document before it into the visible document after it:
  itself, nothing, or an add, replace or remove of the visible part, where it happened above.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from realms.dstm import document as tree
from realms.dstm.access import READ, AnySight
from realms.dstm.changes import Change
from realms.dstm.document import MISSING, Document
from realms.dstm.pointer import Path, parse
from realms.dstm.values import canonical


def visible(node: Any, sight: AnySight) -> Any:
    """Give what ``sight`` shows of a node as a plain value, or ``MISSING``."""
    if node is MISSING or not sight.some & READ:
        return MISSING
    if sight.whole & READ:
        return tree.thaw(node)
    if tree.is_object(node):
        members = ((token, visible(child, below)) for token, child, below in visible_members(node, sight))
        return {token: value for token, value in members if value is not MISSING}
    return tree.thaw(node) if sight.here & READ and not tree.is_array(node) else MISSING


def visible_members(node: Any, sight: AnySight) -> Iterator[tuple[str, Any, AnySight]]:
    """
    Give the members of an object that may be visible: token, node, sight.

    Where only members that a pattern names can be, the cost is their number and not the object's.
    """
    if sight.other().some & READ:
        for token, child in tree.members(node):
            below = sight.step(token)
            if below.some & READ:
                yield token, child, below
        return
    for token in sorted(sight.named()):
        child = tree.child(node, token)
        below = sight.step(token)
        if child is not MISSING and below.some & READ:
            yield token, child, below


def can_show(node: Any, sight: AnySight) -> bool:
    """Tell whether ``sight`` shows anything of a node, if only an empty object."""
    if node is MISSING or not sight.some & READ:
        return False
    if sight.whole & READ or tree.is_object(node):
        return True
    return bool(sight.here & READ) and not tree.is_array(node)


def visible_changes(before: Document, changes: Iterable[Change], sight: AnySight) -> list[Change]:
    """Give the changes that a sight shows, of those that begin at the version ``before``."""
    told: list[Change] = []
    for change in changes:
        after = before.apply([change])
        shown = _visible_change(before, after, change, sight)
        if shown is not None:
            told.append(shown)
        before = after
    return told


def _visible_change(before: Document, after: Document, change: Change, root: AnySight) -> Change | None:
    path = parse(change.path)
    sight = _sight_of_change(before, path, root)
    if sight is None or not sight.some & READ:
        return None
    if sight.whole & READ:
        return change
    return _difference(change.path, visible(before.find(path), sight), visible(after.find(path), sight))


def _sight_of_change(before: Document, path: Path, sight: AnySight) -> AnySight | None:
    """Give the sight at ``path``, or the whole one that was met before; ``None`` in a hidden array."""
    node: Any = before.find(())
    for token in path:
        if sight.whole & READ or not sight.some & READ:
            return sight
        if tree.is_array(node):
            return None
        node = tree.child(node, token)
        sight = sight.step(token)
    return sight


def _difference(pointer: str, was: Any, now: Any) -> Change | None:
    if not pointer:  # a document is there, whatever is hidden of it
        was, now = ({} if value is MISSING else value for value in (was, now))
    if now is MISSING:
        return None if was is MISSING else Change("remove", pointer)
    if was is MISSING:
        return Change("add", pointer, now)
    return None if canonical(was) == canonical(now) else Change("replace", pointer, now)
