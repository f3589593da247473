"""
The digest of a document: SHA-256 of its canonical form (RFC 8785), taken in slices.

A document of many megabytes would hold its reader up for a long time. ``slices`` stops after a little
work each time; the document can't change meanwhile.
"""

import hashlib
from collections.abc import Generator, Iterator
from heapq import merge
from itertools import islice
from typing import Final

from realms.dstm.document import Document, Node, child, is_array, is_object, length, members
from realms.dstm.values import canonical

SLICE_BYTES: Final = 65_536
_RUN: Final = 4096  # keys that are sorted in one piece


def slices(document: Document) -> Generator[None, None, str]:
    """Take the digest of a document: yields now and then, and returns it in hexadecimal."""
    hashed = hashlib.sha256()
    waiting = bytearray()
    for piece in _pieces(document.root):
        if piece is None:
            yield
            continue
        waiting += piece
        if len(waiting) >= SLICE_BYTES:
            hashed.update(waiting)
            waiting.clear()
            yield
    hashed.update(waiting)
    return hashed.hexdigest()


def digest(document: Document) -> str:
    """Take the digest of a document at once."""
    running = slices(document)
    while True:
        try:
            next(running)
        except StopIteration as end:
            return str(end.value)


def _pieces(node: Node) -> Iterator[bytes | None]:
    """Give the canonical form in pieces, and ``None`` where a pause is due."""
    if is_object(node):
        yield b"{"
        separator = b""
        for key in _sorted_keys(node):
            if key is None:
                yield None
                continue
            yield separator + canonical(key) + b":"
            yield from _pieces(child(node, key))
            separator = b","
        yield b"}"
    elif is_array(node):
        yield b"["
        separator = b""
        for _, element in members(node):
            yield separator
            yield from _pieces(element)
            separator = b","
        yield b"]"
    else:
        yield canonical(node)


def _sorted_keys(node: Node) -> Iterator[str | None]:
    """Give the keys as RFC 8785 sorts them, by UTF-16 code units; many are sorted in runs, with pauses."""
    if length(node) <= _RUN:
        yield from sorted((key for key, _ in members(node)), key=_code_units)
        return
    keys = (key for key, _ in members(node))
    runs = []
    while run := list(islice(keys, _RUN)):
        run.sort(key=_code_units)
        runs.append(run)
        yield None
    yield from merge(*runs, key=_code_units)


def _code_units(key: str) -> bytes:
    return key.encode("utf-16-be")
