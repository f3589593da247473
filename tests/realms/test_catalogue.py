"""The section ``catalogue`` of a realm's file."""

from pathlib import Path
from typing import Any

import pytest

from realms.catalogue import descriptions
from realms.config import read_realm
from router.configuration import SecretSources


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read(text: str) -> Any:
        (tmp_path / "realm1.yaml").write_text(f"catalogue:\n{text}")
        return read_realm(tmp_path / "realm1.yaml", SecretSources(tmp_path, {}))

    return read


def test_in_full(read: Any) -> None:
    found = read(
        """
  procedures:
    com.add:
      title: Add
      description: The sum.
      match: prefix
      args: '{"type": "array"}'
      kwargs: '{}'
      result: '{"type": "array"}'
      result_kwargs: '{"type": "object"}'
      errors: [com.error]
      deprecated: true
  topics:
    com.sum: {title: A sum}
  errors:
    com.error: {}
"""
    )
    assert found.problems == []
    assert descriptions(found.value.catalogue) == {
        ("procedure", "prefix", "com.add"): {
            "title": "Add",
            "description": "The sum.",
            "args": {"type": "array"},
            "kwargs": {},
            "result": {"type": "array"},
            "result_kwargs": {"type": "object"},
            "errors": ["com.error"],
            "deprecated": True,
        },
        ("topic", "exact", "com.sum"): {"title": "A sum"},
        ("error", "exact", "com.error"): {},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  topics: {com..x: {}}", "'com..x' is no valid URI for match 'exact' (uri_check: loose)"),
        ("  errors: {a b: {}}", "'a b' is no valid URI for match 'exact' (uri_check: loose)"),
        ("  procedures: {a: {errors: [com.]}}", "'com.' is no valid URI (uri_check: loose)"),
        ("  topics: {a: {args: '[]'}}", "a JSON Schema is an object, got '[]'"),
        ("  topics: {a: {args: '{'}}", "no JSON Schema: Expecting property name enclosed in double quotes"),
        ("  topics: {a: {args: '{\"type\": 5}'}}", "no JSON Schema: "),
        ("  topics: {a: {result: '{}'}}", "unknown key 'result'"),
    ],
)
def test_what_is_wrong_is_named(read: Any, text: str, message: str) -> None:
    (problem,) = read(text).problems
    assert problem.message.startswith(message)
    assert problem.line == 2
