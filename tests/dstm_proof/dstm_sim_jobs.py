"""
What simulated clients do: transactions whose effects can be checked afterwards, each in its own way.

Every run of a transaction function draws an identity and pushes it to ``/done/<client>``. So the final
document tells which runs took effect, how often, and from that follows what every other place must hold.

Rules of this file:

- A job is ``job(tx, run, draw)``. It notes in ``run`` what it read and what it would change, nothing else,
  and may run again. ``tx`` is that of the client library, or the plain one of a plain client.
- ``PEEKING`` jobs look at the replica without telling the server, through ``tx.peek``: they are safe only
  by the reads that the server implies.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from dstm_checker import Append, Outcome, Read

ACCOUNTS = {"a": 10, "b": 10, "c": 10}
TOTAL = sum(ACCOUNTS.values())
STOCK = 1


def opening(clients: Iterable[str]) -> dict[str, Any]:
    """Give the document before the first job."""
    clients = list(clients)
    return {
        "accounts": dict(ACCOUNTS),
        "lists": {"x": [], "y": [], "z": []},
        "done": {name: [] for name in clients},
        "ranks": {},
        "rows": [{"id": 0, "n": 0}, {"id": 1, "n": 0}, {"id": 2, "n": 0}],
        "cell": 0,
        "copies": {},
        "folder": {"generation": 0},
        "tokens": {"free": {"t1": 1, "t2": 1}, **{name: {} for name in clients}},
        "queue": [],
        "hot": 0,
        "stock": STOCK,
        "desks": {},
        "claims": {},
    }


@dataclass
class Run:
    """
    One run of a job.

    :ivar identity: unique in the schedule
    :ivar steps: what it read of and appended to the lists
    :ivar effect: place -> how much it adds there, if it takes effect
    :ivar expects: place -> the value that must be there, if it takes effect
    :ivar base: (epoch, version) of the replica that it ran on; ``saw``: pointer -> value there
    """

    identity: int
    client: str
    kind: str
    base: tuple[str, int] = ("", -1)
    steps: list[Append | Read] = field(default_factory=list)
    effect: dict[str, int] = field(default_factory=dict)
    expects: dict[str, Any] = field(default_factory=dict)
    saw: dict[str, Any] = field(default_factory=dict)
    outcome: Outcome = "failed"
    invoked: float = 0.0
    returned: float | None = None
    committed: tuple[str, int] | None = None
    tx: str | None = None

    @property
    def only_reads(self) -> bool:
        return self.kind == "audit"

    def see(self, tx: Any, pointer: str) -> Any:
        value = tx[pointer]
        self.saw[pointer] = value
        return value


Job = Callable[[Any, Run, Random], None]


def transfer(tx: Any, run: Run, draw: Random) -> None:
    source, target = draw.sample(sorted(ACCOUNTS), 2)
    amount = draw.randint(1, 6)
    if run.see(tx, f"/accounts/{source}") >= amount:
        tx.inc(f"/accounts/{source}", -amount)
        tx.inc(f"/accounts/{target}", amount)
        run.effect = {f"/accounts/{source}": -amount, f"/accounts/{target}": amount}


def lists(tx: Any, run: Run, draw: Random) -> None:
    """Read some lists, append to some, by two kinds of writes."""
    for number in range(draw.randint(1, 3)):
        key = draw.choice(["x", "y", "z"])
        pointer = f"/lists/{key}"
        way = draw.random()
        element = run.identity * 10 + number
        if way < 0.5:
            run.steps.append(Read(key, tuple(run.see(tx, pointer))))
        elif way < 0.75:
            tx.push(pointer, element)
            run.steps.append(Append(key, element))
        else:
            old = tuple(tx[pointer])
            tx[pointer] = [*old, element]
            run.steps += [Read(key, old), Append(key, element)]


def audit(tx: Any, run: Run, draw: Random) -> None:
    """Read all lists and write nothing; the server is asked whether they are still so."""
    for key in ("x", "y", "z"):
        run.steps.append(Read(key, tuple(run.see(tx, f"/lists/{key}"))))


def rank(tx: Any, run: Run, draw: Random) -> None:
    """Take the next rank: safe only if nobody else joined meanwhile, which is a read of the keys."""
    count = len(list(tx.keys("/ranks")))
    tx[f"/ranks/r{run.identity}"] = count
    run.effect = {"ranks": 1}


def hot(tx: Any, run: Run, draw: Random) -> None:
    amount = draw.randint(1, 3)
    tx.inc("/hot", amount)
    run.effect = {"/hot": amount}


def stock(tx: Any, run: Run, draw: Random) -> None:
    """Take one of the stock, without reading it: a bound refuses the last one too many."""
    amount = draw.choice([-1, -1, 1])
    tx.inc("/stock", amount, min=0)
    run.effect = {"/stock": amount}


def claim(tx: Any, run: Run, draw: Random) -> None:
    """Claim what nobody has, or give it back: safe only if it did not come or go meanwhile."""
    pointer = draw.choice(["/claims/one", "/claims/two"])
    if pointer in tx:
        del tx[pointer]
        run.effect = {f"there {pointer}": -1}
    else:
        tx[pointer] = run.identity
        run.effect = {f"there {pointer}": 1}


def cell(tx: Any, run: Run, draw: Random) -> None:
    tx["/cell"] = run.identity


def feed(tx: Any, run: Run, draw: Random) -> None:
    tx.push("/queue", run.identity)
    run.effect = {"queue": 1}


def take(tx: Any, run: Run, draw: Random) -> None:
    """Take the first of the queue, or sleep until there is one."""
    items = tx["/queue"]
    if not items:
        tx.retry()
    tx["/queue"] = items[1:]
    run.effect = {"queue": -1}


def insert_row(tx: Any, run: Run, draw: Random) -> None:
    if len(tx["/rows"]) < 6:
        tx.insert("/rows/0", {"id": run.identity, "n": 0})


def renew_folder(tx: Any, run: Run, draw: Random) -> None:
    """Throw the folder away with all that is in it, and make another of the next generation."""
    generation = tx["/folder/generation"]
    tx["/folder"] = {"generation": generation + 1}


def peek_row(tx: Any, run: Run, draw: Random) -> None:
    """Count at a row by its position, as seen: the implied read of the array's keys protects it."""
    position = draw.randrange(3)
    row = tx.peek("/rows")[position]
    tx.inc(f"/rows/{position}/n", 1)
    run.effect = {f"row {row['id']}": 1}


