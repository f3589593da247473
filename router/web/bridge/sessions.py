"""
The sessions behind requests: one for each client and credential, kept for a while, shared by its requests.

Rules of this file:

- A session that is kept was let in with exactly this credential, from this address, under the realm's present
  way of authentication, not longer ago than ``session_ms``. Otherwise the realm is asked anew.
- There are at most ``sessions``. The one idle for longest makes room; where none is, the request is refused.
- Whoever waits for an answer gets one, whatever becomes of the session.
"""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, Protocol

from msgspec import Raw

from router.transport.inside import Credential, InsideConnection
from router.wamp import uris
from router.wamp.ids import MAX_ID
from router.wamp.messages import Cancel, Error, Published, Result
from router.web.bridge.answers import Refused, headers_of
from router.web.bridge.config import Bridge


class Asker(Protocol):
    """Who waits for the answer to one request."""

    def answered(self, code: int, fields: list[Raw]) -> None:
        """RESULT, PUBLISHED or ERROR came; ``fields`` is its wire array."""

    def ended(self, reason: str, text: str) -> None:
        """There will be no answer: the session was refused, or is over."""


# makes the connection of a client, which is its first argument; a stream gives what writes to its peer, too
Connect = Callable[..., InsideConnection]
Later = Callable[[float, Callable[[], object]], Any]  # as IReactorTime.callLater


class SharedSession:
    """
    A session that many requests use, at once or one after the other.

    :ivar asking: request id -> who waits
    :ivar timer: of the handshake, then of idleness
    """

    def __init__(
        self, table: "Sessions", key: Hashable, version: Any, until: float, connect: Connect
    ) -> None:
        self.key = key
        self.version = version
        self.until = until
        self.timer: Any = None
        self.is_joined = False
        self.asking: dict[int, Asker] = {}
        self._request_by_asker: dict[Asker, int] = {}
        self._before: dict[Asker, list[Any]] = {}  # what waits for WELCOME
        self._last_request = 0
        self._end: tuple[str, str] | None = None  # why it is over
        self._table = table
        self.connection = connect(self)

    @property
    def is_idle(self) -> bool:
        return not self.asking and not self._before

    def ask(self, wire: list[Any], asker: Asker) -> None:
        """Send a request; its id is put into ``wire``."""
        if self._end is not None:
            asker.ended(*self._end)
            return
        if not self.is_joined:
            self._before[asker] = wire
            return
        self._last_request = wire[1] = self._last_request % MAX_ID + 1
        self.asking[wire[1]] = asker
        self._request_by_asker[asker] = wire[1]
        self.connection.send(wire)

    def cancel(self, asker: Asker) -> None:
        """End a call whose answer nobody waits for (WAMP AP 'Call Canceling')."""
        if self._before.pop(asker, None) is not None:
            asker.ended(uris.CANCELED, "")
        elif asker in self._request_by_asker:
            request = self._request_by_asker[asker]
            self.connection.send([Cancel.CODE, request, {"mode": "killnowait"}])

    def joined(self) -> None:
        self.is_joined = True
        self._table.joined(self)
        before, self._before = self._before, {}
        for asker, wire in before.items():
            self.ask(wire, asker)

    def received(self, code: int, fields: list[Raw]) -> None:
        if code not in (Result.CODE, Published.CODE, Error.CODE):
            return
        if code == Error.CODE and int(bytes(fields[1])) == Cancel.CODE:
            return
        asker = self.asking.pop(int(bytes(fields[2 if code == Error.CODE else 1])), None)
        if asker is None:
            return
        del self._request_by_asker[asker]
        asker.answered(code, fields)
        if self.is_idle:
            self._table.idle(self)

    def ended(self, reason: str, text: str) -> None:
        self._end = (reason, text)
        waiting = [*self.asking.values(), *self._before]
        self.asking.clear()
        self._before.clear()
        self._request_by_asker.clear()
        self._table.over(self)
        for asker in waiting:
            asker.ended(reason, text)


class Sessions:
    """The table of the sessions that one bridge keeps."""

    def __init__(
        self, settings: Bridge, handshake_timeout_ms: int, later: Later, now: Callable[[], float]
    ) -> None:
        """``now`` is the monotonic clock in seconds."""
        self._settings = settings
        self._handshake_seconds = handshake_timeout_ms / 1000
        self._later = later
        self._now = now
        self._kept: dict[Hashable, SharedSession] = {}  # the one asked for longest ago first
        self._all: set[SharedSession] = set()  # those too that end with their last answer

    def __len__(self) -> int:
        return len(self._all)

    def get(
        self, realm: str, credential: Credential, key: Hashable, version: Any, connect: Connect
    ) -> SharedSession:
        """
        Give the session of ``key``, which stands for realm, client and credential.

        ``version`` is another object when the realm has changed how it lets in.

        Raises:
            Refused: with 503, where no session makes room.
        """
        kept = self._kept.pop(key, None)
        if kept is not None and kept.version is version and self._now() < kept.until:
            self._kept[key] = kept
            if kept.is_joined:
                _stop_timer(kept)  # it is not idle any more
            return kept
        if kept is not None:
            self._retire(kept)
        self._make_room()
        return self._make(realm, credential, key, version, connect)

    def joined(self, session: SharedSession) -> None:
        """A session was let in."""
        _stop_timer(session)
        if session.is_idle:
            self.idle(session)

    def idle(self, session: SharedSession) -> None:
        """A session has answered everything."""
        if self._kept.get(session.key) is not session:
            session.connection.leave()
        elif session.timer is None:
            seconds = self._settings.session_idle_ms / 1000
            session.timer = self._later(seconds, partial(self._retire, session))

    def over(self, session: SharedSession) -> None:
        """A session has ended, or was refused."""
        _stop_timer(session)
        self._all.discard(session)
        if self._kept.get(session.key) is session:
            del self._kept[session.key]

    def _make(
        self, realm: str, credential: Credential, key: Hashable, version: Any, connect: Connect
    ) -> SharedSession:
        until = self._now() + self._settings.session_ms / 1000
        session = SharedSession(self, key, version, until, connect)
        self._kept[key] = session
        self._all.add(session)
        session.timer = self._later(self._handshake_seconds, partial(self._expire, session))
        session.connection.join(realm, credential)
        return session

    def _expire(self, session: SharedSession) -> None:
        session.timer = None
        session.connection.expire()

    def _retire(self, session: SharedSession) -> None:
        """Give a session to no further request; it ends with its last answer."""
        _stop_timer(session)
        if self._kept.get(session.key) is session:
            del self._kept[session.key]
        if session.is_idle:
            session.connection.leave()

    def _make_room(self) -> None:
        if len(self._all) < self._settings.sessions:
            return
        idle = next((session for session in self._kept.values() if session.is_idle), None)
        if idle is None:
            text = f"limit sessions={self._settings.sessions} of the bridge is reached"
            raise Refused(503, uris.LIMIT_EXCEEDED, text, headers_of(503))
        self._retire(idle)


def _stop_timer(session: SharedSession) -> None:
    timer, session.timer = session.timer, None
    if timer is not None and timer.active():
        timer.cancel()
