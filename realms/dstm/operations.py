"""
What a transaction may do to a document: the ops of JSON Patch, and six that need no read before.

    op                        sets                               reads, by itself
    add                       as RFC 6902                        container of the parent
    remove, replace           as RFC 6902                        existence of the target
    copy, move                as RFC 6902                        value of ``from``, and as add
    test                      nothing                            value
    inc (min, max: bounds)    the sum; a missing number is 0     place
    min, max                  the smaller, the greater           place
    push                      one more element at the end        container
    merge                     JSON Merge Patch, RFC 7396         container
    setdefault                only where nothing is              existence

``add`` of an element into an array reads the array's keys, unless it is appended with ``-``. An op is
decoded from its wire form as it is: the member ``op`` chooses the class, the other members are the
fields. Each op meets the document as the ops before it left it.
"""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any, Final, Literal, Self, get_args

from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from realms.dstm.changes import Change
from realms.dstm.document import MISSING, Document, DoesNotFit, is_array, length, thaw
from realms.dstm.pointer import Path, parse
from realms.dstm.reads import Read
from realms.dstm.values import MAX_INTEGER, normalized
from realms.dstm.work import Applied, Implied, Limits, OpFailed, Refused, Work, WriteSet, equal, shown

__all__ = ["Applied", "Limits", "Op", "OpFailed", "WriteSet", "apply", "implied_reads", "inverse"]

Number = int | float


class _Op(Struct, frozen=True, gc=False, tag_field="op", tag=str.lower, forbid_unknown_fields=True):
    """
    One op. Its fields are its members on the wire.

    :ivar path: the pointer, as a text, where it acts
    """

    path: str

    @property
    def op(self) -> str:
        """The op's name on the wire."""
        return str(self.__struct_config__.tag)

    def checked(self, depth: int) -> Self:
        """
        Check what can be checked without a document; give the op with its values normalized.

        :param depth: how deep a document may nest
        Raises:
            ValueError: what is wrong.
        """
        room(self.path, depth)
        return self


class _Setting(_Op, frozen=True):
    """
    An op that sets a value.

    :ivar value: a JSON value
    """

    value: Any

    def checked(self, depth: int) -> Self:
        value = self.value
        left = depth - len(parse(self.path))
        if left >= 0 and value.__class__ is str and value.isascii() and value[:1] != "\0":
            return self
        value = normalized(value, room(self.path, depth))
        return self if value is self.value else replace(self, value=value)


class _Bindable(_Setting, frozen=True):
    """
    An op whose effect may be undone by the server later.

    :ivar bind: ``session``: when the session leaves
    :ivar linger_ms: so much later
    :ivar ttl_ms: so long after the commit, in any case
    """

    bind: Literal["session"] | UnsetType = UNSET
    linger_ms: int | UnsetType = UNSET
    ttl_ms: int | UnsetType = UNSET

    def checked(self, depth: int) -> Self:
        if self.linger_ms is not UNSET:
            if self.bind is UNSET:
                raise ValueError('linger_ms needs bind: "session"')
            _check_ms("linger_ms", self.linger_ms, 0)
        if self.ttl_ms is not UNSET:
            _check_ms("ttl_ms", self.ttl_ms, 1)
        return _Setting.checked(self, depth)


class _Sourced(_Op, frozen=True):
    """
    An op that takes its value from the document.

    :ivar from_: the pointer where it is taken (on the wire: ``from``)
    """

    from_: str = field(name="from")

    def checked(self, depth: int) -> Self:
        room(self.path, depth)
        source, path = parse(self.from_), parse(self.path)
        if len(source) < len(path) and path[: len(source)] == source:
            raise ValueError(f"path {self.path!r} lies inside from {self.from_!r}")
        return self


class Add(_Bindable, frozen=True):
    """Set a member of an object, insert an element into an array, or replace the document."""

    def imply(self, implied: Implied) -> None:
        implied.add(parse(self.path))

    def apply(self, work: Work) -> None:
        work.add(parse(self.path), self.value, self.path)


class Remove(_Op, frozen=True):
    """Remove a member or an element."""

    def imply(self, implied: Implied) -> None:
        path = parse(self.path)
        implied.read("exists", path)
        implied.remove(path)

    def apply(self, work: Work) -> None:
        work.remove(parse(self.path))


