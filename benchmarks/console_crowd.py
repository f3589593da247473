"""A crowd in a realm: many light sessions, with what they register and subscribe, and a large space.

Rules of this file: a session is a RawSocket connection that speaks JSON, kept in one asyncio process; answers
are read and, but for errors, forgotten. Whatever is refused ends the run.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import struct
from typing import Any

RAWSOCKET_JSON = b"\x7f\xf1\x00\x00"
AT_ONCE = 200  # sessions that join at the same time
KEYS_AT_ONCE = 2_000
CHANGES_PER_S = 20  # of each kind


class Light(asyncio.Protocol):
    """One session; ``call`` waits for the answer."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._request = itertools.count(1)
        self._answers: dict[int | str, asyncio.Future[Any]] = {}
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def join(cls, port: int) -> Light:
        """Connect, and join ``realm1`` without any proof."""
        _, light = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        await light._wait("handshake")
        light._send([1, "realm1", {"roles": {"caller": {}, "callee": {}, "subscriber": {}}}])
        await light._wait("welcome")
        return light

    async def register(self, uri: str) -> None:
        await self._ask(64, {}, uri)

    async def subscribe(self, uri: str) -> None:
        await self._ask(32, {}, uri)

    async def call(self, uri: str, *args: Any, **kwargs: Any) -> None:
        await self._ask(48, {}, uri, args, kwargs)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    async def _ask(self, code: int, *rest: Any) -> None:
        request = next(self._request)
        self._send([code, request, *rest])
        await self._wait(request)

    async def _wait(self, request: int | str) -> None:
        future = asyncio.get_running_loop().create_future()
        self._answers[request] = future
        await future

    def _send(self, message: list[Any]) -> None:
        assert self._transport is not None
        body = json.dumps(message).encode()
        self._transport.write(struct.pack(">I", len(body)) + body)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(RAWSOCKET_JSON)

    def connection_lost(self, exc: Exception | None) -> None:
        for future in self._answers.values():
            if not future.done():
                future.set_exception(RuntimeError("the connection was lost"))

    def data_received(self, data: bytes) -> None:
        self._data += data
        if "handshake" in self._answers and len(self._data) >= 4:
            del self._data[:4]
            self._answered("handshake")
        while len(self._data) >= 4:
            (size,) = struct.unpack_from(">I", self._data)
            if len(self._data) < 4 + size:
                return
            message = json.loads(self._data[4 : 4 + size])
            del self._data[: 4 + size]
            self._take(message)

    def _take(self, message: list[Any]) -> None:
        code = message[0]
        if code in (3, 8):  # ABORT, ERROR
            raise RuntimeError(f"refused: {message}")
        request = "welcome" if code == 2 else message[1]
        self._answered(request)

    def _answered(self, request: int | str) -> None:
        future = self._answers.pop(request, None)
        if future and not future.done():  # nobody waits for it when the changes are stopped
            future.set_result(None)


class Crowd:
    """The sessions, and what changes among them until ``stop``."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sessions: list[Light] = []
        self._changing: list[asyncio.Task[None]] = []

    async def gather(self, count: int) -> None:
        """Join ``count`` sessions, each with a registration and a subscription of its own."""
        for first in range(0, count, AT_ONCE):
            numbers = range(first, min(count, first + AT_ONCE))
            self._sessions += await asyncio.gather(*(self._one(number) for number in numbers))

    async def fill(self, space: str, keys: int) -> None:
        """Make ``keys`` members in the space, all in one object."""
        writer = self._sessions[0]
        await writer.call(f"dstm.{space}.put", "/all", {})
        for first in range(0, keys, KEYS_AT_ONCE):
            members = {
                f"key {number:06}": value(number) for number in range(first, min(keys, first + KEYS_AT_ONCE))
            }
            await writer.call(f"dstm.{space}.patch", "/all", members)

    def change(self, space: str, keys: int) -> None:
        """Let sessions come and go, procedures and topics with them, and values of the space change."""
        self._changing = [
            asyncio.create_task(self._come_and_go()),
            asyncio.create_task(self._write(space, keys)),
        ]

    async def stop(self) -> None:
        for task in self._changing:
            task.cancel()
        ended = await asyncio.gather(*self._changing, return_exceptions=True)
        for session in self._sessions:
            session.close()
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _one(self, number: int) -> Light:
        session = await Light.join(self._port)
        await session.register(f"com.example.crowd.procedure.{number}")
        await session.subscribe(f"com.example.crowd.topic.{number}")
        return session

    async def _come_and_go(self) -> None:
        for number in itertools.count(1_000_000):
            self._sessions.append(await self._one(number))
            self._sessions.pop(random.randrange(1, len(self._sessions))).close()
            await asyncio.sleep(1 / CHANGES_PER_S)

    async def _write(self, space: str, keys: int) -> None:
        while True:
            number = random.randrange(keys)
            await self._sessions[0].call(
                f"dstm.{space}.put", f"/all/key {number:06}", value(random.randrange(10**6))
            )
            await asyncio.sleep(1 / CHANGES_PER_S)


def value(number: int) -> dict[str, Any]:
    return {"number": number, "text": f"member {number}"}
