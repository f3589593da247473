"""
What a routing method returns: what is to be sent, in order.

The core never sends. A ``Delivery`` is one message to a snapshot of sessions,
so that the shell encodes it once per serializer. An ``Announcement`` comes from
slow paths only (register, subscribe, leave); the realm turns it into a meta event.
A ``Farewell`` ends a session.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from router.wamp.messages import Abort, Goodbye, Message

if TYPE_CHECKING:
    from router.routing.session import Session
    from router.wamp.serializers import Serializer


class Delivery(Struct, gc=False):
    """
    One message to each of ``recipients``, in that order.

    ``origin`` is the serializer in which ``message.args`` and ``message.kwargs`` are
    encoded, where they are ``msgspec.Raw``; ``None`` where they are plain values or absent.
    """

    recipients: "Sequence[Session]"
    message: Message
    origin: "Serializer | None" = None


class Announcement(Struct, gc=False):
    """A change that the meta API tells: ``topic`` with its positional arguments."""

    topic: str
    args: list[Any]


class Farewell(Struct, gc=False):
    """The router ends ``session``: ``message`` is sent and the connection closed after the peer's reply."""

    session: "Session"
    message: Goodbye | Abort


Output = Delivery | Announcement | Farewell
Outputs = list[Output]
