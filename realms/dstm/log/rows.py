"""
The rows of a log's database, and the sums that chain them.

A row's sum is taken over its number, its body and the sum of the row before it: a row that is changed,
missing, added or moved breaks the chain at that place.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from realms.dstm.log import LogRefused, Record

SUM_BYTES: Final = 8
NO_SUM: Final = bytes(SUM_BYTES)  # before the first row

Row = tuple[int, bytes, bytes]  # number, body, sum


class Snapshot(Struct, frozen=True, array_like=True):
    """
    Where a snapshot is: in the chunks ``first`` to ``last``.

    :ivar version: of the document; ``hash`` of the space's chain there
    :ivar sum: of the last chunk
    """

    version: int
    hash: bytes
    first: int
    last: int
    sum: bytes


class State(Struct, frozen=True, array_like=True):
    """
    What a log knows of itself, in one row.

    :ivar created: ms since 1970
    :ivar number: of the checkpoint; 0 in a copy that was never opened
    :ivar trimmed_seq: number of the last record that was forgotten, 0 if none was; ``trimmed_sum`` and
        ``trimmed_version`` are its sum and version
    """

    epoch: str
    created: int
    number: int = 1
    trimmed_seq: int = 0
    trimmed_sum: bytes = NO_SUM
    trimmed_version: int = 0
    snapshot: Snapshot | None = None


class Head(NamedTuple):
    """The last record: its number, its sum, and the version after it."""

    seq: int
    sum: bytes
    version: int


encode = msgspec.msgpack.Encoder().encode
decode_record = msgspec.msgpack.Decoder(Record).decode
decode_state = msgspec.msgpack.Decoder(State).decode


def link(before: bytes, number: int, body: bytes) -> bytes:
    """Give the sum of a row."""
    return blake2b(before + number.to_bytes(8, "big") + body, digest_size=SUM_BYTES).digest()


def linked(bodies: Iterable[bytes], number: int, before: bytes) -> Iterator[Row]:
    """Make rows of ``bodies``: the first is ``number``, and the row before it has the sum ``before``."""
    for body in bodies:
        before = link(before, number, body)
        yield number, body, before
        number += 1


def checked(rows: Iterable[Row], first: int, last: int, before: bytes, place: str) -> Iterator[Row]:
    """
    Pass the rows ``first`` to ``last`` on, each after its check.

    :param place: the table, for messages
    Raises:
        LogRefused: one is damaged, missing, or one too many.
    """
    expected = first
    for number, body, row_sum in rows:
        if number != expected or number > last:
            raise LogRefused(f"{place}, row {min(number, expected)}", "a row is missing or one too many")
        if not isinstance(body, bytes) or link(before, number, body) != row_sum:
            raise LogRefused(f"{place}, row {number}", "the row does not have its checksum")
        before = row_sum
        expected += 1
        yield number, body, row_sum
    if expected <= last:
        raise LogRefused(f"{place}, row {expected}", "a row is missing")


def record_of(row: Row, place: str) -> Record:
    """
    Decode a checked row.

    Raises:
        LogRefused: it holds no record.
    """
    try:
        return decode_record(row[1])
    except msgspec.MsgspecError as error:
        raise LogRefused(f"{place}, row {row[0]}", f"the row holds no record: {error}") from None
