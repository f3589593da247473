"""``concord publish``: publish an event, once or for each line of standard input."""

import argparse
import asyncio
from collections import deque
from typing import Any, Final

from router.client.connection import Connection
from router.client.failures import GOOD, UsageError, WampError
from router.client.inputs import options, payload
from router.client.lines import each_line
from router.client.outputs import report, show
from router.client.session import Session

# Publications that wait for their acknowledgment; more lines are read when one is answered.
WINDOW: Final = 100


class Publish:
    """The publications of one command."""

    is_endless = False
    deadline: float | None = None

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._topic = arguments.topic
        self._payload = payload(arguments.arguments)
        self._is_from_lines = arguments.lines
        self._is_shown = arguments.ack
        self._code = GOOD
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._options: dict[str, Any] = {"acknowledge": True} if not arguments.no_ack else {}
        if arguments.retain:
            self._options["retain"] = True
        if arguments.disclose_me:
            self._options["disclose_me"] = True
        self._options |= options(arguments.option)
        if arguments.lines and arguments.arguments:
            raise UsageError("arguments come from --lines or from the command line, not from both")

    async def work(self, connection: Connection, session: Session) -> int:
        """Publish; with several events, one that is refused does not keep the next from being sent."""
        if not self._is_from_lines:
            self._show(await session.publish(self._topic, self._payload, self._options))
            return GOOD
        async for line in each_line():
            await connection.drained()
            self._waiting.append(session.publish(self._topic, line, self._options))
            if len(self._waiting) >= WINDOW:
                await self._first_answer()
        while self._waiting:
            await self._first_answer()
        return self._code

    async def _first_answer(self) -> None:
        try:
            self._show(await self._waiting.popleft())
        except WampError as error:
            report(error)
            self._code = error.exit_code

    def _show(self, publication_id: int) -> None:
        if self._is_shown:
            show({"publication": publication_id})


def command(arguments: argparse.Namespace) -> Publish:
    """Make the command."""
    return Publish(arguments)
