"""
Work that may block, for the extensions of a node: a few threads of its own.

Rules of this file:

- A thread begins with the first work for it. All are daemons: one that hangs in a system call does
  not keep the process from ending.
- What waits is bounded. Work beyond that is refused at once, to the one who gave it.
- Results go back through the reactor, in its thread, in the order in which the work ended.
- Where there are threads, the interpreter changes between them more often than it is used to: work that
  waits for the disk many times would else wait 5 ms for each turn of a busy reactor, and the reactor as
  long for the work (benchmarks/dstm.py: p99 of durable commits, 15 ms against 32).
"""

import sys
from collections.abc import Callable
from queue import Full, SimpleQueue
from threading import Thread
from typing import Any, Final

THREADS: Final = 4
MAX_WAITING: Final = 10_000
SWITCH_SECONDS: Final = 0.0005

Done = Callable[[Any, BaseException | None], object]


class Background:
    """
    ``run(function, done)`` calls ``function`` in a thread, then ``done`` in the reactor's.

    Of ``reactor`` it uses ``callFromThread`` alone.
    """

    def __init__(self, reactor: Any, threads: int = THREADS, max_waiting: int = MAX_WAITING) -> None:
        self._reactor = reactor
        self._work: SimpleQueue[tuple[Callable[[], Any], Done] | None] = SimpleQueue()
        self._most_threads = threads
        self._max_waiting = max_waiting
        self._threads = 0
        self._under_way = 0  # given and not yet done; counted in the reactor's thread alone
        self._is_closed = False

    def run(self, function: Callable[[], Any], done: Done) -> None:
        """Call ``function`` in a thread; ``done(result, None)`` or ``done(None, exception)`` follows."""
        most = 0 if self._is_closed else self._max_waiting + self._most_threads
        if self._under_way >= most:
            why = "closed" if self._is_closed else f"{self._under_way} pieces of work are under way already"
            self._reactor.callFromThread(done, None, Full(why))
            return
        if self._threads <= self._under_way and self._threads < self._most_threads:
            self._threads += 1
            sys.setswitchinterval(SWITCH_SECONDS)
            Thread(target=self._serve, name=f"concord-background-{self._threads}", daemon=True).start()
        self._under_way += 1
        self._work.put((function, done))

    def close(self) -> None:
        """Let the threads end after what waits; what is given afterwards is refused."""
        self._is_closed = True
        for _ in range(self._threads):
            self._work.put(None)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            function, done = work
            result, raised = None, None
            try:
                result = function()
            except BaseException as error:
                raised = error
            del function, work  # it may hold much, and the next may be long in coming
            self._reactor.callFromThread(self._finish, done, result, raised)
            del done, result, raised

    def _finish(self, done: Done, result: Any, error: BaseException | None) -> None:
        self._under_way -= 1
        done(result, error)
