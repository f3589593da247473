"""
What stands in a log's database, read and checked.

Rules of this file: each row is checked before its content is used (``rows``); what SQLite itself finds
damaged is a refusal; nothing here writes but ``put_state``.
"""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from realms.dstm.document import Document
from realms.dstm.log import Binding, LogRefused, Record
from realms.dstm.log import snapshots as snapshot_bytes
from realms.dstm.log.rows import (
    NO_SUM,
    Head,
    Row,
    Snapshot,
    State,
    checked,
    decode_state,
    encode,
    link,
    record_of,
)


class Content:
    """The database at ``path``, through an open connection."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._query = connection.execute
        self._path = path
        self._records_place = f"{path}, table records"

    def state(self) -> State:
        """
        Read what the log knows of itself.

        Raises:
            LogRefused: it is damaged or missing.
        """
        rows = self._query("SELECT id, body, sum FROM state").fetchall()
        place = f"{self._path}, table state"
        (row,) = list(checked(rows, 1, 1, NO_SUM, place))
        try:
            return decode_state(row[1])
        except msgspec.MsgspecError as error:
            raise LogRefused(place, str(error)) from None

    def put_state(self, state: State) -> None:
        """Write it."""
        body = encode(state)
        self._query("REPLACE INTO state VALUES (1, ?, ?)", (body, link(NO_SUM, 1, body)))

    def head(self, state: State) -> Head:
        """
        Read the last record's place.

        Raises:
            LogRefused: the oldest or the last record is not what ``state`` makes it.
        """
        first, last = self._query("SELECT min(seq), max(seq) FROM records").fetchone()
        snapshot_version = state.snapshot.version if state.snapshot else 0
        if first is None:
            version = max(snapshot_version, state.trimmed_version)
            return Head(state.trimmed_seq, state.trimmed_sum, version)
        if first != state.trimmed_seq + 1:
            raise LogRefused(
                f"{self._records_place}, row {state.trimmed_seq + 1}", f"the oldest record is row {first}"
            )
        ((_, row_sum, record),) = self.records(state, last, last)
        return Head(last, row_sum, record.version)

    def snapshot(self, snapshot: Snapshot) -> tuple[Document, list[Binding]]:
        """
        Read a snapshot.

        Raises:
            LogRefused: it is damaged.
        """
        first, last = snapshot.first, snapshot.last
        place = f"{self._path}, table chunks"
        rows = self._query(
            "SELECT id, body, sum FROM chunks WHERE id BETWEEN ? AND ? ORDER BY id", (first, last)
        )
        kept = list(checked(rows, first, last, NO_SUM, place))
        if kept[-1][2] != snapshot.sum:
            raise LogRefused(f"{place}, row {last}", "the snapshot does not end as it was written")
        try:
            return snapshot_bytes.read(row[1] for row in kept)
        except ValueError as error:
            raise LogRefused(f"{place}, rows {first} to {last}", f"no snapshot: {error}") from None

    def records(self, state: State, first: int, last: int) -> Iterator[tuple[int, bytes, Record]]:
        """
        Read the rows ``first`` to ``last`` of the records, which are kept: (seq, sum, record).

        Raises:
            LogRefused: one is damaged or missing.
        """
        for row in self._rows(state, first, last):
            yield row[0], row[2], record_of(row, self._records_place)

    def check_records(self, state: State, last: int) -> None:
        """
        Check all records.

        Raises:
            LogRefused: one is damaged or missing.
        """
        for _ in self.records(state, state.trimmed_seq + 1, last):
            pass

    def _rows(self, state: State, first: int, last: int) -> Iterator[Row]:
        rows: Iterator[Row] = self._query(
            "SELECT seq, body, sum FROM records WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, last)
        )
        return checked(rows, first, last, self.sum_of(state, first - 1), self._records_place)

    def sum_of(self, state: State, seq: int) -> bytes:
        """
        Give the sum of a record that is kept, or of the last that was forgotten.

        Raises:
            LogRefused: it is missing.
        """
        if seq == state.trimmed_seq:
            return state.trimmed_sum
        row = self._query("SELECT sum FROM records WHERE seq = ?", (seq,)).fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise LogRefused(f"{self._records_place}, row {seq}", "a row is missing")
        return row[0]

    def first_where(self, state: State, last: int, accepted: Callable[[Record], bool]) -> int:
        """
        Give the number of the first kept record that is ``accepted``, or ``last`` + 1; all after it are, too.

        Raises:
            LogRefused: a record on the way is damaged or missing.
        """
        low, high = state.trimmed_seq + 1, last + 1
        while low < high:
            middle = (low + high) // 2
            ((_, _, record),) = self.records(state, middle, middle)
            if accepted(record):
                high = middle
            else:
                low = middle + 1
        return low

    def lengths_back(self, state: State, last: int) -> Iterator[tuple[int, int]]:
        """Give (seq, bytes) of the kept records, the last first."""
        yield from self._query(
            "SELECT seq, length(body) FROM records WHERE seq BETWEEN ? AND ? ORDER BY seq DESC",
            (state.trimmed_seq + 1, last),
        )

    def check_structure(self) -> None:
        """
        Let SQLite check the whole database.

        Raises:
            LogRefused: it is damaged.
        """
        ((answer,),) = self._query("PRAGMA integrity_check(1)").fetchall()
        if answer != "ok":
            raise LogRefused(str(self._path), f"integrity_check: {answer}")
