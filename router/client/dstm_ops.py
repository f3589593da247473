"""Ops of a transaction, as people write them on a command line."""

import re
from typing import Any

from router.client.failures import UsageError
from router.client.inputs import strict_json

_SHORT = re.compile(r"(/.*?)(\+=|:=|=)(.*)", re.DOTALL)


def op(text: str) -> dict[str, Any]:
    """
    Read an op: JSON as docs/dstm.md has it, or ``/pointer=text``, ``/pointer:=json``, ``/pointer+=number``.

    Raises:
        UsageError: it is none of these.
    """
    short = _SHORT.fullmatch(text)
    if short is None:
        value = strict_json(text, text)
        if not isinstance(value, dict):
            raise UsageError(
                f"an op is a JSON object, /pointer=text, /pointer:=json or /pointer+=number: {text}"
            )
        return value
    pointer, sign, rest = short.groups()
    if sign == "=":
        return {"op": "add", "path": pointer, "value": rest}
    value = strict_json(rest, text)
    if sign == ":=":
        return {"op": "add", "path": pointer, "value": value}
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{text}: expected a number after +=")
    return {"op": "inc", "path": pointer, "value": value}
