"""
SQLite's write-ahead log, read without SQLite: that drops everything after the first bad frame silently.

Source: the SQLite documentation, "Database File Format", section 4 'The Write-Ahead Log'.

- A frame counts if it has the header's salts and the checksum of all that precedes it, and a commit follows.
- Frames with other salts are left from before the file was begun anew, and are no error.
- A bad frame with frames of the same salts beyond it: ``Wal.lost`` says what that means.
"""

import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from struct import Struct as Layout
from typing import BinaryIO, Final, NamedTuple

from realms.dstm.log import LogRefused

HEADER: Final = Layout(">8I")  # magic, format, page size, sequence, salt, salt, checksum, checksum
FRAME: Final = Layout(">6I")  # page number, pages of the database or 0, salt, salt, checksum, checksum
MAGIC: Final = 0x377F0682  # its last bit says in which byte order the checksums are taken
FORMAT: Final = 3_007_000
_MASK: Final = 0xFFFF_FFFF


class Wal(NamedTuple):
    """
    What a write-ahead log holds.

    :ivar pages: number -> CRC-32 of each page that it holds a committed state of
    :ivar end: offset of the end of the last commit
    :ivar size: of the database after the last commit, in pages; 0 where there is no commit
    :ivar bad_at: offset of the first frame that does not count though it has the header's salts, or that
        has frames with the header's salts beyond it; None where there is none
    :ivar beyond: frames with the header's salts that follow ``bad_at``
    :ivar lost: several transactions follow the last good one. Each is synced before the next begins, so
        one at least was complete: this is damage, and no torn end
    """

    pages: dict[int, int]
    size: int = 0
    end: int = 0
    bad_at: int | None = None
    beyond: int = 0
    lost: bool = False


class _Frame(NamedTuple):
    page: int
    size: int
    salts: tuple[int, int]
    sums: tuple[int, int]
    head: bytes  # the 8 bytes that the checksum covers
    content: bytes


def scan(path: Path) -> Wal:
    """
    Read the file at ``path``; one that is missing or was never begun holds nothing.

    Raises:
        LogRefused: the header is damaged, so that no frame can be judged.
        OSError: it cannot be read.
    """
    if not path.exists():
        return Wal({})
    with path.open("rb") as file:
        head = file.read(HEADER.size)
        if len(head) < HEADER.size:
            return Wal({})
        magic, form, page_size, _, salt, other_salt, *sums = HEADER.unpack(head)
        swapped = magic & 1
        start = checksum(head[:24], (0, 0), swapped)
        if magic | 1 != MAGIC | 1 or form != FORMAT or start != tuple(sums):
            raise LogRefused(f"{path}, offset 0", "the header of the write-ahead log is damaged")
        return _judge(_frames(file, page_size), (salt, other_salt), start, swapped, page_size)


def _judge(
    frames: Iterator[_Frame], salts: tuple[int, int], sums: tuple[int, int], swapped: int, page_size: int
) -> Wal:
    """Take the frames that count, then look at what is beyond them."""
    wal = Wal({}, end=HEADER.size)
    waiting: dict[int, int] = {}  # of a transaction that has no commit yet
    for good, frame in enumerate(frames):
        if frame.salts != salts or _sums_after(frame, sums, swapped) != frame.sums:
            return _judge_tail(wal, frame, frames, salts, _offset(good, page_size))
        sums = frame.sums
        waiting[frame.page] = zlib.crc32(frame.content)
        if frame.size:
            wal.pages.update(waiting)
            wal = wal._replace(size=frame.size, end=_offset(good + 1, page_size))
            waiting.clear()
    return wal


def _judge_tail(wal: Wal, bad: _Frame, frames: Iterator[_Frame], salts: tuple[int, int], offset: int) -> Wal:
    """Look at the first frame that does not count, and at the ones beyond it."""
    committed = bad.salts == salts and bad.size != 0
    beyond = 0
    lost = False
    for frame in frames:
        if frame.salts == salts:
            beyond += 1
            lost = lost or committed
            committed = committed or frame.size != 0
    if bad.salts != salts and not beyond:
        return wal
    return wal._replace(bad_at=offset, beyond=beyond, lost=lost)


def frames_of(path: Path, first: int, last: int) -> Iterator[tuple[int, int, int]]:
    """
    Give (page, pages of the database or 0, CRC-32) of the frames ``first`` to ``last`` - 1, unchecked.

    Raises:
        OSError: they cannot be read.
    """
    with path.open("rb") as file:
        page_size = HEADER.unpack(file.read(HEADER.size))[2]
        file.seek(_offset(first, page_size))
        for _ in range(first, last):
            page, size, *_ = FRAME.unpack(file.read(FRAME.size))
            yield page, size, zlib.crc32(file.read(page_size))


def salts_of(path: Path) -> bytes:
    """
    Give what distinguishes this beginning of the file from the former ones; nothing where it is empty.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(HEADER.size)


def checksum(content: bytes, sums: tuple[int, int], swapped: int) -> tuple[int, int]:
    """Continue the checksum over ``content``, a multiple of 8 bytes; ``swapped``: as big-endian words."""
    first, second = sums
    words = array("I", content)
    if swapped != (array("I", b"\0\0\0\1")[0] == 1):
        words.byteswap()
    pairs = iter(words)
    for one, other in zip(pairs, pairs, strict=True):
        first = (first + one + second) & _MASK
        second = (second + other + first) & _MASK
    return first, second


def _sums_after(frame: _Frame, sums: tuple[int, int], swapped: int) -> tuple[int, int]:
    return checksum(frame.content, checksum(frame.head, sums, swapped), swapped)


def _offset(frame: int, page_size: int) -> int:
    return HEADER.size + frame * (FRAME.size + page_size)


def _frames(file: BinaryIO, page_size: int) -> Iterator[_Frame]:
    """Give the whole frames from where the file stands; a part of a frame at the end is none."""
    while True:
        head = file.read(FRAME.size)
        content = file.read(page_size)
        if len(content) < page_size:
            return
        page, size, salt, other_salt, *sums = FRAME.unpack(head)
        yield _Frame(page, size, (salt, other_salt), (sums[0], sums[1]), head[:8], content)
