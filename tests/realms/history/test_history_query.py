"""What a call asks for, and the page that it gets: WAMP AP 'Event History'."""

from typing import Any

import pytest
from history_writer import event

from realms.history.query import Extent, Page, Query, bounds, page, read_query, timestamp
from router.routing.options import Refused

EXTENT = Extent("abc", 3, 8)


def query(**asked: Any) -> Query:
    return read_query(asked, "prefix", "com.", "ann", "clerk", 100, 1000)


def turn(asked: Query, extent: Extent = EXTENT) -> Page:
    """Make the page of a history in which publication 1000 + seq is event seq."""
    seq_of = {1000 + seq: seq for seq in range(extent.first, extent.last + 1)}
    low, high = bounds(asked, extent, seq_of.get)
    events = [event(seq, seq) for seq in range(max(low, extent.first), high + 1)]
    return page(asked, extent, reversed(events) if asked.reverse else events)


def told(found: Page) -> tuple[list[int], str, bool, bool]:
    return [each.seq for each in found.events], found.cursor, found.more, found.gap


def test_all() -> None:
    assert told(turn(query())) == ([3, 4, 5, 6, 7, 8], "abc-8", False, False)
    assert told(turn(query(reverse=True))) == ([8, 7, 6, 5, 4, 3], "abc-3", False, False)
    assert told(turn(query(), Extent("abc", 1, 0))) == ([], "abc-0", False, False)
    assert told(turn(query(reverse=True), Extent("abc", 1, 0))) == ([], "abc-1", False, False)


def test_pages() -> None:
    assert told(turn(query(limit=2))) == ([3, 4], "abc-4", True, False)
    assert told(turn(query(limit=2, cursor="abc-4"))) == ([5, 6], "abc-6", True, False)
    assert told(turn(query(limit=2, cursor="abc-6"))) == ([7, 8], "abc-8", False, False)
    assert told(turn(query(limit=2, cursor="abc-8"))) == ([], "abc-8", False, False)
    assert told(turn(query(limit=4, reverse=True))) == ([8, 7, 6, 5], "abc-5", True, False)
    assert told(turn(query(limit=4, reverse=True, cursor="abc-5"))) == ([4, 3], "abc-3", False, False)
    assert told(turn(query(reverse=True, cursor="abc-3"))) == ([], "abc-3", False, False)


def test_no_page_is_larger_than_the_limits() -> None:
    assert query(limit=101).limit == 100
    assert query(limit=5.0).limit == 5
    small = read_query({}, "prefix", "com.", "ann", "clerk", 100, 250)
    assert told(turn(small)) == ([3, 4], "abc-4", True, False)
    tiny = read_query({}, "prefix", "com.", "ann", "clerk", 100, 1)
    assert told(turn(tiny)) == ([3], "abc-3", True, False)


def test_a_cursor_after_which_events_are_missing() -> None:
    """They were forgotten or lost, or it is another history: the caller learns that there is a gap."""
    assert told(turn(query(cursor="abc-1", limit=1))) == ([3], "abc-3", True, True)
    assert told(turn(query(cursor="abc-2", limit=1))) == ([3], "abc-3", True, False)
    assert told(turn(query(cursor="def-7", limit=1))) == ([3], "abc-3", True, True)
    assert told(turn(query(cursor="def-7", reverse=True)))[0] == []
    assert turn(query(cursor="abc-4"), Extent("abc", 3, 8, lost=5)).gap is True
    assert turn(query(cursor="abc-5"), Extent("abc", 3, 8, lost=5)).gap is False
    assert turn(query(cursor="abc-1", reverse=True)).gap is False


def test_a_query_that_ends_early_goes_on_behind_what_it_gave() -> None:
    """What lies past its end is for other queries."""
    assert told(turn(query(before_publication=1006))) == ([3, 4, 5], "abc-5", False, False)
    assert told(turn(query(before_publication=1003))) == ([], "abc-2", False, False)
    assert told(turn(query(before_publication=1006, cursor="abc-5"))) == ([], "abc-5", False, False)
    assert told(turn(query(before_publication=1006, cursor="def-5"))) == ([3, 4, 5], "abc-5", False, True)


