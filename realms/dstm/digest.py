"""
The digest of a document: SHA-256 of its canonical form (RFC 8785), taken in slices.

A document of many megabytes would hold its reader up for a long time. ``slices`` stops after a little
work each time; the document can't change meanwhile.

Rules of this file:

- What weighs up to ``PIECE_BYTES`` is made plain and encoded at once; neighbours are, together.
- No step sorts more than ``RUN`` keys, nor encodes more than ``PIECE_BYTES`` and one member.
"""

import hashlib
from collections.abc import Generator, Iterator
from heapq import merge
from itertools import islice
from typing import Any, Final

from realms.dstm.document import Document, Node, child, is_array, is_object, length, members, thaw, weight
from realms.dstm.values import canonical

SLICE_BYTES: Final = 16_384  # between two pauses
PIECE_BYTES: Final = 2048
RUN: Final = 1024  # keys that are sorted in one piece

Pieces = Iterator[bytes | None]  # of the canonical form; None: a pause is due


def slices(document: Document) -> Generator[None, None, str]:
    """Take the digest of a document: yields now and then, and returns it in hexadecimal."""
    hashed = hashlib.sha256()
    left = SLICE_BYTES
    for piece in _pieces(document.root):
        if piece is not None:
            hashed.update(piece)
            left -= len(piece)
        if piece is None or left <= 0:
            left = SLICE_BYTES
            yield
    return hashed.hexdigest()


def digest(document: Document) -> str:
    """Take the digest of a document at once."""
    running = slices(document)
    while True:
        try:
            next(running)
        except StopIteration as end:
            return str(end.value)


def _pieces(node: Node) -> Pieces:
    if weight(node) <= PIECE_BYTES:
        yield canonical(thaw(node))
    elif is_object(node):
        yield from _object_pieces(node)
    elif is_array(node):
        yield from _array_pieces(node)
    else:
        yield from _text_pieces(node)


def _object_pieces(node: Node) -> Pieces:
    """Give the pieces of a large object."""
    opening, together, room = b"{", dict[str, Any](), PIECE_BYTES
    for key in _sorted_keys(node):
        if key is None:
            yield None
            continue
        below = child(node, key)
        size = weight(below)
        room -= size + len(key)
        if room < 0 and together:
            yield opening + canonical(together)[1:-1]
            opening, together, room = b",", {}, PIECE_BYTES - size - len(key)
        if size <= PIECE_BYTES:
            together[key] = thaw(below)
        else:
            yield opening + canonical(key) + b":"
            yield from _pieces(below)
            opening, room = b",", PIECE_BYTES
    yield opening + canonical(together)[1:-1] + b"}" if together else b"}"


def _array_pieces(node: Node) -> Pieces:
    """Give the pieces of a large array."""
    opening, together, room = b"[", list[Any](), PIECE_BYTES
    for _, below in members(node):
        size = weight(below)
        room -= size
        if room < 0 and together:
            yield opening + canonical(together)[1:-1]
            opening, together, room = b",", [], PIECE_BYTES - size
        if size <= PIECE_BYTES:
            together.append(thaw(below))
        else:
            yield opening
            yield from _pieces(below)
            opening, room = b",", PIECE_BYTES
    yield opening + canonical(together)[1:-1] + b"]" if together else b"]"


def _text_pieces(text: str) -> Pieces:
    """Give the pieces of a long string."""
    yield b'"'
    for start in range(0, len(text), PIECE_BYTES):
        yield canonical(text[start : start + PIECE_BYTES])[1:-1]
    yield b'"'


def _sorted_keys(node: Node) -> Iterator[str | None]:
    """Give the keys as RFC 8785 sorts them, by UTF-16 code units; many are sorted in runs, with pauses."""
    keys = (key for key, _ in members(node))
    runs = []
    while run := list(islice(keys, RUN)):
        run.sort(key=_code_units)
        runs.append(run)
        if length(node) > RUN:
            yield None
    yield from merge(*runs, key=_code_units)


def _code_units(key: str) -> bytes:
    return key.encode("utf-16-be")
