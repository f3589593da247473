"""
What is beside the WebSocket on one port: pages (the router's own, or a directory of files), and mounts.

Rules of this file:

- Twisted's web server does the work. Listings of directories are not served, and each answer carries
  headers that forbid framing, sniffing and foreign scripts.
- A page is read: GET and HEAD, without a body. A mount answers every method, and reads a body up to
  ``MOUNT_BODY_BYTES``; a longer one is refused before the mount is asked.
- A body is kept in memory, never in a file.
"""

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from twisted.web.resource import Resource
from twisted.web.server import Request, Site
from twisted.web.static import Data, File

from router.web import Mounts

CONSOLE: Final = Path(__file__).parent / "static"  # made when the package is built
PLAIN_PAGE: Final = Path(__file__).parent / "plain"  # where it was built without
DSTM: Final = Path(__file__).parent / "dstm"  # the client library for pages, at /dstm/dstm.js

SECURITY_HEADERS: Final = {
    b"Content-Security-Policy": b"default-src 'self'; connect-src 'self' ws: wss:; "
    b"frame-ancestors 'none'; base-uri 'none'",
    b"Referrer-Policy": b"no-referrer",
    b"X-Content-Type-Options": b"nosniff",
    b"X-Frame-Options": b"DENY",
}


MOUNT_BODY_BYTES: Final = 1024 * 1024
# A body that nobody reads is dropped up to this, and up to twice that of a mount where there is one, so that
# a client that sends one still gets its answer.
MAX_DROPPED_BYTES: Final = 65536


class _Request(Request):
    """A request for a page or a mount; the answer carries the security headers."""

    _received = 0

    def gotLength(self, length: int | None) -> None:
        super().gotLength(0)  # Twisted would store a long body in a file

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._mounts() and not self._is_too_long():
            super().handleContentChunk(data)
        elif self._received > (2 * MOUNT_BODY_BYTES if self._mounts() else MAX_DROPPED_BYTES):
            self.channel.forceAbortClient()

    def process(self) -> None:
        for name, value in SECURITY_HEADERS.items():
            self.setHeader(name, value)
        if self._is_mounted():
            if self._is_too_long():
                self._refuse(413)
            else:
                super().process()
        elif self.method in (b"GET", b"HEAD"):
            super().process()
        else:
            self.setHeader(b"Allow", b"GET, HEAD")
            self._refuse(405)

    def write(self, data: bytes) -> None:
        if not self.startedWriting:
            self.setHeader(b"server", b"Concord")  # over Twisted's own, with its version
        super().write(data)

    def _is_too_long(self) -> bool:
        return self._received > MOUNT_BODY_BYTES

    def _is_mounted(self) -> bool:
        path = self.path.decode("latin-1")
        return any(path == mount or path.startswith(f"{mount}/") for mount in self._mounts())

    def _mounts(self) -> tuple[str, ...]:
        channel: Any = self.channel
        mounts: tuple[str, ...] = channel.site.mounts
        return mounts

    def _refuse(self, status: int) -> None:
        self.setResponseCode(status)
        self.setHeader(b"Content-Length", b"0")
        self.finish()


class _Site(Site):
    """The site of one port; ``mounts`` are the paths of its mounts."""

    mounts: tuple[str, ...] = ()


class _Files(File):
    """A directory of files; a directory without an index page is not found."""

    def getChild(self, path: bytes, request: Request) -> Resource:
        return self.childNotFound if b"\0" in path else super().getChild(path, request)

    def directoryListing(self) -> Resource:
        return self.childNotFound


class _WebSocketOnly(Resource):
    """The WebSocket's path, for requests that open none: a person looks with a browser what is there."""

    def render(self, request: Any) -> bytes:
        request.setResponseCode(426, b"Upgrade Required")
        request.setHeader(b"Upgrade", b"websocket")
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        return b"A WAMP router: clients connect here by WebSocket.\n"


def site_for(page: str, websocket_path: str, mounts: Mounts = MappingProxyType({})) -> Site:
    """Make the site for the setting ``page``: "default", "none", or a directory; ``mounts`` go before it."""
    root = Resource() if page == "none" else _pages(page, websocket_path)
    if page == "none" or websocket_path != "/":
        _mount(root, websocket_path, _WebSocketOnly())
    for path, make in mounts.items():
        _mount(root, path, make())
    site = _Site(root, requestFactory=_Request, timeout=30)
    site.mounts = tuple(mounts)
    site.noisy = False
    site.displayTracebacks = False
    return site


def _pages(page: str, websocket_path: str) -> Resource:
    directory = _own_page() if page == "default" else Path(page)
    root = _Files(str(directory))
    root.indexNames = ["index.html"]
    if page == "default":
        # The page asks here for the path at which its own WebSocket is.
        where: Any = Data(json.dumps({"path": websocket_path}).encode(), "application/json")
        root.putChild(b"websocket.json", where)
    library: Any = _Files(str(DSTM))
    root.putChild(b"dstm", library)
    return root


def _own_page() -> Path:
    return CONSOLE if (CONSOLE / "index.html").is_file() else PLAIN_PAGE


def _mount(root: Resource, path: str, resource: Resource) -> None:
    """Put ``resource`` at ``path``, below what is there already."""
    at: Any = root
    *above, last = (part.encode() for part in path.strip("/").split("/"))
    for part in above:
        below = at.getStaticEntity(part)
        if below is None:
            below = Resource()
            at.putChild(part, below)
        at = below
    at.putChild(last, resource)
