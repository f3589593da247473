"""
What the DSTM client does with a router, on Twisted and on asyncio alike; run by dstm_program.py.

Rules of this file:

- A check has a space of its own, named after it, and joins with its own sessions, ``one`` and ``two``.
- A check may be run again on what it has left behind.
"""

from typing import Any

import realms.dstm.client as dstm

UNICODE = "grüße ☃ 𝄞 \u2028 \u0001 日本語 ~/"


async def both(case: Any, name: str, paths: list[str] | None = None) -> tuple[dstm.Space, dstm.Space]:
    """Open a space from two sessions."""
    one, two = [await dstm.open(await case.join(side), name, paths) for side in ("one", "two")]
    return one, two


async def refused(awaitable: Any) -> dstm.DstmError:
    """Return the error that ``awaitable`` ends with."""
    try:
        result = await awaitable
    except dstm.DstmError as error:
        return error
    raise AssertionError(f"no error, but {result!r}")


def put(tx: dstm.Tx, pointer: str, value: Any) -> None:
    tx[pointer] = value


def count(tx: dstm.Tx, pointer: str = "/count") -> int:
    """Read and write: it conflicts with every other."""
    tx[pointer] = tx.get(pointer, 0) + 1
    return int(tx[pointer])


def until(tx: dstm.Tx, pointer: str, value: Any) -> None:
    if tx.get(pointer) != value:
        tx.retry()


async def check_values(case: Any) -> None:
    one, two = await both(case, "values")
    value = {
        UNICODE: [
            None,
            True,
            False,
            -1,
            0.5,
            1e-300,
            2**53 - 1,
            -(2**53) + 1,
            "",
            [],
            {},
            [{"a": [UNICODE]}],
        ],
        "": {"": {"a/b": 1, "m~n": 2}},
    }
    await one.atomically(put, "", {})
    await two.atomically(until, "", {})
    version = await one.atomically(put, "", value)
    await two.atomically(until, "", value)
    assert one[""] == two[""] == value
    assert (one.version, two.version, one.epoch) == (version, version, two.epoch)
    assert type(two[f"/{UNICODE.replace('~', '~0').replace('/', '~1')}/6"]) is int
    assert two["///m~0n"] == 2


async def check_conflicts(case: Any) -> None:
    one, two = await both(case, "conflicts")
    await one.atomically(put, "", {})
    await two.atomically(until, "", {})
    promises = [space.atomically(count) for _ in range(10) for space in (one, two)]
    outcomes = [await promise for promise in promises]
    assert sorted(outcome.value for outcome in outcomes) == list(range(1, 21))
    assert [outcome.value for outcome in sorted(outcomes)] == list(range(1, 21))
    for space in (one, two):
        await space.atomically(until, "/count", 20)
    assert one.counters.conflicts + two.counters.conflicts > 0
    assert one.counters.digests + two.counters.digests > 0
    assert one.counters.mismatches == two.counters.mismatches == 0


async def check_hot_counter(case: Any) -> None:
    one, two = await both(case, "hot_counter")
    await one.atomically(put, "", {"left": 15})
    await two.atomically(until, "", {"left": 15})

    def take(tx: dstm.Tx) -> None:
        tx.inc("/left", -1, min=0)

    promises = [space.atomically(take) for _ in range(10) for space in (one, two)]
    errors = []
    for promise in promises:
        try:
            await promise
        except dstm.DstmError as error:
            errors.append(error.uri)
    assert errors == ["dstm.error.constraint"] * 5
    assert one.counters.conflicts == two.counters.conflicts == 0


async def check_retry(case: Any) -> None:
    one, two = await both(case, "retry")
    await one.atomically(put, "", {"q1": [], "q2": []})
    await two.atomically(until, "", {"q1": [], "q2": []})

    def take(queue: str) -> Any:
        def take_from(tx: dstm.Tx) -> Any:
            if not tx[queue]:
                tx.retry()
            value = tx[f"{queue}/0"]
            del tx[f"{queue}/0"]
            return value

        return take_from

    either = dstm.or_else(take("/q1"), take("/q2"))
    waiting = [one.atomically(either) for _ in range(4)]
    for number in range(4):
        await two.atomically(lambda tx, n=number: tx.push(f"/q{1 + n % 2}", n))
    assert sorted([(await promise).value for promise in waiting]) == [0, 1, 2, 3]
    assert one[""] == {"q1": [], "q2": []}


async def check_watch(case: Any) -> None:
    one, two = await both(case, "watch")
    await one.atomically(put, "", {"a": {"b": 0}})
    await two.atomically(until, "", {"a": {"b": 0}})
    told: list[Any] = []
    stop = two.watch("/a/b", told.append)
    for number in (1, 2, 3):
        await one.atomically(put, "/a/b", number)
        await one.atomically(put, "/c", number)
        await two.atomically(until, "/c", number)
    stop()
    await one.atomically(put, "/a/b", 4)
    await two.atomically(until, "/a/b", 4)
    assert told == [1, 2, 3]