def test_a_bound_that_is_not_there() -> None:
    for name in ("from", "after", "before", "until"):
        with pytest.raises(
            Refused, match=f"{name}_publication: publication 9 is not in this history"
        ) as info:
            turn(query(**{f"{name}_publication": 9}))
        assert info.value.error == "wamp.error.no_such_publication"


def test_times_are_compared_exactly() -> None:
    """Milliseconds of the events with microseconds of the filter; times before 1970 are in the past."""
    start = "1970-01-01T00:00:00"

    def meant(**asked: Any) -> list[int]:
        return [each.seq for each in turn(query(**asked)).events]

    assert meant(from_time=f"{start}.005Z") == [5, 6, 7, 8]
    assert meant(from_time=f"{start}.005000001Z", until_time=f"{start}.007z") == [5, 6, 7]
    assert meant(from_time=f"{start}.005001Z", after_time=f"{start}.004Z") == [6, 7, 8]
    assert meant(after_time=f"{start}.005Z", before_time=f"{start}.007Z") == [6]
    assert meant(until_time=f"{start}.0079+00:00") == [3, 4, 5, 6, 7]
    assert meant(from_time="1969-12-31T23:59:59Z", before_time=f"{start}.004Z") == [3]
    assert meant(until_time="1901-01-01 00:00:00-12:00") == []


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("reverse", "yes", "reverse='yes' is neither true nor false"),
        ("limit", 0, "limit must be a positive integer"),
        ("limit", 2**53 + 1, "limit must be a positive integer"),
        ("limit", 1.5, "limit must be a positive integer"),
        ("limit", True, "limit must be a positive integer"),
        ("topic", 5, "topic must be a URI"),
        ("topic", "a b", "topic must be a URI"),
        ("until_publication", "1", "until_publication must be a positive integer"),
        ("from_time", 5, "from_time must be a time as RFC 3339 writes it"),
        ("from_time", "2025-01-01", "from_time must be a time as RFC 3339 writes it"),
        ("from_time", "2025-01-01T00:00:60Z", "from_time must be a time that exists"),
        ("cursor", "abc", "cursor must be one that an earlier call returned"),
        ("cursor", "abc--1", "cursor must be one that an earlier call returned"),
        ("cursor", 5, "cursor must be one that an earlier call returned"),
    ],
)
def test_a_wrong_argument_is_named(name: str, value: Any, text: str) -> None:
    with pytest.raises(Refused) as info:
        query(**{name: value})
    assert info.value.error == "wamp.error.invalid_argument"
    assert info.value.text.startswith(text)


def test_who_may_see_it() -> None:
    def sees(**lists: Any) -> bool:
        return bool(page(query(), EXTENT, [event(3, **lists)]).events)

    some, none = frozenset({"ann", "clerk"}), frozenset({"bob", "boss"})
    assert sees()
    assert sees(eligible_authid=some, eligible_authrole=some, exclude_authid=none, exclude_authrole=none)
    assert not sees(eligible_authid=none)
    assert not sees(eligible_authrole=frozenset())
    assert not sees(exclude_authid=some)
    assert not sees(exclude_authrole=some)


def test_only_topics_of_the_subscription() -> None:
    exact = read_query({"topic": "com.b"}, "exact", "com.a", "", "", 9, 999)
    assert page(exact, EXTENT, [event(3, topic="com.a"), event(4, topic="com.b")]).events == []
    assert exact.one_topic == "com.a"
    assert query(topic="com.b").one_topic == "com.b"
    assert page(query(), EXTENT, [event(3, topic="org.a"), event(4, topic="com.b")]).events[0].seq == 4


def test_timestamp() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"
