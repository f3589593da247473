"""
A transaction as a client submits it: read from the wire, checked, and bounded.

``CommitArguments`` is the shape of the keyword arguments: decoded straight from the payload, in one
step, it goes through ``checked_transaction``. What does not fit that shape goes through
``read_transaction``, which is slower and names the index and the reason.

    tx       ``<client id: 32 hex digits>:<counter>``: makes it happen at most once
    epoch    that the base is a version of
    base     the version that was read; without it, ``reads`` must be empty: it reads whatever is there
    reads    what the client has read; see ``reads``
    ops      what it does; see ``operations``
    want     pointers whose values the answer is to carry
    publish  events that go out after the commit: ``{topic, args?, kwargs?, options?}``, JSON values
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from realms.dstm.errors import INVALID, TOO_LARGE, DstmError
from realms.dstm.operations import OP_NAMES, Limits, Op
from realms.dstm.pointer import Path, parse
from realms.dstm.reads import Read
from realms.dstm.values import MAX_INTEGER, normalized, size

__all__ = [
    "CommitArguments",
    "Limits",
    "Publish",
    "Transaction",
    "checked_transaction",
    "digest",
    "read_transaction",
]

_is_tx: Final = re.compile(r"[0-9a-f]{32}:(?:0|[1-9][0-9]{0,15})").fullmatch
_LISTS: Final = ("reads", "ops", "want", "publish")
_NAMES: Final = ("tx", "epoch", "base", *_LISTS)
_RESERVED: Final = ("dstm.", "wamp.")
# JSON around a pointer and a value, about
_OP_BYTES: Final = 32

# Structs in the order of their fields, dicts sorted
_encode: Final = msgspec.json.Encoder(order="deterministic").encode

T = TypeVar("T")


class Publish(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """
    An event to be published after the commit.

    :ivar topic: its URI
    :ivar options: of WAMP's PUBLISH; name -> value
    """

    topic: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    options: dict[str, Any] = {}


class CommitArguments(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The keyword arguments of ``dstm.<s>.commit``, as they come; see the head of this module."""

    tx: str | None = None
    epoch: str | None = None
    base: int | None = None
    reads: tuple[str | tuple[Literal["keys", "exists"], str], ...] = ()
    ops: tuple[Op, ...] = ()
    want: tuple[str, ...] = ()
    publish: tuple[Publish, ...] = ()


class Transaction(Struct, frozen=True, gc=False):
    """
    What is to happen at one place of the order, checked.

    :ivar tx: its id, or None: then it may happen again if it is submitted again
    :ivar base: the version that was read; None for the newest
    :ivar bytes: about what its ops and events take as JSON
    """

    tx: str | None = None
    epoch: str | None = None
    base: int | None = None
    reads: tuple[Read, ...] = ()
    ops: tuple[Op, ...] = ()
    want: tuple[Path, ...] = ()
    publish: tuple[Publish, ...] = ()
    bytes: int = 0


def read_transaction(kwargs: Mapping[str, Any], limits: Limits) -> Transaction:
    """
    Read a transaction from plain keyword arguments.

    Raises:
        DstmError: ``invalid`` or ``too_large``, with ``part``, ``reason`` and, in a list, ``index``.
    """
    for name in kwargs:
        if name not in _NAMES:
            raise _error(INVALID, str(name), f"is unknown; allowed are {', '.join(_NAMES)}")
    lists = {part: _list(kwargs, part, limits) for part in _LISTS}
    arguments = CommitArguments(
        tx=_scalar(kwargs, "tx", str),
        epoch=_scalar(kwargs, "epoch", str),
        base=_scalar(kwargs, "base", int),
        reads=tuple(Read.parse(wire, index).wire() for index, wire in enumerate(lists["reads"])),  # type: ignore[misc]
        ops=_each("ops", map(_integral, lists["ops"]), _op),
        want=_each("want", lists["want"], lambda wire: msgspec.convert(wire, str)),
        publish=_each("publish", lists["publish"], lambda wire: msgspec.convert(wire, Publish)),
    )
    return checked_transaction(arguments, limits)


