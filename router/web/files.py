"""
Static files of a directory, by HTTP: what is sent for a path, and with which headers (RFC 9110, RFC 9111).

Rules of this file:

- Which file, then which encoding, then the conditions, then the range: each decides on what the one
  before has found, as RFC 9110 has the order.
- What is sent with another encoding is another thing, and has another entity tag.
- A file is closed when its answer ends, however it ends.
"""

import re
from collections.abc import Iterator
from fnmatch import translate
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import quote

from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from router.web.conditions import (
    OK,
    Conditions,
    encodings_of,
    http_date,
    is_range_meant,
    range_of,
    status_of,
)
from router.web.content_types import has_hash, is_compressible, type_of
from router.web.directory import Directory, Opened, names_of
from router.web.static_config import StaticRules
from router.web.streaming import Kept, Stream, gzip_of, pieces_of, slices_of

INDEX: Final = "index.html"
IMMUTABLE: Final = "public, max-age=31536000, immutable"
REVALIDATE: Final = "no-cache"
LEAST_COMPRESSED_BYTES: Final = 1024  # below that gzip gains nothing that anybody notices
# Longer ones take gzip too long to be done for each who asks: they have a neighbour .gz, or go as they are.
MOST_COMPRESSED_BYTES: Final = 4 * 1024 * 1024
# A neighbour that is older than its file is of an earlier one; installers write both at about the same time.
_SLACK_NS: Final = 2_000_000_000
_SUFFIX_OF: Final = {"br": ".br", "gzip": ".gz"}

_DEFAULT_HEADERS: Final = {
    "referrer-policy": ("Referrer-Policy", "no-referrer"),
    "x-content-type-options": ("X-Content-Type-Options", "nosniff"),
    "x-frame-options": ("X-Frame-Options", "DENY"),
}


def headers_of(rules: StaticRules) -> dict[str, str]:
    """Give the headers that each answer carries."""
    named = _DEFAULT_HEADERS | {name.lower(): (name, value) for name, value in rules.headers.items()}
    named["content-security-policy"] = ("Content-Security-Policy", rules.content_security_policy)
    return {name: value for name, value in named.values() if value}


class _Chosen(NamedTuple):
    """What is to be sent: an open file as it is, or what gzip has made of it (``content``) or is to make."""

    file: Opened
    encoding: str = ""  # as in Content-Encoding
    is_made: bool = False  # by gzip, here
    content: bytes | None = None

    @property
    def tag(self) -> str:
        """The strong entity tag."""
        how = "-made" if self.is_made else f"-{self.encoding}" if self.encoding else ""
        return f'"{self.file.version}{how}"'

    @property
    def size(self) -> int | None:
        """The number of octets; None: nobody knows yet."""
        if self.is_made:
            return None if self.content is None else len(self.content)
        return self.file.size

    @property
    def modified(self) -> int:
        """Seconds since 1970."""
        return self.file.modified_ns // 1_000_000_000


