"""
A client of the bank that uses the client library: its real core over a bare socket that can be cut.

Rules of this file:

- ``SocketLink`` is all that stands between the core and the socket; the fronts have their own tests.
- The same ledger as for the plain clients; a transfer is one ``atomically``.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any

from dstm_bank import OPENING, Ledger
from dstm_bank_checker import Transfer
from dstm_checker import Outcome
from dstm_raw_client import CallFailed, Cut, NoAnswer, RawClient

from realms.dstm.client.core import Core
from realms.dstm.client.link import LinkLost, OnEvent, OnOutcome, Reply
from realms.dstm.client.outcomes import Committed, UnknownOutcome
from realms.dstm.client.settings import Settings
from realms.dstm.document import thaw
from realms.dstm.errors import CONSTRAINT, DstmError


class SocketLink:
    """One session, for the core."""

    def __init__(self, on_gone: Callable[[], None] = lambda: None) -> None:
        self._on_event: OnEvent | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.client = RawClient(self._event, on_gone)

    def _event(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        if self._on_event is not None:
            self._on_event(args, kwargs)

    def call(self, procedure: str, args: list[Any], kwargs: dict[str, Any], done: OnOutcome) -> None:
        self._start(self._call(procedure, args, kwargs, done))

    async def _call(self, procedure: str, args: list[Any], kwargs: dict[str, Any], done: OnOutcome) -> None:
        try:
            done(Reply(*await self.client.call(procedure, *args, **kwargs)))
        except CallFailed as error:
            done(DstmError(error.uri, str(error), **error.details))
        except (Cut, NoAnswer) as error:
            done(LinkLost(str(error)))

    def subscribe(self, topic: str, on_event: OnEvent, done: OnOutcome) -> None:
        self._on_event = on_event
        self._start(self._subscribe(topic, done))

    async def _subscribe(self, topic: str, done: OnOutcome) -> None:
        try:
            await self.client.subscribe(topic)
        except Cut as error:
            done(LinkLost(str(error)))
        else:
            done(Reply([], {}))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def unsubscribe(self) -> None:
        self._on_event = None


class LibraryClient:
    """
    One client: a core for its whole life, one link after another.

    :ivar is_stopping: set it, and ``run`` ends when nothing is undecided
    """

    def __init__(self, name: str, port: int, ledger: Ledger, seed: int) -> None:
        self.name = name
        self.is_stopping = False
        self._port = port
        self._ledger = ledger
        self._draw = random.Random(seed)
        self._number = 0
        self._core = Core("bank", None, Settings(longest_delay_seconds=0.5), self, secrets.token_hex(16))
        self._core.watch("/accounts", self._look)
        self._link: SocketLink | None = None
        self._is_busy = False
        self._news = asyncio.Event()  # a transfer was settled, or the link is gone

    # Surroundings of the core

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        return asyncio.get_running_loop().call_later(seconds, function).cancel

    def random(self) -> float:
        return self._draw.random()

    def warn(self, text: str) -> None:
        self._ledger.found("library warns", self.name, text)

    def defect(self, text: str, error: BaseException) -> None:
        self._ledger.found("library defect", self.name, f"{text}: {error!r}")

    # Life

    async def run(self) -> None:
        while not self.is_stopping or self._is_busy:
            await self._connect()
            while self._link is not None and (not self.is_stopping or self._is_busy):
                if not self._is_busy:
                    self._transfer()
                await self._news.wait()
                self._news.clear()
                if self._link.client.is_gone:
                    self._lost()
        self.cut()

    async def _connect(self) -> None:
        link = SocketLink(self._news.set)
        try:
            await link.client.join(self._port)
        except Cut:
            await asyncio.sleep(self._draw.uniform(0.01, 0.1))
            return
        self._link = link
        self._core.attach(link, lambda error: None)

    def _lost(self) -> None:
        assert self._link is not None
        self._ledger.counts["connections lost, library"] += 1
        self._core.detach(self._link, "cut")
        self._link = None

    def cut(self) -> None:
        """Vanish, whatever is under way."""
        if self._link is not None:
            self._link.client.cut()

    async def follow(self, link: SocketLink) -> None:
        """Use a last link until the replica is at the server's version."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._core.attach(link, done.set_result)
        error = await asyncio.wait_for(done, 20)
        if error is not None:
            raise error

    @property
    def position(self) -> tuple[str, int]:
        replica = self._core.replica
        return ("", -1) if replica is None else (replica.epoch, replica.version)

    @property
    def balances(self) -> Any:
        replica = self._core.replica
        return {} if replica is None else thaw(replica.document.find(("accounts",)))

    def _look(self, value: Any) -> None:
        self._ledger.note_state(self.name, self.position[1], value)

    # Transfers

    def _transfer(self) -> None:
        self._number += 1
        number, invoked = self._number, time.monotonic()
        source, target = self._draw.sample(sorted(OPENING), 2)
        amount = self._draw.randint(1, 20)

        def transfer(tx: Any) -> bool:
            if tx[f"/accounts/{source}"] < amount:
                return False
            tx.inc(f"/accounts/{source}", -amount, min=0)
            tx.inc(f"/accounts/{target}", amount)
            tx[f"/last/{self.name}"] = number
            return True

        def settle(outcome: Committed | BaseException) -> None:
            self._is_busy = False
            self._news.set()
            told: Outcome = "failed"
            if isinstance(outcome, Committed):
                told = "ok" if outcome.value else "failed"
            elif isinstance(outcome, UnknownOutcome):
                told = "unknown"
            elif not (isinstance(outcome, DstmError) and outcome.uri == CONSTRAINT):
                self._ledger.found("unexpected error", self.name, repr(outcome))
            version = int(outcome) if told == "ok" and isinstance(outcome, Committed) else None
            self._ledger.counts[f"{told}, library"] += 1
            name, returned = f"{self.name}:{number}", time.monotonic()
            self._ledger.transfers.append(
                Transfer(name, source, target, amount, told, invoked, returned, version)
            )

        self._is_busy = True
        self._core.atomically(transfer, (), False, settle)
