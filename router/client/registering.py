"""``concord register``: answer calls by running a command, or with what they carry (``--echo``)."""

import argparse
import asyncio
import contextlib
from collections import deque
from typing import Any

from router.client.connection import Connection
from router.client.failures import GOOD, NotConnected, UsageError, WampError
from router.client.inputs import Payload, options
from router.client.outputs import note, show, simple
from router.client.program import Program
from router.client.session import Invocation, Session

BUSY = "wamp.error.unavailable"
CANCELED = "wamp.error.canceled"


class Register:
    """The registration of one command, and the invocations that it has to answer."""

    is_endless = True
    deadline: float | None = None

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._procedure = arguments.procedure
        self._program = _program(arguments)
        self._concurrency = arguments.concurrency
        self._queue_length = arguments.queue
        self._count = arguments.count
        self._is_verbose = arguments.verbose
        self._answered = 0
        self._options: dict[str, Any] = options(arguments.option)
        for name in ("match", "invoke"):
            if getattr(arguments, name):
                self._options[name] = getattr(arguments, name)
        if arguments.force_reregister:
            self._options["force_reregister"] = True

    async def work(self, connection: Connection, session: Session) -> int:
        """Register, and answer until the count is full."""
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        desk = Desk(session, self, done)
        session.on_invocation = desk.take
        session.on_interrupt = desk.cancel
        session.on_revoked = desk.revoked
        try:
            await session.register(self._procedure, self._options)
            if self._is_verbose:
                note(f"registered {self._procedure}")
            return await done
        finally:
            await desk.close()

    async def answer(self, invocation: Invocation, session: Session) -> Payload:
        """Give the result of an invocation; raise WampError."""
        args, kwargs, details = invocation.answer
        if self._program is None:
            return Payload(args, kwargs)
        procedure = details.get("procedure", self._procedure)
        given = {"procedure": procedure, "args": args, "kwargs": kwargs, "details": details}

        def on_progress(progress: Payload) -> None:
            if details.get("receive_progress"):
                session.answer(invocation.request, progress, progress=True)

        return await self._program.run(given, on_progress)

    def told(self, invocation: Invocation, done: "asyncio.Future[int]", outcome: dict[str, Any]) -> None:
        """Print an invocation that was answered; the last one ends the command."""
        args, kwargs, details = invocation.answer
        procedure = details.get("procedure", self._procedure)
        try:
            show({"procedure": procedure, "args": args, "kwargs": kwargs, **outcome})
        except OSError as error:  # nobody reads any more
            if not done.done():
                done.set_exception(error)
        self._answered += 1
        if self._answered == self._count and not done.done():
            done.set_result(GOOD)

    @property
    def concurrency(self) -> int:
        """Invocations that are answered at the same time."""
        return int(self._concurrency)

    @property
    def queue_length(self) -> int:
        """Invocations that wait for their turn; more are refused."""
        return int(self._queue_length)


class Desk:
    """The invocations of one session: some in work, some waiting, in their order."""

    def __init__(self, session: Session, register: Register, done: "asyncio.Future[int]") -> None:
        self._session = session
        self._register = register
        self._done = done
        self._working: dict[int, asyncio.Task[None]] = {}  # request -> who answers it
        self._waiting: deque[Invocation] = deque()

    def take(self, invocation: Invocation) -> None:
        """Begin an invocation, let it wait, or refuse it."""
        if len(self._working) < self._register.concurrency:
            self._begin(invocation)
        elif len(self._waiting) < self._register.queue_length:
            self._waiting.append(invocation)
        else:
            text = f"{self._register.queue_length} calls wait already (--queue)"
            self._session.refuse(invocation.request, WampError(BUSY, [text]))

    def cancel(self, request: int) -> None:
        """Give up an invocation that the router interrupts (WAMP AP 'Call Canceling')."""
        if request in self._working:
            self._working[request].cancel()
            return
        for invocation in self._waiting:
            if invocation.request == request:
                self._waiting.remove(invocation)
                self._session.refuse(request, WampError(CANCELED))
                return

    def revoked(self, kind: str, registration_id: int, reason: str) -> None:
        """End the command: nothing will be called any more."""
        if kind == "registration" and not self._done.done():
            text = "the router revoked the registration"
            self._done.set_exception(WampError(reason or "wamp.error.not_authorized", [text]))

    async def close(self) -> None:
        """Give up everything."""
        self._waiting.clear()
        working = list(self._working.values())
        for task in working:
            task.cancel()
        if working:
            await asyncio.wait(working)

    def _begin(self, invocation: Invocation) -> None:
        task = asyncio.ensure_future(self._answer(invocation))
        self._working[invocation.request] = task
        task.add_done_callback(lambda _: self._ended(invocation.request))

    def _ended(self, request: int) -> None:
        del self._working[request]
        if self._waiting and len(self._working) < self._register.concurrency:
            self._begin(self._waiting.popleft())

    async def _answer(self, invocation: Invocation) -> None:
        request = invocation.request
        try:
            result = await self._register.answer(invocation, self._session)
            self._session.answer(request, result)
        except asyncio.CancelledError:
            with contextlib.suppress(NotConnected):
                self._session.refuse(request, WampError(CANCELED))
            return
        except NotConnected:  # its caller has been told by the router
            return
        except WampError as error:
            self._session.refuse(request, error)
            outcome = {"error": error.uri, "error_args": error.arguments, "error_kwargs": error.keywords}
        else:
            outcome = {"result": simple(*result)}
        self._register.told(invocation, self._done, outcome)


def _program(arguments: argparse.Namespace) -> Program | None:
    """
    Make what answers; None answers with what was given.

    Raises:
        UsageError: none or several are given.
    """
    given = [bool(arguments.arguments), arguments.shell is not None, arguments.echo]
    if sum(given) != 1:
        raise UsageError("say what answers calls: a command after --, --shell TEXT, or --echo")
    if arguments.echo:
        return None
    words = list(arguments.arguments) if arguments.arguments else ["/bin/sh", "-c", arguments.shell]
    seconds = arguments.timeout / 1000 if arguments.timeout else None
    return Program(words, seconds, arguments.progress)


def command(arguments: argparse.Namespace) -> Register:
    """Make the command."""
    return Register(arguments)
