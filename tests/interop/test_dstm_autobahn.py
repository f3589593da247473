"""The DSTM client over Autobahn|Python, on Twisted and on asyncio, with each serializer."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dstm_checks
import pytest
from router_process import RouterProcess, concord

PROGRAM = Path(__file__).with_name("dstm_program.py")
CHECKS = {name.removeprefix("check_") for name in dir(dstm_checks) if name.startswith("check_")}
SPACES = (CHECKS - {"broken_connections"}) | {"broken"}

ROUTER = """\
transports:
  - type: websocket
    endpoint: tcp:0:interface=127.0.0.1
  - type: rawsocket
    endpoint: tcp:0:interface=127.0.0.1
"""
REALM = """\
name: interop
roles:
  guest:
    permissions:
      - uri: ""
        match: prefix
        allow: [call, register, publish, subscribe]
authentication:
  anonymous:
    role: guest
extensions:
  dstm:
    spaces:
"""


@pytest.fixture(scope="module")
def dstm_router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterProcess]:
    """A router with a space for each check."""
    directory = tmp_path_factory.mktemp("dstm")
    (directory / "realms").mkdir()
    (directory / "router.yaml").write_text(ROUTER)
    spaces = "".join(f"      {name}: {{log: memory, digest_every: 5}}\n" for name in sorted(SPACES))
    (directory / "realms" / "interop.yaml").write_text(REALM + spaces)
    with concord(directory) as router:
        yield router
    router.assert_ended_well()


def transport(router: RouterProcess, serializer: str) -> dict[str, Any]:
    """A WebSocket for JSON and CBOR, a RawSocket for MessagePack."""
    if serializer != "msgpack":
        return {"type": "websocket", "url": router.websocket, "serializers": [serializer]}
    endpoint = {"type": "tcp", "host": "127.0.0.1", "port": router.rawsocket}
    return {"type": "rawsocket", "url": "rs://localhost", "endpoint": endpoint, "serializer": serializer}


@pytest.mark.parametrize("framework", ["twisted", "asyncio"])
def test_the_client(dstm_router: RouterProcess, framework: str) -> None:
    """Every check, with one and the same serializer on both sides, and with two."""
    serializers = ("json", "msgpack", "cbor")
    cases = {
        f"{one} and {two}": {
            "one": transport(dstm_router, one),
            "two": transport(dstm_router, two),
            "secrets": {},
        }
        for one, two in zip(serializers * 2, (*serializers, *serializers[1:], serializers[0]), strict=True)
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM), framework],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    report = json.loads(done.stdout)
    wrong = {(case, name): why for case in cases for name, why in report[case].items() if why != "ok"}
    assert not wrong, "\n".join(f"{case}: {name}: {why}" for (case, name), why in wrong.items())
    assert all(set(report[case]) == CHECKS for case in cases)
