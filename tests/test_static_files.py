"""Directories of static files in the configuration."""

from pathlib import Path

import pytest
from test_node_config import CLOSED, problems, write

from router.config_directory import load
from router.node_config import WebSocketTransport
from router.static_files import static_of

APART = """\
transports:
- {type: websocket, realms: [shop]}
- {type: websocket, endpoint: "tcp:0", realms: [cafe]}
"""
PLACE = "transports[0] in router.yaml"
REALM = CLOSED + "static: {path: /shop, directory: web}\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").write_text("x")
    return tmp_path


def test_a_realm_has_files_where_it_can_be_joined(directory: Path) -> None:
    configuration = load(write(directory, APART, shop=REALM, cafe=CLOSED), {})
    first, second = configuration.node.transports
    assert isinstance(first, WebSocketTransport)
    assert isinstance(second, WebSocketTransport)
    found = static_of(configuration.realms, first)
    assert {name: (files.path, files.directory) for name, files in found.items()} == {
        "shop": ("/shop", str(directory / "web"))
    }
    assert static_of(configuration.realms, second) == {}


@pytest.mark.parametrize(
    ("static", "path", "message"),
    [
        ("{path: /shop, directory: wbe}", "static.directory", "no directory {}/wbe"),
        ("{path: /shop, directory: web, fallback: app.html}", "static.fallback", "no file {}/web/app.html"),
        ("{path: /shop, directory: web, fallback: ../x}", "static.fallback", None),
        (
            "{path: /ws, directory: web}",
            "static.path",
            "/ws is taken by path of transports[0] in router.yaml",
        ),
        ("{path: /, directory: web}", "static.path", None),
        ("{path: /shop/, directory: web}", "static.path", None),
        ("{path: /.git, directory: web}", "static.path", None),
        ("{path: /dstm/x, directory: web}", "static.path", "/dstm is the router's own"),
        ("{path: /shop}", "static.directory", None),
        ("{path: /shop, directory: web, compres: true}", "static.compres", None),
        ("{path: /shop, directory: web, types: {svg: image/svg}}", "static.types.svg", None),
        ("{path: /shop, directory: web, types: {.svg: image}}", "static.types['.svg']", None),
        ('{path: /shop, directory: web, headers: {X-A: "a\\r\\nB: c"}}', "static.headers.X-A", None),
        (
            "{path: /shop, directory: web, headers: {Content-Length: '1'}}",
            "static.headers.Content-Length",
            None,
        ),
        ("{path: /shop, directory: web, headers: {'a b': c}}", None, None),
        ('{path: /shop, directory: web, content_security_policy: "a\\nb"}', None, None),
        (
            "{path: /metrics/x, directory: web}",
            "static.path",
            "/metrics/x is taken by metrics.path of transports[0] in router.yaml",
        ),
        (
            "{path: /healthz, directory: web}",
            "static.path",
            "/healthz is taken by health of transports[0] in router.yaml",
        ),
    ],
)
def test_problems(directory: Path, static: str, path: str | None, message: str | None) -> None:
    router = "transports:\n- {type: websocket, metrics: {}, health: true}\n"
    found = problems(write(directory, router, shop=CLOSED + f"static: {static}\n"))
    assert len(found) == 1
    assert found[0].path == (path or found[0].path)
    assert found[0].message == (message or found[0].message).format(directory)


@pytest.mark.parametrize("router", ["", "transports:\n- {type: websocket}\n"])
def test_two_realms_at_one_path(directory: Path, router: str) -> None:
    found = problems(write(directory, router, cafe=REALM, shop=REALM))
    assert [(p.path, p.message) for p in found] == [
        ("static.path", "/shop of transports[0] is also that of realm 'cafe'")
    ]


def test_they_may_be_on_different_ports(directory: Path) -> None:
    assert len(load(write(directory, APART, shop=REALM, cafe=REALM), {}).realms) == 2


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("default", "only a directory of files has one, not page: default"),
        ("web", "no file {}/web/app.html"),
    ],
)
def test_a_fallback_that_is_not_there(directory: Path, page: str, message: str) -> None:
    router = f"transports:\n- {{type: websocket, page: {page}, static: {{fallback: app.html}}}}\n"
    found = problems(write(directory, router, shop=CLOSED))
    assert [(p.path, p.message) for p in found] == [
        ("transports[0].static.fallback", message.format(directory))
    ]
