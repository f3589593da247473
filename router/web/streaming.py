"""
Answers in pieces: a file of any size is read, compressed and sent a piece a turn.

Rules of this file:

- No more than a piece is in memory, besides what the connection has not taken yet; then nothing is read.
- A piece takes about a millisecond, also where it is compressed; between two, others have their turn.
- Where pieces come from an empty one says that it is the others' turn.
- A client that takes nothing for ``STALL_SECONDS`` is gone.
"""

import os
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Final

from twisted.internet.interfaces import IPushProducer
from twisted.web.server import Request
from zope.interface import implementer

from router.web.directory import Opened

PIECE_BYTES: Final = 65_536
COMPRESSED_PIECE_BYTES: Final = 32_768  # of text, in a millisecond at _LEVEL
STALL_SECONDS: Final = 120.0
_LEVEL: Final = 6
_TURN: Final = b""


class Truncated(Exception):
    """A file ended before the length that was announced."""


def pieces_of(file: Opened, start: int, length: int) -> Iterator[bytes]:
    """
    Read ``length`` octets from ``start`` on; the file is not closed.

    Raises:
        Truncated: it became shorter meanwhile.
    """
    os.lseek(file.descriptor, start, os.SEEK_SET)
    while length:
        piece = os.read(file.descriptor, min(PIECE_BYTES, length))
        if not piece:
            raise Truncated
        length -= len(piece)
        yield piece
        if length:
            yield _TURN


def slices_of(content: bytes) -> Iterator[bytes]:
    """Give ``content`` in pieces."""
    for start in range(0, len(content), PIECE_BYTES):
        yield content[start : start + PIECE_BYTES]
        if start + PIECE_BYTES < len(content):
            yield _TURN


def gzip_of(file: Opened, keep: Callable[[bytes], None]) -> Iterator[bytes]:
    """
    Compress a file as it is read; ``keep`` gets all that came out, once it is complete.

    Raises:
        Truncated: it became shorter meanwhile.
    """
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
    made = []
    for piece in pieces_of(file, 0, file.size):
        for start in range(0, len(piece), COMPRESSED_PIECE_BYTES):
            made.append(deflate.compress(piece[start : start + COMPRESSED_PIECE_BYTES]))
            yield from filter(None, made[-1:])
            if file.size > COMPRESSED_PIECE_BYTES:
                yield _TURN
    made.append(deflate.flush())
    keep(b"".join(made))
    yield made[-1]


class Kept:
    """What was compressed, up to ``limit`` octets; what was not asked for the longest makes room."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._contents: OrderedDict[object, bytes] = OrderedDict()
        self.size = 0

    def get(self, key: object) -> bytes | None:
        """Give what is kept for ``key``."""
        content = self._contents.get(key)
        if content is not None:
            self._contents.move_to_end(key)
        return content

    def put(self, key: object, content: bytes) -> None:
        """Keep ``content``, unless it would take more than a quarter of the room."""
        if key in self._contents or len(content) > self._limit // 4:
            return
        self._contents[key] = content
        self.size += len(content)
        while self.size > self._limit:
            self.size -= len(self._contents.popitem(last=False)[1])


@implementer(IPushProducer)
class Stream:
    """Sends pieces as the body of an answer, and calls ``close`` when that ended, however it did."""

    def __init__(self, request: Request, pieces: Iterator[bytes], close: Callable[[], None]) -> None:
        self._request = request
        self._pieces = pieces
        self._close = close
        channel: Any = request.channel
        self._clock = channel.site.reactor
        self._next: Any = None  # the delayed call of the next piece
        self._stalled: Any = None  # the delayed call that gives a client up
        self._is_paused = self._is_over = False

    def start(self) -> None:
        """Begin to send, as soon as the connection takes more."""
        self._request.notifyFinish().addErrback(lambda _: self._end())
        self._request.registerProducer(self, True)
        channel: Any = self._request.channel
        if channel._waitingForTransport:  # earlier answers fill the connection, which says so once
            self.pauseProducing()
        else:
            self._send()

    def pauseProducing(self) -> None:
        """Wait: the connection is full."""
        self._is_paused = True
        if self._stalled is None:
            self._stalled = self._clock.callLater(STALL_SECONDS, self._give_up)

    def resumeProducing(self) -> None:
        """Go on."""
        self._is_paused = False
        self._cancel_stalled()
        if self._next is None and not self._is_over:
            self._next = self._clock.callLater(0, self._send)

    def stopProducing(self) -> None:
        """Stop: the connection is gone."""
        self._end()

    def _send(self) -> None:
        self._next = None
        while not self._is_paused and not self._is_over:
            try:
                piece = next(self._pieces, None)
            except (Truncated, OSError):
                self._abort()  # what was announced cannot be kept, and the client must notice
                return
            if piece is None:
                self._finish()
            elif piece == _TURN:
                self._next = self._clock.callLater(0, self._send)
                return
            else:
                self._request.write(piece)

    def _finish(self) -> None:
        self._end()
        self._request.unregisterProducer()
        self._request.finish()

    def _give_up(self) -> None:
        self._stalled = None
        self._abort()

    def _abort(self) -> None:
        self._end()
        channel: Any = self._request.channel
        channel.forceAbortClient()

    def _end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._cancel_stalled()
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._close()

    def _cancel_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
