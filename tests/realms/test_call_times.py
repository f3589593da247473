"""How long calls take: which are watched, and what stands in the histogram."""

from realm_play import NOW, play

from realms.call_times import WATCHED, Histogram
from router.wamp.messages import Yield


def called(one, count, seconds=0.02, answer=None):
    """Let ``b`` answer ``count`` calls of ``a``, each after so many seconds."""
    for _ in range(count):
        request = one.sessions["a"].last_request_id + 1
        [(_, invocation)] = one("a", [48, request, {}, "com.x"])
        one("b", answer(invocation[1]) if answer else [70, invocation[1], {}], NOW + seconds)


def served():
    one = play("a", "b")
    one("b", [64, 1, {}, "com.x"])
    return one


def test_values_are_counted_between_their_bounds():
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 3.0):
        histogram.add(value)
    assert histogram.counts == [2, 1, 1]
    assert (histogram.count, histogram.sum) == (4, 6.0)


def test_a_quantile_is_a_bound():
    histogram = Histogram((1.0, 2.0))
    assert histogram.quantile(0.5) is None
    for value in (0.5, 0.6, 1.5):
        histogram.add(value)
    assert [histogram.quantile(part) for part in (0.0, 0.5, 0.9)] == [1.0, 1.0, 2.0]
    histogram.add(3.0)
    assert histogram.quantile(0.99) is None


def test_nothing_is_watched_unarmed():
    one = served()
    called(one, 3)
    assert one.realm.call_times.histogram.count == 0


def test_so_many_answers_are_watched_then_the_dealer_is_alone_again():
    one = served()
    before = one.realm.routes[Yield]
    one.realm.call_times.arm()
    called(one, WATCHED + 3)
    histogram = one.realm.call_times.histogram
    assert histogram.count == WATCHED
    assert round(histogram.sum / WATCHED, 3) == 0.02
    assert one.realm.routes[Yield] == before


def test_arming_twice_watches_no_less():
    one = served()
    one.realm.call_times.arm()
    called(one, 1)
    one.realm.call_times.arm()
    called(one, WATCHED + 3)
    assert one.realm.call_times.histogram.count == WATCHED + 1


def test_errors_count_and_progress_does_not():
    one = served()
    one.realm.call_times.arm()
    called(one, 1, answer=lambda invocation: [8, 68, invocation, {}, "com.error"])
    one("a", [48, 2, {"receive_progress": True}, "com.x"])
    one("b", [70, 2, {"progress": True}], NOW + 1)
    assert one.realm.call_times.histogram.count == 1
    one("b", [70, 2, {}], NOW + 2)
    assert one.realm.call_times.histogram.count == 2
    assert one.realm.call_times.histogram.sum > 2
