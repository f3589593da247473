"""What is printed is JSON, whatever came."""

import json
import math

import pytest

from router.client.failures import NotConnected, WampError
from router.client.outputs import json_line, note, report, simple


def test_what_json_does_not_know() -> None:
    """Bytes as WAMP writes them in JSON; no NaN; keys as text; anything else as text."""
    value = {"b": b"\x01\x02", 5: [math.nan, math.inf, 1.5], "t": (1, None, True), "o": 1 + 2j}
    expected = {"b": "\0AQI=", "5": [None, None, 1.5], "t": [1, None, True], "o": "(1+2j)"}
    assert json.loads(json_line(value)) == expected


def test_a_line_is_one_line_and_commands_no_terminal() -> None:
    """Text is readable as it is, apart from what a terminal would obey, and from half a character."""
    text = "Grüße\n\x1b[31m\x9b31m\u2028\ud800"
    line = json_line(text)
    assert json.loads(line) == text
    assert line == '"Grüße\\n\\u001b[31m\\u009b31m\\u2028\\ud800"'
    line.encode()


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ([], {}, None),
        ([5], {}, 5),
        ([[1, 2]], {}, [1, 2]),
        ([1, 2], {}, {"args": [1, 2], "kwargs": {}}),
        ([1], {"a": 2}, {"args": [1], "kwargs": {"a": 2}}),
    ],
)
def test_a_result_is_its_one_value(args: list[object], kwargs: dict[str, object], expected: object) -> None:
    assert simple(args, kwargs) == expected


def test_errors_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A WAMP error as JSON, for programs; anything else as a sentence on one line."""
    report(WampError("com.error", ["no"], {"a": b"\0"}))
    report(NotConnected("gone\r\x1b[2J"))
    note("well")
    printed = capsys.readouterr()
    first, *rest = printed.err.splitlines()
    assert json.loads(first) == {"error": "com.error", "args": ["no"], "kwargs": {"a": "\0AA=="}}
    assert rest == ["concord: gone  [2J", "concord: well"]
    assert printed.out == ""
