"""
The client of one space, without a socket, a clock or a framework.

What happens, in the order in which it does:

1. ``attach`` gives the core a link. The outbox submits again what is in doubt; the synchronizer
   subscribes, syncs, and is LIVE (synchronizer.py).
2. ``atomically`` runs a function on the replica's one version. What only reads is done with that. The
   rest is one CALL of ``dstm.<s>.commit`` with what was read and what is to be done (outbox.py).
3. The result says at which version it was committed; the transaction is settled when the replica is
   there. A conflict brings the deltas that the replica lacked: they are applied, and the function
   runs again, on one version that holds them all.
4. Every move of the replica runs the transactions again that wait for it in ``retry``; the application
   hears of it first from its watches, then from what is settled by it.
5. A broken link leaves the replica and the transactions as they are, for the next ``attach``.

Rules of this file:

- One input is one *turn*. What the application is told (outcomes, watches) is told at the end of the
  turn, in order, when all tables are complete: it may call back into the core at once.
- An exception of the application's callbacks is logged, and harms nothing else.
- Nothing here knows which WAMP library or which event loop is used (link.py).
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from realms.dstm.changes import Change
from realms.dstm.client.attempt import check_alone, check_inside
from realms.dstm.client.link import Channel, Link, Surroundings
from realms.dstm.client.outbox import Job, Outbox
from realms.dstm.client.replica import Replica
from realms.dstm.client.settings import Counters, Settings
from realms.dstm.client.synchronizer import State, Synchronizer
from realms.dstm.errors import UNAVAILABLE, DstmError
from realms.dstm.pointer import Path, parse
from realms.dstm.reads import Read
from realms.dstm.watches import Watches

Settle = Callable[[Any], None]


class Watch(NamedTuple):
    """A callback that hears of changes at, below and above a pointer."""

    pointer: str
    callback: Callable[[Any], object]


class _Turns:
    """Surroundings whose timers are turns of the core."""

    def __init__(self, core: "Core", surroundings: Surroundings) -> None:
        self._core = core
        self._surroundings = surroundings

    def random(self) -> float:
        return self._surroundings.random()

    def warn(self, text: str) -> None:
        self._surroundings.warn(text)

    def defect(self, text: str, error: BaseException) -> None:
        self._surroundings.defect(text, error)

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        return self._surroundings.later(seconds, lambda: self._core.turn(function))


class Core:
    """
    A space as a client sees it.

    :ivar paths: what a partial replica holds; None for all
    """

    def __init__(
        self,
        space: str,
        paths: Sequence[str] | None,
        settings: Settings,
        surroundings: Surroundings,
        client_id: str,
    ) -> None:
        """
        Begin without a link and without a replica.

        :param client_id: 32 hex digits that nobody else has or can guess

        Raises:
            ValueError: ``space`` is no URI component, or ``paths`` are no pointers.
        """
        self.paths = None if paths is None else _parsed(paths)
        self._turns = _Turns(self, surroundings)
        prefix = f"dstm.{_component(space)}."
        self._synchronizer = Synchronizer(space, self.paths, settings, self._turns, self)
        self._outbox = Outbox(f"{prefix}commit", client_id, self._synchronizer, settings, self._turns)
        self._channel: Channel | None = None
        self._attached: list[Settle] = []  # who waits for LIVE, over the link in use
        self._watches: Watches[int] = Watches()
        self._watching: dict[int, Watch] = {}  # number -> Watch
        self._watch_number = 0
        self._told: deque[Callable[[], object]] = deque()
        self._in_turn = False

    @property
    def state(self) -> State:
        """Where the synchronization stands."""
        return self._synchronizer.state

    @property
    def replica(self) -> Replica | None:
        """The version that the client is at; None before the first sync has ended."""
        return self._synchronizer.replica

    @property
    def counters(self) -> Counters:
        """What has happened until now."""
        return self._synchronizer.counters

    # Turns

    def turn(self, function: Callable[[], None]) -> None:
        """Run one input to its end, and then tell the application what came of it."""
        if self._in_turn:
            function()
            return
        self._in_turn = True
        try:
            function()
            while self._told:
                tell = self._told.popleft()
                try:
                    tell()
                except Exception as error:
                    self._turns.defect("a callback failed", error)
        finally:
            self._in_turn = False

    def _settling(self, settle: Settle) -> Settle:
        return lambda outcome: self._told.append(lambda: settle(outcome))

    # The link

    def attach(self, link: Link, settle: Settle) -> None:
        """Use ``link``; ``settle`` gets None when the replica is LIVE, or why it will not be."""
        self.turn(lambda: self._attach(link, self._settling(settle)))

    def _attach(self, link: Link, settle: Settle) -> None:
        if self.state is State.CLOSED:
            settle(DstmError(UNAVAILABLE, "the space was closed"))
            return
        self._detach("another session was attached")
        self._attached.append(settle)
        channel = self._channel = Channel(link, self.turn, self._detach)
        self._outbox.attach(channel)
        if self._channel is channel:  # a link may be lost at the first word
            self._synchronizer.attach(channel)

    def detach(self, link: Link, reason: str) -> None:
        """Go on without ``link``, which is lost, unless another one is in use already."""
        if self._channel is not None and self._channel.link is link:
            self.turn(lambda: self._detach(reason))

    def _detach(self, reason: str) -> None:
        if self._channel is None:
            return
        self._channel.close()
        self._channel = None
        self._outbox.detach()
        self._synchronizer.detach()
        self._settle_attached(DstmError(UNAVAILABLE, f"the session ended before the first sync: {reason}"))

    def close(self) -> None:
        """Undo the subscription, and settle everything."""
        self.turn(self._close)

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.link.unsubscribe()
        self._detach("the space was closed")
        self._synchronizer.close()
        self._outbox.close()
        self._watching.clear()

    def _settle_attached(self, outcome: DstmError | None) -> None:
        waiting, self._attached = self._attached, []
        for settle in waiting:
            settle(outcome)

    # The synchronizer's listener

    def moved(self, changes: Sequence[Change] | None) -> None:
        """Wake who waits for what has changed."""
        for number in sorted(self._woken(changes)):
            self._told.append(partial(self._show, number))
        self._outbox.moved(changes)

    def _woken(self, changes: Sequence[Change] | None) -> set[int]:
        if changes is None or self.replica is None:
            return set(self._watching)
        return self._watches.woken(changes, document=self.replica.document)

    def went_live(self) -> None:
        """Submit what waited for it."""
        self._settle_attached(None)
        self._outbox.went_live()

    def refused(self) -> None:
        """Tell everybody who waits."""
        assert self._synchronizer.refusal is not None
        self._settle_attached(self._synchronizer.refusal)
        self._outbox.refused()

    # Transactions

    def atomically(
        self, function: Callable[..., Any], arguments: Sequence[Any], strict: bool, settle: Settle
    ) -> Callable[[], None]:
        """
        Begin a transaction; ``settle`` gets Committed, or the exception that it ends with.

        Returns what cancels it: then it is not settled, and may be committed nevertheless.

        Raises:
            RuntimeError: a transaction function is running.
        """
        check_alone()
        job = Job(function, arguments, strict, self._settling(settle))
        self.turn(lambda: self._outbox.add(job))
        return lambda: self.turn(lambda: self._outbox.cancel(job))

    # Watches

    def watch(self, pointer: str, callback: Callable[[Any], object]) -> Callable[[], None]:
        """
        Call ``callback(value)`` whenever what is at ``pointer`` has changed; None stands for nothing there.

        Returns what ends it.

        Raises:
            ValueError: ``pointer`` is none.
            DstmError: it is outside a partial replica's paths.
        """
        path = parse(pointer)
        check_inside(path, self.paths)
        self._watch_number += 1
        number = self._watch_number
        self._watching[number] = Watch(pointer, callback)
        self._watches.add(number, [Read("value", path)], 0)

        def stop() -> None:
            if self._watching.pop(number, None) is not None:
                self._watches.remove(number)

        return stop

    def _show(self, number: int) -> None:
        watch = self._watching.get(number)
        if watch is not None and self.replica is not None:
            watch.callback(self.replica.get(watch.pointer))


def _component(space: str) -> str:
    """Give the name of a space, if it can be one: it is a component of URIs."""
    if not space or any(character in ".#" or character.isspace() for character in space):
        raise ValueError(f"a space's name is one URI component, without dots, # or white space: {space!r}")
    return space


def _parsed(paths: Sequence[str]) -> tuple[Path, ...]:
    if isinstance(paths, str) or not paths:
        raise ValueError(f"paths is a list of one or more pointers, got {paths!r}")
    return tuple(parse(path) for path in paths)
