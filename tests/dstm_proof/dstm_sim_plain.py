"""
A client written from the protocol's description alone: plain CALL and SUBSCRIBE, no library.

It subscribes, syncs, applies deltas one by one, runs one job at a time, and after a broken connection sends
the identical body first. It also sends some bodies twice, some long after they were decided, as a
proxy or a nervous program may.

Rules of this file:

- Whatever contradicts the protocol goes into ``violations``, with the client's name.
- What a reply leaves open is open: after a lost connection only the server's word decides.
"""

from collections.abc import Callable, Sequence
from typing import Any

from dstm_naive import NOTHING, apply_change, apply_op, change_of, copied, find, path_of
from dstm_sim_jobs import JOBS, PEEKING, Run
from dstm_sim_links import Connection, encode
from dstm_sim_world import World

_NOTHING_DECIDED = {"dstm.error.unavailable", "dstm.error.throttled"}
_MISSING = object()


class PlainTx:
    """Collects reads and operations over a plain document; writes are seen by later reads."""

    def __init__(self, document: Any) -> None:
        self._seen = document
        self._working: Any = None
        self.reads: list[Any] = []
        self.ops: list[dict[str, Any]] = []

    def __getitem__(self, pointer: str) -> Any:
        self._note(pointer)
        return copied(find(self._seen if self._working is None else self._working, path_of(pointer)))

    def peek(self, pointer: str) -> Any:
        """Give what the replica holds, and tell nobody."""
        return copied(find(self._seen, path_of(pointer)))

    def keys(self, pointer: str) -> list[str]:
        self._note(["keys", pointer])
        return list(find(self._seen, path_of(pointer)))

    def __contains__(self, pointer: str) -> bool:
        self._note(["exists", pointer])
        return find(self._seen, path_of(pointer)) is not NOTHING

    def __delitem__(self, pointer: str) -> None:
        self._op("remove", pointer)

    def _note(self, read: Any) -> None:
        if read not in self.reads:
            self.reads.append(read)

    def _op(self, name: str, pointer: str, value: Any = _MISSING, **options: Any) -> None:
        op = {"op": name, "path": pointer, **options}
        if value is not _MISSING:
            op["value"] = value
        self.ops.append(op)
        if self._working is None:
            self._working = copied(self._seen)
        self._working = apply_op(self._working, op)

    def __setitem__(self, pointer: str, value: Any) -> None:
        self._op("add", pointer, value)

    def put(self, pointer: str, value: Any, **options: Any) -> None:
        self._op("add", pointer, value, **options)

    def insert(self, pointer: str, value: Any) -> None:
        self._op("add", pointer, value)

    def inc(self, pointer: str, amount: int, **bounds: int) -> None:
        self._op("inc", pointer, amount, **bounds)

    def push(self, pointer: str, value: Any) -> None:
        self._op("push", pointer, value)

    def test(self, pointer: str, value: Any) -> None:
        self._op("test", pointer, value)

    def copy(self, source: str, target: str) -> None:
        self._op("copy", target, **{"from": source})

    def move(self, source: str, target: str) -> None:
        self._op("move", target, **{"from": source})


