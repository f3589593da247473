"""
Clients inside this process that speak WAMP themselves: what stands behind a HTTP request or a webhook.

Rules of this file:

- Such a client is a peer like any other: its messages cross as JSON bytes through ``Connection``, so that
  authentication, authorization, limits and the log are the same.
- What the router sends is handed over when the turn is flushed, in order. What the client sends is taken at
  once, or, while nothing is to be read from it, waits here.
- A client has one session, and is told once that it is over, be it that it never began.
"""

from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from msgspec import Raw, Struct

from router.routing.handshake import Entrance, Peer
from router.transport.connection import Connection
from router.transport.framing import CHANNELS
from router.transport.outbox import Outbox, Turn
from router.wamp import uris
from router.wamp.messages import Abort, Authenticate, Challenge, Goodbye, Hello, Welcome
from router.wamp.serializers import JSON

ROLES: Final[dict[str, Any]] = {
    "caller": {
        "features": {
            "call_canceling": True,
            "call_timeout": True,
            "caller_identification": True,
            "payload_passthru_mode": True,
            "progressive_call_results": True,
        }
    },
    "publisher": {
        "features": {
            "payload_passthru_mode": True,
            "publisher_exclusion": True,
            "publisher_identification": True,
            "subscriber_blackwhite_listing": True,
        }
    },
    "subscriber": {
        "features": {
            "event_history": True,
            "pattern_based_subscription": True,
            "payload_passthru_mode": True,
            "publisher_identification": True,
            "subscription_revocation": True,
        }
    },
}

_elements: Final = msgspec.json.Decoder(list[Raw]).decode
_value: Final = msgspec.json.Decoder().decode
encode: Final = msgspec.json.Encoder().encode


class Credential(Struct, frozen=True, kw_only=True):
    """
    How a client joins: as whom, and what it answers when it is challenged.

    :ivar authmethods: the methods that it offers, the first that fits is taken
    """

    authmethods: tuple[str, ...] = ("anonymous",)
    authid: str | None = None
    signature: str = ""
    extra: dict[str, Any] = {}


class Client(Protocol):
    """Who has the session."""

    def joined(self) -> None:
        """The session is open."""

    def received(self, code: int, fields: list[Raw]) -> None:
        """A message came that is none of the handshake's; ``fields`` is its wire array, in JSON."""

    def ended(self, reason: str, text: str) -> None:
        """It is over, or was refused: ``reason`` is a URI, ``text`` for people and may be empty."""


class InsideOutbox(Outbox):
    """An outbox that hands its messages to a client."""

    __slots__ = ()

    def flush(self, now: float) -> None:
        messages, self.frames = self.frames, []
        carrier: Any = self._carrier
        for message in messages:
            carrier.hand_over(message)


class StreamOutbox(Outbox):
    """
    An outbox whose client makes other bytes of each message, which go to a slow peer somewhere.

    The client appends to ``InsideConnection.sink``; the bounds are those of every outbox.
    """

    __slots__ = ()

    def flush(self, now: float) -> None:
        messages, self.frames = self.frames, []
        carrier: Any = self._carrier
        for message in messages:
            carrier.hand_over(message)
        still: Any = self._carrier
        if carrier is still:
            self.pour(carrier.sink, now)

    def pour(self, sink: list[bytes], now: float) -> None:
        """Write what the client has made, or hold it while the peer takes no more."""
        if not sink:
            return
        messages, self.frames = self.frames, list(sink)
        sink.clear()
        super().flush(now)
        self.frames.extend(messages)

    def finish(self) -> None:
        carrier: Any = self._carrier
        self.flush_now()
        self.pour(carrier.sink, self._turn.now())
        super().finish()


class InsideConnection:
    """
    The connection of one client (a ``Carrier``).

    :ivar sink: bytes for the write of a ``StreamOutbox``, made while messages are handed over
    :ivar dropped: whether the router gave the peer up, as one that reads too slowly
    """

    def __init__(
        self,
        client: Client,
        peer: Peer,
        entrance: Entrance,
        turn: Turn,
        counters: Counter[str],
        write: Callable[[bytes], object] | None = None,
    ) -> None:
        """With ``write``, what the client puts into ``sink`` goes there, bounded by the realm's rules."""
        self.client = client
        self.sink: list[bytes] = []
        self._turn = turn
        self.dropped = False
        self._open = True
        self._paused = False
        self._unread: deque[bytes] = deque()
        self._end = ("", "")  # reason and text, once the router has told them
        self._credential = Credential()
        self.connection = Connection(peer, JSON, self, entrance, turn, counters, _ignore_state)
        kind: type[Outbox] = InsideOutbox if write is None else StreamOutbox
        out = _nowhere if write is None else write
        self.outbox = kind(turn, CHANNELS["message", "json"], self, out, self.connection)
        self.connection.outbox = self.outbox

    def join(self, realm: str, credential: Credential) -> None:
        """Ask for the session."""
        self._credential = credential
        details: dict[str, Any] = {"roles": ROLES, "authmethods": credential.authmethods}
        if credential.authid is not None:
            details["authid"] = credential.authid
        self.send([Hello.CODE, realm, details])

    def send(self, wire: list[Any]) -> None:
        """Send a wire array; ``Raw`` in it is JSON."""
        if self._paused:
            self._unread.append(encode(wire))
        elif self._open:
            self.connection.receive(encode(wire), self._turn.now())

    def say(self, data: bytes) -> None:
        """Write ``data`` behind what there is, where the peer takes anything."""
        if self._open and not self.outbox.blocked and isinstance(self.outbox, StreamOutbox):
            self.outbox.pour([data], self._turn.now())

    def leave(self, reason: str = uris.NORMAL) -> None:
        """End the session from the client's side, once it has got what there is."""
        if self._open:
            self.outbox.finish()
            self._lose(reason)

    def expire(self) -> None:
        """The session was not opened in time."""
        self.connection.expired()

    def hand_over(self, data: bytes) -> None:
        """Take a message from the router."""
        if not self._open:
            return
        fields = _elements(data)
        code = int(bytes(fields[0]))
        if code == Welcome.CODE:
            self.client.joined()
        elif code == Challenge.CODE:
            self.send([Authenticate.CODE, self._credential.signature, self._credential.extra])
        elif code in (Abort.CODE, Goodbye.CODE):
            self._router_ends(code, _value(fields[1]), _value(fields[2]))
        else:
            self.client.received(code, fields)

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        while self._unread and not self._paused and self._open:
            self.connection.receive(self._unread.popleft(), self._turn.now())

    def close(self, reason: str) -> None:
        """The router ends the connection (``Carrier``)."""
        if self._open:
            self.outbox.finish()  # what it hands over may end the connection by itself
            self._lose(reason)

    def abort(self) -> None:
        """The router drops the connection (``Carrier``)."""
        self.dropped = True
        self._end = (uris.UNAVAILABLE, "dropped by the router")
        self._lose("dropped by the router")

    def _router_ends(self, code: int, details: dict[str, Any], reason: str) -> None:
        self._end = (reason, str(details.get("message", "")))
        if code == Goodbye.CODE:
            self.connection.receive(encode([Goodbye.CODE, {}, uris.GOODBYE_AND_OUT]), self._turn.now())

    def _lose(self, reason: str) -> None:
        if self._open:
            self._open = False
            self._unread.clear()
            self.connection.lost(reason)
            self.client.ended(*(self._end if self._end[0] else (reason, "")))


def _ignore_state(carrier: Any, state: Any) -> None:
    """Such a client is neither late nor silent."""


def _nowhere(data: bytes) -> None:
    """Nothing is written to a wire."""
