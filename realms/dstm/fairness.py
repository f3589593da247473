"""
How clients share a space that is in great demand.

    in flight     a client has at most so many transactions that are not answered; more are ``throttled``
    round robin   what arrives in one turn is decided client by client, one transaction of each
    favour        a client that lost ``defer_after`` conflicts in a row is favoured: for ``defer_ms``, the
                  transactions of others that write where it lost wait for it, each of them once

Rules of this file:

- A client is any key that the caller chooses: a session, so that nobody gains by many names.
- Time is an argument. Nothing waits longer than ``defer_ms``, and nothing twice, so that the favoured
  client gains a turn and the others lose no more than that.
- Bounded: losses are remembered of the last ``MOST_LOSERS`` clients; one client is favoured at a time, at up
  to ``MOST_PATHS`` pointers.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final, TypeVar

from msgspec import Struct

from realms.dstm.operations import Op
from realms.dstm.pointer import Path, parse

MOST_LOSERS: Final = 10_000
MOST_PATHS: Final = 16

Client = Hashable
T = TypeVar("T")


class Favour(Struct):
    """Who is favoured, at which pointers, and until when, ms since 1970."""

    client: Client
    paths: tuple[Path, ...]
    until_ms: int


class Fairness:
    """
    What clients have in flight, and who has lost how often.

    :ivar favour: the one that is in force, or None
    :ivar losses: client -> conflicts since its last commit; those that lost longest ago first
    """

    def __init__(self, in_flight: int, defer_after: int, defer_ms: int) -> None:
        self.favour: Favour | None = None
        self.configure(in_flight, defer_after, defer_ms)
        self._in_flight: dict[Client, int] = {}  # client -> transactions that are not answered
        self.losses: OrderedDict[Client, int] = OrderedDict()

    def configure(self, in_flight: int, defer_after: int, defer_ms: int) -> None:
        """Take other bounds."""
        self._most_in_flight = in_flight
        self._defer_after = defer_after
        self._defer_ms = defer_ms

    def enter(self, client: Client) -> bool:
        """Count one more transaction of a client; gives False if it has too many in flight."""
        count = self._in_flight.get(client, 0)
        if count >= self._most_in_flight:
            return False
        self._in_flight[client] = count + 1
        return True

    def answered(self, client: Client) -> None:
        """Count one less."""
        count = self._in_flight[client]
        if count == 1:
            del self._in_flight[client]
        else:
            self._in_flight[client] = count - 1

    def in_flight(self, client: Client) -> int:
        """Tell how many transactions of a client are not answered."""
        return self._in_flight.get(client, 0)

    def lost(self, client: Client, paths: Iterable[Path], now_ms: int) -> None:
        """Note a conflict at ``paths``; after too many in a row, the client is favoured there."""
        losses = self.losses.pop(client, 0) + 1
        self.losses[client] = losses
        if len(self.losses) > MOST_LOSERS:
            self.losses.popitem(last=False)
        if losses >= self._defer_after and self._defer_ms > 0 and not self.has_favour(now_ms):
            self.favour = Favour(client, tuple(paths)[:MOST_PATHS], now_ms + self._defer_ms)

    def won(self, client: Client) -> None:
        """Note a commit: the client is as any other from now on."""
        if self.losses:
            self.losses.pop(client, None)
            if self.favour is not None and self.favour.client == client:
                self.favour = None

    def left(self, client: Client) -> None:
        """Forget the losses of a client that is gone."""
        self.won(client)

    def has_favour(self, now_ms: int) -> bool:
        """Tell whether a client is favoured still."""
        if self.favour is not None and self.favour.until_ms <= now_ms:
            self.favour = None
        return self.favour is not None

    def must_wait(self, client: Client, ops: Sequence[Op], now_ms: int) -> bool:
        """Tell whether a transaction is to wait for the favoured client: until its time, or its commit."""
        if not self.has_favour(now_ms) or self.favour is None or self.favour.client == client:
            return False
        return any(_touches(op, self.favour.paths) for op in ops)


def _touches(op: Op, paths: Iterable[Path]) -> bool:
    """Tell whether an op writes at, above or below one of ``paths``."""
    written = [parse(op.path)]
    if op.op == "move":
        written.append(parse(op.from_))  # type: ignore[union-attr]
    return any(path[: len(mine)] == mine or mine[: len(path)] == path for path in paths for mine in written)


def round_robin(arrived: list[T], client_of: Callable[[T], Client]) -> list[T]:
    """Order what arrived so that each client has one before any has its second; of each client, in order."""
    clients = [client_of(item) for item in arrived]
    if len(set(clients)) in (0, 1, len(arrived)):
        return arrived
    by_client: dict[Client, list[T]] = {}
    for item, client in zip(arrived, clients, strict=True):
        by_client.setdefault(client, []).append(item)
    ordered: list[T] = []
    waiting = [iter(mine) for mine in by_client.values()]
    while waiting:
        following = []
        for mine in waiting:
            for item in mine:
                ordered.append(item)
                following.append(mine)
                break
        waiting = following
    return ordered
