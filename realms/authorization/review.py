"""
What sessions hold already when their role has changed: what it no longer allows is taken from them.

Rules of this file: what the role leaves to an authorizer, that is asked about, a few questions at once and
the others in line; what is refused, or cannot be decided, is taken. Nothing is asked for a session that is
gone or got another role meanwhile, nor where the role is what it was.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from msgspec import Struct

from realms.authorization.authorizers import Authorizers, Question
from realms.permissions import Grant, Role
from router.routing.broker import Broker
from router.routing.dealer import Dealer
from router.routing.outputs import Outputs
from router.routing.session import Session
from router.wamp import uris

AT_ONCE: Final = 16
REASON: Final = uris.NOT_AUTHORIZED

Take = Callable[[], Outputs]


class Held(Struct):
    """A subscription or registration of ``session`` under ``role``; ``take`` takes it away."""

    session: Session
    role: Any
    question: Question
    take: Take


class Review:
    """
    The line of one realm.

    ``is_here`` tells whether a session is still open, ``send`` sends what somebody is told meanwhile.
    """

    def __init__(
        self,
        authorizers: Authorizers,
        broker: Broker,
        dealer: Dealer,
        is_here: Callable[[Session], bool],
        send: Callable[[Outputs], object],
    ) -> None:
        self._authorizers = authorizers
        self._broker = broker
        self._dealer = dealer
        self._is_here = is_here
        self._send = send
        self._line: deque[Held] = deque()
        self._under_way = 0

    def of(self, session: Session, before: Role) -> Outputs:
        """
        Look at all that ``session`` holds, whose role was ``before``.

        Outputs: UNSUBSCRIBED and UNREGISTERED to it, and the announcements of what it loses at once.
        """
        role: Role = session.role
        outputs: Outputs = []
        for subscription in list(session.subscriptions.values()):
            topic, match = subscription.topic, subscription.match
            take = partial(self._broker.revoke, subscription.id, session, REASON)
            held = Held(session, role, Question("subscribe", topic, match, {}), take)
            outputs += self._look(held, role.may_subscribe(topic, match), before)
        for registration in list(session.registrations.values()):
            procedure, match = registration.procedure, registration.match
            take = partial(self._dealer.revoke, registration.id, session, REASON)
            held = Held(session, role, Question("register", procedure, match, {}), take)
            outputs += self._look(held, role.may_register(procedure, match), before)
        return outputs

    def _look(self, held: Held, grant: Grant, before: Role) -> Outputs:
        if not grant.asks:
            return held.take() if grant.error is not None else []
        if held.role.config != before.config:
            self._line.append(held)
            self._next()
        return []

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
                self._send(held.take())
        finally:
            self._next()
