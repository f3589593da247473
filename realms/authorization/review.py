"""
What sessions hold already and an authorizer has yet to decide about: after a changed configuration.

Rules of this file: a few questions are under way at once, the others wait in line; what is refused, or
cannot be decided, is taken from its session. Nothing is asked for a session that is gone or got another
role meanwhile.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from msgspec import Struct

from realms.authorization.authorizers import Authorizers, Question
from realms.permissions import Grant
from router.routing.session import Session

AT_ONCE: Final = 16


class Held(Struct):
    """A subscription or registration of ``session`` under ``role``; ``take`` takes it away."""

    session: Session
    role: Any
    question: Question
    take: Callable[[], object]


class Review:
    """The line of one realm; ``is_here`` tells whether a session is still open."""

    def __init__(self, authorizers: Authorizers, is_here: Callable[[Session], bool]) -> None:
        self._authorizers = authorizers
        self._is_here = is_here
        self._line: deque[Held] = deque()
        self._under_way = 0

    def __len__(self) -> int:
        return len(self._line) + self._under_way

    def add(self, held: Held) -> None:
        """Ask about ``held``, now or later."""
        self._line.append(held)
        self._next()

    def _next(self) -> None:
        while self._line and self._under_way < AT_ONCE:
            held = self._line.popleft()
            if self._counts(held):
                self._under_way += 1
                self._authorizers.ask(held.session, held.question, partial(self._decided, held))

    def _counts(self, held: Held) -> bool:
        return self._is_here(held.session) and held.session.role is held.role

    def _decided(self, held: Held, make: Callable[[], Grant]) -> None:
        self._under_way -= 1
        try:
            if self._counts(held) and make().error is not None:
                held.take()
        finally:
            self._next()
