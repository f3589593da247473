"""
The last versions of a space, held in memory: for deltas, doubled submissions, old documents, undo.

    asked for                 answered from
    deltas from a base        the commits, in order; back to ``horizon``
    a tx seen before          ``by_tx``: commits and rejects; whoever has a base before ``horizon`` is stale
    the document at a version the nearest mark before it, and the commits between

Rules of this file:

- Entries are added when they are decided, and taken back, the newest first, when they can't be made
  durable. Only what is durable is ever forgotten.
- ``horizon`` moves with what is forgotten: of a transaction whose base is not before it, the outcome is
  here, whatever it was. So forgetting a reject moves it past the version at which that was decided.
- Bounded: commits and rejects in number, all in bytes; marks by the bytes of what only they keep alive.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from realms.dstm.changes import Change, Delta
from realms.dstm.document import Document
from realms.dstm.log import Record
from realms.dstm.weight import ENTRY_BYTES

PATH_BYTES: Final = 3000  # of the containers that an edit copies, about
MARK_EVERY: Final = 256  # versions
WIRES: Final = 1000  # entries that keep their wire form


class Entry(Struct, gc=False):
    """
    One decision that is remembered.

    :ivar version: of the commit, or the head at which a reject was decided
    :ivar time: ms since 1970
    :ivar hash: of the chain at this version; of a reject empty
    :ivar record: what the log keeps of it
    :ivar bytes: about what it takes in memory
    :ivar author: who submitted it (``decisions.Author``); None after recovery
    :ivar wire_form: of the delta, of late; only the window's
    """

    version: int
    time: int
    changes: tuple[Change, ...]
    hash: bytes
    record: Record
    bytes: int
    author: Any = None
    wire_form: list[Any] | None = None

    def delta(self) -> Delta:
        """Give the delta of a commit."""
        return Delta(self.version - 1, self.version, self.changes, self.hash, self.time)


class _Mark(Struct):
    """A document that is kept, and the bytes that it alone keeps alive, about."""

    version: int
    document: Document
    bytes: int


class Window:
    """
    The last decisions on one space.

    :ivar horizon: the oldest base that a transaction may have
    :ivar by_tx: tx -> its Entry
    """

    __slots__ = (
        "_bytes",
        "_commits",
        "_mark_bytes",
        "_marks",
        "_max_bytes",
        "_max_versions",
        "_rejects",
        "_since_mark",
        "_wired",
        "by_tx",
        "horizon",
    )

    def __init__(
        self, horizon: int, version: int, document: Document, max_versions: int, max_bytes: int
    ) -> None:
        """Begin with a version and its document; of what was before, commits after ``horizon`` may follow."""
        self.horizon = horizon
        self.by_tx: dict[str, Entry] = {}
        self._commits: deque[Entry] = deque()  # consecutive versions
        self._rejects: deque[Entry] = deque()  # in the order of their decision
        self._marks: deque[_Mark] = deque([_Mark(version, document, 0)])
        self._max_versions = max_versions
        self._max_bytes = max_bytes
        self._bytes = 0
        self._mark_bytes = 0
        self._since_mark = 0
        self._wired: deque[Entry] = deque()

    def __len__(self) -> int:
        return len(self._commits) + len(self._rejects)

    @property
    def bytes(self) -> int:
        """About what the entries take in memory."""
        return self._bytes

    def add_commit(self, entry: Entry, before: Document, after: Document) -> None:
        """Remember the commit that made ``after`` of ``before``."""
        self._commits.append(entry)
        self._bytes += entry.bytes
        tx = entry.record.tx
        if tx is not None:
            self.by_tx[tx] = entry
        self._since_mark += entry.bytes + len(entry.changes) * PATH_BYTES + max(0, before.size - after.size)
        if entry.version % MARK_EVERY == 0:
            self._mark(entry.version, after)

    def add_old_commit(self, entry: Entry) -> None:
        """Remember a commit whose document is not known."""
        self._remember(entry, self._commits)

    def add_reject(self, entry: Entry) -> None:
        """Remember a reject."""
        self._remember(entry, self._rejects)

    def _remember(self, entry: Entry, entries: deque[Entry]) -> None:
        entries.append(entry)
        self._bytes += entry.bytes
        tx = entry.record.tx
        if tx is not None:
            self.by_tx[tx] = entry

    def _mark(self, version: int, document: Document) -> None:
        self._marks.append(_Mark(version, document, self._since_mark))
        self._mark_bytes += self._since_mark
        self._since_mark = 0
        while self._mark_bytes > self._max_bytes and len(self._marks) > 1:
            self._forget_mark()

    def _forget_mark(self) -> None:
        self._marks.popleft()
        # what the first mark has alone is what changed after it
        self._mark_bytes -= self._marks[0].bytes
        self._marks[0].bytes = 0

    def take_back(self, entries: Sequence[Entry], version: int) -> None:
        """Forget the newest entries, all those after ``version``, as if they had never been decided."""
        for entry in reversed(entries):
            taken = (self._commits if entry.record.kind == "commit" else self._rejects).pop()
            assert taken is entry
            self._let_go(entry)
        while self._marks[-1].version > version:
            self._mark_bytes -= self._marks.pop().bytes

    def trim(self, durable_version: int) -> bool:
        """
        Forget the oldest of what is durable until the rest is within its bounds.

        Gives False if that can't be because too much was rejected at ``durable_version`` itself.
        """
        while (entries := self._exceeding()) is not None:
            oldest = entries[0].version
            horizon = oldest + 1 if entries is self._rejects else oldest
            if horizon > durable_version:
                return entries is not self._rejects
            self._move_horizon(horizon)
        return True

    def _exceeding(self) -> deque[Entry] | None:
        """Give those entries of which the oldest is to go, or None where all is within its bounds."""
        commits, rejects = self._commits, self._rejects
        if len(commits) > self._max_versions:
            return commits
        if len(rejects) > self._max_versions:
            return rejects
        if self._bytes <= self._max_bytes or not (commits or rejects):
            return None
        return rejects if not commits or (rejects and rejects[0].version < commits[0].version) else commits

    def _move_horizon(self, horizon: int) -> None:
        """Forget all that only transactions with an older base would ask for."""
        self.horizon = max(self.horizon, horizon)
        while self._commits and self._commits[0].version <= horizon:
            entry = self._commits.popleft()
            self._let_go(entry)
            self._leave_document(entry)
        while self._rejects and self._rejects[0].version < horizon:
            self._let_go(self._rejects.popleft())

    def _leave_document(self, entry: Entry) -> None:
        """See to it that the first mark does not need a commit that is forgotten."""
        first = self._marks[0]
        if first.version >= entry.version:
            return
        if len(self._marks) > 1:
            self._forget_mark()
        else:
            self._marks[0] = _Mark(entry.version, first.document.apply(entry.changes), 0)

    def _let_go(self, entry: Entry) -> None:
        self._bytes -= entry.bytes
        tx = entry.record.tx
        if tx is not None and self.by_tx.get(tx) is entry:
            del self.by_tx[tx]

    def entry(self, version: int) -> Entry | None:
        """Give the commit of a version, or None if it is not held."""
        commits = self._commits
        if not commits or not commits[0].version <= version <= commits[-1].version:
            return None
        return commits[version - commits[-1].version - 1]

    def since(self, base: int, version: int) -> list[Entry] | None:
        """Give the commits after ``base`` up to ``version``, or None if some are not held."""
        if base >= version:
            return []
        commits = self._commits
        if self.entry(base + 1) is None or self.entry(version) is None:
            return None
        newest = commits[-1].version
        return [commits[number - newest - 1] for number in range(base + 1, version + 1)]

    def deltas(self, base: int, version: int, most: int, most_bytes: int) -> list[list[Any]] | None:
        """Give the wire deltas from ``base`` to ``version``; None if that is too much, or not held."""
        entries = self.since(base, version) if version - base <= most else None
        if entries is None or sum(entry.bytes for entry in entries) > most_bytes + ENTRY_BYTES * len(entries):
            return None
        return [self._wire(entry) for entry in entries]

    def _wire(self, entry: Entry) -> list[Any]:
        if entry.wire_form is None:
            entry.wire_form = entry.delta().wire()
            self._wired.append(entry)
            if len(self._wired) > WIRES:
                self._wired.popleft().wire_form = None
        return entry.wire_form

    @property
    def oldest_document(self) -> int:
        """The oldest version that ``at`` can give."""
        return self._marks[0].version

    def at(self, version: int) -> Document | None:
        """Give the document at a version, or None if it is not known here."""
        mark = next((mark for mark in reversed(self._marks) if mark.version <= version), None)
        entries = None if mark is None else self.since(mark.version, version)
        if mark is None or entries is None:
            return None
        return mark.document.apply(change for entry in entries for change in entry.changes)
