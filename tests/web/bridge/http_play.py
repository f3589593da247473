"""
A HTTP client for tests: octets of a request out, octets of the answer in.

Rules of this file: a client checks nothing; each request has a connection of its own, which is closed
with the answer, unless a test keeps a stream open.
"""

import base64
import json
from typing import Any

from msgspec import Struct
from node_bench import WEBSOCKET
from twisted.internet.defer import gatherResults
from wamp_client import Dialog, WampClient, connect, dial, soon


class Answer(Struct):
    """What came: the status, the headers by their lower-case names, the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Stream:
    """An answer as server-sent events, as far as it has come."""

    def __init__(self, dialog: Dialog) -> None:
        self._dialog = dialog

    async def until(self, mark: str) -> str:
        """Wait until ``mark`` has come; give everything that came until then."""
        return (await self._dialog.until(mark.encode())).decode()

    async def answer(self) -> Answer:
        """Wait for the end."""
        return parse(await self._dialog.rest())

    async def answer_cut(self) -> bytes:
        """Wait for the end, wherever that is."""
        return await self._dialog.rest()

    async def close(self) -> None:
        self._dialog.close()
        await self._dialog.rest()


def bridged(**settings: Any) -> list[dict[str, Any]]:
    """Give a transport ``ws`` with a bridge."""
    return [{**WEBSOCKET, "bridge": settings}]


def octets(method: str, path: str, body: Any = None, **headers: str) -> bytes:
    """Make a request; a ``body`` that is no bytes is JSON."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    fields = {"Host": "localhost", "Connection": "close"}
    if body is not None:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value)]
    return "\r\n".join([*lines, "", ""]).encode() + data


async def fetch(port: Any, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """Send a request and wait for the whole answer."""
    return parse(await (await dial(port, octets(method, path, body, **headers))).rest())


async def post(port: Any, path: str, body: Any = None, **headers: str) -> Answer:
    return await fetch(port, "POST", path, {} if body is None else body, **headers)


async def stream(port: Any, method: str, path: str, body: Any = None, **headers: str) -> Stream:
    """Send a request and leave the answer open."""
    return Stream(await dial(port, octets(method, path, body, **headers)))


def parse(data: bytes) -> Answer:
    """Read a whole answer, chunked or not."""
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = unchunked(body)
    return Answer(int(status.split()[1]), headers, body)


def unchunked(body: bytes) -> bytes:
    """Put the chunks together, as far as they are there."""
    found = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        found += body[:length]
        body = body[length + 2 :]
    return found


async def together(*awaitables: Any) -> list[Any]:
    """Wait for all of these, which go on beside each other."""
    found: list[Any] = await gatherResults([soon(each) for each in awaitables], consumeErrors=True)
    return found


async def serve(callee: WampClient, *answer: Any) -> list[Any]:
    """Answer the next INVOCATION by YIELD, or by ERROR where ``answer`` begins with a URI; give its array."""
    invocation: list[Any] = await callee.receive()
    assert invocation[0] == 68, invocation
    if answer and isinstance(answer[0], str):
        callee.send(8, 68, invocation[1], {}, *answer)
    else:
        callee.send(70, invocation[1], {}, *answer)
    return invocation


async def callee_of(node: Any, procedure: str = "com.example.add", *ticket: str) -> WampClient:
    """Join, anonymously or with a ticket, and register."""
    client = await connect(node.ports["ws"])
    roles = {"callee": {"features": {"call_canceling": True, "progressive_call_results": True}}}
    if ticket:
        client.send(1, "realm1", {"roles": roles, "authmethods": ["ticket"], "authid": ticket[0]})
        assert (await client.receive())[0] == 4
        client.send(5, ticket[1], {})
        assert (await client.receive())[0] == 2
    else:
        await client.join(roles=roles)
    assert (await client.request(64, {}, procedure))[0] == 65
    return client


def basic(authid: str, ticket: str) -> str:
    return "Basic " + base64.b64encode(f"{authid}:{ticket}".encode()).decode()
