"""Event history under random publications and questions: both stores give what a plain list gives."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realms.history.config import HistoryConfig
from realms.history.database import Batch, Database
from realms.history.event import Body, Kept
from realms.history.memory import MemoryStore
from realms.history.query import read_query
from router.routing.options import Refused

TOPICS = ("com.a", "com.b", "com.b.c")
NAMES = st.none() | st.none() | st.frozensets(st.sampled_from(["ann", "bob"]), max_size=2)

# time in ms, which may run backwards; topic; eligible and excluded authids
one_event = st.tuples(st.integers(0, 9), st.sampled_from(TOPICS), NAMES, NAMES)
events = st.lists(one_event, min_size=6, max_size=25)
patterns = st.sampled_from(
    [("prefix", ""), ("prefix", ""), ("prefix", "com.b"), ("exact", "com.a"), ("wildcard", "com.")]
)


def time_of(ms):
    """Write a time so that texts are in the order of times."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")


def asked_of(count):
    """Draw the keyword arguments of a call about ``count`` publications, 101 and following."""
    times = st.integers(-1, 10).map(lambda ms: time_of(max(0, ms)))
    publications = st.integers(101, 102 + count)
    names = ("from", "after", "before", "until")
    optional = {
        **{f"{name}_time": times for name in names},
        **{f"{name}_publication": publications for name in names},
        "topic": st.sampled_from(TOPICS),
    }
    how = {"reverse": st.booleans(), "limit": st.sampled_from([1, 2, 5, 1000])}
    some = st.lists(st.sampled_from(sorted(optional)), max_size=2, unique=True)
    return some.flatmap(
        lambda chosen: st.fixed_dictionaries({**how, **{name: optional[name] for name in chosen}})
    )


def matches(match, uri, topic):
    if match == "wildcard":
        ours, theirs = uri.split("."), topic.split(".")
        return len(ours) == len(theirs) and all(a in ("", b) for a, b in zip(ours, theirs, strict=True))
    return topic == uri if match == "exact" else topic.startswith(uri)


def naive(kept, match, uri, asked):
    """Answer in the words of the specification: ``None`` where a publication that is named is not there."""
    order = {event.publication: place for place, event in enumerate(kept)}
    named = {name: asked[name] for name in asked if name.endswith("_publication")}
    if any(publication not in order for publication in named.values()):
        return None
    tests = {
        "from": lambda a, b: a >= b,
        "after": lambda a, b: a > b,
        "before": lambda a, b: a < b,
        "until": lambda a, b: a <= b,
    }

    def is_meant(event):
        place, body = order[event.publication], event.body
        return (
            matches(match, uri, event.topic)
            and asked.get("topic", event.topic) == event.topic
            and (body.eligible_authid is None or "ann" in body.eligible_authid)
            and (body.exclude_authid is None or "ann" not in body.exclude_authid)
            and all(tests[name[:-12]](place, order[publication]) for name, publication in named.items())
            and all(
                tests[name[:-5]](
                    datetime.fromisoformat(time_of(event.time_ms)), datetime.fromisoformat(value)
                )
                for name, value in asked.items()
                if name.endswith("_time")
            )
        )

    found = [event.publication for event in kept if is_meant(event)]
    return found[::-1] if asked["reverse"] else found


def pages(read, match, uri, asked):
    """Follow the cursor to the end: give the publications, each page within the limit."""
    found, cursor, more = [], None, True
    while more:
        query = read_query({**asked, "cursor": cursor}, match, uri, "ann", "clerk", 1000, 1 << 20)
        page = read(query)
        assert not page.gap
        assert len(page.events) <= asked["limit"]
        assert not page.more or len(page.events) == asked["limit"]
        found += [event.publication for event in page.events]
        cursor, more = page.cursor, page.more
    last = read_query({**asked, "cursor": cursor}, match, uri, "ann", "clerk", 1000, 1 << 20)
    assert read(last).events == []
    return found


@given(given_events=events, most=st.sampled_from([1, 4, 10, 30]), pattern=patterns, data=st.data())
@settings(max_examples=50, deadline=None)
def test_both_stores_give_what_a_list_gives(given_events, most, pattern, data):
    """Every condition, both directions, page by page, with the oldest events forgotten."""
    kept = [
        Kept(seq, time_ms, 100 + seq, topic, 300, Body({}, "json", None, None, eligible, None, excluded))
        for seq, (time_ms, topic, eligible, excluded) in enumerate(given_events, start=1)
    ]
    memory = MemoryStore(HistoryConfig(uri="", match="prefix", events=most), "abc")
    for event in kept:
        memory.keep(event.time_ms, event.publication, event.topic, event.size_bytes, event.body)
    with tempfile.TemporaryDirectory() as directory:
        database = Database(Path(directory) / "events.sqlite")
        history = database.open("prefix", "", "abc").id
        for start in range(0, len(kept), 4):
            database.write([Batch(history, kept[start : start + 4], 0, most, 1 << 40, 0)])
        for asked in data.draw(st.lists(asked_of(len(kept)), min_size=6, max_size=12), label="asked"):
            expected = naive(kept[-most:], *pattern, asked)
            for read in (
                lambda query: memory.reader(query, 0)(),
                lambda query: database.read(history, query),
            ):
                if expected is None:
                    with pytest.raises(Refused, match="is not in this history"):
                        pages(read, *pattern, asked)
                else:
                    assert pages(read, *pattern, asked) == expected
        database.close()
