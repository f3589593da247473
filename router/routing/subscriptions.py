"""
One subscription: its sessions, and which of them share its events out among nodes.

Rules of this file:

- The recipients are a tuple, made again only after a change, and that tuple itself is handed out
  (benchmark: fan-out in ``benchmarks/``).
- The sessions that gave a node key form nodes, one for each key (WAMP AP 'Sharded Subscription').
"""

from collections.abc import Sequence
from typing import Any, Final

from router.routing.session import Session
from router.routing.shards import node_of

MAX_NODES: Final = 1_000  # of one subscription: each costs a hash for every publication with an rkey


class Subscription:
    """The sessions subscribed to ``topic`` under the policy ``match``. Only the broker changes it."""

    __slots__ = ("created", "id", "is_held", "match", "nkeys", "nodes", "recipients", "sessions", "topic")

    def __init__(self, subscription_id: int, topic: str, match: str, created: str) -> None:
        self.id = subscription_id
        self.topic = topic
        self.match = match
        self.created = created  # ISO 8601
        self.sessions: dict[int, Session] = {}  # session id -> Session
        self.recipients: tuple[Session, ...] = ()  # the same sessions; () after a change
        self.is_held = False  # it stays without a session
        self.nkeys: dict[int, str] = {}  # session id -> node key, of those that have one
        self.nodes: dict[str, int] = {}  # node key -> number of its sessions

    def __repr__(self) -> str:
        return f"<Subscription {self.id} {self.match} {self.topic!r}: {len(self.sessions)} sessions>"

    def add(self, session: Session, nkey: str | None) -> None:
        """Take ``session`` in, or give it another node key."""
        if session.id not in self.sessions:
            self.sessions[session.id] = session
            self.recipients = ()
        self._place(session, nkey)

    def discard(self, session: Session) -> None:
        del self.sessions[session.id]
        self.recipients = ()
        self._place(session, None)

    def is_full_for(self, nkey: str) -> bool:
        """Tell whether ``nkey`` would be one node too many."""
        return nkey not in self.nodes and len(self.nodes) >= MAX_NODES

    def _place(self, session: Session, nkey: str | None) -> None:
        former = self.nkeys.pop(session.id, None)
        if former is not None:
            self.nodes[former] -= 1
            if not self.nodes[former]:
                del self.nodes[former]
        if nkey is not None:
            self.nkeys[session.id] = nkey
            self.nodes[nkey] = self.nodes.get(nkey, 0) + 1

    def shard(self, rkey: str, sessions: Sequence[Session]) -> Sequence[Session]:
        """Give those of ``sessions`` that have no node key, or that of the node which has this resource."""
        if not self.nodes:
            return sessions
        node, nkeys = node_of(rkey, self.nodes), self.nkeys
        return [session for session in sessions if nkeys.get(session.id, node) == node]

    def snapshot(self) -> tuple[Session, ...]:
        """Make ``recipients`` anew after a change: a tuple that later changes leave alone."""
        self.recipients = tuple(self.sessions.values())
        return self.recipients

    def details(self) -> dict[str, Any]:
        """Give ``SubscriptionDetails`` (WAMP AP 'Subscriptions Meta API')."""
        return {"id": self.id, "created": self.created, "uri": self.topic, "match": self.match}
