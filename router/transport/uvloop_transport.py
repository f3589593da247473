"""
A uvloop connection, seen as a Twisted transport.

Rules of this file:

- One object per connection. It is uvloop's protocol and the Twisted protocol's transport at once, with
  ``__slots__``: ten thousand idle connections must stay cheap (decision 0003 has the numbers).
- No Python frame between uvloop and the application on the hot path: ``data_received`` *is* the Twisted
  protocol's ``dataReceived`` and ``write`` *is* uvloop's ``write``. uvloop looks ``data_received`` up only in
  ``set_protocol``, so whoever rebinds it calls ``_bind_reading``. A protocol that replaces its own
  ``dataReceived`` later assigns ``transport.protocol`` again.
- Observable behaviour is that of Twisted's own sockets: ``connectionLost`` exactly once, unsent data flushed
  on ``loseConnection`` and discarded when the peer closes. Two differences: log lines written in
  ``dataReceived`` carry no connection prefix, and neither STARTTLS nor passing file descriptors over UNIX
  sockets is offered.
"""

# Failure carries no annotations.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    ILoggingContext,
    IPushProducer,
    ISystemHandle,
    ITransport,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

if TYPE_CHECKING:
    from router.transport.uvloop_reactor import UvloopPort

_log = Logger()
_DONE = Failure(ConnectionDone())


def _ignore(data: bytes) -> None:
    """Drop what is written or received after the connection has ended."""


