"""What a node gives to the extensions of its realms: its clock, its turn, its threads, its data directory."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from router.background import Background
from router.transport.inbox import Inbox, Receive
from router.transport.outbox import Turn


class NodeWorld:
    """
    The world of a node's extensions from its start to its stop; see ``realms.world.World``.

    ``schedule`` asks for a call at the end of this turn.

    :ivar being_closed: what is waited for, with the words for it
    """

    log = Logger("router.world")

    def __init__(
        self, turn: Turn, schedule: Callable[[Callable[[], object]], Any], reactor: Any, data_directory: Path
    ) -> None:
        self.being_closed: dict[Deferred[Any], str] = {}
        self.deliver = turn.deliver
        self.now = turn.now
        self.soon = schedule
        self._data_directory = data_directory
        self._background = Background(reactor)
        self.background = self._background.run
        self.call_later = reactor.callLater

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def inbox(self, receive: Receive) -> Inbox:
        return Inbox(receive)

    def logger(self, name: str) -> Logger:
        return Logger(name)

    def directory(self, *names: str) -> Path:
        """Make a directory; names are quoted as in a URL, so that none leads elsewhere."""
        directory = self._data_directory.joinpath(*(quote(name, safe="") for name in names))
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def closing(self, what: str, closed: Any) -> None:
        """Wait for a Deferred, or a coroutine, at the stop."""
        deferred: Deferred[Any] = ensureDeferred(closed)
        self.being_closed[deferred] = what
        deferred.addErrback(self._failed, what)
        deferred.addBoth(lambda _: self.being_closed.pop(deferred))

    def end(self) -> None:
        """Let the threads end after what waits for them; say what did not close in time."""
        for what in self.being_closed.values():
            self.log.error("{what} did not close in time", what=what)
        self._background.close()

    def _failed(self, failure: Failure, what: str) -> None:
        self.log.failure("{what} did not close", failure, what=what)
