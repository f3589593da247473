"""The bare reference: as little as a WAMP router on this stack can do, as fast as pure Python can do it.

Rules of this file: it shares no code with the router that it judges; it checks nothing, and knows no option but
``acknowledge``.  JSON over WebSocket only.  Autobahn owns the opening handshake and everything unusual (fragments,
control frames, closing); whole, masked, unfragmented text frames are taken straight from the buffer.

    python benchmarks/bare.py --reactor uvloop --port 9091
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import sys
from collections.abc import Callable
from typing import Any

import msgspec
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from msgspec import Raw, Struct
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

ABSENT = Raw(b"")
NO_DETAILS: dict[str, Any] = {}


class Hello(Struct, array_like=True, tag=1, gc=False):
    """[HELLO, Realm|uri, Details|dict]"""

    realm: str
    details: Raw


class Goodbye(Struct, array_like=True, tag=6, gc=False):
    """[GOODBYE, Details|dict, Reason|uri]"""


class Publish(Struct, array_like=True, tag=16, gc=False):
    """[PUBLISH, Request|id, Options|dict, Topic|uri, Arguments|list, ArgumentsKw|dict]"""

    request: int
    options: dict[str, Any]
    topic: str
    args: Raw = ABSENT
    kwargs: Raw = ABSENT


class Subscribe(Struct, array_like=True, tag=32, gc=False):
    """[SUBSCRIBE, Request|id, Options|dict, Topic|uri]"""

    request: int
    options: Raw
    topic: str


class Call(Struct, array_like=True, tag=48, gc=False):
    """[CALL, Request|id, Options|dict, Procedure|uri, Arguments|list, ArgumentsKw|dict]"""

    request: int
    options: Raw
    procedure: str
    args: Raw = ABSENT
    kwargs: Raw = ABSENT


class Register(Struct, array_like=True, tag=64, gc=False):
    """[REGISTER, Request|id, Options|dict, Procedure|uri]"""

    request: int
    options: Raw
    procedure: str


class Yield(Struct, array_like=True, tag=70, gc=False):
    """[YIELD, INVOCATION.Request|id, Options|dict, Arguments|list, ArgumentsKw|dict]"""

    request: int
    options: Raw
    args: Raw = ABSENT
    kwargs: Raw = ABSENT


decode = msgspec.json.Decoder(Hello | Goodbye | Publish | Subscribe | Call | Register | Yield).decode
encode = msgspec.json.Encoder().encode
number = int.from_bytes

# Unmasking, for payloads of n < 126 octets: (payload XOR mask * REPEAT[n]) & KEEP[n], as little-endian integers.
REPEAT = [sum(1 << 32 * i for i in range((n + 3) // 4)) for n in range(126)]
KEEP = [(1 << 8 * n) - 1 for n in range(126)]
HEADER = [bytes((0x81, n)) for n in range(126)]

ids = itertools.count(1)
topics: dict[str, tuple[int, list[Peer]]] = {}  # topic -> subscription id, subscribers
procedures: dict[str, tuple[Peer, int]] = {}  # procedure -> callee, registration id
dirty: list[Peer] = []  # peers that have output of this turn


def frame(message: list[Any]) -> bytes:
    """Return ``message`` as JSON in one unmasked text frame."""
    payload = encode(message)
    n = len(payload)
    if n < 126:
        return HEADER[n] + payload
    if n < 65536:
        return b"\x81\x7e" + n.to_bytes(2, "big") + payload
    return b"\x81\x7f" + n.to_bytes(8, "big") + payload


def flush() -> None:
    """Write the turn's output: one write for each peer that has any."""
    for peer in dirty:
        out = peer.out
        peer.write(out[0] if len(out) == 1 else b"".join(out))
        out.clear()
    dirty.clear()


