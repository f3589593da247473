"""Autobahn|Python, unmodified, on Twisted and on asyncio: every transport and serializer."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import autobahn_checks
import pytest
from router_configuration import SECRETS
from router_process import RouterProcess

PROGRAM = Path(__file__).with_name("autobahn_program.py")
SERIALIZERS = ("json", "msgpack", "cbor")
CHECKS = {name.removeprefix("check_") for name in dir(autobahn_checks) if name.startswith("check_")}


def transport(router: RouterProcess, certificate: Path, kind: str, serializer: str) -> dict[str, Any]:
    """Describe a transport as Autobahn's ``Component`` takes it."""
    if kind == "websocket":
        return {"type": "websocket", "url": router.websocket, "serializers": [serializer]}
    trusted = {"hostname": "localhost", "trust_root": str(certificate)}
    if kind == "websocket-tls":
        port = int(router.websocket_tls.partition("localhost:")[2].partition("/")[0])
        endpoint = {"type": "tcp", "host": "127.0.0.1", "port": port, "tls": trusted}
        return {
            "type": "websocket",
            "url": router.websocket_tls,
            "endpoint": endpoint,
            "serializers": [serializer],
        }
    endpoint = {
        "rawsocket": {"type": "tcp", "host": "127.0.0.1", "port": router.rawsocket},
        "rawsocket-tls": {"type": "tcp", "host": "127.0.0.1", "port": router.rawsocket_tls, "tls": trusted},
        "rawsocket-unix": {"type": "unix", "path": router.unix},
    }[kind]
    return {"type": "rawsocket", "url": "rs://localhost", "endpoint": endpoint, "serializer": serializer}


def run(framework: str, cases: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Run the client as a program; return its report: case -> check -> "ok", or why not."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), framework],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def assert_all_ok(report: dict[str, dict[str, str]], cases: dict[str, Any]) -> None:
    """Every case ran every check, and each is well."""
    failed = [
        f"{case}: {name}: {why}"
        for case, checks in report.items()
        for name, why in checks.items()
        if why != "ok"
    ]
    assert not failed, "\n".join(failed)
    assert {case: set(checks) for case, checks in report.items()} == dict.fromkeys(cases, CHECKS)


@pytest.mark.parametrize("framework", ["twisted", "asyncio"])
@pytest.mark.parametrize(
    "kind", ["websocket", "websocket-tls", "rawsocket", "rawsocket-tls", "rawsocket-unix"]
)
def test_autobahn(router: RouterProcess, certificate: Path, framework: str, kind: str) -> None:
    """Two sessions over one kind of transport, with each serializer."""
    cases = {}
    for serializer in SERIALIZERS:
        side = transport(router, certificate, kind, serializer)
        cases[serializer] = {"one": side, "two": side, "secrets": SECRETS}
    assert_all_ok(run(framework, cases), cases)


@pytest.mark.parametrize("framework", ["twisted", "asyncio"])
def test_autobahn_between_serializers(router: RouterProcess, certificate: Path, framework: str) -> None:
    """Two sessions that share neither the serializer nor the kind of transport."""
    cases = {}
    for one in SERIALIZERS:
        for two in SERIALIZERS:
            if one != two:
                cases[f"{one} and {two}"] = {
                    "one": transport(router, certificate, "websocket", one),
                    "two": transport(router, certificate, "rawsocket", two),
                    "secrets": SECRETS,
                }
    assert_all_ok(run(framework, cases), cases)
