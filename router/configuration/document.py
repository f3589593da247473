"""
A document: one file after the check, its values and problems with their places.

A path is a tuple of keys and list positions: ``("roles", "frontend",
"permissions", 2, "allow")``, written ``roles.frontend.permissions[2].allow``.
Values are found by path also where another part of the file is wrong, so that
checks across values and files still report all they can.
"""

import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Generic, TypeVar

from router.configuration.problems import Problem

T = TypeVar("T")
Path = tuple[str | int, ...]
Position = tuple[int, int]  # line, column, both from 1

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_START: Position = (1, 1)


class Document(Generic[T]):
    """What one file says. ``value`` is None where the file has a problem of its own."""

    def __init__(self, file: FilePath) -> None:
        self.file = file
        self.value: T | None = None
        self.values: dict[Path, object] = {}  # path -> value, only what is written in the file and valid
        self.positions: dict[Path, Position] = {}  # path -> where the value begins
        self.key_positions: dict[Path, Position] = {}  # path -> where its key begins
        self.names: dict[Path, list[str]] = {}  # path of a mapping -> its keys, wrong entries too
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def add(self, path: Path, message: str, *, at: Position | None = None) -> None:
        """Note that the value at ``path`` is wrong."""
        self.problems.append(self._problem(path, message, at))

    def refuse(self, path: Path, message: str) -> None:
        """Note that the value at ``path`` is wrong, and forget it: no later check looks at it."""
        self.add(path, message)
        del self.values[path]

    def warn(self, path: Path, message: str) -> None:
        """Note that the value at ``path`` is usable but doubtful."""
        self.warnings.append(self._problem(path, message, None))

    def position(self, path: Path) -> Position:
        """Return where the value at ``path`` begins; for one that is not written, its section."""
        if path in self.positions or path in self.key_positions:
            return self.positions.get(path) or self.key_positions[path]
        return self.section_position(path[:-1]) if path else _START

    def section_position(self, path: Path) -> Position:
        """Return where the section or list at ``path`` begins: at its key, where it has one."""
        return self.key_positions.get(path) or self.position(path)

    def select(self, *pattern: str | int | None) -> Iterator[tuple[Path, object]]:
        """Yield (path, value) of all valid values whose path fits ``pattern``; None fits any step."""
        for path, value in self.values.items():
            if len(path) == len(pattern) and all(
                p is None or p == s for p, s in zip(pattern, path, strict=True)
            ):
                yield path, value

    def _problem(self, path: Path, message: str, at: Position | None) -> Problem:
        line, column = at or self.position(path)
        return Problem(str(self.file), line, column, path_text(path), message)


def path_text(path: Path) -> str:
    """Return ``path`` as people write it; keys that are no plain names are quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN.fullmatch(step):
            text += f".{step}"
        else:
            text += f"[{quoted(step)}]"
    return text.removeprefix(".")


def quoted(text: str, limit: int = 80) -> str:
    """Return ``text`` in single quotes, on one line and not longer than ``limit`` characters."""
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")
