"""``concord call``: call a procedure, once or for each line of standard input."""

import argparse
import asyncio
from typing import Any, Final

from router.client.connection import Connection
from router.client.failures import GOOD, TimedOut, UsageError, WampError
from router.client.inputs import Payload, options, payload
from router.client.lines import each_line
from router.client.outputs import report, show, simple
from router.client.session import Answer, Session

# A router that knows CALL.Options.timeout answers in time; one that does not is not waited for much longer.
GRACE_SECONDS: Final = 2.0


class Call:
    """The calls of one command; results are printed in the order of the calls."""

    is_endless = False
    deadline: float | None = None

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._procedure = arguments.procedure
        self._payload = payload(arguments.arguments)
        self._is_from_lines = arguments.lines
        self._is_full = arguments.full
        self._is_progressive = arguments.progress
        self._options: dict[str, Any] = options(arguments.option)
        self._seconds: float | None = None
        if arguments.timeout is not None:
            self._options["timeout"] = arguments.timeout
            self._seconds = arguments.timeout / 1000 + GRACE_SECONDS
        if arguments.disclose_me:
            self._options["disclose_me"] = True
        if arguments.progress:
            self._options["receive_progress"] = True
        if arguments.lines and arguments.arguments:
            raise UsageError("arguments come from --lines or from the command line, not from both")

    async def work(self, connection: Connection, session: Session) -> int:
        """Call, and print; with several calls an ERROR does not keep the next from being made."""
        if not self._is_from_lines:
            self._show(await self._call(session, self._payload))
            return GOOD
        code = GOOD
        async for line in each_line():
            try:
                self._show(await self._call(session, line))
            except WampError as error:
                report(error)
                code = error.exit_code
        return code

    async def _call(self, session: Session, arguments: Payload) -> Answer:
        on_progress = self._show if self._is_progressive else None
        try:
            async with asyncio.timeout(self._seconds):
                return await session.call(self._procedure, arguments, self._options, on_progress)
        except TimeoutError:
            raise TimedOut("the router did not end the call in time, nor answer it") from None

    def _show(self, answer: Answer) -> None:
        if self._is_full:
            show({"args": answer.args, "kwargs": answer.kwargs, "details": answer.details})
        else:
            show(simple(answer.args, answer.kwargs))


def command(arguments: argparse.Namespace) -> Call:
    """Make the command."""
    return Call(arguments)
