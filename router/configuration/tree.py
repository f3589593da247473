"""
YAML text to a node tree, for files that nobody has checked yet.

Size and depth are bounded before the tree is built: libyaml's composer recurses
in C, and a file of opening brackets ends the process. Aliases stay shared nodes
here; whoever walks the tree counts what it visits.
"""

from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPENING = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_CLOSING = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


class Unreadable(Exception):
    """A file that gives no tree: ``message`` says why, ``line`` and ``column`` count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.position = (line, column)


def compose(file: Path) -> yaml.Node | None:
    """
    Return the node tree of the one document in ``file``; None for an empty one.

    Raises:
        Unreadable: the file can't be read, is too large, too deep, or no YAML.
    """
    text = _text(_bytes(file))
    try:
        _check_depth(text)
        return yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        line, column = _place(text, text.find(chr(error.character)))
        raise Unreadable(
            f"control character {error.character:#04x}: not allowed in YAML", line, column
        ) from None
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error) from None


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"can't be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise Unreadable(f"is larger than {MAX_BYTES} bytes, the limit for a configuration file")
    return content


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _place(content[: error.start].decode("utf-8-sig"), error.start)
        raise Unreadable(f"byte {content[error.start]:#04x} is no UTF-8", line, column) from None


def _place(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, _OPENING) - isinstance(event, _CLOSING)
        if depth > MAX_DEPTH:
            line, column = position(event.start_mark)
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels", line, column)


def _syntax_error(error: yaml.MarkedYAMLError) -> Unreadable:
    mark, context_mark = error.problem_mark, error.context_mark
    line, column = position(mark) if mark else (1, 1)
    begun = (
        f" (begun on line {context_mark.line + 1})" if context_mark and context_mark.line + 1 != line else ""
    )
    what = ", ".join(part for part in (error.context and error.context + begun, error.problem) if part)
    return Unreadable(f"not valid YAML: {what}", line, column)


def position(mark: Any) -> tuple[int, int]:
    """Return line and column of ``mark``, PyYAML's or libyaml's, both from 1."""
    return mark.line + 1, mark.column + 1
