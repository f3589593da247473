"""
SASLprep (RFC 4013): one spelling of a name or a password, however a keyboard wrote it.

Names of functions below that begin with ``in_table`` are the tables of RFC 3454.
"""

import stringprep
import unicodedata
from collections.abc import Callable
from typing import Final

_PROHIBITED: Final[tuple[Callable[[str], bool], ...]] = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str:
    """
    Normalize ``text``.

    Raises:
        ValueError: it holds what neither a name nor a password may hold.
    """
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    found = unicodedata.normalize("NFKC", mapped)
    for character in found:
        if any(prohibits(character) for prohibits in _PROHIBITED):
            raise ValueError(f"character U+{ord(character):04X} is not allowed")
    _check_direction(found)
    return found


def _check_direction(text: str) -> None:
    """RFC 3454, 6: right-to-left text begins and ends so, and has nothing left-to-right in it."""
    if not any(map(stringprep.in_table_d1, text)):
        return
    if any(map(stringprep.in_table_d2, text)):
        raise ValueError("mixes text from left to right with text from right to left")
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise ValueError("text from right to left must begin and end so")
