"""What is in ``deploy/`` and the Dockerfile fits the router."""

import re
from pathlib import Path

import pytest
import yaml
from certificates import Authority

from router.config_directory import load
from router.node_config import WebSocketTransport

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"


def test_the_configuration_of_the_image_is_good() -> None:
    configuration = load(DEPLOY / "docker", {})
    assert list(configuration.realms) == ["realm1"]
    assert configuration.warnings == ()


def test_the_image_has_what_its_build_copies() -> None:
    text = (ROOT / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    names = [name for names in copied for name in names.split()]
    assert len(names) > 5
    for name in names:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


def test_the_health_check_asks_what_is_there() -> None:
    [web] = [t for t in load(DEPLOY / "docker", {}).node.transports if isinstance(t, WebSocketTransport)]
    assert web.health
    assert web.endpoint == "tcp:8080"
    assert "http://127.0.0.1:8080/readyz" in (ROOT / "Dockerfile").read_text()


def test_compose_mounts_what_is_there() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    mounts = [mount.split(":")[0] for service in services.values() for mount in service.get("volumes", ())]
    files = [mount for mount in mounts if mount.startswith(".")]
    assert len(files) == 2
    assert all((DEPLOY / file).exists() for file in files)
    scrapes = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert scrapes[0]["static_configs"][0]["targets"] == ["concord:8080"]


@pytest.mark.parametrize("page", ["deployment.md", "crossbar.md", "operations.md"])
def test_links_of_the_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    links = re.findall(r"\]\(([^)#:]+)[^)]*\)", text)
    assert links
    for link in links:
        assert (ROOT / "docs" / link).exists(), link


def write_certificate(directory: Path) -> None:
    issued = Authority("authority").issue("router.example.com")
    (directory / "key.pem").write_bytes(issued.key_pem)
    (directory / "chain.pem").write_bytes(issued.pem)


@pytest.mark.parametrize("page", ["deployment.md", "crossbar.md"])
def test_configurations_on_the_pages_are_good(page: str, tmp_path: Path) -> None:
    """Each block that begins with the name of a file is that file; those of a page are one configuration."""
    text = (ROOT / "docs" / page).read_text()
    blocks = re.findall(r"```yaml\n# (router\.yaml|realms/\w+\.yaml)\n(.*?)```", text, re.S)
    assert {name.partition("/")[0] for name, _ in blocks} == {"router.yaml", "realms"}
    (tmp_path / "realms").mkdir()
    write_certificate(tmp_path)
    for name, content in blocks:
        assert not (tmp_path / name).exists(), f"{name} is there twice"
        (tmp_path / name).write_text(content.replace("/etc/concord/tls", str(tmp_path)))
    for name in re.findall(r"file: (secrets/[\w.-]+)", text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a secret of the test, long enough")
        (tmp_path / name).chmod(0o600)
    configuration = load(tmp_path, {})
    assert configuration.realms
