"""
What an Autobahn client does with the router, on Twisted and on asyncio alike.

Rules of this file:

- A check joins with its own sessions, ``one`` and ``two``, over transports that may differ.
- All checks run at the same time. URIs are the check's own, so that checks do not meet.
- That something does not arrive is shown by what arrives next.
"""

import base64
import time
from typing import Any

from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallOptions, PublishOptions, RegisterOptions, SubscribeOptions

UNICODE = "grüße ☃ 𝄞 \u2028 \u0001 日本語"
BINARY = bytes(range(256))
BIG = "0123456789abcdef" * 31_250  # 500 kB
ACKNOWLEDGED = PublishOptions(acknowledge=True)
WITH_DETAILS = SubscribeOptions(details=True)


async def both(case: Any) -> tuple[Any, Any]:
    """Join twice, anonymously."""
    return await case.join("one"), await case.join("two")


async def leave(*sessions: Any) -> None:
    """Leave, and wait until it is done."""
    for session in sessions:
        session.leave()
        await session.left.take()


async def refused(awaitable: Any) -> ApplicationError:
    """Return the error that ``awaitable`` ends with."""
    try:
        result = await awaitable
    except ApplicationError as error:
        return error
    raise AssertionError(f"no error, but {result!r}")


async def check_join_anonymous(case: Any) -> None:
    session = await case.join("one")
    details = session.details
    assert (details.realm, details.authrole, details.authmethod) == ("interop", "guest", "anonymous")
    assert details.authid
    assert details.session > 0
    await leave(session)


async def check_join_ticket(case: Any) -> None:
    ticket = {"ticket": {"authid": "tina", "ticket": case.secrets["tina"]}}
    session = await case.join("one", ticket)
    details = session.details
    assert (details.authid, details.authrole, details.authmethod) == ("tina", "member", "ticket")
    await leave(session)


async def check_join_wampcra(case: Any) -> None:
    session = await case.join("one", {"wampcra": {"authid": "carl", "secret": case.secrets["carl"]}})
    details = session.details
    assert (details.authid, details.authrole, details.authmethod) == ("carl", "member", "wampcra")
    await leave(session)


async def check_join_wampcra_salted(case: Any) -> None:
    session = await case.join("one", {"wampcra": {"authid": "sally", "secret": case.secrets["sally"]}})
    assert session.details.authid == "sally"
    await leave(session)


async def check_join_refused(case: Any) -> None:
    wrong = await refused(case.join("one", {"wampcra": {"authid": "carl", "secret": "wrong"}}))
    unknown = await refused(case.join("one", {"wampcra": {"authid": "nobody", "secret": "wrong"}}))
    assert str(wrong) == str(unknown), (wrong, unknown)
    assert wrong.error == "wamp.error.authentication_denied", wrong


async def check_call(case: Any) -> None:
    one, two = await both(case)

    def add(*args: Any, **kwargs: Any) -> Any:
        return sum(args) + kwargs["c"]

    await one.register(add, "call.add")
    assert await two.call("call.add", 2, 3, c=4) == 9
    await one.register(lambda *args, **kwargs: {"args": list(args), "kwargs": kwargs}, "call.mirror")
    values = [None, True, -1, 2**53, 0.5, "text", [1, [2, []]], {"a": {"b": []}}]
    assert await two.call("call.mirror", *values, key=values) == {"args": values, "kwargs": {"key": values}}
    assert await two.call("call.mirror") == {"args": [], "kwargs": {}}
    await leave(one, two)


async def check_error(case: Any) -> None:
    one, two = await both(case)

    def fail(reason: str) -> None:
        raise ApplicationError("error.of.app", reason, 7, detail={"why": reason})

    await one.register(fail, "error.fail")
    error = await refused(two.call("error.fail", "because"))
    assert (error.error, list(error.args), error.kwargs) == (
        "error.of.app",
        ["because", 7],
        {"detail": {"why": "because"}},
    )
    assert (await refused(two.call("error.nothing"))).error == "wamp.error.no_such_procedure"
    reserved = await refused(two.register(fail, "wamp.fail"))
    assert reserved.error == "wamp.error.not_authorized", reserved
    again = await refused(two.register(fail, "error.fail"))
    assert again.error == "wamp.error.procedure_already_exists"
    await leave(one, two)


