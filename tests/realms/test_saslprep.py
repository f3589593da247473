"""SASLprep, RFC 4013."""

import pytest

from realms.auth.saslprep import saslprep


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("", ""),
        ("\u0627\u0661\u0628", "\u0627\u0661\u0628"),
    ],
)
def test_examples(text: str, prepared: str) -> None:
    """Those of section 3, spaces that are none in ASCII, and text from right to left."""
    assert saslprep(text) == prepared
    assert saslprep(prepared) == prepared


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("\u0007", "character U+0007 is not allowed"),
        ("a\u0085", "character U+0085 is not allowed"),
        ("\ue000", "character U+E000 is not allowed"),
        ("\ufffe", "character U+FFFE is not allowed"),
        ("\u2ff0", "character U+2FF0 is not allowed"),
        ("\u202e", "character U+202E is not allowed"),
        ("\U000e0001", "character U+E0001 is not allowed"),
        ("\u0627\u0031", "text from right to left must begin and end so"),
        ("\u0627a\u0628", "mixes text from left to right with text from right to left"),
    ],
)
def test_what_is_not_allowed(text: str, why: str) -> None:
    with pytest.raises(ValueError) as raised:
        saslprep(text)
    assert str(raised.value) == why
