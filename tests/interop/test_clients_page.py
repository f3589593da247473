"""docs/clients.md names the versions that are tested."""

import json
from pathlib import Path

import pytest
from test_xconn import REQUIREMENT

HERE = Path(__file__).parent
TESTED = json.loads((HERE / "node" / "package.json").read_text())["dependencies"]


@pytest.mark.parametrize(
    ("client", "version"),
    [
        ("autobahn-js", TESTED["autobahn"]),
        ("wampy.js", TESTED["wampy"]),
        ("xconn", REQUIREMENT.partition("==")[2]),
    ],
)
def test_the_page_names_the_tested_version(client: str, version: str) -> None:
    """The first table's row of the client has the version that is pinned."""
    page = (HERE.parents[1] / "docs" / "clients.md").read_text().splitlines()
    rows = [line for line in page if line.startswith(f"| {client}") and f"| {version} |" in line]
    assert len(rows) == 1
