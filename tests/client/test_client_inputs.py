"""Arguments on the command line and in lines."""

from typing import Any

import pytest

from router.client.failures import UsageError
from router.client.inputs import Payload, line_payload, options, payload


@pytest.mark.parametrize(
    ("arguments", "args", "kwargs"),
    [
        (["1", "2.5", "true", "null"], [1, 2.5, True, None], {}),
        (["hello", "hello world", ""], ["hello", "hello world", ""], {}),
        (['{"a": [1]}', "[]", '"5"'], [{"a": [1]}, [], "5"], {}),
        (["a=1", "b:=1", "c="], [], {"a": "1", "b": 1, "c": ""}),
        (["=5", ":=5", "=a=b"], ["5", 5, "a=b"], {}),
        (["007", "1.", "NaN", "http://x/?a=b", "{a"], ["007", "1.", "NaN", "http://x/?a=b", "{a"], {}),
        (["a.b-c_1=x=y"], [], {"a.b-c_1": "x=y"}),
        (["text=line\nbreak"], [], {"text": "line\nbreak"}),
    ],
)
def test_arguments(arguments: list[str], args: list[Any], kwargs: dict[str, Any]) -> None:
    """JSON where it is JSON, text where it is not, by name and by position."""
    assert payload(arguments) == Payload(args, kwargs)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["a:=x"], "a:=x: not JSON: "),
        ([":=NaN"], "NaN is no JSON"),
        (["a=1", "a=2"], "'a' is given twice"),
        ([":=" + "[" * 100_000], "not JSON: "),
    ],
)
def test_arguments_that_are_wrong(arguments: list[str], reason: str) -> None:
    with pytest.raises(UsageError, match=reason.replace("[", r"\[")):
        payload(arguments)


def test_options_have_names() -> None:
    assert options(["rkey=abc", "eligible:=[1]"]) == {"rkey": "abc", "eligible": [1]}
    with pytest.raises(UsageError, match="an option is name=text or name:=json, got 'rkey'"):
        options(["rkey"])


@pytest.mark.parametrize(
    ("line", "args", "kwargs"),
    [
        ("[1, 2]", [1, 2], {}),
        ('{"args": [1], "kwargs": {"a": 2}, "topic": "com.x"}', [1], {"a": 2}),
        ('{"kwargs": {"a": 2}}', [], {"a": 2}),
        ('{"args": null, "kwargs": {}}', [], {}),
        ('{"a": 1}', [{"a": 1}], {}),
        ('"text"', ["text"], {}),
    ],
)
def test_lines(line: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    """What this client prints of an event can be published again."""
    assert line_payload(line, 1) == Payload(args, kwargs)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("text", "line 3: not JSON"),
        ('{"args": 1}', "line 3: args must be"),
        ('{"kwargs": [1]}', "line 3: args"),
    ],
)
def test_lines_that_are_wrong(line: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        line_payload(line, 3)