async def check_partial(case: Any) -> None:
    whole = await dstm.open(await case.join("one"), "partial")
    await whole.atomically(put, "", {"a": {"x": 1}, "b": {"y": 2}, "c": [3]})
    part = await dstm.open(await case.join("two"), "partial", ["/a", "/c"])
    assert part[""] == {"a": {"x": 1}, "c": [3]}
    for number in range(5):
        await whole.atomically(put, "/b/y", number)
        await whole.atomically(put, "/a/x", number)
    await part.atomically(until, "/a/x", 4)
    await part.atomically(count, "/a/x")
    await whole.atomically(until, "/a/x", 5)
    assert whole["/b/y"] == 4
    assert part[""] == {"a": {"x": 5}, "c": [3]}
    error = await refused(part.atomically(lambda tx: tx["/b"]))
    assert "partial replica" in error.text
    conflicts = [space.atomically(count, "/a/x") for _ in range(5) for space in (whole, part)]
    for conflict in conflicts:
        await conflict
    await part.atomically(until, "/a/x", 15)
    assert part.counters.mismatches == 0


async def check_large(case: Any) -> None:
    """More than one page, with arrays and objects that go across them."""
    value = {
        "list": [{"text": "x" * 1000, "number": number} for number in range(600)],
        "object": {f"key {number}": "ü" * 200 for number in range(1500)},
    }
    session = await case.join("one")
    await session.call("dstm.large.put", "", {"list": value["list"]})
    await session.call("dstm.large.put", "/object", value["object"])
    space = await dstm.open(session, "large")
    assert space[""] == value
    assert len(space.keys("/object")) == 1500
    assert (await space.atomically(count, "/list/7/number")).value == 8


async def check_strict(case: Any) -> None:
    """What is there is found, however old the replica is."""
    one, two = await both(case, "strict")
    for number in range(5):
        await one.atomically(put, f"/{number}", number)
        version = await two.atomically(lambda tx, n=number: tx[f"/{n}"], strict=True)
        assert version.value == number
        await one.atomically(put, "", {})


async def check_publish(case: Any) -> None:
    session = await case.join("one")
    space = await dstm.open(session, "publish")
    inbox = case.inbox()
    await (await case.join("two")).subscribe(inbox, "com.example.dstm")
    await space.atomically(lambda tx: tx.publish("com.example.dstm", 1, two=[2]))
    args, kwargs, _ = await inbox.take()
    assert (args, kwargs) == ([1], {"two": [2]})


async def check_presence(case: Any) -> None:
    one = await dstm.open(await case.join("one"), "presence")
    session = await case.join("two")
    two = await dstm.open(session, "presence")
    await two.atomically(lambda tx: tx.put("/here", True, bind="session"))
    await one.atomically(until, "/here", True)
    session.leave()
    await session.left.take()
    await one.atomically(until, "/here", None)
    assert two.state is dstm.State.DETACHED


async def check_errors(case: Any) -> None:
    session = await case.join("one")
    error = await refused(dstm.open(session, "unknown"))
    assert error.uri in ("dstm.error.no_such_space", "wamp.error.no_such_procedure"), error
    space = await dstm.open(session, "errors")
    await space.atomically(put, "", {"text": "x"})
    assert (await refused(space.atomically(lambda tx: tx.inc("/text", 1)))).uri == "dstm.error.invalid"
    too_large = await refused(space.atomically(lambda tx: [tx.inc("/n", 1) for _ in range(1001)]))
    assert too_large.uri == "dstm.error.too_large"
    assert (await space.atomically(put, "/text", "y")) == space.version


async def check_broken_connections(case: Any) -> None:
    """Each break comes while transactions are under way; each of them happens exactly once."""
    other = await dstm.open(await case.join("two"), "broken")
    await other.atomically(put, "", {"count": 0})
    space = dstm.Space("broken")
    promises = []
    for _ in range(5):
        session = await case.join("one")
        await space.attach(session)
        promises += [space.atomically(lambda tx: tx.inc("/count", 1)) for _ in range(5)]
        promises += [space.atomically(count) for _ in range(5)]
        session.disconnect()
        await session.left.take()
        assert space.state is dstm.State.DETACHED
        await other.atomically(count, "/other")
    await space.attach(await case.join("one"))
    versions = [await promise for promise in promises]
    assert len(set(versions)) == 50
    await other.atomically(until, "/count", 50)
    await space.atomically(until, "/other", 5)
    assert space[""] == other[""] == {"count": 50, "other": 5}
    assert space.counters.resubmissions > 0
    space.close()
