"""The router in a process of one's own, as docs/embedding.md shows it."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
from pathlib import Path
from twisted.internet import reactor
from router.config_directory import load
from router.node import Node
from autobahn.twisted.wamp import ApplicationSession

class Prices(ApplicationSession):
    async def onJoin(self, details):
        await self.register(lambda symbol: 42, "com.example.price")
        print("price:", await self.call("com.example.price", "ACME"))
        reactor.stop()

node = Node(load(Path("configuration")), reactor)
node.startService()
node.connect(Prices(), realm="realm1", authid="prices", role="anonymous")
reactor.addSystemEventTrigger("before", "shutdown", node.stopService)
reactor.run()
"""


def test_a_node_and_a_component_in_a_program_that_imports_the_router_first(tmp_path: Path) -> None:
    """A component registers and calls without a socket, whatever of Autobahn was imported before."""
    (tmp_path / "configuration" / "realms").mkdir(parents=True)
    (tmp_path / "configuration" / "router.yaml").write_text(
        "transports: [{type: rawsocket, endpoint: 'tcp:0:interface=127.0.0.1'}]\n"
    )
    (tmp_path / "configuration" / "realms" / "realm1.yaml").write_text(
        "roles: {anonymous: {permissions: [{uri: com.example., match: prefix, allow: [call, register]}]}}\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert (run.returncode, run.stdout) == (0, "price: 42\n"), run.stderr
