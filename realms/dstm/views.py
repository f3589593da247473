"""
What replicas have been told: of the whole space, of a view of some paths, with or without rules.

Rules of this file:

- A *trail* is the row of deltas that one sight was told: each begins at the version where the one
  before it ended, and versions that show nothing new are passed over. Its hash is chained over
  what was told, so that it says nothing of what is hidden.
- A trail begins at some version with a hash that follows from the epoch, the version and what is
  seen alone: where the same is seen again, the same replica goes on.
- A trail keeps its last deltas, bounded in number and bytes; a replica that is behind them takes a
  snapshot.
- Equal sets of paths are one view with one topic. Views are bounded; one that nobody uses makes room.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from realms.dstm.access import AnySight, Sight, sight_of_paths
from realms.dstm.changes import Change, Delta, chain, first_hash
from realms.dstm.document import Document
from realms.dstm.pointer import Path, render
from realms.dstm.values import size
from realms.dstm.visible import visible_changes

KEPT_DELTAS: Final = 200
KEPT_BYTES: Final = 128 * 1024
UNUSED_MS: Final = 60_000


class Step(Protocol):
    """One version of a space, as its window remembers it."""

    @property
    def version(self) -> int: ...
    @property
    def time(self) -> int: ...
    @property
    def changes(self) -> Sequence[Change]: ...


class Told(NamedTuple):
    """A delta that was told, what the hash was before it, and its size in bytes."""

    delta: Delta
    hash_before: bytes
    bytes: int


class Trail:
    """
    What one sight was told.

    :ivar version: where the last delta ended: what a replica is at that has applied all
    :ivar seen: the last version that was looked at; those after ``version`` showed nothing
    :ivar hash: the chained hash at ``version``
    """

    __slots__ = ("_bytes", "_kept", "hash", "seen", "sight", "version")

    def __init__(self, sight: AnySight, name: str, epoch: str, version: int) -> None:
        self.sight = sight
        self.version = self.seen = version
        self.hash = first_hash(f"{epoch} {version} {name}")
        self._kept: deque[Told] = deque()
        self._bytes = 0

    def follow(self, before: Document, step: Step) -> Delta | None:
        """Look at the next version, which changed ``before``; give the delta, if it shows anything."""
        assert step.version == self.seen + 1
        self.seen = step.version
        changes = visible_changes(before, step.changes, self.sight)
        return self._tell(changes, step.time) if changes else None

    def catch_up(self, time: int) -> Delta | None:
        """Tell that nothing changed since the last delta; ``None`` where there is nothing to tell."""
        return self._tell([], time) if self.version < self.seen else None

    def since(self, version: int, known_hash: bytes | None) -> list[Delta] | None:
        """Give the deltas from ``version`` to the end; ``None`` where a replica must begin anew."""
        if version == self.version:
            return [] if known_hash in (None, self.hash) else None
        kept = list(self._kept)
        for index, told in enumerate(kept):
            if told.delta.from_version == version:
                fits = known_hash in (None, told.hash_before)
                return [later.delta for later in kept[index:]] if fits else None
        return None

    def _tell(self, changes: Sequence[Change], time: int) -> Delta:
        before = self.hash
        self.hash = chain(before, self.seen, changes)
        delta = Delta(self.version, self.seen, tuple(changes), self.hash, time)
        self.version = self.seen
        told = Told(delta, before, size_of(delta))
        self._kept.append(told)
        self._bytes += told.bytes
        while len(self._kept) > KEPT_DELTAS or self._bytes > KEPT_BYTES:
            self._bytes -= self._kept.popleft().bytes
        return delta


def size_of(delta: Delta) -> int:
    """Give the size of a delta in a message, about."""
    return 100 + sum(40 + len(c.path) + (0 if c.op == "remove" else size(c.value)) for c in delta.changes)


class View:
    """Some paths of a space, and the topic of their deltas."""

    __slots__ = ("id", "paths", "sight", "topic", "used_ms")

    def __init__(self, space: str, paths: tuple[Path, ...], now_ms: int) -> None:
        self.paths = paths
        self.sight: Sight = sight_of_paths(paths)
        text = "\n".join(render(path) for path in paths)
        self.id = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.topic = f"dstm.{space}.view.{self.id}"
        self.used_ms = now_ms


def distinct(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Sort paths, and leave out those that another one covers."""
    kept: list[Path] = []
    for path in sorted(set(paths)):
        if not kept or path[: len(kept[-1])] != kept[-1]:
            kept.append(path)
    return tuple(kept)


class Views:
    """The views of one space."""

    def __init__(self, space: str, most: int) -> None:
        self.most = most
        self._space = space
        self._by_paths: dict[tuple[Path, ...], View] = {}

    def __iter__(self) -> Any:
        return iter(list(self._by_paths.values()))

    def __len__(self) -> int:
        return len(self._by_paths)

    def open(self, paths: Iterable[Path], now_ms: int, in_use: Any) -> View | None:
        """
        Give the view of ``paths``, a new one where there is none; ``None`` if there are too many.

        ``in_use(topic)`` tells whether somebody is subscribed; of the others, those make room that
        were not asked for in the last ``UNUSED_MS``.
        """
        key = distinct(paths)
        view = self._by_paths.get(key)
        if view is None:
            if len(self._by_paths) >= self.most:
                self.forget_unused(now_ms, in_use)
            if len(self._by_paths) >= self.most:
                return None
            view = self._by_paths[key] = View(self._space, key, now_ms)
        view.used_ms = now_ms
        return view

    def forget_unused(self, now_ms: int, in_use: Any) -> list[View]:
        """Forget the views that nobody uses, and give them."""
        unused = [v for v in self if now_ms - v.used_ms >= UNUSED_MS and not in_use(v.topic)]
        for view in unused:
            del self._by_paths[view.paths]
        return unused