def checked_transaction(arguments: CommitArguments, limits: Limits) -> Transaction:
    """
    Check what the shape does not: numbers, pointers, values, sizes.

    Raises:
        DstmError: as ``read_transaction``.
    """
    if len(arguments.ops) > limits.ops or arguments.reads or arguments.want or arguments.publish:
        for part in _LISTS:
            _check_count(part, getattr(arguments, part), limits)
    _check_ids(arguments)
    depth = limits.depth
    try:
        ops = tuple([op.checked(depth) for op in arguments.ops])
    except ValueError:
        ops = _each("ops", arguments.ops, lambda op: op.checked(depth))  # raises, and names the index
    reads: tuple[Read, ...] = ()
    if arguments.reads:
        reads = tuple([_read(wire, index) for index, wire in enumerate(arguments.reads)])
    want: tuple[Path, ...] = ()
    publish: tuple[Publish, ...] = ()
    if arguments.want or arguments.publish:
        want = _each("want", arguments.want, parse)
        publish = _each("publish", arguments.publish, lambda publish: _publish(publish, depth))
    total = _bytes_of(ops, publish)
    if total > limits.transaction_bytes:
        reason = f"has about {total} bytes; allowed are {limits.transaction_bytes}"
        raise _error(TOO_LARGE, "transaction", reason)
    return Transaction(arguments.tx, arguments.epoch, arguments.base, reads, ops, want, publish, total)


def digest(transaction: Transaction) -> bytes:
    """Give 16 bytes that are equal for equal bodies, in whatever form and order of names they came."""
    body = _encode(
        (
            transaction.epoch,
            transaction.base,
            transaction.reads,
            transaction.ops,
            transaction.want,
            transaction.publish,
        )
    )
    return sha256(body).digest()[:16]


def _check_count(part: str, items: Sequence[object], limits: Limits) -> None:
    limit: int = getattr(limits, part)
    if len(items) > limit:
        raise _error(TOO_LARGE, part, f"{len(items)} are too many; allowed are {limit}")


def _check_ids(arguments: CommitArguments) -> None:
    tx, base = arguments.tx, arguments.base
    if tx is not None and _is_tx(tx) is None:
        raise _error(INVALID, "tx", "must be <32 hex digits in lower case>:<counter>")
    if base is None:
        if arguments.reads:
            raise _error(INVALID, "base", "is needed where there are reads: the version that was read")
    elif not 0 <= base <= MAX_INTEGER:
        raise _error(INVALID, "base", f"must be a version, 0..2**53 - 1, got {base}")


def _read(wire: str | tuple[Literal["keys", "exists"], str], index: int) -> Read:
    if type(wire) is str:
        try:
            return Read("value", parse(wire))
        except ValueError:
            pass  # what is wrong is told below
    return Read.parse(wire, index)


def _publish(publish: Publish, depth: int) -> Publish:
    topic = publish.topic
    if not topic or topic.startswith(_RESERVED):
        raise ValueError(f"topic must be a URI and not begin with {' or '.join(_RESERVED)}, got {topic!r}")
    return Publish(
        topic,
        normalized(publish.args, depth),
        normalized(publish.kwargs, depth),
        normalized(publish.options, depth),
    )


def _bytes_of(ops: Sequence[Op], publish: Sequence[Publish]) -> int:
    total = 0
    for op in ops:
        total += _OP_BYTES + len(op.path)
        value: Any = getattr(op, "value", None)
        kind = value.__class__
        if kind is str:
            total += len(value)
        elif kind is dict or kind is list:
            total += size(value)
    for event in publish:
        total += size(event.args) + size(event.kwargs) + size(event.options)
    return total


def _list(kwargs: Mapping[str, Any], part: str, limits: Limits) -> Sequence[Any]:
    items = kwargs.get(part)
    if items is None:
        return ()
    if not isinstance(items, list | tuple):
        raise _error(INVALID, part, f"must be a list, got {type(items).__name__}")
    _check_count(part, items, limits)
    return items


def _scalar(kwargs: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    value = _integral_number(kwargs.get(name))
    if value is None or type(value) is kind:
        return value
    raise _error(INVALID, name, f"must be {kind.__name__}, got {type(value).__name__}")


def _op(wire: object) -> Op:
    """Read one op that may be anything."""
    name = wire.get("op") if isinstance(wire, dict) else None
    if isinstance(wire, dict) and name not in OP_NAMES:
        raise ValueError(f"op must be one of {', '.join(OP_NAMES)}; got {name!r}")
    op: Op = msgspec.convert(wire, Op)
    return op


def _integral(wire: object) -> object:
    """Turn a float without a fraction, which some clients send for an integer, into it."""
    if isinstance(wire, dict):
        return {name: _integral_number(value) for name, value in wire.items()}
    return wire


def _integral_number(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


def _each(part: str, items: Iterable[Any], read: Callable[[Any], T]) -> tuple[T, ...]:
    """Read all items; an error names the index."""
    done: list[T] = []
    try:
        for item in items:
            done.append(read(item))
    except (ValueError, msgspec.ValidationError) as error:
        raise _error(INVALID, part, str(error), index=len(done)) from None
    return tuple(done)


def _error(uri: str, part: str, reason: str, **where: int) -> DstmError:
    place = f"{part}[{where['index']}]" if where else part
    return DstmError(uri, f"{place}: {reason}", part=part, reason=reason, **where)
