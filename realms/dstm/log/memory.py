"""
A log in memory: nothing survives, so it has a new epoch each time that it is opened.

It holds a bounded number of records and bytes, whatever the space trims; the oldest go first.
"""

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from realms.dstm.changes import Change, first_hash
from realms.dstm.document import Document
from realms.dstm.log import Binding, LogUnavailable, Record, Recovered

RECORD_BYTES: Final = 400  # what a record takes besides its values, about


def draw_epoch() -> str:
    """Draw 32 random hex digits."""
    return secrets.token_hex(16)


def now_ms() -> int:
    """Tell the wall clock, ms since 1970."""
    return time.time_ns() // 1_000_000


class MemoryLog:
    """
    Implements ``Log``. ``write`` never fails; what it has taken is as durable as the process.

    :ivar records: those kept, oldest first
    """

    def __init__(
        self,
        *,
        records_max: int = 100_000,
        bytes_max: int = 64 * 1024**2,
        epoch: Callable[[], str] = draw_epoch,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self.records: deque[Record] = deque()
        self._records_max = records_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._draw_epoch = epoch
        self._clock = clock
        self._forget_all()

    def _forget_all(self) -> None:
        self._epoch = self._draw_epoch()
        self._created = self._clock()
        self._forgotten = 0  # the highest version of which a record is gone
        self._snapshot_version = 0
        self._document = Document.of({})
        self._hash = first_hash(self._epoch)
        self._bindings: list[Binding] = []
        self.records.clear()
        self._bytes = 0

    def open(self) -> Recovered:
        """Begin empty, with a new epoch."""
        self._forget_all()
        return self.reopen()

    def reopen(self) -> Recovered:
        """
        Tell what is held.

        Raises:
            LogUnavailable: a record after the snapshot has gone: no document can be made of the rest.
        """
        if self._forgotten > self._snapshot_version:
            raise LogUnavailable(
                f"the log in memory holds no record before version {self._forgotten + 1}, "
                f"and its snapshot is of version {self._snapshot_version}"
            )
        return Recovered(
            self._epoch,
            self._created,
            self._snapshot_version,
            self._document,
            self._hash,
            tuple(self.records),
            list(self._bindings),
        )

    def write(self, records: Sequence[Record]) -> None:
        """Append ``records``; the oldest go where there are too many."""
        self.records.extend(records)
        self._bytes += sum(map(weight, records))
        while len(self.records) > self._records_max or self._bytes > self._bytes_max:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        record = self.records.popleft()
        self._bytes -= weight(record)
        self._forgotten = max(self._forgotten, record.version)

    def save_snapshot(
        self, version: int, hash: bytes, document: Document, bindings: Sequence[Binding]
    ) -> None:
        """Keep the state of ``version``; a document never changes, so this costs nothing."""
        self._snapshot_version = version
        self._document = document
        self._hash = hash
        self._bindings = list(bindings)

    def trim(self, before_version: int, before_time: int) -> None:
        """Forget the oldest records up to the snapshot, as in ``Log.trim``."""
        while self.records:
            oldest = self.records[0]
            if oldest.version > self._snapshot_version:
                return
            if oldest.version >= before_version and oldest.time >= before_time:
                return
            self._forget_oldest()

    def read(self, first: int, last: int) -> Iterator[Record]:
        """Read the records of the versions ``first`` to ``last``."""
        return iter([record for record in self.records if first <= record.version <= last])

    def backup(self, path: Path) -> None:
        """
        Refuse.

        Raises:
            LogUnavailable: always.
        """
        raise LogUnavailable(f"no backup to {path}: a log in memory has no file to copy")

    def close(self) -> None:
        """Nothing is open."""

    def drop(self) -> None:
        """Let go of everything."""
        self._forget_all()


def weight(record: Record) -> int:
    """Estimate the bytes that ``record`` takes in memory."""
    return RECORD_BYTES + sum(map(_change_weight, record.changes))


def _change_weight(change: Change) -> int:
    value = change.value
    if isinstance(value, str):
        return 200 + len(value)
    if isinstance(value, dict | list):
        return 200 + len(msgspec.msgpack.encode(value))
    return 200
