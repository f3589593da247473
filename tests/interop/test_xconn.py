"""xconn for Python, unmodified, in an environment of its own: each transport and serializer."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from availability import unavailable
from router_configuration import SECRETS
from router_process import RouterProcess

REQUIREMENT = "xconn==0.5.1"
PROGRAM = Path(__file__).with_name("xconn_program.py")
CHECKS = {"call", "error", "join", "meta", "payloads", "publish", "timeout"}


@pytest.fixture(scope="module")
def xconn_python(request: pytest.FixtureRequest) -> Path:
    """A Python with xconn, apart, since it brings twenty distributions; kept in the cache of pytest."""
    directory = request.config.cache.mkdir("interop-xconn") / REQUIREMENT
    python = directory / "bin" / "python"
    if not (directory / "installed").exists():
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
        command = [str(python), "-m", "pip", "install", "--quiet", REQUIREMENT]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            unavailable(f"{REQUIREMENT} can't be installed:\n{done.stderr}")
        (directory / "installed").touch()
    return python


def test_xconn(router: RouterProcess, xconn_python: Path) -> None:
    """Two sessions over WebSocket, RawSocket and a Unix socket, with each serializer."""
    urls = {
        "websocket": router.websocket,
        "rawsocket": f"rs://127.0.0.1:{router.rawsocket}",
        "rawsocket-unix": f"unix://{router.unix}",
    }
    cases = {
        f"{kind} {serializer}": {"url": url, "serializer": serializer, "secrets": SECRETS}
        for kind, url in urls.items()
        for serializer in ("json", "msgpack", "cbor")
    }
    done = subprocess.run(
        [str(xconn_python), str(PROGRAM)],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout) == {case: dict.fromkeys(CHECKS, "ok") for case in cases}
