"""Values: what a document may hold, and the canonical form against the reference implementation."""

import enum
import json
import struct
from typing import Any

import pytest
import rfc8785
from dstm_json import unhurried, values
from hypothesis import given

from realms.dstm.values import MAX_DEPTH, MAX_INTEGER, InvalidValue, canonical, normalized, size


class Colour(enum.IntEnum):
    RED = 1


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        (1.0, 1),
        (-0.0, 0),
        (0.5, 0.5),
        (float(MAX_INTEGER), MAX_INTEGER),
        ([1, 2.0], [1, 2]),
        ((1, "a"), [1, "a"]),
        ({"a": {"b": 2.0}, "c": 1}, {"a": {"b": 2}, "c": 1}),
        ({"a": [(1.5,)]}, {"a": [[1.5]]}),
    ],
)
def test_floats_without_a_fraction_become_integers(given_value: Any, expected: Any) -> None:
    kept = normalized(given_value)
    assert kept == expected
    assert json.dumps(kept) == json.dumps(expected)


@unhurried
@given(values())
def test_what_is_normal_is_given_as_it_is(value: Any) -> None:
    assert normalized(value) is value


def test_what_is_changed_leaves_the_given_value_alone() -> None:
    value = {"a": [1.0, {"b": 2.0}], "c": {"d": 1}}
    kept = normalized(value)
    assert json.dumps(value) == '{"a": [1.0, {"b": 2.0}], "c": {"d": 1}}'
    assert kept["c"] is value["c"]


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        (2**53, (), "integers are within +-(2**53 - 1), got 9007199254740992"),
        (-(2**53), (), "integers are within +-(2**53 - 1), got -9007199254740992"),
        pytest.param(10**5000, (), "integers are within +-(2**53 - 1), got one of 16610 bits", id="huge"),
        (2.0**53, (), "integers are within +-(2**53 - 1), got 9007199254740992.0"),
        (float("nan"), (), "numbers are finite, got nan"),
        ([1, float("-inf")], ("1",), "numbers are finite, got -inf"),
        ("\ud800", (), "a lone surrogate is no text"),
        ("\0AAEC", (), "a text that begins with U+0000 stands for binary data in WAMP's JSON"),
        ({"a": ["\udc00"]}, ("a", "0"), "a lone surrogate is no text"),
        ({"a\ud800": 1}, ("a?",), "a lone surrogate is no text"),
        ({"grün": {"__proto__": 1}}, ("grün", "__proto__"), "this key is not allowed"),
        ({"a": {1: 1}}, ("a",), "keys are strings, not int"),
        ({"a": b"x"}, ("a",), "a bytes is no JSON value"),
        ([{1, 2}], ("0",), "a set is no JSON value"),
        (Colour.RED, (), "a Colour is no JSON value"),
        (nested(MAX_DEPTH + 1), ("a", "0") * (MAX_DEPTH // 2), "it nests too deeply"),
    ],
)
def test_what_no_document_holds_is_refused_with_its_place(value: Any, path: Any, reason: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        normalized(value)
    assert (refusal.value.path, refusal.value.reason) == (path, reason)
    assert reason in str(refusal.value)
    assert (" at '/" in str(refusal.value)) == bool(path)


def test_nesting_is_bounded_by_depth() -> None:
    assert normalized(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    assert normalized(1, depth=0) == 1
    assert normalized([[]], depth=2) == [[]]
    with pytest.raises(InvalidValue, match="it nests too deeply at '/0'"):
        normalized([[]], depth=1)
    with pytest.raises(InvalidValue, match="it nests too deeply"):
        normalized({}, depth=0)


def test_what_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(InvalidValue, match="it nests too deeply"):
        normalized(value)


@unhurried
@given(values())
def test_the_canonical_form_is_that_of_rfc_8785(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"b": 1, "a": "\u00e9", "c": "\x7f\x1f</script>\u2028"},
            '{"a":"é","b":1,"c":"\x7f\\u001f</script>\u2028"}',
        ),
        ({"\U0001f600": 1, "\uffff": 2}, '{"\U0001f600":1,"\uffff":2}'),  # UTF-16 sorts what is beyond first
        ({"\U0001f600": 0.5}, '{"\U0001f600":0.5}'),
        (["\U0001f600", 333333333.33333329, 1e-3, 0.002, 1e-7, 9e-324, 4.50], None),
        ([(1, 2), {"a": (1e-9,)}], '[[1,2],{"a":[1e-9]}]'),
        (1e-9, "1e-9"),
        (-5e-324, "-5e-324"),
        (4503599627370495.5, "4503599627370495.5"),
        (0.001, "0.001"),
        (2.0, "2"),  # not normalized, and yet right
    ],
)
def test_the_canonical_form_where_msgspec_has_another(value: Any, expected: str | None) -> None:
    assert canonical(value) == rfc8785.dumps(value)
    assert expected is None or canonical(value).decode() == expected


def test_the_examples_of_rfc_8785() -> None:
    """Sections 3.2.2 and 3.2.3."""
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert canonical(value).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    text = canonical(dict.fromkeys(names, 0)).decode()
    assert list(json.loads(text)) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@pytest.mark.parametrize(
    ("bits", "expected"),
    [  # Appendix B
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555554", "333333333.33333325"),
        ("41b3de4355555555", "333333333.3333333"),
        ("41b3de4355555556", "333333333.3333334"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_the_numbers_of_rfc_8785(bits: str, expected: str) -> None:
    number = struct.unpack(">d", bytes.fromhex(bits))[0]
    assert canonical(number).decode() == expected
    assert canonical({"a": [number]}).decode() == f'{{"a":[{expected}]}}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_what_is_not_finite_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(rfc8785.FloatDomainError):
        canonical(value)


@unhurried
@given(values())
def test_the_size_is_that_of_compact_json(value: Any) -> None:
    assert json.loads(json.dumps(value)) == value
    if "e-" not in repr(value):  # where the shortest forms of numbers differ
        assert size(value) == len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
