"""Puts this directory on the import path, for what several test directories share."""

from pathlib import Path
from typing import Any

import pytest_twisted
import txaio

txaio.use_twisted()  # some tests import Autobahn's modules before anything of the router does


@pytest_twisted.async_yield_fixture
async def bench(tmp_path: Path) -> Any:
    """Makes nodes that listen on loopback, and stops them; see ``node_bench``."""
    from node_bench import Bench  # it needs a reactor, which most tests do not

    bench = Bench(tmp_path)
    yield bench
    await bench.stop()
