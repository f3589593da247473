"""
A raw WAMP client: wire arrays in, wire arrays out, over Autobahn's WebSocket client.

Rules of this file:

- A client checks nothing and does nothing by itself, so that a test can send whatever it wants
  and sees everything that comes.
- Every wait ends after ``PATIENCE`` seconds, with what came until then.

``connect`` makes a ``WampClient``; ``dial`` makes a ``Dialog``, for octets that are no WebSocket.
"""

import json
from typing import Any

import cbor2
import msgspec
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred, DeferredQueue, ensureDeferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, Protocol, connectionDone

reactor: Any = default_reactor
PATIENCE = 10
ROLES = {
    "caller": {"features": {"call_canceling": True, "progressive_call_results": True}},
    "callee": {"features": {"call_canceling": True, "progressive_call_results": True}},
    "publisher": {},
    "subscriber": {},
}
CODECS: dict[str, tuple[Any, Any]] = {
    "json": (lambda wire: json.dumps(wire).encode(), json.loads),
    "msgpack": (msgspec.msgpack.encode, msgspec.msgpack.decode),
    "cbor": (cbor2.dumps, cbor2.loads),
}


def soon(awaitable: Any, seconds: float = PATIENCE) -> "Deferred[Any]":
    """Make a Deferred of ``awaitable`` that fails after ``seconds``."""
    deferred = awaitable if isinstance(awaitable, Deferred) else ensureDeferred(awaitable)
    return deferred.addTimeout(seconds, reactor)


async def sleep(seconds: float) -> None:
    """Let the reactor run for a stated time: for what must not happen meanwhile."""
    passed: Deferred[None] = Deferred()
    reactor.callLater(seconds, passed.callback, None)
    await passed


async def until(condition: Any, what: str = "") -> None:
    """Let the reactor run until ``condition()`` is true."""
    deadline = reactor.seconds() + PATIENCE
    while not condition():
        assert reactor.seconds() < deadline, f"still not: {what or condition}"
        await sleep(0.005)


class WampClient(WebSocketClientProtocol):
    """
    One client.

    :ivar inbox: what came, in order; ``receive`` takes from it
    :ivar ended: fires with (WebSocket close code, reason) when the connection is gone
    :ivar answers_goodbye: whether a GOODBYE from the router is answered
    """

    answers_goodbye = True
    preamble = b""

    def __init__(self) -> None:
        super().__init__()
        self.inbox: DeferredQueue[Any] = DeferredQueue()
        self.opened: Deferred[WampClient] = Deferred()
        self.ended: Deferred[Any] = Deferred()
        self.codec = CODECS["json"]
        self.is_binary = False
        self.requests = 0
        self.session_id = 0

    def connectionMade(self) -> None:
        self.transport.write(self.preamble)
        super().connectionMade()

    def onConnect(self, response: Any) -> None:
        self.response = response
        name = response.protocol.rpartition(".")[2]
        self.codec = CODECS[name]
        self.is_binary = name != "json"

    def onOpen(self) -> None:
        self.opened.callback(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        message = self.codec[1](payload)
        if message[0] == 6 and message[2] != "wamp.close.goodbye_and_out" and self.answers_goodbye:
            self.send(6, {}, "wamp.close.goodbye_and_out")
        self.inbox.put(message)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if not self.opened.called:
            self.opened.errback(ConnectError(string=f"no WebSocket: {reason}"))
        if not self.ended.called:
            self.ended.callback((code, reason))

    def send(self, *wire: Any) -> None:
        """Send a wire array."""
        self.sendMessage(self.codec[0](list(wire)), self.is_binary)

    def receive(self) -> "Deferred[Any]":
        """Wait for the next message."""
        return soon(self.inbox.get())

    async def receive_all(self) -> list[Any]:
        """Wait for the end of the connection, and give all messages that came until then."""
        await soon(self.ended)
        return list(self.inbox.pending)

    async def join(self, realm: str = "realm1", **details: Any) -> "WampClient":
        """Join, and keep the ``welcome``."""
        self.send(1, realm, {"roles": ROLES, **details})
        self.welcome = await self.receive()
        assert self.welcome[0] == 2, self.welcome
        self.session_id = self.welcome[1]
        return self

    async def request(self, code: int, *rest: Any) -> Any:
        """Send a request with the next id and wait for the next message."""
        self.requests += 1
        self.send(code, self.requests, *rest)
        return await self.receive()

    async def call(self, procedure: str, *args: Any, **options: Any) -> Any:
        """Call and give the one result, or raise the ERROR's array as an AssertionError."""
        answer = await self.request(48, options, procedure, list(args))
        assert answer[0] == 50, answer
        return answer[3][0] if len(answer) > 3 else None

    async def leave(self) -> None:
        """Close the WebSocket and wait until it is closed."""
        self.sendClose()
        await soon(self.ended)

    def vanish(self) -> None:
        """Drop the connection without a word."""
        self.transport.abortConnection()


def url_of(port: Any, path: str = "/ws", scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{port.getHost().port}{path}"


async def connect(
    port: Any,
    serializer: str = "json",
    *,
    path: str = "/ws",
    preamble: bytes = b"",
    headers: Any = None,
    tls: Any = None,
) -> WampClient:
    """
    Open a WebSocket to ``port`` (an ``IListeningPort``).

    ``preamble`` is sent before the HTTP request; ``tls`` are the options of a TLS client.
    Raises ``ConnectError`` where it is refused.
    """
    scheme = "wss" if tls else "ws"
    factory = WebSocketClientFactory(
        url_of(port, path, scheme), protocols=[f"wamp.2.{serializer}"], headers=headers, reactor=reactor
    )
    factory.noisy = False
    factory.protocol = type("Client", (WampClient,), {"preamble": preamble})
    endpoint: Any = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    if tls:
        endpoint = wrapClientTLS(tls, HostnameEndpoint(reactor, "127.0.0.1", port.getHost().port))
    client: Any = await soon(endpoint.connect(factory))
    return await soon(client.opened)  # type: ignore[no-any-return]


class Dialog(Protocol):
    """A connection of octets: ``received`` so far, and ``ended`` when it is closed."""

    def __init__(self) -> None:
        self.received = b""
        self.ended: Deferred[bytes] = Deferred()
        self._awaited: Any = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self._check()

    def connectionLost(self, reason: Any = connectionDone) -> None:
        self._check(final=True)
        self.ended.callback(self.received)

    def _check(self, final: bool = False) -> None:
        if self._awaited is not None and (self._awaited[0] in self.received or final):
            (_, deferred), self._awaited = self._awaited, None
            deferred.callback(self.received)

    def until(self, mark: bytes) -> "Deferred[bytes]":
        """Wait until ``mark`` has come or the connection is closed; give what came until then."""
        deferred: Deferred[bytes] = Deferred()
        self._awaited = (mark, deferred)
        self._check()
        return soon(deferred)

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    async def rest(self) -> bytes:
        """Wait for the end of the connection, and give all that came."""
        received: bytes = await soon(self.ended)
        return received

    def close(self) -> None:
        self.transport.abortConnection()


async def dial(port: Any, data: bytes = b"") -> Dialog:
    """Open a TCP connection to ``port``, and send ``data``."""
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    dialog: Any = await soon(endpoint.connect(Factory.forProtocol(Dialog)))
    dialog.send(data)
    return dialog  # type: ignore[no-any-return]


async def request(port: Any, path: str, method: str = "GET", **headers: str) -> bytes:
    """Send a HTTP request and give the whole answer."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    dialog = await dial(port, "\r\n".join([*lines, "", ""]).encode())
    return await dialog.rest()
