"""
Which events a call of ``wamp.subscription.get_events`` asks for, and the page of them that it gets.

Rules of this file:

- All conditions hold together (WAMP AP 'Event History', Receiving Event History).
- The order is that of arrival. Times may repeat or run backwards, so that they filter, but never order.
- A publication that is named as a bound must be in the history: it may have been forgotten, and who goes
  on from there must not take what is left for all.
- A cursor is text: ``<epoch>-<seq>``. It stands behind the event ``seq`` of a history; ``epoch`` is
  another one when the history has begun anew.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from realms.history.event import Kept
from router.routing.matching import PatternTable
from router.routing.options import Refused, flag
from router.wamp import uris
from router.wamp.ids import MAX_ID

TIMES: Final = ("from_time", "after_time", "before_time", "until_time")
PUBLICATIONS: Final = ("from_publication", "after_publication", "before_publication", "until_publication")
KEYWORDS: Final = ("reverse", "limit", *TIMES, "topic", *PUBLICATIONS, "cursor")

NO_SUCH_PUBLICATION: Final = "wamp.error.no_such_publication"

_DATE_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?P<fraction>\.\d+)?(?:[Zz]|[-+]\d\d:\d\d)", re.ASCII
)
_CURSOR: Final = re.compile(r"(?P<epoch>[0-9a-f]{1,32})-(?P<seq>0|[1-9][0-9]{0,15})", re.ASCII)


class Query(Struct, frozen=True, kw_only=True):
    """
    What is asked for. ``match`` and ``uri`` are the subscription's, which narrow its history down.

    Times are in microseconds since 1970; ``limit`` and ``page_bytes`` bound the page; ``authid`` and
    ``authrole`` are the caller's.
    """

    match: str
    uri: str
    authid: str
    authrole: str
    limit: int
    page_bytes: int
    reverse: bool = False
    topic: str | None = None
    times: Mapping[str, int] = {}  # of TIMES -> microseconds
    publications: Mapping[str, int] = {}  # of PUBLICATIONS -> publication id
    cursor: tuple[str, int] | None = None  # epoch, seq

    @property
    def one_topic(self) -> str | None:
        """The only topic that is asked for, where it is one."""
        return self.uri if self.match == uris.EXACT else self.topic

    @property
    def ends_early(self) -> bool:
        """Whether events that are yet to come may lie outside."""
        names = ("before_time", "until_time", "before_publication", "until_publication")
        return any(name in self.times or name in self.publications for name in names)


class Extent(Struct, frozen=True):
    """
    How far a history reaches: events ``first``..``last`` are there, all before ``first`` are forgotten.

    Of those up to ``lost``, some may be missing, because they could not be kept.
    """

    epoch: str
    first: int
    last: int
    lost: int = 0


class Page(Struct, frozen=True):
    """Events in the order asked for; ``more``: others follow; ``gap``: some may be missing before them."""

    events: list[Kept]
    cursor: str
    more: bool
    gap: bool


def read_query(
    kwargs: Mapping[str, Any], match: str, uri: str, authid: str, authrole: str, most: int, page_bytes: int
) -> Query:
    """
    Check the keyword arguments of a call.

    Raises:
        Refused: ``invalid_argument``, which names the argument and what is allowed.
    """
    topic = kwargs.get("topic")
    if topic is not None and (not isinstance(topic, str) or not uris.is_valid(topic)):
        raise _invalid("topic", "a URI")
    return Query(
        match=match,
        uri=uri,
        authid=authid,
        authrole=authrole,
        limit=min(_positive(kwargs, "limit") or most, most),
        page_bytes=page_bytes,
        reverse=flag(kwargs, "reverse"),
        topic=topic,
        times={name: _time(kwargs, name) for name in TIMES if kwargs.get(name) is not None},
        publications={
            name: number for name in PUBLICATIONS if (number := _positive(kwargs, name)) is not None
        },
        cursor=_cursor(kwargs),
    )


def bounds(query: Query, extent: Extent, seq_of: Callable[[int], int | None]) -> tuple[int, int]:
    """
    Give the first and the last ``seq`` that can be meant; ``seq_of`` finds that of a publication.

    Raises:
        Refused: ``no_such_publication``.
    """
    first, last = extent.first, extent.last
    for name, publication in query.publications.items():
        seq = seq_of(publication)
        if seq is None:
            text = f"{name}: publication {publication} is not in this history"
            raise Refused(NO_SUCH_PUBLICATION, text)
        if name == "from_publication":
            first = max(first, seq)
        elif name == "after_publication":
            first = max(first, seq + 1)
        elif name == "before_publication":
            last = min(last, seq - 1)
        else:
            last = min(last, seq)
    if query.cursor is not None:
        epoch, seq = query.cursor
        if epoch != extent.epoch:
            return (first, last) if not query.reverse else (1, 0)
        if query.reverse:
            last = min(last, seq - 1)
        else:
            first = max(first, seq + 1)
    return first, last


def page(query: Query, extent: Extent, events: Iterable[Kept]) -> Page:
    """Choose from ``events``, which are within ``bounds`` and in the order asked for."""
    is_meant = _filter(query)
    chosen: list[Kept] = []
    size_bytes, more = 0, False
    for event in events:
        if not is_meant(event):
            continue
        size_bytes += event.size_bytes
        more = len(chosen) >= query.limit or (bool(chosen) and size_bytes > query.page_bytes)
        if more:
            break
        chosen.append(event)
    return Page(chosen, _next_cursor(query, extent, chosen, more), more, _has_gap(query, extent))


def timestamp(time_ms: int) -> str:
    """Write milliseconds since 1970 as RFC 3339 does, in UTC."""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


def _filter(query: Query) -> Callable[[Kept], bool]:
    pattern: PatternTable[bool] = PatternTable()
    pattern.insert(query.match, query.uri, True)
    low = max(query.times.get("from_time", 0), query.times.get("after_time", -1) + 1)
    ends = [query.times[name] - 1 for name in ("before_time",) if name in query.times]
    ends += [query.times[name] for name in ("until_time",) if name in query.times]
    high = min(ends, default=None)

    def is_meant(event: Kept) -> bool:
        time = event.time_ms * 1000
        return (
            low <= time
            and (high is None or time <= high)
            and (query.topic is None or event.topic == query.topic)
            and pattern.best(event.topic) is not None
            and event.body.admits(query.authid, query.authrole)
        )

    return is_meant


def _next_cursor(query: Query, extent: Extent, chosen: Sequence[Kept], more: bool) -> str:
    """Give where the next call goes on: behind the last event, or behind all that was looked at."""
    if query.reverse:
        seq = chosen[-1].seq if chosen else extent.first
        return f"{extent.epoch}-{seq}"
    if not more and not query.ends_early:
        return f"{extent.epoch}-{extent.last}"
    if chosen:
        return f"{extent.epoch}-{chosen[-1].seq}"
    if query.cursor is not None and query.cursor[0] == extent.epoch:
        return f"{extent.epoch}-{query.cursor[1]}"
    return f"{extent.epoch}-{extent.first - 1}"


def _has_gap(query: Query, extent: Extent) -> bool:
    """Tell whether events behind the cursor were forgotten before they were asked for."""
    if query.cursor is None:
        return False
    epoch, seq = query.cursor
    return epoch != extent.epoch or (not query.reverse and seq < max(extent.first - 1, extent.lost))


def _positive(kwargs: Mapping[str, Any], name: str) -> int | None:
    value = kwargs.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is not None and (type(value) is not int or not 1 <= value <= MAX_ID):
        raise _invalid(name, "a positive integer")
    return value


def _time(kwargs: Mapping[str, Any], name: str) -> int:
    value = kwargs[name]
    found = _DATE_TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise _invalid(name, "a time as RFC 3339 writes it, as 2025-12-31T23:59:59.123Z")
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        raise _invalid(name, "a time that exists") from None
    since_1970 = moment - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since_1970.days * 86_400 + since_1970.seconds) * 1_000_000 + since_1970.microseconds
    return max(-1, microseconds)


def _cursor(kwargs: Mapping[str, Any]) -> tuple[str, int] | None:
    value = kwargs.get("cursor")
    if value is None:
        return None
    found = _CURSOR.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise _invalid("cursor", "one that an earlier call returned")
    return found["epoch"], int(found["seq"])


def _invalid(name: str, allowed: str) -> Refused:
    return Refused(uris.INVALID_ARGUMENT, f"{name} must be {allowed}")
