"""
What waits to be decided: in which order, how much, and what is held back for a client that lost too often.

Rules of this file:

- Of what is there, each client has one decided before any has its second; each client's own are in order.
- Bounded in number and bytes; what is held back counts.
- What is held back is so once, with what the same client submits after it; then it goes first.
"""

from collections.abc import Hashable

from realms.dstm.decisions import Ticket
from realms.dstm.fairness import Fairness, round_robin


class Arrivals:
    """The tickets that nobody has decided yet."""

    __slots__ = ("_arrived", "_bytes", "_deferred", "_fairness", "_most", "_most_bytes")

    def __init__(self, fairness: Fairness, most: int, most_bytes: int) -> None:
        self._fairness = fairness
        self._arrived: list[Ticket] = []
        self._deferred: list[Ticket] = []
        self._bytes = 0
        self.configure(most, most_bytes)

    def configure(self, most: int, most_bytes: int) -> None:
        """Take other bounds."""
        self._most = most
        self._most_bytes = most_bytes

    def __len__(self) -> int:
        return len(self._arrived) + len(self._deferred)

    @property
    def has_deferred(self) -> bool:
        """Tell whether something is held back."""
        return bool(self._deferred)

    def add(self, ticket: Ticket) -> bool:
        """Take a ticket; gives False if there is no room."""
        if len(self._arrived) + len(self._deferred) >= self._most or self._bytes > self._most_bytes:
            return False
        self._arrived.append(ticket)
        self._bytes += ticket.submission.bytes
        return True

    def take(self, most: int, now_ms: int) -> list[Ticket]:
        """Give up to ``most`` tickets that are to be decided now, in their order."""
        fairness = self._fairness
        if self._deferred and not fairness.has_favour(now_ms):
            self._arrived = self._deferred + self._arrived
            self._deferred = []
        ordered, self._arrived = round_robin(self._arrived, _client_of), []
        if fairness.favour is not None:
            held = {_client_of(ticket) for ticket in self._deferred}
            ordered = [ticket for ticket in ordered if not self._defer(ticket, held, now_ms)]
        taken = ordered
        if len(ordered) > most:
            taken, self._arrived = ordered[:most], ordered[most:]
        self._bytes -= sum([ticket.submission.bytes for ticket in taken])
        return taken

    def _defer(self, ticket: Ticket, held: set[Hashable], now_ms: int) -> bool:
        """Hold a ticket back if it, or one before it, waits for the favoured client; gives True if it is."""
        client, ops = _client_of(ticket), ticket.submission.transaction.ops
        if ticket.was_deferred or not (client in held or self._fairness.must_wait(client, ops, now_ms)):
            return False
        ticket.was_deferred = True
        held.add(client)
        self._deferred.append(ticket)
        return True

    def put_back(self, tickets: list[Ticket]) -> None:
        """Let the last of those that were taken wait again, before the others."""
        self._arrived = tickets + self._arrived
        self._bytes += sum([ticket.submission.bytes for ticket in tickets])

    def give_up(self) -> list[Ticket]:
        """Take out, and give, all tickets."""
        given = self._deferred + self._arrived
        self._deferred, self._arrived, self._bytes = [], [], 0
        return given

    def give_up_of(self, client: Hashable) -> list[Ticket]:
        """Take out, and give, the tickets of one client."""
        given = [ticket for ticket in self._deferred + self._arrived if _client_of(ticket) == client]
        if given:
            self._deferred = [ticket for ticket in self._deferred if _client_of(ticket) != client]
            self._arrived = [ticket for ticket in self._arrived if _client_of(ticket) != client]
            self._bytes -= sum([ticket.submission.bytes for ticket in given])
        return given


def _client_of(ticket: Ticket) -> Hashable:
    return ticket.submission.author.client
