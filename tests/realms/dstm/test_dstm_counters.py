"""Counters: what happens how often, and where most."""

from realms.dstm.counters import Counters, PathCounter


def test_the_busiest_come_first() -> None:
    counter = PathCounter(10)
    counter.add(["/a", "/b", "/a"])
    counter.add(["/c", "/a", "/b"])
    assert counter.busiest(2) == [("/a", 3), ("/b", 2)]


def test_pointers_are_bounded() -> None:
    """The rarer half goes."""
    counter = PathCounter(2)
    counter.add(["/hot"] * 3)
    for number in range(1000):
        counter.add([f"/{number}"])
        assert len(counter.busiest(10)) <= 4
    assert counter.busiest(1) == [("/hot", 3)]


def test_numbers_by_name() -> None:
    counters = Counters(10)
    counters.commits += 2
    assert counters.plain() == {
        "commits": 2,
        "conflicts": 0,
        "rejects": 0,
        "repetitions": 0,
        "flushes": 0,
        "failures": 0,
    }
