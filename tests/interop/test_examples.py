"""The programs in examples/, as the README has them run, against the router as it comes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_programs import NodePrograms
from router_process import BIN, RouterProcess, concord

EXAMPLES = Path(__file__).parents[2] / "examples"

PYTHON_PRINTS = """\
result: 3.5
error: com.example.division_by_zero ('7 / 0',)
event: hello
progress: 3
result: 3.5
canceled, and the callee knows
"""

JAVASCRIPT_PRINTS = """\
result: 3.5
error: com.example.division_by_zero [ '7 / 0' ]
event: hello
progress: 3
result: 3.5
canceled: wamp.error.canceled
"""

# Joins, says so, and prints why the router ends the session.
WAITING_CLIENT = """
import sys
from autobahn.twisted.component import Component
from twisted.internet.task import react

component = Component(transports=sys.argv[1])
component.on("join", lambda session, details: print("joined", flush=True))

@component.on_leave
def left(session, details):
    print(details.reason, flush=True)
    component.stop()

react(component.start)
"""


def default_configuration(directory: Path) -> Path:
    """Write the default configuration, with free ports in the place of its own."""
    subprocess.run([str(BIN / "concord"), "init", str(directory)], check=True, capture_output=True)
    file = directory / "router.yaml"
    text = file.read_text()
    assert "tcp:8080:" in text
    assert "tcp:8081:" in text
    file.write_text(text.replace("tcp:8080:", "tcp:0:").replace("tcp:8081:", "tcp:0:"))
    return directory


@pytest.fixture(scope="module")
def default_router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterProcess]:
    """The router that ``concord run`` starts."""
    with concord(default_configuration(tmp_path_factory.mktemp("default") / "config")) as router:
        yield router
    router.assert_ended_well()


def test_python(default_router: RouterProcess) -> None:
    """The program of the README does what the README says, and ends by itself."""
    command = [sys.executable, str(EXAMPLES / "first_client.py"), default_router.websocket]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.returncode) == (PYTHON_PRINTS, 0), done.stderr


@pytest.mark.parametrize("serializer", ["json", "msgpack", "cbor"])
@pytest.mark.parametrize("program", ["first_client.mjs", "wampy_client.mjs"])
def test_javascript(default_router: RouterProcess, node: NodePrograms, program: str, serializer: str) -> None:
    """The same with autobahn-js and wampy.js, on each serializer."""
    shutil.copy(EXAMPLES / program, node.directory)
    assert node.run(program, default_router.websocket, serializer) == JAVASCRIPT_PRINTS


def test_javascript_versions() -> None:
    """The examples install the versions that are tested."""
    examples, tested = (
        json.loads((directory / "package.json").read_text())["dependencies"]
        for directory in (EXAMPLES, Path(__file__).with_name("node"))
    )
    assert examples == tested


def test_goodbye_when_the_router_stops(tmp_path: Path) -> None:
    """SIGTERM: the router says GOODBYE with its reason, waits for the answer, and exits with 0."""
    router = concord(default_configuration(tmp_path / "config"))
    with router:
        command = [sys.executable, "-c", WAITING_CLIENT, router.websocket]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == "joined\n"
            assert router.stop() == 0
            reason = client.stdout.readline()
            client.terminate()
    assert reason == "wamp.close.system_shutdown\n"
    router.assert_ended_well()
