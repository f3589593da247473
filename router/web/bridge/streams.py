"""
Answers as server-sent events: the progress of a call, the events of topics.

Rules of this file:

- Each stream has a session of its own, which ends with it: its outbox is what bounds a client that reads
  slowly, by the realm's ``slow_consumer`` like every other.
- The status is sent with the first thing that there is to tell, so that a refusal has one of its own; what
  goes wrong later is an event ``error`` or ``closed``, and the end.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from router.transport.inside import InsideConnection
from router.wamp.messages import Error, Result
from router.web.bridge.answers import (
    error_body,
    headers_of,
    refusal,
    result_body,
    server_sent,
    status_of,
)
from router.web.bridge.exchange import Exchange
from router.web.bridge.sessions import Connect, Later

HEARTBEAT: Final = b":\n\n"


class Details(Struct):
    """What a stream reads in RESULT.Details and EVENT.Details."""

    progress: bool = False
    topic: str = ""


details_of: Final = msgspec.json.Decoder(Details).decode


class Times(Struct, frozen=True):
    """What a stream waits for, and how long."""

    handshake_ms: int
    heartbeat_ms: int


class Stream:
    """What is common to both: the answer, its heartbeat, its end."""

    def __init__(self, exchange: Exchange, connect: Connect, later: Later, times: Times) -> None:
        self.on_end: Callable[[Stream], object] = _nothing
        self._exchange = exchange
        self._later = later
        self._times = times
        self._is_complete = False
        self.connection: InsideConnection = connect(self, self.write)
        self._late = later(times.handshake_ms / 1000, self.connection.expire)
        self._timer = later(times.heartbeat_ms / 1000, self._beat)
        exchange.on_gone = self.connection.leave

    def joined(self) -> None:
        """Ask the router for what the stream is to tell."""
        raise NotImplementedError

    def ended(self, reason: str, text: str) -> None:
        for timer in (self._late, self._timer):
            if timer.active():
                timer.cancel()
        self.on_end(self)
        exchange = self._exchange
        if self.connection.dropped:
            exchange.abort()
        elif not exchange.is_streaming:
            exchange.fail(reason, text)
        else:
            if not self._is_complete:
                exchange.write(server_sent(refusal(reason, text), "closed"))
            exchange.end_stream()

    def write(self, data: bytes) -> None:
        """Send bytes of the stream: what its outbox writes to."""
        self._begin()
        self._exchange.write(data)

    def _begin(self) -> None:
        if not self._exchange.is_streaming and not self._exchange.is_over:
            self._exchange.stream(self.connection.outbox, self._times.heartbeat_ms)

    def _tell(self, data: bytes, event: str = "", event_id: str = "") -> None:
        self.connection.sink.append(server_sent(data, event, event_id))

    def _refused(self, fields: list[Raw]) -> None:
        """An ERROR ends the stream: ``[ERROR, request_type, request, details, error, args?, kwargs?]``."""
        error = msgspec.json.decode(fields[4], type=str)
        body = error_body(error, fields[5:])
        if self._exchange.is_streaming or self.connection.sink:
            self._complete(body, "error")
        else:
            status = status_of(error)
            self._exchange.answer(status, body, headers_of(status))
            self.connection.leave()

    def _complete(self, body: bytes, event: str) -> None:
        self._tell(body, event)
        self._is_complete = True
        self.connection.leave()

    def _beat(self) -> None:
        self._timer = self._later(self._times.heartbeat_ms / 1000, self._beat)
        if self.is_beating():
            self.connection.say(HEARTBEAT)

    def is_beating(self) -> bool:
        """Tell whether the client is to get a sign of life now."""
        raise NotImplementedError


class CallStream(Stream):
    """A call: events ``progress``, then ``result`` or ``error``."""

    def __init__(
        self, wire: list[Any], exchange: Exchange, connect: Connect, later: Later, times: Times
    ) -> None:
        super().__init__(exchange, connect, later, times)
        self._wire = wire

    def joined(self) -> None:
        self.connection.send(self._wire)

    def received(self, code: int, fields: list[Raw]) -> None:
        if code == Error.CODE:
            self._refused(fields)
        elif code == Result.CODE:
            body = result_body(fields[2], fields[3:])
            if details_of(fields[2]).progress:
                self._tell(body, "progress")
            else:
                self._complete(body, "result")

    def is_beating(self) -> bool:
        return True


def _nothing(stream: Stream) -> None:
    """Nobody has to know."""
