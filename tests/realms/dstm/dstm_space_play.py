"""What the tests of sequencer and space play with: surroundings by hand, a log that fails on demand."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from realms.dstm.changes import first_hash
from realms.dstm.decisions import Author, Submission, Ticket
from realms.dstm.document import Document
from realms.dstm.log import Record, Recovered
from realms.dstm.sequencer import Sequencer
from realms.dstm.settings import Settings
from realms.dstm.space import Space
from realms.dstm.transaction import Limits, digest, read_transaction

EPOCH = "e" * 32
CLIENT = "c" * 32
NOON = 1_700_000_000_000


def tx(counter: int) -> str:
    return f"{CLIENT}:{counter}"


def add(path: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value, **more}


def replace(path: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value, **more}


def remove(path: str) -> dict[str, Any]:
    return {"op": "remove", "path": path}


def inc(path: str, value: int, **more: Any) -> dict[str, Any]:
    return {"op": "inc", "path": path, "value": value, **more}


def submission(*ops: dict[str, Any], client: int = 1, make: Any = None, **kwargs: Any) -> Submission:
    """Make a submission from ops and the other keyword arguments of a commit, in their wire form."""
    transaction = read_transaction({"ops": list(ops), **kwargs}, Limits())
    body = None if transaction.tx is None else digest(transaction)
    return Submission(transaction, Author(f"user{client}", "role", client, client), body, 100, make)


class Surroundings:
    """Time that stands until it is moved, turns and jobs that are run by hand."""

    def __init__(self) -> None:
        self.time = NOON
        self.turns: list[Callable[[], None]] = []
        self.jobs: list[tuple[Callable[[], Any], Callable[[Any, BaseException | None], object]]] = []
        self.timers: dict[int, tuple[int, Callable[[], None]]] = {}  # number -> (when, what)
        self._last = 0

    def soon(self, function: Callable[[], None]) -> None:
        self.turns.append(function)

    def background(self, function: Callable[[], Any], done: Callable[..., object]) -> None:
        self.jobs.append((function, done))

    def now_ms(self) -> int:
        return self.time

    def call_at(self, when_ms: int, function: Callable[[], None]) -> Callable[[], object]:
        self._last += 1
        number = self._last
        self.timers[number] = (when_ms, function)
        return lambda: self.timers.pop(number, None)

    def turn(self) -> None:
        """Run what is to be run soon."""
        turns, self.turns = self.turns, []
        for function in turns:
            function()

    def job(self) -> None:
        """Run the job that is in the background, to its end."""
        function, done = self.jobs.pop(0)
        result, error = None, None
        try:
            result = function()
        except Exception as caught:
            error = caught
        done(result, error)

    def settle(self) -> None:
        """Let everything happen that needs no time."""
        while self.turns or self.jobs:
            self.turn()
            if self.jobs:
                self.job()

    def pass_ms(self, milliseconds: int) -> None:
        """Let time pass, and everything happen in its order."""
        end = self.time + milliseconds
        self.settle()
        while due := sorted((when, number) for number, (when, _) in self.timers.items() if when <= end):
            when, number = due[0]
            self.time = max(self.time, when)
            self.timers.pop(number)[1]()
            self.settle()
        self.time = end


class DiskLog:
    """
    A log that keeps what it is given, and fails as it is told.

    :ivar errors: raised by the next calls, in order: (method, error, whether it has its effect all the same)
    """

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self.records = list(records)
        self.snapshot: tuple[int, bytes, Document, list[dict[str, Any]]] = (
            0,
            first_hash(EPOCH),
            Document.of({}),
            [],
        )
        self.epoch = EPOCH
        self.errors: list[tuple[str, Exception, bool]] = []
        self.calls: list[str] = []

    def _call(self, name: str, effect: Callable[[], object] = lambda: None) -> None:
        self.calls.append(name)
        if self.errors and self.errors[0][0] == name:
            _, error, happens = self.errors.pop(0)
            if happens:
                effect()
            raise error
        effect()

    def fail(self, name: str, error: Exception, happens: bool = False) -> None:
        self.errors.append((name, error, happens))

    def _recovered(self) -> Recovered:
        version, hash, document, bindings = self.snapshot
        return Recovered(self.epoch, NOON, version, document, hash, tuple(self.records), list(bindings))

    def open(self) -> Recovered:
        self._call("open")
        return self._recovered()

    def reopen(self) -> Recovered:
        self._call("reopen")
        return self._recovered()

    def write(self, records: Sequence[Record]) -> None:
        self._call("write", lambda: self.records.extend(records))

    def save_snapshot(
        self, version: int, hash: bytes, document: Document, bindings: Sequence[dict[str, Any]]
    ) -> None:
        def save() -> None:
            self.snapshot = (version, hash, document, list(bindings))

        self._call("save_snapshot", save)

    def trim(self, before_version: int, before_time: int) -> None:
        self.calls.append(f"trim {before_version} {before_time}")

    def read(self, first: int, last: int) -> Iterator[Record]:
        self._call("read")
        return iter([record for record in self.records if first <= record.version <= last])

    def backup(self, path: Path) -> None:
        self._call("backup")

    def close(self) -> None:
        self._call("close")

    def drop(self) -> None:
        self._call("drop")


class Played:
    """
    A space with surroundings and a log by hand.

    :ivar answers: what was answered, in order
    :ivar told: versions that replicas were told of, in order
    """

    def __init__(self, log: Any = None, **settings: Any) -> None:
        self.around = Surroundings()
        self.log = DiskLog() if log is None else log
        self.space = Space("s", self.log, Settings(**settings), self.around)
        self.answers: list[Any] = []
        self.told: list[int] = []
        self.states: list[str] = []
        self.space.on_entries = lambda entries: self.told.extend(entry.version for entry in entries)
        self.space.on_state = lambda: self.states.append(self.space.state)

    def open(self) -> "Played":
        self.space.open()
        self.around.settle()
        return self

    def submit(self, *ops: dict[str, Any], **kwargs: Any) -> None:
        self.space.submit(submission(*ops, **kwargs), self.answers.append)

    def commit(self, *ops: dict[str, Any], **kwargs: Any) -> Any:
        """Submit, let everything happen, and give the answer."""
        self.submit(*ops, **kwargs)
        self.around.settle()
        return self.answers.pop()

    @property
    def document(self) -> Any:
        return self.space.durable.plain()


def recovered(*records: Record, version: int = 0, document: Any = None, hash: bytes = b"") -> Recovered:
    return Recovered(
        EPOCH, NOON, version, Document.of(document or {}), hash or first_hash(EPOCH), records, []
    )


def opened(*records: Record, **settings: Any) -> Sequencer:
    return Sequencer("s", recovered(*records), Settings(**settings))


def flush(sequencer: Sequencer) -> list[Any]:
    """Make the open batch durable and give the answers."""
    batch = sequencer.take_batch()
    assert batch is not None
    return [answer for _, answer in sequencer.flushed(batch).answers]


def commit(sequencer: Sequencer, *ops: dict[str, Any], now_ms: int = NOON, **kwargs: Any) -> Any:
    """Submit, flush, and give the answer."""
    sequencer.submit(submission(*ops, **kwargs), now_ms)
    return flush(sequencer)[-1]


def decide(sequencer: Sequencer, *ops: dict[str, Any], now_ms: int = NOON, **kwargs: Any) -> Ticket:
    """Submit and give the ticket; nothing is durable."""
    return sequencer.submit(submission(*ops, **kwargs), now_ms)
