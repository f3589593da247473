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
from functools import partial
from pathlib import Path
from typing import Any, Final

from realms.dstm.archive import Archive, reason_of
from realms.dstm.arrivals import Arrivals
from realms.dstm.counters import Counters
from realms.dstm.decisions import Batch, Committed, LogDiffers, Reply, Submission, Ticket
from realms.dstm.durable import Durable
from realms.dstm.errors import CONFLICT, EPOCH, INVALID, THROTTLED, UNAVAILABLE, DstmError
from realms.dstm.fairness import Fairness
from realms.dstm.jobs import Jobs, Surroundings
from realms.dstm.log import Log, LogBroken, LogRefused, LogUnavailable, Record, Recovered
from realms.dstm.log.memory import MemoryLog
from realms.dstm.pointer import parse
from realms.dstm.reads import Read
from realms.dstm.sequencer import Sequencer
from realms.dstm.settings import Settings
from realms.dstm.waits import WaitReply, Waits, Woken
from realms.dstm.window import Entry

__all__ = ["Space", "Surroundings"]

LONGEST_TIMER_MS: Final = 3_600_000


class Space(Durable):
    """
    One space.

    :ivar on_entries: called with the commits that have become durable, in order
    :ivar on_state: called after ``state`` has changed
    """

    def __init__(self, name: str, log: Log, settings: Settings, surroundings: Surroundings) -> None:
        super().__init__(name)
        self.log = log
        self.settings = settings
        self.on_entries: Callable[[Sequence[Entry]], object] = _ignore
        self.on_state: Callable[[], object] = _ignore
        self.counters = Counters(settings.counted_paths)
        self._surroundings = surroundings
        self._jobs = Jobs(surroundings, isinstance(log, MemoryLog))
        self._archive = Archive(name, log, self._jobs, settings, partial(self._event, self._call))
        self._fairness = Fairness(settings.in_flight_per_client, settings.defer_after, settings.defer_ms)
        self._arrivals = Arrivals(self._fairness, settings.queue, settings.queue_bytes)
        self._waits = Waits(surroundings, settings.waits, settings.waits_per_client)
        self._has_turn = False
        self._is_telling = False
        self._timer: tuple[int, Callable[[], object]] | None = None  # when, what cancels it
        self._reopen_ms = settings.reopen_first_ms
        self._cancel_reopen: Callable[[], object] = _ignore
        self._depth = 0  # of events within events
        self._errors: list[Exception] = []  # of callbacks in this event

    # Opening and closing

    def open(self) -> None:
        """
        Open the log; blocks.

        A log that can't be used now is no error: the space is ``unavailable`` until it can.

        Raises:
            LogRefused: the log must not be used.
            LogBroken: only another process may open it.
            ValueError: a constraint that can't be used.
        """
        try:
            recovered = self.log.open()
        except LogUnavailable as error:
            self._event(self._log_failed, error)
        else:
            self._event(self._begin, recovered)

    def _begin(self, recovered: Recovered) -> None:
        self._opened = Sequencer(self.name, recovered, self.settings)
        self._archive.unsaved = sum(r.version > recovered.snapshot_version for r in recovered.records)
        self._opened.started(self._surroundings.now_ms())
        self._become("open", "")
        self._wake()

    def _become(self, state: str, reason: str) -> None:
        self.state, self.reason = state, reason
        self._call(self.on_state)

    def configure(self, settings: Settings) -> None:
        """
        Take other settings; the bounds of what is remembered change with the next start.

        Raises:
            ValueError: a constraint that can't be used; nothing has changed.
        """
        if self._opened is not None:
            self._opened.configure(settings)
        self.settings = self._archive.settings = settings
        self._fairness.configure(settings.in_flight_per_client, settings.defer_after, settings.defer_ms)
        self._arrivals.configure(settings.queue, settings.queue_bytes)
        self._waits.configure(settings.waits, settings.waits_per_client)

    def close(self, done: Callable[[], object] = lambda: None, is_dropped: bool = False) -> None:
        """
        Refuse what is not decided, finish what is, close the log, and call ``done``.

        :param is_dropped: also delete what the log holds
        """
        self._event(self._close, done, self.log.drop if is_dropped else self.log.close)

    def _close(self, done: Callable[[], object], end: Callable[[], None]) -> None:
        if self.state != "closed":
            self._become("closed", "it was closed")
            self._cancel_reopen()
            self._set_timer(None)
            self._refuse_all()
            if self._opened is not None:
                self._flush(self._opened)
        self._jobs.run_alone(end, lambda result, error: self._event(self._call, done))

    def status(self) -> dict[str, Any]:
        """Give state, version and counters, plain."""
        status: dict[str, Any] = {
            "state": self.state,
            "reason": self.reason,
            "waits": len(self._waits),
            "undecided": len(self._arrivals),
            **self.counters.plain(),
        }
        sequencer = self._opened
        if sequencer is not None:
            status |= {
                "epoch": sequencer.epoch,
                "version": sequencer.durable_version,
                "bytes": sequencer.durable.size,
                "horizon": sequencer.horizon,
                "remembered": len(sequencer.window),
                "remembered_bytes": sequencer.window.bytes,
                "bindings": sequencer.bindings_count,
            }
        return status

    # Transactions

    def submit(self, submission: Submission, reply: Reply) -> None:
        """
        Have a transaction decided at the end of this turn or later; ``reply`` is called once.

        It gets ``Committed`` when that is durable, or the error; after ``unavailable`` it is open what
        became of it.
        """
        client = submission.author.client
        if self.state != "open":
            reply(self.refusal())
        elif not self._fairness.enter(client):
            most = self.settings.in_flight_per_client
            text = f"{most} transactions of this client are not answered yet, which is the limit"
            reply(DstmError(THROTTLED, text, limit=most))
        elif not self._arrivals.add(Ticket(submission, reply)):
            self._fairness.answered(client)
            text = "too many transactions wait to be decided: try again"
            reply(DstmError(THROTTLED, text, limit=self.settings.queue))
        elif not self._has_turn:
            self._wake()

    def _wake(self) -> None:
        """See to it that there is a turn."""
        if not self._has_turn:
            self._has_turn = True
            self._surroundings.soon(partial(self._event, self._turn))

    def _turn(self) -> None:
        self._has_turn = False
        sequencer = self._opened
        if self.state != "open" or sequencer is None:
            return
        now_ms = self._surroundings.now_ms()
        if self._is_due(sequencer, now_ms) and not sequencer.is_full:
            sequencer.undo_due(now_ms)
        if len(self._arrivals):
            self._decide(sequencer, now_ms)
        self._flush(sequencer)
        self._set_timer(self._next_time(sequencer, now_ms))

    def _is_due(self, sequencer: Sequencer, now_ms: int) -> bool:
        due_ms = sequencer.next_due()
        return due_ms is not None and due_ms <= now_ms

    def _decide(self, sequencer: Sequencer, now_ms: int) -> None:
        """Decide what fits into this turn and into the open batch."""
        tickets = self._arrivals.take(self.settings.turn_decisions, now_ms)
        for number, ticket in enumerate(tickets):
            if sequencer.is_full:
                self._arrivals.put_back(tickets[number:])
                return
            try:
                sequencer.decide(ticket, now_ms)
            except Exception as error:  # a defect: whoever met it is answered, the others go on
                self._errors.append(error)
                text = f"the space {self.name!r} met a defect: what became of this transaction is unknown"
                self._answer(ticket, DstmError(UNAVAILABLE, text))

    # Durability

    def _flush(self, sequencer: Sequencer) -> None:
        """Write the open batch, if there is one and no other is in flight or being told."""
        batch = None if self._is_telling else sequencer.take_batch()
        if batch is None:
            return
        if not batch.records:
            self._flushed(sequencer, batch)
            return
        written = partial(self._event, self._written, sequencer, batch)
        self._jobs.write(partial(self.log.write, batch.records), written)

    def _written(self, sequencer: Sequencer, batch: Batch, _: None, error: BaseException | None) -> None:
        if error is None:
            self._reopen_ms = self.settings.reopen_first_ms
            self._flushed(sequencer, batch)
            return
        tickets = sequencer.failed(batch)
        self._log_failed(error)
        refusal = self.refusal()
        for ticket in tickets:
            self._answer(ticket, refusal)
        self._refuse_all()

    def _flushed(self, sequencer: Sequencer, batch: Batch) -> None:
        self._is_telling = True
        answers, entries = sequencer.flushed(batch)
        now_ms = self._surroundings.now_ms()
        self.counters.flushes += 1
        for ticket, answer in answers:
            self._note(ticket, answer, now_ms)
            self._answer(ticket, answer)
        if entries:
            self._tell(sequencer, entries)
        self._is_telling = False
        self._archive.wrote(len(batch.records), sequencer, now_ms, self._snapshot_failed)
        if self.state == "open" and (len(self._arrivals) or self._is_due(sequencer, now_ms)):
            self._wake()  # it decides them, then writes them with what has been decided
        else:
            self._flush(sequencer)

    def _answer(self, ticket: Ticket, answer: Committed | DstmError) -> None:
        self._fairness.answered(ticket.submission.author.client)
        try:
            ticket.reply(answer)
        except Exception as error:
            self._errors.append(error)

    def _note(self, ticket: Ticket, answer: Committed | DstmError, now_ms: int) -> None:
        """Note an answer for fairness and for the counters."""
        if ticket.is_dup:
            self.counters.repetitions += 1
        elif answer.__class__ is Committed:
            if self._fairness.losses:
                self._fairness.won(ticket.submission.author.client)
        elif isinstance(answer, DstmError) and answer.uri == CONFLICT:
            pointers = answer.details.get("paths", ())
            self.counters.conflicts += 1
            self.counters.conflict_paths.add(pointers)
            self._fairness.lost(ticket.submission.author.client, map(parse, pointers), now_ms)
        else:
            self.counters.rejects += 1

    def _tell(self, sequencer: Sequencer, entries: Sequence[Entry]) -> None:
        """Tell everybody of commits that have become durable."""
        self.counters.commits += len(entries)
        self.counters.commit_paths.add([change.path for entry in entries for change in entry.changes])
        self._call(self.on_entries, entries)
        if len(self._waits):
            answer = Woken(sequencer.durable_version, sequencer.epoch)
            self._waits.wake(entries, sequencer.durable, answer, self._call)

    # Failure

    def _log_failed(self, error: BaseException) -> None:
        """Be unavailable: until the log can be opened again, or for ever."""
        self.counters.failures += 1
        reason = reason_of(error)
        if self.state == "closed" and self._opened is not None:
            return
        if isinstance(error, LogUnavailable):
            self._become("unavailable", reason)
            when_ms = self._surroundings.now_ms() + self._reopen_ms
            self._reopen_ms = min(2 * self._reopen_ms, self.settings.reopen_most_ms)
            self._cancel_reopen = self._surroundings.call_at(when_ms, self._reopen)
        else:
            self._become("unavailable", f"{reason}; the router must be restarted")

    def _refuse_all(self) -> None:
        """Answer all that is not decided, and all who wait: nothing will happen for now."""
        refusal = self.refusal()
        for ticket in self._arrivals.give_up():
            self._answer(ticket, refusal)
        self._waits.refuse(refusal, self._call)

    def _snapshot_failed(self, error: BaseException) -> None:
        if isinstance(error, LogBroken):
            self._log_failed(error)
            self._refuse_all()
        else:
            self.counters.failures += 1

    def _reopen(self) -> None:
        self._cancel_reopen = _ignore
        self._jobs.run_alone(self.log.reopen, partial(self._event, self._reopened))

    def _reopened(self, recovered: Recovered, error: BaseException | None) -> None:
        if self.state == "closed":
            return
        if error is None:
            try:
                self._resume(recovered)
            except (LogDiffers, LogRefused, ValueError) as caught:
                error = caught
        if error is not None:
            self._log_failed(error)

    def _resume(self, recovered: Recovered) -> None:
        sequencer = self._opened
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
        self._event(self._left, session_id, session_id if client is None else client)

    def _left(self, session_id: int, client: Hashable) -> None:
        self._fairness.left(client)
        self._waits.left(client)
        for ticket in self._arrivals.give_up_of(client):
            self._answer(ticket, DstmError(UNAVAILABLE, "the session has left"))
        sequencer = self._opened
        if sequencer is not None:
            now_ms = self._surroundings.now_ms()
            sequencer.left(session_id, now_ms)
            if self.state == "open":
                self._set_timer(self._next_time(sequencer, now_ms))

    def _next_time(self, sequencer: Sequencer, now_ms: int) -> int | None:
        """Tell when something is to be undone, or whoever was held back has waited enough."""
        times = [sequencer.next_due()]
        if sequencer.is_full and self._is_due(sequencer, now_ms):
            times = []  # the end of the write brings the turn in which there is room for that
        if self._arrivals.has_deferred and self._fairness.favour is not None:
            times.append(self._fairness.favour.until_ms)
        first = min((time for time in times if time is not None), default=None)
        # a client may name a time that no event loop can wait for
        return None if first is None else min(first, now_ms + LONGEST_TIMER_MS)

    def _set_timer(self, when_ms: int | None) -> None:
        """Have a turn at ``when_ms``, and at no other time."""
        if self._timer is not None:
            if self._timer[0] == when_ms:
                return
            self._timer[1]()
            self._timer = None
        if when_ms is not None:
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
        sequencer = self._sequencer
        if self.state != "open":
            raise self.refusal()
        version = sequencer.durable_version
        if epoch is not None and epoch != sequencer.epoch:
            text = f"the epoch is {sequencer.epoch}: what was read is of another history"
            raise DstmError(EPOCH, text, epoch=sequencer.epoch, version=version)
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
        Read the log's records of the versions ``first`` to ``last``, as ``Archive.read``.

        Raises:
            DstmError: ``unavailable``, ``throttled``.
        """
        self._check_open()
        self._archive.read(first, min(last, self.durable_version), done)

    def backup(self, path: Path, done: Callable[[DstmError | None], object]) -> None:
        """Have the log copied to ``path``. Raises as ``read_entries``."""
        self._check_open()
        self._archive.backup(path, done)

    def compact(self, done: Callable[[DstmError | None], object]) -> None:
        """Save a snapshot, and forget what is older than the retention. Raises as ``read_entries``."""
        self._check_open()
        self._archive.compact(self._sequencer, self._surroundings.now_ms(), done)

    def _check_open(self) -> None:
        if self.state != "open":
            raise self.refusal()

    # Callbacks

    def _event(self, function: Callable[..., object], *args: Any) -> None:
        """Do what something from outside sets off; at its end, raise what callbacks have raised in it."""
        self._depth += 1
        try:
            function(*args)
        finally:
            self._depth -= 1
        if self._errors and not self._depth:
            errors, self._errors = self._errors, []
            raise errors[0] if len(errors) == 1 else ExceptionGroup("callbacks of a space failed", errors)

    def _call(self, function: Callable[..., object], *args: Any) -> None:
        """Call back; what that raises harms nobody else."""
        try:
            function(*args)
        except Exception as error:
            self._errors.append(error)


def _ignore(*_: object) -> None:
    """Do nothing."""
