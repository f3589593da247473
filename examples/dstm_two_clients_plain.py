"""
Two clients change one object, with nothing but CALL and SUBSCRIBE.

    python dstm_two_clients_plain.py [URL of the router]
"""

import sys
import uuid

from autobahn.twisted.component import Component
from autobahn.wamp import ApplicationError
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.internet.task import react


class Replica:
    """The object as one client sees it: a document at a version."""

    def __init__(self, session):
        self.session = session
        self.moved = Deferred()

    async def follow(self):
        self.epoch, self.early = None, []
        await self.session.subscribe(self.on_delta, "dstm.demo.delta")
        answer = (await self.session.call("dstm.demo.sync")).kwresults
        self.document, self.version = answer["snapshot"], answer["version"]
        self.epoch = answer["epoch"]
        self.apply(self.early)

    def on_delta(self, *deltas, epoch):
        if self.epoch is None:
            self.early += deltas  # what comes before the snapshot waits for it
        else:
            self.apply(deltas)

    def apply(self, deltas):
        for begin, version, changes, _meta in deltas:
            if begin == self.version:  # others are known already
                for change in changes:
                    self.change(**change)
                self.version = version
        moved, self.moved = self.moved, Deferred()
        moved.callback(None)

    def change(self, op, path, value=None):
        if path == "":
            self.document = value
            return
        *parents, last = [token.replace("~1", "/").replace("~0", "~") for token in path.split("/")[1:]]
        place = self.document
        for token in parents:
            place = place[token]  # objects alone: this program needs no arrays
        if op == "remove":
            del place[last]
        else:
            place[last] = value

    async def until(self, word):
        while self.document.get("hello") != word:
            await self.moved


def join(reactor, url):
    joined = Deferred()
    component = Component(transports=url, realm="realm1")
    component.on_join(lambda session, details: joined.callback(session))
    component.start(reactor)
    return joined


async def main(reactor, url="ws://127.0.0.1:8080/ws"):
    a, b = [Replica(await join(reactor, url)) for _ in range(2)]
    await gatherResults([ensureDeferred(client.follow()) for client in (a, b)])
    print("A and B have received the object:", a.document == b.document)

    base = a.version
    await b.session.call("dstm.demo.put", "/hello", "world")
    print("B has set hello to world")

    commit = {
        "tx": f"{uuid.uuid4().hex}:1",
        "epoch": a.epoch,
        "base": base,
        "reads": ["/hello"],
        "ops": [{"op": "add", "path": "/hello", "value": "code camp"}],
    }
    try:
        await a.session.call("dstm.demo.commit", **commit)
    except ApplicationError as error:
        deltas = error.kwargs["deltas"]
        print("A is told:", error.error, deltas[-1][2][-1]["value"])
        a.apply(deltas)

    commit["tx"] = commit["tx"].replace(":1", ":2")  # another transaction, on what A has learned
    commit["base"] = a.version
    answer = await a.session.call("dstm.demo.commit", **commit)
    await gatherResults([ensureDeferred(client.until("code camp")) for client in (a, b)])
    print("A has", a.document["hello"], "and B has", b.document["hello"])
    print("at the same version:", a.version == b.version == answer.kwresults["version"])


react(main, sys.argv[1:])
