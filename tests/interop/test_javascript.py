"""autobahn-js and wampy.js, unmodified, on Node: every transport and serializer that they speak."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from node_programs import SOURCES, NodePrograms
from router_configuration import SECRETS
from router_process import RouterProcess

SERIALIZERS = ("json", "msgpack", "cbor")
CHECKS = set(re.findall(r"^  async (\w+)\(client", (SOURCES / "checks.mjs").read_text(), re.MULTILINE))

# What a client can't do of itself, whatever the router.
CANNOT = {
    "autobahn-js": {"passthru": "cannot pass payloads through"},
    "wampy.js": {
        "join_wamp_scram": "cannot send anything but a signature",
        "join_wamp_scram_refused": "cannot send anything but a signature",
        "retained": "cannot retain an event",
        "include_me": "cannot publish to itself",
    },
}


def transport(router: RouterProcess, library: str, kind: str, serializer: str) -> dict[str, Any]:
    """Describe a transport as program.mjs takes it."""
    where = {
        "websocket": {"type": "websocket", "url": router.websocket},
        "websocket-tls": {"type": "websocket", "url": router.websocket_tls},
        "rawsocket": {"type": "rawsocket", "host": "127.0.0.1", "port": router.rawsocket},
        "rawsocket-unix": {"type": "rawsocket", "path": router.unix},
    }[kind]
    return {"library": library, "serializer": serializer, **where}


def run(node: NodePrograms, certificate: Path, cases: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Run the checks; return the report: case -> check -> outcome."""
    report = json.loads(node.run("program.mjs", input=json.dumps(cases), certificate=certificate))
    assert {case: set(checks) for case, checks in report.items()} == dict.fromkeys(cases, CHECKS)
    return report


def assert_ok(report: dict[str, dict[str, str]], cannot: dict[str, str]) -> None:
    """Every check of every case is well, apart from what ``cannot`` names, and all of that."""
    wrong = [
        f"{case}: {name}: {outcome}"
        for case, checks in report.items()
        for name, outcome in checks.items()
        if outcome != cannot.get(name, "ok")
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("library", ["autobahn-js", "wampy.js"])
@pytest.mark.parametrize("kind", ["websocket", "websocket-tls"])
def test_websocket(
    router: RouterProcess, node: NodePrograms, certificate: Path, library: str, kind: str
) -> None:
    """Two sessions over WebSocket, with each serializer."""
    cases = {}
    for serializer in SERIALIZERS:
        side = transport(router, library, kind, serializer)
        cases[serializer] = {"one": side, "two": side, "secrets": SECRETS}
    assert_ok(run(node, certificate, cases), CANNOT[library])


@pytest.mark.parametrize("kind", ["rawsocket", "rawsocket-unix"])
def test_autobahn_js_rawsocket(
    router: RouterProcess, node: NodePrograms, certificate: Path, kind: str
) -> None:
    """Two sessions over RawSocket, which autobahn-js speaks with JSON, without TLS."""
    side = transport(router, "autobahn-js", kind, "json")
    report = run(node, certificate, {kind: {"one": side, "two": side, "secrets": SECRETS}})
    assert_ok(report, CANNOT["autobahn-js"])


def test_between_clients(router: RouterProcess, node: NodePrograms, certificate: Path) -> None:
    """Both clients in one conversation, each with another serializer."""
    cases = {}
    for one in SERIALIZERS:
        for two in SERIALIZERS:
            cases[f"{one} and {two}"] = {
                "one": transport(router, "wampy.js", "websocket", one),
                "two": transport(router, "autobahn-js", "websocket", two),
                "secrets": SECRETS,
            }
    cannot = {**CANNOT["autobahn-js"], **CANNOT["wampy.js"]}
    del cannot["retained"]  # only the other one is asked to
    assert_ok(run(node, certificate, cases), cannot)
