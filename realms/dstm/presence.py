"""
What a transaction binds, checked and made into bindings; and the ops that undo them.

Rules of this file:

- A bound op has a place of its own: not through an array, whose elements move, and not written again by a
  later op of the same transaction.
- What is put back is bounded in bytes, and the bindings of a space in number.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import UNSET

from realms.dstm.bindings import Binding
from realms.dstm.document import MISSING, Document, is_array, thaw
from realms.dstm.errors import INVALID, THROTTLED, TOO_LARGE, DstmError
from realms.dstm.operations import Add, Op, Remove, Replace, SetDefault
from realms.dstm.pointer import Path, parse, render
from realms.dstm.settings import Settings
from realms.dstm.state import State
from realms.dstm.weight import weigh_node

Bindable = Add | Replace | SetDefault

_BINDABLE: Final = (Add, Replace, SetDefault)


def bound_ops(ops: Sequence[Op]) -> list[Any]:
    """Give the ops that bind what they write."""
    bound: list[Any] = []
    for op in ops:
        if isinstance(op, _BINDABLE) and (op.bind is not UNSET or op.ttl_ms is not UNSET):
            bound.append(op)
    return bound


def bind(
    state: State,
    document: Document,
    ops: Sequence[Op],
    bound: Sequence[Bindable],
    session_id: int | None,
    time: int,
    settings: Settings,
) -> list[Binding]:
    """
    Make the bindings of a transaction that leads from ``state`` to ``document``.

    Raises:
        DstmError: ``invalid``, ``too_large``; ``throttled``: the space has too many.
    """
    new: list[Binding] = []
    for op in bound:
        path = parse(op.path)
        index = next(index for index, other in enumerate(ops) if other is op)
        _check_place(document, ops, index, path)
        if op.bind is not UNSET and session_id is None:
            raise _invalid(index, "there is no session to bind to")
        was = state.document.find(path)
        if isinstance(op, SetDefault) and was is not MISSING:
            continue
        new.append(_binding(state, op, path, was, session_id, time, settings.binding_bytes))
    count = len(state.bindings.by_path) + len(new)
    if count > settings.bindings:
        text = f"the space would have {count} bindings; allowed are {settings.bindings}"
        raise DstmError(THROTTLED, text, limit=settings.bindings)
    return new


def _check_place(document: Document, ops: Sequence[Op], index: int, path: Path) -> None:
    if any(is_array(document.find(path[:end])) for end in range(len(path))):
        raise _invalid(index, "what leads through an array can't be bound: its elements move")
    for later, op in enumerate(ops[index + 1 :], index + 1):
        written = (op.path, op.from_) if op.op == "move" else (op.path,)  # type: ignore[union-attr]
        if any(path[: len(above)] == above for above in map(parse, written)):
            raise _invalid(index, f"what is bound must not be written again by ops[{later}]")


def _binding(
    state: State, op: Bindable, path: Path, was: Any, session_id: int | None, time: int, most_bytes: int
) -> Binding:
    linger_ms = None if op.bind is UNSET else 0 if op.linger_ms is UNSET else op.linger_ms
    held = state.bindings.by_path.get(path)
    return Binding(
        path,
        state.version + 1,
        linger_ms,
        None if op.ttl_ms is UNSET else time + op.ttl_ms,
        _kept(path, was, most_bytes) if held is None else held.before,
        None if linger_ms is None else session_id,
    )


def _kept(path: Path, was: Any, most_bytes: int) -> Any:
    """Give the plain value that is to be put back; ``UNSET`` where nothing is."""
    if was is MISSING:
        return UNSET
    if weigh_node(was, most_bytes) > most_bytes:
        text = f"what would be put back at {render(path)!r:.200} has more than {most_bytes} bytes"
        raise DstmError(TOO_LARGE, text, part="ops", reason=text)
    return thaw(was)


def _invalid(index: int, reason: str) -> DstmError:
    return DstmError(INVALID, f"ops[{index}]: {reason}", part="ops", index=index, reason=reason)


def undoing(binding: Binding) -> Op:
    """Give the op that undoes a binding."""
    pointer = render(binding.path)
    return Remove(pointer) if binding.before is UNSET else Replace(pointer, binding.before)
