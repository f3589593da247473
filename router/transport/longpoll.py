"""
WAMP over HTTP long-poll, for clients that a proxy lets open no WebSocket (WAMP AP 'HTTP Longpoll Transport').

    POST <path>/open           {"protocols": [...]}  ->  200 {"protocol": ..., "transport": <id>}
    POST <path>/<id>/send      a message, or a batch ->  204
    POST <path>/<id>/receive                         ->  200 a message, or a batch; 204: ask again
    POST <path>/<id>/close                           ->  204

Rules of this file:

- An id is a secret of 128 bits: who knows it is the client.
- What is not fetched is bounded by the realm's ``slow_consumer`` section, as on every transport. While a
  session is not read from, its ``send`` waits for its answer.
- A client that asks for nothing for ``silence_timeout_ms`` is gone.
- The specification answers with "202 (no content)". Here it is 204: clients take that for success.
"""

import json
import re
import secrets
from collections import deque
from typing import Any, Final

from msgspec import structs
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from router.routing.handshake import Peer
from router.transport.batching import BATCH_BYTES, SUFFIX, Batching
from router.transport.connection import Connection
from router.transport.framing import CHANNELS
from router.transport.listener import Listener
from router.transport.outbox import Outbox
from router.wamp.errors import ProtocolViolation
from router.wamp.serializers import SERIALIZERS

MAX_HELD_SENDS: Final = 16
MAX_PROTOCOLS: Final = 100
MAX_BODY_BYTES: Final = 1024 * 1024  # what the web site reads of a request
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
EXAMPLE: Final = '{"protocols": ["wamp.2.json"]}'


class LongPoll(Resource):
    """The resource of a listener's ``longpoll`` section; ``pollers`` is transport id -> Poller."""

    def __init__(self, listener: Listener, reactor: Any) -> None:
        super().__init__()
        self.listener = listener
        self.reactor = reactor
        self.settings = listener.settings.longpoll
        self.pollers: dict[str, Poller] = {}
        self.protocols = {
            SERIALIZERS[name].subprotocol + suffix: (SERIALIZERS[name], bool(suffix))
            for suffix in ("", SUFFIX)
            for name in listener.settings.serializers
        }

    def getChild(self, path: bytes, request: Any) -> Any:
        """Find ``open``, or what a client may ask of its own transport."""
        if not _is_origin_allowed(request, self.listener.settings.allowed_origins):
            return Answer(403, "this origin may not connect")
        if path == b"open" and not request.postpath:
            return Action(self.open)
        poller = self.pollers.get(path.decode("latin-1"))
        if poller is None or len(request.postpath) != 1:
            return Answer(404, "no such transport: it never was, or it has ended")
        return poller.resource(request.postpath.pop())

    def render(self, request: Any) -> bytes:
        return Answer(404, "a transport is opened by POST to open").render(request)

    def open(self, request: Any) -> Any:
        """Make a transport for the client's first protocol that is served here."""
        chosen = self._choose(request.content.read())
        if chosen is None:
            text = f"the body must be as {EXAMPLE}, with one of {', '.join(self.protocols)}"
            return Answer(400, text).render(request)
        if not self.listener.admits():
            return Answer(503, "too many connections").render(request)
        transport_id = secrets.token_urlsafe(16)
        poller = Poller(self, transport_id, request, *self.protocols[chosen])
        self.pollers[transport_id] = poller
        self.listener.connected(poller)
        request.setHeader(b"Content-Type", b"application/json")
        return json.dumps({"protocol": chosen, "transport": transport_id}).encode()

    def _choose(self, body: bytes) -> str | None:
        try:
            protocols = json.loads(body)["protocols"]
        except (ValueError, LookupError, TypeError, RecursionError):
            return None
        asked = protocols[:MAX_PROTOCOLS] if isinstance(protocols, list) else []
        return next((name for name in asked if isinstance(name, str) and name in self.protocols), None)


