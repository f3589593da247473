"""
The sequencer of one space: the one place where it is decided what happens, and in which order.

The life of a commit. Each state is left by one event and for no other reason:

    state       what is true                                  left by
    received    the space has it; nothing is decided          ``submit``: decided, or refused without a trace
    decided     a commit: version, hash and document are      in the same step: its ticket is in the open
                fixed, on ``head``; a reject: nothing is new  batch, behind those before it
    open        others are decided on it; nobody was told     ``take_batch``
    in flight   the log writes it; the next batch is open     the end of the write: ``flushed``, ``failed``
    durable     it survives the process and the machine       ``flushed``, in the same step
    answered    its client has the outcome                    the space, in the order of the tickets
    told        replicas, views and waits have the change     the space, in the order of the versions
    taken back  the write failed: ``head`` is ``durable``     ``resumed``: if the log holds its record, it is
                again, as if it had not been decided; its     durable after all, and told; if not, it has
                client was told ``unavailable``               never been, and may be submitted again

What follows from it:

- ``head`` is what is decided, ``durable`` what the world may see. Validation is against ``head``, so that the
  log's slowness costs nobody a conflict; answers, replicas and reads know ``durable`` alone.
- A reject is an outcome too. One that ``head`` caused is answered with the batch behind it: when it is, the
  versions that caused it are durable, and their deltas go with the answer.
- Exactly once: a commit and its ``tx`` are one record, written by one write. A ``tx`` that is known, durable
  or not, is not decided again: its ticket gets the outcome that there is, after that is durable. A ``tx``
  whose outcome may have been forgotten has a base before ``horizon``, and is ``stale``.
- Failure gives no answer. ``taken back`` is not "rejected": the records may be on the disk. Until the log
  has told, nothing is decided, and whoever asks is told ``unavailable``.

Rules of this file:

- No clock, no chance, no callbacks: the same calls give the same decisions.
- Refused without a trace, since it says nothing of the document: ``tx_reused``, ``epoch``, ``stale``, a base
  from the future, ``throttled``. All other rejects of a transaction with a ``tx`` are records.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from realms.dstm.answers import conflict, recorded_answer, wanted_values
from realms.dstm.bindings import Binding
from realms.dstm.changes import Change, chain
from realms.dstm.constraints import Constraints
from realms.dstm.decisions import Author, Batch, Committed, Flushed, LogDiffers, Made, Submission, Ticket
from realms.dstm.document import Document, DoesNotFit
from realms.dstm.errors import (
    CONFLICT,
    CONSTRAINT,
    EPOCH,
    INVALID,
    STALE,
    THROTTLED,
    TOO_LARGE,
    TX_REUSED,
    DstmError,
)
from realms.dstm.log import Record, Recovered
from realms.dstm.operations import Add, Copy, Move, Op, OpFailed, Remove, apply, implied_reads
from realms.dstm.pointer import parse, render
from realms.dstm.presence import bind, bound_ops, undoing
from realms.dstm.reads import Read
from realms.dstm.settings import Settings
from realms.dstm.state import State, entry_of
from realms.dstm.transaction import Transaction
from realms.dstm.undo import undoing_transaction
from realms.dstm.window import Entry, Window

__all__ = [
    "Author",
    "Batch",
    "Committed",
    "Flushed",
    "LogDiffers",
    "Made",
    "Sequencer",
    "Submission",
    "Ticket",
]

UNDONE_AT_ONCE: Final = 100  # bindings
NOBODY: Final = Author()

_URI_OF_FAILURE: Final = {"state": INVALID, "constraint": CONSTRAINT, "size": TOO_LARGE, "test": CONFLICT}
_SOURCED: Final = frozenset((Copy, Move))
_MOVING: Final = frozenset((Add, Remove, Copy, Move))


class Sequencer:
    """
    The order of one space.

    :ivar durable: the newest document that may be seen, with ``durable_version`` and ``durable_hash``
    :ivar is_lost: a write has failed, and the log has not told yet what is durable
    """

    def __init__(self, name: str, recovered: Recovered, settings: Settings) -> None:
        """
        Begin with what a log holds.

        Raises:
            LogRefused: its records do not follow one another.
            ValueError: a constraint that can't be used.
        """
        self.name = name
        self.epoch = recovered.epoch
        self.configure(settings)
        self._state = state = State(name, recovered, settings)
        self.durable: Document = state.document
        self.durable_version: int = state.version
        self.durable_hash: bytes = state.hash
        self.is_lost = False
        self._failed: dict[bytes, Entry] = {}  # hash -> Entry of a commit whose fate is open
        self._in_flight: Batch | None = None
        self._begin_batch()

    def configure(self, settings: Settings) -> None:
        """
        Take settings: from the next decision on. The bounds of what is remembered are those of the start.

        Raises:
            ValueError: a constraint that can't be used; nothing has changed.
        """
        self._constraints = Constraints(settings.constraints)
        self.settings = settings

    def _begin_batch(self) -> None:
        self._records: list[Record] = []
        self._entries: list[Entry] = []
        self._tickets: list[Ticket] = []
        self._bytes = 0

    @property
    def head(self) -> Document:
        """The newest decided document."""
        return self._state.document

    @property
    def version(self) -> int:
        """The version of ``head``."""
        return self._state.version

    # Deciding

    def submit(self, submission: Submission, now_ms: int) -> Ticket:
        """Decide a transaction against ``head``; its ticket is in the open batch. As ``decide``."""
        ticket = Ticket(submission)
        self.decide(ticket, now_ms)
        return ticket

    def decide(self, ticket: Ticket, now_ms: int) -> None:
        """
        Decide the transaction of ``ticket``, and put it into the open batch.

        Not to be called while ``is_lost``; when ``is_full``, better later.
        """
        if self.is_lost:
            raise RuntimeError("nothing is decided until the log has told what is durable")
        transaction, state = ticket.submission.transaction, self._state
        tx, epoch, base = transaction.tx, transaction.epoch, transaction.base
        known = None if tx is None else state.window.by_tx.get(tx)
        if known is not None:
            self._repeat(ticket, known)
        elif (epoch is not None and epoch != self.epoch) or (
            base is not None and not state.horizon <= base <= state.version
        ):
            ticket.answer = self._misplaced(transaction)
        else:
            try:
                ticket.answer = self._commit_transaction(ticket.submission, now_ms)
            except DstmError as error:
                self._reject(ticket, error, now_ms)
        self._tickets.append(ticket)

    def _repeat(self, ticket: Ticket, known: Entry) -> None:
        """Give a transaction that was submitted before the outcome that it has."""
        ticket.is_dup = True
        submission, record = ticket.submission, known.record
        outcome = record.outcome or {}
        if record.body != submission.digest:
            text = "this tx was used for another transaction: each takes a counter of its own"
            ticket.answer = DstmError(TX_REUSED, text)
        elif record.kind == "reject":
            ticket.answer = DstmError(outcome["error"], outcome["text"], **outcome["details"])
        else:
            values, result = outcome.get("values"), outcome.get("result")
            ticket.answer = Committed(record.version, self.epoch, record.time, True, values, result)
            if record.bindings and submission.author.session_id is not None:
                paths = [parse(wire["path"]) for wire in record.bindings]
                self._state.bindings.adopt(record.version, paths, submission.author.session_id)
                known.author = submission.author

    def _misplaced(self, transaction: Transaction) -> DstmError:
        """Tell why a transaction has no place in this order."""
        version, base, horizon = self._state.version, transaction.base, self._state.horizon
        if transaction.epoch is not None and transaction.epoch != self.epoch:
            text = f"the epoch is {self.epoch}: what was read is of another history"
            return DstmError(EPOCH, text, epoch=self.epoch, version=self.durable_version)
        if base is not None and base > version:
            reason = f"version {base} is not there yet, the newest is {self.durable_version}"
            return DstmError(INVALID, f"base: {reason}", part="base", reason=reason)
        text = f"base {base} is too old: what happened before version {horizon} is forgotten"
        return DstmError(STALE, text, version=self.durable_version, horizon=horizon)

    def _commit_transaction(self, submission: Submission, now_ms: int) -> Committed:
        """
        Commit a transaction that has a place.

        Raises:
            DstmError: it is rejected; nothing has changed.
        """
        state, transaction, result = self._state, submission.transaction, None
        tx, base = transaction.tx, transaction.base
        if submission.make is not None:
            transaction, result = submission.make(state.document, state.version)
        ops = transaction.ops
        if base is not None and base != state.version:
            self._check_reads(transaction, base)
        try:
            document, changes, _ = apply(state.document, ops, self.settings.limits)
        except OpFailed as failed:
            raise self._failure(failed, base) from None
        if self._constraints and changes:
            self._constraints.check(document, changes)
        values, most = None, self.settings.want_bytes
        if transaction.want:
            values = wanted_values(document, transaction.want, most)
        time = now_ms if now_ms > state.time else state.time
        author, epoch = submission.author, self.epoch
        if not ops and not transaction.publish:
            return Committed(state.version, epoch, time, False, values, result)
        bound = bound_ops(ops)
        new = bind(state, document, ops, bound, author.session_id, time, self.settings) if bound else ()
        outcome = recorded_answer(values, result, most)
        entry = self._commit(document, changes, new, author, time, tx, submission.digest, outcome)
        return Committed(entry.version, epoch, time, False, values, result)

    def _check_reads(self, transaction: Transaction, base: int) -> None:
        """Raise a conflict if anything that the transaction depends on has changed since its base."""
        reads, ops = transaction.reads, transaction.ops
        state = self._state
        changed, document = state.stamps.changed_since, state.document
        lost = [read for read in reads if changed(read, base, document)]
        if not self._holds(reads, ops, base):
            lost += [read for read in implied_reads(document, ops) if changed(read, base, document)]
        if lost:
            raise conflict(lost, f"changed since version {base}: ")

    def _holds(self, reads: Sequence[Read], ops: Sequence[Op], base: int) -> bool:
        """
        Tell quickly that what the ops read by themselves has not changed; False: it is to be looked at.

        Where the value at an op's pointer is as it was, so is all that the op reads by itself: of an op
        alone, unless it has a source, and of ops that leave every element of an array in its place.
        """
        changed, document = self._state.stamps.changed_since, self._state.document
        own: Any
        for op in ops:
            kind = op.__class__
            if kind in _SOURCED or (kind in _MOVING and len(ops) > 1):
                return False
            own = ("value", parse(op.path))
            if own not in reads and changed(own, base, document):
                return False
        return True

    def _failure(self, failed: OpFailed, base: int | None) -> DstmError:
        """Tell what an op that can't be applied comes to."""
        state, uri = self._state, _URI_OF_FAILURE[failed.kind]
        text = f"ops[{failed.index}]: {failed.reason}"
        if failed.kind == "state" and base is not None:
            lost = [read for read in failed.met if state.stamps.changed_since(read, base, state.document)]
            if lost:
                return conflict(lost, f"{text}; changed since version {base}: ")
        if uri == CONFLICT:
            return conflict(failed.met, f"{text}: ")
        return DstmError(uri, text, part="ops", index=failed.index, reason=failed.reason)

    def _commit(
        self,
        document: Document,
        changes: tuple[Change, ...],
        new: Sequence[Binding],
        author: Author,
        time: int,
        tx: str | None = None,
        body: bytes | None = None,
        outcome: dict[str, Any] | None = None,
        dropped: Sequence[Binding] = (),
    ) -> Entry:
        """Make the next version."""
        state = self._state
        version = state.version + 1
        wires: list[dict[str, Any]] = []
        if new or dropped:
            wires += [binding.wire() for binding in new]
            wires += [{"path": render(binding.path), "dropped": True} for binding in dropped]
        hash = chain(state.hash, version, changes)
        authid, authrole = author.authid, author.authrole
        record = Record("commit", version, time, tx, body, authid, authrole, changes, outcome, wires, hash)
        entry = entry_of(record, author)
        state.commit(entry, document, new)
        self._append(entry)
        return entry

    def _append(self, entry: Entry) -> None:
        self._records.append(entry.record)
        self._entries.append(entry)
        self._bytes += entry.bytes

    def _reject(self, ticket: Ticket, error: DstmError, now_ms: int) -> None:
        """Answer with an error, and record it where it is the outcome of a ``tx``."""
        ticket.answer = error
        submission, state = ticket.submission, self._state
        tx, author = submission.transaction.tx, submission.author
        if tx is None or error.uri == THROTTLED:
            return
        version, time = state.version, max(now_ms, state.time)
        outcome = {"error": error.uri, "text": error.text, "details": error.details}
        authid, authrole = author.authid, author.authrole
        record = Record(
            "reject", version, time, tx, submission.digest, authid, authrole, (), outcome, [], b""
        )
        entry = entry_of(record)
        state.reject(entry)
        self._append(entry)

    # Bindings

    def left(self, session_id: int, now_ms: int) -> None:
        """A session has left: what it bound is to be undone."""
        self._state.bindings.left(session_id, now_ms)
        for entry in self._failed.values():
            if entry.author.session_id == session_id:
                entry.author = NOBODY

    def started(self, now_ms: int) -> None:
        """After recovery, no session of the former run is there: what they bound is to be undone."""
        self._state.bindings.orphaned(now_ms)

    def next_due(self) -> int | None:
        """Tell when ``undo_due`` has something to do, ms since 1970."""
        return self._state.bindings.next_due()

    def undo_due(self, now_ms: int) -> None:
        """Undo what is due, some of it: in one commit, or where that can't be, each in its own."""
        due = self._state.bindings.due(now_ms, UNDONE_AT_ONCE)
        due.sort(key=lambda binding: -len(binding.path))  # what lies below another goes first
        time = max(now_ms, self._state.time)
        if len(due) > 1 and self._undo(due, time):
            return
        for binding in due:
            if not binding.over and not self._undo([binding], time):
                # what it wrote stays
                entry = self._commit(self.head, (), (), NOBODY, time, dropped=[binding])
                self._state.bindings.end(binding.path, entry.version)

    def _undo(self, due: Sequence[Binding], time: int) -> bool:
        """Undo some bindings in one commit; gives False if that is impossible."""
        try:
            document, changes, _ = apply(self.head, list(map(undoing, due)), self.settings.limits)
            self._constraints.check(document, changes)
        except (OpFailed, DstmError):
            return False
        self._commit(document, changes, (), NOBODY, time)
        return True

    # Batches

    @property
    def is_full(self) -> bool:
        """Tell whether the open batch should take no more."""
        settings = self.settings
        return len(self._tickets) >= settings.batch_records or self._bytes >= settings.batch_bytes

    def take_batch(self) -> Batch | None:
        """Close the open batch, for one write; None if there is nothing, or another is in flight."""
        if self._in_flight is not None or not (self._tickets or self._records):
            return None
        state = self._state
        self._in_flight = batch = Batch(
            self._records, self._entries, self._tickets, state.version, state.hash, state.document
        )
        self._begin_batch()
        return batch

    def flushed(self, batch: Batch) -> Flushed:
        """The batch in flight is durable: give what is to be said, first to clients, then to replicas."""
        assert batch is self._in_flight
        self._in_flight = None
        self.durable, self.durable_version, self.durable_hash = batch.document, batch.version, batch.hash
        state = self._state
        state.bindings.durable(batch.version)
        if not state.trim(batch.version) and state.version == batch.version:
            # so much was rejected at this version that only another one lets it be forgotten
            self._commit(state.document, (), (), NOBODY, state.time)
        answers: list[tuple[Ticket, Committed | DstmError]] = [
            (ticket, answer if (answer := ticket.answer).__class__ is Committed else self._told(ticket))
            for ticket in batch.tickets
        ]
        return Flushed(answers, [entry for entry in batch.entries if entry.hash])

    def _told(self, ticket: Ticket) -> DstmError:
        """Give the error that a client gets; a conflict brings it to the durable version."""
        error, base = ticket.answer, ticket.submission.transaction.base
        assert isinstance(error, DstmError)
        if error.uri != CONFLICT:
            return error
        settings, version, deltas = self.settings, self.durable_version, None
        if base is not None:
            deltas = self.window.deltas(base, version, settings.conflict_deltas, settings.conflict_bytes)
        more: dict[str, Any] = {"resync": True} if deltas is None else {"deltas": deltas}
        return DstmError(CONFLICT, error.text, **{**error.details, "version": version, **more})

    # Failure

    def failed(self, batch: Batch) -> list[Ticket]:
        """
        The write of the batch in flight has failed: ``head`` is ``durable`` again.

        Gives the tickets of all that was taken back: what became of them is unknown until ``resumed``.
        """
        assert batch is self._in_flight
        entries = [*batch.entries, *self._entries]
        tickets = [*batch.tickets, *self._tickets]
        self._in_flight = None
        self._begin_batch()
        self._state.take_back(entries, self.durable_version, self.durable, self.durable_hash)
        self._failed = {entry.hash: entry for entry in batch.entries if entry.hash}
        self.is_lost = True
        return tickets

    def resumed(self, recovered: Recovered, now_ms: int) -> list[Entry]:
        """
        The log has told what is durable. Gives the commits that are, although their write had failed.

        Raises:
            LogDiffers: it is not the log that was written to.
        """
        state = self._state
        entries = [self._follow(record) for record in self._news(recovered)]
        self.durable, self.durable_version, self.durable_hash = state.document, state.version, state.hash
        state.bindings.durable(state.version)
        state.bindings.orphaned(now_ms)
        state.trim(state.version)
        self._failed = {}
        self.is_lost = False
        return [entry for entry in entries if entry.hash]

    def _news(self, recovered: Recovered) -> list[Record]:
        """Give the records that this has not, in their order; check that what was durable still is."""
        if recovered.epoch != self.epoch:
            raise LogDiffers(f"its epoch is {recovered.epoch}, was {self.epoch}")
        durable, known, news = self.durable_version, self._state.window.by_tx, []
        hash = recovered.hash if recovered.snapshot_version == durable else None
        for record in reversed(recovered.records):
            if record.version < durable:
                break
            is_commit = record.kind == "commit"
            if is_commit and record.version == durable:
                hash = record.hash
            elif is_commit or record.version > durable or record.tx not in known:
                news.append(record)
        if hash != self.durable_hash:
            raise LogDiffers(f"it does not hold version {durable}, which was durable")
        return news[::-1]

    def _follow(self, record: Record) -> Entry:
        state, failed = self._state, self._failed.get(record.hash)
        session_id = None if failed is None else failed.author.session_id
        try:
            if record.kind == "commit" and chain(state.hash, record.version, record.changes) != record.hash:
                raise ValueError("its hash is of another history")
            return state.replay(record, session_id)
        except (DoesNotFit, ValueError) as error:
            raise LogDiffers(f"version {record.version} does not follow: {error}") from None

    # What is remembered

    @property
    def window(self) -> Window:
        """The last versions, also those that are not durable yet."""
        return self._state.window

    @property
    def horizon(self) -> int:
        """The oldest base that a transaction may have."""
        return self._state.horizon

    @property
    def bindings_count(self) -> int:
        """How many paths are bound."""
        return len(self._state.bindings.by_path)

    def bindings_at_durable(self) -> list[dict[str, Any]]:
        """Give the bindings of ``durable``, as a snapshot keeps them."""
        return self._state.bindings.wires(self.durable_version)

    def changed_since(self, reads: Iterable[Read], base: int) -> bool:
        """Tell whether one of ``reads`` was changed after ``base``, as far as is decided."""
        state = self._state
        return any(state.stamps.changed_since(read, base, state.document) for read in reads)

    def inverse(self, version: int) -> Transaction:
        """
        Give the transaction that undoes a durable version: if nothing that it has changed was changed since.

        Raises:
            DstmError: ``invalid``: it is not there yet; ``stale``: it is not remembered any more.
        """
        if version > self.durable_version:
            reason = f"version {version} is not there yet, the newest is {self.durable_version}"
            raise DstmError(INVALID, f"version: {reason}", part="version", reason=reason)
        entry, before = self.window.entry(version), self.window.at(version - 1)
        if entry is None or before is None or version < self.horizon:
            text = f"version {version} is too old to be undone: what was before it is forgotten"
            raise DstmError(STALE, text, version=self.durable_version, horizon=self.horizon)
        return undoing_transaction(self.epoch, entry, before)
