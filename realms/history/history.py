"""
The histories of one realm: what is kept as it is published, and ``wamp.subscription.get_events``.

Rules of this file:

- Each pattern of the configuration has a history of its own, and an event is kept in all that match.
- A subscription is served by the most specific history whose pattern covers it whole, so that what it
  gets is all of one sequence, in order.
- The pattern's own subscription is there without subscribers, so that a client finds its id with
  ``wamp.subscription.lookup`` before anybody has subscribed.
- Who asks must be allowed to subscribe, and sees no event that was not for its authid or authrole.
- Nothing blocks: pages are made in a background thread, one at a time. A page of a durable history
  comes after all that was published before it is on the disk, so that it holds what the caller has seen.

What is promised (decision 0007): in a durable history, PUBLISHED means on the disk. Events are sent at once.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

import txaio
from msgspec import Raw, Struct

from realms.authorization.patterns import covers
from realms.config import Limits
from realms.extension import ExtensionError
from realms.history.config import HistoryConfig
from realms.history.database import Database, DatabaseRefused
from realms.history.event import OVERHEAD_BYTES, body_of, is_for_all_times, size_of
from realms.history.journal import Journal, Line
from realms.history.memory import MemoryStore
from realms.history.query import KEYWORDS, Page, Query, read_query, timestamp
from realms.permissions import Grant
from realms.procedure_call import Procedure, ProcedureCall
from realms.world import Cancellable, Environment, World
from router.routing.broker import Broker
from router.routing.matching import PatternTable
from router.routing.options import Refused
from router.routing.outputs import Delivery, Outputs
from router.routing.publication import Publication
from router.routing.session import Session
from router.routing.subscriptions import Subscription
from router.wamp import uris
from router.wamp.messages import Error, Publish, Published

GET_EVENTS: Final = "wamp.subscription.get_events"
UNAVAILABLE: Final = "wamp.error.history_unavailable"
MIN_SWEEP_SECONDS: Final = 1.0  # between two looks for what is too old
MAX_SWEEP_SECONDS: Final = 60.0
MAX_CACHED: Final = 10_000  # topics whose histories are remembered

Key = tuple[str, str, str]  # match, uri, store


class Permission(Struct, frozen=True):
    """
    Whether a session may subscribe: ``of(session, topic, match)`` is the grant.

    Where that ``asks``, ``ask`` lets an authorizer decide: it has the last argument called in a later turn
    with what makes the grant.
    """

    of: Callable[[Session, str, str], Grant]
    ask: Callable[[Session, str, str, Callable[[Callable[[], Grant]], object]], Cancellable]


class Entry(Struct, eq=False):
    """One history: its configuration as it is now, and where it is kept."""

    config: HistoryConfig
    store: MemoryStore | Line


class Change(Struct):
    """What was prepared: the histories as they will be."""

    entries: dict[Key, Entry]
    limits: Limits


class Reading(Struct, eq=False):
    """A page that is to be made for a call."""

    call: ProcedureCall
    entry: Entry
    subscription: Subscription
    query: Query


class EventHistory:
    """
    The histories of one realm.

    :ivar entries: (match, uri, store) -> Entry
    """

    def __init__(
        self,
        realm: str,
        broker: Broker,
        environment: Environment,
        permission: Permission,
        counters: Counter[str],
    ) -> None:
        self.entries: dict[Key, Entry] = {}
        self.procedures: dict[str, Procedure] = {GET_EVENTS: self.get_events}
        self._realm = realm
        self._broker = broker
        self._environment = environment
        self._permission = permission
        self._counters = counters  # history_lost: events that could not be kept, for each history
        self._limits = Limits()
        self._table: PatternTable[Entry] = PatternTable()
        self._entries_of: dict[str, list[Entry]] = {}  # topic -> histories that keep its events
        self._journal: Journal | None = None
        self._database: Database | None = None
        self._last_durable = 0  # the publication that was handed to the journal last
        self._last_lost = 0  # the one that the journal had no room for
        self._readings: deque[Reading] = deque()
        self._behind = 0  # pages that wait for the disk before they stand in that line
        self._is_reading = False
        self._timer: Cancellable | None = None

    def prepare(self, configs: Iterable[HistoryConfig], limits: Limits) -> Change:
        """
        Open what is new in ``configs``; nothing has changed before ``take``.

        Raises:
            ExtensionError: there is no place on the disk for it, or it cannot be used.
        """
        change = Change({}, limits)
        for config in configs:
            key = (config.match, config.uri, config.store)
            known = self.entries.get(key)
            change.entries[key] = known or Entry(config, self._store(config))
            change.entries[key] = Entry(config, change.entries[key].store)
        return change

    def take(self, change: Change) -> None:
        """Let what was prepared be what there is; a history in memory that is gone is forgotten."""
        gone = [entry for key, entry in self.entries.items() if key not in change.entries]
        self.entries, self._limits = change.entries, change.limits
        if self._journal is not None:
            self._journal.most_bytes = change.limits.history_queue_bytes
        self._table = PatternTable(max_shapes=len(self.entries) + 1)
        for entry in self.entries.values():
            entry.store.config = entry.config
            self._table.insert(entry.config.match, entry.config.uri, entry)
        self._entries_of = {}
        self._hold_subscriptions(gone)
        self._broker.on_publication = self.keep if self.entries else None
        self._sweep()

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._broker.on_publication = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        journal, database = self._journal, self._database
        if journal is not None and database is not None:
            world = self._world
            closed = txaio.create_future()

            def done(_: Any, error: BaseException | None) -> None:
                txaio.resolve(closed, None)

            journal.after(lambda _: world.background(database.close, done))
            world.closing(f"event history of realm {self._realm!r}", closed)

    def keep(self, publication: Publication) -> None:
        """Keep a publication in each history that is to have it."""
        entries = self._histories(publication.topic)
        if not entries or not is_for_all_times(publication):
            return
        body = body_of(publication)
        size_bytes = size_of(publication.topic, body)
        now_ms = self._world.now_ms()
        for entry in entries:
            event = (now_ms, publication.id, publication.topic, size_bytes, body)
            if isinstance(entry.store, MemoryStore):
                entry.store.keep(*event)
            elif self._journal is not None:
                self._last_durable = publication.id
                if not self._journal.keep(entry.store, *event):
                    self._last_lost = publication.id
                    self._counters["history_lost"] += 1

    def refusal(self, session: Session, msg: Publish) -> Outputs:
        """Refuse a publication that is to be acknowledged and that a durable history has no room for."""
        journal = self._journal
        if journal is None or msg.options.get("acknowledge") is not True:
            return []
        is_durable = any(isinstance(entry.store, Line) for entry in self._histories(msg.topic))
        payload = sum(len(part) for part in (msg.args, msg.kwargs) if isinstance(part, Raw))
        if not is_durable or journal.has_room(OVERHEAD_BYTES + len(msg.topic) + payload):
            return []
        text = f"limit history_queue_bytes={journal.most_bytes} is reached: the event history is behind"
        return [Delivery((session,), Error(Publish.CODE, msg.request, {}, uris.LIMIT_EXCEEDED, [text]))]

    def acknowledged(
        self, session: Session, publication: int, outputs: Outputs, is_there: Callable[[Session], bool]
    ) -> Outputs:
        """
        Hold PUBLISHED back until the event is on the disk, where it is to be.

        Errors:
            unavailable: it could not be kept.
        """
        last = outputs[-1] if outputs else None
        if not isinstance(last, Delivery) or not isinstance(last.message, Published):
            return outputs
        if self._last_durable != publication or self._journal is None:
            return outputs
        text = "the event was sent, but the event history could not keep it"
        failed = Error(Publish.CODE, last.message.request, {}, uris.UNAVAILABLE, [text])
        if self._last_lost == publication:
            return [*outputs[:-1], Delivery((session,), failed)]

        def durable(error: BaseException | None) -> None:
            if is_there(session):
                self._world.deliver([last if error is None else Delivery((session,), failed)])

        self._journal.after(durable)
        return outputs[:-1]

    def get_events(self, call: ProcedureCall) -> None:
        """
        Answer ``wamp.subscription.get_events`` (WAMP AP 'Event History').

        RESULT: the events; as keywords ``cursor``, ``more`` and ``gap``.

        Errors:
            invalid_argument: an argument has the wrong type, or a name that there is not.
            no_such_subscription: there is none with this id.
            not_authorized: the caller may not subscribe to it.
            history_unavailable: no history is kept of it.
            no_such_publication: one that is named as a bound is not in the history.
            limit_exceeded: too many pages are asked for at once.
            unavailable: the file cannot be read.
        """
        try:
            subscription = self._subscription(call)
        except Refused as refused:
            call.error(refused.error, refused.text)
            return
        session = call.session
        if session.id in subscription.sessions:
            self._judged(call, subscription, None)  # it gets the events as they come
            return
        topic, match = subscription.topic, subscription.match
        grant = self._permission.of(session, topic, match)
        if grant.asks:
            decided = partial(self._decided, call, subscription)
            call.on_cancel = self._permission.ask(session, topic, match, decided).cancel
        else:
            self._judged(call, subscription, grant)

    @property
    def _world(self) -> World:
        assert self._environment.world is not None, "a history needs a world"
        return self._environment.world

    def _store(self, config: HistoryConfig) -> MemoryStore | Line:
        epoch = f"{self._environment.new_publication_id():x}"
        if config.store == "memory":
            return MemoryStore(config, epoch)
        try:
            database, journal = self._opened()
            return journal.line(config, database.open(config.match, config.uri, epoch))
        except (DatabaseRefused, OSError) as error:
            raise ExtensionError(f"realm {self._realm!r}: event_history", str(error)) from None

    def _opened(self) -> tuple[Database, Journal]:
        if self._database is None or self._journal is None:
            directory = self._world.directory(self._realm, "event_history")
            if directory is None:
                raise DatabaseRefused("store: sqlite needs a directory for data, and there is none")
            self._database = Database(directory / "events.sqlite")
            log = self._world.logger(f"history.{self._realm}")
            most_bytes = self._limits.history_queue_bytes
            self._journal = Journal(self._database, self._world, log, most_bytes, self._counters)
        return self._database, self._journal

    def _hold_subscriptions(self, gone: Iterable[Entry]) -> None:
        for entry in gone:
            self._broker.release(entry.config.match, entry.config.uri)
        for entry in self.entries.values():
            self._broker.hold(entry.config.match, entry.config.uri, self._environment.timestamp())

    def _histories(self, topic: str) -> Sequence[Entry]:
        found = self._entries_of.get(topic)
        if found is None:
            found = self._table.all(topic)
            if len(self._entries_of) >= MAX_CACHED:
                self._entries_of.clear()
            self._entries_of[topic] = found
        return found

    def _decided(self, call: ProcedureCall, subscription: Subscription, make: Callable[[], Grant]) -> None:
        call.on_cancel = None
        self._judged(call, subscription, make())

    def _judged(self, call: ProcedureCall, subscription: Subscription, grant: Grant | None) -> None:
        """Go on with a call whose permission is known; ``None``: it needs none."""
        try:
            if grant is not None and grant.error is not None:
                raise Refused(grant.error, grant.text)
            reading = self._reading(call, subscription)
            if len(self._readings) + self._behind >= self._limits.history_reads:
                text = f"limit history_reads={self._limits.history_reads} is reached"
                raise Refused(uris.LIMIT_EXCEEDED, text)
        except Refused as refused:
            call.error(refused.error, refused.text)
            return
        if isinstance(reading.entry.store, Line) and self._journal is not None:
            self._behind += 1
            self._journal.after(lambda _: self._read(reading, waited=1))
        else:
            self._read(reading)

    def _subscription(self, call: ProcedureCall) -> Subscription:
        """Check the names of the arguments, and find the subscription that the call is about."""
        args, kwargs = call.args, call.kwargs
        if len(args) > 1:
            raise Refused(uris.INVALID_ARGUMENT, f"{len(args)} positional arguments, not at most 1")
        for name, value in kwargs.items():
            if name not in KEYWORDS and value is not None:
                text = f"unknown keyword argument {name!r:.40}; allowed: {', '.join(KEYWORDS)}"
                raise Refused(uris.INVALID_ARGUMENT, text)
        number = args[0] if args else None
        if isinstance(number, float) and number.is_integer():
            number = int(number)
        if type(number) is not int:
            raise Refused(uris.INVALID_ARGUMENT, "subscription must be an id")
        subscription = self._broker.get(number)
        if subscription is None:
            raise Refused(uris.NO_SUCH_SUBSCRIPTION, f"no subscription {number} in this realm")
        return subscription

    def _reading(self, call: ProcedureCall, subscription: Subscription) -> Reading:
        """Check what the call asks for, and find the history that has it."""
        session = call.session
        limits = self._limits
        query = read_query(
            call.kwargs,
            subscription.match,
            subscription.topic,
            session.authid,
            session.authrole,
            limits.history_events_per_call,
            limits.history_page_bytes,
        )
        return Reading(call, self._covering(subscription), subscription, query)

    def _covering(self, subscription: Subscription) -> Entry:
        """Find the most specific history that has all events of a subscription."""
        topic, match = subscription.topic, subscription.match
        if match == uris.EXACT:
            found = self._table.best(topic)
        else:
            entries = [entry for entry in self.entries.values() if covers(entry.config, topic, match)]
            found = max(entries, key=lambda entry: len(entry.config.uri), default=None)
        if found is None:
            raise Refused(UNAVAILABLE, f"no event history is kept of {match} {topic!r}")
        return found

    def _read(self, reading: Reading, waited: int = 0) -> None:
        self._behind -= waited
        self._readings.append(reading)
        self._read_next()

    def _read_next(self) -> None:
        while self._readings and not self._is_reading:
            reading = self._readings.popleft()
            if not reading.call.is_over:
                self._begin(reading)

    def _begin(self, reading: Reading) -> None:
        subscription = reading.subscription
        try:
            make = self._reader(reading.entry.store, reading.query)
        except Refused as refused:
            reading.call.error(refused.error, refused.text)
            return
        self._is_reading = True
        self._world.background(
            lambda: _answer(make(), subscription.id, subscription.match),
            lambda answer, error: self._done(reading, answer, error),
        )

    def _reader(self, store: MemoryStore | Line, query: Query) -> Callable[[], Page]:
        if isinstance(store, MemoryStore):
            return store.reader(query, self._world.now_ms())
        assert self._database is not None
        return partial(self._database.read, store.history, query)

    def _done(self, reading: Reading, answer: Any, error: BaseException | None) -> None:
        call = reading.call
        self._is_reading = False
        if isinstance(error, Refused):
            call.error(error.error, error.text)
        elif error is not None:
            log = self._world.logger(f"history.{self._realm}")
            log.error("event history cannot be read: {error}", error=str(error))
            call.error(uris.UNAVAILABLE, "the event history cannot be read now")
        else:
            events, keywords = answer
            call.result([events], keywords)
        self._read_next()

    def _sweep(self) -> None:
        """Forget what is too old, again and again, also where nothing is published."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ages = [entry.config.age_ms for entry in self.entries.values() if entry.config.age_ms]
        if not ages:
            return
        for entry in self.entries.values():
            if isinstance(entry.store, MemoryStore):
                entry.store.trim(self._world.now_ms())
            elif self._journal is not None:
                self._journal.trim()
        seconds = min(MAX_SWEEP_SECONDS, max(MIN_SWEEP_SECONDS, min(ages) / 1000))
        self._timer = self._world.call_later(seconds, self._swept)

    def _swept(self) -> None:
        self._timer = None
        self._sweep()


def _answer(page: Page, subscription: int, match: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Give the events and the keywords of a RESULT, as plain values."""
    events = []
    for event in page.events:
        details = event.body.details
        if match != uris.EXACT:
            details = {**details, "topic": event.topic}
        events.append(
            {
                "timestamp": timestamp(event.time_ms),
                "subscription": subscription,
                "publication": event.publication,
                "details": details,
                **event.body.payload(),
            }
        )
    return events, {"cursor": page.cursor, "more": page.more, "gap": page.gap}
