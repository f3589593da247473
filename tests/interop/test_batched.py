"""Autobahn|Python with batched serializers (WAMP AP 'Message Batching')."""

import subprocess
import sys
from pathlib import Path

import pytest
from router_process import RouterProcess

PROGRAM = Path(__file__).with_name("batched_program.py")


@pytest.mark.parametrize("serializer", ["json", "msgpack", "cbor"])
def test_calls_and_events_in_batches(router: RouterProcess, serializer: str) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), router.websocket, serializer],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "True True\n"
