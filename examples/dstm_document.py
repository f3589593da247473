"""
A document that two edit at the same time, each seeing who else is there, and where.

    python dstm_document.py [URL of the router]
"""

import sys

from autobahn.twisted.component import Component
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

import realms.dstm.client as dstm

DOCUMENT = {"title": "Minutes", "lines": ["We met.", "We talked."], "editors": {}}


def create(tx):
    tx["/document"] = DOCUMENT


def be_at(tx, name, line):
    # Presence: the router removes it when this session leaves, however that happens.
    tx.put(f"/document/editors/{name}", {"line": line}, bind="session")


def edit(tx, line, seen, text):
    """Change a line from what its editor has seen; whoever saw an older one changes nothing."""
    if tx[f"/document/lines/{line}"] != seen:
        return False
    tx[f"/document/lines/{line}"] = text
    return True


def append(tx, text):
    tx.push("/document/lines", text)


def wait_until_alone(tx, name):
    if tx.keys("/document/editors") != [name]:
        tx.retry()  # sleeps until somebody comes or leaves; moving about does not wake it


def join(reactor, url):
    joined = Deferred()
    component = Component(transports=url, realm="realm1")
    component.on_join(lambda session, details: joined.callback(session))
    component.start(reactor)
    return joined


async def main(reactor, url="ws://127.0.0.1:8080/ws"):
    sessions = [await join(reactor, url) for _ in range(2)]
    ann, bob = [await dstm.open(session, "demo", paths=["/document"]) for session in sessions]
    await ann.atomically(create)
    await gatherResults([ann.atomically(be_at, "ann", 0), bob.atomically(be_at, "bob", 1)])
    await ann.atomically(lambda tx: len(tx.keys("/document/editors")) == 2 or tx.retry())
    print("editing:", ann["/document/editors"])

    # At the same time, at different places: both stay.
    await gatherResults(
        [ann.atomically(edit, 0, "We met.", "We met in June."), bob.atomically(append, "We ate.")]
    )
    await bob.atomically(lambda tx: tx["/document/lines/0"] == "We met in June." or tx.retry())
    print(bob["/document/lines"])

    # At the same time, at the same place: one of the two is told that the line has changed.
    edits = [
        ann.atomically(edit, 1, "We talked.", "We argued."),
        bob.atomically(edit, 1, "We talked.", "We sang."),
    ]
    results = await gatherResults(edits)
    print("edits done:", sum(result.value for result in results), "of", len(results))

    sessions[1].leave()
    await ann.atomically(wait_until_alone, "ann")
    print("editing:", ann["/document/editors"])


react(main, sys.argv[1:])
