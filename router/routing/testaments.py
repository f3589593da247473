"""
What sessions want to be published when they are gone (WAMP AP 'Session Testament').

Rules of this file:

- A testament is a ``Publish`` of plain values, with request id 0 and checked options.
- There are two scopes, kept apart so that each can be flushed. Without session resumption a session
  is detached and destroyed at once: the ``detached`` ones come first, each scope in order of arrival.
- A session's testaments are bounded in number and in size, over both scopes.
"""

from typing import Final

from msgspec import Struct

from router.routing.options import Refused
from router.wamp import uris
from router.wamp.messages import Publish

DETACHED: Final = "detached"
DESTROYED: Final = "destroyed"
SCOPES: Final = (DESTROYED, DETACHED)  # the first one is the default

MAX_BYTES: Final = 1024 * 1024


class _Testament(Struct):
    scope: str
    publish: Publish
    size_bytes: int  # of its values, written as text


class Testaments:
    """The testaments of the sessions of one realm; new limits hold from the next ``add`` on."""

    def __init__(self, max_per_session: int, max_bytes_per_session: int = MAX_BYTES) -> None:
        self.max_per_session = max_per_session
        self.max_bytes_per_session = max_bytes_per_session
        self._by_session: dict[int, list[_Testament]] = {}  # session id -> testaments, oldest first

    def add(self, session_id: int, scope: str, publish: Publish) -> None:
        """
        Keep a testament; ``scope`` is one of ``SCOPES``.

        Raises:
            Refused: ``limit_exceeded``; nothing has changed.
        """
        held = self._by_session.get(session_id, [])
        if len(held) >= self.max_per_session:
            raise Refused(uris.LIMIT_EXCEEDED, f"testaments_per_session={self.max_per_session} is reached")
        size_bytes = len(repr((publish.topic, publish.options, publish.args, publish.kwargs)))
        if sum(testament.size_bytes for testament in held) + size_bytes > self.max_bytes_per_session:
            text = f"the testaments of a session have at most {self.max_bytes_per_session} bytes"
            raise Refused(uris.LIMIT_EXCEEDED, text)
        self._by_session[session_id] = [*held, _Testament(scope, publish, size_bytes)]

    def flush(self, session_id: int, scope: str) -> None:
        """Forget the testaments of one scope."""
        held = self._by_session.pop(session_id, [])
        left = [testament for testament in held if testament.scope != scope]
        if left:
            self._by_session[session_id] = left

    def take(self, session_id: int) -> list[Publish]:
        """Give what is to be published now that the session is gone, in order, and forget it."""
        held = self._by_session.pop(session_id, [])
        held.sort(key=lambda testament: testament.scope != DETACHED)
        return [testament.publish for testament in held]
