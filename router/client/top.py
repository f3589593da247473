"""
``concord top``: what a router does now, on the terminal, or as one JSON snapshot a line.

A router that manages itself by ``concord.stats`` tells of its realms; of any other, the meta API tells of
the one that was joined (WAMP AP 'Session Meta API', 'Registration Meta API', 'Subscription Meta API').

Rules of this file:

- What is not allowed, or not there, is left out; only if nothing can be asked is that an error.
- A look costs the router a few small calls. Long lists are asked for rarely, and sessions are learned
  from the events of those that join.
"""

import argparse
import asyncio
import contextlib
import sys
import time
from collections import OrderedDict
from typing import Any, Final

from router.client.connection import Connection
from router.client.failures import GOOD, WampError
from router.client.inputs import Payload
from router.client.outputs import show
from router.client.session import Answer, Session
from router.client.terminal import Terminal
from router.client.top_screen import screen

NEWEST_SESSIONS: Final = 50
# Ids in a list above which it is asked for at every tenth look alone.
LONG_LIST: Final = 1000
# A router that does not answer within this time does not tell.
ANSWER_SECONDS: Final = 10.0
_ABSENT: Final = tuple(
    f"wamp.error.{name}" for name in ("no_such_procedure", "not_authorized", "authorization_failed")
)


class Top:
    """Looks at a router, one every interval."""

    is_endless = True
    deadline: float | None = None

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._interval_seconds = arguments.interval / 1000
        self._count = arguments.count
        self._is_json = arguments.json or not sys.stdout.isatty()
        self._looks = 0

    async def work(self, connection: Connection, session: Session) -> int:
        """Look, show, wait."""
        observer = Observer(session, connection.settings.realm)
        await observer.begin()
        with contextlib.nullcontext() if self._is_json else Terminal() as terminal:
            while True:
                began = time.monotonic()
                snapshot = await observer.look()
                if terminal is None:
                    show(snapshot)
                else:
                    terminal.draw(screen(snapshot, connection.place, *terminal.size()))
                self._looks += 1
                if self._looks == self._count:
                    return GOOD
                left = self._interval_seconds - (time.monotonic() - began)
                if await _quits(terminal, max(0.0, left)):
                    return GOOD


async def _quits(terminal: Terminal | None, seconds: float) -> bool:
    """Wait for the next look; tell whether somebody has pressed q meanwhile."""
    if terminal is None:
        await asyncio.sleep(seconds)
        return False
    return await terminal.quits(seconds)


class Observer:
    """What one session learns of its router."""

    def __init__(self, session: Session, realm: str) -> None:
        self._session = session
        self._realm = realm
        self._absent: set[str] = set()  # procedures that are not to be asked again
        self._sessions: OrderedDict[int, dict[str, Any]] = OrderedDict()  # id -> details, the oldest first
        self._counts = {"joined": 0, "left": 0}
        self._before: tuple[float, dict[str, int]] | None = None
        self._lists: dict[str, tuple[int, int]] = {}  # procedure -> number of ids, looks until the next
        self._looks = 0

    async def begin(self) -> None:
        """Learn of sessions from now on, where that is allowed."""
        for topic, told in (
            ("wamp.session.on_join", self._joined),
            ("wamp.session.on_leave", self._left),
        ):
            with contextlib.suppress(WampError):
                await self._session.subscribe(topic, {}, told)
        ids = await self._ask("wamp.session.list")
        if isinstance(ids, list):
            for session_id in ids[-NEWEST_SESSIONS:]:
                details = await self._ask("wamp.session.get", session_id)
                if isinstance(details, dict):
                    self._add(details)

    async def look(self) -> dict[str, Any]:
        """
        Give a snapshot: ``source``, ``time_ms``, ``realms``, ``sessions``, where told ``node``, ``slow``.

        Raises:
            WampError: nothing at all can be asked.
        """
        stats = await self._ask("concord.stats")
        snapshot: dict[str, Any] = {"time_ms": time.time_ns() // 1_000_000, "source": "meta"}
        if isinstance(stats, dict) and isinstance(stats.get("realms"), list):
            snapshot |= {"source": "concord", "realms": stats["realms"]}
            if isinstance(stats.get("node"), dict):
                snapshot["node"] = stats["node"]
            slow = await self._ask("concord.slow_consumers")
            if isinstance(slow, list):
                snapshot["slow"] = slow
        else:
            snapshot["realms"] = [await self._of_meta_api()]
        self._looks += 1
        snapshot["sessions"] = list(reversed(self._sessions.values()))
        return snapshot

    async def _of_meta_api(self) -> dict[str, Any]:
        count = await self._ask("wamp.session.count")
        registrations = await self._length("wamp.registration.list")
        subscriptions = await self._length("wamp.subscription.list")
        if count is None and registrations is None and subscriptions is None:
            text = "neither concord.stats nor the meta API may be called here"
            raise WampError("wamp.error.not_authorized", [text])
        numbers = {"sessions": count, "registrations": registrations, "subscriptions": subscriptions}
        return {"realm": self._realm, **numbers, **self._rates()}

    def _rates(self) -> dict[str, float | None]:
        now, counts = time.monotonic(), dict(self._counts)
        before, self._before = self._before, (now, counts)
        names = {"joins_per_second": "joined", "leaves_per_second": "left"}
        if before is None or now <= before[0]:
            return dict.fromkeys(names)
        seconds = now - before[0]
        return {name: round((counts[key] - before[1][key]) / seconds, 2) for name, key in names.items()}

    async def _length(self, procedure: str) -> int | None:
        """Give how many ids a list of the meta API has; a long one is not asked for at every look."""
        length, until = self._lists.get(procedure, (0, 0))
        if until > self._looks:
            return length
        lists = await self._ask(procedure)
        if not isinstance(lists, dict):
            return None
        length = sum(len(ids) for ids in lists.values() if isinstance(ids, list))
        self._lists[procedure] = (length, self._looks + (10 if length > LONG_LIST else 0))
        return length

    async def _ask(self, procedure: str, *args: Any) -> Any:
        """Call; give the one result, or None where the router does not tell."""
        if procedure in self._absent:
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._session.call(procedure, Payload(list(args), {}), {})
        except TimeoutError:
            return None
        except WampError as error:
            if error.uri in _ABSENT:
                self._absent.add(procedure)
            return None
        return answer.args[0] if answer.args else None

    def _joined(self, event: Answer) -> None:
        self._counts["joined"] += 1
        if event.args and isinstance(event.args[0], dict):
            self._add(event.args[0])

    def _left(self, event: Answer) -> None:
        self._counts["left"] += 1
        if event.args and isinstance(event.args[0], int):
            self._sessions.pop(event.args[0], None)

    def _add(self, details: dict[str, Any]) -> None:
        session_id = details.get("session")
        if isinstance(session_id, int):
            self._sessions[session_id] = details
            while len(self._sessions) > NEWEST_SESSIONS:
                self._sessions.popitem(last=False)


def command(arguments: argparse.Namespace) -> Top:
    """Make the command."""
    return Top(arguments)
