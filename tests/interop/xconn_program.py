"""
An xconn client as a program: runs the checks over given transports and prints a JSON report.

    python xconn_program.py < cases.json

``cases``: name -> {"url": URL, "serializer": name, "secrets": authid -> secret}. The report: name ->
check -> "ok", or why not. xconn lives in an environment of its own, so nothing else is imported here.
"""

import asyncio
import inspect
import json
import sys
import time
import traceback
from typing import Any

from wampproto import auth, serializers
from xconn import AsyncClient
from xconn.exception import ApplicationError
from xconn.types import Invocation, Result

SECONDS = 20
UNICODE = "grüße ☃ 𝄞 \u2028 \u0001 日本語"
BINARY = bytes(range(256))
BIG = "0123456789abcdef" * 31_250  # 500 kB
SERIALIZERS = {
    "json": serializers.JSONSerializer,
    "msgpack": serializers.MsgPackSerializer,
    "cbor": serializers.CBORSerializer,
}


class Case:
    """The transport of one run."""

    def __init__(self, url: str, serializer: str, secrets: dict[str, str]) -> None:
        self.url, self.serializer, self.secrets = url, serializer, secrets

    async def join(self, authenticator: Any = None) -> Any:
        client = AsyncClient(authenticator or auth.AnonymousAuthenticator(""), SERIALIZERS[self.serializer]())
        return await client.connect(self.url, "interop")

    async def both(self) -> tuple[Any, Any]:
        return await self.join(), await self.join()


async def mirror(invocation: Invocation) -> Result:
    return Result(invocation.args, invocation.kwargs)


async def leave(*sessions: Any) -> None:
    for session in sessions:
        await session.leave()


async def error_of(awaitable: Any) -> str:
    try:
        await awaitable
    except ApplicationError as error:
        return str(error)
    raise AssertionError("no error")


async def check_join(case: Case) -> None:
    for authenticator, authid in (
        (auth.TicketAuthenticator("tina", case.secrets["tina"]), "tina"),
        (auth.WAMPCRAAuthenticator("carl", case.secrets["carl"]), "carl"),
        (auth.WAMPCRAAuthenticator("sally", case.secrets["sally"]), "sally"),
    ):
        session = await case.join(authenticator)
        assert session._base_session.authid == authid
        assert session._base_session.authrole == "member"
        await leave(session)


async def check_call(case: Case) -> None:
    one, two = await case.both()
    await one.register("call.mirror", mirror)
    values = [None, True, -1, 2**53, 0.5, "text", [1, [2, []]], {"a": {"b": []}}]
    result = await two.call("call.mirror", values, {"key": values})
    assert (result.args, result.kwargs) == (values, {"key": values})
    await leave(one, two)


async def check_error(case: Case) -> None:
    one, two = await case.both()

    async def fail(invocation: Invocation) -> Result:
        raise ApplicationError("error.of.app", "because")

    await one.register("error.fail", fail)
    assert "error.of.app" in await error_of(two.call("error.fail"))
    assert "wamp.error.no_such_procedure" in await error_of(two.call("error.nothing"))
    await leave(one, two)


async def check_publish(case: Case) -> None:
    one, two = await case.both()
    events: asyncio.Queue[Any] = asyncio.Queue()

    async def receive(event: Any) -> None:
        await events.put(event)

    await one.subscribe("publish.", receive, {"match": "prefix"})
    await two.publish("publish.topic", [1, "two"], {"three": [3]}, {"acknowledge": True})
    event = await events.get()
    assert (event.args, event.kwargs) == ([1, "two"], {"three": [3]})
    assert event.details["topic"] == "publish.topic"
    await leave(one, two)


async def check_timeout(case: Case) -> None:
    one, two = await case.both()
    late = asyncio.Event()

    async def wait(invocation: Invocation) -> Result:
        await late.wait()
        return Result(["too late"])

    await one.register("timeout.wait", wait)
    await one.register("timeout.alive", mirror)
    before = time.monotonic()
    assert "wamp.error.timeout" in await error_of(two.call("timeout.wait", options={"timeout": 100}))
    assert 0.1 <= time.monotonic() - before < 5
    late.set()
    assert (await two.call("timeout.alive", ["alive"])).args == ["alive"]
    await leave(one, two)


async def check_payloads(case: Case) -> None:
    one, two = await case.both()
    await one.register("payloads.mirror", mirror)
    result = await two.call("payloads.mirror", [UNICODE, BIG], {UNICODE: UNICODE})
    assert (result.args, result.kwargs) == ([UNICODE, BIG], {UNICODE: UNICODE})
    if case.serializer != "json":  # its JSON serializer takes no bytes
        assert (await two.call("payloads.mirror", [BINARY])).args == [BINARY]
    await leave(one, two)


async def check_meta(case: Case) -> None:
    one, two = await case.both()
    ids = {session._base_session.id for session in (one, two)}
    assert ids <= set((await one.call("wamp.session.list")).args[0])
    await leave(one, two)


async def run_check(check: Any, description: dict[str, Any]) -> str:
    try:
        await asyncio.wait_for(check(Case(**description)), SECONDS)
    except Exception:
        return traceback.format_exc()
    return "ok"


async def main(cases: dict[str, Any]) -> dict[str, dict[str, str]]:
    checks = [
        (name.removeprefix("check_"), check)
        for name, check in inspect.getmembers(sys.modules[__name__], inspect.iscoroutinefunction)
        if name.startswith("check_")
    ]
    report = {}
    for name, description in cases.items():
        results = await asyncio.gather(*(run_check(check, description) for _, check in checks))
        report[name] = dict(zip([name for name, _ in checks], results, strict=True))
    return report


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
