"""
What a space has decided, as far as it is remembered: the tables that each decision changes together.

Rules of this file:

- ``commit`` and ``reject`` change all tables or none; ``take_back`` undoes exactly that.
- What a log gives back goes through the same ``commit``, so that recovery can't come to another state.
- The records of a log begin somewhere: a reject that is not among them may have been decided at the version
  before the first commit that is, so bases are good from that commit on.
"""

from collections.abc import Sequence
from typing import Any, Final

from realms.dstm.bindings import Binding, Bindings
from realms.dstm.document import Document, DoesNotFit
from realms.dstm.log import LogRefused, Record, Recovered
from realms.dstm.pointer import parse
from realms.dstm.settings import Settings
from realms.dstm.stamps import Stamps
from realms.dstm.weight import weigh_entry
from realms.dstm.window import Entry, Window

FORGET_STEP: Final = 100  # versions that the stamps forget at once


class State:
    """
    One space, as decided.

    :ivar version: the newest, with its ``document`` and ``hash``
    :ivar time: of the newest record, ms since 1970; no record's is before it
    :ivar horizon: the oldest base that a transaction may have, as of the last ``trim``
    """

    __slots__ = ("bindings", "document", "hash", "horizon", "stamps", "time", "version", "window")

    def __init__(self, name: str, recovered: Recovered, settings: Settings) -> None:
        """
        Be what a log holds.

        Raises:
            LogRefused: its records do not follow one another.
        """
        records = recovered.records
        horizon = _horizon(recovered)
        self.version = recovered.snapshot_version
        self.document = recovered.document
        self.hash = recovered.hash
        self.time = 0
        self.bindings = Bindings(recovered.bindings)
        self.stamps = Stamps(horizon, settings.stamp_entries)
        self.window = Window(
            horizon, self.version, self.document, settings.window_versions, settings.window_bytes
        )
        for record in records:
            self._recover(name, record, horizon)
        self.bindings.durable(self.version)
        self.trim(self.version)

    def _recover(self, name: str, record: Record, horizon: int) -> None:
        self.time = max(self.time, record.time)
        is_old = record.version <= self.version and record.kind == "commit"
        if record.version <= horizon if is_old else record.version < horizon and record.kind == "reject":
            return
        if is_old:
            self.window.add_old_commit(entry_of(record))
            self.stamps.record(record.version, record.changes)
            return
        try:
            self.replay(record)
        except (DoesNotFit, ValueError) as error:
            place = f"space {name}, version {record.version}"
            raise LogRefused(place, f"it does not follow version {self.version}: {error}") from None

    def replay(self, record: Record, session_id: int | None = None) -> Entry:
        """
        Follow a record of the log.

        :param session_id: of its author, if that is still there
        Raises:
            DoesNotFit, ValueError: it is not the next one.
        """
        entry = entry_of(record)
        if record.kind == "reject":
            if record.version > self.version:
                raise ValueError("it was rejected at a later version")
            self.reject(entry)
            return entry
        if record.version != self.version + 1:
            raise ValueError("versions are missing")
        document = self.document.apply(record.changes)
        wires = record.bindings
        new = [Binding.read(wire, session_id) for wire in wires if "dropped" not in wire] if wires else ()
        self.commit(entry, document, new)
        for wire in wires:
            if "dropped" in wire:
                self.bindings.end(parse(wire["path"]), record.version)
        return entry

    def commit(self, entry: Entry, document: Document, new: Sequence[Binding]) -> None:
        """Take the next version, and what it binds."""
        version = entry.version
        self.window.add_commit(entry, self.document, document)
        self.stamps.record(version, entry.changes)
        if new or self.bindings.by_path:
            self.bindings.commit(version, entry.changes, new)
        self.version = version
        self.document = document
        self.hash = entry.hash
        self.time = entry.time

    def reject(self, entry: Entry) -> None:
        """Take a rejection."""
        self.window.add_reject(entry)
        self.time = entry.time

    def take_back(self, entries: Sequence[Entry], version: int, document: Document, hash: bytes) -> None:
        """Be again what was at ``version``; ``entries`` are all that was decided since, in their order."""
        if self.version > version:
            self.stamps.forget_after(version)
        self.window.take_back(entries, version)
        self.bindings.take_back(version)
        self.version, self.document, self.hash = version, document, hash

    def trim(self, durable_version: int) -> bool:
        """Forget what is over the bounds; gives False if a new version is needed for that."""
        window, stamps = self.window, self.stamps
        done = window.trim(durable_version)
        self.horizon = max(window.horizon, stamps.horizon)
        if window.horizon - stamps.horizon >= FORGET_STEP:
            stamps.forget_through(window.horizon)
        return done


def entry_of(record: Record, author: Any = None) -> Entry:
    """Give what the window keeps of a record."""
    return Entry(
        record.version,
        record.time,
        record.changes,
        record.hash,
        record,
        weigh_entry(record.changes, record.outcome, record.bindings),
        author,
    )


def _horizon(recovered: Recovered) -> int:
    """Give the oldest base for which nothing that the log once held is missing from its records."""
    records = recovered.records
    if not records:
        return recovered.snapshot_version
    first = records[0]
    if first.version == 0 or (first.version == 1 and first.kind == "commit"):
        return 0
    commits = (record.version for record in records if record.kind == "commit")
    return next(commits, first.version)
