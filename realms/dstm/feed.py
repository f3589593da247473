"""
The feed of a space: what replicas are told when versions become durable.

Rules of this file:

- One batched event for each flush and topic, and for each group of sessions that may see the same;
  what is the same is made once. Nothing is made for a topic without subscribers.
- Nothing is queued here. A delta that is too large for an event is announced as a gap, and whoever
  missed an event meets a gap: both sync.
- A digest is computed in slices over a version that is pinned meanwhile, and told with a later delta.
"""

from collections import OrderedDict
from collections.abc import Generator, Sequence
from functools import partial
from typing import Final, Protocol

from msgspec.structs import replace

from realms.dstm.access import UNIFORM, AnySight, shared
from realms.dstm.changes import Delta
from realms.dstm.digest import slices
from realms.dstm.document import Document
from realms.dstm.eyes import Eye, Eyes
from realms.dstm.views import Trail, View, Views, size_of
from realms.dstm.window import Entry
from realms.extension import Host, Payload, Session

EVENT_BYTES: Final = 256 * 1024
DELTA_BYTES: Final = 1024 * 1024
MAX_TRAILS: Final = 10_000
# Of no space: a replica that is told of it syncs.
NO_EPOCH: Final = "0" * 32
# Versions that a trail nobody followed catches up in one turn; one that is further behind begins anew.
MAX_BEHIND: Final = 1000


class Source(Protocol):
    """The durable state of a space, as far as it is told."""

    @property
    def epoch(self) -> str: ...
    @property
    def durable_version(self) -> int: ...
    @property
    def durable(self) -> Document: ...
    def since(self, base: int, version: int) -> Sequence[Entry] | None: ...
    def at(self, version: int) -> Document | None: ...


