"""The HTTP bridge with a client that knows nothing of it, Python's own, over TCP and TLS on each reactor."""

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from router_configuration import SECRETS
from router_process import RouterProcess

SECONDS = 30


class Client:
    """Connections to one transport of the router."""

    def __init__(self, url: str, certificate: Path) -> None:
        self._url = urlsplit(url)
        self._tls = ssl.create_default_context(cafile=str(certificate))
        self._opened: list[Any] = []
        self._kept = self.connection()

    def connection(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "wss":
            made: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=SECONDS, context=self._tls
            )
        else:
            made = http.client.HTTPConnection(host, port, timeout=SECONDS)
        self._opened.append(made)
        return made

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        """Send a request over the connection that is kept; give status and body."""
        data = json.dumps(body).encode()
        fields = {"Content-Type": "application/json", **headers}
        self._kept.request("POST", f"/api/interop/{path}", data, fields)
        answer = self._kept.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None

    def follow(self, topic: str) -> http.client.HTTPResponse:
        """Open a stream of events, from now on."""
        connection = self.connection()
        connection.request("GET", f"/api/interop/subscribe?topic={topic}")
        answer = connection.getresponse()
        self._opened.append(answer)
        assert answer.status == 200
        assert answer.readline() == b": subscribed\n"
        return answer

    def close(self) -> None:
        for each in self._opened:
            each.close()


@pytest.fixture(params=["tcp", "tls"])
def client(request: pytest.FixtureRequest, router: RouterProcess, certificate: Path) -> Iterator[Client]:
    client = Client(router.websocket if request.param == "tcp" else router.websocket_tls, certificate)
    yield client
    client.close()


def numbers(stream: http.client.HTTPResponse, count: int) -> list[int]:
    """Read so many events; give the first argument of each."""
    found: list[int] = []
    while len(found) < count:
        line = stream.readline()
        assert line, "the stream ended"
        if line.startswith(b"data: "):
            found.append(json.loads(line[6:])["args"][0])
    return found


def test_calls_over_one_connection(client: Client) -> None:
    for _ in range(20):
        status, answer = client.post("call", {"procedure": "wamp.session.count"})
        assert (status, answer["kwargs"]) == (200, {})
    headers = {"Authorization": f"Bearer tina:{SECRETS['tina']}"}
    assert client.post("call", {"procedure": "wamp.session.count"}, **headers)[0] == 200
    assert client.post("call", {"procedure": "com.nobody.has.it"})[0] == 404


def test_a_large_body_goes_through(client: Client) -> None:
    stream = client.follow("com.large")
    text = "x" * 1_000_000
    assert client.post("publish", {"topic": "com.large", "args": [1, text]})[0] == 200
    line = next(line for line in stream if line.startswith(b"data: "))
    assert json.loads(line[6:])["args"] == [1, text]
    assert client.post("publish", {"topic": "com.large", "args": [text + text[:50_000]]}) == (413, None)


def test_events_arrive_in_order(client: Client) -> None:
    stream = client.follow("com.number")
    for number in range(200):
        assert client.post("publish", {"topic": "com.number", "args": [number]})[0] == 200
    assert numbers(stream, 200) == list(range(200))


def test_a_reader_that_pauses_gets_everything(client: Client) -> None:
    """More than the sockets hold waits in the router, below the bound of a slow consumer."""
    stream = client.follow("com.heavy")
    padding = "x" * 100_000
    for number in range(120):
        assert client.post("publish", {"topic": "com.heavy", "args": [number, padding]})[0] == 200
    assert numbers(stream, 120) == list(range(120))
