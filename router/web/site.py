"""
What is beside the WebSocket on one port: pages (the router's own, or directories of files), and mounts.

Rules of this file:

- Each answer carries headers that forbid framing, sniffing and foreign scripts, unless the
  configuration says otherwise.
- A page is read: GET and HEAD, without a body. A mount answers every method, and reads a body up to
  ``MOUNT_BODY_BYTES``; a longer one is refused before the mount is asked.
- A body is kept in memory, never in a file.
- A mount goes before pages; of pages the one with the longest path goes first.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote

from msgspec.structs import replace
from twisted.web.resource import Resource
from twisted.web.server import Request, Site
from twisted.web.static import Data

from router.web import Mounts
from router.web.files import REVALIDATE, Files, headers_of, not_found
from router.web.static_config import RealmFiles, StaticRules

CONSOLE: Final = Path(__file__).parent / "static"  # made when the package is built
PLAIN_PAGE: Final = Path(__file__).parent / "plain"  # where it was built without
DSTM: Final = Path(__file__).parent / "dstm"  # the client library for pages, at /dstm/dstm.js

MOUNT_BODY_BYTES: Final = 1024 * 1024
_RULES: Final = StaticRules()
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
        if self._site.mounts and not self._is_too_long():
            super().handleContentChunk(data)
        elif self._received > (2 * MOUNT_BODY_BYTES if self._site.mounts else MAX_DROPPED_BYTES):
            self.channel.forceAbortClient()

    def process(self) -> None:
        is_mounted = self._is_mounted()
        place = None if is_mounted else self._site.pages.place_of(self.path)
        for name, value in (self._site.headers if place is None else place.headers).items():
            self.setHeader(name, value)
        if is_mounted:
            if self._is_too_long():
                self._refuse(413)
            else:
                super().process()
        elif self._is_below_mount(unquote(self.path, "latin-1")):
            self._refuse(404)  # quoted without need: a proxy that keeps the path for itself may not see that
        elif self.method in (b"GET", b"HEAD"):
            super().process()
        else:
            self.setHeader(b"Allow", b"GET, HEAD")
            self._refuse(405)

    def write(self, data: bytes) -> None:
        if not self.startedWriting:
            self.setHeader(b"server", b"Concord")  # over Twisted's own, with its version
        super().write(data)

    @property
    def _site(self) -> "PortSite":
        channel: Any = self.channel
        site: PortSite = channel.site
        return site

    def _is_too_long(self) -> bool:
        return self._received > MOUNT_BODY_BYTES

    def _is_mounted(self) -> bool:
        return self._is_below_mount(self.path.decode("latin-1"))

    def _is_below_mount(self, path: str) -> bool:
        return any(path == mount or path.startswith(f"{mount}/") for mount in self._site.mounts)

    def _refuse(self, status: int) -> None:
        self.setResponseCode(status)
        self.setHeader(b"Content-Length", b"0")
        self.finish()


class PortSite(Site):
    """
    The site of one port.

    :ivar mounts: the paths of its mounts
    :ivar pages: what answers all other paths
    :ivar headers: name -> value, of answers that are no page's
    """

    mounts: tuple[str, ...] = ()
    pages: "Pages"
    headers: Mapping[str, str]


class Pages(Resource):
    """All pages of a port: those of the transport, and those of realms, which come and go with them."""

    isLeaf = True

    def __init__(self, places: list[Files], rules: StaticRules) -> None:
        super().__init__()
        self._own = places
        self._rules = rules
        self._realms: list[Files] = []

    def place_of(self, path: bytes) -> Files | None:
        """Give the files that answer for a URL's path."""
        text = path.decode("latin-1") + "/"
        found = [files for files in (*self._own, *self._realms) if text.startswith(f"{files.prefix}/")]
        return max(found, key=lambda files: len(files.prefix), default=None)

    def take(self, realms: Mapping[str, RealmFiles]) -> None:
        """Serve these, realm -> files, and no others of realms; dstm.js is beside them."""
        known = self._realms
        wanted: list[tuple[str, str, StaticRules]] = []
        for files in realms.values():
            wanted.append((files.path, files.directory, files))
        if wanted and not self._own:
            wanted.append(("/dstm", str(DSTM), _without_places(self._rules)))
        self._realms = [_known(known, origin) or Files(*origin) for origin in wanted]

    def render(self, request: Request) -> Any:
        place = self.place_of(request.path)
        return not_found(request) if place is None else place.render(request)


def _known(places: list[Files], origin: tuple[str, str, StaticRules]) -> Files | None:
    """Give those of ``places`` that would be made again, with what they keep."""
    return next((files for files in places if files.origin == origin), None)


class _Branch(Resource):
    """A part of a path at which mounts are; all else is for the pages."""

    def __init__(self, pages: Pages) -> None:
        super().__init__()
        self._pages = pages

    def getChild(self, path: bytes, request: Request) -> Resource:
        return self._pages

    def render(self, request: Request) -> Any:
        return self._pages.render(request)


class _WebSocketOnly(Resource):
    """The WebSocket's path, for requests that open none: a person looks with a browser what is there."""

    def render(self, request: Any) -> bytes:
        request.setResponseCode(426, b"Upgrade Required")
        request.setHeader(b"Upgrade", b"websocket")
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        return b"A WAMP router: clients connect here by WebSocket.\n"


class _Where(Data):
    """Tells the router's own page at which path its WebSocket is."""

    def __init__(self, websocket_path: str) -> None:
        super().__init__(json.dumps({"path": websocket_path}).encode(), "application/json")

    def render_GET(self, request: Request) -> Any:
        request.setHeader("Cache-Control", REVALIDATE)
        return super().render_GET(request)

    render_HEAD = render_GET


def site_for(
    page: str,
    websocket_path: str,
    mounts: Mounts = MappingProxyType({}),
    rules: StaticRules = _RULES,
    reactor: Any = None,
) -> PortSite:
    """
    Make the site for the setting ``page``: "default", "none", or a directory; ``mounts`` go before it.

    ``rules`` are how its files are served.
    """
    pages = Pages(_places(page, rules), rules)
    root = _Branch(pages)
    if page == "default":
        where: Any = _Where(websocket_path)
        root.putChild(b"websocket.json", where)
    if page == "none" or websocket_path != "/":
        _mount(root, websocket_path, _WebSocketOnly(), pages)
    for path, make in mounts.items():
        _mount(root, path, make(), pages)
    site = PortSite(root, requestFactory=_Request, timeout=30, reactor=reactor)
    site.mounts, site.pages, site.headers = tuple(mounts), pages, headers_of(rules)
    site.noisy = False
    site.displayTracebacks = False
    return site


def _places(page: str, rules: StaticRules) -> list[Files]:
    if page == "none":
        return []
    directory = str(_own_page()) if page == "default" else page
    return [Files("", directory, rules), Files("/dstm", str(DSTM), _without_places(rules))]


def _own_page() -> Path:
    return CONSOLE if (CONSOLE / "index.html").is_file() else PLAIN_PAGE


def _without_places(rules: StaticRules) -> StaticRules:
    """Give the rules for another directory than that for which they name files."""
    return replace(rules, fallback="", cache_control={})


def _mount(root: Resource, path: str, resource: Resource, pages: Pages) -> None:
    """Put ``resource`` at ``path``, below what is there already."""
    at: Any = root
    *above, last = (part.encode() for part in path.strip("/").split("/"))
    for part in above:
        below = at.getStaticEntity(part)
        if below is None:
            below = _Branch(pages)
            at.putChild(part, below)
        at = below
    at.putChild(last, resource)
