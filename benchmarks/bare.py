"""The bare reference: as little as a WAMP router on this stack can do, as fast as pure Python can do it.

Rules of this file: it shares no code with the router that it judges; it checks nothing, and knows no option
but ``acknowledge``.  JSON over WebSocket only.  Autobahn owns the opening handshake and everything unusual
(fragments, control frames, closing); short, whole, masked, unfragmented text frames are taken straight from
the buffer.  CALL and YIELD are routed in line: each Python function call costs 50 ns of the 3,000 that a call
takes.

    python benchmarks/bare.py --reactor uvloop --port 9091
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
from collections.abc import Callable
from typing import Any

import autobahn.twisted.websocket
import autobahn.websocket.protocol
import msgspec
from msgspec import Raw, Struct
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.python import failure

# Untyped where they matter here.
websocket: Any = autobahn.twisted.websocket
Failure: Any = failure.Failure

# At each connection Autobahn pretty-prints 36 settings for a debug message, logged or not: half of its time.
protocol: Any = autobahn.websocket.protocol
protocol.pformat = len

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

# Unmasking n < 126 octets, as little-endian integers: (payload XOR mask * REPEAT[n]) & KEEP[n].
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


class Peer(websocket.WebSocketServerProtocol):  # type: ignore[misc]
    """One client: Autobahn's protocol, with the fast path in front of it."""

    data: bytes  # Autobahn's buffer
    schedule: Callable[[], object] | None = None  # asks for flush() in this turn; None: it comes anyway

    def onConnect(self, request: Any) -> str:
        return "wamp.2.json"

    def onOpen(self) -> None:
        self.out: list[bytes] = []
        self.calls: dict[int, tuple[Peer, int]] = {}  # invocation id -> caller, its request id
        self.invocations = itertools.count(1)
        self.topics: list[str] = []
        self.procedures: list[str] = []
        self.write = self.writer()
        self.dataReceived = self.take

    def writer(self) -> Any:
        return self.transport.write

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.route(decode(payload))
        self.wake()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if not hasattr(self, "out"):
            return
        for topic in self.topics:
            topics[topic][1].remove(self)
        for procedure in self.procedures:
            del procedures[procedure]

    def take(self, data: bytes) -> None:
        """Route each whole frame at the head of ``data``; leave the rest to Autobahn (the fast path)."""
        if self.current_frame is not None or self.inside_message:
            self.data += data
            self.consumeData()
            self.wake()
            return
        if self.data:
            data, self.data = self.data + data, b""
        position, end = 0, len(data)
        while end - position > 6:
            n = data[position + 1] - 128
            start = position + 6
            stop = start + n
            if data[position] != 0x81 or not 0 <= n < 126:
                self.data = data[position:]
                self.consumeData()
                break
            if stop > end:
                self.data = data[position:]
                break
            mask = number(data[position + 2 : start], "little")
            masked = number(data[start:stop], "little")
            position = stop
            message = decode(((masked ^ mask * REPEAT[n]) & KEEP[n]).to_bytes(n, "little"))
            if message.__class__ is Call:
                peer, registration = procedures[message.procedure]
                invocation = next(peer.invocations)
                peer.calls[invocation] = (self, message.request)
                out = [68, invocation, registration, NO_DETAILS, message.args]
            elif message.__class__ is Yield:
                peer, request = self.calls.pop(message.request)
                out = [50, request, NO_DETAILS, message.args]
            else:
                self.route(message)
                continue
            if message.kwargs is not ABSENT:
                out.append(message.kwargs)
            payload = encode(out)
            n = len(payload)
            if not peer.out:
                dirty.append(peer)
            peer.out.append(HEADER[n] + payload if n < 126 else frame(out))
        else:
            self.data = data[position:]
        self.wake()

    def wake(self) -> None:
        if dirty and self.schedule is not None:
            self.schedule()

    def send(self, data: bytes) -> None:
        if not self.out:
            dirty.append(self)
        self.out.append(data)

    def route(self, message: Struct) -> None:
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
        if message.options.get("acknowledge"):
            self.send(frame([17, message.request, publication]))

    def subscribe(self, message: Subscribe) -> None:
        subscription, peers = topics.setdefault(message.topic, (next(ids), []))
        peers.append(self)
        self.topics.append(message.topic)
        self.send(frame([33, message.request, subscription]))

    def register(self, message: Register) -> None:
        registration = next(ids)
        procedures[message.procedure] = (self, registration)
        self.procedures.append(message.procedure)
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

    def writer(self) -> Any:
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


def factory_for(reactor: Any, protocol: type[Peer]) -> Any:
    factory = websocket.WebSocketServerFactory(reactor=reactor)
    factory.protocol = protocol
    factory.setProtocolOptions(openHandshakeTimeout=0, closeHandshakeTimeout=0)
    return factory


def run(reactor: Any) -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)
    reactor.run()


def run_uvloop(host: str, port: int) -> None:
    """Serve with uvloop's own transports; Twisted's reactor runs on the same loop, for Autobahn's timers."""
    import uvloop
    from twisted.internet import asyncioreactor

    loop = uvloop.new_event_loop()
    install: Any = asyncioreactor.install
    install(loop)
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
    factory = factory_for(reactor, Peer)

    def connection() -> UvloopConnection:
        return UvloopConnection(factory.buildProtocol(None))

    loop.run_until_complete(loop.create_server(connection, host, port, backlog=1024))
    run(reactor)


def run_epoll(host: str, port: int) -> None:
    """Serve with Twisted's epoll reactor, which flushes once for each turn."""
    from twisted.internet import epollreactor, main

    base: Any = epollreactor.EPollReactor

    class Reactor(base):  # type: ignore[misc]
        def doIteration(self, timeout: float) -> None:
            self.doPoll(timeout)
            if dirty:
                flush()

    reactor = Reactor()
    install: Any = main.installReactor
    install(reactor)
    reactor.listenTCP(port, factory_for(reactor, EpollPeer), backlog=1024, interface=host)
    run(reactor)


if __name__ == "__main__":
    main()
