"""
From settings to a joined session, and what keeps a command running over it.

Rules of this file:

- Autobahn's client protocols are used as they are; the classes here tell of what Autobahn keeps to
  itself: why a connection ended before it was one, and when the peer reads too slowly.
- One session at a time. A command that lives longer than its session asks for another.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Callable, Coroutine
from typing import Any, Final

import txaio
from autobahn.asyncio.rawsocket import WampRawSocketClientFactory, WampRawSocketClientProtocol
from autobahn.asyncio.websocket import WampWebSocketClientFactory, WampWebSocketClientProtocol

from router.client.failures import NotConnected, UsageError
from router.client.session import Session
from router.client.settings import Settings, Tls
from router.client.wire import serializer

MESSAGE_LIMIT_BYTES: Final = 64 * 1024 * 1024
LEAVE_SECONDS: Final = 2.0
HEARTBEAT_SECONDS: Final = 20.0

# Autobahn logs to the console by itself unless it is told otherwise.
txaio.set_global_log_level("critical")


class _Flow:
    """Whether the peer reads; what is sent meanwhile waits for ``drained``."""

    def pause_writing(self) -> None:
        """The transport's buffer is full (asyncio)."""
        self.factory.flowing.clear()  # type: ignore[attr-defined]

    def resume_writing(self) -> None:
        """The transport's buffer has room again (asyncio)."""
        self.factory.flowing.set()  # type: ignore[attr-defined]


class _WebSocket(_Flow, WampWebSocketClientProtocol):  # type: ignore[misc]
    def onConnect(self, response: Any) -> None:
        self.factory.on_headers(response.headers)
        super().onConnect(response)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        super().onClose(wasClean, code, reason)
        self.factory.on_gone(reason or "the connection was closed")


class _RawSocket(_Flow, WampRawSocketClientProtocol):  # type: ignore[misc]
    _session: Any = None
    problem = ""

    def protocol_error(self, msg: str) -> None:
        self.problem = msg
        self.transport.close()

    def ping(self, data: bytes) -> None:
        """Answer a PING, which Autobahn does not (WAMP AP 'RawSocket Transport')."""
        self.transport.write(struct.pack("!L", 2 << 24 | len(data)) + data)

    def pong(self, data: bytes) -> None:
        """Ignore what was not asked for."""

    def _on_connection_lost(self, exc: Exception | None) -> None:
        if self._session is not None:
            super()._on_connection_lost(exc)
        self.factory.on_gone(self.problem or (str(exc) if exc else "the connection was closed"))


