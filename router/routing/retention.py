"""
The retained events of a realm, bounded in number and in bytes.

Rules of this file (WAMP AP 'Event Retention'):

- A topic has one event that was published without eligible and exclude lists, and beside it up to
  ``RESTRICTED_PER_TOPIC`` supplemental ones with lists. A subscriber gets the most recent one that
  admits it.
- An event without lists replaces everything on its topic; an event with lists replaces the one
  with equal lists, and past the bound the oldest supplemental one.
- What is kept is a copy of the payload: a ``msgspec.Raw`` would keep its whole message alive. An
  event without payload is an event like any other.
- A topic that is published to again moves to the end: ``topics`` are in order of their last event.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from msgspec import Raw, Struct

from router.routing.matching import PatternTable
from router.routing.publication import Publication
from router.routing.session import Session
from router.wamp.messages import Payload

RESTRICTED_PER_TOPIC: Final = 16


class Retained(Struct, gc=False):
    """A publication that is kept. ``size_bytes`` is what it counts against the bound."""

    publication: Publication
    size_bytes: int


def retained(publication: Publication, options: Mapping[str, Any]) -> Retained:
    """
    Copy ``publication`` for keeping.

    Its size is that of the topic, the encoded payload, and the options written as text;
    a payload of plain values counts as its text.
    """
    args, kwargs = _copied(publication.args), _copied(publication.kwargs)
    size_bytes = len(publication.topic) + _size_bytes(args) + _size_bytes(kwargs) + len(repr(options))
    copy = Publication(
        publication.topic,
        publication.id,
        {**publication.details, "retained": True},
        args,
        kwargs,
        publication.origin,
        publication.audience,
        publication.excluded,
        publication.rkey,
    )
    return Retained(copy, size_bytes)


def _copied(payload: Payload) -> Payload:
    return Raw(bytes(payload)) if isinstance(payload, Raw) else deepcopy(payload)


def _size_bytes(payload: Payload) -> int:
    if payload is None:
        return 0
    return len(payload) if isinstance(payload, Raw) else len(repr(payload))


class Retention:
    """Retained events by topic; ``count`` and ``size_bytes`` are what the bounds apply to."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.count = 0
        self.size_bytes = 0
        self._by_topic: dict[str, list[Retained]] = {}  # topic -> events, oldest first

    def refusal(self, event: Retained) -> str | None:
        """Say which limit keeping ``event`` would exceed; ``None`` if it fits."""
        gone, _ = self._superseded(event)
        count = self.count + 1 - len(gone)
        size_bytes = self.size_bytes + event.size_bytes - sum(old.size_bytes for old in gone)
        if count > self.max_events:
            return f"retained_events={self.max_events} is reached"
        if size_bytes > self.max_bytes:
            return f"retained_bytes={self.max_bytes} would be exceeded"
        return None

    def keep(self, event: Retained) -> None:
        """Retain ``event``, for which ``refusal`` gave ``None``, in place of what it supersedes."""
        self.forget_superseded(event)
        topic = event.publication.topic
        self._by_topic[topic] = [*self._by_topic.pop(topic, ()), event]
        self.count += 1
        self.size_bytes += event.size_bytes

    def forget_superseded(self, event: Retained) -> None:
        """Drop what ``event`` would replace: if it does not fit, an older one must not pass for the last."""
        gone, left = self._superseded(event)
        if left:
            self._by_topic[event.publication.topic] = left
        else:
            self._by_topic.pop(event.publication.topic, None)
        self.count -= len(gone)
        self.size_bytes -= sum(old.size_bytes for old in gone)

    def latest(self, topic: str, session: Session) -> Publication | None:
        """Give the most recent event of ``topic`` that ``session`` would have received."""
        events = reversed(self._by_topic.get(topic, ()))
        return next((event.publication for event in events if event.publication.admits(session)), None)

    def matching(self, match: str, pattern: str, session: Session, most: int) -> list[Publication]:
        """
        Give ``latest`` of each topic that a pattern matches: the ``most`` topics of the most recent
        events, oldest first. Costs one match for each retained topic, so for subscribing only.
        """
        table: PatternTable[bool] = PatternTable()
        table.insert(match, pattern, True)
        found: list[Publication] = []
        for topic in reversed(self._by_topic):
            if len(found) >= most:
                break
            publication = self.latest(topic, session) if table.best(topic) else None
            if publication is not None:
                found.append(publication)
        return found[::-1]

    def _superseded(self, event: Retained) -> tuple[list[Retained], list[Retained]]:
        """Split the events of this topic: those that ``event`` replaces, and those that stay."""
        known = self._by_topic.get(event.publication.topic, [])
        audience = event.publication.audience
        if audience is None:
            return known, []
        gone = [old for old in known if old.publication.audience == audience]
        restricted = [old for old in known if old.publication.audience is not None]
        if not gone and len(restricted) == RESTRICTED_PER_TOPIC:
            gone = restricted[:1]
        return gone, [old for old in known if not any(old is other for other in gone)]