class Poller:
    """One client; what Node, Listener and Connection need of a carrier."""

    def __init__(
        self, owner: LongPoll, transport_id: str, request: Any, serializer: Any, batched: bool
    ) -> None:
        self.heard = self.pinged = False
        self.transport = self
        self.batching = Batching(serializer) if batched else None
        self._owner = owner
        self._id = transport_id
        self._binary = serializer.is_binary
        self._closing = False
        self._waiting: Any = None  # the request that waits for a message
        self._poll_timer: Any = None
        self._silence_timer: Any = None
        self._held: list[Any] | None = None  # sends that are answered when reading goes on; None: it does
        self._sends = 0  # that were taken meanwhile, whether or not anybody waits for the answer
        listener = owner.listener
        self.connection: Connection | None = listener.connection(
            _peer_of(request, listener), serializer, self
        )
        channel = CHANNELS["message", serializer.name]
        self.outbox = PollOutbox(listener.turn, channel, self, _nowhere, self.connection)
        self.connection.outbox = self.outbox
        self._listen()

    # What the client asks for

    def resource(self, name: bytes) -> Any:
        """Give what answers one of the client's requests."""
        action = {b"send": self._send, b"receive": self._receive, b"close": self._close}.get(name)
        return Answer(404, "ask for send, receive or close") if action is None else Action(action)

    def _send(self, request: Any) -> Any:
        connection = self.connection
        if connection is None or self._closing:
            return Answer(410, "this transport is closing").render(request)
        if self._held is not None and self._sends >= MAX_HELD_SENDS:
            return Answer(429, "wait for the answers of what was sent before").render(request)
        body = request.content.read()
        limit = connection.peer.message_limit_bytes
        if len(body) > limit:
            return Answer(413, f"a message of {len(body)} bytes is larger than {limit}").render(request)
        self._listen()
        try:
            messages = [body] if self.batching is None else self.batching.split(body)
        except ProtocolViolation as violation:
            connection.refuse(violation.text)
            return Answer(400, violation.text).render(request)
        connection.receive_all(messages, self._owner.listener.turn.now())
        if self._held is None:
            return _done(request)
        self._held.append(request)
        self._sends += 1
        request.notifyFinish().addErrback(lambda _: self._forget_send(request))
        return NOT_DONE_YET

    def _receive(self, request: Any) -> Any:
        self._listen()
        if self._waiting is not None:
            self._answer(204)  # the client has given that request up, or it has two
        self._waiting = request
        request.notifyFinish().addErrback(lambda _: self._forget_receive(request))
        if self.outbox.has_messages:
            self.serve()
        else:
            seconds = self._owner.settings.receive_timeout_ms / 1000
            self._poll_timer = self._owner.reactor.callLater(seconds, self._answer, 204)
        return NOT_DONE_YET

    def _close(self, request: Any) -> Any:
        self._end("closed by the client")
        return _done(request)

    # What the outbox asks for

    def serve(self) -> None:
        """Give the request that waits what there is."""
        if self._waiting is None:
            return
        messages = self.outbox.take(BATCH_BYTES if self.batching is not None else 0)
        if not messages:
            return
        body = messages[0] if self.batching is None else self.batching.join(messages)
        self._answer(200, body)
        if self._closing and not self.outbox.has_messages:
            self._end("closed")

    # Carrier

    def pause_reading(self) -> None:
        if self._held is None:
            self._held = []
            self._sends = 0

    def resume_reading(self) -> None:
        held, self._held = self._held or [], None
        for request in held:
            request.setResponseCode(204)
            request.finish()

    def close(self, reason: str) -> None:
        """Let the client fetch what there is, then end."""
        self._closing = True
        self.outbox.flush_now()
        if not self.outbox.has_messages:
            self._end(reason)
        else:
            self._listen(self._owner.listener.settings.close_timeout_ms)

    def abort(self) -> None:
        self._end("dropped by the router")

    abortConnection = abort

    # Watched: requests come and go, so that a heartbeat has nothing to ask.

    def expire(self) -> None:
        if self.connection is not None:
            self.connection.expired()

    def ping(self) -> None:
        """Its next request is its sign of life."""

    def silent(self) -> None:
        self._end("silent")

    def is_judged(self) -> bool:
        return False

    def _listen(self, timeout_ms: int | None = None) -> None:
        """Wait for the next request, from now on."""
        if self._silence_timer is not None:
            self._silence_timer.cancel()
        seconds = (timeout_ms or self._owner.settings.silence_timeout_ms) / 1000
        self._silence_timer = self._owner.reactor.callLater(seconds, self._fell_silent)

    def _fell_silent(self) -> None:
        self._silence_timer = None
        if not self._closing:
            self._owner.listener.silent(self.connection)
        self._end("no request within the time for it")

    def _answer(self, status: int, body: bytes = b"") -> None:
        request, self._waiting = self._waiting, None
        if self._poll_timer is not None:
            timer, self._poll_timer = self._poll_timer, None
            if timer.active():
                timer.cancel()
        if self._silence_timer is not None and not self._closing:
            self._listen()
        request.setResponseCode(status)
        if body:
            kind = b"application/octet-stream" if self._binary else b"application/json"
            request.setHeader(b"Content-Type", kind)
            request.setHeader(b"Content-Length", str(len(body)).encode())
            request.write(body)
        request.finish()

    def _forget_receive(self, request: Any) -> None:
        if self._waiting is request:
            self._waiting = None
            if self._poll_timer is not None and self._poll_timer.active():
                self._poll_timer.cancel()
            self._poll_timer = None

    def _forget_send(self, request: Any) -> None:
        if self._held is not None and request in self._held:
            self._held.remove(request)

    def _end(self, reason: str) -> None:
        connection, self.connection = self.connection, None
        if connection is None:
            return
        self._closing = True
        if self._silence_timer is not None:
            self._silence_timer.cancel()
            self._silence_timer = None
        if self._waiting is not None:
            self._answer(410)
        self.resume_reading()
        del self._owner.pollers[self._id]
        self._owner.listener.disconnected(self)
        connection.lost(reason)


