"""
What a transaction has come to: changes, deltas, and the hash that chains them.

On the wire a change is a JSON Patch object of ``add``, ``remove`` or ``replace``, and a delta is
``[from, version, changes, meta]``: it leads from one version to another.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

from msgspec import UNSET, Struct

from realms.dstm.pointer import parse
from realms.dstm.values import canonical, normalized

HASH_BYTES: Final = 16
OPS: Final = ("add", "remove", "replace")


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
                f"a change has op (add, remove or replace) and path, got {op!r:.40}, {path!r:.80}"
            )
        parse(path)
        if (op == "remove") == ("value" in wire):
            raise ValueError(f"{op} has {'no' if op == 'remove' else 'a'} value")
        return cls(op, path) if op == "remove" else cls(op, path, normalized(wire["value"]))


class Delta(Struct, frozen=True):
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
        digest = meta.get("digest")
        return cls(
            _version(first),
            _version(version),
            tuple(Change.read(change) for change in changes),
            bytes.fromhex(meta.get("hash", "")),
            _version(meta.get("time", 0)),
            None if digest is None else (_version(digest["version"]), str(digest["sha256"])),
        )


def _version(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"versions and times are whole numbers from 0 on, got {value!r:.40}")
    return value


def first_hash(epoch: str) -> bytes:
    """Give the hash of version 0."""
    return hashlib.sha256(epoch.encode()).digest()[:HASH_BYTES]


def chain(previous: bytes, version: int, changes: Iterable[Change]) -> bytes:
    """Give the hash of ``version``: of the previous hash and ``canonical([version, changes])``."""
    return hashlib.sha256(previous + canonical([version, list(changes)])).digest()[:HASH_BYTES]
