"""
Known defects, planted one at a time, to see that the simulation finds them.

Each mutant is a patch of the real classes, in this process and for a while only. What it breaks is
said in its docstring, by the sentence of the specification that no longer holds.

Rules of this file:

- A mutant changes one decision and leaves the rest alone; production code knows nothing of it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from realms.dstm import sequencer as sequencer_module
from realms.dstm import stamps as stamps_module
from realms.dstm.archive import Archive
from realms.dstm.bindings import Bindings
from realms.dstm.changes import Change
from realms.dstm.client.outbox import Job, Outbox
from realms.dstm.client.replica import Replica
from realms.dstm.document import Document
from realms.dstm.errors import CONFLICT, DstmError
from realms.dstm.operations import Inc
from realms.dstm.sequencer import Sequencer, Ticket
from realms.dstm.space import Space
from realms.dstm.stamps import Stamps
from realms.dstm.state import State
from realms.dstm.stm import Tx
from realms.dstm.window import Window

Patch = tuple[Any, str, Any]  # owner, attribute, what stands there instead
Mutant = Callable[[], Sequence[Patch]]


def no_read_validation() -> Sequence[Patch]:
    """It commits iff no read changed after base."""
    return [(Sequencer, "_check_reads", lambda self, transaction, base: None)]


def membership_reads_ignored() -> Sequence[Patch]:
    """Reads of keys conflict with a change of membership: phantom protection."""
    return [_ignoring("keys")]


def existence_reads_ignored() -> Sequence[Patch]:
    """Reads of existence conflict with what comes and goes."""
    return [_ignoring("exists")]


def _ignoring(kind: str) -> Patch:
    original = Stamps.changed_since

    def changed_since(self: Stamps, read: Any, base: int, document: Document) -> bool:
        return read[0] != kind and original(self, read, base, document)

    return (Stamps, "changed_since", changed_since)


def implied_reads_ignored() -> Sequence[Patch]:
    """Operations read by themselves: arrays that they lead through, ``from``, parents, targets."""
    return [(sequencer_module, "implied_reads", lambda document, ops: [])]


def array_positions_ignored() -> Sequence[Patch]:
    """A pointer through an array reads that array's keys."""
    return [(stamps_module, "is_array", lambda node: False)]


def epoch_unchecked() -> Sequence[Patch]:
    """A mismatch of the epoch is ``epoch``."""
    original = Sequencer.decide

    def decide(self: Sequencer, ticket: Ticket, now_ms: int) -> None:
        submission = ticket.submission
        transaction = replace(submission.transaction, epoch=self.epoch)
        ticket.submission = replace(submission, transaction=transaction)
        original(self, ticket, now_ms)

    return [(Sequencer, "decide", decide)]


def horizon_unchecked() -> Sequence[Patch]:
    """A commit whose base lies before the dedupe horizon is ``stale``, never applied."""
    return [(State, "horizon", property(lambda self: 0, lambda self, value: None))]


def no_dedupe() -> Sequence[Patch]:
    """The same tx has one outcome: exactly once."""
    return [(Window, "by_tx", property(lambda self: {}, lambda self, value: None))]


def dedupe_forgotten_by_a_restart() -> Sequence[Patch]:
    """The dedupe table is durable."""
    original = State._recover

    def recover(self: State, *args: Any) -> None:
        original(self, *args)
        self.window.by_tx.clear()

    return [(State, "_recover", recover)]


def rejects_not_recorded() -> Sequence[Patch]:
    """The durable dedupe table holds rejections too."""

    def reject(self: Sequencer, ticket: Ticket, error: DstmError, now_ms: int) -> None:
        ticket.answer = error

    return [(Sequencer, "_reject", reject)]


def ack_before_fsync() -> Sequence[Patch]:
    """An acknowledged commit survives kill -9."""

    def flush(self: Space, sequencer: Sequencer) -> None:
        batch = None if self._is_telling else sequencer.take_batch()
        if batch is not None:
            if batch.records:
                self._jobs.write(lambda: self.log.write(batch.records), lambda result, error: None)
            self._flushed(sequencer, batch)

    return [(Space, "_flush", flush)]


