"""Pointers: what each stands for, that each path has exactly one, and what is remembered."""

import pytest
from dstm_json import keys, unhurried
from hypothesis import given
from hypothesis import strategies as st

from realms.dstm import pointer
from realms.dstm.pointer import ROOT, parse, render


@pytest.mark.parametrize(
    ("text", "path"),
    [  # RFC 6901, section 5, and more
        ("", ROOT),
        ("/foo", ("foo",)),
        ("/foo/0", ("foo", "0")),
        ("/", ("",)),
        ("//", ("", "")),
        ("/a~1b", ("a/b",)),
        ("/m~0n", ("m~n",)),
        ("/~01", ("~1",)),
        ("/~0~1", ("~/",)),
        ("/c%d", ("c%d",)),
        ("/ ", (" ",)),
        ('/k"l', ('k"l',)),
        ("/grün", ("grün",)),
        ("/\U0001f600/-", ("\U0001f600", "-")),
    ],
)
def test_a_pointer_stands_for_a_path(text: str, path: pointer.Path) -> None:
    assert parse(text) == path
    assert render(path) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a", "a JSON Pointer is empty or begins with '/', got 'a'"),
        ("#/a", "begins with '/'"),
        ("a" * 1000, "begins with '/', got 'a{79}$"),
        ("/~", "'~' is followed by 0 or 1 in a JSON Pointer, not so in '/~'"),
        ("/a~2", "'~' is followed by 0 or 1"),
        ("/~~01", "'~' is followed by 0 or 1"),
        ("/~/0", "'~' is followed by 0 or 1"),
        ("/a/__proto__", "the token '__proto__' is not allowed, in '/a/__proto__'"),
        ("/__proto__/a", "is not allowed"),
        ("/\ud800", "a lone surrogate is no text"),
        ("/" + "a" * 200 + "\udfff", "a lone surrogate is no text"),
    ],
)
def test_what_is_no_pointer_is_refused_each_time(text: str, reason: str) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=reason):
            parse(text)


@unhurried
@given(st.lists(keys, max_size=5).map(tuple))
def test_each_path_has_one_pointer(path: pointer.Path) -> None:
    assert parse(render(path)) == path


@unhurried
@given(st.text(st.sampled_from("/~01a"), max_size=8))
def test_each_pointer_has_one_path(text: str) -> None:
    try:
        path = parse(text)
    except ValueError:
        return
    assert render(path) == text


@pytest.mark.parametrize(
    ("function", "key", "longer"),
    [
        (pointer.parse, lambda number: f"/{number}", "/" + "a" * pointer.REMEMBERED_LENGTH),
        (pointer.render, lambda number: (str(number),), ("a" * pointer.REMEMBERED_LENGTH,)),
    ],
)
def test_the_newest_are_remembered_and_no_long_ones(function, key, longer) -> None:  # type: ignore[no-untyped-def]
    remembered = function.__self__
    remembered.clear()
    for number in range(pointer.REMEMBERED + 10):
        function(key(number))
    assert len(remembered) == pointer.REMEMBERED
    assert len(repr(remembered)) < 100
    assert key(9) not in remembered
    assert key(10) in remembered
    assert function(key(10)) is function(key(10))
    assert function(longer)
    assert longer not in remembered
    assert len(remembered) == pointer.REMEMBERED
