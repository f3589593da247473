"""
The authorizers of one realm: procedures that are asked what the permissions of a role leave open.

    authorizer(details, uri, action, options) -> see ``realms.authorization.answer``

Rules of this file:

- Nothing is allowed by an answer that is late, an error or not understood.
- An answer is remembered under all that was asked: role, action, URI and every option; and for whom it
  counts: a session as its details were, an authid with its method, or a whole role. It is remembered for
  its time, in a bounded table, and forgotten when the configuration changes or its authorizer is
  registered anew.
- Who asks is told in a later turn, or not at all once it has canceled.

Why every option: the authorizer sees them, so that its answer may depend on them. Two requests that differ in
anything that it was told are asked about twice.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Struct

from realms.authorization.answer import BadAnswer, Decision, read_answer
from realms.authorization.config import Action
from realms.permissions import MAX_CACHED_LENGTH, Grant, Role
from realms.router_calls import Answer, Failed, RouterCalls
from realms.world import Cancellable, World
from router.routing.meta import session_details
from router.routing.session import Session
from router.wamp import uris

LOG_SECONDS: Final = 1.0  # at most one line in this time for each authorizer

Who = int | tuple[str, str] | None  # a session's id; authmethod and authid; everybody of the role
What = tuple[str, Action, str, str, bytes]  # role, action, URI, match, options
Key = tuple[Who, What]


class Question(Struct, frozen=True):
    """What a session wants; ``options`` are those of its request that ``given`` leaves."""

    action: Action
    uri: str
    match: str
    options: Mapping[str, Any]

    def told(self) -> dict[str, Any]:
        """Give the options that the authorizer is told."""
        told = dict(self.options)
        if self.action in ("register", "subscribe"):
            told["match"] = self.match
        return told


class Remembered(Struct):
    """A decision until ``end``, a time of the monotonic clock; ``details`` are the session's added ones."""

    grant: Grant
    end: float
    details: Any = None


