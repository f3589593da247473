"""The benchmarks' parts run: the generator against its own toy router, and against the bare reference."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import load, targets

pytestmark = pytest.mark.skipif(load.compiler() is None, reason="no C compiler: the generator can't be built")

BRIEF = ["--duration", "0.05", "--warmup", "0.01", "--timeout", "1"]


@pytest.fixture(scope="module")
def generator() -> Path:
    """The generator, always this project's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WAMPLOAD", raising=False)
        return load.build()


@pytest.fixture(scope="module")
def serve(generator: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[targets.Running]:
    running = targets.start(targets.serve_target(generator), tmp_path_factory.mktemp("serve"))
    yield running
    running.stop()


@pytest.mark.parametrize("transport", ["websocket", "rawsocket"])
@pytest.mark.parametrize(
    ("scenario", "key"),
    [
        ("rpc --callers 2 --callees 2 --window 4", "calls"),
        ("fanout --subs 3 --window 4", "deliveries"),
        ("pairs --pairs 3 --window 2 --lag 8", "deliveries"),
        ("rate --mode rpc --callers 2 --rate 2000", "calls"),
        ("rate --mode fanout --subs 2 --rate 1000", "deliveries"),
    ],
)
def test_scenarios_against_the_toy_router(
    generator: Path, serve: targets.Running, scenario: str, key: str, transport: str
) -> None:
    """Every scenario ends well, has counted something, and closed each session properly."""
    arguments = [*scenario.split(), *BRIEF, "--transport", transport]
    report = load.run(generator, arguments, serve.port, serve.pid, 10)
    assert report[key] > 0
    assert report["unclean_closes"] == 0
    assert report["lat_n"] == report[key]


def test_connect_against_the_toy_router(generator: Path, serve: targets.Running) -> None:
    """All sessions are opened, held and closed."""
    arguments = ["connect", "--sessions", "40", "--concurrency", "8", "--hold", "0"]
    report = load.run(generator, arguments, serve.port, serve.pid, 10)
    assert report["session_n"] == 40
    assert report["unclean_closes"] == 0


@pytest.mark.parametrize(
    ("fault", "said"),
    [("lose", "lost"), ("double", "doubled"), ("swap", "reordered"), ("damage", "is damaged")],
)
@pytest.mark.parametrize("scenario", ["rpc --window 4", "fanout --subs 2 --window 4"])
def test_faults_of_a_router_are_found(
    generator: Path, tmp_path: Path, scenario: str, fault: str, said: str
) -> None:
    """A router that loses, doubles, swaps or damages one message fails the run, and the reason says so."""
    toy = targets.serve_target(generator)
    faulty = targets.Target(
        "faulty", toy.about, lambda directory, port: [*toy.command(directory, port), "--fault", fault]
    )
    running = targets.start(faulty, tmp_path)
    try:
        with pytest.raises(load.LoadFailed, match=said):
            load.run(generator, [*scenario.split(), *BRIEF], running.port, running.pid, 10)
    finally:
        running.stop()


def test_the_bare_reference_serves(generator: Path, tmp_path: Path) -> None:
    """Calls and events pass through the bare reference, payloads of more than 125 octets too."""
    running = targets.start(targets.bare_target("bare", "uvloop"), tmp_path)
    try:
        for scenario in ("rpc --window 4", "fanout --subs 2 --payload 300", "rpc --payload 70000"):
            report = load.run(generator, [*scenario.split(), *BRIEF], running.port, running.pid, 10)
            assert report["unclean_closes"] == 0
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "unknown scenario"),
        (["rpc", "--window", "x"], "--window: not a number in range"),
        (["rpc", "--colour", "red"], "--colour: unknown option"),
        (["rpc", "--serializer", "cbor"], "--serializer: unknown"),
    ],
)
def test_usage_errors(generator: Path, arguments: list[str], said: str) -> None:
    """A wrong command line exits with status 2, and says which option is meant."""
    done = subprocess.run([generator, *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert said in done.stderr
