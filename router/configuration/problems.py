"""
Problems: what is wrong, where, and what is allowed instead.
"""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

# Bounds for the search of a near name: it is quadratic in length and runs once for each problem.
_CANDIDATES = 500
_LONGEST = 100


class Problem(Struct, frozen=True, order=True):
    """One thing that is wrong in a file; ``line`` and ``column`` count from 1."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: "
        return f"{place}{self.path}: {self.message}" if self.path else place + self.message


class ConfigurationError(Exception):
    """
    Every problem of every file; ``str()`` is the report, sorted by file and line.

    ``problems`` make the configuration unusable, ``warnings`` do not; ``files``
    are those that were read, so that a change of one of them can be noticed.
    """

    def __init__(
        self, problems: Iterable[Problem], warnings: Iterable[Problem] = (), files: Iterable[Path] = ()
    ) -> None:
        self.problems = sorted(problems)
        self.warnings = sorted(warnings)
        self.files = tuple(files)
        super().__init__("\n".join(map(str, self.problems)))


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ``": did you mean 'x'?"`` for the nearest of ``names``, or the whole choice."""
    choice = list(names)
    by_lower = {candidate.lower(): candidate for candidate in choice[:_CANDIDATES]}
    near = difflib.get_close_matches(name[:_LONGEST].lower(), by_lower, 1)
    if near:
        return f": did you mean '{by_lower[near[0]]}'?"
    return f" (allowed: {listing(choice)})" if choice else ""


def listing(names: Sequence[str], limit: int = 40) -> str:
    """Return ``names`` joined by commas; past ``limit`` only how many more there are."""
    more = f", and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
