"""What happens how often, and where: the busiest pointers of a space."""

from collections.abc import Iterable
from typing import Any


class PathCounter:
    """
    Counts by pointer; of many pointers, the busiest.

    Twice as many as wanted are held; when there are more, the rarer half is forgotten. So the cost of a count
    is constant in the mean, and what is busy is never lost for long.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: dict[str, int] = {}  # pointer -> count

    def add(self, pointers: Iterable[str]) -> None:
        """Count each of ``pointers`` once more."""
        counts = self._counts
        for pointer in pointers:
            counts[pointer] = counts.get(pointer, 0) + 1
        if len(counts) > 2 * self._most:
            self._counts = dict(self.busiest(self._most))

    def busiest(self, most: int) -> list[tuple[str, int]]:
        """Give the busiest pointers with their counts, the busiest first."""
        return sorted(self._counts.items(), key=lambda item: -item[1])[:most]


class Counters:
    """
    The counters of one space since it was opened.

    :ivar commits: and the others: how many
    :ivar commit_paths: pointers by changes; ``conflict_paths``: by conflicts
    """

    def __init__(self, counted_paths: int) -> None:
        self.commits = 0
        self.conflicts = 0
        self.rejects = 0  # other than conflicts
        self.repetitions = 0
        self.flushes = 0
        self.failures = 0  # of the log
        self.commit_paths = PathCounter(counted_paths)
        self.conflict_paths = PathCounter(counted_paths)

    def plain(self) -> dict[str, Any]:
        """Give the numbers by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, int)}
