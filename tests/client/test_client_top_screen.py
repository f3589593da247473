"""A snapshot as lines that fit a terminal."""

from typing import Any

import pytest

from router.client.top_screen import BOLD, PLAIN, cells, fitted, screen

META: dict[str, Any] = {
    "source": "meta",
    "time_ms": 0,
    "realms": [{"realm": "realm1", "sessions": 12345, "registrations": None, "joins_per_second": 1.25}],
    "sessions": [
        {
            "session": 5,
            "authid": "ann",
            "authrole": "guest",
            "authmethod": "ticket",
            "transport": {"type": "websocket", "peer": "tcp:127.0.0.1:5"},
        }
    ],
}
CONCORD: dict[str, Any] = {
    "source": "concord",
    "time_ms": 0,
    "realms": [
        {
            "realm": "a",
            "sessions": 1,
            "calls_per_second": 123456.7,
            "queued_bytes": 25_000_000,
            "call_p99_ms": None,
        },
        {"realm": "b"},
    ],
    "node": {
        "uptime_ms": 90_061_000,
        "connections": 7,
        "memory_bytes": 52_428_800,
        "reactor_delay_p99_ms": 0.25,
    },
    "slow": [{"session": 9, "authid": "bob", "authrole": "guest", "queued_bytes": 100, "dropped": 3}],
    "sessions": [],
}


def plain(lines: list[str]) -> list[str]:
    """Give the lines without what makes them bold."""
    return [line.replace(BOLD, "").replace(PLAIN, "") for line in lines]


def test_what_the_meta_api_tells() -> None:
    first, head, realm, empty, title, names, session = plain(screen(META, "ws://h:1/ws", 120, 40))
    assert first.endswith("ws://h:1/ws  (q to quit)")
    assert head.split() == ["REALM", "SESSIONS", "REGISTERED", "SUBSCRIBED", "JOINS/S", "LEAVES/S"]
    assert realm.split() == ["realm1", "12,345", "-", "-", "1.2", "-"]
    assert (empty, title) == ("", "newest sessions")
    assert names.split() == ["SESSION", "AUTHID", "ROLE", "METHOD", "FROM"]
    assert session.split() == ["5", "ann", "guest", "ticket", "websocket", "tcp:127.0.0.1:5"]


def test_what_this_router_tells() -> None:
    lines = plain(screen(CONCORD, "place", 200, 40))
    assert lines[1] == "up 1 d 01:01:01  connections 7  memory 50 MiB  reactor p99 0.2 ms"
    cells_of_a = dict(
        zip(lines[2].replace(" MS", "_MS").replace(" B", "_B").split(), lines[3].split(), strict=True)
    )
    assert (cells_of_a["REALM"], cells_of_a["CALLS/S"], cells_of_a["QUEUED_B"]) == ("a", "123,457", "25M")
    assert cells_of_a["P99_MS"] == "-"
    assert lines[4].split()[0] == "b"
    assert lines[5:8] == ["", "slow consumers", lines[7]]
    assert lines[8].split() == ["9", "bob", "guest", "100", "3"]


@pytest.mark.parametrize(("columns", "rows"), [(200, 50), (80, 24), (40, 5), (10, 2), (1, 1)])
@pytest.mark.parametrize("snapshot", [META, CONCORD])
def test_it_fits(snapshot: dict[str, Any], columns: int, rows: int) -> None:
    """Columns without room are left out, from the right; lines without room, from the end."""
    lines = plain(screen(snapshot, "wss://a.very.long.host.name.example.com:443/ws", columns, rows))
    assert len(lines) <= rows
    assert all(cells(line) <= columns for line in lines)


def test_what_is_told_commands_nothing() -> None:
    """Neither by control characters nor by a shape of its own."""
    evil = {
        "realm": "\x1b[2J\x9bH\n" + "x" * 1000,
        "sessions": "many",
        "registrations": [],
        "subscriptions": True,
    }
    sessions = [{"session": {}, "authid": None, "transport": 5}, "nonsense", None]
    lines = plain(screen({**META, "realms": [evil, 5], "sessions": sessions}, "place", 100, 40))
    assert not any(not letter.isprintable() for line in lines for letter in line)
    assert lines[2].split() == ["?[2J?H?xxxxxxxxxxxxxxxxx", "-", "-", "-", "-", "-"]
    assert all(cells(line) <= 100 for line in lines)


def test_wide_letters_take_two_cells() -> None:
    assert (cells("日本"), cells("e\u0301"), fitted("日本語", 5), fitted("a日", 2)) == (4, 1, "日本", "a")
