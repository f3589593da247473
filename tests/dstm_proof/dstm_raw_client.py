"""
A WAMP client on a bare socket, for asyncio: RawSocket with JSON, requests and events, and a way to vanish.

Rules of this file:

- ``cut`` resets the connection in the middle of whatever is under way; a WAMP library would say goodbye.
- Every request ends: by an answer, by ``Cut``, or after ``PATIENCE`` seconds by ``NoAnswer``.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

import msgspec

PATIENCE = 30
_ROLES = {"caller": {}, "subscriber": {}}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Cut(Exception):
    """The connection is gone; whether a request was heard is unknown."""


class NoAnswer(Exception):
    """The router left a request without an answer."""


class CallFailed(Exception):
    """The answer is an ERROR."""

    def __init__(self, uri: str, args: list[Any], details: dict[str, Any]) -> None:
        super().__init__(uri, args)
        self.uri = uri
        self.details = details


class RawClient:
    """
    One session; ``on_event(args, kwargs)`` gets the events of all its subscriptions, ``on_gone`` the end.

    :ivar is_gone: nothing comes any more
    """

    def __init__(
        self,
        on_event: Callable[[list[Any], dict[str, Any]], None],
        on_gone: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_event = on_event
        self._on_gone = on_gone
        self._requests: dict[int, asyncio.Future[Any]] = {}
        self._count = 0
        self.is_gone = False

    async def join(self, port: int, realm: str = "realm1") -> None:
        """Connect and join. Raises: Cut."""
        try:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError as error:
            raise Cut(str(error)) from error
        try:
            self._writer.write(bytes((0x7F, 0xF1, 0, 0)))
            answer = await self._reader.readexactly(4)
            assert (answer[0], answer[1] & 15) == (0x7F, 1), answer
            self._send([1, realm, {"roles": _ROLES}])
            welcome = await asyncio.wait_for(self._receive(), PATIENCE)
        except BaseException as error:
            self._writer.transport.abort()
            if isinstance(error, OSError | EOFError):
                raise Cut(str(error)) from error
            raise
        assert welcome[0] == 2, welcome
        self._task = asyncio.ensure_future(self._read())

    async def call(self, procedure: str, *args: Any, **kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
        """Call a procedure. Raises: CallFailed, Cut, NoAnswer."""
        answer = await self._request(48, {}, procedure, list(args), kwargs)
        return (answer[3] if len(answer) > 3 else []), (answer[4] if len(answer) > 4 else {})

    async def subscribe(self, topic: str) -> None:
        await self._request(32, {}, topic)

    async def _request(self, code: int, *rest: Any) -> Any:
        if self.is_gone:
            raise Cut("before the request")
        self._count += 1
        future = self._requests[self._count] = asyncio.get_running_loop().create_future()
        self._send([code, self._count, *rest])
        try:
            return await asyncio.wait_for(future, PATIENCE)
        except TimeoutError as error:
            raise NoAnswer(f"{rest[1]} within {PATIENCE} s") from error

    def _send(self, message: list[Any]) -> None:
        data = _encode(message)
        self._writer.write(len(data).to_bytes(4, "big") + data)

    async def _receive(self) -> Any:
        header = await self._reader.readexactly(4)
        return _decode(await self._reader.readexactly(int.from_bytes(header, "big")))

    async def _read(self) -> None:
        try:
            while True:
                self._dispatch(await self._receive())
        except (OSError, EOFError) as error:
            self._end(Cut(str(error)))
        finally:
            self._writer.transport.abort()

    def _dispatch(self, message: Any) -> None:
        if message[0] == 36:  # EVENT
            self._on_event(message[4] if len(message) > 4 else [], message[5] if len(message) > 5 else {})
        elif message[0] in (50, 33):  # RESULT, SUBSCRIBED
            self._answer(message[1]).set_result(message)
        elif message[0] == 8:  # ERROR
            error = CallFailed(
                message[4],
                message[5] if len(message) > 5 else [],
                message[6] if len(message) > 6 else {},
            )
            self._answer(message[2]).set_exception(error)
        else:  # GOODBYE, ABORT: the end follows
            self._writer.close()

    def _answer(self, request: int) -> "asyncio.Future[Any]":
        future = self._requests.pop(request)
        return future if not future.done() else asyncio.get_running_loop().create_future()

    def _end(self, error: Exception) -> None:
        self.is_gone = True
        self._on_gone()
        for future in self._requests.values():
            if not future.done():
                future.set_exception(error)
        self._requests.clear()

    def cut(self) -> None:
        """Vanish without a FIN; what is not yet sent or read is lost."""
        self._end(Cut("on purpose"))
        if not self._writer.transport.is_closing():
            raw = self._writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()

    async def close(self) -> None:
        """End the reading task, whatever its state."""
        self.cut()
        await asyncio.wait([self._task], timeout=PATIENCE)