class PollOutbox(Outbox):
    """An outbox that keeps whole messages until the client asks for them."""

    __slots__ = ("_messages",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._messages: deque[bytes] = deque()

    @property
    def has_messages(self) -> bool:
        """Whether there is something to fetch."""
        return bool(self._messages)

    def flush(self, now: float) -> None:
        if not self._messages:
            self._progress = now
            self._turn.congested.add(self)
        self._messages.extend(self.frames)
        self.queued_bytes += sum(map(len, self.frames))
        self.frames.clear()
        carrier: Any = self._carrier
        carrier.serve()
        self._measure()

    def take(self, most_bytes: int) -> list[bytes]:
        """Give the first message, and those after it up to ``most_bytes``."""
        taken: list[bytes] = []
        size = 0
        while self._messages and (not taken or size + len(self._messages[0]) <= most_bytes):
            taken.append(self._messages.popleft())
            size += len(taken[-1])
        self.queued_bytes -= size
        self._progress = self._turn.now()
        self._measure()
        return taken

    def discard(self) -> None:
        self._messages.clear()
        super().discard()

    def _relax(self) -> None:
        super()._relax()
        if self._messages:
            self._turn.congested.add(self)


class Action(Resource):
    """Answers POST by ``function(request)``."""

    isLeaf = True

    def __init__(self, function: Any) -> None:
        super().__init__()
        self._function = function

    def render(self, request: Any) -> Any:
        request.setHeader(b"Cache-Control", b"no-store")
        if request.method == b"OPTIONS":
            request.setHeader(b"Access-Control-Allow-Methods", b"POST")
            request.setHeader(b"Access-Control-Allow-Headers", b"Content-Type")
            request.setHeader(b"Access-Control-Max-Age", b"86400")
            return _done(request)
        if request.method != b"POST":
            request.setHeader(b"Allow", b"POST")
            return Answer(405, "only POST").render(request)
        return self._function(request)


class Answer(Resource):
    """Answers with a status and a line of text."""

    isLeaf = True

    def __init__(self, status: int, text: str) -> None:
        super().__init__()
        self._status = status
        self._text = text

    def render(self, request: Any) -> bytes:
        request.setResponseCode(self._status)
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        request.setHeader(b"Cache-Control", b"no-store")
        return f"{self._text}\n".encode()


def _done(request: Any) -> bytes:
    request.setResponseCode(204)
    return b""


def _is_origin_allowed(request: Any, allowed: tuple[str, ...]) -> bool:
    """Check the page's origin, and tell its browser that it may read the answer."""
    origin = request.getHeader(b"origin")
    if origin is None:
        return True
    text = _with_port(origin.decode("latin-1"))
    if not any(_matches(text, pattern) for pattern in allowed):
        return False
    request.setHeader(b"Access-Control-Allow-Origin", origin)
    request.setHeader(b"Access-Control-Allow-Credentials", b"true")
    request.setHeader(b"Vary", b"Origin")
    return True


def _with_port(origin: str) -> str:
    """Write an origin as ``allowed_origins`` does: ``https://example.com:443``."""
    scheme, _, host = origin.partition("://")
    port = DEFAULT_PORTS.get(scheme)
    return origin if port is None or re.search(r":\d+$", host) else f"{origin}:{port}"


def _matches(text: str, pattern: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None


def _peer_of(request: Any, listener: Listener) -> Peer:
    headers = {
        name.decode("latin-1").lower(): b", ".join(values).decode("latin-1")
        for name, values in request.requestHeaders.getAllRawHeaders()
    }
    peer = listener.peer(request.channel.transport, "longpoll", headers)
    return structs.replace(peer, message_limit_bytes=min(peer.message_limit_bytes, MAX_BODY_BYTES))


def _nowhere(data: bytes) -> None:
    """Nothing is written to a wire: the client fetches it."""
