"""The section ``event_history`` of a realm's file."""

from pathlib import Path
from typing import Any

import pytest

from realms.config import read_realm
from realms.history.config import HistoryConfig
from router.configuration import SecretSources


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read(*entries: str, **more: str) -> Any:
        lines = [f"{key}: {value}" for key, value in more.items()]
        lines += ["event_history:", *(f"  - {{{entry}}}" for entry in entries)]
        (tmp_path / "realm1.yaml").write_text("\n".join(lines))
        return read_realm(tmp_path / "realm1.yaml", SecretSources(tmp_path, {}))

    return read


def test_in_full(read: Any) -> None:
    found = read("uri: com., match: prefix, store: sqlite, events: 5, bytes: 2048, age_ms: 7", "uri: com.a")
    assert found.value.event_history == (
        HistoryConfig(uri="com.", match="prefix", store="sqlite", events=5, bytes=2048, age_ms=7),
        HistoryConfig(uri="com.a", match="exact", store="memory", events=10_000, bytes=67_108_864, age_ms=0),
    )


def test_a_pattern_is_listed_once(read: Any) -> None:
    (problem,) = read("uri: com.a", "uri: com.a, match: prefix", "uri: com.a, store: sqlite").problems
    assert (problem.line, problem.message) == (4, "exact 'com.a' is also on line 2: merge the two")


def test_a_pattern_is_valid(read: Any) -> None:
    (problem,) = read("uri: com..a").problems
    assert problem.message == "'com..a' is no valid URI for match 'exact' (uri_check: loose)"
    (problem,) = read("uri: com.A", uri_check="strict").problems
    assert "(uri_check: strict)" in problem.message


def test_memory_is_bounded(read: Any) -> None:
    (problem,) = read(
        "uri: com.a, events: 1_000_001", "uri: com.b, store: sqlite, events: 1_000_001"
    ).problems
    assert problem.message == "must be at most 1000000 with 'store: memory', got 1000001"
