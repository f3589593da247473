"""
A running space: a sequencer, its log, and everybody who is to be told, turn by turn.

    turn                 what arrived is decided, client by client; then the open batch is taken, if no write
                         is in flight, and written in the background
    end of a write       answers in the order of the decisions, then ``on_entries``, then waits; then the next
                         batch, which has formed meanwhile, is written
    failure of a write   everything that was not durable is taken back, and answered with ``unavailable``;
                         the log is opened again, later and later, until it tells what is durable

    state        meaning                                          left by
    open         transactions are decided                         a failed write; ``close``
    unavailable  the log can't be used; what is durable is seen   ``reopen`` of the log, unless it is broken
    closed       not opened yet, or closed                        ``open``

Rules of this file:

- All that is not determined by the calls comes through ``Surroundings``: with the same surroundings, the same
  happens. There are no threads and no clock here.
- Bounded: what waits to be decided in number and bytes, each client's part of it, decisions in a turn,
  one write in flight, one open batch, jobs, waits.
- A callback that raises harms nobody else; its error is raised again at the end of the turn.
"""

from collections.abc import Callable, Hashable, Sequence
from itertools import islice
from pathlib import Path as FilePath
from typing import Any, Final, NamedTuple

from realms.dstm.counters import Counters
from realms.dstm.decisions import Batch, Committed, LogDiffers, Submission, Ticket
from realms.dstm.document import Document
from realms.dstm.errors import CONFLICT, EPOCH, INVALID, THROTTLED, UNAVAILABLE, DstmError
from realms.dstm.fairness import Fairness, round_robin
from realms.dstm.jobs import Jobs, Surroundings
from realms.dstm.log import Log, LogBroken, LogRefused, LogUnavailable, Record, Recovered
from realms.dstm.log.memory import MemoryLog
from realms.dstm.pointer import parse
from realms.dstm.reads import Read
from realms.dstm.sequencer import Sequencer
from realms.dstm.settings import Settings
from realms.dstm.transaction import Transaction
from realms.dstm.waits import WaitReply, Waits, Woken
from realms.dstm.window import Entry

__all__ = ["Space", "Surroundings"]

MOST_JOBS: Final = 100  # that others ask for, at once
MOST_READ: Final = 10_000  # records that ``read_entries`` gives at once

Reply = Callable[[Committed | DstmError], object]


class Arrival(NamedTuple):
    """What waits to be decided."""

    submission: Submission
    reply: Reply
    was_deferred: bool = False