def serves_what_is_not_durable() -> Sequence[Patch]:
    """Serve only durable versions."""
    return [
        (Space, "durable", property(lambda self: self.head)),
        (Space, "durable_version", property(lambda self: self.version)),
    ]


def conflict_before_durability() -> Sequence[Patch]:
    """A conflict caused by a version that is not yet durable is answered after that version's flush."""
    return [_answering_at_once(lambda ticket: isinstance(ticket.answer, DstmError) and not ticket.is_dup)]


def duplicate_before_durability() -> Sequence[Patch]:
    """A tx in flight that is submitted again gets the one outcome, after that is durable."""
    return [_answering_at_once(lambda ticket: ticket.is_dup)]


def _answering_at_once(is_early: Callable[[Ticket], bool]) -> Patch:
    original = Space._decide

    def decide(self: Space, sequencer: Sequencer, now_ms: int) -> None:
        original(self, sequencer, now_ms)
        for ticket in sequencer._tickets:
            if is_early(ticket):
                assert ticket.reply is not None
                ticket.reply(_as_of_head(sequencer, ticket))
                ticket.reply = lambda answer: None

    return (Space, "_decide", decide)


def _as_of_head(sequencer: Sequencer, ticket: Ticket) -> Any:
    """Give the answer as if ``head`` were durable."""
    error, base = ticket.answer, ticket.submission.transaction.base
    if not isinstance(error, DstmError) or error.uri != CONFLICT or base is None:
        return error
    version = sequencer.version
    deltas = sequencer.window.deltas(base, version, 1000, 2**20)
    return DstmError(CONFLICT, error.text, **error.details, version=version, deltas=deltas or [])


def snapshot_of_what_is_not_durable() -> Sequence[Patch]:
    """A snapshot is a durable version."""
    original = Archive._saving

    def saving(self: Archive, sequencer: Sequencer, now_ms: int) -> Callable[[], None]:
        state = sequencer._state
        kept = sequencer.durable, sequencer.durable_version, sequencer.durable_hash
        sequencer.durable, sequencer.durable_version = state.document, state.version
        sequencer.durable_hash = state.hash
        try:
            return original(self, sequencer, now_ms)
        finally:
            sequencer.durable, sequencer.durable_version, sequencer.durable_hash = kept

    return [(Archive, "_saving", saving)]


def deltas_out_of_order() -> Sequence[Patch]:
    """Deltas come in the order of the versions."""
    original = Space._tell

    def tell(self: Space, sequencer: Sequencer, entries: Sequence[Any]) -> None:
        original(self, sequencer, entries[::-1])

    return [(Space, "_tell", tell)]


def a_delta_is_lost() -> Sequence[Patch]:
    """Replicas get every version."""
    original = Space._tell

    def tell(self: Space, sequencer: Sequencer, entries: Sequence[Any]) -> None:
        original(self, sequencer, entries[:-1] if len(entries) > 1 else entries)

    return [(Space, "_tell", tell)]


def failed_write_is_not_taken_back() -> Sequence[Patch]:
    """Full disk: roll back to the last durable version."""
    return [(State, "take_back", lambda self, *args: None)]


def rollback_forgets_stamps() -> Sequence[Patch]:
    """After a rollback, reads are validated against what was durable before."""

    def forget_after(self: Stamps, version: int) -> None:
        fresh = Stamps(self.horizon)
        for name in ("_root", "_nodes", "_recorded", "_changes"):
            setattr(self, name, getattr(fresh, name))

    return [(Stamps, "forget_after", forget_after)]


def found_after_failure_is_ignored() -> Sequence[Patch]:
    """After a failed write, what was not acknowledged is unknown: the log tells what is durable."""
    original = Sequencer.resumed

    def resumed(self: Sequencer, recovered: Any, now_ms: int) -> Any:
        known = [record for record in recovered.records if record.version <= self.durable_version]
        return original(self, replace(recovered, records=known), now_ms)

    return [(Sequencer, "resumed", resumed)]


