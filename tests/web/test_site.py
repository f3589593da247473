"""What answers HTTP on a port: pages and mounts, over a transport of Twisted's tests."""

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import StringTransport
from twisted.web.resource import Resource

from router.web import site as site_module
from router.web.site import MAX_DROPPED_BYTES, MOUNT_BODY_BYTES, site_for


class Echo(Resource):
    """Answers with the method, the rest of the path and the body's length."""

    isLeaf = True

    def render(self, request: Any) -> bytes:
        rest = b"/".join(request.postpath)
        return b"%b %b %d" % (request.method, rest, len(request.content.read()))


class Wire:
    """A client of a site."""

    def __init__(self, site: Any) -> None:
        self.transport = StringTransport()
        self.channel = site.buildProtocol(None)
        self.channel.makeConnection(self.transport)

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Give the status and the body of the answer."""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self.channel.dataReceived(head.encode() + body)
        answer = self.transport.value()
        self.transport.clear()
        head_of_answer, _, rest = answer.partition(b"\r\n\r\n")
        assert b"X-Frame-Options: DENY" in head_of_answer
        if b"chunked" in head_of_answer:
            _, _, rest = rest.partition(b"\r\n")
            rest = rest.partition(b"\r\n")[0]
        return int(head_of_answer.split()[1]), rest


@pytest.fixture
def pages(tmp_path: Path) -> str:
    (tmp_path / "index.html").write_text("the index")
    (tmp_path / "echo").write_text("a file")
    return str(tmp_path)


def test_a_mount_goes_before_the_pages(pages: str) -> None:
    wire = Wire(site_for(pages, "/ws", {"/echo": Echo}))
    assert wire.ask("GET", "/echo") == (200, b"GET  0")
    assert wire.ask("GET", "/echo/a/b") == (200, b"GET a/b 0")
    assert wire.ask("GET", "/echoes")[0] == 404


def test_a_mount_answers_every_method_and_reads_a_body(pages: str) -> None:
    wire = Wire(site_for(pages, "/ws", {"/api/v1": Echo, "/api/v2": Echo}))
    assert wire.ask("POST", "/api/v1/call", b"x" * 70_000) == (200, b"POST call 70000")
    assert wire.ask("DELETE", "/api/v2") == (200, b"DELETE  0")
    assert wire.ask("POST", "/api")[0] == 405
    assert wire.ask("POST", "/")[0] == 405


@pytest.mark.parametrize("path", ["/%65cho", "/%65cho/x", "/echo%2fx", "/%2565cho"])
def test_a_mount_has_one_spelling(pages: str, path: str) -> None:
    """A proxy that keeps a path for itself may compare it letter by letter."""
    wire = Wire(site_for(pages, "/ws", {"/echo": Echo}))
    assert wire.ask("GET", path)[0] == 404


def test_what_is_below_a_mount_may_be_quoted(pages: str) -> None:
    wire = Wire(site_for(pages, "/ws", {"/echo": Echo}))
    assert wire.ask("GET", "/echo/%65") == (200, b"GET e 0")


def test_a_mount_without_pages() -> None:
    wire = Wire(site_for("none", "/ws", {"/echo": Echo}))
    assert wire.ask("GET", "/")[0] == 404
    assert wire.ask("GET", "/echo") == (200, b"GET  0")


@pytest.mark.parametrize(("length", "status"), [(MOUNT_BODY_BYTES, 200), (MOUNT_BODY_BYTES + 1, 413)])
def test_the_longest_body(pages: str, length: int, status: int) -> None:
    wire = Wire(site_for(pages, "/ws", {"/echo": Echo}))
    assert wire.ask("POST", "/echo", b"x" * length)[0] == status


def test_an_endless_body_ends_the_connection(pages: str) -> None:
    wire = Wire(site_for(pages, "/ws", {"/echo": Echo}))
    wire.channel.dataReceived(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
    sent = 0
    while not wire.transport.disconnecting and not wire.transport.disconnected:
        wire.channel.dataReceived(b"x" * 65536)
        sent += 65536
        assert sent < 3 * MOUNT_BODY_BYTES + MAX_DROPPED_BYTES
    assert sent > MOUNT_BODY_BYTES


def test_a_mount_is_made_once(pages: str) -> None:
    made: list[Echo] = []

    def make() -> Echo:
        made.append(Echo())
        return made[-1]

    site = site_for(pages, "/ws", {"/echo": make})
    Wire(site).ask("GET", "/echo")
    Wire(site).ask("GET", "/echo")
    assert len(made) == 1


@pytest.mark.parametrize(("page", "path"), [("default", "/ws"), ("none", "/ws"), ("none", "/")])
def test_at_the_websockets_path_a_browser_is_told_what_is_there(page: str, path: str) -> None:
    wire = Wire(site_for(page, path, {f"{path.rstrip('/')}/echo": Echo}))
    assert wire.ask("GET", path) == (426, b"A WAMP router: clients connect here by WebSocket.\n")
    assert wire.ask("GET", f"{path.rstrip('/')}/echo") == (200, b"GET  0")
    assert wire.ask("GET", "/other")[0] == 404


def test_pages_at_the_websockets_path_are_served(pages: str) -> None:
    assert Wire(site_for(pages, "/", {})).ask("HEAD", "/") == (200, b"")


def test_the_status_for_a_browser_at_the_websockets_path_has_its_name() -> None:
    """Twisted has no phrase for 426."""
    channel = site_for("none", "/ws").buildProtocol(None)
    transport = StringTransport()
    channel.makeConnection(transport)
    channel.dataReceived(b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n")
    assert transport.value().startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
    assert b"Upgrade: websocket\r\n" in transport.value()


def test_the_own_page_is_the_console_if_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the plain page."""
    monkeypatch.setattr(site_module, "CONSOLE", tmp_path)
    plain: Any = site_for("default", "/ws").pages.place_of(b"/")
    assert Path(plain.directory) == Path(str(site_module.__file__)).parent / "plain"
    (tmp_path / "index.html").write_text("the console")
    console: Any = site_for("default", "/ws").pages.place_of(b"/")
    assert Path(console.directory) == tmp_path
