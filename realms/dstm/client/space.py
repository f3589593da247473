"""
A space, as an application uses it: the core with a front of Twisted or asyncio.

Rules of this file:

- Nothing of a framework is imported before a space is used: which one, Autobahn has decided by then.
- What takes time gives that framework's awaitable: a Deferred or a Future.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import Any, Protocol

from realms.dstm.client.core import Core
from realms.dstm.client.link import Surroundings
from realms.dstm.client.outcomes import Committed
from realms.dstm.client.replica import Replica, Snapshot
from realms.dstm.client.settings import Counters, Settings
from realms.dstm.client.synchronizer import State
from realms.dstm.errors import UNAVAILABLE, DstmError


class Front(Surroundings, Protocol):
    """Surroundings that can make and hear awaitables."""

    def promise(self, begin: Callable[[Callable[[Any], None]], Callable[[], None]]) -> Awaitable[Any]:
        """Give an awaitable of what ``begin`` begins."""

    def heard(self, promise: Any, told: Callable[[Any], None]) -> None:
        """Tell ``told`` what an awaitable of Autobahn ends with."""


class Space:
    """
    A shared object: its replica, and the transactions on it.

    One Space lives as long as its application, through all its sessions:

        bank = dstm.Space("bank")
        component.on_join(bank.attach)
    """

    def __init__(
        self,
        name: str,
        paths: Sequence[str] | None = None,
        *,
        settings: Settings | None = None,
        front: Front | None = None,
    ) -> None:
        """
        Begin without a session and without a replica.

        :param name: of the space: one URI component
        :param paths: pointers; the replica is partial then, and holds what is at and below them
        :param settings: bounds and times
        :param front: of a framework; by default, of the one that Autobahn uses

        Raises:
            ValueError: ``name`` or ``paths`` can't be that.
        """
        self.name = name
        self.paths = None if paths is None else tuple(paths)
        self._front: Front = AutobahnsFront() if front is None else front
        # Of the operating system: who could guess it could submit in this client's name.
        client_id = secrets.token_hex(16)
        self._core = Core(name, paths, settings or Settings(), self._front, client_id)

    # Sessions

    def attach(self, session: Any, details: Any = None) -> Awaitable["Space"]:
        """
        Use a joined session of Autobahn until it ends, and do so with each later one.

        What was submitted before and not answered is submitted again, first of all. The awaitable gives
        this space when the replica is at the server's version.

        :param details: not used; it is there so that ``component.on_join(space.attach)`` works

        Errors:
            DstmError: the server refuses; or the session ended before (``unavailable``).
        """
        from realms.dstm.client.autobahn_link import AutobahnLink

        link = AutobahnLink(session, self._front)

        def lost(*_: Any, **__: Any) -> None:
            self._core.detach(link, "the session has left")

        session.on("leave", lost)
        session.on("disconnect", lost)

        def begin(settle: Callable[[Any], None]) -> Callable[[], None]:
            self._core.attach(link, lambda error: settle(self if error is None else error))
            return lambda: None

        return self._front.promise(begin)

    def close(self) -> None:
        """
        Unsubscribe and end: what was not submitted fails, what was not answered is an UnknownOutcome.

        The session stays. The last version can still be read.
        """
        self._core.close()

    # Transactions

    def atomically(
        self, function: Callable[..., Any], *args: Any, strict: bool = False
    ) -> Awaitable[Committed]:
        """
        Run ``function(tx, *args)`` as a transaction; give the version at which it was committed.

        The function is synchronous, may run several times, and does nothing but read and write ``tx``.
        Each run sees one version. ``Committed.value`` is what its last run returned. The awaitable
        is done when this replica is at that version. Canceling it gives the transaction up; one that was
        sent may be committed nevertheless.

        Inside of another transaction function of any space there is no second transaction: call
        ``function(tx, ...)`` there.

        An exception of the function is told after the server has said that what it read is still so;
        otherwise the function runs again.

        :param strict: ask the server the same where the function only reads; without it, the replica
            answers: with one whole version, perhaps not the newest

        Errors:
            UnknownOutcome: it may have been committed.
            DstmError: the server refuses it, or too many wait.
            Any exception of ``function``: nothing was submitted of that run.
        """
        return self._front.promise(lambda settle: self._core.atomically(function, args, strict, settle))

    # The replica

    def watch(self, pointer: str, callback: Callable[[Any], object]) -> Callable[[], None]:
        """
        Call ``callback(value)`` after each move of the replica that changes what is at ``pointer``.

        A value that is not there is None. After a resync the value may be the one that was told before.
        Returns what ends it.

        Raises:
            ValueError: ``pointer`` is no JSON Pointer.
            DstmError: it is outside of a partial replica's paths.
        """
        return self._core.watch(pointer, callback)

    def snapshot(self) -> Snapshot:
        """Give the present version, which can be read for as long as it is kept."""
        return self._replica.snapshot()

    def __getitem__(self, pointer: str) -> Any:
        """Give a copy of the value at ``pointer``; KeyError where there is none."""
        return self._replica[pointer]

    def get(self, pointer: str, default: Any = None) -> Any:
        """Give a copy of the value at ``pointer``, or ``default`` where there is none."""
        return self._replica.get(pointer, default)

    def __contains__(self, pointer: str) -> bool:
        return pointer in self._replica

    def keys(self, pointer: str = "") -> list[str]:
        """List the members of the object at ``pointer``, sorted; KeyError where there is no object."""
        return self._replica.keys(pointer)

    @property
    def version(self) -> int:
        """The version that the replica is at."""
        return self._replica.version

    @property
    def epoch(self) -> str:
        """The history that the version is in."""
        return self._replica.epoch

    @property
    def state(self) -> State:
        """Whether the replica follows the server: see ``State``."""
        return self._core.state

    @property
    def counters(self) -> Counters:
        """What has happened until now."""
        return self._core.counters

    @property
    def _replica(self) -> Replica:
        replica = self._core.replica
        if replica is None:
            raise DstmError(UNAVAILABLE, f"the space {self.name!r} has no replica yet: await attach first")
        return replica


def open(
    session: Any,
    name: str,
    paths: Sequence[str] | None = None,
    *,
    settings: Settings | None = None,
) -> Awaitable[Space]:
    """Make a Space and attach a joined session to it: see ``Space`` and ``Space.attach``."""
    return Space(name, paths, settings=settings).attach(session)


class AutobahnsFront:
    """The front of the framework that Autobahn uses, found when it is first needed."""

    @cached_property
    def used(self) -> Front:
        """
        Find it.

        Raises:
            RuntimeError: Autobahn has not been told a framework.
        """
        import txaio

        if txaio.using_twisted:
            from realms.dstm.client.twisted import TwistedFront

            return TwistedFront()
        if txaio.using_asyncio:
            from realms.dstm.client.aio import AsyncioFront

            return AsyncioFront()
        raise RuntimeError("import autobahn.twisted or autobahn.asyncio before a space is used")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.used, name)
