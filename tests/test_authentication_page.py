"""docs/authentication.md shows what works: its YAML is loaded, its commands are run."""

import re
from pathlib import Path

import pytest
import yaml
from certificates import Authority

from realms.config import read_realm
from router.command import main
from router.config_directory import load
from router.configuration import SecretSources

PAGE = (Path(__file__).parents[1] / "docs" / "authentication.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
YAML = [text for language, text in BLOCKS if language == "yaml"]
COMMANDS = re.findall(r"^\$ concord (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("text", [text for text in YAML if text.startswith("authentication:")])
def test_what_stands_in_a_realms_file(tmp_path: Path, text: str) -> None:
    roles = sorted(set(re.findall(r"role: (\w+)", text)))
    file = tmp_path / "realm1.yaml"
    file.write_text(yaml.safe_dump({"roles": {role: {} for role in roles}}) + text)
    document = read_realm(file, SecretSources(tmp_path, {"BACKEND_TICKET": "e9Xr3zPpB9d0aVf8"}))
    assert document.problems == []
    assert roles or "\n  cookie:" in text or "\n  failures:" in text


@pytest.mark.parametrize("text", [text for text in YAML if text.startswith("transports:")])
def test_what_stands_in_router_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    authority = Authority("clients")
    (tmp_path / "clients-ca.pem").write_bytes(authority.pem)
    pem, key = authority.issue("localhost").write(tmp_path, "cert")
    pem.rename(tmp_path / "cert.pem")
    key.rename(tmp_path / "key.pem")
    (tmp_path / "realms").mkdir()
    (tmp_path / "router.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    (transport,) = load(tmp_path, {}).node.transports
    shown = [name for name in ("client_certificate", "cookie") if f"    {name}:" in text]
    assert all(getattr(transport, name) is not None for name in shown)
    assert shown


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody is there to be asked, a password comes from elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PASSWORD", "sesame")
    words = command.split()
    asks = words[1] in ("wampcra", "scram")
    assert main([*words, *(("--password-env", "PASSWORD") if asks else ())]) == 0
    made = yaml.safe_load(capsys.readouterr().out)["authentication"]
    assert made[words[1]]["principals"][words[2]]["role"] == words[3]


def test_every_kind_is_shown() -> None:
    kinds = {"ticket", "wampcra", "scram", "cryptosign", "tls", "signature"}
    assert {command.split()[1] for command in COMMANDS} == kinds
