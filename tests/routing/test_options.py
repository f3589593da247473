"""Reading the options of a request."""

import pytest

from router.routing.options import Refused, choice, flag, passthru, shard_key, whole_number
from router.wamp import uris


@pytest.mark.parametrize("options", [{}, {"mode": None}])
def test_an_absent_option_has_its_default(options):
    """``None`` is absent: some clients send their unset options."""
    assert choice(options, "mode", ("kill", "skip")) == "kill"
    assert flag(options, "mode") is False
    assert whole_number(options, "mode", 10) is None


@pytest.mark.parametrize(
    ("value", "shown"), [("", "''"), ("x" * 257, "'" + "x" * 39), (5, "5"), ([], "a list"), (True, "True")]
)
def test_a_shard_key_is_a_string_that_is_neither_empty_nor_long(value, shown):
    with pytest.raises(Refused) as refused:
        shard_key({"rkey": value}, "rkey")
    assert refused.value.error == uris.INVALID_ARGUMENT
    assert refused.value.text == f"rkey={shown} is no string of 1 to 256 characters"


def test_values_that_are_allowed():
    assert [shard_key({"nkey": value}, "nkey") for value in (None, "a", "x" * 256)] == [None, "a", "x" * 256]
    assert choice({"mode": "skip"}, "mode", ("kill", "skip")) == "skip"
    assert flag({"progress": True}, "progress") is True
    assert flag({"progress": False}, "progress") is False
    assert [whole_number({"timeout": value}, "timeout", 10) for value in (0, 7, 10)] == [0, 7, 10]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Skip", "'Skip'"),
        (1, "1"),
        (True, "True"),
        (1.5, "1.5"),
        (["skip"], "a list"),
        ({}, "a dict"),
        (b"skip", "a bytes"),
        (10**400, "a huge integer"),
        ("x" * 1000, "'" + "x" * 39),
    ],
)
def test_a_bad_choice_is_refused_with_name_value_and_what_is_allowed(value, shown):
    with pytest.raises(Refused) as refused:
        choice({"mode": value}, "mode", ("kill", "skip"))

    assert refused.value.error == uris.INVALID_ARGUMENT
    assert refused.value.text == f"mode={shown} is none of kill, skip"


@pytest.mark.parametrize("value", [0, 1, "true", [], {}])
def test_a_flag_is_true_or_false_and_nothing_that_looks_like_it(value):
    with pytest.raises(Refused, match=r"^progress=.* is neither true nor false$"):
        flag({"progress": value}, "progress")


@pytest.mark.parametrize("value", [-1, 11, 1.0, "5", True, False, 10**400])
def test_a_whole_number_is_an_integer_in_its_range(value):
    with pytest.raises(Refused, match=r"^timeout=.* is no integer from 0 to 10$"):
        whole_number({"timeout": value}, "timeout", 10)


def test_passthru_copies_the_ppt_attributes_alone():
    """Values are not looked at: 'a Router shall not inspect and analyze the ppt_ options'."""
    attributes = {"ppt_scheme": "wamp", "ppt_keyid": ["odd"], "ppt_cipher": None, "progress": True, "x": 1}

    assert passthru(attributes) == {"ppt_scheme": "wamp", "ppt_keyid": ["odd"]}
