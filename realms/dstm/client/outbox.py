"""
Transactions on their way: run, submitted, run again, until each has one outcome.

    state      the transaction                        goes on when
    QUEUED     waits for a replica, for LIVE, or      the synchronizer is LIVE and a place is free:
               for a place among those in flight      it is run again
    ASLEEP     has called ``retry`` or ``restart``    something that it read changes, or anything
                                                      at all: it is run again
    WAITING    had a conflict, not the first one      its back-off ends: run again
    SENT       was submitted, and may be in doubt     its answer comes; a new link: the same body
                                                      is submitted again, in the first order
    ARRIVING   is committed                           the replica is at its version
    DONE       has its outcome                        never

    answer to a submission       not in doubt                     in doubt: sent before, unanswered
    result                       ARRIVING                         ARRIVING: it was committed once
    conflict                     learn its deltas, run again      the same: it was decided then
    constraint, invalid,         fails with it                    the same
    too_large
    stale, epoch                 sync, run again                  fails with UnknownOutcome (*)
    unavailable, timeout         in doubt; again with back-off    again with back-off
    throttled                    again with back-off              again with back-off
    any other error              fails with it                    fails with UnknownOutcome (*)

    (*) one that only reads can't be in doubt

Exactly once rests on two rules: a body that may have arrived is submitted again to the letter, under its
own ``tx``; and a run gets a new ``tx`` only when the one before was surely not committed.

Rules of this file:

- A run sees the replica's one version, and is submitted with that version as its base or not at all.
- An exception is an outcome like another: what it was raised for must hold at the server.
- A job is in exactly one place: ``_queue``, the watches, a timer, ``_sent`` or ``_arriving``.
- Whoever waits is told through ``settle``, once.
"""

import enum
import heapq
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from realms.dstm.changes import Change
from realms.dstm.client.attempt import Attempt, attempt
from realms.dstm.client.link import Answer, Channel, Surroundings
from realms.dstm.client.outcomes import Committed, UnknownOutcome
from realms.dstm.client.settings import Settings, is_passing
from realms.dstm.client.synchronizer import State, Synchronizer
from realms.dstm.errors import (
    CONFLICT,
    CONSTRAINT,
    EPOCH,
    INVALID,
    STALE,
    THROTTLED,
    TOO_LARGE,
    UNAVAILABLE,
    DstmError,
)
from realms.dstm.pointer import ROOT
from realms.dstm.reads import Read
from realms.dstm.values import size
from realms.dstm.watches import Watches

# Decided once, for good: a duplicate gets the same answer.
_DECIDED: Final = frozenset({CONFLICT, CONSTRAINT, INVALID, TOO_LARGE})


class Progress(enum.Enum):
    """Where a transaction stands; see the head of this file."""

    QUEUED = "queued"
    ASLEEP = "asleep"
    WAITING = "waiting"
    SENT = "sent"
    ARRIVING = "arriving"
    DONE = "done"


class Job:
    """One transaction, through all its runs."""

    __slots__ = (
        "arguments",
        "body",
        "conflicts",
        "failures",
        "function",
        "in_doubt",
        "number",
        "progress",
        "ran",
        "settle",
        "strict",
    )

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        strict: bool,
        settle: Callable[[Committed | BaseException], None],
    ) -> None:
        self.function = function
        self.arguments = arguments
        self.strict = strict  # what it reads must hold at the server, also where it writes nothing
        self.settle = settle
        self.number = 0  # in the order of their first runs
        self.progress = Progress.QUEUED
        self.body: dict[str, Any] = {}  # of the last run, while it is SENT
        self.ran: Attempt  # the last run
        self.in_doubt = False
        self.conflicts = 0
        self.failures = 0  # of the body, in a row


def _in_order(job: Job) -> int:
    return job.number


