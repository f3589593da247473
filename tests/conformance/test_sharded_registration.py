"""WAMP AP 'Sharded Registration': feature sharded_registration."""

import pytest
from wire_router import ANY

P = "com.example.find"


def shards(router, *keys):
    callees = [router.join() for _ in keys]
    for callee, key in zip(callees, keys, strict=True):
        callee.register(P, invoke="roundrobin", **({} if key is None else {"rkey": key}))
    return callees


def answer(callee, invocation, value):
    callee.expect_only([68, invocation, ANY, {}, ANY])
    callee.send([70, invocation, {}, [value]])


def test_a_call_goes_to_the_shard_that_it_names(router):
    """
    "calling a procedure which is offered by a sharded database, by routing the call to a single shard"
    """
    north, south = shards(router, "north", "south")
    caller = router.join()
    for invocation in (1, 2):
        request = caller.call(P, [1], runmode="partition", rkey="south")
        answer(south, invocation, "here")
        caller.expect([50, request, {}, ["here"]])
    north.expect_nothing()


def test_a_shard_may_have_replicas(router):
    """The invocation policy chooses among those that hold it."""
    callees = shards(router, "a", "b", "b")
    caller = router.join()
    for callee, invocation in ((callees[1], 1), (callees[2], 1), (callees[1], 2)):
        caller.call(P, [1], runmode="partition", rkey="b")
        callee.expect_only([68, invocation, ANY, {}, [1]])


def test_nobody_holds_the_shard(router):
    shards(router, "a")
    caller = router.join()
    request = caller.call(P, runmode="partition", rkey="z")
    caller.expect_only([8, 48, request, {}, "wamp.error.no_available_callee", ANY])


def test_without_names_the_key_chooses(router):
    """The same key always the same callee, and not all keys the same."""
    callees = shards(router, None, None, None)
    caller = router.join()
    chosen = {}
    for _ in range(2):
        for n in range(12):
            caller.call(P, [n], runmode="partition", rkey=f"customer-{n}")
            (got,) = [callee for callee in callees if callee.inbox]
            got.drain()
            assert chosen.setdefault(n, got) is got
    assert len(set(chosen.values())) > 1


def test_a_call_without_a_shard_goes_anywhere(router):
    callees = shards(router, "a", "b")
    caller = router.join()
    for callee in callees:
        caller.call(P, [1])
        callee.expect_only([68, 1, ANY, {}, [1]])


@pytest.mark.parametrize(
    "options", [{"runmode": "partition"}, {"rkey": "a"}, {"runmode": "all"}, {"runmode": 1, "rkey": "a"}]
)
def test_runmode_and_rkey_go_together(router, options):
    """
    "If CALL.Options.runmode == "partition", then CALL.Options.rkey MUST be present."
    """
    shards(router, "a")
    caller = router.join()
    request = caller.call(P, **options)
    caller.expect_only([8, 48, request, {}, "wamp.error.invalid_argument", ANY])


def test_a_shard_needs_a_shared_registration(router):
    callee = router.join()
    request = callee.next()
    callee.send([64, request, {"rkey": "a"}, P])
    callee.expect_only([8, 64, request, {}, "wamp.error.invalid_argument", ANY])
