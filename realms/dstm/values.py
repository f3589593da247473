"""
The values of a document: JSON, with the rules that keep them equal in every client.

- Integers lie within +-(2**53 - 1); floats are finite; a float without a fraction is an integer.
- Strings are valid Unicode; keys are strings and not ``__proto__``; nesting is bounded.

``canonical`` is RFC 8785: what hashes are taken over.
"""

import re
from math import isfinite
from typing import Any, Final

import msgspec
import rfc8785

from realms.dstm.pointer import FORBIDDEN, Path, render

MAX_INTEGER: Final = 2**53 - 1
MAX_DEPTH: Final = 64

# From here on up to 2**53 both forms write a float that is no integer with its shortest digits, no exponent.
SMALLEST_PLAIN: Final = 1e-3

_sorted = msgspec.json.Encoder(order="sorted").encode
_text = msgspec.json.Encoder().encode
_beyond_plane = re.compile(rb"[\xf0-\xf4]").search  # the first byte of four in UTF-8


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
        if not value.isascii():
            _check_unicode(value)
        if value[:1] == "\0":
            raise InvalidValue((), "a text that begins with U+0000 stands for binary data in WAMP's JSON")
        return value
    if kind is int:
        if -MAX_INTEGER <= value <= MAX_INTEGER:
            return value
        shown = value if value.bit_length() < 100 else f"one of {value.bit_length()} bits"
        raise InvalidValue((), f"integers are within +-(2**53 - 1), got {shown}")
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
            raise InvalidValue((), f"keys are strings, not {key.__class__.__name__}")
        if key == FORBIDDEN:
            raise InvalidValue((key,), "this key is not allowed")
        try:
            if not key.isascii():
                _check_unicode(key)
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


def _check_unicode(text: str) -> None:
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
    """Encode a normalized value in the canonical form of RFC 8785."""
    return canonical_text(value, has_odd_float(value))


def canonical_text(value: Any, odd_floats: bool) -> bytes:
    """
    Do ``canonical``, also of Structs, for a caller who knows about the floats in ``value``.

    Msgspec's sorted form is the same text (held by a test), at a tenth of the time: except that it writes
    some floats otherwise, and sorts keys by code points, not by UTF-16 code units (section 3.2.3), which
    differs where characters lie beyond the Basic Multilingual Plane.

    :param odd_floats: what ``has_odd_float`` tells
    """
    if not odd_floats:
        text = _sorted(value)
        if text.isascii() or not _beyond_plane(text):
            return text
    return rfc8785.dumps(msgspec.to_builtins(value))


def has_odd_float(value: Any) -> bool:
    """Tell whether a value holds a float that msgspec may write otherwise than RFC 8785: a small one."""
    kind = value.__class__
    if kind is float:
        return value.is_integer() or not SMALLEST_PLAIN <= abs(value) <= MAX_INTEGER
    if kind is dict:
        value = value.values()
    elif kind is not list and kind is not tuple:
        return False
    for below in value:
        kind = below.__class__
        if kind is str or kind is int:  # most are, and a call takes longer than this
            continue
        if has_odd_float(below):
            return True
    return False


def size(value: Any) -> int:
    """Give the bytes of a plain value as JSON."""
    return len(_text(value))