class Outbox:
    """All transactions of a space that have no outcome yet."""

    def __init__(
        self,
        procedure: str,
        client_id: str,
        synchronizer: Synchronizer,
        settings: Settings,
        surroundings: Surroundings,
    ) -> None:
        self._procedure = procedure
        self._client_id = client_id
        self._synchronizer = synchronizer
        self._settings = settings
        self._surroundings = surroundings
        self._counters = synchronizer.counters
        self._added = 0
        self._counter = 0
        self._channel: Channel | None = None
        self._jobs: set[Job] = set()
        self._queue: deque[Job] = deque()
        self._watches: Watches[Job] = Watches()
        self._sent: dict[str, Job] = {}  # tx -> Job, in the order of their first submission
        self._arriving: list[tuple[int, int, str, Job, Committed]] = []  # a heap by version
        self._arrivals = 0
        self._arrival_timer = False
        self._fetching = 0  # the version that a sync was begun for, since it had not arrived

    # From the application

    def add(self, job: Job) -> None:
        """Run a transaction now, and settle it in time."""
        if self._synchronizer.state is State.CLOSED:
            job.settle(DstmError(UNAVAILABLE, "the space was closed"))
            return
        if len(self._jobs) >= self._settings.transactions:
            limit = f"{self._settings.transactions} transactions wait already"
            job.settle(DstmError(THROTTLED, limit, limit=self._settings.transactions))
            return
        self._added += 1
        job.number = self._added
        self._jobs.add(job)
        self._attempt(job)

    def cancel(self, job: Job) -> None:
        """Forget a transaction; one that was sent may be committed nevertheless."""
        if job in self._jobs:
            self._take_out(job)
            self._jobs.remove(job)
            job.progress = Progress.DONE
            self.drain()

    def close(self) -> None:
        """Settle everything: what is committed is, what was sent is unknown, the rest has failed."""
        for _, _, _, job, committed in sorted(self._arriving):
            if job.progress is Progress.ARRIVING:
                self._finish(job, committed)
        self._arriving.clear()
        for job in sorted(self._jobs, key=_in_order):
            error = DstmError(UNAVAILABLE, "the space was closed")
            unknown = job.progress is Progress.SENT
            self._fail(job, UnknownOutcome(error, job.body["tx"]) if unknown else error)

    # From the synchronizer and the link

    def attach(self, channel: Channel) -> None:
        """Submit again what was submitted before, in order, and first of all."""
        self._channel = channel
        for job in list(self._sent.values()):
            self._counters.resubmissions += 1
            self._send(job)

    def detach(self) -> None:
        """What was sent is in doubt from now on."""
        self._channel = None
        for job in self._sent.values():
            job.in_doubt = True

    def moved(self, changes: Sequence[Change] | None) -> None:
        """Settle what has arrived, and run again what slept for this."""
        self._settle_arrived()
        for job in sorted(self._woken(changes), key=_in_order):
            self._watches.remove(job)
            self._attempt(job)

    def went_live(self) -> None:
        """Settle what was synced for: a view may have nothing to show of it. Run what waits."""
        fetched, self._fetching = self._fetching, 0
        self._settle_arrived(fetched)
        self.drain()

    def drain(self) -> None:
        """Run what waits, as far as there is place."""
        for _ in range(len(self._queue)):
            if not self._may_send:
                break
            self._attempt(self._queue.popleft())

    def refused(self) -> None:
        """Fail what waits for a replica that will not come."""
        for _ in range(len(self._queue)):
            self._attempt(self._queue.popleft())

    # Runs

    @property
    def _may_send(self) -> bool:
        return self._synchronizer.state is State.LIVE and len(self._sent) < self._settings.in_flight

    def _woken(self, changes: Sequence[Change] | None) -> set[Job]:
        replica = self._synchronizer.replica
        if changes is None or replica is None:
            return {job for job in self._jobs if job.progress is Progress.ASLEEP}
        return self._watches.woken(changes, document=replica.document)

    def _enqueue(self, job: Job) -> None:
        if self._synchronizer.refusal is not None:
            self._fail(job, self._synchronizer.refusal)
        else:
            job.progress = Progress.QUEUED
            self._queue.append(job)

    def _attempt(self, job: Job) -> None:
        """Run a job on the replica; what only reads is done then, unless it raises; the rest is submitted."""
        replica = self._synchronizer.replica
        if replica is None:
            self._enqueue(job)
            return
        try:
            ran = attempt(job.function, job.arguments, replica, self._synchronizer.paths)
        except Exception as error:
            self._fail(job, error)
            return
        job.ran = ran
        if ran.ended == "retry":
            self._sleep(job, ran.reads, replica.version)
        elif ran.ended == "restart":
            self._sleep(job, [Read("value", ROOT)], replica.version)
            self._synchronizer.resync()
        elif ran.only_reads and not (ran.reads and (job.strict or ran.ended == "raised")):
            self._end(job, Committed(replica.version, value=ran.value, epoch=replica.epoch))
        elif self._may_send:
            self._submit(job, {"epoch": replica.epoch, "base": replica.version, **ran.body})
        else:
            self._enqueue(job)

    def _sleep(self, job: Job, reads: Sequence[Read], version: int) -> None:
        job.progress = Progress.ASLEEP
        self._watches.add(job, reads, version)

    def _submit(self, job: Job, body: dict[str, Any]) -> None:
        limit = self._settings.transaction_bytes
        if (given := size(body)) > limit:
            self._fail(job, DstmError(TOO_LARGE, f"it has {given} bytes; allowed are {limit}", limit=limit))
            return
        self._counter += 1
        job.body = {"tx": f"{self._client_id}:{self._counter}", **body}
        job.progress = Progress.SENT
        job.in_doubt = False
        job.failures = 0
        self._sent[job.body["tx"]] = job
        self._send(job)

    def _send(self, job: Job) -> None:
        channel, body = self._channel, job.body
        if channel is not None:  # it may be lost at the word before
            channel.call(self._procedure, [], body, lambda answer: self._on_answer(job, body, answer))

    # Answers

    def _on_answer(self, job: Job, body: dict[str, Any], answer: Answer) -> None:
        if self._sent.get(body["tx"]) is not job:
            return  # it was canceled
        if isinstance(answer, DstmError):
            self._on_error(job, answer)
        else:
            self._on_result(job, answer.kwargs)
        self.drain()

    def _on_result(self, job: Job, answer: dict[str, Any]) -> None:
        version, epoch, time = (answer.get(name) for name in ("version", "epoch", "time"))
        if not isinstance(version, int) or not isinstance(epoch, str):
            error = DstmError(UNAVAILABLE, "the answer to commit makes no sense")
            self._fail(job, UnknownOutcome(error, job.body["tx"]))
            return
        del self._sent[job.body["tx"]]
        self._counters.committed += 1
        committed = Committed(version, value=job.ran.value, epoch=epoch, time=time)
        if job.body["ops"]:
            self._arrive(job, committed)
        else:
            self._end(job, committed)  # it changed nothing that the replica could wait for

    def _arrive(self, job: Job, committed: Committed) -> None:
        job.progress = Progress.ARRIVING
        self._arrivals += 1
        heapq.heappush(self._arriving, (committed.version, self._arrivals, committed.epoch, job, committed))
        self._settle_arrived()
        self._expect_arrivals()

    def _on_error(self, job: Job, error: DstmError) -> None:
        if is_passing(error):
            self._try_again(job, error)
        elif job.in_doubt and error.uri not in _DECIDED and not job.ran.only_reads:
            self._fail(job, UnknownOutcome(error, job.body["tx"]))
        elif error.uri == CONFLICT:
            self._on_conflict(job, error)
        elif error.uri in (STALE, EPOCH):
            self._run_again(job, fetch=True)
        else:
            self._fail(job, error)

    def _try_again(self, job: Job, error: DstmError) -> None:
        job.in_doubt = job.in_doubt or error.uri != THROTTLED
        job.failures += 1
        body, channel = job.body, self._channel

        def again() -> None:
            if self._channel is channel and self._sent.get(body["tx"]) is job:
                self._counters.resubmissions += 1
                self._send(job)

        self._surroundings.later(self._settings.delay(job.failures, self._surroundings.random()), again)

    def _on_conflict(self, job: Job, error: DstmError) -> None:
        self._counters.conflicts += 1
        deltas = error.details.get("deltas")
        if deltas is not None and not error.details.get("resync"):
            self._synchronizer.learn(job.body["epoch"], deltas)
        replica = self._synchronizer.replica
        behind = replica is not None and replica.version < error.details.get("version", 0)
        self._run_again(job, fetch=behind)

    def _run_again(self, job: Job, fetch: bool) -> None:
        """Give the body up, and run the function on a newer version; ``fetch`` where none is there."""
        self._sent.pop(job.body["tx"])
        if fetch:
            self._synchronizer.resync()
        job.conflicts += 1
        if job.conflicts == 1:
            self._attempt(job)
            return
        job.progress = Progress.WAITING
        delay = self._settings.delay(job.conflicts - 1, self._surroundings.random())
        self._surroundings.later(
            delay, lambda: self._attempt(job) if job.progress is Progress.WAITING else None
        )

    # Ends

    def _settle_arrived(self, fetched: int = 0) -> None:
        replica = self._synchronizer.replica
        while self._arriving and replica is not None:
            version, _, epoch, job, committed = self._arriving[0]
            if replica.epoch == epoch and max(replica.version, fetched) < version:
                break
            heapq.heappop(self._arriving)
            if job.progress is Progress.ARRIVING:
                self._finish(job, committed)

    def _expect_arrivals(self) -> None:
        """Fetch what has not arrived after its time, since its delta may be lost."""
        if not self._arriving or self._arrival_timer:
            return
        expected = self._arriving[0][0]
        self._arrival_timer = True

        def check() -> None:
            self._arrival_timer = False
            late = bool(self._arriving) and self._arriving[0][0] <= expected
            if late and self._synchronizer.resync():
                self._fetching = expected  # a sync that began before might not bring it
            self._expect_arrivals()

        self._surroundings.later(self._settings.arrival_seconds, check)

    def _finish(self, job: Job, outcome: Committed | BaseException) -> None:
        self._jobs.remove(job)
        job.progress = Progress.DONE
        job.settle(outcome)

    def _end(self, job: Job, committed: Committed) -> None:
        """Settle with what the run came to, whose reads have held at that version."""
        self._finish(job, job.ran.value if job.ran.ended == "raised" else committed)

    def _fail(self, job: Job, error: BaseException) -> None:
        self._take_out(job)
        self._finish(job, error)

    def _take_out(self, job: Job) -> None:
        if job.progress is Progress.QUEUED and job in self._queue:
            self._queue.remove(job)
        elif job.progress is Progress.ASLEEP:
            self._watches.remove(job)
        elif job.progress is Progress.SENT:
            del self._sent[job.body["tx"]]
