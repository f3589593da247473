"""
What is to be undone by itself: presence, and values with a time to live.

A commit may bind what it wrote at a path to its session (``bind``), to a time (``ttl_ms``), or to both. A
binding is over when another commit writes at its path or above: then nothing is left to be undone. When
the session has left (for ``linger_ms``), or the time has come, the sequencer undoes it in a commit of its
own: what was there before is put back, or the path removed where nothing was.

Rules of this file:

- There is one binding for each path. Where a bound write replaces a bound value, what was there before the
  first of them is what is put back: a client that binds again by another connection leaves nothing behind.
- What a log keeps is ``wire``: the session is not in it, since after a restart no session is left.
- What is over only by commits that are not durable yet is kept until they are.
- A session that submits a transaction again which it had committed by another connection takes its
  bindings over.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import UNSET

from realms.dstm.changes import Change
from realms.dstm.pointer import Path, parse, render

NEVER: Final = 2**63


class Binding:
    """
    One path that is to be undone.

    :ivar path: where
    :ivar version: of the commit that wrote it
    :ivar linger_ms: from the end of the session on; None if no session is its holder
    :ivar expires_ms: when it ends in any case, ms since 1970, or None
    :ivar before: the value that is put back; ``UNSET`` if the path is to be removed
    :ivar session_id: the holder; None after recovery
    :ivar due_ms: when it is to be undone, as far as that is known; else ``NEVER``
    """

    __slots__ = ("before", "due_ms", "expires_ms", "linger_ms", "over", "path", "session_id", "version")

    def __init__(
        self,
        path: Path,
        version: int,
        linger_ms: int | None,
        expires_ms: int | None,
        before: Any,
        session_id: int | None,
    ) -> None:
        self.path = path
        self.version = version
        self.linger_ms = linger_ms
        self.expires_ms = expires_ms
        self.before = before
        self.session_id = session_id
        self.due_ms = NEVER if expires_ms is None else expires_ms
        self.over = 0  # the version that ended it

    @classmethod
    def read(cls, wire: dict[str, Any], session_id: int | None = None) -> "Binding":
        """Read what ``wire`` gave; the holder is not in it."""
        linger_ms, expires_ms = wire.get("linger_ms"), wire.get("expires_ms")
        holder = None if linger_ms is None else session_id
        before = wire.get("before", UNSET)
        return cls(parse(wire["path"]), wire["version"], linger_ms, expires_ms, before, holder)

    def wire(self) -> dict[str, Any]:
        """Give the plain form that a log keeps."""
        wire: dict[str, Any] = {"path": render(self.path), "version": self.version}
        if self.linger_ms is not None:
            wire["linger_ms"] = self.linger_ms
        if self.expires_ms is not None:
            wire["expires_ms"] = self.expires_ms
        if self.before is not UNSET:
            wire["before"] = self.before
        return wire

    def end_by(self, when_ms: int) -> None:
        """Make it due at ``when_ms``, unless it is sooner."""
        self.due_ms = min(self.due_ms, when_ms)


class Bindings:
    """
    The bindings of one space, as of its head.

    :ivar by_path: path -> the Binding there
    """

    def __init__(self, wires: Iterable[dict[str, Any]] = ()) -> None:
        self.by_path: dict[Path, Binding] = {}
        self._below: dict[Path, dict[Path, None]] = {}  # a path -> paths below it that are bound
        self._by_session: dict[int, dict[Binding, None]] = {}  # session id -> its bindings, ended ones too
        self._ended: deque[Binding] = deque()  # by commits that are not durable yet, in their order
        self._heap: list[tuple[int, Path]] = []  # (due, path), some of them outdated
        for wire in wires:
            self._add(Binding.read(wire))

    def __iter__(self) -> Iterator[Binding]:
        return iter(self.by_path.values())

    def commit(self, version: int, changes: Sequence[Change], new: Iterable[Binding]) -> None:
        """Follow a commit: it ends the bindings at and below what it changed, and makes new ones."""
        if self.by_path:
            for change in changes:
                self._end_at(parse(change.path), version)
        for binding in new:
            self._add(binding)

    def _end_at(self, path: Path, version: int) -> None:
        if path in self.by_path:
            self.end(path, version)
        for below in list(self._below.get(path, ())):
            self.end(below, version)

    def end(self, path: Path, version: int) -> None:
        """Let a version end the binding of a path."""
        binding = self._take_out(path)
        binding.over = version
        self._ended.append(binding)

    def _add(self, binding: Binding) -> None:
        path = binding.path
        self.by_path[path] = binding
        for end in range(len(path)):
            self._below.setdefault(path[:end], {})[path] = None
        self._hold(binding, binding.session_id)
        self._schedule(binding)

    def _hold(self, binding: Binding, session_id: int | None) -> None:
        binding.session_id = session_id
        if session_id is not None:
            self._by_session.setdefault(session_id, {})[binding] = None

    def _let_go(self, binding: Binding) -> None:
        if binding.session_id is not None:
            held = self._by_session[binding.session_id]
            del held[binding]
            if not held:
                del self._by_session[binding.session_id]

    def _take_out(self, path: Path) -> Binding:
        for end in range(len(path)):
            below = self._below[path[:end]]
            del below[path]
            if not below:
                del self._below[path[:end]]
        return self.by_path.pop(path)

    def durable(self, version: int) -> None:
        """Forget the bindings that were ended by ``version`` and those before."""
        while self._ended and self._ended[0].over <= version:
            self._let_go(self._ended.popleft())

    def take_back(self, version: int) -> None:
        """Be again what was at ``version``, because what followed did not come to be."""
        for binding in [b for b in self if b.version > version]:
            self._take_out(binding.path)
            self._let_go(binding)
        ended, self._ended = self._ended, deque()
        for binding in ended:
            if binding.version > version:
                self._let_go(binding)
            else:
                binding.over = 0
                self._add(binding)

    def wires(self, version: int) -> list[dict[str, Any]]:
        """Give the plain forms of those that hold at ``version``, the durable one."""
        return [b.wire() for b in (*self.by_path.values(), *self._ended) if b.version <= version]

    def left(self, session_id: int, now_ms: int) -> None:
        """Let the bindings of a session that has left be undone when they have lingered."""
        for binding in self._by_session.pop(session_id, {}):
            binding.session_id = None
            binding.end_by(now_ms + (binding.linger_ms or 0))
            self._schedule(binding)

    def orphaned(self, now_ms: int) -> None:
        """After recovery: what no session holds any more is to be undone when it has lingered."""
        for binding in self:
            if binding.linger_ms is not None and binding.session_id is None:
                binding.end_by(now_ms + binding.linger_ms)
                self._schedule(binding)

    def adopt(self, version: int, paths: Iterable[Path], session_id: int) -> None:
        """Let a session hold what a version has bound at ``paths``, in the place of the one that did."""
        for path in paths:
            binding = self.by_path.get(path)
            if binding is None or binding.version != version or binding.linger_ms is None:
                continue
            self._let_go(binding)
            self._hold(binding, session_id)
            binding.due_ms = NEVER if binding.expires_ms is None else binding.expires_ms
            self._schedule(binding)

    def _schedule(self, binding: Binding) -> None:
        if binding.due_ms == NEVER or binding.over:
            return
        heapq.heappush(self._heap, (binding.due_ms, binding.path))
        if len(self._heap) > 2 * len(self.by_path) + 64:
            self._heap = [(b.due_ms, b.path) for b in self if b.due_ms < NEVER]
            heapq.heapify(self._heap)

    def next_due(self) -> int | None:
        """Tell when the next one is to be undone, ms since 1970."""
        while self._heap:
            due_ms, path = self._heap[0]
            binding = self.by_path.get(path)
            if binding is not None and binding.due_ms == due_ms:
                return due_ms
            heapq.heappop(self._heap)
        return None

    def due(self, now_ms: int, most: int) -> list[Binding]:
        """Give those that are to be undone now, the first ones first; they stay until they are ended."""
        found: dict[Path, Binding] = {}
        while len(found) < most:
            due_ms = self.next_due()
            if due_ms is None or due_ms > now_ms:
                break
            path = heapq.heappop(self._heap)[1]
            found[path] = self.by_path[path]
        for binding in found.values():
            heapq.heappush(self._heap, (binding.due_ms, binding.path))
        return list(found.values())