class Files(Resource):
    """Answers for all paths at and below ``prefix`` ("" or as "/shop") with the files of ``directory``."""

    isLeaf = True
    log = Logger("router.files")

    def __init__(self, prefix: str, directory: str, rules: StaticRules) -> None:
        super().__init__()
        self.prefix, self.rules = prefix, rules
        self.headers = headers_of(rules)
        self._directory = Directory(directory)
        self._kept = Kept(rules.compressed_bytes)
        self._cache_control = [(re.compile(translate(p)), value) for p, value in rules.cache_control.items()]

    @property
    def origin(self) -> tuple[str, str, StaticRules]:
        """What it was made of."""
        return self.prefix, self.directory, self.rules

    @property
    def directory(self) -> str:
        """Where the files are."""
        return self._directory.path

    @property
    def kept_bytes(self) -> int:
        """The size of what gzip has compressed and is kept."""
        return self._kept.size

    def render(self, request: Request) -> bytes | int:
        """Answer a GET or HEAD."""
        path = request.path[len(self.prefix) :]
        names = names_of(path)
        if not path:
            return _redirect(request, self.prefix.rpartition("/")[2])
        if names is None:
            return not_found(request)
        try:
            return self._answer(request, names)
        except OSError as error:
            self.log.error("cannot read {path}: {error}", path=self._directory.path, error=error)
            request.setHeader("Retry-After", "10")
            return plain(request, 503, b"not available at the moment\n")

    def _answer(self, request: Request, names: tuple[str, ...]) -> bytes | int:
        *above, last = names
        at = (*above, last or INDEX)
        file = self._directory.open(at)
        if file is None and last and self._is_page((*names, INDEX)):
            return _redirect(request, last)
        if file is None and self.rules.fallback and "." not in last:
            at = tuple(self.rules.fallback.split("/"))
            file = self._directory.open(at)
        return not_found(request) if file is None else self._send(request, at, file)

    def _is_page(self, names: tuple[str, ...]) -> bool:
        file = self._directory.open(names)
        if file is not None:
            file.close()
        return file is not None

    def _send(self, request: Request, names: tuple[str, ...], file: Opened) -> bytes | int:
        """Send ``file``, or what the request wants of it, and close it."""
        chosen = _Chosen(file)
        try:
            media_type = type_of(names[-1], self.rules.types)
            if self.rules.compress and is_compressible(media_type):
                request.setHeader("Vary", "Accept-Encoding")
                chosen = self._encoded(request, names, file)
            self._describe(request, chosen, names, media_type)
            body = self._body(request, chosen)
        except BaseException:
            chosen.file.close()
            raise
        if body is None:
            chosen.file.close()
            return b""
        Stream(request, body, chosen.file.close).start()
        return NOT_DONE_YET

    def _encoded(self, request: Request, names: tuple[str, ...], file: Opened) -> _Chosen:
        """Choose the encoding: a neighbour of the file, or gzip; a part is always of the file as it is."""
        accepted = _header(request, "Accept-Encoding")
        if accepted is None or _header(request, "Range") is not None:
            return _Chosen(file)
        for encoding in encodings_of(accepted, tuple(_SUFFIX_OF)):
            neighbour = self._neighbour(names, file, encoding)
            if neighbour is not None:
                file.close()
                return _Chosen(neighbour, encoding)
            if encoding == "gzip" and LEAST_COMPRESSED_BYTES <= file.size <= MOST_COMPRESSED_BYTES:
                return _Chosen(file, "gzip", True, self._kept.get(file.version))
        return _Chosen(file)

    def _neighbour(self, names: tuple[str, ...], file: Opened, encoding: str) -> Opened | None:
        neighbour = self._directory.open((*names[:-1], names[-1] + _SUFFIX_OF[encoding]))
        if neighbour is not None and neighbour.modified_ns < file.modified_ns - _SLACK_NS:
            neighbour.close()
            return None
        return neighbour

    def _describe(self, request: Request, chosen: _Chosen, names: tuple[str, ...], media_type: str) -> None:
        request.setHeader("Content-Type", media_type)
        request.setHeader("ETag", chosen.tag)
        request.setHeader("Last-Modified", http_date(chosen.modified))
        request.setHeader("Cache-Control", self._cache_control_of(names, media_type))
        if chosen.encoding:
            request.setHeader("Content-Encoding", chosen.encoding)
        else:
            request.setHeader("Accept-Ranges", "bytes")

    def _cache_control_of(self, names: tuple[str, ...], media_type: str) -> str:
        path = "/".join(names)
        for pattern, value in self._cache_control:
            if pattern.fullmatch(path):
                return value
        return IMMUTABLE if has_hash(names[-1]) and not media_type.startswith("text/html") else REVALIDATE

    def _body(self, request: Request, chosen: _Chosen) -> Iterator[bytes] | None:
        """Set the status and what goes with it, and give the body; None: it has none."""
        conditions = Conditions(*(_header(request, name) for name in _CONDITIONS))
        status = status_of(conditions, chosen.tag, chosen.modified)
        if status != OK:
            request.setResponseCode(status)
            for name in ("Content-Type", "Content-Encoding"):
                request.responseHeaders.removeHeader(name)
            return None
        start, length = 0, chosen.size
        asked = _header(request, "Range") if request.method == b"GET" else None
        if asked is not None and length is not None:
            is_meant = is_range_meant(conditions, chosen.tag, chosen.modified)
            start, length = _part(request, asked, length) if is_meant else (0, length)
        if length is not None:
            request.setHeader("Content-Length", str(length))
        if request.method == b"HEAD" or length == 0:
            return None
        if chosen.content is not None:
            return slices_of(chosen.content)
        if chosen.is_made:
            return gzip_of(chosen.file, partial(self._kept.put, chosen.file.version))
        return pieces_of(chosen.file, start, chosen.file.size if length is None else length)


_CONDITIONS: Final = ("If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since", "If-Range")


def _part(request: Request, asked: str, size: int) -> tuple[int, int]:
    """Give the first octet and their number of what ``Range`` asks for."""
    part = range_of(asked, size)
    if part is None:
        return 0, size
    start, length = part
    request.setResponseCode(206 if length else 416)
    which = f"{start}-{start + length - 1}" if length else "*"
    request.setHeader("Content-Range", f"bytes {which}/{size}")
    if not length:
        request.responseHeaders.removeHeader("Content-Type")
    return part


def not_found(request: Request) -> bytes:
    """Say that there is no such file."""
    return plain(request, 404, b"not found\n")


def plain(request: Request, status: int, text: bytes) -> bytes:
    """Answer with a line of text."""
    request.setResponseCode(status)
    request.setHeader("Content-Type", "text/plain; charset=utf-8")
    request.setHeader("Cache-Control", REVALIDATE)
    request.setHeader("Content-Length", str(len(text)))
    return text


def _redirect(request: Request, name: str) -> bytes:
    """Send the client from a directory's name to its index page; a relative address names no host."""
    query = request.uri.partition(b"?")[2]
    location = f"./{quote(name)}/".encode() + (b"?" + query if query else b"")
    request.setHeader("Location", location)
    return plain(request, 301, b"the page is at the address with a slash at its end\n")


def _header(request: Request, name: str) -> str | None:
    """Give a header of the request; several of one name are one list (RFC 9110, 'Field Lines')."""
    values = request.requestHeaders.getRawHeaders(name.encode())
    return None if values is None else b",".join(values).decode("latin-1")
