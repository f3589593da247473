"""
The seal of a database file: what this directory knows of it, kept in a file beside it.

It has two parts:

- The *mark*, written in place after every acknowledged write: how far the log goes. It is not synced, so
  after a loss of power it may be some seconds old, but it is never ahead. A log that ends before its mark
  has lost what was acknowledged, or is an older copy. It is written alternately to two slots, of which a
  loss of power may tear one: a bad slot counts for nothing while the other is good, but only after a crash.
- The *sums*, one CRC-32 for each page of the database file, replaced as a whole at each checkpoint, before
  SQLite may begin its write-ahead log anew. A page must have its sum unless the write-ahead log holds it.
  So every byte of the database file is checked at each opening, whether SQLite uses it or not.

Without a seal a file counts as a copy: it is verified record by record and gets a new epoch and a new seal.
"""

import os
import sys
import zlib
from array import array
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from struct import Struct as Layout
from struct import pack, unpack
from typing import Final, NamedTuple

from realms.dstm.log import LogRefused, wal
from realms.dstm.log.files import replace

SLOT: Final = Layout(">4s16sQQQ16sI")  # name, epoch, seq, version, turn, zeros, CRC-32
HEAD: Final = Layout(
    ">8sII16sQQ12sI"
)  # name, format, page size, epoch, number, pages, zeros, sum of the sums
BLOCK_AT: Final = 2 * SLOT.size
SUMS_AT: Final = BLOCK_AT + HEAD.size + 4
NAME: Final = b"DSTMseal" if sys.byteorder == "little" else b"DSTMSEAL"  # the order of the sums
MARK: Final = b"mark"
FORMAT: Final = 1
MARK_DAMAGED: Final = "the mark of the seal is damaged"
READ_BYTES: Final = 1024**2


class Mark(NamedTuple):
    """How far the log goes: the number of its last record, the version of its last commit."""

    epoch: str
    seq: int
    version: int