async def check_publish(case: Any) -> None:
    one, two = await both(case)
    inbox = case.inbox()
    subscription = await one.subscribe(inbox, "publish.topic", WITH_DETAILS)
    publication = await two.publish("publish.topic", 1, "two", options=ACKNOWLEDGED, three=[3])
    args, kwargs, details = await inbox.take()
    assert (args, kwargs) == ([1, "two"], {"three": [3]})
    assert details.publication == publication.id
    await subscription.unsubscribe()
    await two.publish("publish.topic", options=ACKNOWLEDGED)
    await one.subscribe(inbox, "publish.other")
    await two.publish("publish.other", "next", options=ACKNOWLEDGED)
    assert (await inbox.take())[0] == ["next"]
    await leave(one, two)


async def check_exclude_me(case: Any) -> None:
    one, two = await both(case)
    mine, theirs = case.inbox(), case.inbox()
    await one.subscribe(mine, "exclude.topic")
    await two.subscribe(theirs, "exclude.topic")
    await one.publish("exclude.topic", "not to me", options=ACKNOWLEDGED)
    await one.publish("exclude.topic", "to all", options=PublishOptions(acknowledge=True, exclude_me=False))
    assert (await mine.take())[0] == ["to all"]
    assert [(await theirs.take())[0] for _ in range(2)] == [["not to me"], ["to all"]]
    only_me = PublishOptions(acknowledge=True, exclude_me=False, eligible=[one._session_id])
    await one.publish("exclude.topic", "eligible", options=only_me)
    not_two = PublishOptions(acknowledge=True, exclude_me=False, exclude=[two._session_id])
    await one.publish("exclude.topic", "excluded", options=not_two)
    await one.publish("exclude.topic", "last", options=ACKNOWLEDGED)
    assert [(await mine.take())[0] for _ in range(2)] == [["eligible"], ["excluded"]]
    assert (await theirs.take())[0] == ["last"]
    await leave(one, two)


async def check_progressive_results(case: Any) -> None:
    one, two = await both(case)

    def count(to: int, details: Any = None) -> str:
        for number in range(to):
            details.progress(number, half=number / 2)
        return "done"

    await one.register(count, "progress.count", RegisterOptions(details=True))
    inbox = case.inbox()
    assert await two.call("progress.count", 3, options=CallOptions(on_progress=inbox)) == "done"
    assert [(await inbox.take())[:2] for _ in range(3)] == [([n], {"half": n / 2}) for n in range(3)]
    await leave(one, two)


async def check_cancel(case: Any) -> None:
    one, two = await both(case)
    started, interrupted = case.inbox(), case.inbox()

    def wait() -> Any:
        started()
        future = case.future(canceller=lambda _: interrupted())
        if hasattr(future, "add_done_callback"):  # asyncio's futures know no canceller
            future.add_done_callback(lambda f: interrupted() if f.cancelled() else None)
        return future

    await one.register(wait, "cancel.wait")
    await one.register(lambda: "alive", "cancel.alive")
    call = two.call("cancel.wait")
    if hasattr(call, "addErrback"):
        call.addErrback(lambda failure: None)
    await started.take()
    call.cancel()
    await interrupted.take()
    assert await two.call("cancel.alive") == "alive"
    await leave(one, two)


async def check_timeout(case: Any) -> None:
    one, two = await both(case)
    await one.register(case.future, "timeout.wait")
    await one.register(lambda: "alive", "timeout.alive")
    before = time.monotonic()
    error = await refused(two.call("timeout.wait", options=CallOptions(timeout=100)))
    assert error.error == "wamp.error.timeout"
    assert 0.1 <= time.monotonic() - before < 5
    assert await two.call("timeout.alive") == "alive"
    await leave(one, two)


