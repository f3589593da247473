"""
The arguments of a call, read and checked: what is wrong is told with its place.

Each function raises ``DstmError`` with ``invalid`` or ``too_large``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from realms.dstm.access import MAX_TOKENS
from realms.dstm.errors import INVALID, TOO_LARGE, DstmError
from realms.dstm.pointer import Path, parse

T = TypeVar("T")

MAX_SAFE: Final = 2**53 - 1
MISSING_ARGUMENT: Final = object()


def invalid(part: str, reason: str, **where: Any) -> DstmError:
    """Say what is wrong with a part of a request."""
    place = f"{part}[{where['index']}]" if "index" in where else part
    return DstmError(INVALID, f"{place}: {reason}", part=part, reason=reason, **where)


def check_names(kwargs: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """Refuse keyword arguments that the procedure does not know."""
    names = tuple(allowed)
    for name in kwargs:
        if name not in names:
            takes = f"allowed are {', '.join(names)}" if names else "there are none"
            raise invalid("kwargs", f"unknown keyword argument {name!r:.100}; {takes}")


def check_count(args: Sequence[Any], least: int, most: int) -> None:
    """Refuse too few and too many arguments."""
    if not least <= len(args) <= most:
        allowed = str(least) if least == most else f"{least} to {most}"
        raise invalid("args", f"{len(args)} arguments given, {allowed} allowed")


def pointer(value: object, part: str = "args", index: int = 0) -> Path:
    """Read a pointer."""
    if not isinstance(value, str):
        raise invalid(part, f"must be a JSON Pointer, a text, got {kind_of(value)}", index=index)
    try:
        path = parse(value)
    except ValueError as error:
        raise invalid(part, str(error), index=index) from None
    if len(path) > MAX_TOKENS:
        raise invalid(part, f"a pointer may have {MAX_TOKENS} tokens, got {len(path)}", index=index)
    return path


def pointers(value: object, part: str, most: int) -> list[Path]:
    """Read a list of pointers."""
    if not isinstance(value, list | tuple):
        raise invalid(part, f"must be a list of JSON Pointers, got {kind_of(value)}")
    if len(value) > most:
        reason = f"{len(value)} are too many; allowed are {most}"
        raise DstmError(TOO_LARGE, f"{part}: {reason}", part=part, reason=reason)
    return [pointer(item, part, index) for index, item in enumerate(value)]


def integer(value: object, part: str, low: int, high: int = MAX_SAFE) -> int:
    """Read an integer; some clients send it as a float without a fraction."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise invalid(part, f"must be an integer, got {kind_of(value)}")
    if not low <= value <= high:
        raise invalid(part, f"must be {low} to {high}, got {value if abs(value) < 10**20 else 'more'}")
    return value


def optional_integer(kwargs: Mapping[str, Any], name: str, low: int, high: int = MAX_SAFE) -> int | None:
    """Read an integer that may be left out, or null."""
    value = kwargs.get(name)
    return None if value is None else integer(value, name, low, high)


def optional_text(value: object, part: str) -> str | None:
    """Read a text that may be left out, or null."""
    if value is None or isinstance(value, str):
        return value
    raise invalid(part, f"must be a text, got {kind_of(value)}")


def text(value: object, part: str) -> str:
    """Read a text."""
    if isinstance(value, str):
        return value
    raise invalid(part, f"must be a text, got {kind_of(value)}")


def kind_of(value: object) -> str:
    """Name the type of a value as JSON does."""
    if value is None:
        return "null"
    names = {
        bool: "a boolean",
        int: "an integer",
        float: "a float",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), type(value).__name__)
