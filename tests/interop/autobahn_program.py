"""
An Autobahn client as a program: runs the checks over given transports and prints a JSON report.

    python autobahn_program.py twisted|asyncio < cases.json

``cases``: name -> {"one": transport, "two": transport, "secrets": authid -> secret}, transports as
Autobahn's ``Component`` takes them; in ``tls`` may stand the client's ``certificate`` and ``key``, files.
The report: name -> check -> "ok", or why not.
"""

import asyncio
import contextlib
import inspect
import json
import logging
import ssl
import sys
import traceback
from pathlib import Path
from typing import Any

import autobahn_checks
import txaio
from autobahn.wamp.exception import ApplicationError, TransportLost
from twisted.internet import defer, task

SECONDS = 20


class Inbox:
    """What a handler received, to be awaited in order: (args, kwargs, details)."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._waiting: list[Any] = []

    def __call__(self, *args: Any, details: Any = None, **kwargs: Any) -> None:
        if self._waiting:
            txaio.resolve(self._waiting.pop(0), (list(args), kwargs, details))
        else:
            self._items.append((list(args), kwargs, details))

    async def take(self) -> Any:
        """Wait for the next one."""
        if self._items:
            return self._items.pop(0)
        future = txaio.create_future()
        self._waiting.append(future)
        return await future


class Case:
    """The two transports of one run, and what a check may ask for."""

    def __init__(self, framework: Any, description: dict[str, Any]) -> None:
        self._framework = framework
        self._transports = {name: description[name] for name in ("one", "two")}
        self.secrets = description["secrets"]
        self._sessions: list[Any] = []
        self.inbox = Inbox
        self.future = txaio.create_future

    async def join(self, side: str, authentication: Any = None, hello: Any = None, answer: Any = None) -> Any:
        """
        Join by the transport ``side`` ("one" or "two"), and return the session.

        Who joins is said by ``authentication``, as Autobahn has it, or by ``hello``, what a session's own
        ``join`` takes, and ``answer``: the challenge -> the signature, as ``onChallenge`` does.

        Its ``left`` is an inbox of the CloseDetails. Raises ApplicationError where the router refuses.
        """
        joined = txaio.create_future()
        left = Inbox()
        component = self._framework.component(
            transports=self._framework.transport({**self._transports[side], "max_retries": 0}),
            realm="interop",
            authentication=authentication,
            session_factory=_session(self._framework.session, hello, answer) if hello is not None else None,
        )

        def on_join(session: Any, details: Any) -> None:
            session.left, session.details = left, details
            self._sessions.append(session)
            txaio.resolve(joined, session)

        def on_leave(session: Any, details: Any) -> None:
            left(details)
            if not txaio.is_called(joined):
                txaio.reject(joined, ApplicationError(details.reason, details.message))

        def on_failure(_: Any, error: Exception) -> None:
            # On asyncio, a refusal counts as a lost transport, even though ``on_leave`` is told the reason.
            if not isinstance(error, ApplicationError | TransportLost) and not txaio.is_called(joined):
                txaio.reject(joined, error)

        component.on("join", on_join)
        component.on("leave", on_leave)
        component.on("connectfailure", on_failure)
        done = component.start(self._framework.loop)
        txaio.add_callbacks(done, None, lambda failure: None)
        return await joined

    async def close(self) -> None:
        """End the sessions that a failed check left behind, so that no other check meets them."""
        for session in self._sessions:
            if session.is_attached():
                session.leave()
                await session.left.take()


def _session(base: Any, hello: dict[str, Any], answer: Any) -> Any:
    """Make the class of a session that says of itself what it is told."""

    class Session(base):  # type: ignore[misc]
        def onConnect(self) -> None:
            self.join(self.config.realm, **hello)

        def onChallenge(self, challenge: Any) -> Any:
            return answer(challenge)

    return Session


class OnTwisted:
    """Twisted's reactor. ``together`` awaits coroutines at the same time, ``within`` one for some seconds."""

    def __init__(self) -> None:
        from autobahn.twisted.component import Component
        from autobahn.twisted.wamp import ApplicationSession
        from twisted.internet import reactor

        self.loop, self.component, self.session = reactor, Component, ApplicationSession

    def transport(self, described: dict[str, Any]) -> dict[str, Any]:
        """Make of a client's certificate what Autobahn takes."""
        tls = described.get("endpoint", {}).get("tls", {})
        if "certificate" not in tls:
            return described
        from twisted.internet.ssl import Certificate, PrivateCertificate, optionsForClientTLS

        root = Certificate.loadPEM(Path(tls["trust_root"]).read_bytes())
        own = PrivateCertificate.loadPEM(
            Path(tls["certificate"]).read_bytes() + Path(tls["key"]).read_bytes()
        )
        options = optionsForClientTLS(tls["hostname"], root, own)
        return {**described, "endpoint": {**described["endpoint"], "tls": options}}

    def together(self, coroutines: list[Any]) -> Any:
        return defer.gatherResults([defer.ensureDeferred(coroutine) for coroutine in coroutines])

    def within(self, coroutine: Any, seconds: float) -> Any:
        return defer.ensureDeferred(coroutine).addTimeout(seconds, self.loop)

    def run(self, main: Any) -> None:
        with contextlib.suppress(SystemExit):  # how ``react`` ends
            task.react(lambda reactor: defer.ensureDeferred(main(self)))