async def check_pattern_subscription(case: Any) -> None:
    one, two = await both(case)
    prefix, wildcard = case.inbox(), case.inbox()
    await one.subscribe(prefix, "pattern.news.", SubscribeOptions(match="prefix", details=True))
    await one.subscribe(wildcard, "pattern..sport", SubscribeOptions(match="wildcard", details=True))
    for topic in ("pattern.news.sport", "pattern.old.sport", "pattern.news.sport.skiing"):
        await two.publish(topic, topic, options=ACKNOWLEDGED)
    for inbox, *topics in (
        (prefix, "pattern.news.sport", "pattern.news.sport.skiing"),
        (wildcard, "pattern.news.sport", "pattern.old.sport"),
    ):
        for topic in topics:
            args, _, details = await inbox.take()
            assert (args, details.topic) == ([topic], topic)
    await leave(one, two)


async def check_pattern_registration(case: Any) -> None:
    one, two = await both(case)

    def named(name: str) -> Any:
        return lambda details: [name, details.procedure]

    for name, uri in (("exact", "match.a.b"), ("prefix", "match.a."), ("wildcard", "match..b")):
        await one.register(named(name), uri, RegisterOptions(match=name, details=True))
    assert (await two.call("match.a.b"))[0] == "exact"
    assert await two.call("match.a.c") == ["prefix", "match.a.c"]
    assert await two.call("match.z.b") == ["wildcard", "match.z.b"]
    await leave(one, two)


async def check_shared_registration(case: Any) -> None:
    one, two = await both(case)
    options = RegisterOptions(invoke="roundrobin")
    await one.register(lambda: "one", "shared.who", options)
    await two.register(lambda: "two", "shared.who", options)
    answers = [await one.call("shared.who") for _ in range(4)]
    assert answers == ["one", "two", "one", "two"]
    other = await refused(two.register(lambda: 0, "shared.who", RegisterOptions(invoke="single")))
    assert other.error == "wamp.error.procedure_already_exists"
    await leave(one, two)


async def check_disclosure(case: Any) -> None:
    """Autobahn has no ``disclose_me``: the realm discloses."""
    one, two = await both(case)
    options = RegisterOptions(details=True)
    await one.register(lambda details: [details.caller, details.caller_authrole], "disclosed.who", options)
    await one.register(lambda details: [details.caller, details.caller_authrole], "hidden.who", options)
    assert await two.call("disclosed.who") == [two._session_id, "guest"]
    assert await two.call("hidden.who") == [None, None]
    inbox = case.inbox()
    await one.subscribe(inbox, "disclosed.topic", WITH_DETAILS)
    await one.subscribe(inbox, "hidden.topic", WITH_DETAILS)
    await two.publish("disclosed.topic", options=ACKNOWLEDGED)
    await two.publish("hidden.topic", options=ACKNOWLEDGED)
    known, unknown = (await inbox.take())[2], (await inbox.take())[2]
    assert (known.publisher, known.publisher_authrole) == (two._session_id, "guest")
    assert (unknown.publisher, unknown.publisher_authrole) == (None, None)
    await leave(one, two)


async def check_binary(case: Any) -> None:
    one, two = await both(case)
    received = case.inbox()

    def mirror(data: bytes, more: Any = None) -> Any:
        received(data, more)
        return data

    await one.register(mirror, "binary.mirror")
    assert await two.call("binary.mirror", BINARY, more=[BINARY]) == BINARY
    assert (await received.take())[0] == [BINARY, [BINARY]]
    await one.subscribe(received, "binary.topic")
    await two.publish("binary.topic", BINARY, more={"data": BINARY}, options=ACKNOWLEDGED)
    assert (await received.take())[:2] == ([BINARY], {"more": {"data": BINARY}})
    await leave(one, two)