class Replace(_Bindable, frozen=True):
    """Replace what is there."""

    def imply(self, implied: Implied) -> None:
        path = parse(self.path)
        implied.read("exists", path)
        implied.set(path)

    def apply(self, work: Work) -> None:
        path = parse(self.path)
        work.put(path, work.existing(path), self.value, self.path)


class Copy(_Sourced, frozen=True):
    """Add a copy of another place's value."""

    def imply(self, implied: Implied) -> None:
        implied.read("value", parse(self.from_))
        implied.add(parse(self.path))

    def apply(self, work: Work) -> None:
        path = parse(self.path)
        work.add(path, work.duplicate(parse(self.from_), path), self.path)


class Move(_Sourced, frozen=True):
    """Add another place's value, and remove it there."""

    def imply(self, implied: Implied) -> None:
        source = parse(self.from_)
        implied.read("value", source)
        implied.remove(source)
        implied.add(parse(self.path))

    def apply(self, work: Work) -> None:
        source, path = parse(self.from_), parse(self.path)
        value = work.duplicate(source, path)
        work.remove(source)
        work.add(path, value, self.path)


class Test(_Setting, frozen=True):
    """Fail the transaction unless the value is this."""

    __test__ = False  # it is no test class of pytest's

    def imply(self, implied: Implied) -> None:
        implied.read("value", parse(self.path))

    def apply(self, work: Work) -> None:
        path = parse(self.path)
        if not equal(work.document.find(path), self.value):
            raise Refused(
                f"{shown(path)} is not the value that the test names", Read("value", path), kind="test"
            )


class _Counting(_Op, frozen=True):
    """
    An op on a number.

    :ivar value: a number
    """

    value: Number

    def checked(self, depth: int) -> Self:
        room(self.path, depth)
        value = _number(self.value)
        return self if value is self.value else replace(self, value=value)

    def imply(self, implied: Implied) -> None:
        path = parse(self.path)
        implied.read("place", path)
        implied.touch(path)

    def number(self, work: Work, path: Path) -> Any:
        """Give the number that is there, or ``MISSING``."""
        node = work.document.find(path)
        if node.__class__ is int or node.__class__ is float or node is MISSING:
            return node
        raise Refused(f"{shown(path)} is no number", *work.met(path))


class Inc(_Counting, frozen=True):
    """
    Add to a number.

    :ivar min: the sum must not be smaller
    :ivar max: the sum must not be greater
    """

    min: Number | UnsetType = UNSET
    max: Number | UnsetType = UNSET

    def checked(self, depth: int) -> Self:
        if self.min is UNSET and self.max is UNSET:
            return super().checked(depth)
        bounds = {
            name: _number(getattr(self, name)) for name in ("min", "max") if getattr(self, name) is not UNSET
        }
        return replace(super().checked(depth), **bounds)

    def apply(self, work: Work) -> None:
        path = parse(self.path)
        number = self.number(work, path)
        total: Number = self.value if number is MISSING else number + self.value
        if total.__class__ is float and total.is_integer():
            total = int(total)
        if (
            total.__class__ is float
            or self.min is not UNSET
            or self.max is not UNSET
            or abs(total) > MAX_INTEGER
        ):
            self._check(total, path)
        work.put(path, number, total, self.path)

    def _check(self, total: Number, path: Path) -> None:
        """Refuse a sum that is out of bounds."""
        if self.min is not UNSET and total < self.min:
            reason = f"{total} is less than min {self.min}"
        elif self.max is not UNSET and total > self.max:
            reason = f"{total} is more than max {self.max}"
        elif not isfinite(total) or (total.__class__ is int and abs(total) > MAX_INTEGER):
            reason = f"{total} is out of range: integers go to 2**53 - 1, floats are finite"
        else:
            return
        raise Refused(f"at {shown(path)}, {reason}", Read("value", path), kind="constraint")


class Min(_Counting, frozen=True):
    """Set a number if it is smaller than the one that is there."""

    def apply(self, work: Work) -> None:
        path = parse(self.path)
        number = self.number(work, path)
        if number is MISSING or self.value < number:
            work.put(path, number, self.value, self.path)


class Max(_Counting, frozen=True):
    """Set a number if it is greater than the one that is there."""

    def apply(self, work: Work) -> None:
        path = parse(self.path)
        number = self.number(work, path)
        if number is MISSING or self.value > number:
            work.put(path, number, self.value, self.path)


