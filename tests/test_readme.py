"""The README shows what is really there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_first_client_is_the_tested_example() -> None:
    """The program in the README is examples/first_client.py, to the letter."""
    assert f"```python\n{(ROOT / 'examples' / 'first_client.py').read_text()}```" in README


def test_every_file_that_it_names_exists() -> None:
    """No link of the README, and none of the pages under docs/, leads nowhere."""
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
