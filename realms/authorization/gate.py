"""
Between a request and the broker or the dealer: what a role leaves to its authorizer is asked first.

Rules of this file: who asks goes on within the same turn where the answer is remembered, and otherwise in
the turn of the answer, with the role that the session has then.
"""

from collections.abc import Callable

from realms.authorization.authorizers import Authorizers, Question
from realms.permissions import Grant, Role
from realms.world import Cancellable, World
from router.routing.handshake import Later, Undecided
from router.routing.outputs import Outputs
from router.routing.session import Session

GoOn = Callable[[Grant, float], Outputs]  # with the decision and the monotonic time, in seconds


class Gate:
    """The gate of one realm."""

    def __init__(self, authorizers: Authorizers, world: World | None) -> None:
        self._authorizers = authorizers
        self._world = world

    def ask(self, session: Session, question: Question, go_on: GoOn, now: float) -> Outputs:
        """
        Go on with what the authorizer of a session's role has decided.

        Raises:
            Undecided: it has to be asked.
        """
        known = self._authorizers.known(session, question)
        if known is not None:
            return go_on(known, now)
        raise Undecided(self._later(session, question, go_on))

    def may_subscribe(self, session: Session, topic: str, match: str) -> Grant:
        """Decide without asking an authorizer: of its decisions, those that are remembered count."""
        role: Role = session.role
        grant = role.subscribe.get((match, topic)) or role.may_subscribe(topic, match)
        if grant.asks:
            return self._authorizers.known(session, Question("subscribe", topic, match, {})) or grant
        return grant

    def ask_to_subscribe(
        self, session: Session, topic: str, match: str, done: Callable[[Callable[[], Grant]], object]
    ) -> Cancellable:
        """Have ``done`` called in a later turn with what decides."""
        return self._authorizers.ask(session, Question("subscribe", topic, match, {}), done)

    def _later(self, session: Session, question: Question, go_on: GoOn) -> Later[Outputs]:
        """Ask the authorizer; if the session's role is configured anew meanwhile, decide anew."""
        later: Later[Outputs] = Later()
        asked: Role = session.role

        def decided(make: Callable[[], Grant]) -> None:
            later.decide(lambda: outputs(make))

        def outputs(make: Callable[[], Grant]) -> Outputs | Later[Outputs]:
            assert self._world is not None
            role: Role = session.role
            if role is asked:
                grant = make()
            else:
                grant = role.judge(question.action, question.uri, question.match).grant
            if grant.asks:
                return self._later(session, question, go_on)
            return go_on(grant, self._world.now())

        later.source = self._authorizers.ask(session, question, decided)
        return later
