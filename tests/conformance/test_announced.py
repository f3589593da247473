"""Announced = implemented = tested: WELCOME, ``router.wamp.features`` and docs/conformance.md agree."""

import ast
import importlib
import re
from functools import reduce
from pathlib import Path

import pytest
from wire_router import WireRouter

from router.wamp import features

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
PAGE = PROJECT / "docs" / "conformance.md"


def tables():
    """Give heading -> rows, each (feature, section, function, test)."""
    found = {}
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line.startswith("| ") and not line.startswith("| feature |"):
            cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
            found.setdefault(heading, []).append(tuple(cells))
    return found


TABLES = tables()
ROWS = [row for rows in TABLES.values() for row in rows]


def names_in(name):
    """Give the names of the tests in a file of this directory, or of the project where it begins so."""
    path = PROJECT / name if name.startswith("tests/") else HERE / name
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, functions) and node.name.startswith("test_")
    }


def test_the_page_has_these_tables():
    assert list(TABLES) == [
        "Basic profile",
        "Announced by the broker",
        "Announced by the dealer",
        "Not announced",
        "Transports",
    ]
    assert {len(row) for row in ROWS} == {4}


@pytest.mark.parametrize("role", ["broker", "dealer"])
def test_welcome_announces_what_the_page_says(role):
    """Nothing more and nothing less, in WELCOME as in the module."""
    announced = WireRouter().join().details["roles"]
    rows = [feature for feature, *_ in TABLES[f"Announced by the {role}"]]
    assert announced.keys() == {"broker", "dealer"}
    assert announced[role] == {"features": dict.fromkeys(rows, True), "reflection": True}
    assert sorted(rows) == sorted(getattr(features, role.upper()))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_a_row_names_exists(row):
    """The function can be imported; the test is in its file, or the file has tests."""
    _, section, function, test = row
    assert re.fullmatch(r"[BA]P '[^']+'", section)
    module, _, path = function.partition(":")
    assert reduce(getattr, path.split("."), importlib.import_module(module)) is not None
    file, _, name = test.partition("::")
    assert name in names_in(file) if name else names_in(file)


@pytest.mark.parametrize("role", ["broker", "dealer"])
def test_each_feature_has_a_file_of_its_own(role):
    """Named for it, with more than a token test."""
    for feature, _, _, test in TABLES[f"Announced by the {role}"]:
        stem = {"testament_meta_api": "session_testament"}.get(feature, feature)
        file = test.partition("::")[0]
        assert file == f"test_{stem}.py"
        assert len(names_in(file)) >= 5


def test_every_file_is_on_the_page():
    """A conformance test that no row leads to is a feature that nobody announces."""
    files = {path.name for path in HERE.glob("test_*.py")} - {Path(__file__).name}
    named = {test.partition("::")[0] for *_, test in ROWS}
    assert files == {name for name in named if not name.startswith("tests/")}
