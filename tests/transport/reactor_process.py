"""
A real reactor in a process of its own, for tests: scripts that print one JSON report.

Rules of this file:

- A script is what follows ``PRELUDE``; it ends by ``run(main)``, and ``main`` fills ``report``.
- Clients are blocking sockets in a thread, so that no Twisted code stands on both sides.
"""

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

PRELUDE = """
import json, socket, struct, sys
from twisted.application.reactors import installReactor
if sys.argv[1] != "default":
    installReactor(sys.argv[1])
from twisted.internet import defer, error, interfaces, protocol, reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.threads import deferToThread
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

logged = []
def remember(event):
    failure = event.get("log_failure") or event.get("failure")  # the latter from log.err
    if failure is not None:
        logged.append(type(failure.value).__name__)
globalLogBeginner.beginLoggingTo([remember], redirectStandardIO=False)
report = {}
clients = []

class Recorder(protocol.Protocol):
    '''Remembers what happened to it; the events are Deferreds.'''
    def __init__(self):
        self.received, self.losses = b"", []
        self.made, self.got, self.lost = defer.Deferred(), defer.Deferred(), defer.Deferred()
    def connectionMade(self):
        self.made.callback(self)
    def dataReceived(self, data):
        self.received += data
        if not self.got.called:
            self.got.callback(self)
    def connectionLost(self, reason):
        self.losses.append(type(reason.value).__name__)
        self.reason = reason.value
        if not self.lost.called:
            self.lost.callback(self)

class One(protocol.Factory):
    '''Builds one protocol, known beforehand.'''
    noisy = False
    def __init__(self, made):
        self.made = made
    def buildProtocol(self, addr):
        self.peer = addr
        return self.made

def listen(made):
    return reactor.listenTCP(0, One(made), interface="127.0.0.1")

def client(port):
    address = port.getHost()
    clients.append(socket.create_connection((address.host, address.port), timeout=10))
    return clients[-1]

def read_all(sock):
    chunks = []
    try:
        while chunk := sock.recv(65536):
            chunks.append(chunk)
    except ConnectionResetError:
        chunks.append(b"RESET")
    return b"".join(chunks)

def run(main):
    def done(result):
        if isinstance(result, Failure):
            result.printTraceback(sys.stderr)
            report["failed"] = True
        reactor.callLater(0, reactor.stop)
    reactor.callWhenRunning(lambda: defer.ensureDeferred(main()).addBoth(done))
    reactor.run()
    for sock in clients:
        sock.close()
    print(json.dumps({**report, "logged": logged}))
"""


def run_script(reactor: str, script: str, *args: object) -> dict[str, Any]:
    """Run ``script`` after the prelude on ``reactor`` and give its report."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PRELUDE + textwrap.dedent(script), reactor, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert "failed" not in report
    return report


both = pytest.mark.parametrize("reactor", ["uvloop", "default"])
