"""dstm.js over unmodified autobahn-js and wampy.js, against a router with its defaults."""

from pathlib import Path

import pytest
from node_programs import NodePrograms
from router_process import RouterProcess
from test_examples import default_router

__all__ = ["default_router"]

LIBRARY = Path(__file__).parents[2] / "router" / "web" / "dstm" / "dstm.js"
PRINTS = """\
40 read-modify-writes: 40
there were conflicts: true
taken from the queue: hello
or else: else
a bound: dstm.error.constraint
a partial replica, in pages: 500 false
watched: changed
nothing was wrong: true
"""


@pytest.mark.parametrize("serializer", ["json", "msgpack", "cbor"])
@pytest.mark.parametrize("client", ["autobahn", "wampy"])
def test_transactions(
    default_router: RouterProcess, node: NodePrograms, client: str, serializer: str
) -> None:
    printed = node.run("dstm_js.mjs", str(LIBRARY), default_router.websocket, serializer, client)
    assert [line for line in printed.splitlines(True) if line in PRINTS] == PRINTS.splitlines(True)
