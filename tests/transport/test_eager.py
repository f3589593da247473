"""Writing at once: what Twisted's own write would send, sooner, and the same end of a broken connection."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.tcp import Server
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from router.transport import eager


class Reactor(Clock):
    """A clock that knows who wants to write."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def addWriter(self, writer: Any) -> None:
        self.writers.add(writer)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def removeWriter(self, writer: Any) -> None:
        self.writers.discard(writer)


class Ended(Protocol):
    """Remembers how it ended."""

    reasons: list[Any]

    def connectionMade(self) -> None:
        self.reasons = []

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.reasons.append(reason.value)


class Pair:
    """Twisted's transport on one end of a real pair of sockets, the peer on the other."""

    def __init__(self) -> None:
        ours, self.peer = socket.socketpair()
        for sock in (ours, self.peer):
            sock.setblocking(False)
        self.socket = ours
        self.reactor = Reactor()
        self.protocol = Ended()
        self.transport = Server(ours, self.protocol, ("", 0), None, 0, self.reactor)
        self.protocol.makeConnection(self.transport)
        self.write = eager.writer(self.transport)

    def read(self) -> bytes:
        try:
            return self.peer.recv(1 << 22)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        self.transport.connected = 0
        self.socket.close()
        self.peer.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def test_what_the_socket_takes_is_sent_at_once(pair: Pair) -> None:
    pair.write(b"one")
    pair.write(b"two")
    assert pair.read() == b"onetwo"
    assert not pair.reactor.writers


def test_the_rest_waits_for_the_reactor_and_order_is_kept(pair: Pair) -> None:
    data = bytes(range(256)) * 20_000
    pair.write(data)
    pair.write(b"after")
    assert pair.reactor.writers == {pair.transport}
    received = b""
    while pair.reactor.writers:
        received += pair.read()
        pair.transport.doWrite()
    while piece := pair.read():
        received += piece
    assert received == data + b"after"
    pair.write(b"and at once again")
    assert pair.read() == b"and at once again"


def test_after_what_the_transport_has_already(pair: Pair) -> None:
    pair.transport.write(b"first")
    pair.write(b"second")
    assert pair.read() == b""
    pair.transport.doWrite()
    assert pair.read() == b"firstsecond"


def test_a_full_transport_pauses_its_producer(pair: Pair) -> None:
    told: list[str] = []

    class Producer:
        def pauseProducing(self) -> None:
            told.append("pause")

        def resumeProducing(self) -> None:
            told.append("resume")

        def stopProducing(self) -> None:
            told.append("stop")

    pair.transport.registerProducer(Producer(), True)
    pair.write(b"x" * 8_000_000)
    assert told == ["pause"]


def test_a_peer_that_is_gone_is_noticed_once_in_the_next_turn(pair: Pair) -> None:
    """The writer's caller is never interrupted by the end of the connection."""
    pair.peer.close()
    pair.write(b"to nobody")
    pair.write(b"to nobody")
    assert pair.protocol.reasons == []
    pair.reactor.advance(0)
    (reason,) = pair.protocol.reasons
    assert isinstance(reason, ConnectionLost)
    assert not pair.reactor.readers
    assert not pair.reactor.writers
    pair.write(b"afterwards")
    assert len(pair.protocol.reasons) == 1


def test_while_closing_twisted_decides(pair: Pair) -> None:
    pair.transport.loseConnection()
    pair.write(b"late")
    assert pair.read() == b""


def test_other_transports_write_themselves(pair: Pair) -> None:
    """TLS, the PROXY protocol and uvloop's adapter are not sockets of Twisted."""
    other = StringTransport()
    assert eager.writer(other) == other.write
    pair.transport.TLS = True
    assert eager.writer(pair.transport) == pair.transport.write