def peek_copy(tx: Any, run: Run, draw: Random) -> None:
    """Copy the cell as seen: the implied read of ``from`` protects it."""
    tx.copy("/cell", f"/copies/c{run.identity}")
    run.expects = {f"/copies/c{run.identity}": tx.peek("/cell")}


def peek_folder(tx: Any, run: Run, draw: Random) -> None:
    """Put a file into the folder as seen: the implied read of the parent's existence protects it."""
    tx.put(f"/folder/f{run.identity}", tx.peek("/folder/generation"))


def peek_token(tx: Any, run: Run, draw: Random) -> None:
    """Move a token from its owner, as seen."""
    places = [(owner, token) for owner, tokens in tx.peek("/tokens").items() for token in tokens]
    owner, token = draw.choice(sorted(places))
    if owner != run.client:
        tx.move(f"/tokens/{owner}/{token}", f"/tokens/{run.client}/{token}")


def peek_test(tx: Any, run: Run, draw: Random) -> None:
    """Change a cell that still holds what was seen."""
    tx.test("/cell", tx.peek("/cell"))
    tx["/cell"] = run.identity


def desk(tx: Any, run: Run, draw: Random) -> None:
    """Sit at a desk while the session lasts, or write over whoever does."""
    name = draw.choice(["d1", "d2"])
    tx.put(f"/desks/{name}", run.identity, **draw.choice(PRESENCE))


PRESENCE: list[dict[str, Any]] = [
    {"bind": "session", "linger_ms": 0},
    {"bind": "session", "linger_ms": 300},
    {"ttl_ms": 200},
    {},
]
JOBS: dict[str, Job] = {
    job.__name__: job
    for job in (transfer, lists, audit, rank, hot, stock, claim, cell, feed, insert_row, renew_folder, desk)
}
PEEKING: dict[str, Job] = {
    job.__name__: job for job in (peek_row, peek_copy, peek_folder, peek_token, peek_test)
}