class Space:
    """
    One space.

    :ivar state: ``open``, ``unavailable`` or ``closed``; ``reason`` says why
    :ivar on_entries: called with the commits that have become durable, in order
    :ivar on_state: called after ``state`` has changed
    """

    def __init__(self, name: str, log: Log, settings: Settings, surroundings: Surroundings) -> None:
        self.name = name
        self.log = log
        self.settings = settings
        self.state = "closed"
        self.reason = "it is not open yet"
        self.on_entries: Callable[[Sequence[Entry]], object] = _ignore
        self.on_state: Callable[[], object] = _ignore
        self.counters = Counters(settings.counted_paths)
        self._surroundings = surroundings
        self._sequencer: Sequencer | None = None
        self._jobs = Jobs(surroundings, isinstance(log, MemoryLog), MOST_JOBS)
        self._fairness = Fairness(settings.in_flight_per_client, settings.defer_after, settings.defer_ms)
        self._waits = Waits(surroundings, settings.waits, settings.waits_per_client)
        self._arrived: list[Arrival] = []
        self._deferred: list[Arrival] = []
        self._queue_bytes = 0
        self._has_turn = False
        self._timer: tuple[int, Callable[[], object]] | None = None  # when, what cancels it
        self._reopen_ms = settings.reopen_first_ms
        self._cancel_reopen: Callable[[], object] = _ignore
        self._unsaved = 0  # records since the last snapshot
        self._is_saving = False
        self._errors: list[Exception] = []  # of callbacks in this turn

    # Opening and closing

    def open(self) -> None:
        """
        Open the log; blocks.

        A log that can't be used now is no error: the space is ``unavailable`` until it can.

        Raises:
            LogRefused: the log must not be used.
            LogBroken: only another process may open it.
        """
        try:
            recovered = self.log.open()
        except LogUnavailable as error:
            self._become("unavailable", error.reason)
            self._reopen_later()
            return
        self._begin(recovered)

    def _begin(self, recovered: Recovered) -> None:
        self._sequencer = Sequencer(self.name, recovered, self.settings)
        self._unsaved = sum(record.version > recovered.snapshot_version for record in recovered.records)
        self._sequencer.started(self._surroundings.now_ms())
        self._become("open", "")
        self._wake()

    def _become(self, state: str, reason: str) -> None:
        self.state, self.reason = state, reason
        self._call(self.on_state)

    def close(self, done: Callable[[], object] | None = None, is_dropped: bool = False) -> None:
        """
        Answer what is not decided, finish what is, close the log, and call ``done``.

        :param is_dropped: also delete what the log holds
        """
        if self.state != "closed":
            self._become("closed", "it was closed")
            self._cancel_timers()
            self._refuse_all()
            self._flush()
        end = self.log.drop if is_dropped else self.log.close
        self._jobs.run(end, lambda result, error: None if done is None else done())
        self._raise_errors()

    def _cancel_timers(self) -> None:
        self._cancel_reopen()
        if self._timer is not None:
            self._timer[1]()
            self._timer = None

    # What is durable

    @property
    def _open_sequencer(self) -> Sequencer:
        if self._sequencer is None:
            raise self._refusal()
        return self._sequencer

    def _refusal(self) -> DstmError:
        text = f"the space {self.name!r} is {self.state}: {self.reason}"
        return DstmError(UNAVAILABLE, text, state=self.state, reason=self.reason)

    @property
    def epoch(self) -> str:
        """The epoch; this and the others raise ``unavailable`` before the log was opened."""
        return self._open_sequencer.epoch

    @property
    def durable_version(self) -> int:
        """The newest version that may be seen."""
        return self._open_sequencer.durable_version

    @property
    def durable(self) -> Document:
        """Its document."""
        return self._open_sequencer.durable

    @property
    def durable_hash(self) -> bytes:
        """Its hash."""
        return self._open_sequencer.durable_hash

    @property
    def version(self) -> int:
        """The newest decided version: nobody may be told of it."""
        return self._open_sequencer.version

    @property
    def head(self) -> Document:
        """Its document."""
        return self._open_sequencer.head

    @property
    def horizon(self) -> int:
        """The oldest base that a transaction may have."""
        return self._open_sequencer.horizon

    @property
    def oldest_document(self) -> int:
        """The oldest version that ``at`` can give."""
        return self._open_sequencer.window.oldest_document

    def at(self, version: int) -> Document | None:
        """Give the document at a durable version, or None if it is not remembered."""
        sequencer = self._open_sequencer
        if version == sequencer.durable_version:
            return sequencer.durable
        return sequencer.window.at(version) if version < sequencer.durable_version else None

    def hash_at(self, version: int) -> bytes | None:
        """Give the hash of a durable version, or None if it is not remembered."""
        sequencer = self._open_sequencer
        if version == sequencer.durable_version:
            return sequencer.durable_hash
        entry = sequencer.window.entry(version) if version < sequencer.durable_version else None
        return None if entry is None else entry.hash

    def since(self, base: int, version: int) -> list[Entry] | None:
        """Give the commits after ``base`` up to ``version``, or None if some are not remembered."""
        sequencer = self._open_sequencer
        return None if version > sequencer.durable_version else sequencer.window.since(base, version)

    def version_of(self, tx: str) -> int | None:
        """Give the durable version that a transaction made, or None if it is not remembered."""
        sequencer = self._open_sequencer
        entry = sequencer.window.by_tx.get(tx)
        if entry is None or not entry.hash or entry.version > sequencer.durable_version:
            return None
        return entry.version

    def inverse(self, version: int) -> Transaction:
        """Give the transaction that undoes a version; as ``Sequencer.inverse``."""
        return self._open_sequencer.inverse(version)

    def status(self) -> dict[str, Any]:
        """Give state, version and counters, plain."""
        status: dict[str, Any] = {"state": self.state, "reason": self.reason, "waits": len(self._waits)}
        sequencer = self._sequencer
        if sequencer is not None:
            status |= {
                "epoch": sequencer.epoch,
                "version": sequencer.durable_version,
                "bytes": sequencer.durable.size,
                "horizon": sequencer.horizon,
                "remembered": len(sequencer.window),
                "remembered_bytes": sequencer.window.bytes,
                "bindings": sequencer.bindings_count,
                "undecided": len(self._arrived) + len(self._deferred),
            }
        return status | self.counters.plain()

    # Transactions

    def submit(self, submission: Submission, reply: Reply) -> None:
        """
        Have a transaction decided at the end of this turn or later; ``reply`` is called once.

        It gets ``Committed`` when that is durable, or the error; after ``unavailable`` it is open what became
        of it.
        """
        client = submission.author.client
        if self.state != "open":
            reply(self._refusal())
        elif self._is_crowded():
            text = "too many transactions wait to be decided: try again"
            reply(DstmError(THROTTLED, text, limit=self.settings.queue))
        elif not self._fairness.enter(client):
            most = self.settings.in_flight_per_client
            text = f"{most} transactions of this client are not answered yet, which is the limit"
            reply(DstmError(THROTTLED, text, limit=most))
        else:
            self._arrived.append(Arrival(submission, reply))
            self._queue_bytes += submission.bytes
            if not self._has_turn:
                self._wake()

    def _is_crowded(self) -> bool:
        settings = self.settings
        waiting = len(self._arrived) + len(self._deferred)
        return waiting >= settings.queue or self._queue_bytes > settings.queue_bytes

    def _wake(self) -> None:
        """See to it that there is a turn."""
        if not self._has_turn:
            self._has_turn = True
            self._surroundings.soon(self._turn)

    def _turn(self) -> None:
        self._has_turn = False
        if self.state == "open":
            now_ms = self._surroundings.now_ms()
            self._undo_due(now_ms)
            if self._deferred:
                self._release_deferred(now_ms)
            if self._arrived:
                self._decide(now_ms)
            self._flush()
            self._set_timer()
        self._raise_errors()

    def _undo_due(self, now_ms: int) -> None:
        sequencer = self._open_sequencer
        due_ms = sequencer.next_due()
        if due_ms is not None and due_ms <= now_ms and not sequencer.is_full:
            sequencer.undo_due(now_ms)

    def _release_deferred(self, now_ms: int) -> None:
        if not self._fairness.has_favour(now_ms):
            self._arrived[:0] = self._deferred
            self._deferred = []

    def _decide(self, now_ms: int) -> None:
        """Decide what fits into this turn and into the open batch."""
        sequencer, fairness = self._open_sequencer, self._fairness
        arrived = round_robin(self._arrived, _client_of) if len(self._arrived) > 1 else self._arrived
        self._arrived = []
        left = self.settings.turn_decisions
        for number, arrival in enumerate(arrived):
            if left == 0 or sequencer.is_full:
                self._arrived = [*arrived[number:], *self._arrived]
                return
            submission = arrival.submission
            if fairness.favour is not None and self._must_wait(arrival, now_ms):
                self._deferred.append(arrival._replace(was_deferred=True))
                continue
            left -= 1
            self._queue_bytes -= submission.bytes
            try:
                sequencer.submit(submission, now_ms).reply = arrival.reply
            except Exception as error:  # a defect: whoever met it is answered, the others go on
                self._errors.append(error)
                fairness.answered(submission.author.client)
                text = f"the space {self.name!r} met a defect: what became of this transaction is unknown"
                self._call(arrival.reply, DstmError(UNAVAILABLE, text))

    def _must_wait(self, arrival: Arrival, now_ms: int) -> bool:
        submission = arrival.submission
        ops = submission.transaction.ops
        return not arrival.was_deferred and self._fairness.must_wait(submission.author.client, ops, now_ms)

    # Durability

    def _flush(self) -> None:
        """Write the open batch, if there is one and no other is in flight."""
        sequencer = self._open_sequencer
        batch = sequencer.take_batch()
        if batch is None:
            return
        if not batch.records:
            self._flushed(sequencer, batch)
            return
        self._jobs.run(
            lambda: self.log.write(batch.records),
            lambda result, error: self._written(sequencer, batch, error),
            is_urgent=True,
        )

    def _written(self, sequencer: Sequencer, batch: Batch, error: BaseException | None) -> None:
        if error is None:
            self._flushed(sequencer, batch)
        else:
            self._failed(sequencer, batch, error)
        self._raise_errors()

    def _flushed(self, sequencer: Sequencer, batch: Batch) -> None:
        self.counters.flushes += 1
        answers, entries = sequencer.flushed(batch)
        now_ms = self._surroundings.now_ms()
        for ticket, answer in answers:
            self._count(ticket, answer, now_ms)
            self._answer(ticket, answer)
        if entries:
            self._tell(sequencer, entries)
        self._unsaved += len(batch.records)
        if self._unsaved >= self.settings.snapshot_every and not self._is_saving:
            self._save(sequencer)
        if self.state == "open" and (self._arrived or self._deferred):
            self._wake()
        else:
            self._flush()

    def _answer(self, ticket: Ticket, answer: Committed | DstmError) -> None:
        self._fairness.answered(ticket.submission.author.client)
        self._call(ticket.reply, answer)

    def _count(self, ticket: Ticket, answer: Committed | DstmError, now_ms: int) -> None:
        """Note an answer for fairness and for the counters."""
        counters, client = self.counters, ticket.submission.author.client
        if ticket.is_dup:
            counters.repetitions += 1
        elif answer.__class__ is Committed:
            self._fairness.won(client)
        elif isinstance(answer, DstmError) and answer.uri == CONFLICT:
            counters.conflicts += 1
            pointers = answer.details["paths"]
            counters.conflict_paths.add(pointers)
            self._fairness.lost(client, map(parse, pointers), now_ms)
        else:
            counters.rejects += 1

    def _tell(self, sequencer: Sequencer, entries: Sequence[Entry]) -> None:
        """Tell everybody of commits that have become durable."""
        counters = self.counters
        counters.commits += len(entries)
        for entry in entries:
            counters.commit_paths.add([change.path for change in entry.changes])
        self._call(self.on_entries, entries)
        if len(self._waits):
            answer = Woken(sequencer.durable_version, sequencer.epoch)
            self._waits.wake(entries, sequencer.durable, answer, self._call)

    # Failure

    def _failed(self, sequencer: Sequencer, batch: Batch, error: BaseException) -> None:
        tickets = sequencer.failed(batch)
        self._log_failed(error)
        refusal = self._refusal()
        for ticket in tickets:
            self._answer(ticket, refusal)
        self._refuse_all()

    def _log_failed(self, error: BaseException) -> None:
        """Be unavailable; until the log can be opened again, if that can be."""
        self.counters.failures += 1
        reason = getattr(error, "reason", None) or f"{type(error).__name__}: {error}"
        if self.state == "closed":
            return
        if isinstance(error, LogUnavailable):
            self._become("unavailable", reason)
            self._reopen_later()
        else:
            self._become("unavailable", f"{reason}; the router must be restarted")

    def _refuse_all(self) -> None:
        """Answer all that is not decided, and all who wait: nothing will happen for now."""
        refusal = self._refusal()
        waiting, self._arrived, self._deferred = [*self._deferred, *self._arrived], [], []
        self._queue_bytes = 0
        for arrival in waiting:
            self._fairness.answered(arrival.submission.author.client)
            self._call(arrival.reply, refusal)
        self._waits.refuse(refusal, self._call)

    def _reopen_later(self) -> None:
        when_ms = self._surroundings.now_ms() + self._reopen_ms
        self._reopen_ms = min(2 * self._reopen_ms, self.settings.reopen_most_ms)
        self._cancel_reopen = self._surroundings.call_at(when_ms, self._reopen)

    def _reopen(self) -> None:
        self._cancel_reopen = _ignore
        self._jobs.run(self.log.reopen, self._reopened, is_urgent=True)

    def _reopened(self, recovered: Recovered, error: BaseException | None) -> None:
        if self.state == "closed":
            return
        if error is None:
            try:
                self._resume(recovered)
            except (LogDiffers, LogRefused) as caught:
                error = caught
        if error is not None:
            self._log_failed(error)
        self._raise_errors()

    def _resume(self, recovered: Recovered) -> None:
        self._reopen_ms = self.settings.reopen_first_ms
        sequencer = self._sequencer
        if sequencer is None:
            self._begin(recovered)
            return
        entries = sequencer.resumed(recovered, self._surroundings.now_ms())
        self._become("open", "")
        if entries:
            self._tell(sequencer, entries)
        self._wake()

    # Sessions

    def left(self, session_id: int, client: Hashable = None) -> None:
        """
        Forget a session: what it bound is to be undone, what it submitted and is not decided will not be.

        :param client: its key for fairness, if that is not the session's id
        """
        key = session_id if client is None else client
        self._fairness.left(key)
        self._waits.left(key)
        if self._arrived or self._deferred:
            self._arrived = [a for a in self._arrived if not self._is_dropped(a, key)]
            self._deferred = [a for a in self._deferred if not self._is_dropped(a, key)]
        if self._sequencer is not None:
            self._sequencer.left(session_id, self._surroundings.now_ms())
            self._set_timer()
        self._raise_errors()

    def _is_dropped(self, arrival: Arrival, client: Hashable) -> bool:
        submission = arrival.submission
        if submission.author.client != client:
            return False
        self._queue_bytes -= submission.bytes
        self._fairness.answered(client)
        self._call(arrival.reply, DstmError(UNAVAILABLE, "the session has left"))
        return True

    def _set_timer(self) -> None:
        """Have a turn when something is to be undone, or whoever was deferred has waited enough."""
        times = [self._open_sequencer.next_due()]
        if self._deferred and self._fairness.favour is not None:
            times.append(self._fairness.favour.until_ms)
        when_ms = min((time for time in times if time is not None), default=None)
        if self._timer is not None:
            if when_ms == self._timer[0]:
                return
            self._timer[1]()
            self._timer = None
        if when_ms is not None and self.state == "open":
            self._timer = (when_ms, self._surroundings.call_at(when_ms, self._timer_fired))

    def _timer_fired(self) -> None:
        self._timer = None
        self._wake()

    # Waiting

    def wait(
        self,
        reads: Sequence[Read],
        epoch: str | None,
        base: int,
        timeout_ms: int,
        reply: WaitReply,
        client: Hashable = None,
    ) -> Callable[[], None]:
        """
        Call ``reply`` once when one of ``reads`` has changed after ``base``; gives what cancels that.

        It gets ``Woken`` when the change is durable, at once if it is; ``timeout`` after ``timeout_ms``; or
        ``unavailable``.

        Raises:
            DstmError: ``unavailable``, ``epoch``, ``invalid`` (a base from the future), ``throttled``.
        """
        sequencer = self._open_sequencer
        if self.state != "open":
            raise self._refusal()
        if epoch is not None and epoch != sequencer.epoch:
            text = f"the epoch is {sequencer.epoch}: what was read is of another history"
            raise DstmError(EPOCH, text, epoch=sequencer.epoch, version=sequencer.durable_version)
        version = sequencer.durable_version
        if base > version:
            reason = f"version {base} is not there yet, the newest is {version}"
            raise DstmError(INVALID, f"base: {reason}", part="base", reason=reason)
        changed_by = None
        if base < sequencer.version and sequencer.changed_since(reads, base):
            changed_by = sequencer.version
            if changed_by == version:
                reply(Woken(version, sequencer.epoch))
                return _ignore
        timeout_ms = min(timeout_ms, self.settings.wait_ms)
        return self._waits.add(client, reads, base, timeout_ms, reply, changed_by)

    # The log's history

    def read_entries(self, first: int, last: int, done: Callable[[list[Record] | DstmError], object]) -> None:
        """
        Read records of the versions ``first`` to ``last`` from the log, at most ``MOST_READ``, oldest first.

        Raises:
            DstmError: ``unavailable``, ``throttled``.
        """
        newest = min(last, self.durable_version)
        self._run_job(lambda: list(islice(self.log.read(first, newest), MOST_READ)), done)

    def backup(self, path: FilePath, done: Callable[[DstmError | None], object]) -> None:
        """Have the log copied to ``path``. Raises as ``read_entries``."""
        self._run_job(lambda: self.log.backup(path), done)

    def compact(self, done: Callable[[DstmError | None], object]) -> None:
        """Save a snapshot now, and forget what is older than the retention. Raises as ``read_entries``."""
        sequencer = self._open_sequencer
        self._run_job(self._saving(sequencer), done)

    def _run_job(self, function: Callable[[], Any], done: Callable[[Any], object]) -> None:
        if self.state != "open":
            raise self._refusal()
        if self._jobs.is_full:
            raise DstmError(THROTTLED, "too many requests wait for the log: try again", limit=MOST_JOBS)

        def ended(result: Any, error: BaseException | None) -> None:
            if error is not None:
                reason = getattr(error, "reason", None) or f"{type(error).__name__}: {error}"
                result = DstmError(UNAVAILABLE, f"the log of {self.name!r}: {reason}", reason=reason)
            self._call(done, result)
            self._raise_errors()

        self._jobs.run(function, ended)

    def _save(self, sequencer: Sequencer) -> None:
        """Save a snapshot in the background. If that fails, it is tried again after some more records."""
        self._is_saving = True
        self._unsaved = 0

        def saved(result: Any, error: BaseException | None) -> None:
            self._is_saving = False
            if error is not None:
                self.counters.failures += 1
                if isinstance(error, LogBroken):
                    self._log_failed(error)
                    self._refuse_all()
            self._raise_errors()

        self._jobs.run(self._saving(sequencer), saved)

    def _saving(self, sequencer: Sequencer) -> Callable[[], None]:
        """Give the job that saves what is durable now, and trims the log."""
        settings, version = self.settings, sequencer.durable_version
        document, hash = sequencer.durable, sequencer.durable_hash
        bindings = sequencer.bindings_at_durable()
        kept, age_ms = settings.retention_versions, settings.retention_age_ms
        before_version = min(sequencer.horizon, version - kept) if kept else 0
        before_time = self._surroundings.now_ms() - age_ms if age_ms else 0

        def save() -> None:
            self.log.save_snapshot(version, hash, document, bindings)
            self.log.trim(before_version, before_time)

        return save

    # Callbacks

    def _call(self, function: Callable[..., object], *args: Any) -> None:
        """Call back; what that raises is raised again when everybody has been told."""
        try:
            function(*args)
        except Exception as error:
            self._errors.append(error)

    def _raise_errors(self) -> None:
        if self._errors:
            errors, self._errors = self._errors, []
            raise errors[0] if len(errors) == 1 else ExceptionGroup("callbacks of a space failed", errors)


def _client_of(arrival: Arrival) -> Hashable:
    return arrival.submission.author.client


def _ignore(*_: object) -> None:
    """Do nothing."""
