"""
Snapshots as bytes: the bindings and the document, ``[bindings, document]`` in MessagePack, cut into chunks.

A document of many megabytes is encoded node by node, so that other threads get their turn meanwhile.
"""

from collections.abc import Iterable, Iterator, Sequence
from struct import pack
from typing import Any, Final

import msgspec

from realms.dstm.document import Document, Node, is_array, is_object, length, members
from realms.dstm.log import Binding
from realms.dstm.log.rows import encode

CHUNK_BYTES: Final = 32_768


def chunks(document: Document, bindings: Sequence[Binding]) -> Iterator[bytes]:
    """Give the snapshot in chunks of about ``CHUNK_BYTES``."""
    waiting = bytearray(b"\x92")
    waiting += encode(bindings)
    for piece in pieces(document.root):
        waiting += piece
        if len(waiting) >= CHUNK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def pieces(root: Node) -> Iterator[bytes]:
    """Give the MessagePack of a node in pieces: of a container its head, then what is in it."""
    above: list[Iterator[tuple[bytes, Node]]] = [iter([(b"", root)])]
    while above:
        for key, node in above[-1]:
            if is_object(node):
                yield key + _head(length(node), 0x80, 0xDE)
                above.append((encode(name), below) for name, below in members(node))
                break
            if is_array(node):
                yield key + _head(length(node), 0x90, 0xDC)
                above.append((b"", below) for _, below in members(node))
                break
            yield key + encode(node)
        else:
            above.pop()


def _head(count: int, short: int, long: int) -> bytes:
    """Give the head of a map or array (MessagePack, 'fixmap', 'map 16', 'map 32', and the same of arrays)."""
    if count < 16:
        return bytes([short | count])
    if count < 65_536:
        return pack(">BH", long, count)
    return pack(">BI", long + 1, count)


def read(bodies: Iterable[bytes]) -> tuple[Document, list[Binding]]:
    """
    Make the document and the bindings of chunks.

    Raises:
        ValueError: they are no snapshot.
    """
    try:
        content: Any = msgspec.msgpack.decode(b"".join(bodies))
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
    if not isinstance(content, list) or len(content) != 2 or not isinstance(content[0], list):
        raise ValueError("it is not [bindings, document]")
    return Document.of(content[1]), content[0]
