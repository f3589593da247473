"""Tabs of dstm.js over connections that are cut, on a router that is killed: every change happens once."""

import json
from pathlib import Path

from node_programs import NodePrograms
from router_process import BIN
from test_dstm_autobahn import REALM
from test_dstm_js_libraries import LIBRARY
from test_dstm_reconnect import free_port

SECONDS, SEED = 4, 1


def test_every_change_happens_once(tmp_path: Path, node: NodePrograms) -> None:
    """For longer runs start the program by hand, with other seeds: its head says how."""
    port = free_port()
    (tmp_path / "realms").mkdir()
    (tmp_path / "router.yaml").write_text(
        f"data_dir: {tmp_path / 'data'}\n"
        f"transports:\n  - type: websocket\n    endpoint: tcp:{port}:interface=127.0.0.1\n"
    )
    (tmp_path / "realms" / "interop.yaml").write_text(f"{REALM}      bank: {{log: sqlite}}\n")
    command = [str(BIN / "concord"), "run", f"--config={tmp_path}"]
    printed = node.run("dstm_tabs.mjs", str(LIBRARY), str(port), str(SECONDS), str(SEED), *command)
    numbers = next(json.loads(line) for line in printed.splitlines() if line.startswith("{"))
    assert numbers["done"] > 0
    assert numbers["cuts"] > 0
    assert numbers["tabs"] > 3
