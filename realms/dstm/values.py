"""
The values of a document: JSON, with the rules that keep them equal in every client.

- Integers lie within +-(2**53 - 1); floats are finite; a float without a fraction is an integer.
- Strings are valid Unicode; keys are strings and not ``__proto__``; nesting is bounded.

``canonical`` is RFC 8785: what hashes are taken over.
"""

from math import isfinite
from typing import Any, Final

import msgspec
import rfc8785

from realms.dstm.pointer import FORBIDDEN, Path, render

MAX_INTEGER: Final = 2**53 - 1
MAX_DEPTH: Final = 64

_sorted = msgspec.json.Encoder(order="sorted").encode


class InvalidValue(ValueError):
    """
    A value that no document holds.

    :ivar path: where, from the value's own root
    :ivar reason: what is wrong
    """

    def __init__(self, path: Path, reason: str) -> None:
        place = f" at {render(path)!r:.200}" if path else ""
        super().__init__(f"{reason}{place}")
        self.path = path
        self.reason = reason


def normalized(value: Any, depth: int = MAX_DEPTH) -> Any:
    """
    Check a plain value; give it with floats without a fraction as integers.

    The value itself is given where nothing is to be changed in it.

    :param depth: how many containers may lie in each other
    Raises:
        InvalidValue: with the place and the reason.
    """
    kind = value.__class__
    if kind is str:
        _check_text(value)
        return value
    if kind is int:
        if -MAX_INTEGER <= value <= MAX_INTEGER:
            return value
        raise InvalidValue((), f"integers are within +-(2**53 - 1), got {value!r:.40}")
    if kind is float:
        return _number(value)
    if value is None or kind is bool:
        return value
    if kind is dict:
        return _object(value, depth)
    if kind is list or kind is tuple:
        return _array(value, depth)
    raise InvalidValue((), f"a {kind.__name__} is no JSON value")


def _object(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    _check_depth(depth)
    changed: dict[str, Any] = {}
    for key, member in value.items():
        if key.__class__ is not str:
            raise InvalidValue((), f"keys are strings, got {key!r:.40}")
        if key == FORBIDDEN:
            raise InvalidValue((key,), "this key is not allowed")
        try:
            _check_text(key)
            kept = normalized(member, depth - 1)
        except InvalidValue as error:
            raise InvalidValue((_printable(key), *error.path), error.reason) from None
        if kept is not member:
            changed[key] = kept
    return {**value, **changed} if changed else value


def _array(value: Any, depth: int) -> list[Any]:
    _check_depth(depth)
    kept = []
    same = value.__class__ is list
    for index, element in enumerate(value):
        try:
            new = normalized(element, depth - 1)
        except InvalidValue as error:
            raise InvalidValue((str(index), *error.path), error.reason) from None
        same = same and new is element
        kept.append(new)
    return value if same else kept


def _number(value: float) -> float | int:
    if not isfinite(value):
        raise InvalidValue((), f"numbers are finite, got {value!r}")
    if value.is_integer():
        if abs(value) > MAX_INTEGER:
            raise InvalidValue((), f"integers are within +-(2**53 - 1), got {value!r}")
        return int(value)
    return value


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidValue((), "a lone surrogate is no text") from None


def _check_depth(depth: int) -> None:
    if depth <= 0:
        raise InvalidValue((), "it nests too deeply")


def _printable(key: str) -> str:
    return key.encode(errors="replace").decode()


def canonical(value: Any) -> bytes:
    """
    Encode a normalized value in the canonical form of RFC 8785.

    Where it holds no float, and no key beyond the Basic Multilingual Plane that would sort otherwise,
    msgspec's sorted form is the same text (held by a test), at a tenth of the time.
    """
    if _has_float(value):
        return rfc8785.dumps(msgspec.to_builtins(value))
    encoded = _sorted(value)
    if encoded.isascii():
        return encoded
    return rfc8785.dumps(msgspec.to_builtins(value))


def _has_float(value: Any) -> bool:
    kind = value.__class__
    if kind is str or kind is int:
        return False
    if kind is dict:
        return any(_has_float(member) for member in value.values())
    if kind is list or kind is tuple:
        return any(_has_float(element) for element in value)
    if isinstance(value, msgspec.Struct):
        return any(_has_float(getattr(value, name)) for name in value.__struct_fields__)
    return kind is float


def size(value: Any) -> int:
    """Give the bytes of a plain value as JSON."""
    return len(msgspec.json.encode(value))
