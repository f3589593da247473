"""``concord subscribe``: print the events of topics, one a line."""

import argparse
import asyncio
from typing import Any

from router.client.connection import Connection
from router.client.failures import GOOD, TimedOut, WampError
from router.client.inputs import options
from router.client.outputs import note, show
from router.client.session import Answer, Session


class Subscribe:
    """The subscriptions of one command; what was counted stays when the connection is made anew."""

    is_endless = True

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._topics = list(dict.fromkeys(arguments.topics))
        self._count = arguments.count
        self._is_full = arguments.full
        self._is_verbose = arguments.verbose
        self._timeout_seconds = arguments.timeout / 1000 if arguments.timeout else None
        self.deadline: float | None = None
        self._shown = 0
        self._options: dict[str, Any] = options(arguments.option)
        if arguments.match:
            self._options["match"] = arguments.match
        if arguments.get_retained:
            self._options["get_retained"] = True

    async def work(self, connection: Connection, session: Session) -> int:
        """Subscribe, and print until the count or the time is full."""
        loop = asyncio.get_running_loop()
        if self._timeout_seconds is not None and self.deadline is None:
            self.deadline = loop.time() + self._timeout_seconds
        done: asyncio.Future[int] = loop.create_future()
        topic_by_id: dict[int, str] = {}
        session.on_revoked = lambda kind, id, reason: self._revoked(done, topic_by_id, id, reason)
        try:
            async with asyncio.timeout_at(self.deadline):
                for topic in self._topics:
                    on_event = self._printer(topic, done)
                    topic_by_id[await session.subscribe(topic, self._options, on_event)] = topic
                    if self._is_verbose:
                        note(f"subscribed {topic}")
                return await done
        except TimeoutError:
            if self._count is None:
                return GOOD
            raise TimedOut(f"{self._shown} of {self._count} events came in time") from None

    def _printer(self, topic: str, done: "asyncio.Future[int]") -> Any:
        def on_event(event: Answer) -> None:
            if done.done():
                return
            try:
                self._show(topic, event)
            except OSError as error:  # nobody reads any more
                done.set_exception(error)
                return
            self._shown += 1
            if self._shown == self._count:
                done.set_result(GOOD)

        return on_event

    def _show(self, topic: str, event: Answer) -> None:
        details = dict(event.details)
        line = {
            "topic": details.pop("topic", topic),
            "publication": details.pop("publication"),
            "args": event.args,
            "kwargs": event.kwargs,
        }
        show({**line, "details": details} if self._is_full else line)

    def _revoked(
        self, done: "asyncio.Future[int]", topic_by_id: dict[int, str], subscription_id: int, reason: str
    ) -> None:
        topic = topic_by_id.pop(subscription_id, None)
        if topic is None or done.done():
            return
        note(f"the router revoked the subscription of {topic}: {reason}")
        if not topic_by_id:
            done.set_exception(WampError(reason or "wamp.error.not_authorized", [f"{topic} was revoked"]))


def command(arguments: argparse.Namespace) -> Subscribe:
    """Make the command."""
    return Subscribe(arguments)
