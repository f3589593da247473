"""
What is read of a realm and of a node when somebody asks for metrics.

Rules of this file:

- Nothing is counted here. The counters stand where things happen, and are read when they are asked for.
- A reading costs as much as there are sessions and registrations, and looks at nothing else that grows.
"""

from collections import Counter
from typing import Any

from msgspec import Struct

from realms.call_times import Histogram
from realms.realm import Realm
from router.transport.outbox import Outbox


class RealmReading(Struct):
    """
    One realm, now. What has no unit in its name is a number of things.

    ``calls``, ``events``, ``errors``, ``counters`` count since the realm was opened; the others are of now.
    """

    realm: str
    sessions: int
    registrations: int
    subscriptions: int
    pending_calls: int  # of callers that wait
    queued_calls: int  # that wait for a callee with room
    calls: int
    events: int
    errors: dict[str, int]  # URI -> number
    counters: dict[str, int]
    queued_bytes: int
    slow_consumers: int  # sessions for which something is queued
    call_times: Histogram


class SlowConsumer(Struct):
    """A session that the router has more for than its connection takes."""

    realm: str
    session: Any  # router.routing.session.Session
    queued_bytes: int
    reading_paused: bool
    dropping: bool
    dropped: int


def slow_consumers(node: Any) -> list[SlowConsumer]:
    """Give the sessions for which something is queued, those with most first."""
    found = []
    for outbox in node.turn.congested:
        connection: Any = outbox.owner
        realm, session = getattr(connection, "realm", None), getattr(connection, "session", None)
        if realm is not None and session is not None:
            found.append(_slow(realm.name, session, outbox))
    return sorted(found, key=lambda slow: -slow.queued_bytes)


def _slow(realm: str, session: Any, outbox: Outbox) -> SlowConsumer:
    return SlowConsumer(
        realm, session, outbox.queued_bytes, outbox.reading_paused, outbox.dropping, outbox.dropped
    )


def realm_readings(node: Any) -> list[RealmReading]:
    """Read every open realm."""
    queued: Counter[str] = Counter()
    slow: Counter[str] = Counter()
    for one in slow_consumers(node):
        queued[one.realm] += one.queued_bytes
        slow[one.realm] += 1
    return [
        read_realm(realm, queued[name], slow[name]) for name, realm in sorted(node.directory.realms.items())
    ]


def read_realm(realm: Realm, queued_bytes: int, slow: int) -> RealmReading:
    """Read one realm; what is queued is the node's to know."""
    numbers = [number for some in realm.dealer.registrations_by_policy().values() for number in some]
    registrations = [found for found in map(realm.dealer.get, numbers) if found is not None]
    return RealmReading(
        realm=realm.name,
        sessions=len(realm.sessions),
        registrations=len(registrations),
        subscriptions=len(realm.broker.subscription_by_id),
        pending_calls=sum(len(session.calls) for session in realm.sessions.values()),
        queued_calls=sum(len(registration.line) for registration in registrations),
        calls=realm.count_calls(),
        events=realm.broker.events,
        errors=dict(+realm.errors),
        counters=dict(realm.counters),
        queued_bytes=queued_bytes,
        slow_consumers=slow,
        call_times=realm.call_times.histogram,
    )
