"""The client's surroundings on Twisted."""

import random
from collections.abc import Awaitable, Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

_LOG = Logger("dstm")


class TwistedFront:
    """Timers of the reactor, Deferreds, and the log ``dstm``."""

    random = staticmethod(random.random)

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """Call ``function`` after ``seconds``; what is returned cancels it."""
        from twisted.internet import reactor  # importing it installs one: not before it is needed

        call = cast(Any, reactor).callLater(seconds, function)
        return lambda: call.cancel() if call.active() else None

    def warn(self, text: str) -> None:
        """Log a warning."""
        _LOG.warn("{text}", text=text)

    def defect(self, text: str, error: BaseException) -> None:
        """Log an exception with its traceback."""
        _LOG.failure("{text}", cast(Any, Failure)(error), text=text)

    def promise(self, begin: Callable[[Callable[[Any], None]], Callable[[], None]]) -> Awaitable[Any]:
        """
        Give a Deferred of what ``begin`` begins.

        ``begin`` gets what settles it, with a value or an exception, and returns what cancels it.
        """
        cancel: list[Callable[[], None]] = []
        promise: Deferred[Any] = Deferred(lambda _: cancel[0]())

        def settle(outcome: Any) -> None:
            if promise.called:
                return
            if isinstance(outcome, BaseException):
                promise.errback(outcome)
            else:
                promise.callback(outcome)

        cancel.append(begin(settle))
        return promise

    def heard(self, promise: Any, told: Callable[[Any], None]) -> None:
        """Tell ``told`` what one of Autobahn's Deferreds ends with: a value or an exception."""
        promise.addCallbacks(told, lambda failure: told(failure.value))
