"""
JSON Pointers (RFC 6901): the text of a pointer, and the path that it stands for.

A path is a tuple of tokens, each a string, also where it is an index; the root is ``()``. Each path has
one pointer, and each pointer one path.

Rules of this file:

- What was computed is remembered, since a transaction needs the same pointers many times. Long pointers
  are not remembered, so that nobody fills the memory with them.
"""

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

Path = tuple[str, ...]

ROOT: Final[Path] = ()
FORBIDDEN: Final = "__proto__"  # it would change what an object is in JavaScript
REMEMBERED: Final = 32_768  # pointers
REMEMBERED_LENGTH: Final = 128  # characters, at most

_bad_escape = re.compile("~(?![01])").search


def _parsed(text: str) -> Path:
    if not text:
        return ROOT
    if text[0] != "/":
        raise ValueError(f"a JSON Pointer is empty or begins with '/', got {text!r:.80}")
    tokens = tuple(text[1:].split("/"))
    if "~" in text:
        if _bad_escape(text):
            raise ValueError(f"'~' is followed by 0 or 1 in a JSON Pointer, not so in {text!r:.80}")
        tokens = tuple([token.replace("~1", "/").replace("~0", "~") for token in tokens])
    if FORBIDDEN in tokens:
        raise ValueError(f"the token {FORBIDDEN!r} is not allowed, in {text!r:.80}")
    if not text.isascii():
        _check_unicode(text)
    return tokens


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"a lone surrogate is no text, in {text!r:.80}") from None


def _rendered(path: Path) -> str:
    text = "/".join(("", *path))
    if "~" in text or text.count("/") != len(path):
        return "".join([f"/{token.replace('~', '~0').replace('/', '~1')}" for token in path])
    return text


class _Remembered(OrderedDict[Any, Any]):
    """
    What ``compute`` gave: key -> value; the oldest goes first.

    Looking up is one call of C, a third faster than ``lru_cache`` behind a check of the length
    (benchmarks/dstm.py, commits).
    """

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        super().__init__()
        self._compute = compute

    def __repr__(self) -> str:
        return f"<what {self._compute.__name__} gave for {len(self)} keys>"

    def __missing__(self, key: Any) -> Any:
        value = self._compute(key)
        text = key if key.__class__ is str else value
        if len(text) <= REMEMBERED_LENGTH:
            if len(self) >= REMEMBERED:
                self.popitem(last=False)
            self[key] = value
        return value


# Give the path of a pointer. ValueError: it is no JSON Pointer, or has the token ``__proto__``.
parse: Final[Callable[[str], Path]] = _Remembered(_parsed).__getitem__

# Give the pointer of a path.
render: Final[Callable[[Path], str]] = _Remembered(_rendered).__getitem__
