"""The heap of deadlines: order, laziness, and its bound."""

import gc
import weakref

from hypothesis import given
from hypothesis import strategies as st

from router.routing.deadlines import Deadlines


class Item:
    """Something that a deadline is for."""


def test_none_means_no_deadline():
    deadlines = Deadlines()

    assert deadlines.next() is None
    assert deadlines.due(1e9) == []
    assert (len(deadlines), deadlines.entries) == (0, 0)


def test_due_earliest_first_and_equal_ones_in_the_order_of_their_start():
    deadlines = Deadlines()
    for item, when in (("c", 3.0), ("a1", 1.0), ("late", 3.5), ("a2", 1.0)):
        deadlines.start(item, when)

    assert deadlines.next() == 1.0
    assert deadlines.due(3.0) == ["a1", "a2", "c"]
    assert deadlines.next() == 3.5
    assert len(deadlines) == 1


def test_a_deadline_is_due_at_its_time_and_not_before():
    deadlines = Deadlines()
    deadlines.start("item", 2.0)

    assert deadlines.due(1.999) == []
    assert deadlines.due(2.0) == ["item"]
    assert deadlines.due(2.0) == []


def test_a_canceled_deadline_is_neither_next_nor_due():
    deadlines = Deadlines()
    first = deadlines.start("first", 1.0)
    for item in ("second", "third"):
        deadlines.start(item, 2.0)

    deadlines.cancel(first)

    assert deadlines.entries == 3  # stale, but outnumbered
    assert deadlines.next() == 2.0
    assert deadlines.entries == 2
    assert deadlines.due(9.0) == ["second", "third"]


def test_a_moved_deadline_is_due_at_its_new_time_without_a_second_entry():
    deadlines = Deadlines()
    timer = deadlines.start("moved", 1.0)
    deadlines.start("other", 2.0)

    for when in (1.5, 2.5, 3.0):
        deadlines.move(timer, when)

    assert deadlines.entries == 2
    assert deadlines.next() == 2.0
    assert deadlines.due(2.9) == ["other"]
    assert deadlines.next() == 3.0
    assert deadlines.due(3.0) == ["moved"]


def test_stale_entries_never_outnumber_live_ones():
    deadlines = Deadlines()
    deadlines.start("the one that stays", 1e6)
    for number in range(1000):
        deadlines.cancel(deadlines.start(number, 10.0 + number))
        assert deadlines.entries <= 2 * len(deadlines)

    assert deadlines.due(1e6) == ["the one that stays"]


def test_a_stale_entry_keeps_nothing_alive():
    deadlines = Deadlines()
    for _ in range(3):
        deadlines.start(Item(), 5.0)
    item = Item()
    seen = weakref.ref(item)
    timer = deadlines.start(item, 1.0)

    deadlines.cancel(timer)
    del item
    gc.collect()

    assert deadlines.entries == 4
    assert seen() is None


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("start"), st.integers(0, 20)),
            st.tuples(st.just("cancel"), st.integers(0, 20)),
            st.tuples(st.just("move"), st.integers(0, 20)),
            st.tuples(st.just("due"), st.integers(0, 20)),
        ),
        max_size=60,
    )
)
def test_it_agrees_with_a_plain_dict(steps):
    """Against a dict of item -> time; times only grow, as those of a monotonic clock do."""
    deadlines, timers, expected = Deadlines(), {}, {}
    for number, (step, value) in enumerate(steps):
        live = sorted(expected)
        if step == "start":
            timers[number] = deadlines.start(number, float(value))
            expected[number] = float(value)
        elif step == "due":
            over = sorted((when, item) for item, when in expected.items() if when <= value)
            assert sorted(deadlines.due(value)) == sorted(item for _, item in over)
            for _, item in over:
                del expected[item]
        elif live and step == "cancel":
            item = live[value % len(live)]
            deadlines.cancel(timers[item])
            del expected[item]
        elif live:
            item = live[value % len(live)]
            expected[item] += value
            deadlines.move(timers[item], expected[item])
        assert len(deadlines) == len(expected)
        assert deadlines.entries <= 2 * len(deadlines)
        assert deadlines.next() == min(expected.values(), default=None)
