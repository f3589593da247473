"""Autobahn|Python joins by each method, over each transport, and is refused where it must be."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import autobahn_auth_checks
import autobahn_tls_checks
import pytest
from node_programs import NodePrograms
from router_configuration import SECRETS, client_certificate
from router_process import RouterProcess
from test_autobahn import SERIALIZERS, transport

PROGRAM = Path(__file__).with_name("autobahn_auth_program.py")
MODULES = {"auth": autobahn_auth_checks, "tls": autobahn_tls_checks}
TLS = ("websocket-tls", "rawsocket-tls")


def check(framework: str, module: str, cases: dict[str, Any]) -> None:
    """Run the client as a program: every case runs every check, and each is well."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), framework, module],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    report = json.loads(done.stdout)
    failed = [
        f"{case}: {name}: {why}"
        for case, checks in report.items()
        for name, why in checks.items()
        if why != "ok"
    ]
    assert not failed, "\n".join(failed)
    names = {name.removeprefix("check_") for name in dir(MODULES[module]) if name.startswith("check_")}
    assert {case: set(checks) for case, checks in report.items()} == dict.fromkeys(cases, names)


@pytest.mark.parametrize("framework", ["twisted", "asyncio"])
@pytest.mark.parametrize(
    "kind", ["websocket", "websocket-tls", "rawsocket", "rawsocket-tls", "rawsocket-unix"]
)
def test_autobahn(router: RouterProcess, certificate: Path, framework: str, kind: str) -> None:
    """Ticket, WAMP-CRA, SCRAM and cryptosign, right, wrong, truncated, replayed and expired."""
    cases = {}
    for serializer in SERIALIZERS:
        side = transport(router, certificate, kind, serializer)
        cases[serializer] = {"one": side, "two": side, "secrets": SECRETS}
    check(framework, "auth", cases)


def showing(described: dict[str, Any], files: tuple[Path, Path]) -> dict[str, Any]:
    """Add a client's certificate to a transport."""
    own = {"certificate": str(files[0]), "key": str(files[1])}
    endpoint = described["endpoint"]
    return {**described, "endpoint": {**endpoint, "tls": {**endpoint["tls"], **own}}}


@pytest.mark.parametrize("framework", ["twisted", "asyncio"])
@pytest.mark.parametrize("kind", TLS)
def test_autobahn_with_certificates(
    router: RouterProcess, certificate: Path, framework: str, kind: str
) -> None:
    """The method "tls", and cryptosign that is bound to the channel."""
    stranger = certificate.with_name("stranger.pem"), certificate.with_name("stranger.key")
    cases = {}
    for serializer in SERIALIZERS:
        side = transport(router, certificate, kind, serializer)
        one, two = showing(side, client_certificate(certificate)), showing(side, stranger)
        cases[serializer] = {"one": one, "two": two, "secrets": SECRETS}
    check(framework, "tls", cases)


def test_autobahn_js_with_certificates(router: RouterProcess, node: NodePrograms, certificate: Path) -> None:
    """autobahn-js takes the WebSocket that it is given: here one that shows a certificate."""
    joined = {}
    for name in ("frank", "stranger"):
        files = (certificate.with_name(f"{name}.pem"), certificate.with_name(f"{name}.key"))
        printed = node.run("tls_program.mjs", router.websocket_tls, str(certificate), *map(str, files))
        joined[name] = json.loads(printed)
    assert joined["frank"]["details"]["authid"] == "frank"
    assert joined["frank"]["details"]["authmethod"] == "tls"
    assert joined["stranger"] == {"reason": "wamp.error.authentication_denied"}


def test_one_line_in_the_log_for_each_refusal(router: RouterProcess, certificate: Path) -> None:
    """Who, from where, by which method, and why; never the secret."""
    before = len(router.lines)
    side = transport(router, certificate, "websocket", "json")
    check("twisted", "auth", {"json": {"one": side, "two": side, "secrets": SECRETS}})
    router.until(lambda: sum("expired" in line for line in router.lines[before:]) == 4)
    lines = [line for line in router.lines[before:] if " refused" in line]
    reasons = sorted(set(re.findall(r"authentication_denied: (.*)", "".join(lines))))
    stranger = "[0-9a-f]{64}"
    expected = [
        f"cryptosign: nobody has the key {stranger}",
        "cryptosign: the keys of 'old' have expired",
        "cryptosign: wrong signature of 'dora'",
        "scram: no principal 'nobody'",
        "scram: the password of 'old' has expired",
        "scram: wrong proof of 'erin'",
        "ticket: no principal 'nobody'",
        "ticket: the ticket of 'old' has expired",
        "ticket: wrong ticket for 'tina'",
        "wampcra: no principal 'nobody'",
        "wampcra: the secret of 'old' has expired",
        "wampcra: wrong signature of 'carl'",
    ]
    assert len(reasons) == len(expected), reasons
    for found, pattern in zip(reasons, expected, strict=True):
        assert re.fullmatch(pattern, found), found
    # Two names wrong, three truncated and one expired of each method, and a replay of all but tickets.
    assert len(lines) == 4 * 6 + 3
    assert not any(secret in line for secret in SECRETS.values() for line in lines)
