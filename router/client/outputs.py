"""
What the client prints: JSON, one value a line.

WAMP carries more than JSON does. Bytes are printed as WAMP writes them in JSON, as a string of U+0000
and Base64 (WAMP AP 'Binary conversion of JSON Strings'); numbers that are no JSON as null; anything
else that JSON does not know as text.
"""

import base64
import json
import math
import re
import sys
from typing import Any

from router.client.failures import Failure, WampError

# Control characters that JSON leaves as they are, and that a terminal may obey.
_CONTROLS = re.compile(r"[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def plain(value: Any) -> Any:
    """Give ``value`` with nothing in it but what JSON knows."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name if isinstance(name, str) else str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return "\0" + base64.b64encode(value).decode()
    return str(value)


def json_line(value: Any) -> str:
    """Give ``value`` as one line of JSON, without its end."""
    text = json.dumps(plain(value), ensure_ascii=False, separators=(", ", ": "))
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def show(value: Any) -> None:
    """Print ``value`` as one line of JSON, at once."""
    sys.stdout.write(json_line(value) + "\n")
    sys.stdout.flush()


def simple(args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Give a result as people want it: its one value, or an object of ``args`` and ``kwargs``."""
    if not kwargs and len(args) <= 1:
        return args[0] if args else None
    return {"args": args, "kwargs": kwargs}


def note(text: str) -> None:
    """Tell people something on standard error."""
    safe = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)
    sys.stderr.write(f"concord: {safe}\n")
    sys.stderr.flush()


def report(failure: Failure) -> None:
    """Tell on standard error what went wrong: a WAMP error as JSON, anything else as a sentence."""
    if isinstance(failure, WampError):
        error = {"error": failure.uri, "args": failure.arguments, "kwargs": failure.keywords}
        sys.stderr.write(json_line(error) + "\n")
        sys.stderr.flush()
    else:
        note(str(failure))
