"""
The settings of static files: ``static`` of a WebSocket transport in router.yaml, and of a realm.

Only values are here, and the checks that need one value alone.
"""

import re
from typing import Annotated, Final

from msgspec import Meta

from router.configuration import Section, quoted

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'"
)
# What the answer to each request decides.
_OURS: Final = (
    *("accept-ranges", "cache-control", "connection", "content-encoding", "content-length", "content-range"),
    *("content-security-policy", "content-type", "date", "etag", "last-modified", "location"),
    *("transfer-encoding", "vary"),
)
TAKEN_PATHS: Final = ("/dstm", "/websocket.json")  # what every page, or the router's own, finds there


def _check_value(text: str) -> str | None:
    if re.fullmatch(r"[\x20-\x7e]*", text) and text == text.strip():
        return None
    return f"must be one line of printable ASCII without spaces at its ends, got {quoted(text)}"


def _check_header(name: str) -> str | None:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):  # RFC 9110, 'Tokens'
        return f"must be the name of a header, as Permissions-Policy, got {quoted(name)}"
    if name.lower() in _OURS:
        return f"{name} is not set here: it has a key of its own, or each answer decides it"
    return None


def _check_suffix(text: str) -> str | None:
    if re.fullmatch(r"\.[a-z0-9_+-]+", text):
        return None
    return f"must be the end of a name in lower case, as .geojson, got {quoted(text)}"


def _check_type(text: str) -> str | None:
    if re.fullmatch(r"[\w.+-]+/[\w.+-]+(; ?[\w-]+=[\w.+-]+)*", text, re.ASCII):
        return None
    return f"must be a media type, as application/geo+json, got {quoted(text)}"


def _check_file(text: str) -> str | None:
    names = text.split("/")
    if text == "" or all(name and not name.startswith(".") and "\\" not in name for name in names):
        return None
    return f"must be a file in the directory, as index.html, got {quoted(text)}"


def _check_path(text: str) -> str | None:
    if not re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", text):
        return f"must be a URL's path without a slash at its end, as /shop, got {quoted(text)}"
    taken = next((path for path in TAKEN_PATHS if text == path or text.startswith(f"{path}/")), None)
    return None if taken is None else f"{taken} is the router's own"


_Value = Annotated[str, Meta(extra={"check": _check_value})]


class StaticRules(Section, frozen=True, kw_only=True):
    """How static files are served: docs/static-files.md."""

    fallback: Annotated[
        str,
        Meta(
            description="The file that answers for a page that is not there, for applications that have "
            "routes of their own; it is asked where the last part of the path has no dot. Empty: none.",
            examples=["index.html"],
            extra={"check": _check_file},
        ),
    ] = ""
    cache_control: Annotated[
        dict[Annotated[str, Meta(title="pattern", min_length=1)], _Value],
        Meta(
            description="`Cache-Control` by path in the directory; `*` stands for any text, and the first "
            "that matches decides. Otherwise names with a hash have `public, max-age=31536000, immutable`, "
            "and all else has `no-cache`: browsers ask each time whether it changed.",
            examples=[{"fonts/*": "public, max-age=86400"}],
        ),
    ] = {}
    compress: Annotated[
        bool,
        Meta(
            description="Send text compressed to those who take it: a file's neighbour `.br` or `.gz`, else "
            "by gzip as it is sent."
        ),
    ] = True
    compressed_bytes: Annotated[
        int,
        Meta(
            description="What is kept of files that gzip has compressed, for the next who asks; 0: nothing.",
            ge=0,
            le=1 << 32,
        ),
    ] = 16_777_216
    content_security_policy: Annotated[
        str,
        Meta(
            description="What a page may load and connect to. Empty: no such header.",
            extra={"check": _check_value},
        ),
    ] = CONTENT_SECURITY_POLICY
    headers: Annotated[
        dict[Annotated[str, Meta(title="header", extra={"check": _check_header})], _Value],
        Meta(
            description="More headers of each answer. `Referrer-Policy: no-referrer`, "
            "`X-Content-Type-Options: nosniff` and `X-Frame-Options: DENY` are there unless they are named "
            "here; an empty value leaves one out.",
            examples=[{"Strict-Transport-Security": "max-age=31536000"}],
        ),
    ] = {}
    types: Annotated[
        dict[
            Annotated[str, Meta(title="suffix", extra={"check": _check_suffix})],
            Annotated[str, Meta(extra={"check": _check_type})],
        ],
        Meta(
            description="More media types, or others, by the end of the file's name.",
            examples=[{".geojson": "application/geo+json"}],
        ),
    ] = {}


class RealmFiles(StaticRules, frozen=True, kw_only=True):
    """A directory of static files, on the ports of all WebSocket transports that serve this realm."""

    path: Annotated[
        str,
        Meta(
            description="Where: the directory's index.html is at `<path>/`.",
            examples=["/shop"],
            extra={"check": _check_path},
        ),
    ]
    directory: Annotated[
        str,
        Meta(
            description="The directory, relative to the configuration directory.",
            examples=["../shop/web"],
            min_length=1,
        ),
    ]
