"""
The host of one extension in one realm: what ``realms.extension.Host`` promises, made of the realm's parts.

Rules of this file:

- Whatever the extension does here is in order with what else it does: it is gathered while the realm
  waits for the extension, and delivered at once otherwise.
- A payload is encoded while the extension stands on the stack, once for each serializer.
- A function of the extension that is called from outside never raises: its defects are logged.

The grouping of ``publish_each`` (benchmarks/dstm.py: deltas). For each subscription it is remembered who
gets the same, split by serializer, together with the very tuple of recipients that it was made from: the
broker makes a new tuple after each change, so that a remembered grouping is right or not used at all.
"""

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from realms.authorization.config import Action
from realms.extension import ExtensionError, Payload, PublishRefused
from realms.own_calls import OwnCalls
from realms.permissions import Grant, Role
from realms.procedure_call import Dump
from realms.world import Cancellable, World
from router.routing.broker import Broker
from router.routing.options import Refused
from router.routing.outputs import Delivery
from router.routing.publication import read_publish_options
from router.routing.session import Session
from router.routing.subscriptions import Subscription
from router.wamp.messages import Event, Publish
from router.wamp.serializers import MSGPACK, Serializer
from router.wamp.uris import EXACT, INVALID_ARGUMENT, OPTION_DISALLOWED_DISCLOSE_ME

MAX_REMEMBERED: Final = 1_000  # groupings

Group = Callable[[Session], Hashable]
PayloadOf = Callable[[Session], Payload | None]
Parts = list[tuple[Serializer | None, tuple[Session, ...]]]  # recipients by serializer


class Sharers(NamedTuple):
    """Sessions that get the same payload: one of them, and all of them by serializer."""

    first: Session
    parts: Parts


class Grouping(NamedTuple):
    """Who shares what among the recipients of one subscription."""

    recipients: tuple[Session, ...]
    group_of: Group
    sharers: list[Sharers]


