"""What of a client can be set, what it counts, and how long it waits before it tries again."""

from dataclasses import dataclass
from typing import Final

from realms.dstm.errors import THROTTLED, UNAVAILABLE, DstmError

# Nothing is decided by these: the same request may be answered well a moment later.
_PASSING: Final = frozenset(
    {THROTTLED, UNAVAILABLE, "wamp.error.timeout", "wamp.error.canceled", "wamp.error.unavailable"}
)


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Bounds and times of one space.

    :ivar transactions: transactions that are neither decided nor failed; more are refused
    :ivar transaction_bytes: of one transaction, as JSON; a router closes the connection over which it gets a
        larger message than it allows, each time that it is submitted again
    :ivar in_flight: commits that wait for their answer; more wait for their turn, in order
    :ivar backlog: deltas that wait for a sync to end; more are dropped and fetched again
    :ivar first_delay_seconds: the longest wait before the second try; it doubles with each
    :ivar longest_delay_seconds: where the doubling ends
    :ivar arrival_seconds: how long the delta of an acknowledged version may take, before it is fetched
    """

    transactions: int = 10_000
    transaction_bytes: int = 1_000_000
    in_flight: int = 32
    backlog: int = 10_000
    first_delay_seconds: float = 0.02
    longest_delay_seconds: float = 5.0
    arrival_seconds: float = 1.0

    def delay(self, tries: int, random: float) -> float:
        """Give the seconds to wait after ``tries`` in vain; ``random`` of [0, 1) keeps rivals apart."""
        longest = min(self.longest_delay_seconds, self.first_delay_seconds * 2.0 ** min(tries - 1, 30))
        return longest * (0.5 + random / 2)


@dataclass(slots=True)
class Counters:
    """What has happened to a space since it was made."""

    committed: int = 0
    conflicts: int = 0
    resubmissions: int = 0
    syncs: int = 0
    snapshots: int = 0
    digests: int = 0
    mismatches: int = 0


def is_passing(error: DstmError) -> bool:
    """Tell whether the same request may be answered well later."""
    return error.uri in _PASSING
