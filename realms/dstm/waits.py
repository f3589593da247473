"""
Who waits for a change, with a call that is answered when it comes.

Rules of this file:

- A wait ends once: it is woken, its time is over, it is canceled, or its client has left.
- Bounded: in all, and for each client. A wait costs nothing until what it reads changes.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence

from msgspec import Struct

from realms.dstm.document import Document
from realms.dstm.errors import THROTTLED, TIMEOUT, DstmError
from realms.dstm.jobs import Surroundings
from realms.dstm.reads import Read
from realms.dstm.watches import Watches
from realms.dstm.window import Entry


class Woken(Struct, frozen=True):
    """What a wait is answered with: something that it reads has changed, by this version at the latest."""

    version: int
    epoch: str


WaitReply = Callable[[Woken | DstmError], object]
Call = Callable[[WaitReply, Woken | DstmError], None]  # calls back, and takes what that raises


class Wait:
    """One call that waits."""

    __slots__ = ("base", "cancel_timer", "client", "number", "reads", "reply")

    def __init__(
        self, number: int, client: Hashable, reads: tuple[Read, ...], base: int, reply: WaitReply
    ) -> None:
        self.number = number
        self.client = client
        self.reads = reads
        self.base = base
        self.reply = reply
        self.cancel_timer: Callable[[], object] | None = None


class Waits:
    """The waits of one space."""

    def __init__(self, surroundings: Surroundings, most: int, most_per_client: int) -> None:
        self._surroundings = surroundings
        self.configure(most, most_per_client)
        self._last = 0
        self._waits: dict[int, Wait] = {}  # number -> Wait
        self._by_client: dict[Hashable, dict[int, None]] = {}  # client -> numbers
        self._watches: Watches[int] = Watches()
        self._certain: deque[tuple[int, int]] = deque()  # (version, number), ascending

    def configure(self, most: int, most_per_client: int) -> None:
        """Take other bounds."""
        self._most = most
        self._most_per_client = most_per_client

    def __len__(self) -> int:
        return len(self._waits)

    def add(
        self,
        client: Hashable,
        reads: Sequence[Read],
        base: int,
        timeout_ms: int,
        reply: WaitReply,
        changed_by: int | None = None,
    ) -> Callable[[], None]:
        """
        Wait for a change of any of ``reads`` after ``base``; gives what cancels that, without an answer.

        :param changed_by: a version that is not durable yet, when they have changed for certain

        Raises:
            DstmError: ``throttled``.
        """
        mine = self._by_client.get(client, ())
        if len(mine) >= self._most_per_client:
            raise _throttled("client", self._most_per_client)
        if len(self._waits) >= self._most:
            raise _throttled("space", self._most)
        self._last += 1
        wait = Wait(self._last, client, tuple(reads), base, reply)
        self._waits[wait.number] = wait
        self._by_client.setdefault(client, {})[wait.number] = None
        if changed_by is None:
            self._watches.add(wait.number, wait.reads, base)
        else:
            self._certain.append((changed_by, wait.number))
        when_ms = self._surroundings.now_ms() + timeout_ms
        wait.cancel_timer = self._surroundings.call_at(when_ms, lambda: self._expire(wait, timeout_ms))

        def cancel() -> None:
            self._end(wait)

        return cancel

    def _expire(self, wait: Wait, timeout_ms: int) -> None:
        wait.cancel_timer = None
        if self._end(wait):
            wait.reply(DstmError(TIMEOUT, f"nothing changed for {timeout_ms} ms", timeout_ms=timeout_ms))

    def _end(self, wait: Wait) -> bool:
        """Let a wait be over; gives False if it is."""
        if self._waits.pop(wait.number, None) is None:
            return False
        self._watches.remove(wait.number)
        mine = self._by_client[wait.client]
        del mine[wait.number]
        if not mine:
            del self._by_client[wait.client]
        if wait.cancel_timer is not None:
            wait.cancel_timer()
        return True

    def wake(self, entries: Sequence[Entry], document: Document, answer: Woken, call: Call) -> None:
        """Answer those for whom the commits count; ``document`` is the one after them."""
        woken: set[int] = set()
        while self._certain and self._certain[0][0] <= answer.version:
            woken.add(self._certain.popleft()[1])
        for entry in entries:
            woken |= self._watches.woken(entry.changes, entry.version, document)
        self._answer(sorted(woken), answer, call)

    def refuse(self, error: DstmError, call: Call) -> None:
        """Answer all with an error."""
        self._certain.clear()
        self._answer(list(self._waits), error, call)

    def _answer(self, numbers: Sequence[int], answer: Woken | DstmError, call: Call) -> None:
        for number in numbers:
            wait = self._waits.get(number)
            if wait is not None and self._end(wait):
                call(wait.reply, answer)

    def left(self, client: Hashable) -> None:
        """Forget the waits of a client that is gone."""
        for number in list(self._by_client.get(client, ())):
            self._end(self._waits[number])


def _throttled(whose: str, most: int) -> DstmError:
    return DstmError(THROTTLED, f"too many waits: a {whose} may have {most}", limit=most)