class Connection:
    """
    A session and its transport.

    :ivar session: None until the transport is open
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.session: Session | None = None
        self.flowing = asyncio.Event()
        self.flowing.set()
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[Session] = loop.create_future()
        self._gone: asyncio.Future[None] = loop.create_future()
        self._octets: asyncio.BaseTransport | None = None

    async def join(self) -> Session:
        """
        Connect and join.

        Raises:
            NotConnected, NotJoined: it did not work, and why.
            UsageError: a certificate can't be read.
        """
        tls = tls_context(self.settings.tls) if self.settings.address.is_secure else None
        try:
            async with asyncio.timeout(self.settings.connect_seconds):
                await self._connect(self._factory(), tls)
                session = await self._opened
                await session.joined
                return session
        except TimeoutError:
            seconds = self.settings.connect_seconds
            raise NotConnected(f"{self.place} did not let this client in within {seconds:g} s") from None

    async def drained(self) -> None:
        """Wait until the peer has read enough of what was sent."""
        await self.flowing.wait()

    async def close(self) -> None:
        """Leave politely where the router answers, and let nothing be open afterwards."""
        if self._octets is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                if self.session is not None:
                    await asyncio.shield(self.session.leave())
                    await asyncio.shield(self._gone)
        if not self._gone.done():
            self._octets.abort()  # type: ignore[attr-defined]  # each of asyncio's transports has it
            await self._gone

    async def _connect(self, factory: Any, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        place = self.settings.address
        try:
            if place.socket:
                self._octets, _ = await loop.create_unix_connection(factory, place.socket)
            else:
                self._octets, _ = await loop.create_connection(factory, place.host, place.port, ssl=tls)
        except ssl.SSLCertVerificationError as error:
            raise NotConnected(
                f"{self.place}: its certificate is not trusted: {error.verify_message}"
            ) from None
        except OSError as error:
            raise NotConnected(f"{self.place}: {_text(error)}") from None

    @property
    def place(self) -> str:
        """Where this connection goes, for people."""
        to = self.settings.address
        if to.socket:
            return f"{'ws+unix' if to.is_websocket else 'unix'}:{to.socket}"
        return to.url or f"{'rss' if to.is_secure else 'rs'}://{to.host}:{to.port}"

    def _new_session(self) -> Session:
        self.session = Session(self.settings.realm, self.settings.method(), dict(self.settings.details))
        self._opened.set_result(self.session)
        return self.session

    def _on_gone(self, reason: str) -> None:
        if not self._opened.done():
            self._opened.set_exception(NotConnected(f"{self.place}: {reason}"))
            self._opened.exception()  # nobody may be waiting for it any more
        if not self._gone.done():
            self._gone.set_result(None)

    def _factory(self) -> Any:
        make = self._websocket if self.settings.address.is_websocket else self._rawsocket
        factory = make(serializer(self.settings.serializer))
        factory.flowing = self.flowing
        factory.on_gone = self._on_gone
        return factory

    def _websocket(self, codec: Any) -> Any:
        from router.client.cookies import Jar

        jar = Jar(self.settings.cookie_file, self.settings.address)
        factory = WampWebSocketClientFactory(
            self._new_session,
            url=self.settings.address.url,
            serializers=[codec],
            headers={**jar.headers(), **self.settings.headers},
            loop=asyncio.get_running_loop(),
        )
        factory.protocol = _WebSocket
        factory.on_headers = jar.take
        factory.setProtocolOptions(
            maxFramePayloadSize=MESSAGE_LIMIT_BYTES,
            maxMessagePayloadSize=MESSAGE_LIMIT_BYTES,
            openHandshakeTimeout=self.settings.connect_seconds,
            closeHandshakeTimeout=1,
            autoPingInterval=HEARTBEAT_SECONDS,
            autoPingTimeout=HEARTBEAT_SECONDS,
            tcpNoDelay=True,
        )
        return factory

    def _rawsocket(self, codec: Any) -> Any:
        factory = WampRawSocketClientFactory(self._new_session, serializer=codec)
        factory.protocol = _RawSocket
        return factory


def _text(error: OSError) -> str:
    """Give what an OSError means, without what asyncio writes around it."""
    if error.errno is not None and error.errno > 0 and not isinstance(error, socket.gaierror | ssl.SSLError):
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__


def tls_context(tls: Tls) -> ssl.SSLContext:
    """
    Make what a TLS connection is made with.

    Raises:
        UsageError: a file can't be read, or is no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=str(tls.ca) if tls.ca else None)
        if tls.is_unchecked:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.certificate:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(file) for file in (tls.ca, tls.certificate, tls.key) if file)
        raise UsageError(f"TLS: {files} can't be used: {_text(error)}") from None
    return context


Work = Callable[[Connection, Session], Coroutine[Any, Any, int]]


async def attend(settings: Settings, work: Work) -> int:
    """
    Join, do ``work``, leave; give what ``work`` gives.

    Raises:
        NotConnected: the session ended before the work did.
    """
    connection = Connection(settings)
    try:
        session = await connection.join()
        return await _done(asyncio.ensure_future(work(connection, session)), session)
    finally:
        await connection.close()


async def _done(task: "asyncio.Future[int]", session: Session) -> int:
    """Wait for the end of the work or of the session; the work is canceled then."""
    both: list[asyncio.Future[Any]] = [task, session.ended]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            # What has come already is dealt with before the end is.
            await asyncio.sleep(0)
        if not task.done():
            raise NotConnected(session.ended.result())
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