class Peer(WebSocketServerProtocol):  # type: ignore[misc]
    """One client: Autobahn's protocol, with the fast path in front of it."""

    schedule: Callable[[], object] | None = (
        None  # ask for flush() at the end of this turn; None: it comes anyway
    )

    def onConnect(self, request: Any) -> str:
        return "wamp.2.json"

    def onOpen(self) -> None:
        self.out: list[bytes] = []
        self.calls: dict[int, tuple[Peer, int]] = {}  # invocation id -> caller, its request id
        self.invocations = itertools.count(1)
        self.write = self.writer()
        self.dataReceived = self.take

    def writer(self) -> Callable[[bytes], object]:
        return self.transport.write

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.route(payload)
        self.wake()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        for _, peers in topics.values():
            if self in peers:
                peers.remove(self)
        for procedure in [name for name, (callee, _) in procedures.items() if callee is self]:
            del procedures[procedure]

    def take(self, data: bytes) -> None:
        """Route each whole frame at the head of ``data``; leave the rest to Autobahn (the fast path)."""
        if self.data or self.current_frame is not None or self.inside_message:
            self.data += data
            self.consumeData()
            if self.current_frame is not None or self.inside_message:
                return
            data, self.data = self.data, b""
        position, end = 0, len(data)
        while end - position > 6:
            n = data[position + 1] - 128
            start = position + 6
            if data[position] != 0x81 or not 0 <= n < 126:
                break
            stop = start + n
            if stop > end:
                break
            mask = number(data[position + 2 : start], "little")
            masked = number(data[start:stop], "little")
            self.route(((masked ^ mask * REPEAT[n]) & KEEP[n]).to_bytes(n, "little"))
            position = stop
        if position < end:
            self.data = data[position:]
            self.consumeData()
        self.wake()

    def wake(self) -> None:
        if dirty and self.schedule is not None:
            self.schedule()

    def send(self, data: bytes) -> None:
        if not self.out:
            dirty.append(self)
        self.out.append(data)

    def route(self, payload: bytes) -> None:
        message = decode(payload)
        self.routes[message.__class__](self, message)

    def call(self, message: Call) -> None:
        callee, registration = procedures[message.procedure]
        invocation = next(callee.invocations)
        callee.calls[invocation] = (self, message.request)
        out = [68, invocation, registration, NO_DETAILS, message.args]
        if message.kwargs is not ABSENT:
            out.append(message.kwargs)
        callee.send(frame(out))

    def yield_(self, message: Yield) -> None:
        caller, request = self.calls.pop(message.request)
        out = [50, request, NO_DETAILS, message.args]
        if message.kwargs is not ABSENT:
            out.append(message.kwargs)
        caller.send(frame(out))

    def publish(self, message: Publish) -> None:
        publication = next(ids)
        subscription, peers = topics.get(message.topic) or (0, [])
        if peers:
            out = [36, subscription, publication, NO_DETAILS, message.args]
            if message.kwargs is not ABSENT:
                out.append(message.kwargs)
            event = frame(out)
            for peer in peers:
                if peer is not self:
                    if not peer.out:
                        dirty.append(peer)
                    peer.out.append(event)
        if message.options:
            self.send(frame([17, message.request, publication]))

    def subscribe(self, message: Subscribe) -> None:
        subscription, peers = topics.setdefault(message.topic, (next(ids), []))
        peers.append(self)
        self.send(frame([33, message.request, subscription]))

    def register(self, message: Register) -> None:
        registration = next(ids)
        procedures[message.procedure] = (self, registration)
        self.send(frame([65, message.request, registration]))

    def hello(self, message: Hello) -> None:
        self.send(frame([2, next(ids), {"roles": {"broker": {}, "dealer": {}}}]))

    def goodbye(self, message: Goodbye) -> None:
        self.send(frame([6, {}, "wamp.close.goodbye_and_out"]))

    routes: dict[type, Callable[[Peer, Any], None]] = {
        Hello: hello,
        Goodbye: goodbye,
        Publish: publish,
        Subscribe: subscribe,
        Call: call,
        Register: register,
        Yield: yield_,
    }


class EpollPeer(Peer):
    """A Peer on Twisted's own sockets."""

    def writer(self) -> Callable[[bytes], object]:
        self.transport.setTcpNoDelay(True)
        return self.write_now

    def write_now(self, data: bytes) -> None:
        """Write without waiting for the reactor to report the socket as writable, unless output is queued."""
        transport = self.transport
        if transport.dataBuffer or transport._tempDataBuffer:
            transport.write(data)
            return
        sent = transport.writeSomeData(data)
        if not isinstance(sent, int):
            transport.connectionLost(Failure(sent))
        elif sent < len(data):
            transport.write(data[sent:])


class UvloopTransport:
    """What Autobahn needs of a Twisted transport, over a uvloop transport."""

    def __init__(self, transport: Any) -> None:
        self.write = transport.write
        self.loseConnection = transport.close
        self.abortConnection = transport.abort
        self.peername = transport.get_extra_info("peername")

    def getPeer(self) -> Any:
        return IPv4Address("TCP", *self.peername[:2])

    getHost = getPeer

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Do nothing: uvloop has set it already."""

    def unregisterProducer(self) -> None:
        """Do nothing: Autobahn calls this although it registers no producer."""


class UvloopConnection(asyncio.Protocol):
    """An asyncio protocol that feeds a Peer; after the handshake, it is no longer in between."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.peer.makeConnection(UvloopTransport(transport))

    def data_received(self, data: bytes) -> None:
        self.peer.dataReceived(data)
        if "dataReceived" in self.peer.__dict__:
            self.data_received = self.peer.take  # type: ignore[method-assign]
            self.transport.set_protocol(self)  # uvloop looks data_received up here, once

    def connection_lost(self, exc: Exception | None) -> None:
        self.peer.connectionLost(Failure(exc or ConnectionDone()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reactor", choices=("epoll", "uvloop"), default="uvloop")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9091)
    options = parser.parse_args()
    {"epoll": run_epoll, "uvloop": run_uvloop}[options.reactor](options.host, options.port)


def factory_for(reactor: Any) -> Any:
    factory = WebSocketServerFactory(reactor=reactor)
    factory.protocol = Peer
    factory.setProtocolOptions(openHandshakeTimeout=0, closeHandshakeTimeout=0)
    return factory


def run(reactor: Any) -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)
    reactor.run()


def run_uvloop(host: str, port: int) -> None:
    import uvloop
    from twisted.internet import asyncioreactor

    loop = uvloop.new_event_loop()
    asyncioreactor.install(loop)
    from twisted.internet import reactor

    scheduled = False

    def schedule() -> None:
        nonlocal scheduled
        if not scheduled:
            scheduled = True
            loop.call_soon(turn)

    def turn() -> None:
        nonlocal scheduled
        scheduled = False
        flush()

    Peer.schedule = staticmethod(schedule)
    factory = factory_for(reactor)
    factory.doStart()
    listen = loop.create_server(
        lambda: UvloopConnection(factory.buildProtocol(None)), host, port, backlog=1024
    )
    loop.run_until_complete(listen)
    run(reactor)


def run_epoll(host: str, port: int) -> None:
    from twisted.internet.epollreactor import EPollReactor
    from twisted.internet.main import installReactor

    class Reactor(EPollReactor):  # type: ignore[misc]
        """Flushes at the end of each turn."""

        def doIteration(self, timeout: float) -> None:
            self.doPoll(timeout)
            if dirty:
                flush()

    reactor = Reactor()
    installReactor(reactor)

    factory = factory_for(reactor)
    factory.protocol = EpollPeer
    reactor.listenTCP(port, factory, backlog=1024, interface=host)
    run(reactor)


if __name__ == "__main__":
    sys.exit(main())
