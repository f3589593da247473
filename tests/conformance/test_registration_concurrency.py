"""``REGISTER.Options.concurrency``, as Autobahn and crossbar know it, with a bounded line."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter

from realms.config import Limits
from router.routing import placing

P = "com.example.work"


@pytest.fixture
def router(serializers):
    config = replace(CONFIG, limits=Limits(queued_calls_per_registration=3))
    router = WireRouter(serializers, config)
    yield router
    router.check()


def bounded(router, concurrency=1, **options):
    callee = router.join()
    callee.register(P, concurrency=concurrency, **options)
    return callee


def test_no_more_than_so_many_at_once_and_the_rest_waits_in_order(router):
    callee, caller = bounded(router, 2), router.join()
    requests = [caller.call(P, [n]) for n in range(4)]
    callee.expect_only([68, 1, ANY, {}, [0]], [68, 2, ANY, {}, [1]])
    callee.send([70, 2, {}, ["b"]])
    caller.expect([50, requests[1], {}, ["b"]])
    callee.expect_only([68, 3, ANY, {}, [2]])
    callee.send([8, 68, 1, {}, "com.example.no"], [70, 3, {}])
    caller.expect([8, 48, requests[0], {}, "com.example.no"], [50, requests[2], {}])
    callee.expect_only([68, 4, ANY, {}, [3]])
    callee.send([70, 4, {}])
    caller.expect([50, requests[3], {}])


def test_the_line_is_bounded(router):
    callee, caller = bounded(router), router.join()
    for n in range(4):
        caller.call(P, [n])
    one_more = caller.call(P)
    caller.expect_only([8, 48, one_more, {}, "concord.error.limit_exceeded", ANY])
    callee.expect_only([68, 1, ANY, {}, [0]])


def test_the_bytes_that_wait_are_bounded_for_each_caller(serializers):
    """What has left the line, however it did, makes room."""
    router = WireRouter(serializers, replace(CONFIG, limits=Limits(kept_call_bytes_per_session=100_000)))
    callee, greedy, other = bounded(router), router.join(), router.join()
    running = greedy.call(P)
    callee.drain()

    def fill():
        waiting = [greedy.call(P, ["x" * 40_000], surplus=["y" * 90_000]) for _ in range(2)]
        one_more = greedy.call(P, ["x" * 40_000])
        greedy.expect_only([8, 48, one_more, {}, "concord.error.limit_exceeded", ANY])
        return waiting

    for request in fill():
        greedy.send([49, request, {}])
    greedy.drain()
    waiting = fill()
    lucky = other.call(P, ["x" * 40_000])
    callee.send([70, 1, {}])
    greedy.expect_only([50, running, {}])
    for invocation, request in ((2, waiting[0]), (3, waiting[1])):
        callee.expect_only([68, invocation, ANY, {}, ["x" * 40_000]])
        callee.send([70, invocation, {}])
        greedy.expect_only([50, request, {}])
    callee.expect_only([68, 4, ANY, {}, ["x" * 40_000]])
    callee.send([70, 4, {}])
    other.expect_only([50, lucky, {}])
    running = greedy.call(P)
    assert len(callee.drain()) == 1
    fill()
    router.check()


def test_attributes_of_payload_passthru_mode_count_among_the_bytes(serializers):
    """They are passed on whatever they are, so they are kept as well."""
    router = WireRouter(serializers, replace(CONFIG, limits=Limits(kept_call_bytes_per_session=50_000)))
    callee, caller = bounded(router), router.join()
    caller.call(P)
    callee.drain()
    for large in ("x" * 60_000, ["x"] * 20_000, {"k": "x" * 60_000}):
        request = caller.call(P, [], ppt_scheme="x_custom", ppt_keyid=large)
        caller.expect_only([8, 48, request, {}, "concord.error.limit_exceeded", ANY])
    router.check()


def test_another_callee_with_room_takes_it(router):
    first, second, caller = bounded(router, invoke="first"), bounded(router, invoke="first"), router.join()
    caller.call(P, [1])
    caller.call(P, [2])
    first.expect_only([68, 1, ANY, {}, [1]])
    second.expect_only([68, 1, ANY, {}, [2]])


def test_a_new_callee_takes_what_waits(router):
    first, caller = bounded(router, invoke="first"), router.join()
    caller.call(P, [1])
    caller.call(P, [2])
    first.expect_only([68, 1, ANY, {}, [1]])
    second = bounded(router, invoke="first")
    second.expect_only([68, 1, ANY, {}, [2]])


def test_the_timeout_runs_while_a_call_waits(router):
    callee, caller = bounded(router), router.join()
    caller.call(P, [1])
    waiting = caller.call(P, [2], timeout=1000)
    router.advance(1001)
    caller.expect_only([8, 48, waiting, {}, "wamp.error.timeout", ANY])
    callee.expect([68, 1, ANY, {}, [1]])
    callee.send([70, 1, {}])
    caller.drain()
    callee.expect_nothing()


def test_it_runs_on_when_a_callee_has_it(router):
    callee, caller = bounded(router), router.join()
    first = caller.call(P, [1])
    second = caller.call(P, [2], timeout=1000)
    callee.expect([68, 1, ANY, {}, [1]])
    router.advance(900)
    callee.send([70, 1, {}])
    caller.expect([50, first, {}])
    callee.expect([68, 2, ANY, {}, [2]])
    router.advance(101)
    caller.expect_only([8, 48, second, {}, "wamp.error.timeout", ANY])
    callee.expect_only([69, 2, {"mode": "killnowait", "reason": "wamp.error.timeout"}])


@pytest.mark.parametrize("mode", ["skip", "kill", "killnowait"])
def test_a_waiting_call_is_canceled_at_once(router, mode):
    callee, caller = bounded(router), router.join()
    caller.call(P, [1])
    waiting = caller.call(P, [2])
    caller.send([49, waiting, {"mode": mode}])
    caller.expect_only([8, 48, waiting, {}, "wamp.error.canceled", ANY])
    callee.expect([68, 1, ANY, {}, [1]])
    callee.send([70, 1, {}])
    caller.drain()
    callee.expect_nothing()


def test_the_caller_of_a_waiting_call_leaves(router):
    callee, caller, other = bounded(router), router.join(), router.join()
    first = other.call(P, [1])
    caller.call(P, [2])
    caller.vanish()
    callee.expect([68, 1, ANY, {}, [1]])
    callee.send([70, 1, {}])
    other.expect([50, first, {}])
    callee.expect_nothing()


def test_the_only_callee_leaves(router):
    callee, caller = bounded(router), router.join()
    running, waiting = caller.call(P, [1]), caller.call(P, [2])
    callee.expect([68, 1, ANY, {}, [1]])
    callee.vanish()
    caller.expect_only(
        [8, 48, running, {}, "wamp.error.canceled", ANY],
        [8, 48, waiting, {}, "wamp.error.no_such_procedure", ANY],
    )


def test_one_of_two_callees_leaves(router):
    """What waits goes to the one that stays, when it is free."""
    first, second, caller = bounded(router, invoke="first"), bounded(router, invoke="first"), router.join()
    running = caller.call(P, [1])
    caller.call(P, [2])
    caller.call(P, [3])
    first.expect([68, 1, ANY, {}, [1]])
    second.expect([68, 1, ANY, {}, [2]])
    first.vanish()
    caller.expect_only([8, 48, running, {}, "wamp.error.canceled", ANY])
    second.send([70, 1, {}])
    caller.drain()
    second.expect_only([68, 2, ANY, {}, [3]])


def test_zero_means_any_number(router):
    callee, caller = bounded(router, 0), router.join()
    for n in range(5):
        caller.call(P, [n])
    callee.expect_only(*([68, n + 1, ANY, {}, [n]] for n in range(5)))


def test_a_progressive_call_does_not_wait(router):
    callee, caller = bounded(router), router.join()
    caller.call(P, [1])
    request = caller.call(P, [2], progress=True)
    caller.expect_only([8, 48, request, {}, "concord.error.limit_exceeded", ANY])
    callee.expect_only([68, 1, ANY, {}, [1]])


def test_it_counts_after_an_unregister(router):
    """What was invoked before is not forgotten when the same callee registers again."""
    callee, other, caller = bounded(router, invoke="first"), router.join(), router.join()
    other.register(P, invoke="first", concurrency=1)
    registration = callee.connection.session.registrations.copy().popitem()[0]
    first = caller.call(P, [1])
    callee.expect([68, 1, ANY, {}, [1]])
    request = callee.next()
    callee.send([66, request, registration])
    callee.expect([67, request])
    callee.register(P, invoke="first", concurrency=1)
    caller.call(P, [2])
    other.expect([68, 1, ANY, {}, [2]])
    third = caller.call(P, [3])
    callee.expect_nothing()
    callee.send([70, 1, {}])
    caller.expect([50, first, {}])
    callee.expect_only([68, 2, ANY, {}, [3]])
    callee.send([70, 2, {}])
    caller.expect([50, third, {}])


def test_a_canceled_call_gives_its_place(router):
    callee, caller = bounded(router), router.join()
    running, _ = caller.call(P, [1]), caller.call(P, [2])
    callee.expect([68, 1, ANY, {}, [1]])
    caller.send([49, running, {"mode": "killnowait"}])
    caller.expect([8, 48, running, {}, "wamp.error.canceled", ANY])
    callee.expect_only(
        [69, 1, {"mode": "killnowait", "reason": "wamp.error.canceled"}], [68, 2, ANY, {}, [2]]
    )


def test_declined_by_one_that_is_busy_otherwise(router):
    """A rerouted call waits where the others are full, and the decliner has room again."""
    first, second, caller = bounded(router, invoke="first"), bounded(router, invoke="first"), router.join()
    one, two = caller.call(P, [1]), caller.call(P, [2])
    first.expect([68, 1, ANY, {}, [1]])
    second.expect([68, 1, ANY, {}, [2]])
    first.send([8, 68, 1, {}, "wamp.error.unavailable"])
    caller.expect_nothing()
    second.send([70, 1, {}])
    caller.expect([50, two, {}])
    second.expect([68, 2, ANY, {}, [1]])
    second.send([8, 68, 2, {}, "wamp.error.unavailable"])
    caller.expect_only([8, 48, one, {}, "wamp.error.no_available_callee", ANY])
    first.expect_nothing()


def test_a_caller_with_a_running_and_a_waiting_call_leaves(router):
    """The end of the first one gives nobody the second."""
    callee, caller = bounded(router), router.join()
    caller.call(P, [1])
    caller.call(P, [2])
    callee.expect([68, 1, ANY, {}, [1]])
    caller.vanish()
    callee.expect_only([69, 1, {"mode": "killnowait", "reason": "wamp.error.canceled"}])


def test_what_waited_for_a_key_goes_to_another_callee(router):
    """The shard of a key is another one when its callee has unregistered."""
    callees = [bounded(router, invoke="first") for _ in range(2)]
    caller = router.join()
    for n in (1, 2):
        caller.call(P, [n], runmode="partition", rkey="customer")
    (busy,) = [callee for callee in callees if callee.inbox]
    (other,) = [callee for callee in callees if callee is not busy]
    busy.expect([68, 1, ANY, {}, [1]])
    registration = next(iter(busy.connection.session.registrations))
    request = busy.next()
    busy.send([66, request, registration])
    busy.expect([67, request])
    other.expect_only([68, 1, ANY, {}, [2]])


def test_what_waits_for_one_callee_costs_the_others_nothing(monkeypatch, router):
    """A caller that has filled the line with calls for one callee does not slow down each answer."""
    hashed = []
    rank = placing._rank
    monkeypatch.setattr(placing, "_rank", lambda text: hashed.append(text) or rank(text))
    callees = [bounded(router, invoke="roundrobin") for _ in range(4)]
    caller = router.join()
    for n in range(4):
        caller.call(P, [n])
    for n in range(3):
        caller.call(P, ["keyed", n], runmode="partition", rkey="k")
    assert len(hashed) == 3 * 4
    for callee in callees:
        callee.send([70, 1, {}])
    assert len(hashed) == 3 * 4
    assert sorted(len(callee.drain()) for callee in callees) == [1, 1, 1, 2]
    assert len(caller.drain()) == 4


def test_what_waits_goes_to_a_service_that_takes_the_place(router):
    """``force_reregister`` replaces who answers, and not what was asked."""
    dead, caller, returned = bounded(router), router.join(), router.join()
    running, _ = caller.call(P, [1]), caller.call(P, [2])
    dead.expect([68, 1, ANY, {}, [1]])
    request = returned.next()
    returned.send([64, request, {"force_reregister": True, "concurrency": 1}, P])
    returned.expect_only([65, request, ANY], [68, 1, ANY, {}, [2]])
    dead.expect([67, 0, ANY])
    dead.send([70, 1, {}, ["still"]])
    caller.expect_only([50, running, {}, ["still"]])