async def check_unicode(case: Any) -> None:
    one, two = await both(case)
    await one.register(lambda text, **kwargs: [text, kwargs], "unicode.größe")
    assert await two.call("unicode.größe", UNICODE, **{UNICODE: UNICODE}) == [UNICODE, {UNICODE: UNICODE}]
    await leave(one, two)


async def check_big(case: Any) -> None:
    one, two = await both(case)
    await one.register(lambda text: text, "big.mirror")
    assert await two.call("big.mirror", BIG) == BIG
    inbox = case.inbox()
    await one.subscribe(inbox, "big.topic")
    await two.publish("big.topic", BIG, [base64.b64encode(BINARY).decode()] * 100, options=ACKNOWLEDGED)
    assert (await inbox.take())[0][0] == BIG
    await leave(one, two)


async def check_retained(case: Any) -> None:
    one, two = await both(case)
    for text in ("old", "new"):
        await two.publish("retained.topic", text, options=PublishOptions(acknowledge=True, retain=True))
    inbox = case.inbox()
    await one.subscribe(inbox, "retained.topic", SubscribeOptions(get_retained=True, details=True))
    args, _, details = await inbox.take()
    assert (args, details.retained) == (["new"], True)
    await leave(one, two)


async def check_meta(case: Any) -> None:
    one, two = await both(case)
    ids = {one._session_id, two._session_id}
    assert ids <= set(await one.call("wamp.session.list"))
    assert await one.call("wamp.session.count") >= 2
    details = await one.call("wamp.session.get", two._session_id)
    assert (details["session"], details["authrole"]) == (two._session_id, "guest")
    registration = await two.register(lambda: 0, "meta.procedure")
    assert await one.call("wamp.registration.match", "meta.procedure") == registration.id
    assert await one.call("wamp.registration.list_callees", registration.id) == [two._session_id]
    left = case.inbox()
    await one.subscribe(left, "wamp.session.on_leave")
    await leave(two)
    while (session := (await left.take())[0][0]) not in ids:
        pass
    assert session not in await one.call("wamp.session.list")
    assert await one.call("wamp.registration.match", "meta.procedure") is None
    await leave(one)


async def check_revocation(case: Any) -> None:
    """What is taken from a session does not break it off, whatever it announces and fails on."""
    one, two = await both(case)
    events = case.inbox()
    taken = await one.subscribe(events, "revocation.topic")
    await one.subscribe(events, "revocation.kept")
    procedure = await one.register(lambda: "one", "revocation.procedure")
    await one.register(lambda: "alive", "revocation.alive")
    await two.call("wamp.subscription.remove_subscriber", taken.id, one._session_id)
    await two.publish("revocation.topic", "taken", options=ACKNOWLEDGED)
    await two.publish("revocation.kept", "kept", options=ACKNOWLEDGED)
    assert (await events.take())[0] == ["kept"]
    await two.call("wamp.registration.remove_callee", procedure.id, one._session_id)
    assert (await refused(two.call("revocation.procedure"))).error == "wamp.error.no_such_procedure"
    await two.register(lambda: "two", "revocation.alive", RegisterOptions(force_reregister=True))
    assert await one.call("revocation.alive") == "two"
    await leave(one, two)


async def check_testament(case: Any) -> None:
    one, two = await both(case)
    inbox = case.inbox()
    await one.subscribe(inbox, "testament.topic")
    await two.call("wamp.session.add_testament", "testament.topic", ["farewell"], {"to": "all"})
    await leave(two)
    assert (await inbox.take())[:2] == (["farewell"], {"to": "all"})
    await leave(one)


async def check_kill(case: Any) -> None:
    one, two = await both(case)
    await one.call("wamp.session.kill", two._session_id, reason="com.example.begone", message="sorry")
    details = (await two.left.take())[0][0]
    assert (details.reason, details.message) == ("com.example.begone", "sorry")
    await leave(one)


async def check_goodbye(case: Any) -> None:
    session = await case.join("one")
    session.leave("wamp.close.normal")
    details = (await session.left.take())[0][0]
    assert details.reason == "wamp.close.goodbye_and_out"
