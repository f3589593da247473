"""
The options of a request: what may stand in them, and how a request is refused.

Rules of this file:

- An option that is ``None`` is absent: some clients send their unset options.
- A refusal names the option, the value and what is allowed.
"""

from collections.abc import Mapping
from typing import Any, Final

from router.wamp import uris

MAX_SHARD_KEY: Final = 256

PPT_ATTRIBUTES: Final = ("ppt_scheme", "ppt_serializer", "ppt_cipher", "ppt_keyid")


class Refused(Exception):
    """A request that cannot be met: ``error`` and ``text`` go into its ERROR. It never leaves the dealer."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error
        self.text = text


def choice(options: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    """
    Read the option ``name``; absent or ``None`` means the first of ``allowed``.

    Raises:
        Refused: the value is none of ``allowed``.
    """
    value = options.get(name)
    if value is None:
        return allowed[0]
    if type(value) is str and value in allowed:
        return value
    raise Refused(uris.INVALID_ARGUMENT, f"{name}={_shown(value)} is none of {', '.join(allowed)}")


def flag(options: Mapping[str, Any], name: str) -> bool:
    """
    Read the option ``name``; absent or ``None`` means false.

    Raises:
        Refused: the value is neither true nor false.
    """
    value = options.get(name)
    if value is None or value is False:
        return False
    if value is True:
        return True
    raise Refused(uris.INVALID_ARGUMENT, f"{name}={_shown(value)} is neither true nor false")


def whole_number(options: Mapping[str, Any], name: str, highest: int) -> int | None:
    """
    Read the option ``name``; absent or ``None`` means ``None``.

    Raises:
        Refused: the value is no integer in 0..``highest``.
    """
    value = options.get(name)
    if value is None or (type(value) is int and 0 <= value <= highest):
        return value
    raise Refused(uris.INVALID_ARGUMENT, f"{name}={_shown(value)} is no integer from 0 to {highest}")


def shard_key(options: Mapping[str, Any], name: str) -> str | None:
    """
    Read the option ``name``; absent or ``None`` means ``None``.

    Raises:
        Refused: the value is no string of 1 to ``MAX_SHARD_KEY`` characters.
    """
    value = options.get(name)
    if value is None or (isinstance(value, str) and 1 <= len(value) <= MAX_SHARD_KEY):
        return value
    text = f"{name}={_shown(value)} is no string of 1 to {MAX_SHARD_KEY} characters"
    raise Refused(uris.INVALID_ARGUMENT, text)


def _shown(value: object) -> str:
    # A string may be too long to send back, and an integer or a list too long to print.
    if isinstance(value, str | bool | float):
        return f"{value!r:.40}"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else "a huge integer"
    return f"a {type(value).__name__}"


def passthru(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the attributes of WAMP AP 'Payload Passthru Mode', untouched, into a new dict."""
    return {name: attributes[name] for name in PPT_ATTRIBUTES if attributes.get(name) is not None}
