"""The client's surroundings on asyncio."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

_LOG = logging.getLogger("dstm")


class AsyncioFront:
    """Timers of the running loop, futures, and the log ``dstm``."""

    random = staticmethod(random.random)

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """Call ``function`` after ``seconds``; what is returned cancels it."""
        return asyncio.get_running_loop().call_later(seconds, function).cancel

    def warn(self, text: str) -> None:
        """Log a warning."""
        _LOG.warning(text)

    def defect(self, text: str, error: BaseException) -> None:
        """Log an exception with its traceback."""
        _LOG.error(text, exc_info=error)

    def promise(self, begin: Callable[[Callable[[Any], None]], Callable[[], None]]) -> Awaitable[Any]:
        """
        Give a Future of what ``begin`` begins.

        ``begin`` gets what settles it, with a value or an exception, and returns what cancels it.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def settle(outcome: Any) -> None:
            if future.done():
                return
            if isinstance(outcome, StopIteration):  # a Future refuses to hold one
                outcome = RuntimeError(f"a transaction function raised {outcome!r}")
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        cancel = begin(settle)
        future.add_done_callback(lambda ended: cancel() if ended.cancelled() else None)
        return future

    def heard(self, promise: Any, told: Callable[[Any], None]) -> None:
        """Tell ``told`` what one of Autobahn's Futures ends with: a value or an exception."""

        def ended(future: asyncio.Future[Any]) -> None:
            if future.cancelled():
                told(asyncio.CancelledError())
            else:
                error = future.exception()
                told(future.result() if error is None else error)

        asyncio.ensure_future(promise).add_done_callback(ended)
