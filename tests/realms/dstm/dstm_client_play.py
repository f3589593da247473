"""The surroundings of a client's core in tests: timers moved by hand, and a link answered by hand."""

import heapq
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from realms.dstm.client.core import Core
from realms.dstm.client.link import LinkLost, OnEvent, OnOutcome, Reply
from realms.dstm.client.settings import Settings
from realms.dstm.errors import DstmError

CLIENT_ID = "c" * 32
EPOCH, OTHER_EPOCH = "e" * 32, "f" * 32
HASH = "ab" * 16


class Timers:
    """Surroundings: ``now`` in seconds, and what was logged."""

    def __init__(self) -> None:
        self.now = 0.0
        self.warnings: list[str] = []
        self.defects: list[BaseException] = []
        self.chance = 0.0
        self._count = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        self._count += 1
        entry = (self.now + seconds, self._count, function)
        heapq.heappush(self._heap, entry)
        return lambda: self._heap.remove(entry)

    def random(self) -> float:
        return self.chance

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def defect(self, text: str, error: BaseException) -> None:
        self.defects.append(error)

    @property
    def due(self) -> list[float]:
        """In how many seconds each timer ends."""
        return sorted(round(at - self.now, 9) for at, _, _ in self._heap)

    def advance(self, seconds: float = 0.0) -> None:
        until = self.now + seconds
        while self._heap and self._heap[0][0] <= until:
            self.now, _, function = heapq.heappop(self._heap)
            function()
        self.now = until


class Asked(NamedTuple):
    """A CALL or SUBSCRIBE that waits for its answer."""

    procedure: str
    args: list[Any]
    kwargs: dict[str, Any]
    done: OnOutcome


class PlayLink:
    """A link; ``asked`` is what waits for an answer."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.on_event: OnEvent | None = None
        self.unsubscribed = 0

    def call(self, procedure: str, args: list[Any], kwargs: dict[str, Any], done: OnOutcome) -> None:
        self.asked.append(Asked(procedure, args, kwargs, done))

    def subscribe(self, topic: str, on_event: OnEvent, done: OnOutcome) -> None:
        self.on_event = on_event
        self.asked.append(Asked(f"subscribe {topic}", [], {}, done))

    def unsubscribe(self) -> None:
        self.unsubscribed += 1

    @property
    def names(self) -> list[str]:
        """What waits for an answer, in order."""
        return [asked.procedure for asked in self.asked]

    def take(self, procedure: str) -> Asked:
        """Take the first that was asked, which is ``procedure``."""
        asked = self.asked.pop(0)
        assert asked.procedure == procedure, (asked.procedure, procedure)
        return asked

    def answer(self, procedure: str, *args: Any, **kwargs: Any) -> Asked:
        asked = self.take(procedure)
        asked.done(Reply(list(args), kwargs))
        return asked

    def refuse(self, procedure: str, uri: str, **details: Any) -> Asked:
        asked = self.take(procedure)
        asked.done(DstmError(uri, "refused", **details))
        return asked

    def lose(self) -> None:
        """Let everything that waits end without an answer."""
        asked, self.asked = self.asked, []
        for one in asked:
            one.done(LinkLost("cut"))

    def event(self, *deltas: list[Any], epoch: str = EPOCH) -> None:
        assert self.on_event is not None
        self.on_event(list(deltas), {"epoch": epoch})


def delta(first: int, version: int, *changes: dict[str, Any], **meta: Any) -> list[Any]:
    """Give a delta as it is on the wire."""
    return [first, version, list(changes), {"hash": HASH, "time": 0, **meta}]


def put(path: str, value: Any, op: str = "add") -> dict[str, Any]:
    return {"op": op, "path": path, "value": value}


class Play:
    """A core of the space ``s``, its timers, and the link in use."""

    def __init__(self, paths: Sequence[str] | None = None, **settings: Any) -> None:
        self.timers = Timers()
        self.core = Core("s", paths, Settings(**settings), self.timers, CLIENT_ID)
        self.outcomes: list[Any] = []  # of attach and atomically, in the order of their ends
        self.link = PlayLink()

    def attach(self) -> PlayLink:
        """Attach a new link."""
        self.link = PlayLink()
        self.core.attach(self.link, self.outcomes.append)
        return self.link

    def live(self, document: Any, version: int = 0, epoch: str = EPOCH) -> PlayLink:
        """Attach a new link, and let it be live with a snapshot."""
        link = self.attach()
        link.answer("subscribe dstm.s.delta")
        link.answer("dstm.s.sync", snapshot=document, version=version, epoch=epoch, hash=HASH)
        assert self.outcomes.pop() is None
        return link

    def do(self, function: Callable[..., Any], *args: Any, strict: bool = False) -> Callable[[], None]:
        """Begin a transaction."""
        return self.core.atomically(function, args, strict, self.outcomes.append)

    def commit(self) -> dict[str, Any]:
        """Give the body of the first commit that waits for its answer."""
        return next(asked.kwargs for asked in self.link.asked if asked.procedure == "dstm.s.commit")

    def committed(self, version: int, epoch: str = EPOCH, **more: Any) -> None:
        self.link.answer("dstm.s.commit", version=version, epoch=epoch, time=1234, **more)

    @property
    def document(self) -> Any:
        assert self.core.replica is not None
        return self.core.replica[""]

    @property
    def version(self) -> int:
        assert self.core.replica is not None
        return self.core.replica.version
