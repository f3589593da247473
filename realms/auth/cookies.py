"""
The cookies of one realm: who a browser is that comes back (WAMP AP 'Cookie-based Authentication').

Rules of this file:

- A cookie is 256 random bits of the transport's. Its SHA-256 alone is kept: who reads the table, or its file,
  can't come in with it.
- It is bound to realm, ``authid`` and role when somebody has proved who he is on the very connection for
  which it was made. One that the client brought along is never bound: somebody else may have planted it.
- It ends with its lifetime, with a logout (GOODBYE with ``wamp.close.logout``), when its client joins as
  somebody else, and when the realm would not give its role any more.
- The table is bounded, and so are the cookies of one name; the oldest go first.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, Final, Protocol

from msgspec import Struct

from realms.auth import Identity
from realms.auth.common_config import CookieSettings
from router.routing.handshake import Peer

NAME: Final = "cookie"

# What joins without being anybody, or without a client.
_NOT_BOUND: Final = frozenset({"anonymous", "local"})

# What SCRAM proves the router with, once: it says nothing in another session.
_PROOFS: Final = frozenset({"verifier", "scram_server_signature"})


class Bound(Struct, frozen=True):
    """Who comes with a cookie; ``until_ms`` is in milliseconds since 1970."""

    authid: str
    role: str
    authmethod: str  # by which he proved it
    authprovider: str
    authextra: dict[str, Any] | None
    until_ms: int

    def identity(self) -> Identity:
        """Give who it is, as he was let in when the cookie was bound."""
        return Identity(
            authid=self.authid,
            role=self.role,
            authmethod=self.authmethod,
            authprovider=self.authprovider,
            authextra=self.authextra,
        )


class Journal(Protocol):
    """Where cookies outlive the router. What is given is written soon, in order."""

    def put(self, digest: bytes, bound: Bound) -> None: ...
    def delete(self, digest: bytes) -> None: ...


class Cookies:
    """
    The cookies that somebody is bound to.

    :ivar settings: ``None``: the realm has no cookies
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """``now_ms`` is in milliseconds since 1970."""
        self.settings: CookieSettings | None = None
        self.journal: Journal | None = None
        self._now_ms = now_ms
        self._bound: OrderedDict[bytes, Bound] = OrderedDict()  # digest -> who, the oldest first
        self._digests: dict[str, dict[bytes, None]] = {}  # authid -> its digests, the oldest first
        self._digest_of: dict[int, bytes] = {}  # session id -> with which cookie it is there

    def __len__(self) -> int:
        return len(self._bound)

    def items(self) -> list[tuple[bytes, Bound]]:
        """Give all that is bound, the oldest first."""
        return list(self._bound.items())

    def restore(self, kept: Iterable[tuple[bytes, Bound]]) -> None:
        """Take what was kept from before the start, the oldest first."""
        for digest, bound in kept:
            self._insert(digest, bound)

    def find(self, token: str) -> Bound | None:
        """Tell who comes with ``token``; ``None`` where it is unknown or its time is over."""
        digest = digest_of(token)
        bound = self._bound.get(digest)
        if bound is not None and bound.until_ms <= self._now_ms():
            self._forget(digest)
            return None
        return bound

    def forget(self, token: str) -> None:
        """End a cookie."""
        self._forget(digest_of(token))

    def keep(self, allowed: Callable[[Identity], bool]) -> None:
        """End the cookies of all who would not be let in today as they were."""
        for digest, bound in self.items():
            if self.settings is None or not allowed(bound.identity()):
                self._forget(digest)

    def admitted(self, session_id: int, identity: Identity, peer: Peer) -> None:
        """A client was let in: bind its new cookie, or note with which one it came."""
        settings, token = self.settings, peer.cookie
        if settings is None or token is None or identity.authmethod in _NOT_BOUND:
            return
        digest, bound = digest_of(token), self.find(token)
        if identity.authmethod != NAME:
            if peer.cookie_is_new:
                self._forget(digest)
                self._bind(digest, identity, settings)
            elif bound is None:
                return
            elif (bound.authid, bound.role) != (identity.authid, identity.role):
                self._forget(digest)
                return
        self._digest_of[session_id] = digest

    def left(self, session_id: int) -> None:
        """A session is over; its cookie is not."""
        self._digest_of.pop(session_id, None)

    def logged_out(self, session_id: int) -> list[int]:
        """End the cookie of a session; give the others that are there with it."""
        digest = self._digest_of.pop(session_id, None)
        if digest is None:
            return []
        self._forget(digest)
        return [other for other, its in self._digest_of.items() if its == digest]

    def _bind(self, digest: bytes, identity: Identity, settings: CookieSettings) -> None:
        extra = {key: value for key, value in (identity.authextra or {}).items() if key not in _PROOFS}
        bound = Bound(
            identity.authid,
            identity.role,
            identity.authmethod,
            identity.authprovider,
            extra or None,
            self._now_ms() + settings.lifetime_ms,
        )
        self._insert(digest, bound)
        if self.journal is not None:
            self.journal.put(digest, bound)
        own = self._digests[identity.authid]
        if len(own) > settings.cookies_per_authid:
            self._forget(next(iter(own)))
        if len(self._bound) > settings.cookies:
            self._forget(next(iter(self._bound)))

    def _insert(self, digest: bytes, bound: Bound) -> None:
        self._bound[digest] = bound
        self._digests.setdefault(bound.authid, {})[digest] = None

    def _forget(self, digest: bytes) -> None:
        bound = self._bound.pop(digest, None)
        if bound is None:
            return
        own = self._digests[bound.authid]
        del own[digest]
        if not own:
            del self._digests[bound.authid]
        if self.journal is not None:
            self.journal.delete(digest)


def digest_of(token: str) -> bytes:
    """Give what is kept of a cookie."""
    return sha256(token.encode(errors="surrogatepass")).digest()