class Feed:
    """
    What the subscribers of one space are told.

    :ivar topic: of the whole space
    """

    def __init__(self, space: str, source: Source, host: Host, views: Views, digest_every: int) -> None:
        self.topic = f"dstm.{space}.delta"
        self.digest_every = digest_every
        self._source = source
        self._host = host
        self._views = views
        self.trails: OrderedDict[tuple[str, str], Trail] = OrderedDict()  # (eye, view id) -> Trail
        self._told: tuple[int, Document] | None = None  # the version up to which was told
        self._digest_due = 0
        self._digest: tuple[int, str] | None = None  # to be told

    def tell(self, entries: Sequence[Entry], eyes: Eyes) -> None:
        """Tell the subscribers of commits that have become durable."""
        self._forget_trails()
        before: list[Document] = []  # the documents that the entries changed, once they are needed
        if self._host.has_subscribers(self.topic):
            self._publish(self.topic, None, entries, before, eyes)
            self._begin_digest()
        for view in self._views:
            if self._host.has_subscribers(view.topic):
                self._publish(view.topic, view, entries, before, eyes)
        self._told = (self._source.durable_version, self._source.durable)

    def trail(self, eye: Eye, view: View | None, eyes: Eyes) -> Trail:
        """
        Give the trail of what an eye sees, at the durable version, for a replica that begins there.

        Its subscribers are told where versions were passed over, so that they are there too.
        """
        version = self._source.durable_version
        trail = self._followed(eye, view, version)
        delta = trail.catch_up(self._time(version))
        if delta is not None:
            told = self._payload([delta])
            topic = self.topic if view is None else view.topic
            self._host.publish_each(
                topic, lambda session: told if eyes.of(session).key == eye.key else None, eyes.key_of
            )
        return trail

    def restart(self) -> None:
        """What somebody may see has changed: forget all trails, and let every replica begin anew."""
        self.trails.clear()
        reset = Payload([], {"epoch": NO_EPOCH})
        for topic in [self.topic, *(view.topic for view in self._views)]:
            self._host.publish_each(topic, lambda session: reset, _everybody)

    def _publish(
        self, topic: str, view: View | None, entries: Sequence[Entry], before: list[Document], eyes: Eyes
    ) -> None:
        events_of: dict[str, list[Payload]] = {}  # eye -> its events

        def event_of(session: Session, number: int) -> Payload | None:
            eye = eyes.of(session)
            events = events_of.get(eye.key)
            if events is None:
                whole = eye.sight is None and view is None
                deltas = self._whole(entries) if whole else self._seen(eye, view, entries, before)
                events = events_of[eye.key] = self._payloads(deltas)
            return events[number] if number < len(events) else None

        self._host.publish_each(topic, lambda session: event_of(session, 0), eyes.key_of)
        for number in range(1, max(map(len, events_of.values()), default=0)):
            self._host.publish_each(topic, partial(event_of, number=number), eyes.key_of)

    def _whole(self, entries: Sequence[Entry]) -> list[Delta]:
        deltas = [entry.delta() for entry in entries]
        if self._digest is not None:
            deltas[-1] = replace(deltas[-1], digest=self._digest)
            self._digest = None
        return deltas

    def _seen(
        self, eye: Eye, view: View | None, entries: Sequence[Entry], before: list[Document]
    ) -> list[Delta]:
        trail = self._followed(eye, view, entries[0].version - 1)
        if not before:
            self._documents_before(entries, before)
        told = [trail.follow(document, entry) for document, entry in zip(before, entries, strict=True)]
        return [delta for delta in told if delta is not None]

    def _documents_before(self, entries: Sequence[Entry], before: list[Document]) -> None:
        version = entries[0].version - 1
        told = self._told
        document = told[1] if told is not None and told[0] == version else self._source.at(version)
        assert document is not None  # it was the durable one until now
        for entry in entries:
            before.append(document)
            document = document.apply(entry.changes)

    def _followed(self, eye: Eye, view: View | None, version: int) -> Trail:
        """Give the trail that has looked at all versions up to ``version``; a new one where that can't be."""
        key = (eye.key, "" if view is None else view.id)
        trail = self.trails.get(key)
        if trail is None or not self._catch_up(trail, version):
            sight = _sight(eye, view)
            trail = Trail(sight, f"{key[0]} {key[1]}", self._source.epoch, version)
            self.trails[key] = trail
        self.trails.move_to_end(key)
        return trail

    def _catch_up(self, trail: Trail, version: int) -> bool:
        if trail.seen == version:
            return True
        entries = self._source.since(trail.seen, version) if version - trail.seen <= MAX_BEHIND else None
        document = self._source.at(trail.seen) if entries else None
        if not entries or document is None:
            return False
        for entry in entries:
            trail.follow(document, entry)
            document = document.apply(entry.changes)
        return True

    def _forget_trails(self) -> None:
        while len(self.trails) > MAX_TRAILS:
            self.trails.popitem(last=False)

    def _time(self, version: int) -> int:
        entries = self._source.since(version - 1, version)
        return entries[0].time if entries else 0

    def _payload(self, deltas: Sequence[Delta]) -> Payload:
        return Payload([delta.wire() for delta in deltas], {"epoch": self._source.epoch})

    def _payloads(self, deltas: Sequence[Delta]) -> list[Payload]:
        """Make as many events as the size of the deltas asks for."""
        groups: list[list[Delta]] = []
        room = 0
        for delta in deltas:
            bytes_ = size_of(delta)
            if bytes_ > DELTA_BYTES:
                delta, bytes_ = replace(delta, from_version=delta.version, changes=()), 100
            if bytes_ > room:
                groups.append([])
                room = EVENT_BYTES
            groups[-1].append(delta)
            room -= bytes_
        return [self._payload(group) for group in groups]

    def _begin_digest(self) -> None:
        """Begin to compute a digest, if one is due and none is under way."""
        version = self._source.durable_version
        if not self.digest_every or version < self._digest_due:
            return
        self._digest_due = version + self.digest_every
        self._continue_digest(version, slices(self._source.durable))

    def _continue_digest(self, version: int, work: Generator[None, None, str]) -> None:
        try:
            next(work)
        except StopIteration as done:
            self._digest = (version, done.value)
        else:
            self._host.call_later(0, lambda: self._continue_digest(version, work))


def _everybody(session: Session) -> None:
    """Put all sessions into one group."""


def _sight(eye: Eye, view: View | None) -> AnySight:
    if view is None:
        return eye.sight or UNIFORM[-1]
    return view.sight if eye.sight is None else shared(view.sight, eye.sight)
