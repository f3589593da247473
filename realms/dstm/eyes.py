"""
With whose eyes a space is seen: sessions that may see the same share one sight, and what it shows.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

import msgspec

from realms.dstm.access import UNIFORM, AnySight
from realms.dstm.config import SpaceConfig, rules_of

MAX_CACHED: Final = 10_000


class Viewer(Protocol):
    """What of a session decides what it may see."""

    @property
    def id(self) -> int: ...
    @property
    def authid(self) -> str: ...
    @property
    def authrole(self) -> str: ...


class Eye(NamedTuple):
    """
    What some sessions see.

    :ivar key: equal for equal rules of the same authid, in every run of the router
    :ivar sight: ``None`` where they may read and write everything
    """

    key: str
    sight: AnySight | None


EVERYTHING: Final = Eye("", None)


class Eyes:
    """
    The eyes of one space's sessions, by its pointer rules.

    :ivar key_of: gives the key of a session's eye: who has the same gets the same events
    """

    def __init__(self, config: SpaceConfig) -> None:
        self._rules = rules_of(config)
        self._texts = {role: msgspec.json.encode(rules) for role, rules in config.access.items()}
        self._of_session: dict[int, Eye] = {}  # session id -> Eye
        self._shared: dict[tuple[str, str], Eye] = {}  # role, authid where the rules name it -> Eye
        self.key_of: Callable[[Viewer], str] = self._key_of  # one object: a grouping is remembered by it

    def of(self, session: Viewer) -> Eye:
        """Give the eye of a session."""
        if not self._rules:
            return EVERYTHING
        eye = self._of_session.get(session.id)
        if eye is None:
            eye = self._of_session[session.id] = self._find(session.authrole, session.authid)
        return eye

    def _key_of(self, session: Viewer) -> str:
        return self.of(session).key

    def left(self, session_id: int) -> None:
        """Forget a session."""
        self._of_session.pop(session_id, None)

    def _find(self, role: str, authid: str) -> Eye:
        rules = self._rules.get(role)
        if rules is None:
            return Eye("nothing", UNIFORM[0])
        key = (role, authid if rules.names_authid else "")
        if key not in self._shared:
            if len(self._shared) >= MAX_CACHED:
                self._shared.clear()
            name = sha256(self._texts[role] + b"\0" + key[1].encode("utf-8", "surrogatepass")).hexdigest()
            sight = rules.sight(authid)
            self._shared[key] = EVERYTHING if sight is None else Eye(name, sight)
        return self._shared[key]
