"""The programs examples/dstm_*.py, against the router as it comes, with what they print."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Running, run

EXAMPLES = Path(__file__).parents[1] / "examples"

PRINTS = {
    "dstm_two_clients_plain.py": """\
A and B have received the object: True
B has set hello to world
A is told: dstm.error.conflict world
A has code camp and B has code camp
at the same version: True
""",
    "dstm_two_clients.py": """\
A and B have received the object: True
A had a conflict, and read: world
A has code camp and B has code camp
at the same version: True
""",
    "dstm_bank.py": """\
founded: {'ann': 10, 'bob': 10, 'carol': 10}
ann paid: {'ann': 6, 'bob': 14, 'carol': 10}
ann has: 18
ann has: 3
ann paid when she could: {'ann': 3, 'bob': 2, 'carol': 25}
carol paid, since bob could not: {'ann': 23, 'bob': 2, 'carol': 5}
the sum is still 30
""",
    "dstm_auction.py": """\
these gave up: ['ann', 'bob']
carol has it, for no more than was needed: True
every bid was one more than the one before: True
""",
    "dstm_document.py": """\
editing: {'ann': {'line': 0}, 'bob': {'line': 1}}
['We met in June.', 'We talked.', 'We ate.']
edits done: 1 of 2
editing: {'ann': {'line': 0}}
""",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a router with the default configuration listens."""
    directory = tmp_path_factory.mktemp("default")
    assert run("concord", "init", "config", cwd=directory).returncode == 0
    file = directory / "config" / "router.yaml"
    file.write_text(file.read_text().replace("tcp:8080:", "tcp:0:").replace("tcp:8081:", "tcp:0:"))
    with Running("concord", "run", "--config=config", cwd=directory) as router:
        line = router.until("WebSocket ws://")
        router.until("realms: ")
        yield line.partition("WebSocket ")[2].split()[0]
        assert router.stop() == 0
        assert "Traceback" not in router.text


@pytest.mark.parametrize("program", sorted(PRINTS))
def test_what_it_prints(url: str, program: str) -> None:
    """Twice, since an example may be run again on what it has left behind."""
    for _ in range(2):
        command = [sys.executable, str(EXAMPLES / program), url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.stdout, done.returncode) == (PRINTS[program], 0), done.stderr


def test_each_example_is_run() -> None:
    assert {file.name for file in EXAMPLES.glob("dstm_*.py")} == set(PRINTS)