def presence_undone_although_written_over() -> Sequence[Patch]:
    """A binding is undone if its path was last written by that op."""
    original, undo = Bindings.commit, Sequencer._undo
    undoing: list[bool] = []

    def commit(self: Bindings, version: int, changes: Sequence[Change], new: Any) -> None:
        original(self, version, changes if new or undoing else (), new)

    def noted(self: Sequencer, *args: Any) -> bool:
        undoing.append(True)
        try:
            return undo(self, *args)
        finally:
            undoing.pop()

    return [(Bindings, "commit", commit), (Sequencer, "_undo", noted)]


def presence_lost_by_a_restart() -> Sequence[Patch]:
    """Bindings are durable: recovery undoes those whose session is gone."""
    return [(Bindings, "orphaned", lambda self, now_ms: None)]


def bounds_ignored() -> Sequence[Patch]:
    """A violated bound is ``constraint``."""
    return [(Inc, "_check", lambda self, total, path: None)]


def client_takes_a_new_tx_for_what_is_in_doubt() -> Sequence[Patch]:
    """After a broken connection resend the identical body first; a re-run takes a new counter."""

    def attach(self: Outbox, channel: Any) -> None:
        self._channel = channel
        for job in list(self._sent.values()):
            del self._sent[job.body["tx"]]
            self._enqueue(job)

    return [(Outbox, "attach", attach)]


def client_settles_before_its_replica_is_there() -> Sequence[Patch]:
    """``atomically`` resolves after the local replica has reached its version."""

    original = Outbox._arrive

    def arrive(self: Outbox, job: Job, committed: Any) -> None:
        original(self, job, committed)
        while self._arriving:
            self._end(*self._arriving.pop()[-2:])

    return [(Outbox, "_arrive", arrive)]


def client_applies_deltas_over_a_gap() -> Sequence[Patch]:
    """A delta applies iff ``from`` is the replica's version."""

    def apply(self: Replica, delta: Any) -> bool:
        if delta.version <= self.version:
            return False
        self.document = self.document.apply(delta.changes)
        self.hash = delta.hash.hex()
        self._move(delta.version)
        return True

    return [(Replica, "apply", apply)]


def client_forgets_what_it_read() -> Sequence[Patch]:
    """Every read of the transaction function is declared."""
    original = Tx.wire
    return [(Tx, "wire", lambda self: {**original(self), "reads": []})]


# The first seven are those that the specification names.
MUTANTS: dict[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        no_read_validation,
        ack_before_fsync,
        no_dedupe,
        deltas_out_of_order,
        membership_reads_ignored,
        implied_reads_ignored,
        epoch_unchecked,
        existence_reads_ignored,
        array_positions_ignored,
        horizon_unchecked,
        dedupe_forgotten_by_a_restart,
        rejects_not_recorded,
        serves_what_is_not_durable,
        conflict_before_durability,
        duplicate_before_durability,
        snapshot_of_what_is_not_durable,
        a_delta_is_lost,
        failed_write_is_not_taken_back,
        rollback_forgets_stamps,
        found_after_failure_is_ignored,
        presence_undone_although_written_over,
        presence_lost_by_a_restart,
        bounds_ignored,
        client_takes_a_new_tx_for_what_is_in_doubt,
        client_settles_before_its_replica_is_there,
        client_applies_deltas_over_a_gap,
        client_forgets_what_it_read,
    )
}


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """Let a mutant be there for a while; None: nothing."""
    patches = [] if name is None else list(MUTANTS[name]())
    kept = [(owner, attribute, getattr(owner, attribute)) for owner, attribute, _ in patches]
    for owner, attribute, value in patches:
        setattr(owner, attribute, value)
    try:
        yield
    finally:
        for owner, attribute, value in kept:
            setattr(owner, attribute, value)
