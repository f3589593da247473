"""
Arguments of calls and events: from the command line, and from lines of standard input.

On the command line:

    name=text       a keyword argument, as text
    name:=json      a keyword argument, as JSON
    =text  :=json   a positional argument, as text or as JSON, whatever it looks like
    anything else   a positional argument: JSON where it is JSON, else text
"""

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from router.client.failures import UsageError

_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)?(:?=)(.*)", re.DOTALL)


class Payload(NamedTuple):
    """The arguments of a call, an event or a result."""

    args: list[Any]
    kwargs: dict[str, Any]


def payload(arguments: Iterable[str]) -> Payload:
    """
    Read the arguments of a command line.

    Raises:
        UsageError: a value after ``:=`` is no JSON; a name is given twice.
    """
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for argument in arguments:
        named = _NAMED.fullmatch(argument)
        if named is None:
            args.append(json_or_text(argument))
            continue
        name, sign, text = named.groups()
        value = strict_json(text, argument) if sign == ":=" else text
        if name is None:
            args.append(value)
        elif name in kwargs:
            raise UsageError(f"the keyword argument {name!r} is given twice")
        else:
            kwargs[name] = value
    return Payload(args, kwargs)


def options(arguments: Iterable[str]) -> dict[str, Any]:
    """
    Read options of a WAMP message, each ``name=text`` or ``name:=json``.

    Raises:
        UsageError: one is neither.
    """
    args, kwargs = payload(arguments)
    if args:
        raise UsageError(f"an option is name=text or name:=json, got {args[0]!r}")
    return kwargs


def line_payload(line: str, number: int) -> Payload:
    """
    Read a line of standard input.

    An array is the positional arguments; an object with ``args`` or ``kwargs`` is both, as this client
    prints them; anything else is the one argument.

    Raises:
        UsageError: the line is no JSON, or ``args`` and ``kwargs`` are no array and object.
    """
    value = strict_json(line, f"line {number}")
    if isinstance(value, list):
        return Payload(value, {})
    if not isinstance(value, dict) or not ("args" in value or "kwargs" in value):
        return Payload([value], {})
    args, kwargs = value.get("args") or [], value.get("kwargs") or {}
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise UsageError(f"line {number}: args must be an array and kwargs an object")
    return Payload(args, kwargs)


def json_or_text(text: str) -> Any:
    """Give the value that ``text`` is in JSON, or ``text`` itself."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def strict_json(text: str, place: str) -> Any:
    """
    Give the value that ``text`` is in JSON.

    Raises:
        UsageError: it is none; ``place`` tells where it stands.
    """
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place}: not JSON: {error}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
