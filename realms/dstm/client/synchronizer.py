"""
Keeps the replica at the server's newest version, across gaps, new epochs and broken connections.

    state      entered by                      left by
    DETACHED   start, ``detach``               ``attach``
    JOINING    ``attach``: CALL view (for a    SUBSCRIBED
               partial replica), SUBSCRIBE
    SYNCING    SUBSCRIBED; a gap, a new        the answer to sync, when it and what was received
               epoch, a wrong digest, an       meanwhile lead to one version
               acknowledged version that
               does not arrive
    LIVE       all of that fits                one of the causes above
    REFUSED    any of that is refused          ``attach``
    CLOSED     ``close``                       nothing

It subscribes before it syncs, so that between the two nothing is lost. Deltas are applied as they
come while LIVE; otherwise they wait in a bounded backlog, and if that overflows, one more sync fetches
what was dropped. A sync names the version, epoch and hash that the replica is at, so that the
server answers with the deltas since, or with a snapshot where that is smaller or the history is
another one. A replica that was found wrong names nothing, and gets a snapshot.

Rules of this file:

- The replica moves in LIVE and at the end of SYNCING, nowhere else, so a version never goes back.
- What fails for a while is asked again with back-off; what is refused is told to ``refused``.
- ``moved`` is told once for each event and each sync, at a whole version.
"""

import enum
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from realms.dstm.changes import Change, Delta
from realms.dstm.client.fetch import Fetch, Fetched
from realms.dstm.client.link import Answer, Channel, Surroundings
from realms.dstm.client.replica import DigestCheck, Gap, Replica
from realms.dstm.client.settings import Counters, Settings, is_passing
from realms.dstm.document import DoesNotFit
from realms.dstm.errors import UNAVAILABLE, DstmError
from realms.dstm.pointer import Path, render


class State(enum.Enum):
    """Where the synchronization stands; see the head of this file."""

    DETACHED = "detached"
    JOINING = "joining"
    SYNCING = "syncing"
    LIVE = "live"
    REFUSED = "refused"
    CLOSED = "closed"


class Listener(Protocol):
    """Who hears of the replica."""

    def moved(self, changes: Sequence[Change] | None) -> None:
        """The replica is at another version: by ``changes``, or None for another document."""

    def went_live(self) -> None:
        """The replica is at the server's newest version, as far as is known."""

    def refused(self) -> None:
        """The server refuses to show the space; ``refusal`` says why."""


