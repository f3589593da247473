"""
JSON Pointers (RFC 6901): the text of a pointer, and the path that it stands for.

A path is a tuple of tokens, each a string, also where it is an index; the root is ``()``.
"""

from functools import lru_cache
from typing import Final

Path = tuple[str, ...]

ROOT: Final[Path] = ()
FORBIDDEN: Final = "__proto__"  # it would change what an object is in JavaScript


@lru_cache(maxsize=20_000)
def parse(text: str) -> Path:
    """
    Give the path of a pointer.

    Raises:
        ValueError: it is no JSON Pointer, or has the token ``__proto__``.
    """
    if not text:
        return ROOT
    if text[0] != "/":
        raise ValueError(f"a JSON Pointer is empty or begins with '/', got {text!r:.80}")
    tokens = tuple(text[1:].split("/"))
    if "~" in text:
        tokens = tuple(_unescape(token, text) for token in tokens)
    if FORBIDDEN in tokens:
        raise ValueError(f"the token {FORBIDDEN!r} is not allowed, in {text!r:.80}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"a lone surrogate is no text, in {text!r:.80}") from None
    return tokens


@lru_cache(maxsize=20_000)
def render(path: Path) -> str:
    """Give the pointer of a path."""
    return "".join(f"/{token.replace('~', '~0').replace('/', '~1')}" for token in path)


def _unescape(token: str, text: str) -> str:
    if token.replace("~0", "").replace("~1", "").count("~"):
        raise ValueError(f"'~' is followed by 0 or 1 in a JSON Pointer, not so in {text!r:.80}")
    return token.replace("~1", "/").replace("~0", "~")
