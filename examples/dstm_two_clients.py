"""
Two clients change one object, and both get what they want in the end.

    python dstm_two_clients.py [URL of the router]
"""

import sys

from autobahn.twisted.component import Component
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

import realms.dstm.client as dstm


def say(tx, word):
    before = tx.get("/hello")
    tx["/hello"] = word
    return before


def wait_for(tx, word):
    if tx.get("/hello") != word:
        tx.retry()  # sleeps until hello changes


def join(reactor, url):
    joined = Deferred()
    component = Component(transports=url, realm="realm1")
    component.on_join(lambda session, details: joined.callback(session))
    component.start(reactor)
    return joined


async def main(reactor, url="ws://127.0.0.1:8080/ws"):
    a, b = [await dstm.open(await join(reactor, url), "demo") for _ in range(2)]
    print("A and B have received the object:", a[""] == b[""])

    # Both run on the same version, so the second to arrive has a conflict, and runs again on what the first
    # has written. Who is second is up to the network; here it shall be A.
    while a.counters.conflicts == 0:
        _, version = await gatherResults([b.atomically(say, "world"), a.atomically(say, "code camp")])
    print("A had a conflict, and read:", version.value)

    await b.atomically(wait_for, "code camp")
    print("A has", a["/hello"], "and B has", b["/hello"])
    print("at the same version:", a.version == b.version == version)


react(main, sys.argv[1:])