class Synchronizer:
    """Owns the replica; None until the first sync has ended."""

    def __init__(
        self,
        space: str,
        paths: tuple[Path, ...] | None,
        settings: Settings,
        surroundings: Surroundings,
        listener: Listener,
    ) -> None:
        self.state = State.DETACHED
        self.replica: Replica | None = None
        self.refusal: DstmError | None = None  # why the state is REFUSED
        self.counters = Counters()
        self._prefix = f"dstm.{space}."
        self.paths = paths
        self._settings = settings
        self._surroundings = surroundings
        self._listener = listener
        self._channel: Channel | None = None
        self._backlog: list[tuple[str, Delta]] = []  # (epoch, delta), in order of arrival
        self._dropped = False  # something was received and not kept: another sync is due
        self._suspect = False  # the replica is not what the server has
        self._failures = 0  # in a row
        self._check: DigestCheck | None = None

    # Joining

    def attach(self, channel: Channel) -> None:
        """Begin anew over ``channel``."""
        self._channel = channel
        self.refusal = None
        self._backlog.clear()
        self._dropped = False
        self._failures = 0
        self._join()

    def detach(self) -> None:
        """Forget the link; the replica stays as it is."""
        self._channel = None
        self.state = State.DETACHED

    def close(self) -> None:
        """End, and the digest check with it."""
        self._channel = self._check = None
        self.state = State.CLOSED

    def _join(self) -> None:
        self.state = State.JOINING
        if self.paths is None:
            self._subscribe(f"{self._prefix}delta")
        else:
            self._open_channel.call(f"{self._prefix}view", [], self._shown, self._on_view)

    @property
    def _open_channel(self) -> Channel:
        assert self._channel is not None
        return self._channel

    @property
    def _shown(self) -> dict[str, Any]:
        return {} if self.paths is None else {"paths": [render(path) for path in self.paths]}

    def _on_view(self, answer: Answer) -> None:
        if isinstance(answer, DstmError):
            self._fail(answer, self._join)
        elif "topic" in answer.kwargs:
            self._subscribe(str(answer.kwargs["topic"]))
        else:
            self._fail(DstmError(UNAVAILABLE, "the answer to view makes no sense"), self._join)

    def _subscribe(self, topic: str) -> None:
        self._open_channel.subscribe(topic, self._on_event, self._on_subscribed)

    def _on_subscribed(self, answer: Answer) -> None:
        if isinstance(answer, DstmError):
            self._fail(answer, self._join)
        else:
            self._sync()

    def _fail(self, error: DstmError, again: Callable[[], None]) -> None:
        """Try again with back-off, or give up."""
        if is_passing(error):
            self._later(again)
        else:
            self.state = State.REFUSED
            self.refusal = error
            self._listener.refused()

    def _later(self, again: Callable[[], None]) -> None:
        self._failures += 1
        delay = self._settings.delay(self._failures, self._surroundings.random())
        channel = self._channel
        self._surroundings.later(delay, lambda: again() if self._channel is channel else None)

    # Syncing

    def resync(self) -> bool:
        """Ask for what is missing, unless that is being done; return whether it was asked for now."""
        if self.state is not State.LIVE:
            return False
        self._sync()
        return True

    def _repair(self) -> None:
        if self._dropped or self._suspect:
            self.resync()

    def _distrust(self, why: str) -> None:
        """Give the replica up for a snapshot; until that is there, it is still read."""
        self.counters.mismatches += 1
        self._surroundings.warn(f"{self._prefix}delta: {why}; the replica is fetched anew")
        self._suspect = True

    def _sync(self) -> None:
        self.state = State.SYNCING
        self._dropped = False
        self.counters.syncs += 1
        args: list[Any] = []
        if self.replica is not None and not self._suspect:
            args = [self.replica.version, self.replica.epoch, self.replica.hash]
        Fetch(self._open_channel, f"{self._prefix}sync", self._on_fetched).begin(args, self._shown)

    def _on_fetched(self, fetched: Fetched | DstmError) -> None:
        if isinstance(fetched, DstmError):
            self._fail(fetched, self._sync)
            return
        changes: list[Change] = []
        if fetched.document is not None:
            self._replace(fetched)
        else:
            self._take(fetched.epoch, fetched.deltas, changes)
            self._advance(fetched)
        self._drain_backlog(changes)
        self._listener.moved(None if fetched.document is not None else changes)
        if self._dropped or self._suspect:
            self._later(self._sync)
        else:
            self._failures = 0
            self.state = State.LIVE
            self._listener.went_live()

    def _replace(self, fetched: Fetched) -> None:
        assert fetched.document is not None
        self.replica = Replica(fetched.document, fetched.version, fetched.epoch, fetched.hash)
        self.counters.snapshots += 1
        self._suspect = False
        self._check = None

    def _advance(self, fetched: Fetched) -> None:
        """In a view, the newest version may be one that changed nothing which is shown."""
        if self.replica is not None and not self._suspect and not self._dropped:
            self.replica.advance(fetched.version, fetched.hash)

    def _drain_backlog(self, changes: list[Change]) -> None:
        backlog, self._backlog = self._backlog, []
        for epoch, delta in backlog:
            self._take(epoch, [delta], changes)

    # Deltas

    def _on_event(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        try:
            epoch, deltas = kwargs["epoch"], [Delta.read(wire) for wire in args]
        except (LookupError, TypeError, ValueError) as error:
            self._distrust(f"an event makes no sense: {error!r}")
            self._repair()
            return
        if self.state is State.LIVE:
            self._apply(epoch, deltas)
        elif len(self._backlog) + len(deltas) > self._settings.backlog:
            self._backlog.clear()
            self._dropped = True
        else:
            self._backlog += [(epoch, delta) for delta in deltas]

    def learn(self, epoch: str, wires: Iterable[Any]) -> None:
        """
        Apply what a conflict carries, as if it had come by an event.

        A partial replica can't: a view has a row of deltas of its own.
        """
        if self.state is not State.LIVE or self.paths is not None:
            return
        try:
            deltas = [Delta.read(wire) for wire in wires]
        except (LookupError, TypeError, ValueError) as error:
            self._distrust(f"the deltas of a conflict make no sense: {error!r}")
            self._repair()
            return
        self._apply(epoch, deltas)

    def _apply(self, epoch: str, deltas: Sequence[Delta]) -> None:
        changes: list[Change] = []
        self._take(epoch, deltas, changes)
        self._listener.moved(changes)
        self._repair()

    def _take(self, epoch: str, deltas: Iterable[Delta], changes: list[Change]) -> None:
        """Move the replica as far as the deltas lead, and note where they do not."""
        replica = self.replica
        if replica is None or replica.epoch != epoch:
            self._dropped = True
            return
        try:
            for delta in deltas:
                if replica.apply(delta):
                    changes += delta.changes
                    self._consider(delta)
        except Gap:
            self._dropped = True
        except DoesNotFit as error:
            self._distrust(f"a delta does not fit: {error}")

    # Digests

    def _consider(self, delta: Delta) -> None:
        """Begin to check the digest that a delta tells, unless one is being checked."""
        if delta.digest is None or self._check is not None or self.replica is None:
            return
        version, expected = delta.digest
        document = self.replica.at(version)
        if document is not None:
            self._check = DigestCheck(version, document, expected)
            self._step(self._check)

    def _step(self, check: DigestCheck) -> None:
        """One slice each time, so that nothing else waits for long."""

        def step() -> None:
            if self._check is not check:
                return
            if not check.step():
                self._step(check)
                return
            self._check = None
            self.counters.digests += 1
            if not check.agrees:
                self._distrust(f"version {check.version} has another digest than the server says")
                self._repair()

        self._surroundings.later(0, step)
