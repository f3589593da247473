"""
The web pages beside the WebSocket on one port: the router's own, or a directory of files.

Twisted's web server does the work. Listings of directories are not served, and each answer
carries headers that forbid framing, sniffing and foreign scripts.
"""

import json
from pathlib import Path
from typing import Any, Final

from twisted.web.resource import Resource
from twisted.web.server import Request, Site
from twisted.web.static import Data, File

OWN_PAGE: Final = Path(__file__).parent / "static"

SECURITY_HEADERS: Final = {
    b"Content-Security-Policy": b"default-src 'self'; connect-src 'self' ws: wss:; "
    b"frame-ancestors 'none'; base-uri 'none'",
    b"Referrer-Policy": b"no-referrer",
    b"X-Content-Type-Options": b"nosniff",
    b"X-Frame-Options": b"DENY",
}


# A body is read and dropped up to this, so that a client that sends one still gets its answer.
MAX_BODY_BYTES: Final = 65536


class _Request(Request):
    """A request for a page: GET or HEAD, without a body; the answer carries the security headers."""

    _dropped = 0

    def gotLength(self, length: int | None) -> None:
        super().gotLength(0)  # Twisted would store a long body in a file

    def handleContentChunk(self, data: bytes) -> None:
        self._dropped += len(data)
        if self._dropped > MAX_BODY_BYTES:
            self.channel.forceAbortClient()

    def process(self) -> None:
        for name, value in SECURITY_HEADERS.items():
            self.setHeader(name, value)
        if self.method in (b"GET", b"HEAD"):
            super().process()
        else:
            self.setResponseCode(405)
            self.setHeader(b"Allow", b"GET, HEAD")
            self.setHeader(b"Content-Length", b"0")
            self.finish()

    def write(self, data: bytes) -> None:
        if not self.startedWriting:
            self.setHeader(b"server", b"Concord")  # over Twisted's own, with its version
        super().write(data)


class _Files(File):
    """A directory of files; a directory without an index page is not found."""

    def getChild(self, path: bytes, request: Request) -> Resource:
        return self.childNotFound if b"\0" in path else super().getChild(path, request)

    def directoryListing(self) -> Resource:
        return self.childNotFound


def site_for(page: str, websocket_path: str) -> Site:
    """Make the site for the setting ``page``: "default", or a directory."""
    directory = OWN_PAGE if page == "default" else Path(page)
    root = _Files(str(directory))
    root.indexNames = ["index.html"]
    if page == "default":
        # The page asks here for the path at which its own WebSocket is.
        where: Any = Data(json.dumps({"path": websocket_path}).encode(), "application/json")
        root.putChild(b"websocket.json", where)
    site = Site(root, requestFactory=_Request, timeout=30)
    site.noisy = False
    site.displayTracebacks = False
    return site
