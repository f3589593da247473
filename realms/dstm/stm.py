"""
What a transaction function sees: one version of the document, changed by its own writes alone.

A function gets a ``Tx`` and works on it as on a dict of pointers. What it reads is noted, what it does is
applied to its own copy, and both are the transaction. It may be run again, so it must do nothing else.

- ``tx.retry()`` leaves the function: run it again when something that it has read changes.
- ``tx.restart()`` leaves it too: run it again on a newer version.
- ``or_else(f, g)`` is a function that does ``f`` or, where that retries, ``g``. What ``f`` has written is
  dropped; what it has read, and what its ops depended on, is kept, because it led to ``g``.

Rules of this file:

- What leaves a ``Tx`` is a plain copy, what enters it is checked and copied.
- A read is noted before its outcome is known: that something is missing, or fails, is learned too.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import iscoroutine
from typing import Any, Final, Literal, NamedTuple, NoReturn

from msgspec import UNSET, UnsetType, to_builtins

from realms.dstm.document import MISSING, Document, is_array, is_object, members, thaw
from realms.dstm.errors import CONFLICT, CONSTRAINT, INVALID, TOO_LARGE, DstmError
from realms.dstm.operations import (
    Add,
    Copy,
    Inc,
    Limits,
    Max,
    Merge,
    Min,
    Move,
    Number,
    Op,
    OpFailed,
    Push,
    Remove,
    Replace,
    SetDefault,
    Test,
    apply,
)
from realms.dstm.pointer import ROOT, Path, parse
from realms.dstm.reads import Kind, Read, ReadSet
from realms.dstm.transaction import Publish
from realms.dstm.work import Implied, WriteSet

_URI: Final = {"state": INVALID, "constraint": CONSTRAINT, "test": CONFLICT, "size": TOO_LARGE}

Ended = Literal["done", "retry", "restart"]
Function = Callable[..., Any]


class Retry(Exception):
    """Leaves a transaction function that has to wait for what it has read."""


class Conflict(Exception):
    """Leaves a transaction function that wants a newer version."""


class _Mark(NamedTuple):
    """Where a ``Tx`` can go back to."""

    document: Document
    ops: int
    publishes: int
    writes: WriteSet


class Tx:
    """
    One run of a transaction function on one version.

    Pointers are texts (RFC 6901). A pointer that is none, or a value that no document can hold, is a
    ``ValueError``; an op that does not fit is a ``DstmError`` as the server would raise it.

    :ivar version: the version that it sees
    :ivar document: that version with the own writes
    """

    def __init__(self, document: Document, version: int, limits: Limits | None = None) -> None:
        self.document = document
        self.version = version
        self._limits = limits or Limits()
        self._reads = ReadSet()
        self._implied = Implied(document, WriteSet())
        self._ops: list[Op] = []
        self._publishes: list[Publish] = []
        self._left: Ended = "done"
        self._open = True

    # What it comes to

    @property
    def reads(self) -> tuple[Read, ...]:
        """What was read of the shared document."""
        return tuple(self._reads)

    @property
    def ops(self) -> tuple[Op, ...]:
        """What was done."""
        return tuple(self._ops)

    @property
    def publishes(self) -> tuple[Publish, ...]:
        """The events that go out after the commit."""
        return tuple(self._publishes)

    @property
    def only_reads(self) -> bool:
        """Whether nothing was done."""
        return not self._ops and not self._publishes

    def wire(self) -> dict[str, Any]:
        """Give ``reads``, ``ops`` and ``publish`` as ``dstm.<s>.commit`` takes them."""
        body = {"reads": self._reads.wire(), "ops": to_builtins(self._ops)}
        return {**body, "publish": to_builtins(self._publishes)} if self._publishes else body

    # Reads

    def __getitem__(self, pointer: str) -> Any:
        """
        Give the value at ``pointer``.

        Raises:
            KeyError: there is none.
        """
        node = self._look("value", parse(pointer))
        if node is MISSING:
            raise KeyError(pointer)
        return thaw(node)

    def get(self, pointer: str, default: Any = None) -> Any:
        """Give the value at ``pointer``, or ``default`` where there is none."""
        node = self._look("value", parse(pointer))
        return default if node is MISSING else thaw(node)

    def __contains__(self, pointer: str) -> bool:
        """Tell whether there is a value; what it is is not read."""
        return self._look("exists", parse(pointer)) is not MISSING

    def keys(self, pointer: str = "") -> list[str]:
        """
        Give the names in an object, sorted, or the indices in an array; the values are not read.

        Raises:
            KeyError: there is neither.
        """
        node = self._look("keys", parse(pointer))
        if is_object(node):
            return sorted(token for token, _ in members(node))
        if is_array(node):
            return [token for token, _ in members(node)]
        raise KeyError(pointer)

    # Writes

    def __setitem__(self, pointer: str, value: Any) -> None:
        """Set a member, or replace an element of an array; ``/a/-`` appends one."""
        self.put(pointer, value)

    def put(
        self,
        pointer: str,
        value: Any,
        *,
        bind: Literal["session"] | None = None,
        linger_ms: int | None = None,
        ttl_ms: int | None = None,
    ) -> None:
        """
        Do ``tx[pointer] = value``, perhaps for a time only.

        :param bind: ``session``: it is undone when the session leaves, ``linger_ms`` later
        :param ttl_ms: it is undone that long after the commit
        """
        path = parse(pointer)
        inside = not path or (path[-1] != "-" and is_array(self.document.find(path[:-1])))
        self._do((Replace if inside else Add)(pointer, value, *_binding(bind, linger_ms, ttl_ms)))

    def insert(self, pointer: str, value: Any) -> None:
        """Insert an element into an array before the one at ``pointer``."""
        self._do(Add(pointer, value))

    def __delitem__(self, pointer: str) -> None:
        """
        Remove what is at ``pointer``.

        Raises:
            KeyError: nothing is.
        """
        path = parse(pointer)
        if self.document.find(path) is MISSING:
            self._look("exists", path)
            raise KeyError(pointer)
        self._do(Remove(pointer))

    def inc(
        self, pointer: str, value: Number = 1, min: Number | None = None, max: Number | None = None
    ) -> None:
        """Add to a number, without reading it; the sum must be within the bounds."""
        self._do(Inc(pointer, value, _set(min), _set(max)))

    def min(self, pointer: str, value: Number) -> None:
        """Set a number if it is smaller, without reading."""
        self._do(Min(pointer, value))

    def max(self, pointer: str, value: Number) -> None:
        """Set a number if it is greater, without reading."""
        self._do(Max(pointer, value))

    def push(self, pointer: str, value: Any) -> None:
        """Append to an array, without reading it; where nothing is, set an array."""
        self._do(Push(pointer, value))

    def merge(self, pointer: str, patch: Any) -> None:
        """Set the members that ``patch`` names, remove those that it sets to None, without reading."""
        self._do(Merge(pointer, patch))

    def setdefault(
        self,
        pointer: str,
        value: Any,
        *,
        bind: Literal["session"] | None = None,
        linger_ms: int | None = None,
        ttl_ms: int | None = None,
    ) -> bool:
        """Set a value where nothing is; tell whether that was done."""
        missing = self.document.find(parse(pointer)) is MISSING
        self._do(SetDefault(pointer, value, *_binding(bind, linger_ms, ttl_ms)))
        return missing

    def move(self, source: str, pointer: str) -> None:
        """Add the value at ``source`` at ``pointer``, and remove it at ``source``."""
        self._do(Move(pointer, source))

    def copy(self, source: str, pointer: str) -> None:
        """Add the value at ``source`` at ``pointer`` too."""
        self._do(Copy(pointer, source))

    def test(self, pointer: str, value: Any) -> None:
        """Fail with ``conflict`` unless the value is this."""
        self._do(Test(pointer, value))

    def publish(self, topic: str, *args: Any, **kwargs: Any) -> None:
        """Publish an event after the commit."""
        self._check_open()
        self._publishes.append(Publish(topic, list(args), kwargs))

    # Control

    def retry(self) -> NoReturn:
        """Leave the function, and run it again when something that it has read changes."""
        self._left = "retry"
        raise Retry

    def restart(self) -> NoReturn:
        """Leave the function, and run it again on a newer version."""
        self._left = "restart"
        raise Conflict

    @contextmanager
    def nested(self) -> Iterator["Tx"]:
        """Drop what is done inside if that is left by an exception, which goes on."""
        mark = self._mark()
        try:
            yield self
        except BaseException:
            self._go_back(mark)
            raise

    def first_of(self, functions: Sequence[Function], args: Sequence[Any]) -> Any:
        """Do the first function that does not retry; the last one may."""
        for function in functions[:-1]:
            try:
                with self.nested():
                    value = function(self, *args)
                    if self._left != "retry":
                        return value
                    raise Retry
            except Retry:
                self._left = "done"
        return functions[-1](self, *args)

    # Inside

    def _look(self, kind: Kind, path: Path) -> Any:
        self._check_open()
        self._note(kind, path)
        return self.document.find(path)

    def _note(self, kind: Kind, path: Path) -> None:
        writes = self._implied.writes
        if not writes.covers(kind, path):
            self._reads.add(writes.shared(kind, path))

    def _do(self, op: Op) -> None:
        self._check_open()
        op = op.checked(self._limits.depth)
        try:
            self.document = apply(self.document, (op,), self._limits).document
        except OpFailed as failed:
            for read in failed.met or (Read("value", ROOT),):
                self._note(_DECLARED[read.kind], read.path)
            index = len(self._ops)
            raise DstmError(
                _URI[failed.kind], f"ops[{index}]: {failed.reason}", index=index, reason=failed.reason
            ) from None
        op.imply(self._implied)
        self._ops.append(op)

    def _check_open(self) -> None:
        if not self._open:
            raise RuntimeError("this run of the transaction function is over")

    def _mark(self) -> _Mark:
        return _Mark(self.document, len(self._ops), len(self._publishes), self._implied.writes.copy())

    def _go_back(self, mark: _Mark) -> None:
        """Drop what was done since, and note what it depended on."""
        writes, self._implied.writes = self._implied.writes, mark.writes
        for op in self._ops[mark.ops :]:
            for kind, path in _looked(op):
                if not mark.writes.covers(kind, path):
                    self._reads.add(writes.shared(kind, path))
        self.document = mark.document
        del self._ops[mark.ops :]
        del self._publishes[mark.publishes :]


class Outcome(NamedTuple):
    """
    How a run ended.

    :ivar value: what the function returned
    :ivar ended: ``done``; ``retry``: run it again when a read changes; ``restart``: on a newer version
    """

    tx: Tx
    value: Any
    ended: Ended


def run(
    function: Function,
    document: Document,
    version: int,
    args: Sequence[Any] = (),
    limits: Limits | None = None,
) -> Outcome:
    """
    Run a transaction function once.

    Raises:
        Exception: the function's own.
    """
    tx = Tx(document, version, limits)
    value = None
    try:
        value = function(tx, *args)
    except (Retry, Conflict):
        if tx._left == "done":
            raise  # it is not this run's
    finally:
        tx._open = False
    if iscoroutine(value):
        value.close()
        raise TypeError("a transaction function must be a plain function: it can't wait for anything")
    return Outcome(tx, None if tx._left != "done" else value, tx._left)


def or_else(*functions: Function) -> Function:
    """Give a transaction function that does the first of ``functions`` that does not retry."""
    if not functions:
        raise TypeError("or_else needs a function")

    def alternatives(tx: Tx, *args: Any) -> Any:
        return tx.first_of(functions, args)

    return alternatives


# A read that only ops have, by the declared one that is lost whenever it is
_DECLARED: Final[dict[Kind, Kind]] = {
    "value": "value",
    "keys": "keys",
    "exists": "exists",
    "container": "keys",
    "place": "value",
}


def _looked(op: Op) -> Iterator[tuple[Kind, Path]]:
    """Give declared reads of all that an op's success depended on."""
    path = parse(op.path)
    if isinstance(op, Copy | Move):
        yield "value", parse(op.from_)
    if isinstance(op, Inc | Min | Max | Push | Merge | Test):
        yield "value", path
    else:
        yield "exists", path  # which is lost too when anything above is changed


def _binding(
    bind: Literal["session"] | None, linger_ms: int | None, ttl_ms: int | None
) -> tuple[Literal["session"] | UnsetType, int | UnsetType, int | UnsetType]:
    return (UNSET if bind is None else bind), _set(linger_ms), _set(ttl_ms)


def _set(value: Any) -> Any:
    return UNSET if value is None else value
