"""Pages: parts of bounded size that put together give what was asked for."""

from itertools import chain
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realms.dstm.access import BOTH, READ, UNIFORM, Rule, Rules, read_pattern
from realms.dstm.document import MISSING, Document
from realms.dstm.paging import (
    NODES_PER_PART,
    PARTS_PER_PAGE,
    Cursors,
    Page,
    Part,
    assembled,
    page_of,
    parts_of,
    weighed,
)
from realms.dstm.visible import visible

ALL = UNIFORM[BOTH]


def parts(value: Any, limit: int, path: tuple[str, ...] = (), sight: Any = ALL) -> list[Part]:
    return list(parts_of(Document.of(value).find(path), path, sight, limit))


def pages(value: Any, limit: int) -> list[Page]:
    found = [page_of(iter(parts(value, limit)), limit)]
    while found[-1].rest is not None:
        found.append(page_of(found[-1].rest, limit))
    return found


def test_what_fits_is_one_part() -> None:
    value = {"a": {"b": [1, 2]}, "c": None}
    assert parts(value, 1000) == [Part((), value, parts(value, 1000)[0].bytes)]
    assert page_of(iter(parts(value, 1000)), 1000).wire() == [["", value]]


def test_what_is_too_large_begins_empty_and_its_members_follow() -> None:
    value = {"a": {"x": "x" * 50, "y": "y" * 50}, "b": ["z" * 50, {"w": 1}], "c": 1}
    wire = [part for page in pages(value, 60) for part in page.wire()]
    assert wire == [
        ["", {}],
        ["/a", {}],
        ["/a/x", "x" * 50],
        ["/a/y", "y" * 50],
        ["/b", []],
        ["/b/0", "z" * 50],
        ["/b/1", {"w": 1}],
        ["/c", 1],
    ]


def test_a_text_longer_than_a_page_is_a_part() -> None:
    assert parts("x" * 500, 100)[0].value == "x" * 500


def test_pages_are_about_as_large_as_the_limit() -> None:
    value = {f"key{number}": "v" * 40 for number in range(500)}
    found = pages(value, 1000)
    assert len(found) > 20
    assert all(len(msgspec.json.encode(page.wire())) < 1200 for page in found)
    assert all(page.rest is None for page in found[-1:])
    assert assembled(chain.from_iterable(page.parts for page in found)) == value


def test_a_page_has_a_bounded_number_of_parts() -> None:
    value = {str(number): 0 for number in range(2 * PARTS_PER_PAGE)}
    assert [len(page.parts) for page in pages(value, 2**20)] == [1]
    wide = pages({str(number): 0 for number in range(2 * NODES_PER_PART)}, 2**20)
    assert len(wide) == 2 * NODES_PER_PART // PARTS_PER_PAGE + 1
    many = page_of(iter([Part((), {}, 1)] * (PARTS_PER_PAGE + 1)), 2**20)
    assert len(many.parts) == PARTS_PER_PAGE
    assert many.rest is not None
    assert list(many.rest) == [Part((), {}, 1)]


def test_an_empty_answer_is_an_empty_page() -> None:
    assert parts_of(MISSING, (), ALL, 100) is not None
    assert page_of(parts_of(MISSING, (), ALL, 100), 100) == Page([], None)
    assert assembled([]) is MISSING


def test_the_parts_of_a_member_begin_with_its_pointer() -> None:
    found = parts({"a": {"b": ["x" * 50, "y" * 50]}}, 40, ("a", "b"))
    assert [part.path for part in found] == [("a", "b"), ("a", "b", "0"), ("a", "b", "1")]
    assert assembled(found, ("a", "b")) == ["x" * 50, "y" * 50]


def test_weighing_stops_above_the_limit() -> None:
    node = Document.of({f"{number:04}": [number] for number in range(1000)}).find(())
    assert weighed(node, 10**9) == 1000 * (8 + 5 + 6)
    assert 5000 < weighed(node, 5000) < 20_000


def test_what_has_very_many_nodes_counts_as_too_large() -> None:
    deep = Document.of([[[0] * 100] * 10] * 5).find(())
    assert weighed(deep, 10**9) == 10**9 + 1
    wide = Document.of([0] * (NODES_PER_PART + 1)).find(())
    assert weighed(wide, 10**9) == 10**9 + 1


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("abc/~", max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUE, st.integers(1, 80))
def test_parts_put_together_give_the_value(value: Any, limit: int) -> None:
    found = [part for page in pages(value, limit) for part in page.parts]
    assert assembled(found) == Document.of(value).plain()


@given(
    st.dictionaries(st.sampled_from("ab"), VALUE, max_size=2),
    st.dictionaries(
        st.sampled_from(["/a", "/a/**", "/*/a", "/b/*", "/**", "/a/a/**"]),
        st.sampled_from([0, READ]),
        max_size=3,
    ),
    st.integers(1, 80),
)
def test_parts_show_what_the_sight_shows(value: Any, rules: dict[str, int], limit: int) -> None:
    sight: Any = Rules(Rule(read_pattern(pattern), mask) for pattern, mask in rules.items()).sight("")
    node = Document.of(value).find(())
    assert assembled(parts(value, limit, sight=sight)) == visible(node, sight)


@pytest.fixture
def cursors() -> Cursors:
    return Cursors(per_session=2, timeout_ms=100)


def keep(cursors: Cursors, session_id: int, now_ms: int = 0) -> str:
    return cursors.keep(session_id, iter([Part((), 1, 1)]), {"version": 7}, now_ms)


def test_a_page_is_given_once_and_to_its_session(cursors: Cursors) -> None:
    token = keep(cursors, 1)
    assert cursors.take(2, token, 0) is None
    waiting = cursors.take(1, token, 99)
    assert waiting is not None
    assert waiting.kwargs == {"version": 7}
    assert cursors.take(1, token, 99) is None
    assert cursors.take(1, 17, 0) is None


def test_the_oldest_page_makes_room(cursors: Cursors) -> None:
    tokens = [keep(cursors, 1) for _ in range(3)]
    assert [cursors.take(1, token, 0) is None for token in tokens] == [True, False, False]


def test_pages_are_forgotten_in_time_and_with_their_session(cursors: Cursors) -> None:
    late, early = keep(cursors, 1), keep(cursors, 2, 50)
    assert cursors.take(1, late, 100) is None
    keep(cursors, 1)
    assert cursors.expire(100)
    assert not cursors.expire(150)
    assert cursors.take(2, early, 0) is None
    token = keep(cursors, 3)
    cursors.left(3)
    cursors.left(4)
    assert cursors.take(3, token, 0) is None