class Seal:
    """
    The seal at ``path``, in use.

    :ivar epoch: of the log when the sums were taken; with ``number`` it identifies the state of the file
    :ivar number: of the checkpoint
    :ivar is_torn: one slot of the mark is bad, so that ``mark`` may be one write behind
    """

    def __init__(self, path: Path, page_size: int, epoch: str, number: int, mark: Mark) -> None:
        self.path = path
        self.page_size = page_size
        self.epoch = epoch
        self.number = number
        self.mark = mark
        self.is_torn = False
        self.sums = array("I")  # of page 1, 2, ...
        self._turn = 0
        self._descriptor = -1
        self._taken: tuple[bytes, int] = (
            b"",
            0,
        )  # header of the write-ahead log, frames in the sums
        self._sum_of_zeros = zlib.crc32(bytes(page_size))

    @classmethod
    def load(cls, path: Path) -> "Seal | None":
        """
        Read the seal, if there is one.

        Raises:
            LogRefused: it is damaged.
            OSError: it cannot be read.
        """
        if not path.exists():
            return None
        content = path.read_bytes()
        if len(content) < SUMS_AT:
            raise LogRefused(str(path), f"the seal ends after {len(content)} bytes")
        head = content[BLOCK_AT : SUMS_AT - 4]
        name, form, page_size, epoch, number, pages, _, sums_sum = HEAD.unpack(head)
        if (zlib.crc32(head),) != unpack(">I", content[SUMS_AT - 4 : SUMS_AT]) or name != NAME:
            raise LogRefused(f"{path}, offset {BLOCK_AT}", "the head of the seal is damaged")
        if form != FORMAT:
            raise LogRefused(str(path), f"the seal has format {form}, this router knows {FORMAT}")
        block = content[SUMS_AT:]
        if len(block) != 4 * pages or zlib.crc32(block) != sums_sum:
            raise LogRefused(f"{path}, offset {SUMS_AT}", "the sums of the seal are damaged")
        slots = [slot for at in (0, SLOT.size) if (slot := _read_slot(content[at : at + SLOT.size]))]
        if not slots:
            raise LogRefused(f"{path}, offset 0", MARK_DAMAGED)
        mark, turn = max(slots, key=lambda slot: slot[1])
        seal = cls(path, page_size, epoch.hex(), number, mark)
        seal.sums.frombytes(block)
        seal.is_torn = len(slots) < 2
        seal._turn = turn
        return seal

    def differing(self, main: Path, skipped: Collection[int], size: int) -> int | None:
        """
        Compare the database file with the sums; give the number of the first page that differs.

        :param skipped: pages whose state is in the write-ahead log
        :param size: pages that the database has; 0: as many as there are sums
        Raises:
            OSError: it cannot be read.
        """
        number = 0
        with main.open("rb") as file:
            while block := file.read(READ_BYTES // self.page_size * self.page_size):
                view = memoryview(block)
                for start in range(0, len(block), self.page_size):
                    number += 1
                    page = view[start : start + self.page_size]
                    if number not in skipped and zlib.crc32(page) != self._sum(number, size):
                        return number
        return self._missing(number, skipped, size)

    def _missing(self, number: int, skipped: Collection[int], size: int) -> int | None:
        """Look for pages beyond the last in the file; one that was never written is one of zeros."""
        for page in range(number + 1, (size or len(self.sums)) + 1):
            if page not in skipped and self._sum(page, size) != self._sum_of_zeros:
                return page
        return None

    def _sum(self, page: int, size: int) -> int | None:
        """Give what page ``page`` must have; None if there must be no such page."""
        if page <= len(self.sums):
            return self.sums[page - 1]
        return self._sum_of_zeros if page <= size else None

    def take_file(self, main: Path) -> None:
        """
        Take the sums of the whole database file, which no write-ahead log adds to.

        Raises:
            OSError: it cannot be read.
        """
        self.sums = array("I")
        with main.open("rb") as file:
            while page := file.read(self.page_size):
                self.sums.append(zlib.crc32(page))

    def take_frames(self, path: Path, frames: int) -> None:
        """
        Take the sums of what the write-ahead log at ``path`` holds in its first ``frames`` frames; all are
        committed.

        Raises:
            OSError: it cannot be read.
        """
        if frames <= 0:
            return
        beginning = wal.salts_of(path)
        first = self._taken[1] if self._taken[0] == beginning else 0
        size = len(self.sums)
        for page, pages, page_sum in wal.frames_of(path, first, frames):
            while len(self.sums) < page:
                self.sums.append(self._sum_of_zeros)
            self.sums[page - 1] = page_sum
            size = pages or size
        self._resize(size)
        self._taken = (beginning, frames)

    def _resize(self, size: int) -> None:
        del self.sums[size:]
        self.sums.extend([self._sum_of_zeros] * (size - len(self.sums)))

    def save(self) -> None:
        """
        Replace the file, durably.

        Raises:
            OSError: it could not be written; the old one is still there.
            LogBroken: fsync failed.
        """
        block = self.sums.tobytes()
        head = HEAD.pack(
            NAME,
            FORMAT,
            self.page_size,
            bytes.fromhex(self.epoch),
            self.number,
            len(self.sums),
            b"",
            zlib.crc32(block),
        )
        slots = self._slot(0) + self._slot(1)
        replace(self.path, [slots, head, pack(">I", zlib.crc32(head)), block])
        self.close()
        self.open()

    def open(self) -> None:
        """
        Open the file, so that ``advance`` can write to it.

        Raises:
            OSError: it may not be written.
        """
        self._descriptor = os.open(self.path, os.O_WRONLY)

    def advance(self, mark: Mark) -> None:
        """
        Write the mark.

        It serves to find damage later: if it cannot be written, what it stands for is durable all the same.
        """
        self.mark = mark
        self._turn += 1
        with suppress(OSError):
            os.pwrite(self._descriptor, self._slot(self._turn), self._turn % 2 * SLOT.size)

    def _slot(self, turn: int) -> bytes:
        slot = SLOT.pack(MARK, bytes.fromhex(self.mark.epoch), self.mark.seq, self.mark.version, turn, b"", 0)
        return slot[:-4] + pack(">I", zlib.crc32(slot[:-4]))

    def close(self) -> None:
        """Close the file; harmless if closed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _read_slot(slot: bytes) -> tuple[Mark, int] | None:
    """Give a mark and its turn, or None if the slot is torn."""
    name, epoch, seq, version, turn, _, slot_sum = SLOT.unpack(slot)
    if name != MARK or zlib.crc32(slot[:-4]) != slot_sum:
        return None
    return Mark(epoch.hex(), seq, version), turn
