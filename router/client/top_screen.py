"""
A snapshot of ``concord top`` as lines of text, which fit a terminal.

Rules of this file: nothing is printed here. What a router tells is not trusted: it is cut to its column,
and holds nothing that a terminal would obey.
"""

import time
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

BOLD, PLAIN = "\x1b[1m", "\x1b[0m"


class Column(NamedTuple):
    """
    A column of a table.

    :ivar width: in cells; a number stands at its right, a text at its left
    """

    title: str
    width: int
    text: Callable[[dict[str, Any]], Any]


def _number(name: str, title: str, width: int = 10) -> Column:
    return Column(title, width, lambda row: _short(row.get(name)))


REALM = (
    Column("REALM", 24, lambda row: str(row.get("realm", ""))),
    _number("sessions", "SESSIONS"),
    _number("registrations", "REGISTERED"),
    _number("subscriptions", "SUBSCRIBED"),
)
META = (*REALM, _number("joins_per_second", "JOINS/S"), _number("leaves_per_second", "LEAVES/S"))
CONCORD = (
    *REALM,
    _number("calls_per_second", "CALLS/S"),
    _number("events_per_second", "EVENTS/S"),
    _number("errors_per_second", "ERRORS/S"),
    _number("call_p50_ms", "P50 MS"),
    _number("call_p99_ms", "P99 MS"),
    _number("pending_calls", "PENDING"),
    _number("queued_bytes", "QUEUED B"),
    _number("events_dropped", "DROPPED"),
)
SESSION = (
    Column("SESSION", 18, lambda row: str(row.get("session", ""))),
    Column("AUTHID", 24, lambda row: str(row.get("authid", ""))),
    Column("ROLE", 16, lambda row: str(row.get("authrole", ""))),
    Column("METHOD", 12, lambda row: str(row.get("authmethod", ""))),
    Column("FROM", 30, lambda row: _peer(row.get("transport"))),
)
SLOW = (*SESSION[:3], _number("queued_bytes", "QUEUED B"), _number("dropped", "DROPPED"))


def screen(snapshot: dict[str, Any], place: str, columns: int, rows: int) -> list[str]:
    """Give the lines of a snapshot: at most ``rows``, each at most ``columns`` cells wide."""
    clock = time.strftime("%H:%M:%S", time.localtime(snapshot["time_ms"] / 1000))
    lines = [fitted(f"concord top - {clock}  {place}  (q to quit)", columns)]
    if "node" in snapshot:
        lines.append(fitted(_node(snapshot["node"]), columns))
    lines += _table(CONCORD if snapshot["source"] == "concord" else META, snapshot["realms"], columns)
    if snapshot.get("slow"):
        lines += ["", "slow consumers", *_table(SLOW, snapshot["slow"], columns)]
    if snapshot.get("sessions"):
        lines += ["", "newest sessions", *_table(SESSION, snapshot["sessions"], columns)]
    return lines[:rows]


def _table(shape: Iterable[Column], rows: Iterable[Any], columns: int) -> list[str]:
    shown, left = [], columns
    for column in shape:  # what has no room is left out from the right
        if column.width > left:
            break
        shown.append(column)
        left -= column.width + 1
    head = " ".join(_cell(column, column.title, column.width != 10) for column in shown)
    lines = [BOLD + fitted(head, columns) + PLAIN]
    for row in rows:
        if isinstance(row, dict):
            cells = (_cell(column, column.text(row), column.width != 10) for column in shown)
            lines.append(fitted(" ".join(cells), columns))
    return lines


def _cell(column: Column, text: str, is_left: bool) -> str:
    text = fitted(text, column.width)
    space = " " * (column.width - cells(text))
    return text + space if is_left else space + text


def _node(node: dict[str, Any]) -> str:
    parts = []
    if isinstance(node.get("uptime_ms"), int):
        parts.append(f"up {_duration(node['uptime_ms'] // 1000)}")
    for name, title in (("connections", "connections"), ("open_files", "open files")):
        if node.get(name) is not None:
            parts.append(f"{title} {_short(node[name])}")
    if isinstance(node.get("memory_bytes"), int):
        parts.append(f"memory {node['memory_bytes'] // 1_048_576} MiB")
    if node.get("reactor_delay_p99_ms") is not None:
        parts.append(f"reactor p99 {_short(node['reactor_delay_p99_ms'])} ms")
    return "  ".join(parts)


def _duration(seconds: int) -> str:
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3600)
    clock = f"{hours:02}:{seconds // 60:02}:{seconds % 60:02}"
    return f"{days} d {clock}" if days else clock


def _peer(transport: Any) -> str:
    """Give where a session comes from, as routers tell it: each in a way of its own."""
    if not isinstance(transport, dict):
        return ""
    kind = transport.get("type") or transport.get("channel_framing") or ""
    peer = transport.get("peer") or ""
    return f"{kind} {peer}".strip()


def _short(value: Any) -> str:
    """Give a number in few characters; ``-`` stands for what is not known."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "-"
    if isinstance(value, float):
        value = round(value, 1) if abs(value) < 1000 else round(value)
    for unit, size in (("G", 1_000_000_000), ("M", 1_000_000)):
        if abs(value) >= 10 * size:
            return f"{value / size:,.0f}{unit}"
    return f"{value:,}"


def fitted(text: str, width: int) -> str:
    """Give ``text`` without what a terminal would obey, cut to ``width`` cells."""
    kept, used = [], 0
    for letter in text:
        letter = letter if letter.isprintable() else "?"
        used += cells(letter)
        if used > width:
            break
        kept.append(letter)
    return "".join(kept)


def cells(text: str) -> int:
    """Give how many cells of a terminal ``text`` takes."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )
