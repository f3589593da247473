"""
Calls that wait: for a version (``get`` with ``min_version``) and for a change (``wait``).

Rules of this file:

- A call that waits ends by what it waits for, by its time, by CANCEL, or with its session; whichever
  comes first takes everything else back.
- They are bounded in number for each session and in time.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

from realms.dstm.arguments import check_count, check_names, integer, invalid, kind_of
from realms.dstm.authorize import check_reads
from realms.dstm.errors import THROTTLED, TIMEOUT, TOO_LARGE, DstmError
from realms.dstm.reads import Read
from realms.extension import Host, ProcedureCall

if TYPE_CHECKING:
    from realms.dstm.api import SpaceApi

Reply = Callable[[DstmError | None], None]


class VersionWaits:
    """The calls that wait for a version of one space, and how many each session has."""

    def __init__(self, host: Host, most: int) -> None:
        self.most = most
        self._host = host
        self._count: Counter[int] = Counter()  # session id -> calls
        self._due: list[tuple[int, int]] = []  # heap: version, number; those that have ended too
        self._waiting: dict[int, Callable[[], None]] = {}  # number -> what then
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, call: ProcedureCall, version: int, timeout_ms: int, reply: Reply) -> None:
        """
        Call ``reply`` once: with ``None`` when ``version`` is durable, with an error when that took too long.

        Raises:
            DstmError: ``throttled``; the session has as many as it may.
        """
        session_id = call.session.id
        if self._count[session_id] >= self.most:
            told = f"this session has {self.most} calls that wait, which is the limit"
            raise DstmError(THROTTLED, told, reason=told)
        number = next(self._numbers)

        def end(outcome: DstmError | None) -> None:
            self._forget(number, session_id)
            timer.cancel()
            reply(outcome)

        def cancel() -> None:
            self._forget(number, session_id)
            timer.cancel()

        timer = self._host.call_later(timeout_ms / 1000, lambda: end(timed_out(timeout_ms)))
        call.on_cancel = cancel
        self._count[session_id] += 1
        self._waiting[number] = lambda: end(None)
        heapq.heappush(self._due, (version, number))

    def reached(self, version: int) -> None:
        """Let those go on that waited for ``version`` or an earlier one."""
        while self._due and self._due[0][0] <= version:
            _, number = heapq.heappop(self._due)
            if number in self._waiting:
                self._waiting[number]()

    def _forget(self, number: int, session_id: int) -> None:
        del self._waiting[number]
        self._count[session_id] -= 1
        if not self._count[session_id]:
            del self._count[session_id]
        if len(self._due) > 2 * len(self._waiting) + 100:
            self._due = [due for due in self._due if due[1] in self._waiting]
            heapq.heapify(self._due)


def timed_out(timeout_ms: int) -> DstmError:
    """Say that a wait took too long."""
    return DstmError(TIMEOUT, f"nothing happened within {timeout_ms} ms", timeout_ms=timeout_ms)


def wait(api: "SpaceApi", call: ProcedureCall) -> None:
    """``dstm.<s>.wait``: answer when something that was read has changed."""
    kwargs = call.kwargs
    check_names(kwargs, ("epoch", "base", "reads", "timeout_ms"))
    check_count(call.args, 0, 0)
    reads = read_reads(kwargs.get("reads"), api.limits.reads)
    if not reads:
        raise invalid("reads", "must name at least one pointer")
    if kwargs.get("base") is None:
        raise invalid("base", "is needed: the version that was read")
    base = integer(kwargs["base"], "base", 0)
    api.check_epoch(kwargs)
    eye = api.eye(call.session)
    if eye.sight is not None:
        check_reads(api.space.head, reads, eye.sight)

    def woken() -> None:
        call.result(None, {"version": api.space.durable_version, "epoch": api.space.epoch})

    api.wait(call, reads, base, api.wait_ms(kwargs), woken)


def read_reads(wire: object, most: int) -> tuple[Read, ...]:
    """
    Read declared reads.

    Raises:
        DstmError: ``invalid`` or ``too_large``.
    """
    if not isinstance(wire, list | tuple):
        raise invalid("reads", f"must be a list of reads, got {kind_of(wire)}")
    if len(wire) > most:
        reason = f"{len(wire)} are too many; allowed are {most}"
        raise DstmError(TOO_LARGE, f"reads: {reason}", part="reads", reason=reason)
    return tuple(Read.parse(read, index) for index, read in enumerate(wire))
