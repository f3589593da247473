"""The section ``bridge`` of a transport: what is refused, and that the shipped comment is true."""

from pathlib import Path

import pytest
import yaml

from router.config_directory import DEFAULT_DIRECTORY, load
from router.configuration import ConfigurationError
from router.node_config import WebSocketTransport
from router.web.bridge.config import Bridge


def write(directory: Path, transport: str) -> None:
    (directory / "realms").mkdir()
    (directory / "realms" / "shop.yaml").write_text("")
    (directory / "router.yaml").write_text(f"transports:\n  - type: websocket\n{transport}")


@pytest.mark.parametrize(
    ("transport", "problem"),
    [
        ("    bridge: {path: api}", "bridge.path: must be a URL's path without a slash at its end"),
        ("    bridge: {path: /api/}", "bridge.path: must be a URL's path without a slash at its end"),
        ("    path: /api\n    bridge: {}", "its path /api is also that of path"),
        ("    bridge: {realms: [shpo]}", "unknown realm 'shpo': did you mean 'shop'?"),
        ("    bridge: {requests: 0}", "bridge.requests"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, transport: str, problem: str) -> None:
    write(tmp_path, transport)
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, {})
    assert problem in str(raised.value)


def test_the_shipped_comment_shows_the_defaults() -> None:
    lines = (DEFAULT_DIRECTORY / "router.yaml").read_text().splitlines()
    start = lines.index("    # bridge:")
    section = []
    for line in lines[start:]:
        if not line.startswith(("    # bridge:", "    #   ")):
            break
        section.append(line.replace("# ", "", 1))
    shown = yaml.safe_load("\n".join(section))["bridge"]
    cors = shown.pop("cors")
    assert set(shown) | {"cors"} == set(Bridge.__struct_fields__)
    for key, value in shown.items():
        assert value == (list(old) if isinstance(old := getattr(Bridge(), key), tuple) else old)
    assert cors == {"origins": [], "max_age_ms": Bridge().cors.max_age_ms}
    assert WebSocketTransport().bridge is None
