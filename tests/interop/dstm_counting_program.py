"""
A program that counts in a space, and goes on whatever happens to the router.

    python dstm_counting_program.py twisted|asyncio URL

Prints a line for each few transactions, and at last how many versions they made, the sum, and whether it
had to submit any of them again. It ends in any case.
"""

import asyncio
import logging
import sys
from typing import Any

import realms.dstm.client as dstm

TOTAL = 400
WINDOW = 8
SECONDS = 60


def count(tx: dstm.Tx) -> int:
    tx["/count"] = tx.get("/count", 0) + 1
    return int(tx["/count"])


async def count_all(space: dstm.Space) -> None:
    versions = set()
    for number in range(0, TOTAL, WINDOW):
        promises = [space.atomically(lambda tx: tx.inc("/sum", 1)) for _ in range(WINDOW - 1)]
        promises.append(space.atomically(count))
        for promise in promises:
            versions.add(await promise)
        print(number, flush=True)
    total = await space.atomically(lambda tx: tx["/sum"] + tx["/count"], strict=True)
    print(len(versions), total.value, space.counters.resubmissions > 0, flush=True)


def options(url: str, component: Any) -> tuple[dstm.Space, Any]:
    """Make a space, and a component that attaches each of its sessions to it."""
    space = dstm.Space("counter")
    transport = {
        "type": "websocket",
        "url": url,
        "max_retries": -1,
        "initial_retry_delay": 0.05,
        "max_retry_delay": 0.2,
    }
    made = component(transports=[transport], realm="interop")
    made.on_join(space.attach)
    return space, made


def on_twisted(url: str) -> None:
    from autobahn.twisted.component import Component
    from twisted.internet.defer import ensureDeferred
    from twisted.internet.task import react

    async def main(reactor: Any) -> None:
        space, component = options(url, Component)
        component.start(reactor).addErrback(lambda failure: None)
        await ensureDeferred(count_all(space)).addTimeout(SECONDS, reactor)

    react(lambda reactor: ensureDeferred(main(reactor)))


def on_asyncio(url: str) -> None:
    import txaio
    from autobahn.asyncio.component import Component

    async def main() -> None:
        loop = txaio.config.loop = asyncio.get_running_loop()
        space, component = options(url, Component)
        component.start(loop)
        await asyncio.wait_for(count_all(space), SECONDS)

    asyncio.run(main())


if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())
    {"twisted": on_twisted, "asyncio": on_asyncio}[sys.argv[1]](sys.argv[2])
