"""Cookie: a browser comes back as who it was (WAMP AP 'Cookie-based Authentication'; docs/decisions/0009)."""

from collections.abc import Callable
from functools import partial

from msgspec import structs

from realms.auth import Beginning, Identity, Question, Skip, authid_of, denied, unavailable, undecided
from realms.auth.common_config import CookieSettings
from realms.auth.cookies import NAME, Bound, Cookies
from realms.auth.dynamic import NOT_ASKED, Asked, Wrong, details_of, fields_of
from realms.router_calls import Answer, Failed
from router.routing.handshake import Peer
from router.wamp.messages import Hello


class CookieMethod:
    """
    A cookie that is good lets in at once, or when an authenticator agrees; any other leaves the client to its
    next method. ``allowed`` tells whether somebody would be let in today by what he once proved.
    """

    name = NAME

    def __init__(
        self, settings: CookieSettings, cookies: Cookies, allowed: Callable[[Identity], bool]
    ) -> None:
        self._settings = settings
        self._cookies = cookies
        self._allowed = allowed

    def begin(self, hello: Hello, peer: Peer, session_id: int) -> Beginning:
        token = peer.cookie
        if token is None:
            return Skip("cookie: none was shown")
        bound = self._cookies.find(token)
        if bound is None:
            return Skip("cookie: unknown, or its time is over")
        authid = authid_of(hello)
        if authid is not None and authid != bound.authid:
            return Skip(f"cookie: of {bound.authid!r}, used by {authid!r:.100}")
        if not self._allowed(bound.identity()):
            self._cookies.forget(token)
            return Skip(f"cookie: {bound.authid!r} would not be let in any more")
        if self._settings.authenticator is not None:
            return self._ask(self._settings.authenticator, bound, token, Asked(hello, peer, session_id))
        return _identity(bound)

    def knows(self, hello: Hello, peer: Peer) -> bool:
        return peer.cookie is not None and self._cookies.find(peer.cookie) is not None

    def still_allows(self, identity: Identity) -> bool:
        return identity.proved_by is not None and self._allowed(
            structs.replace(identity, authmethod=identity.proved_by, proved_by=None)
        )

    def _ask(self, procedure: str, bound: Bound, token: str, asked: Asked) -> Question:
        settings = self._settings
        details = details_of(self.name, asked) | {"authrole": bound.role, "proved_by": bound.authmethod}
        args = [asked.hello.realm, bound.authid, details]
        judge = partial(self._judge, procedure, bound, token)
        return Question(
            procedure, settings.authenticator_realm, args, settings.authenticator_timeout_ms, judge
        )

    def _judge(self, procedure: str, bound: Bound, token: str, answer: Answer) -> Beginning:
        """Let in where the answer gives the cookie's role; any other ends the cookie."""
        who = f"cookie: the authenticator {procedure}"
        if isinstance(answer, Failed) and answer.error in NOT_ASKED:
            return unavailable(f"{who} did not answer about {bound.authid!r:.100}: {answer.error}")
        if isinstance(answer, Failed) or answer.args in ([None], [False]):
            self._cookies.forget(token)
            return Skip(f"{who} says no to {bound.authid!r:.100}")
        try:
            role = fields_of(answer.args, answer.kwargs).get("role")
        except Wrong as wrong:
            return undecided(f"{who} answers badly: {wrong}")
        if role != bound.role:
            self._cookies.forget(token)
            return denied(f"{who} gives {bound.authid!r:.100} another role: {role!r:.100}")
        return _identity(bound)


def _identity(bound: Bound) -> Identity:
    return structs.replace(bound.identity(), authmethod=NAME, proved_by=bound.authmethod)