class Authorizers:
    """
    What was decided in one realm, and what is being decided.

    ``router_calls`` gives the realm's calls of the router, made when they are first needed; ``sessions`` are
    its open ones (session id -> Session).

    :ivar limit: decisions that are remembered
    :ivar asked: questions so far
    """

    def __init__(
        self,
        realm: str,
        sessions: Mapping[int, Session],
        router_calls: Callable[[], RouterCalls],
        world: World | None,
    ) -> None:
        self.limit = 0
        self.asked = 0
        self._realm = realm
        self._sessions = sessions
        self._router_calls = router_calls
        self._world = world
        self._log = world.logger("realms.authorization") if world is not None else None
        self._remembered: dict[Key, Remembered] = {}  # the oldest first
        self._of_session: dict[int, set[Key]] = {}  # session id -> what counts for that session alone
        self._age = 0  # answers to questions of another age are not remembered
        self._silent_until: dict[str, float] = {}  # procedure -> time of the next line in the log
        self._unsaid: dict[str, int] = {}  # procedure -> failures since its last line

    def __len__(self) -> int:
        return len(self._remembered)

    def known(self, session: Session, question: Question) -> Grant | None:
        """Give what was decided before and still counts."""
        if not self._remembered or (what := _what(session, question)) is None:
            return None
        for who in (session.id, (session.authmethod, session.authid), None):
            remembered = self._remembered.get((who, what))
            if remembered is not None:
                as_it_was = who != session.id or remembered.details is session.details
                if as_it_was and remembered.end > self._now():
                    return remembered.grant
                self._drop((who, what))
        return None

    def ask(
        self, session: Session, question: Question, done: Callable[[Callable[[], Grant]], object]
    ) -> Cancellable:
        """Have ``done`` called in a later turn with what decides, so that a defect there is the asker's."""
        role: Role = session.role
        self.asked += 1
        details = session_details(session)
        if session.authextra is not None:
            details["authextra"] = dict(session.authextra)
        args = [details, question.uri, question.action, question.told()]
        judge = partial(self._judge, session, role, session.details, question, self._age)
        assert role.config.authorizer is not None
        return self._router_calls().call(
            role.config.authorizer,
            args,
            None,
            role.config.authorization.timeout_ms,
            lambda answer: done(partial(judge, answer)),
        )

    def configure(self, limit: int) -> None:
        """Take a changed configuration: nothing that was decided before counts any more."""
        self.limit = limit
        self._silent_until.clear()
        self._unsaid.clear()
        self.purge()

    def purge(self, matches: Callable[[Who, What], bool] = lambda who, what: True) -> int:
        """Forget the decisions that ``matches`` is true of, and those being made; tell how many."""
        self._age += 1
        keys = [key for key in self._remembered if matches(*key)]
        for key in keys:
            self._drop(key)
        return len(keys)

    def authid_of(self, who: Who) -> str | None:
        """Tell for whose authid a decision counts alone; ``None`` where it counts for a role."""
        if isinstance(who, int):
            return self._sessions[who].authid
        return None if who is None else who[1]

    def forget(self, session: Session) -> None:
        """Forget what counted for a session that leaves."""
        for key in list(self._of_session.get(session.id, ())):
            self._drop(key)

    def _judge(
        self, session: Session, role: Role, details: Any, question: Question, age: int, answer: Answer
    ) -> Grant:
        if isinstance(answer, Failed):
            what = f"{answer.error}: {answer.text}" if answer.text else answer.error
            return self._failed(session, role, question, what)
        try:
            decision = read_answer(answer.args, answer.kwargs, role.config.authorization)
        except BadAnswer as bad:
            return self._failed(session, role, question, f"bad answer: {bad}")
        grant = role.decided(question.action, question.uri, question.match, decision)
        if age == self._age:
            self._remember(session, details, question, decision, grant)
        return grant

    def _remember(
        self, session: Session, details: Any, question: Question, decision: Decision, grant: Grant
    ) -> None:
        what = _what(session, question)
        lasts = decision.scope != "never" and decision.ttl_ms > 0 and self.limit > 0
        if not lasts or what is None or details is not session.details or session.id not in self._sessions:
            return
        who = _who(session, decision.scope)
        if who == session.id:
            self._of_session.setdefault(session.id, set()).add((session.id, what))
        while len(self._remembered) >= self.limit:
            self._drop(next(iter(self._remembered)))
        self._remembered[who, what] = Remembered(grant, self._now() + decision.ttl_ms / 1000, details)

    def _drop(self, key: Key) -> None:
        self._remembered.pop(key, None)
        who = key[0]
        if isinstance(who, int) and who in self._of_session:
            keys = self._of_session[who]
            keys.discard(key)
            if not keys:
                del self._of_session[who]

    def _failed(self, session: Session, role: Role, question: Question, why: str) -> Grant:
        """Refuse (WAMP BP 'URIs': the authorization itself failed), and say so in the log."""
        procedure = role.config.authorizer or ""
        now = self._now()
        if now >= self._silent_until.get(procedure, 0.0):
            self._silent_until[procedure] = now + LOG_SECONDS
            more = self._unsaid.pop(procedure, 0)
            assert self._log is not None
            self._log.warn(
                "realm {realm}: {authid} (session {session}, role {role}) may not {action} {uri}: the "
                "authorizer {procedure} did not decide: {why}{more}",
                realm=self._realm,
                authid=session.authid,
                session=session.id,
                role=role.name,
                action=question.action,
                uri=question.uri,
                procedure=procedure,
                why=why,
                more=f" (and {more} before)" if more else "",
            )
        else:
            self._unsaid[procedure] = self._unsaid.get(procedure, 0) + 1
        text = f"whether role {role.name!r} may {question.action} {question.uri!r} could not be decided"
        return Grant(uris.AUTHORIZATION_FAILED, text)

    def _now(self) -> float:
        assert self._world is not None
        return self._world.now()


def given(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out what is null, as some clients send it, and ``match``, which a question has beside them."""
    return {name: value for name, value in options.items() if value is not None and name != "match"}


def _what(session: Session, question: Question) -> What | None:
    """Give what is asked, as a key; ``None``: too long to be remembered, or no key."""
    options = b""
    if question.options:
        try:
            options = msgspec.msgpack.encode(question.options, order="deterministic")
        except TypeError:  # keys of several types in a nested map: they have no order
            return None
    if len(options) > MAX_CACHED_LENGTH or len(question.uri) > MAX_CACHED_LENGTH:
        return None
    return session.authrole, question.action, question.uri, question.match, options


def _who(session: Session, scope: str) -> Who:
    if scope == "session":
        return session.id
    return (session.authmethod, session.authid) if scope == "authid" else None