class OnAsyncio:
    """asyncio's event loop, likewise."""

    def __init__(self) -> None:
        from autobahn.asyncio.component import Component
        from autobahn.asyncio.wamp import ApplicationSession

        self.loop, self.component, self.session = None, Component, ApplicationSession

    def transport(self, described: dict[str, Any]) -> dict[str, Any]:
        tls = described.get("endpoint", {}).get("tls", {})
        if "certificate" not in tls:
            return described
        context = ssl.create_default_context(cafile=tls["trust_root"])
        context.load_cert_chain(tls["certificate"], tls["key"])
        return {**described, "endpoint": {**described["endpoint"], "tls": context}}

    async def together(self, coroutines: list[Any]) -> Any:
        return await asyncio.gather(*coroutines)

    async def within(self, coroutine: Any, seconds: float) -> Any:
        return await asyncio.wait_for(coroutine, seconds)

    def run(self, main: Any) -> None:
        async def with_loop() -> None:
            self.loop = txaio.config.loop = asyncio.get_running_loop()
            await main(self)

        asyncio.run(with_loop())


async def run_check(framework: Any, check: Any, description: dict[str, Any]) -> str:
    """Run one check; return "ok" or the traceback."""
    case = Case(framework, description)
    try:
        await framework.within(check(case), SECONDS)
    except Exception:
        await framework.within(case.close(), SECONDS)
        return traceback.format_exc()
    return "ok"


async def run_case(framework: Any, description: dict[str, Any], module: Any) -> dict[str, str]:
    """Run every check of ``module`` at the same time, each with sessions of its own."""
    checks = [
        (name.removeprefix("check_"), check)
        for name, check in inspect.getmembers(module, inspect.iscoroutinefunction)
        if name.startswith("check_")
    ]
    results = await framework.together([run_check(framework, check, description) for _, check in checks])
    return {name: result for (name, _), result in zip(checks, results, strict=True)}


def run(framework: Any, cases: dict[str, Any], module: Any) -> dict[str, Any]:
    """Run the cases, one after the other."""
    report = {}

    async def main(framework: Any) -> None:
        for name, description in cases.items():
            report[name] = await run_case(framework, description, module)

    framework.run(main)
    return report


if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())
    frameworks = {"twisted": OnTwisted, "asyncio": OnAsyncio}
    print(json.dumps(run(frameworks[sys.argv[1]](), json.load(sys.stdin), autobahn_checks)))