class RealmHost:
    """What one extension is given; ``dump`` is how its payloads are encoded."""

    def __init__(
        self,
        realm: str,
        name: str,
        sessions: Mapping[int, Session],
        broker: Broker,
        calls: OwnCalls,
        world: World,
        new_publication_id: Callable[[], int],
        dump: Dump,
    ) -> None:
        self.realm = realm
        self.sessions = sessions
        self.log = world.logger(f"{name}.{realm}")
        self.now_ms = world.now_ms
        self._name = name
        self._broker = broker
        self._calls = calls
        self._world = world
        self._new_publication_id = new_publication_id
        self._dump = dump
        self._groupings: dict[int, Grouping] = {}  # subscription id -> Grouping
        self._timers: set[_Timer] = set()

    @property
    def data_directory(self) -> Path | None:
        try:
            return self._world.directory(self.realm, self._name)
        except OSError as error:
            raise ExtensionError("", f"{error.filename}: {error.strerror}") from None

    def soon(self, function: Callable[[], object]) -> None:
        self._world.soon(lambda: self._guarded(function))

    def call_later(self, seconds: float, function: Callable[[], object]) -> Cancellable:
        timer = _Timer(self._timers)
        timer.start(self._world.call_later(seconds, lambda: timer.fire(self._guarded, function)))
        return timer

    def background(
        self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], object]
    ) -> None:
        self._world.background(function, lambda result, error: self._guarded(done, result, error))

    def publish(
        self, topic: str, args: list[Any] | None = None, kwargs: Mapping[str, Any] | None = None
    ) -> None:
        payload = Payload(args, kwargs)
        self.publish_each(topic, lambda _: payload, _everybody)

    def publish_each(self, topic: str, payload_of: PayloadOf, group_of: Group | None = None) -> None:
        found = [self._broker.subscription_by_id[number] for number in self._broker.match(topic)]
        if not found:
            return
        publication = self._new_publication_id()
        for subscription in found:
            details = {} if subscription.match == EXACT else {"topic": topic}
            for payload, parts in self._shares(subscription, payload_of, group_of):
                for serializer, recipients in parts:
                    args, kwargs = self._encoded(payload, serializer)
                    event = Event(subscription.id, publication, details, args, kwargs)
                    self._calls.send([Delivery(recipients, event, serializer)])

    def regroup(self) -> None:
        self._groupings.clear()

    def forget(self, session: Session) -> None:
        """Remember nothing of a session that leaves."""
        if self._groupings:
            for subscription in session.subscriptions:
                self._groupings.pop(subscription, None)

    def forget_subscription(self, subscription_id: int) -> None:
        """Remember nothing of the recipients of a subscription that somebody ended."""
        self._groupings.pop(subscription_id, None)

    def has_subscribers(self, topic: str) -> bool:
        return bool(self._broker.match(topic))

    def may_publish(self, session: Session, topic: str) -> Grant:
        role: Role = session.role
        return role.publish.get(topic) or role.may_publish(topic)

    def publish_as(
        self,
        session: Session,
        topic: str,
        args: list[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        publish = Publish(0, dict(options or {}), topic, args, kwargs)
        disclose = self._judge(session, publish)
        MSGPACK.dump([args, kwargs])  # raises where no serializer carries them
        publication, trust_level = self._new_publication_id(), self.may_publish(session, topic).trust_level
        self._calls.send(self._broker.publish_testament(session, publish, publication, disclose, trust_level))

    def is_allowed(self, session: Session, action: Action, uri: str, match: str = EXACT) -> bool:
        role: Role = session.role
        if action == "call":
            return (role.call.get(uri) or role.may_call(uri)).error is None
        if action == "publish":
            return self.may_publish(session, uri).error is None
        if action == "register":
            return role.may_register(uri, match).error is None
        return role.may_subscribe(uri, match).error is None

    def end(self) -> None:
        """Take back every ``call_later``: the extension is about to be closed."""
        for timer in list(self._timers):
            timer.cancel()

    def _judge(self, session: Session, publish: Publish) -> bool:
        """Tell whether the publisher is disclosed, where it may publish this."""
        try:
            read_publish_options(publish.options)
        except Refused as refused:
            raise PublishRefused(refused.error, refused.text) from None
        if publish.options.get("ppt_scheme") and not session.supports("publisher.payload_passthru_mode"):
            raise PublishRefused(INVALID_ARGUMENT, "ppt_scheme: payload_passthru_mode was not announced")
        grant = self.may_publish(session, publish.topic)
        if grant.error is not None:
            raise PublishRefused(grant.error, grant.text)
        asked = publish.options.get("disclose_me") is True
        if asked and not grant.may_disclose:
            text = "this realm does not disclose who publishes here"
            raise PublishRefused(OPTION_DISALLOWED_DISCLOSE_ME, text)
        return asked or grant.discloses

    def _shares(
        self,
        subscription: Subscription,
        payload_of: Callable[[Session], Payload | None],
        group_of: Group | None,
    ) -> list[tuple[Payload, Parts]]:
        """Give each payload, and who gets it by serializer."""
        recipients = subscription.recipients or subscription.snapshot()
        if group_of is None:
            payloads = [payload_of(session) for session in recipients]
            shared: dict[Payload | None, list[Session]] = {}
            for session, payload in zip(recipients, payloads, strict=True):
                shared.setdefault(payload, []).append(session)
            return [
                (payload, _by_serializer(them)) for payload, them in shared.items() if payload is not None
            ]
        grouping = self._groupings.get(subscription.id)
        if grouping is None or grouping.recipients is not recipients or grouping.group_of != group_of:
            grouping = self._remember(subscription.id, recipients, group_of)
        asked = [(payload_of(sharers.first), sharers.parts) for sharers in grouping.sharers]
        return [(payload, parts) for payload, parts in asked if payload is not None]

    def _remember(self, subscription_id: int, recipients: tuple[Session, ...], group_of: Group) -> Grouping:
        groups: dict[Hashable, list[Session]] = {}
        for session in recipients:
            groups.setdefault(group_of(session), []).append(session)
        sharers = [Sharers(sessions[0], _by_serializer(sessions)) for sessions in groups.values()]
        if len(self._groupings) >= MAX_REMEMBERED:
            self._groupings.clear()
        grouping = self._groupings[subscription_id] = Grouping(recipients, group_of, sharers)
        return grouping

    def _encoded(self, payload: Payload, serializer: Serializer | None) -> tuple[Any, Any]:
        args, kwargs = payload.args, payload.kwargs
        if serializer is None:
            return args, kwargs
        known = payload._encoded or {}
        found = known.get(serializer)
        if found is None:
            found = (
                None if args is None else self._dump(serializer, args),
                None if kwargs is None else self._dump(serializer, kwargs),
            )
            payload._encoded = {**known, serializer: found}
        return found

    def _guarded(self, function: Callable[..., object], *args: Any) -> None:
        try:
            function(*args)
        except Exception:
            self.log.failure("defect in the extension {name}", name=self._name)


class _Timer:
    """One ``call_later``, in the set of those that are still to come."""

    __slots__ = ("_delayed", "_waiting")

    def __init__(self, waiting: "set[_Timer]") -> None:
        self._waiting = waiting

    def start(self, delayed: Cancellable) -> None:
        self._delayed = delayed
        self._waiting.add(self)

    def fire(self, guarded: Callable[..., None], function: Callable[[], object]) -> None:
        self._waiting.discard(self)
        guarded(function)

    def cancel(self) -> None:
        if self in self._waiting:
            self._waiting.remove(self)
            self._delayed.cancel()


def _everybody(session: Session) -> None:
    """Put all sessions into one group."""


def _by_serializer(sessions: list[Session]) -> Parts:
    parts: dict[Serializer | None, list[Session]] = {}
    for session in sessions:
        parts.setdefault(session.serializer, []).append(session)
    return [(serializer, tuple(them)) for serializer, them in parts.items()]
