"""A command of the client starts without the router, and its parser without Autobahn."""

import subprocess
import sys

import pytest
from processes import ENVIRONMENT

COMMANDS = ("calling", "dstm", "publishing", "registering", "subscribing", "top")


def imported(code: str) -> set[str]:
    """Run ``code`` in a new process; give the names of all modules that are imported then."""
    script = f"import sys\n{code}\nprint('\\n' + ' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_the_parser_imports_nothing_of_weight() -> None:
    code = "from router.command import main\ntry: main(['call', '--help'])\nexcept SystemExit: pass"
    modules = imported(code)
    assert "router.client.parser" in modules
    assert not modules & {"autobahn", "asyncio", "twisted", "msgspec", "yaml", "router.node", "realms"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_imports_nothing_of_the_router(name: str) -> None:
    """Of this project only the client itself."""
    modules = imported(f"import router.client.main, router.client.{name}")
    assert "autobahn.asyncio.websocket" in modules
    own = {module for module in modules if module.split(".")[0] in ("router", "realms")}
    assert {module for module in own if not module.startswith("router.client")} == {"router"}
    assert not modules & {"twisted", "msgspec", "yaml", "nacl", "argon2"}


def test_dstm_imports_its_client_alone() -> None:
    modules = imported("import router.client.main, router.client.dstm, realms.dstm.client")
    assert not modules & {"twisted", "router.node", "router.routing", "realms.realm", "realms.config"}
