"""What a realm takes from the world, each part replaceable in a test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from router.routing.outputs import Outputs
from router.wamp.messages import Message
from router.wamp.serializers import Serializer


class Environment:
    """What every realm needs. ``world`` is what its extensions need besides."""

    def __init__(
        self,
        new_publication_id: Callable[[], int],
        randbelow: Callable[[int], int],
        timestamp: Callable[[], str],
        wake_at: Callable[[str, float], None],
        world: "World | None" = None,
    ) -> None:
        self.new_publication_id = new_publication_id
        self.randbelow = randbelow
        self.timestamp = timestamp
        self.wake_at = wake_at
        self.world = world


class Cancellable(Protocol):
    """Something that will be done unless it is canceled before; to cancel it later is harmless."""

    def cancel(self) -> None:
        """Do not do it."""


class World(Protocol):
    """What a node gives to the extensions of its realms. What it calls later never raises."""

    def deliver(self, outputs: Outputs) -> None:
        """Send what nobody's request asked for."""

    def now(self) -> float:
        """Tell the time of the monotonic clock in seconds, the one by which realms expire calls."""

    def now_ms(self) -> int:
        """Tell the time in milliseconds since 1970."""

    def soon(self, function: Callable[[], object]) -> None:
        """Call ``function`` at the end of this turn."""

    def call_later(self, seconds: float, function: Callable[[], object]) -> Cancellable:
        """Call ``function`` once, in so many seconds; it is canceled at most once, and not after the call."""

    def inbox(self, receive: Callable[[Message, Serializer | None], object]) -> Any:
        """
        Give the ``link`` of a session of the router itself: ``receive`` gets what is delivered to it.

        It comes at the end of the turn, with the serializer of its payload where that is ``msgspec.Raw``.
        """

    def background(
        self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], object]
    ) -> None:
        """Call ``function`` in a thread, then ``done`` with its result or its exception in this one."""

    def logger(self, name: str) -> Any:
        """Give a ``twisted.logger.Logger``."""

    def directory(self, *names: str) -> Path | None:
        """
        Make a directory of this name in the data directory; ``None`` where there is none.

        Raises:
            OSError: it cannot be made.
        """

    def closing(self, what: str, closed: Any) -> None:
        """Wait for the Deferred ``closed`` before the router ends; ``what`` is being closed."""
