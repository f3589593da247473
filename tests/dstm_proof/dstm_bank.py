"""
A bank over real sockets: clients transfer, sockets are cut, the router is killed, and everything is noted.

Each transfer writes ``/last/<client>`` too, so that every delta names the transfer that made it: replicas
give the bank's log, version by version, and it can be compared with what the clients were told.

Rules of this file:

- After a cut, the identical body is sent first; some bodies are sent twice, at once or on two connections.
- A replica is checked at every version that it passes through, when it passes.
- ``Ledger`` is shared by all clients of the process, so its times are those of one clock.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from dstm_bank_checker import Applied, State, Transfer
from dstm_checker import Anomaly
from dstm_raw_client import CallFailed, Cut, NoAnswer, RawClient

ACCOUNTS = 64
OPENING = {str(number): 100 for number in range(ACCOUNTS)}
TOTAL = sum(OPENING.values())
_NOTHING_DECIDED = ("dstm.error.unavailable", "dstm.error.throttled")


class Ledger:
    """
    What all clients saw.

    :ivar log: version -> name of the transfer that made it, as any replica saw it
    :ivar states: version -> balances, as the first replica saw them
    """

    def __init__(self) -> None:
        self.transfers: list[Transfer] = []
        self.log: dict[int, str] = {}
        self.states: dict[int, dict[str, int]] = {}
        self.anomalies: list[Anomaly] = []
        self.counts: Counter[str] = Counter()

    def found(self, name: str, where: str, text: str) -> None:
        self.anomalies.append(Anomaly(name, (where,), text))

    def note_entry(self, replica: str, version: int, name: str) -> None:
        if self.log.setdefault(version, name) != name:
            self.found("replicas disagree", replica, f"version {version}: {name}, or {self.log[version]}")

    def note_state(self, replica: str, version: int, balances: dict[str, int]) -> None:
        self.counts["versions seen"] += 1
        known = self.states.get(version)
        if known is None:
            self.states[version] = dict(balances)
            if sum(balances.values()) != TOTAL:
                self.found("wrong sum", replica, f"{sum(balances.values())} at version {version}")
        elif known != balances:
            self.found("replicas disagree", replica, f"other balances at version {version}")

    def forget(self) -> None:
        """Begin anew, because what follows is another history."""
        self.transfers.clear()
        self.log.clear()
        self.states.clear()

    @property
    def applied(self) -> list[Applied]:
        return [Applied(version, name) for version, name in self.log.items() if name]

    def checked_states(self) -> list[State]:
        return [State("replicas", version, balances) for version, balances in self.states.items()]


class Replica:
    """Accounts at one version; moves by deltas, or gets a snapshot."""

    def __init__(self, name: str, ledger: Ledger) -> None:
        self._name = name
        self._ledger = ledger
        self.balances: dict[str, int] = {}
        self.epoch, self.version, self.hash = "", -1, ""

    def take_snapshot(self, reply: dict[str, Any]) -> None:
        is_back = reply["epoch"] == self.epoch and reply["version"] < self.version
        if is_back:
            self._ledger.found("version went back", self._name, f"{self.version} to {reply['version']}")
        self.balances = dict(reply["snapshot"].get("accounts", {}))
        self.epoch, self.version, self.hash = reply["epoch"], reply["version"], reply["hash"]
        self._note("")

    def take_delta(self, delta: Any) -> bool:
        """Apply a delta; False for a gap."""
        before, version, changes, meta = delta
        if version <= self.version:
            return True
        if before != self.version:
            return False
        name = ""
        for change in changes:
            name = self._take_change(change) or name
        self.version, self.hash = version, meta["hash"]
        self._note(name)
        return True

    def _take_change(self, change: dict[str, Any]) -> str:
        path = change["path"].split("/")[1:]
        if path[:1] == ["accounts"]:
            if len(path) == 1:
                self.balances = dict(change["value"])
            else:
                self.balances[path[1]] = change["value"]
        elif len(path) == 2 and path[0] == "last":
            return f"{path[1]}:{change['value']}"
        return ""

    def _note(self, name: str) -> None:
        if name:
            self._ledger.note_entry(self._name, self.version, name)
        if self.balances:
            self._ledger.note_state(self._name, self.version, self.balances)


class BankClient:
    """
    One client: connects again and again, and transfers until it is told to stop.

    :ivar number: of its transfers
    """

    def __init__(self, name: str, port: int, ledger: Ledger, seed: int) -> None:
        self.name = name
        self.replica = Replica(name, ledger)
        self.is_stopping = False
        self._port = port
        self._ledger = ledger
        self._draw = random.Random(seed)
        self._id = f"{self._draw.getrandbits(128):032x}"
        self._number = self._counter = 0
        self._body: dict[str, Any] | None = None
        self._sent: dict[str, Any] | None = None  # the last body that was sent
        self._pending: tuple[str, str, str, int, float] | None = None
        self._link: RawClient | None = None
        self._is_live = False
        self._backlog: list[Any] = []

    @property
    def position(self) -> tuple[str, int]:
        return self.replica.epoch, self.replica.version

    @property
    def balances(self) -> dict[str, int]:
        return self.replica.balances

    async def run(self) -> None:
        """Live until stopped and nothing is undecided."""
        while not self.is_stopping or self._pending is not None:
            self._is_live = False
            self._link = RawClient(self._on_event)
            try:
                await self._link.join(self._port)
                await self._serve(self._link)
            except Cut:
                self._ledger.counts["connections lost"] += 1
                await asyncio.sleep(self._draw.uniform(0.01, 0.2))
            except NoAnswer as error:
                self._ledger.found("no answer", self.name, str(error))
                return
        if self._link is not None:
            self._link.cut()

    def cut(self) -> None:
        """Vanish, whatever is under way."""
        if self._link is not None and self._is_live:
            self._link.cut()

    async def _serve(self, link: RawClient) -> None:
        self._backlog.clear()
        await link.subscribe("dstm.bank.delta")
        await self.synchronize(link)
        while self._pending is not None or not self.is_stopping:
            if not self._is_live:
                await self.synchronize(link)
            if self._pending is None:
                self._begin()
            await self._commit(link)
            if self._draw.random() < 0.02:
                self.cut()

    # The replica

    async def synchronize(self, link: RawClient) -> None:
        args = (
            [] if self.replica.version < 0 else [self.replica.version, self.replica.epoch, self.replica.hash]
        )
        _, reply = await self._patiently(lambda: link.call("dstm.bank.sync", *args))
        if "snapshot" in reply:
            self.replica.take_snapshot(reply)
        else:
            for delta in reply["deltas"]:
                if not self.replica.take_delta(delta):
                    self._ledger.found("gap in a sync", self.name, f"{self.replica.version}: {delta[:2]}")
        self._is_live = True
        backlog, self._backlog = self._backlog, []
        for args, kwargs in backlog:
            self._on_event(args, kwargs)

    async def _patiently(self, request: Callable[[], Any]) -> Any:
        """Ask again while the space is unavailable or busy."""
        while True:
            try:
                return await request()
            except CallFailed as error:
                if error.uri not in _NOTHING_DECIDED:
                    raise
                self._ledger.counts[error.uri] += 1
                await asyncio.sleep(self._draw.uniform(0.01, 0.1))

    def _on_event(self, deltas: list[Any], kwargs: dict[str, Any]) -> None:
        if not self._is_live:
            self._backlog.append((deltas, kwargs))
            return
        fits = kwargs["epoch"] == self.replica.epoch
        for delta in deltas:
            fits = fits and self.replica.take_delta(delta)
        if not fits:
            self._is_live = False  # the next turn of ``_serve`` synchronizes

    # Transfers

    def _begin(self) -> None:
        self._number += 1
        source, target = self._draw.sample(sorted(OPENING), 2)
        amount = self._draw.randint(1, 20)
        self._pending = (f"{self.name}:{self._number}", source, target, amount, time.monotonic())
        self._body = None

    def _make_body(self) -> dict[str, Any]:
        """Make the commit on the replica as it is: half of them with a read, half with a bound."""
        assert self._pending is not None
        _, source, target, amount, _ = self._pending
        self._counter += 1
        is_bounded = self._number % 2 == 0
        take: dict[str, Any] = {"op": "inc", "path": f"/accounts/{source}", "value": -amount}
        return {
            "tx": f"{self._id}:{self._counter}",
            "epoch": self.replica.epoch,
            "base": self.replica.version,
            "reads": [] if is_bounded else [f"/accounts/{source}"],
            "ops": [
                {**take, "min": 0} if is_bounded else take,
                {"op": "inc", "path": f"/accounts/{target}", "value": amount},
                {"op": "add", "path": f"/last/{self.name}", "value": self._number},
            ],
        }

    async def _commit(self, link: RawClient) -> None:
        assert self._pending is not None
        if self._body is None:
            _, source, _, amount, _ = self._pending
            if self._number % 2 and self.replica.balances[source] < amount:
                self._pending = None  # decided without the server, on one version
                return
            self._body = self._make_body()
        body = self._body
        doubled = self._draw.random() < 0.05
        self._ledger.counts["bodies sent again after a cut"] += body is self._sent
        self._sent = body
        requests = [link.call("dstm.bank.commit", **body) for _ in range(2 if doubled else 1)]
        answers = await asyncio.gather(*requests, return_exceptions=True)
        if doubled:
            self._ledger.counts["bodies sent twice"] += 1
            self._compare(answers)
        self._decide(answers[0])

    def _compare(self, answers: list[Any]) -> None:
        if any(isinstance(answer, (Cut, NoAnswer)) for answer in answers):
            return
        self._ledger.counts["bodies answered twice"] += 1
        told = [answer.uri if isinstance(answer, CallFailed) else answer[1]["version"] for answer in answers]
        if told[0] != told[1] and not any(uri in told for uri in _NOTHING_DECIDED):
            self._ledger.found("two outcomes", self.name, f"one body was answered by {told}")

    def _decide(self, answer: Any) -> None:
        if isinstance(answer, CallFailed):
            self._refused(answer)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            self._finish("ok", answer[1]["version"])

    def _refused(self, error: CallFailed) -> None:
        self._ledger.counts[error.uri] += 1
        if error.uri in _NOTHING_DECIDED:
            return
        if error.uri == "dstm.error.conflict":
            self._body = None  # another counter, on what the conflict carried
            for delta in error.details.get("deltas", ()):
                self._is_live = self._is_live and self.replica.take_delta(delta)
            self._is_live = self._is_live and not error.details.get("resync")
        elif error.uri == "dstm.error.constraint":
            self._finish("failed", None)
        else:
            self._ledger.found("unexpected error", self.name, str(error))
            self._finish("unknown", None)

    def _finish(self, outcome: Any, version: int | None) -> None:
        assert self._pending is not None
        name, source, target, amount, invoked = self._pending
        self._ledger.transfers.append(
            Transfer(name, source, target, amount, outcome, invoked, time.monotonic(), version)
        )
        self._ledger.counts[outcome] += 1
        self._pending = None
