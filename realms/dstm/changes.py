"""
What a transaction has come to: changes, deltas, and the hash that chains them.

On the wire a change is a JSON Patch object of ``add``, ``remove`` or ``replace``, and a delta is
``[from, version, changes, meta]``: it leads from one version to another.
"""

from collections.abc import Sequence
from hashlib import sha256
from reprlib import repr as shown  # short, and of what nests too deeply as well
from typing import Any, Final

from msgspec import UNSET, Struct

from realms.dstm.pointer import parse
from realms.dstm.values import MAX_INTEGER, canonical_text, has_odd_float, normalized

HASH_BYTES: Final = 16
DIGEST_BYTES: Final = 32
OPS: Final = ("add", "remove", "replace")
_FLOATLESS: Final = frozenset({str, int, bool, None.__class__, UNSET.__class__})


class Change(Struct, frozen=True, gc=False):
    """
    One change; encoded, it is its wire form.

    :ivar op: ``add``, ``remove`` or ``replace``
    :ivar path: a pointer
    :ivar value: plain; absent for ``remove``
    """

    op: str
    path: str
    value: Any = UNSET

    def wire(self) -> dict[str, Any]:
        """Give the plain object."""
        if self.value is UNSET:
            return {"op": self.op, "path": self.path}
        return {"op": self.op, "path": self.path, "value": self.value}

    @classmethod
    def read(cls, wire: Any) -> "Change":
        """
        Check the wire form of a change.

        Raises:
            ValueError: what is wrong.
        """
        if not isinstance(wire, dict):
            raise ValueError("a change is an object")
        op, path = wire.get("op"), wire.get("path")
        if op not in OPS or not isinstance(path, str):
            raise ValueError(
                f"a change has op (add, remove or replace) and path, got {shown(op)}, {shown(path)}"
            )
        parse(path)
        if (op == "remove") == ("value" in wire):
            raise ValueError(f"{op} has {'no' if op == 'remove' else 'a'} value")
        return cls(op, path) if op == "remove" else cls(op, path, normalized(wire["value"]))


class Delta(Struct, frozen=True, gc=False):
    """
    The way from one version to another.

    :ivar hash: of the chain, after it
    :ivar time: of the commit, milliseconds since 1970
    :ivar digest: now and then: a version, and the digest of its document
    """

    from_version: int
    version: int
    changes: tuple[Change, ...]
    hash: bytes
    time: int
    digest: tuple[int, str] | None = None

    def wire(self) -> list[Any]:
        """Give ``[from, version, changes, meta]``, plain."""
        meta: dict[str, Any] = {"hash": self.hash.hex(), "time": self.time}
        if self.digest is not None:
            meta["digest"] = {"version": self.digest[0], "sha256": self.digest[1]}
        return [self.from_version, self.version, [change.wire() for change in self.changes], meta]

    @classmethod
    def read(cls, wire: Any) -> "Delta":
        """
        Check the wire form of a delta.

        Raises:
            ValueError: what is wrong.
        """
        if not isinstance(wire, list | tuple) or len(wire) != 4:
            raise ValueError("a delta is [from, version, changes, meta]")
        first, version, changes, meta = wire
        if not isinstance(changes, list | tuple) or not isinstance(meta, dict):
            raise ValueError("a delta's changes are a list, its meta an object")
        from_version, to_version = _whole("from", first), _whole("version", version)
        if from_version >= to_version:
            raise ValueError(f"a delta leads to a later version, got {from_version} to {to_version}")
        return cls(
            from_version,
            to_version,
            tuple([Change.read(change) for change in changes]),
            _hex("hash", meta.get("hash"), HASH_BYTES),
            _whole("time", meta.get("time")),
            _digest(meta.get("digest")),
        )


def _digest(value: Any) -> tuple[int, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"a digest is an object, got {shown(value)}")
    version = _whole("digest.version", value.get("version"))
    return version, _hex("digest.sha256", value.get("sha256"), DIGEST_BYTES).hex()


def _hex(name: str, value: Any, length: int) -> bytes:
    """Read so many bytes; blanks, which ``fromhex`` lets through, make the text too long."""
    try:
        read = bytes.fromhex(value)
    except (TypeError, ValueError):
        read = b""
    if len(read) != length or len(value) != 2 * length:
        raise ValueError(f"{name} is {2 * length} hexadecimal digits, got {shown(value)}")
    return read


def _whole(name: str, value: Any) -> int:
    if value.__class__ is float and value.is_integer():
        value = int(value)
    if value.__class__ is not int or not 0 <= value <= MAX_INTEGER:
        raise ValueError(f"{name} is a whole number from 0 to 2**53 - 1, got {shown(value)}")
    return int(value)


def first_hash(epoch: str) -> bytes:
    """Give the hash of version 0."""
    return sha256(epoch.encode()).digest()[:HASH_BYTES]


def chain(previous: bytes, version: int, changes: Sequence[Change]) -> bytes:
    """Give the hash of ``version``: of the previous hash and ``canonical([version, changes])``."""
    odd_floats = False
    for change in changes:
        if change.value.__class__ not in _FLOATLESS and has_odd_float(change.value):
            odd_floats = True
    text = canonical_text([version, changes], odd_floats)
    return sha256(previous + text).digest()[:HASH_BYTES]
