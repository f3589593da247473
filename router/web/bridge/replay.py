"""
What a client has missed since its ``Last-Event-ID``: read from the event history, before live events.

Rules of this file:

- Nothing is sent here: ``ask`` gives a CALL of ``wamp.subscription.get_events``, ``take`` takes its RESULT.
- A live event that comes meanwhile waits, unless a page brings it. When more than ``MAX_EARLY_BYTES`` wait,
  they are forgotten and read from the history instead, for it has them too.
- An event reaches the router's outbox before a page that holds it, so what a page has not brought is newer.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from router.wamp.messages import Call

GET_EVENTS: Final = "wamp.subscription.get_events"
NO_SUCH_PUBLICATION: Final = "wamp.error.no_such_publication"
MAX_EARLY_BYTES: Final = 1_048_576
OVERHEAD_BYTES: Final = 500  # what an event takes besides its text, about

ABSENT: Final = Raw()


class Told(Struct):
    """An event that is to be told; ``payload`` is its args and kwargs, as far as there are any."""

    publication: int
    details: Raw
    payload: list[Raw]


class _Kept(Struct):
    """An event as the history gives it."""

    publication: int
    details: Raw = Raw(b"{}")
    args: Raw = ABSENT
    kwargs: Raw = ABSENT


class _Page(Struct):
    """RESULT's keyword arguments."""

    cursor: str | None = None
    more: bool = False
    gap: bool = False


_page_of: Final = msgspec.json.Decoder(_Page).decode
_events_of: Final = msgspec.json.Decoder(tuple[list[_Kept]]).decode


class Replay:
    """
    The missed events of one subscription.

    :ivar is_over: whether live events are told as they come
    :ivar gap: whether events may be missing that were not told
    """

    def __init__(self, subscription: int, after: int) -> None:
        self.is_over = False
        self.gap = False
        self._subscription = subscription
        self._from: dict[str, Any] = {"after_publication": after}
        self._early: list[Told] = []
        self._early_bytes = 0
        self._overflowed = False

    def ask(self, request: int) -> list[Any]:
        """Give the CALL for the next page."""
        self._overflowed = False
        return [Call.CODE, request, {}, GET_EVENTS, [self._subscription], self._from]

    def hold(self, event: Told) -> None:
        """Keep a live event until its turn."""
        size = _size_of(event)
        if self._early_bytes + size > MAX_EARLY_BYTES:
            self._early.clear()
            self._early_bytes = 0
            self._overflowed = True
        self._early.append(event)
        self._early_bytes += size

    def take(self, payload: list[Raw]) -> list[Told]:
        """Take args and kwargs of the RESULT; give what is to be told now."""
        page = _page_of(payload[1]) if len(payload) > 1 else _Page()
        (kept,) = _events_of(payload[0])
        found = {event.publication for event in kept}
        self._early = [event for event in self._early if event.publication not in found]
        self._early_bytes = sum(map(_size_of, self._early))
        self.gap = self.gap or page.gap
        self._from = {"cursor": page.cursor}
        told = [Told(event.publication, event.details, _payload(event)) for event in kept]
        if page.cursor is None or not (page.more or self._overflowed):
            told += self.end()
        return told

    def fail(self, error: str) -> list[Told]:
        """The history has not what is asked for; give what is to be told now."""
        self.gap = True
        if error == NO_SUCH_PUBLICATION and "after_publication" in self._from:
            self._from = {}  # all that is left
            return []
        return self.end()

    def end(self) -> list[Told]:
        """Go over to live events; give those that waited."""
        self.is_over = True
        early, self._early = self._early, []
        return early


def _size_of(event: Told) -> int:
    return OVERHEAD_BYTES + len(bytes(event.details)) + sum(len(bytes(part)) for part in event.payload)


def _payload(event: _Kept) -> list[Raw]:
    if event.kwargs is not ABSENT:
        return [Raw(b"[]") if event.args is ABSENT else event.args, event.kwargs]
    return [] if event.args is ABSENT else [event.args]