class Push(_Setting, frozen=True):
    """Append an element to an array; where nothing is, set an array of it alone."""

    def checked(self, depth: int) -> Self:
        return super().checked(depth - 1)

    def imply(self, implied: Implied) -> None:
        path = parse(self.path)
        implied.read("container", path)
        implied.touch(path)

    def apply(self, work: Work) -> None:
        path = parse(self.path)
        node = work.document.find(path)
        if node is MISSING:
            work.put(path, MISSING, [self.value], self.path)
        elif is_array(node):
            work.insert((*path, str(length(node))), self.value)
        else:
            raise Refused(f"{shown(path)} is no array", *work.met(path))


class Merge(_Setting, frozen=True):
    """Merge a patch into an object: its members are set, those that are null are removed (RFC 7396)."""

    def imply(self, implied: Implied) -> None:
        path = parse(self.path)
        if isinstance(self.value, dict):
            implied.read("container", path)
            implied.touch(path)
        else:
            implied.read("place", path)
            implied.set(path)

    def apply(self, work: Work) -> None:
        work.merge(parse(self.path), self.value)


class SetDefault(_Bindable, frozen=True):
    """Set a value where nothing is."""

    def imply(self, implied: Implied) -> None:
        path = parse(self.path)
        known = implied.writes.covers("exists", path)
        implied.read("exists", path)
        if not known and implied.is_missing(path):
            implied.set(path)

    def apply(self, work: Work) -> None:
        path = parse(self.path)
        if work.document.find(path) is MISSING:
            work.put(path, MISSING, self.value, self.path)


Op = Add | Remove | Replace | Copy | Move | Test | Inc | Min | Max | Push | Merge | SetDefault
OP_NAMES: Final = tuple(str(kind.__struct_config__.tag) for kind in get_args(Op))


def room(pointer: str, depth: int) -> int:
    """
    Tell how deep a value at ``pointer`` may nest.

    Raises:
        ValueError: it is no pointer, or too deep itself.
    """
    left = depth - len(parse(pointer))
    if left < 0:
        raise ValueError(f"a pointer may have {depth} tokens, got {depth - left}")
    return left


def _number(value: Any) -> Any:
    if value.__class__ is int or value.__class__ is float:
        return normalized(value)
    raise ValueError(f"a number is needed, got {value!r:.40}")


def _check_ms(name: str, value: int, least: int) -> None:
    if not least <= value <= MAX_INTEGER:
        raise ValueError(f"{name} must be {least}..2**53 - 1, got {value}")


def apply(document: Document, ops: Sequence[Op], limits: Limits) -> Applied:
    """
    Apply all ops, or none.

    Raises:
        OpFailed: one can't be applied, or the document would be too large.
    """
    work = Work(document, limits)
    for index, op in enumerate(ops):
        try:
            op.apply(work)
        except Refused as refused:
            met = _implied(document, ops[:index]).shared(refused.met)
            raise OpFailed(index, refused.reason, met, refused.kind) from None
        except DoesNotFit as error:
            met = _implied(document, ops[:index]).shared(work.met(error.path))
            raise OpFailed(index, error.reason, met, "state") from None
    size = work.document.size
    if size > limits.document_bytes and size > document.size:
        reason = f"the document would have {size} bytes, allowed are {limits.document_bytes}"
        raise OpFailed(len(ops) - 1, reason, (), "size")
    return Applied(work.document, tuple(work.changes), tuple(work.before))


def implied_reads(document: Document, ops: Iterable[Op]) -> list[Read]:
    """Give what the ops read by themselves of ``document``, without what they have determined before."""
    return list(_implied(document, ops).reads)


def _implied(document: Document, ops: Iterable[Op]) -> Implied:
    implied = Implied(document, WriteSet())
    for op in ops:
        op.imply(implied)
    return implied


def inverse(changes: Sequence[Change], before: Sequence[tuple[Path, Any]]) -> tuple[Change, ...]:
    """Give the changes that lead back; both arguments as in ``Applied``."""
    return tuple(
        _inverse(change, node) for change, (_, node) in zip(reversed(changes), reversed(before), strict=True)
    )


def _inverse(change: Change, node: Any) -> Change:
    if change.op == "add":
        return Change("remove", change.path)
    return Change("replace" if change.op == "replace" else "add", change.path, thaw(node))
