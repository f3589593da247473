"""
What a file is, by its name: its media type, whether it compresses, whether its name has a hash.

The tables are here and not in the system, so that the same file is the same everywhere.
"""

import re
from collections.abc import Mapping
from mimetypes import MimeTypes
from typing import Final

UNKNOWN: Final = "application/octet-stream"
_TYPES: Final = {  # suffix -> media type, over what Python knows
    ".avif": "image/avif",
    ".br": UNKNOWN,
    ".css": "text/css",
    ".csv": "text/csv",
    ".gz": "application/gzip",
    ".htm": "text/html",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsonld": "application/ld+json",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mp4": "video/mp4",
    ".otf": "font/otf",
    ".svg": "image/svg+xml",
    ".ts": "text/plain",  # TypeScript, as of dstm.js; Python has a video in mind
    ".ttf": "font/ttf",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
_KNOWN: Final = MimeTypes(filenames=()).types_map[True] | _TYPES
_COMPRESSIBLE: Final = re.compile(
    r"text/.*|.*\+(json|xml)|application/(json|xml|wasm|yaml|x-ndjson)|font/(otf|ttf)|image/(x-icon|bmp)"
)

# What stands between the last "." or "-" of a name and its suffix, where builders put a hash of the content:
# hexadecimal digits, the base32 of esbuild, and the eight characters of base64url that Rollup and Vite use. A
# word or a date is none.
_BEFORE_SUFFIX: Final = re.compile(r".+?[.-]([A-Za-z0-9_-]{8,64})(?:\.[A-Za-z0-9]{1,16}){1,2}")
_HASHES: Final = (
    re.compile(r"(?=.*[0-9])(?=.*[a-f])[0-9a-f]{8,64}"),
    re.compile(r"(?=.*[2-7])(?=.*[A-Z])[A-Z2-7]{8}"),
    re.compile(r"(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9_-]{8}"),
)


def suffix_of(name: str) -> str:
    """Give the end of a name from its last dot on, in lower case, or nothing."""
    _, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if dot else ""


def type_of(name: str, others: Mapping[str, str]) -> str:
    """Give the media type of a file by its name, with its charset; ``others``, suffix -> type, go first."""
    suffix = suffix_of(name)
    given = others.get(suffix)
    if given is not None:
        return given
    known = _KNOWN.get(suffix, UNKNOWN)
    return f"{known}; charset=utf-8" if known.startswith("text/") else known


def is_compressible(media_type: str) -> bool:
    """Tell whether files of this type become smaller."""
    return _COMPRESSIBLE.fullmatch(media_type.partition(";")[0].strip().lower()) is not None


def has_hash(name: str) -> bool:
    """Tell whether a hash of the content is part of the name, so that the file never changes."""
    found = _BEFORE_SUFFIX.fullmatch(name)
    if found is None:
        return False
    hashed = found[1].rpartition("-")[2] if len(found[1]) > 8 else found[1]
    return any(pattern.fullmatch(text) for pattern in _HASHES for text in (found[1], hashed))
