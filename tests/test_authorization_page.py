"""docs/authorization.md: its configurations are good, and its command prints what the page shows."""

import re
from pathlib import Path

import pytest
import yaml

from router.command import main

PAGE = (Path(__file__).parents[1] / "docs" / "authorization.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration ``config`` in the working directory; its realm is to be written."""
    (tmp_path / "config" / "realms").mkdir(parents=True)
    (tmp_path / "config" / "router.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config" / "realms"


@pytest.mark.parametrize("content", blocks("yaml"))
def test_a_configuration_is_good(directory: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a warning, but for the method of authentication that it does not show."""
    role = next(iter(yaml.safe_load(content)["roles"]))
    (directory / "realm1.yaml").write_text(f"{content}authentication: {{anonymous: {{role: {role}}}}}\n")
    assert main(["check"]) == 0
    assert capsys.readouterr() == ("config: good\n", "")


def test_the_command_prints_what_is_shown(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "realm1.yaml").write_text(blocks("yaml")[0])
    (shown,) = blocks("console")
    command, _, expected = shown.partition("\n")
    assert main(command.split()[2:]) == 0
    assert capsys.readouterr().out == expected
