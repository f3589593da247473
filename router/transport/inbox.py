"""
The end of a session of the router itself: what is sent to it is handed to a function, as it is.

Rules of this file:

- Messages are not encoded: the receiver gets the message and the serializer of its payload.
- They arrive at the end of the turn in which they were sent, in order, as those of every other session.
"""

from collections.abc import Callable
from typing import Any, Final

from router.wamp.messages import Message
from router.wamp.serializers import Serializer

# The message, and the serializer of its ``args`` and ``kwargs`` where they are ``msgspec.Raw``.
Receive = Callable[[Message, Serializer | None], object]


class _AsItIs:
    """The channel of all inboxes: a frame is the message with its origin."""

    def frame(self, message: Message, origin: Serializer | None = None) -> tuple[Message, Serializer | None]:
        return message, origin


_AS_IT_IS: Final = _AsItIs()


class Inbox:
    """
    What a ``Turn`` takes for an outbox. ``receive`` must not raise.

    It never is full: whoever asks for something here bounds how much it asks for.
    """

    guarded = False
    channel = _AS_IT_IS

    def __init__(self, receive: Receive) -> None:
        self.frames: list[Any] = []
        self.owner = self
        self._receive = receive

    def flush(self, now: float) -> None:
        """Hand over what this turn has brought."""
        frames, self.frames = self.frames, []
        for message, origin in frames:
            self._receive(message, origin)

    def fail(self) -> None:
        """Go on after a defect of the receiver."""

    def farewell(self, message: Message) -> None:
        """Hand over the end of the session."""
        self._receive(message, None)
