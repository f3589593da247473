"""
A simulated program that uses the client library: its real core, on a simulated session and clock.

Rules of this file:

- The library is the judged party: what it tells its application is noted, and checked by others.
- Several transactions are under way at once; each is settled, or that is a fault.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from dstm_sim_jobs import JOBS, Run, take
from dstm_sim_links import Connection, encode
from dstm_sim_world import World

from realms.dstm.client.core import Core
from realms.dstm.client.link import LinkLost, OnEvent, OnOutcome, Reply
from realms.dstm.client.outcomes import Committed, UnknownOutcome
from realms.dstm.client.settings import Settings
from realms.dstm.document import thaw
from realms.dstm.errors import CONSTRAINT, DstmError


class SimLink:
    """One joined session: requests over a simulated connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._requests: dict[int, OnOutcome] = {}
        self._on_event: OnEvent | None = None
        self._count = 0
        connection.to_client.receive = self._receive

    def _send(self, done: OnOutcome, *request: Any) -> None:
        self._count += 1
        self._requests[self._count] = done
        self._connection.tell_server([request[0], self._count, *request[1:]])

    def call(self, procedure: str, args: list[Any], kwargs: dict[str, Any], done: OnOutcome) -> None:
        self._send(done, "call", procedure, args, kwargs)

    def subscribe(self, topic: str, on_event: OnEvent, done: OnOutcome) -> None:
        self._on_event = on_event
        self._send(done, "subscribe", topic)

    def unsubscribe(self) -> None:
        self._on_event = None

    def _receive(self, message: Any) -> None:
        if message[0] == "event":
            if self._on_event is not None:
                self._on_event(message[2], message[3])
            return
        done = self._requests.pop(message[1])
        if message[0] == "result":
            done(Reply(message[2], message[3]))
        else:
            done(DstmError(message[2], "".join(message[3]), **message[4]))

    def lose(self) -> None:
        """End every request: the session is gone."""
        requests, self._requests = self._requests, {}
        for done in requests.values():
            done(LinkLost("cut"))


class LibraryClient:
    """
    One client and its jobs; ``violations`` has what the library complained of.

    :ivar states: (epoch, version) -> the document that the replica held, as JSON
    """

    def __init__(self, world: World, name: str, jobs: int, connect: Callable[[], Connection | None]) -> None:
        self.world = world
        self.name = name
        self.remaining = jobs
        self.runs: list[Run] = []
        self.states: dict[tuple[str, int], bytes] = {}
        self.violations: list[str] = []
        self.new_identity: Callable[[], int]
        self._connect = connect
        self._connection: Connection | None = None
        self._under_way = 0
        # short times, so that a schedule's few seconds hold several tries
        settings = Settings(in_flight=3, first_delay_seconds=0.005, longest_delay_seconds=0.1)
        client_id = f"{world.random.getrandbits(128):032x}"
        self._core = Core("s", None, settings, self, client_id)
        self._core.watch("/accounts", self._look)

    # Surroundings of the core

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        return self.world.after(seconds * 1000, function)

    def random(self) -> float:
        return self.world.random.random()

    def warn(self, text: str) -> None:
        self.violations.append(f"{self.name}: {text}")

    def defect(self, text: str, error: BaseException) -> None:
        self.violations.append(f"{self.name}: {text}: {error!r}")

    # The connection

    def start(self) -> None:
        connection = self._connect()
        if connection is None:
            self.world.after(self.world.between(5, 60), self.start)
            return
        self._connection = connection
        link = SimLink(connection)
        connection.to_client.lost = lambda: self._lost(connection, link)
        self._core.attach(link, self._attached)

    def _attached(self, error: DstmError | None) -> None:
        if error is None:
            self._begin_some()

    def _lost(self, connection: Connection, link: SimLink) -> None:
        connection.to_client.receive = lambda message: None
        if self.world.chance(0.5):
            link.lose()
        self._core.detach(link, "cut")
        self._connection = None
        self.world.after(self.world.between(1, 40), self.start)

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.cut()

    # What is seen of it

    @property
    def is_done(self) -> bool:
        return self.remaining == 0 and self._under_way == 0

    @property
    def position(self) -> tuple[str, int]:
        replica = self._core.replica
        return ("", -1) if replica is None else (replica.epoch, replica.version)

    @property
    def document(self) -> Any:
        return None if self._core.replica is None else thaw(self._core.replica.document.find(()))

    def _look(self, value: Any) -> None:
        self.states[self.position] = encode(self.document)

    # Jobs

    def _begin_some(self) -> None:
        while self.remaining and self._under_way < 2:
            self.remaining -= 1
            self._under_way += 1
            self._begin()

    def _begin(self) -> None:
        draw = self.world.random
        kind = draw.choice(_KINDS)
        job = take if kind == "take" else JOBS[kind]
        invoked, runs = self.world.now, []

        def function(tx: Any) -> Run:
            run = Run(self.new_identity(), self.name, kind, base=self.position, invoked=invoked)
            runs.append(run)
            self.runs.append(run)
            self.states[self.position] = encode(self.document)
            job(tx, run, Random(draw.getrandbits(32)))
            if not run.only_reads:
                tx.push(f"/done/{self.name}", run.identity)
            return run

        self._core.atomically(function, (), kind == "audit", lambda outcome: self._settled(runs, outcome))

    def _settled(self, runs: list[Run], outcome: Committed | BaseException) -> None:
        run = runs[-1]
        run.returned = self.world.now
        if isinstance(outcome, Committed):
            run.outcome, run.committed = "ok", (outcome.epoch, outcome.version)
            if outcome.value is not run:
                self.violations.append(f"{self.name}: settled with a run that is not the last")
            is_behind = self.position[0] == outcome.epoch and self.position[1] < outcome.version
            if is_behind and not run.only_reads:
                self.violations.append(f"{self.name}: settled before the replica was there")
        elif isinstance(outcome, UnknownOutcome):
            run.outcome = "unknown"
        elif not (isinstance(outcome, DstmError) and outcome.uri == CONSTRAINT):
            self.violations.append(f"{self.name}: {run.kind} ended with {outcome!r}")
        self._under_way -= 1
        pause = self.world.between(0, 3) if self.world.chance(0.8) else self.world.between(5, 60)
        self.world.after(pause, self._begin_some)


_KINDS = [*JOBS, "lists", "lists", "transfer", "transfer", "take"]
