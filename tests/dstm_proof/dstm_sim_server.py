"""
The router process of a simulation: a real space on a log, behind two procedures and a topic.

It does what the WAMP API does with a space, without WAMP: ``commit``, ``sync``, the deltas. And it checks,
being omniscient, that nothing leaves which is not durable.

Rules of this file:

- A ``Server`` outlives its processes: ``start`` and ``kill`` begin and end a ``Life``.
- Whatever a reply or an event tells must be in the archive at that moment; else it is a violation.
"""

from collections.abc import Callable, Iterable, Sequence, Set
from random import Random
from typing import Any

from dstm_sim_disk import Archive
from dstm_sim_jobs import opening
from dstm_sim_links import Connection, encode
from dstm_sim_world import Life, World

from realms.dstm.document import thaw
from realms.dstm.errors import CONFLICT, CONSTRAINT, DstmError
from realms.dstm.log import Log
from realms.dstm.sequencer import Author, Committed, Submission
from realms.dstm.settings import Settings
from realms.dstm.space import Space
from realms.dstm.transaction import Limits, digest, read_transaction
from realms.dstm.window import Entry

_LIMITS = Limits()
_MOST_DELTAS = 25  # that a sync gives; for more, the snapshot is thought smaller


class Server:
    """
    One router after another on one disk.

    :ivar bodies: tx -> the commit that was sent with it
    :ivar dropped_events: of a client that reads too slowly, so much is dropped, as a probability
    """

    def __init__(
        self, world: World, archive: Archive, open_log: Callable[[], Log], clients: Iterable[str]
    ) -> None:
        self.world = world
        self.violations: list[str] = []
        self.bodies: dict[str, dict[str, Any]] = {}
        self.notes: dict[str, int] = {}
        self.dropped_events = 0.0
        self._archive = archive
        self._open_log = open_log
        self._clients = list(clients)
        self._settings = _draw_settings(world.random)
        self._sessions = 0
        self._senders: dict[str, set[int]] = {}  # tx -> sessions
        self._connections: dict[int, Connection] = {}  # session -> Connection
        self._subscribers: dict[int, Connection] = {}
        self._life: Life | None = None
        self._space: Space | None = None
        self._is_ready = False

    # Processes

    def start(self) -> None:
        if self._life is not None:
            return
        skew = self.world.random.choice([0, 0, 0, -2_000, 3_000])
        life = self._life = Life(self.world, skew)
        space = self._space = Space("s", self._open_log(), self._settings, life)
        space.on_entries = self._tell
        space.open()
        self._set_up(life, space)

    def _set_up(self, life: Life, space: Space) -> None:
        """Put the opening document into an empty space; clients come after that."""
        if life.is_over:
            return
        if space.durable_version:
            self._is_ready = True
            return
        ops = [{"op": "add", "path": "", "value": opening(self._clients)}]
        body = {"tx": f"{0:032x}:1", "epoch": space.epoch, "base": 0, "reads": [], "ops": ops}
        transaction = read_transaction(body, _LIMITS)
        again = lambda answer: life.world.after(5, lambda: self._set_up(life, space))  # noqa: E731
        space.submit(Submission(transaction, Author(), digest(transaction)), again)

    def kill(self) -> None:
        """End the process in the middle of everything."""
        if self._life is None:
            return
        self._life.kill()
        self.collect_errors()
        for connection in self._connections.values():
            connection.cut()
        self._connections.clear()
        self._subscribers.clear()
        self._life = self._space = None
        self._is_ready = False

    def collect_errors(self) -> None:
        """Count what the space has raised as violations."""
        if self._life is not None:
            self.violations += [f"raised: {error!r}" for error in self._life.errors]
            self._life.errors.clear()

    @property
    def needs_restart(self) -> bool:
        return self._space is not None and "restarted" in self._space.reason

    @property
    def _open_space(self) -> Space:
        assert self._space is not None
        return self._space

    def state(self) -> tuple[tuple[str, int], Any]:
        """Give epoch and version, and the document, that are durable."""
        space = self._open_space
        return (space.epoch, space.durable_version), thaw(space.durable.root)

    def held(self) -> Set[str]:
        """Give the tx of which a session that sent them is connected."""
        return {tx for tx, senders in self._senders.items() if senders & self._connections.keys()}

    # Connections

    def connect(self) -> Connection | None:
        """Give a new connection, or None if nobody listens."""
        if self._life is None or not self._is_ready:
            return None
        self._sessions += 1
        life, connection = self._life, Connection(self.world, self._sessions)
        self._connections[connection.session] = connection
        connection.to_server.receive = life.guarded(lambda message: self._receive(connection, message))
        connection.to_server.lost = life.guarded(lambda: self._lost(connection))
        return connection

    def _lost(self, connection: Connection) -> None:
        if self._connections.pop(connection.session, None) is not None:
            self._subscribers.pop(connection.session, None)
            self._open_space.left(connection.session)

    def _receive(self, connection: Connection, message: Any) -> None:
        kind, request, *rest = message
        if kind == "subscribe":
            self._subscribers[connection.session] = connection
            connection.tell_client(["result", request, [], {}])
            return
        procedure, args, kwargs = rest
        try:
            if procedure == "dstm.s.commit":
                self._commit(connection, request, kwargs)
            else:
                connection.tell_client(["result", request, [], self._sync(*args)])
        except DstmError as error:
            self._tell_error(connection, request, error)

    def _tell_error(self, connection: Connection, request: int, error: DstmError) -> None:
        self._note(error.uri.rpartition(".")[2])
        connection.tell_client(["error", request, error.uri, [error.text], error.details])

    def _note(self, name: str) -> None:
        self.notes[name] = self.notes.get(name, 0) + 1

    # Commits

    def _commit(self, connection: Connection, request: int, kwargs: dict[str, Any]) -> None:
        transaction = read_transaction(kwargs, _LIMITS)
        tx = transaction.tx
        assert tx is not None
        if self.bodies.setdefault(tx, kwargs) != kwargs:
            self.violations.append(f"client: {tx} was sent with two bodies")
        self._senders.setdefault(tx, set()).add(connection.session)
        author = Author("x", "role", connection.session, connection.session)

        def reply(answer: Committed | DstmError) -> None:
            if isinstance(answer, DstmError):
                self._check_reject(tx, answer)
                self._tell_error(connection, request, answer)
            else:
                self._check_commit(tx, answer)
                self._note("dup" if answer.dup else "ok")
                result = {"version": answer.version, "epoch": answer.epoch, "time": answer.time}
                connection.tell_client(["result", request, [], {**result, "dup": answer.dup}])

        self._open_space.submit(Submission(transaction, author, digest(transaction), 500), reply)

    def _check_commit(self, tx: str, answer: Committed) -> None:
        """What is acknowledged is durable, under this tx; what only reads makes no version."""
        entry = self._archive.epochs[answer.epoch].entries.get(answer.version)
        is_other = entry is not None and entry.tx != tx and self.bodies[tx]["ops"]
        if is_other or not self._archive.holds(answer.epoch, answer.version):
            self.violations.append(f"not durable: {tx} was acknowledged as version {answer.version}")

    def _check_reject(self, tx: str, error: DstmError) -> None:
        """What is said to have been decided is durable, and so is what it tells."""
        if error.uri in (CONFLICT, CONSTRAINT) and tx not in self._archive.rejects:
            self.violations.append(f"not durable: the {error.uri} of {tx}")
        told = [error.details.get("version", 0), *(delta[1] for delta in error.details.get("deltas", ()))]
        if error.uri == CONFLICT:
            self._check_told(told, "a conflict")

    def _check_told(self, versions: Sequence[int], what: str) -> None:
        if not all(self._archive.holds(self._open_space.epoch, version) for version in versions):
            self.violations.append(f"not durable: {what} told {versions}")

    # Replicas

    def _sync(self, version: int | None = None, epoch: str | None = None, hash: str | None = None) -> Any:
        space = self._open_space
        newest = space.durable_version
        self._check_told([newest], "a sync")
        reply: dict[str, Any] = {"epoch": space.epoch, "version": newest, "hash": space.durable_hash.hex()}
        if version is not None and epoch == space.epoch and version <= newest:
            known = space.hash_at(version)
            entries = space.since(version, newest)
            is_known = known is not None and known.hex() == hash
            if is_known and entries is not None and len(entries) <= _MOST_DELTAS:
                self._note("deltas")
                return {**reply, "deltas": [entry.delta().wire() for entry in entries]}
        self._note("snapshot")
        return {**reply, "snapshot": thaw(space.durable.root)}

    def _tell(self, entries: Sequence[Entry]) -> None:
        deltas = [entry.delta().wire() for entry in entries]
        self._check_told([entry.version for entry in entries], "an event")
        data = encode(["event", "dstm.s.delta", deltas, {"epoch": self._open_space.epoch}])
        for connection in self._subscribers.values():
            if self.world.chance(self.dropped_events):
                self._note("dropped")
            else:
                connection.to_client.send(data)


def _draw_settings(draw: Random) -> Settings:
    return Settings(
        window_versions=draw.choice([1000, 1000, 15]),
        stamp_entries=draw.choice([100_000, 40]),
        conflict_deltas=draw.choice([100, 2]),
        batch_records=draw.choice([1000, 3]),
        turn_decisions=draw.choice([1000, 2]),
        in_flight_per_client=draw.choice([1000, 1]),
        defer_after=draw.choice([1, 5]),
        defer_ms=draw.choice([0, 20]),
        snapshot_every=draw.choice([4, 15, 1000]),
        retention_versions=draw.choice([1_000, 10]),
        reopen_first_ms=20,
        reopen_most_ms=100,
    )
