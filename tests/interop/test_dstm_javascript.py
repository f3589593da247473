"""Two clients that share an object by plain CALL and SUBSCRIBE, on autobahn-js and wampy.js."""

import shutil

import pytest
from node_programs import NodePrograms
from router_process import RouterProcess
from test_examples import EXAMPLES, default_router

__all__ = ["default_router"]

PRINTS = """\
A and B have received the object: true
B has set hello to world
A is told: dstm.error.conflict world
A has code camp and B has code camp
at the same version: true
"""


@pytest.mark.parametrize("serializer", ["json", "msgpack", "cbor"])
@pytest.mark.parametrize("program", ["dstm_two_clients.mjs", "dstm_two_clients_wampy.mjs"])
def test_two_clients(
    default_router: RouterProcess, node: NodePrograms, program: str, serializer: str
) -> None:
    """A's transaction on the old version is refused with B's change, and done on the new one."""
    for file in (program, "dstm_replica.mjs"):
        shutil.copy(EXAMPLES / file, node.directory)
    assert node.run(program, default_router.websocket, serializer) == PRINTS
