"""The settings of a space: what its sequencer and its pipeline may use, and how they behave."""

from msgspec import Struct

from realms.dstm.constraints import Constraint
from realms.dstm.work import Limits


class Settings(Struct, frozen=True, kw_only=True):
    """
    All bounds of one space; times in milliseconds.

    :ivar limits: of one transaction and of the document
    :ivar constraints: what values must be
    :ivar window_versions: commits, and rejects, that are remembered; ``window_bytes``: both together
    :ivar stamp_entries: pointers and changes that reads are checked against
    :ivar conflict_deltas: that a conflict carries; more, or more than ``conflict_bytes``, is a resync
    :ivar want_bytes: of the values that an answer carries
    :ivar bindings: presence and values with a time to live; ``binding_bytes``: of what one puts back
    :ivar batch_records: that one write holds; ``batch_bytes``: of them
    :ivar queue: transactions that are not decided; ``queue_bytes``: of them
    :ivar turn_decisions: transactions that are decided in one turn
    :ivar in_flight_per_client: transactions of a client that are not answered
    :ivar defer_after: conflicts in a row after which a client is favoured; ``defer_ms``: how long; 0: never
    :ivar waits: that are held; ``waits_per_client``; ``wait_ms``: the longest
    :ivar snapshot_every: records between two snapshots
    :ivar retention_versions: that the log keeps; ``retention_age_ms``: how long; 0: no such bound
    :ivar reopen_first_ms: after which an unavailable log is opened again; doubled up to ``reopen_most_ms``
    :ivar counted_paths: pointers whose commits and conflicts are counted
    """

    limits: Limits = Limits()
    constraints: tuple[Constraint, ...] = ()
    window_versions: int = 100_000
    window_bytes: int = 64 * 2**20
    stamp_entries: int = 200_000
    conflict_deltas: int = 100
    conflict_bytes: int = 64 * 2**10
    want_bytes: int = 2**20
    bindings: int = 10_000
    binding_bytes: int = 64 * 2**10
    batch_records: int = 1000
    batch_bytes: int = 16 * 2**20
    queue: int = 10_000
    queue_bytes: int = 64 * 2**20
    turn_decisions: int = 1000
    in_flight_per_client: int = 1000
    defer_after: int = 5
    defer_ms: int = 50
    waits: int = 100_000
    waits_per_client: int = 1000
    wait_ms: int = 3_600_000
    snapshot_every: int = 10_000
    retention_versions: int = 1_000_000
    retention_age_ms: int = 0
    reopen_first_ms: int = 250
    reopen_most_ms: int = 10_000
    counted_paths: int = 1000