@implementer(ITransport, IConsumer, IPushProducer, ILoggingContext, ISystemHandle)
class UvloopTransport:
    """
    What TCP and UNIX connections share.

    ``connected``, ``disconnecting`` and ``disconnected`` mean what they mean on Twisted's sockets.
    ``write(data)`` takes bytes, never blocks, and is ignored once the connection is closing.
    """

    __slots__ = (
        "_gated",
        "_half_closing",
        "_held",
        "_paused",
        "_peer",
        "_port",
        "_producer",
        "_protocol",
        "_pull_due",
        "_pull_limits",
        "_read_eof",
        "_reason",
        "_streaming",
        "_unsent",
        "_uv",
        "_writable",
        "connected",
        "data_received",
        "disconnected",
        "disconnecting",
        "write",
    )

    TLS = False

    _uv: asyncio.Transport
    _peer: Any
    data_received: Callable[[bytes], object]
    write: Callable[[bytes], object]

    def __init__(self, port: UvloopPort) -> None:
        self._port = port
        self._protocol: Any = None
        self._producer: Any = None
        self._reason: Failure | None = None  # of the coming connectionLost, when we caused it
        self._pull_limits: tuple[int, int] | None = (
            None  # to restore; set while a pull producer is registered
        )
        self._held: bytes | None = None
        self._gated = self._paused = self._read_eof = False
        self._streaming = self._unsent = self._pull_due = self._half_closing = False
        self._writable = True
        self.connected = self.disconnecting = self.disconnected = False
        self.data_received = self.write = _ignore

    # asyncio.Protocol: what uvloop calls

    def connection_made(self, uv: asyncio.Transport) -> None:
        """Build the Twisted protocol and connect it; a factory that answers None closes the connection."""
        self._uv = uv
        try:
            self._peer = self._find_peer()
            protocol = None if self._peer is None else self._port.factory.buildProtocol(self._peer)
            if protocol is None:
                uv.abort()
                return
            self.connected = True
            self.write = uv.write
            self.protocol = protocol
            self._port.reactor.connections.add(self)
            protocol.makeConnection(self)
        except Exception:
            self._fail()
        else:
            self._hold_back_if_paused()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._end(self._reason_for(exc))

    def eof_received(self) -> bool:
        """Close, unless the protocol wants to know about half-closed connections."""
        if self._paused:
            return True  # uvloop reads the end again when reading resumes
        half_closeable: Any = IHalfCloseableProtocol(self._protocol, None)
        if half_closeable is None:
            self._uv.abort()
            return False
        self._read_eof = True
        half_closeable.readConnectionLost()
        return True

    def pause_writing(self) -> None:
        self._unsent = True
        if self._streaming:
            self._producer.pauseProducing()

    def resume_writing(self) -> None:
        self._unsent = False
        self._close_writing()
        self._resume_producer()

    # ITransport

    @property
    def protocol(self) -> Any:
        """The Twisted protocol; assign another one to hand the connection over to it."""
        return self._protocol

    @protocol.setter
    def protocol(self, protocol: Any) -> None:
        self._protocol = protocol
        if self.connected and not self._gated:
            self._bind_reading(protocol.dataReceived)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        self.write(b"".join(iovec))

    def loseConnection(self) -> None:
        """
        Stop reading; close when everything written has been sent.

        A registered pull producer is finished first. A streaming one may write until the buffer is empty.
        """
        if not self.connected or self.disconnecting:
            return
        self.disconnecting = True
        self._uv.pause_reading()
        if self._pull_limits is None:
            self._close()

    def abortConnection(self) -> None:
        """Close now, dropping what was not sent; the peer of a TCP connection sees a reset."""
        if self.connected:
            self._reset_on_close()
            self._abort(Failure(ConnectionAborted()))

    def loseWriteConnection(self) -> None:
        """Close our half when everything written has been sent, then tell an ``IHalfCloseableProtocol``."""
        if not self.connected or self.disconnecting or not self._writable:
            return
        self._writable = False
        self._half_closing = True
        self.write = _ignore
        self._uv.set_write_buffer_limits(high=0)  # so that resume_writing means: all sent
        if not self._uv.get_write_buffer_size():
            self._port.call_soon(self._close_writing)

    def getPeer(self) -> Any:
        return self._peer

    def getHost(self) -> Any:
        raise NotImplementedError

    def getHandle(self) -> Any:
        """A socket-like object for getsockopt and setsockopt; None when the connection is gone."""
        return self._uv.get_extra_info("socket") if self.connected else None

    def get_write_buffer_size(self) -> int:
        """Number of bytes written and not yet accepted by the kernel."""
        return self._uv.get_write_buffer_size()

    def logPrefix(self) -> str:
        logged = self._port.factory if self._protocol is None else self._protocol
        if ILoggingContext.providedBy(logged):
            return str(logged.logPrefix())
        return type(logged).__name__

    # IConsumer

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Let the unsent bytes drive ``producer``: a streaming one pauses above 64 KiB until all is sent.

        Raises:
            RuntimeError: another producer is registered.
        """
        if self._producer is not None:
            raise RuntimeError(
                f"cannot register producer {producer!r}: {self._producer!r} was never unregistered"
            )
        if self.disconnected:
            producer.stopProducing()
            return
        self._producer = producer
        self._streaming = streaming
        if not streaming:
            self._start_pulling()
        elif self._unsent:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        self._producer = None
        self._streaming = False
        if self._pull_limits is not None:
            self._stop_pulling()
        if self.connected and self.disconnecting:
            self._close()

    # IPushProducer: the reading side

    def pauseProducing(self) -> None:
        self._paused = True
        if self.connected:
            self._uv.pause_reading()

    def resumeProducing(self) -> None:
        self._paused = False
        if not self.connected or self.disconnecting or self._read_eof:
            return
        if self._held is not None:
            self._port.call_soon(self._release)
            return
        if self._gated:
            self._open_gate()
        self._uv.resume_reading()

    def stopProducing(self) -> None:
        self.loseConnection()

    # How connections end

    def connectionLost(self, reason: Failure) -> None:
        """End the connection at once, with ``reason``: the reactor stops."""
        self._end(reason)
        self._uv.abort()

    def _end(self, reason: Failure) -> None:
        """Tell the producer and the protocol, once."""
        if self.disconnected:
            return
        self.connected = False
        self.disconnected = True
        self.write = self.data_received = _ignore
        self._port.reactor.connections.discard(self)
        producer, self._producer = self._producer, None
        protocol, self._protocol = self._protocol, None
        self._held = None
        self._streaming = False
        try:
            if producer is not None:
                producer.stopProducing()
        finally:
            if protocol is not None:
                protocol.connectionLost(reason)

    def _reason_for(self, exc: BaseException | None) -> Failure:
        if self._reason is not None:
            return self._reason
        if exc is None:
            return _DONE
        if not isinstance(exc, OSError):
            return Failure(exc)  # logged by the reactor, which uvloop told
        if exc.__traceback__ is not None:  # raised by the application; uvloop's own were never raised
            failure = Failure(exc)
            _log.failure("Unhandled error in {where}", failure=failure, where=self.logPrefix())
            return failure
        lost: Any = ConnectionLost(str(exc))
        lost.osError = exc.errno
        return Failure(lost)

    def _fail(self) -> None:
        """Log the exception being handled and lose the connection, with it as the reason."""
        failure = Failure()
        _log.failure("Unhandled error in {where}", failure=failure, where=self.logPrefix())
        self._abort(failure)

    def _abort(self, reason: Failure) -> None:
        if self._reason is None:
            self._reason = reason
            self.write = _ignore
            self._uv.abort()

    def _close(self) -> None:
        if not self._streaming:
            self.write = _ignore
        self._uv.close()

    def _close_writing(self) -> None:
        if not self._half_closing or not self.connected or self.disconnecting:
            return
        self._half_closing = False
        self._uv.write_eof()
        half_closeable: Any = IHalfCloseableProtocol(self._protocol, None)
        if half_closeable is not None:
            try:
                half_closeable.writeConnectionLost()
            except Exception:
                self._fail()

    def _resume_producer(self) -> None:
        if self._producer is not None:
            try:
                self._producer.resumeProducing()
            except Exception:
                self._fail()

    def _reset_on_close(self) -> None:
        """Make the coming close drop what the kernel has not sent."""

    # A pull producer: one resumeProducing for each time that all of its bytes are sent

    def _start_pulling(self) -> None:
        low, high = self._uv.get_write_buffer_limits()
        self._pull_limits = high, low
        self._uv.set_write_buffer_limits(high=0)
        if self.write is not _ignore:
            self.write = self._write_pulled
        self._producer.resumeProducing()

    def _stop_pulling(self) -> None:
        limits, self._pull_limits = self._pull_limits, None
        if self.connected and limits is not None and not self._half_closing:
            self._uv.set_write_buffer_limits(*limits)
            self.write = _ignore if self.write is _ignore else self._uv.write

    def _write_pulled(self, data: bytes) -> None:
        self._uv.write(data)
        if not self._unsent and not self._pull_due:  # all sent: resume_writing will not come
            self._pull_due = True
            self._port.call_soon(self._pull)

    def _pull(self) -> None:
        self._pull_due = False
        if not self._unsent and self._pull_limits is not None:
            self._resume_producer()

    # Pausing inside connectionMade: uvloop starts to read when connection_made returns, come what may.

    def _hold_back_if_paused(self) -> None:
        if self._paused and self.connected:
            self._gated = True
            self._bind_reading(self._hold)

    def _hold(self, data: bytes) -> None:
        self._held = data
        self._uv.pause_reading()

    def _release(self) -> None:
        if self._held is None or self._paused or not self.connected or self.disconnecting:
            return
        data, self._held = self._held, None
        self._open_gate()
        try:
            self._protocol.dataReceived(data)
        except Exception:
            self._fail()
        else:
            if not self._paused:
                self.resumeProducing()

    def _open_gate(self) -> None:
        self._gated = False
        self._bind_reading(self._protocol.dataReceived)

    def _bind_reading(self, receive: Callable[[bytes], object]) -> None:
        self.data_received = receive
        self._uv.set_protocol(self)  # type: ignore[arg-type]  # one by shape, not by inheritance

    def _find_peer(self) -> Any:
        raise NotImplementedError