class PlainClient:
    """
    One client and its jobs.

    :ivar remaining: jobs that it has not begun
    :ivar runs: every run of every job, in order
    :ivar may_miss: whether the server drops events
    :ivar states: (epoch, version) -> the document that the replica held, as JSON
    """

    def __init__(
        self,
        world: World,
        name: str,
        jobs: int,
        connect: Callable[[], Connection | None],
        kinds: Sequence[str] = (),
    ) -> None:
        self.world = world
        self.name = name
        self.remaining = jobs
        self.kinds = kinds or _KINDS
        self.may_miss = False
        self.runs: list[Run] = []
        self.states: dict[tuple[str, int], bytes] = {}
        self.violations: list[str] = []
        self.new_identity: Callable[[], int]
        self._connect = connect
        self._identity = f"{world.random.getrandbits(128):032x}"
        self._counter = 0
        self._connection: Connection | None = None
        self._requests: dict[int, Callable[[Any], None]] = {}
        self._request_count = 0
        self._document: Any = None
        self._epoch, self._version, self._hash = "", -1, ""
        self._is_live = False
        self._backlog: list[Any] = []
        self._run: Run | None = None
        self._body: dict[str, Any] | None = None  # of the commit that is not decided
        self._sent = 0  # how often that body was sent
        self._sends_again = False  # after a pause
        self._job: str | None = None
        self._decided: list[tuple[dict[str, Any], Any]] = []  # (body, its outcome)

    @property
    def is_done(self) -> bool:
        return self.remaining == 0 and self._job is None and self._body is None

    @property
    def position(self) -> tuple[str, int]:
        return self._epoch, self._version

    @property
    def document(self) -> Any:
        return self._document

    # The connection

    def start(self) -> None:
        connection = self._connect()
        if connection is None:
            self.world.after(self.world.between(5, 60), self.start)
            return
        self._connection = connection
        connection.to_client.receive = lambda message: self._receive(connection, message)
        connection.to_client.lost = lambda: self._lost(connection)
        self._requests.clear()
        self._backlog.clear()
        self._is_live = False
        self._send_request(["subscribe", "dstm.s.delta"], lambda answer: self._sync())

    def _lost(self, connection: Connection) -> None:
        if connection is self._connection:
            self._connection = None
            self._is_live = False
            self.world.after(self.world.between(1, 40), self.start)

    def drop(self) -> None:
        """Lose the connection on purpose."""
        if self._connection is not None:
            self._connection.cut()

    def _send_request(self, request: list[Any], done: Callable[[Any], None]) -> None:
        if self._connection is None:
            return
        self._request_count += 1
        self._requests[self._request_count] = done
        self._connection.tell_server([request[0], self._request_count, *request[1:]])

    def _call(self, verb: str, args: Any, kwargs: Any, done: Callable[[Any], None]) -> None:
        self._send_request(["call", f"dstm.s.{verb}", args, kwargs], done)

    def _receive(self, connection: Connection, message: Any) -> None:
        if connection is not self._connection:
            return
        if message[0] == "event":
            self._on_event(message)
        else:
            self._requests.pop(message[1])(message)

    # The replica

    def _sync(self) -> None:
        self._is_live = False
        args = [] if self._document is None else [self._version, self._epoch, self._hash]
        self._call("sync", args, {}, self._synced)

    def _synced(self, answer: Any) -> None:
        if answer[0] == "error":
            self._expect(answer[2] in _NOTHING_DECIDED, f"sync was answered by {answer}")
            self.world.after(self.world.between(5, 50), self._sync)
            return
        reply = answer[3]
        if "snapshot" in reply:
            is_back = reply["epoch"] == self._epoch and reply["version"] < self._version
            self._expect(not is_back, f"sync went back from {self.position} to {reply['version']}")
            self._document, self._hash = reply["snapshot"], reply["hash"]
            self._epoch, self._version = reply["epoch"], reply["version"]
            self._note_state()
        else:
            self._expect(reply["epoch"] == self._epoch, "deltas of another epoch")
            for delta in reply["deltas"]:
                self._apply(delta)
            self._expect(
                self._version == reply["version"], f"sync led to {self._version}, not {reply['version']}"
            )
        self._is_live = True
        backlog, self._backlog = self._backlog, []
        for message in backlog:
            self._on_event(message)
        self._resume()

    def _on_event(self, message: Any) -> None:
        _, _, deltas, kwargs = message
        if not self._is_live:
            self._backlog.append(message)
            return
        if kwargs["epoch"] != self._epoch:
            self._sync()
            return
        for delta in deltas:
            if delta[0] > self._version:
                self._expect(self.may_miss, f"nothing was dropped: at {self._version}, got {delta[:2]}")
                self._sync()
                return
            self._apply(delta)

    def _apply(self, delta: Any) -> None:
        before, version, changes, meta = delta
        if version <= self._version:
            return
        self._expect(before == self._version, f"at {self._version}, the delta is {delta[:2]}")
        for change in changes:
            self._document = apply_change(self._document, change_of(change))
        self._version, self._hash = version, meta["hash"]
        self._note_state()

    def _note_state(self) -> None:
        self.states[self.position] = encode(self._document)

    def _expect(self, holds: bool, text: str) -> None:
        if not holds:
            self.violations.append(f"{self.name}: {text}")

    # Jobs

    def poke(self) -> None:
        """Go on with the next run, if one is due and nothing is undecided."""
        if self._is_live and self._body is None and (self._job is not None or self.remaining):
            self._begin()
        elif self._is_live and self._decided and self.world.chance(0.3):
            self._send_old_body()

    def _resume(self) -> None:
        """Send what is undecided first, identically."""
        if self._body is not None:
            self._commit()
        else:
            self.poke()

    def _begin(self) -> None:
        draw = self.world.random
        if self._job is None:
            self.remaining -= 1
            self._job = draw.choice(self.kinds)
            self._invoked = self.world.now
        tx = PlainTx(self._document)
        self._run = run = Run(self.new_identity(), self.name, self._job)
        run.base, run.invoked = self.position, self._invoked
        (JOBS.get(self._job) or PEEKING[self._job])(tx, run, draw)
        if not run.only_reads:
            tx.push(f"/done/{self.name}", run.identity)
        self._counter += 1
        run.tx = f"{self._identity}:{self._counter}"
        self._body = {
            "tx": run.tx,
            "epoch": self._epoch,
            "base": self._version,
            "reads": tx.reads,
            "ops": tx.ops,
        }
        if self.world.chance(0.2):
            self._body["want"] = ["/hot", "/nothing"]
        self._sent = 0
        self.runs.append(run)
        self._commit()

    def _commit(self) -> None:
        run, body = self._run, self._body
        assert run is not None
        assert body is not None
        run.outcome = "unknown"
        for _ in range(2 if self.world.chance(0.15) else 1):
            self._sent += 1
            self._call("commit", [], body, lambda answer: self._committed(body, answer))

    def _committed(self, body: dict[str, Any], answer: Any) -> None:
        if body is not self._body:  # the second answer to a body that was sent twice
            for decided, outcome in self._decided:
                if decided is body:
                    self._compare(body, outcome, answer)
            return
        run = self._run
        assert run is not None
        if answer[0] == "error" and answer[2] in _NOTHING_DECIDED:
            if not self._sends_again:
                self._sends_again = True
                self.world.after(self.world.between(5, 60), self._send_again)
            return
        self._decided.append((body, answer))
        self._body, run.returned = None, self.world.now
        if answer[0] == "result":
            reply = answer[3]
            run.outcome, run.committed = "ok", (reply["epoch"], reply["version"])
            self._job = None
        else:
            self._rejected(run, answer)
        pause = self.world.between(0, 3) if self.world.chance(0.8) else self.world.between(5, 60)
        self.world.after(pause, self.poke)

    def _send_again(self) -> None:
        self._sends_again = False
        if self._body is not None and self._is_live:
            self._commit()

    def _rejected(self, run: Run, answer: Any) -> None:
        uri, details = answer[2], answer[4]
        name = uri.rpartition(".")[2]
        if name in ("stale", "epoch"):
            # only this very CALL was surely without effect; one before it may have had its effect
            run.outcome = "failed" if self._sent == 1 else "unknown"
            self._sync()
        elif name == "conflict":
            run.outcome = "failed"
            self._expect(
                "version" in details or "resync" in details, f"a conflict without details: {details}"
            )
            if details.get("resync"):
                self._sync()
            for delta in details.get("deltas", ()):
                if delta[0] == self._version:
                    self._apply(delta)
        elif name == "constraint":
            run.outcome = "failed"
            self._job = None
        else:
            self._expect(False, f"{run.kind} was answered by {answer}")
            self._job = None

    def _send_old_body(self) -> None:
        body, outcome = self.world.random.choice(self._decided)
        self._call("commit", [], body, lambda answer: self._compare(body, outcome, answer))

    def _compare(self, body: dict[str, Any], first: Any, second: Any) -> None:
        """A body has one outcome for ever, as long as the server remembers; one without effect needs none."""
        if not body["ops"]:
            return
        if second[0] == "error" and second[2].rpartition(".")[2] in _FORGOTTEN | {"epoch"}:
            return
        is_equal = first[0] == second[0]
        if is_equal and first[0] == "result":
            is_equal = first[3]["version"] == second[3]["version"]
        elif is_equal:
            is_equal = first[2] == second[2]
        self._expect(is_equal, f"one body was answered by {first[:4]} and by {second[:4]}")


_FORGOTTEN = {"stale", "unavailable", "throttled"}
_KINDS = [*JOBS, "lists", "lists", "transfer", "transfer", *PEEKING]
