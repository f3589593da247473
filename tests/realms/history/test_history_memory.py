"""A history in memory, and its bounds."""

from typing import Any

import pytest

from realms.history.config import HistoryConfig
from realms.history.event import OVERHEAD_BYTES, Body
from realms.history.memory import MemoryStore
from realms.history.query import Query
from router.routing.options import Refused

BODY = Body({}, "json", b"[]")


def store(**limits: Any) -> MemoryStore:
    return MemoryStore(HistoryConfig(uri="", match="prefix", **limits), "abc")


def fill(store: MemoryStore, count: int, size_bytes: int = 300) -> None:
    for number in range(1, count + 1):
        store.keep(number * 1000, 900 + number, "com.topic", size_bytes, BODY)


def seqs(store: MemoryStore, now_ms: int = 0, **asked: Any) -> list[int]:
    given = {"match": "exact", "uri": "com.topic", "authid": "", "authrole": ""}
    query = Query(**{**given, "limit": 100, "page_bytes": 1 << 20, **asked})
    return [event.seq for event in store.reader(query, now_ms)().events]


def test_the_oldest_are_forgotten_when_there_are_too_many() -> None:
    kept = store(events=3)
    fill(kept, 5)
    assert seqs(kept) == [3, 4, 5]
    with pytest.raises(Refused, match="publication 902 is not in this history"):
        seqs(kept, publications={"after_publication": 902})
    assert seqs(kept, publications={"after_publication": 903}) == [4, 5]


def test_or_too_large() -> None:
    kept = store(bytes=1024)
    fill(kept, 5)
    assert seqs(kept) == [3, 4, 5]
    kept.keep(1, 1, "com.topic", 5000, BODY)
    assert len(kept) == 0


def test_or_too_old() -> None:
    """On reading as on writing."""
    kept = store(age_ms=2000)
    fill(kept, 5)
    assert seqs(kept, 5000) == [3, 4, 5]
    assert seqs(kept, 7000) == [5]
    assert seqs(kept, 7001) == []


def test_new_limits_hold_at_once() -> None:
    kept = store()
    fill(kept, 5)
    kept.config = HistoryConfig(uri="", match="prefix", events=1)
    assert seqs(kept) == [5]


def test_both_directions() -> None:
    kept = store(events=4)
    fill(kept, 6)
    assert seqs(kept, cursor=("abc", 4)) == [5, 6]
    assert seqs(kept, cursor=("abc", 1)) == [3, 4, 5, 6]
    assert seqs(kept, reverse=True, cursor=("abc", 5)) == [4, 3]
    assert seqs(kept, reverse=True, cursor=("abc", 2)) == []
    assert seqs(kept, publications={"until_publication": 903}) == [3]
    assert seqs(store()) == []


def test_a_page_is_of_the_moment_in_which_it_was_asked_for() -> None:
    kept = store()
    fill(kept, 2)
    query = Query(match="prefix", uri="", authid="", authrole="", limit=9, page_bytes=1 << 20)
    make = kept.reader(query, 0)
    fill(kept, 2)
    assert [event.seq for event in make().events] == [1, 2]


def test_a_publication_id_that_came_twice_is_its_last() -> None:
    """Ids are drawn at random: it will not happen, and must not break anything."""
    kept = store(events=2)
    for _ in range(3):
        kept.keep(0, 7, "com.topic", OVERHEAD_BYTES, BODY)
    assert seqs(kept, publications={"from_publication": 7}) == [3]
