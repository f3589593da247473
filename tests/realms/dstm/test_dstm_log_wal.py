"""SQLite's write-ahead log, read without SQLite: frames that count, a torn end, damage."""

import sqlite3
import zlib
from pathlib import Path
from typing import Any

import pytest

from realms.dstm.log import LogRefused
from realms.dstm.log.wal import FRAME, HEADER, checksum, frames_of, salts_of, scan

PAGE = 4096
SIZE = FRAME.size + PAGE


@pytest.fixture
def database(tmp_path: Path) -> Any:
    """A database with a table, in WAL mode, that writes nothing back by itself."""
    connection = sqlite3.connect(tmp_path / "db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)")
    yield connection
    connection.close()


@pytest.fixture
def path(tmp_path: Path, database: sqlite3.Connection) -> Path:
    """The log of a database after three transactions: the table, four rows of one page, one small row."""
    insert(database, 4)
    database.execute("INSERT INTO t VALUES (NULL, 'small')")
    return tmp_path / "db-wal"


def insert(database: sqlite3.Connection, rows: int) -> None:
    database.execute("BEGIN")
    database.executemany("INSERT INTO t VALUES (NULL, ?)", [(bytes([n]) * 3000,) for n in range(rows)])
    database.execute("COMMIT")


def frames(path: Path) -> int:
    return (path.stat().st_size - HEADER.size) // SIZE


def commits(path: Path) -> list[int]:
    """Give the numbers of the frames that are commits."""
    return [number for number, (_, size, _) in enumerate(frames_of(path, 0, frames(path))) if size]


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x20
    path.write_bytes(content)


def test_no_log(tmp_path: Path) -> None:
    """A file that is missing, empty or shorter than a header holds nothing."""
    path = tmp_path / "wal"
    for content in (None, b"", b"x" * 31):
        if content is not None:
            path.write_bytes(content)
        log = scan(path)
        assert (log.pages, log.size, log.end, log.bad_at) == ({}, 0, 0, None)


def test_pages_are_those_that_are_written_back(
    path: Path, database: sqlite3.Connection, tmp_path: Path
) -> None:
    """Its pages, their last state and the size are what a checkpoint makes of the database file."""
    log = scan(path)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = (tmp_path / "db").read_bytes()
    assert log.size == len(content) // PAGE
    assert log.pages == {
        number: zlib.crc32(content[(number - 1) * PAGE : number * PAGE])
        for number in range(1, log.size + 1)
        if number in log.pages
    }
    assert len(log.pages) >= 5
    assert scan(path).pages == {}


def test_begun_anew(path: Path, database: sqlite3.Connection) -> None:
    """Frames left from before the file was begun anew are no error, and do not count."""
    before = path.stat().st_size
    beginning = salts_of(path)
    database.execute("PRAGMA wal_checkpoint(RESTART)")
    database.execute("INSERT INTO t VALUES (NULL, 'x')")
    log = scan(path)
    assert path.stat().st_size == before
    assert salts_of(path) != beginning
    assert log.bad_at is None
    assert log.end == HEADER.size + len(log.pages) * SIZE < before


def test_transaction_without_its_commit(path: Path) -> None:
    """The frames of a transaction whose commit is missing do not count."""
    *_, last = commits(path)
    whole = scan(path)
    content = path.read_bytes()
    path.write_bytes(content[: HEADER.size + last * SIZE])
    log = scan(path)
    assert log.end < whole.end
    assert log.bad_at is None
    assert (log.beyond, log.lost) == (0, False)


def test_part_of_a_frame(path: Path) -> None:
    """A part of a frame at the end is none."""
    content = path.read_bytes()
    whole = scan(path)
    path.write_bytes(content + content[HEADER.size : HEADER.size + 500])
    assert scan(path) == whole


def test_bad_last_frame(path: Path) -> None:
    """A bad frame at the end may be torn or damaged; the place is told."""
    last = frames(path) - 1
    flip(path, HEADER.size + last * SIZE + 1000)
    log = scan(path)
    assert (log.bad_at, log.beyond, log.lost) == (HEADER.size + last * SIZE, 0, False)


def test_bad_last_frame_in_its_salts(path: Path) -> None:
    """If the salts themselves are damaged in the last frame, it looks like one from before."""
    last = frames(path) - 1
    flip(path, HEADER.size + last * SIZE + 10)
    log = scan(path)
    assert (log.bad_at, log.beyond, log.lost) == (None, 0, False)
    assert log.end == HEADER.size + last * SIZE


def test_bad_frame_of_the_last_transaction(path: Path, database: sqlite3.Connection) -> None:
    """In a transaction of several frames, those beyond the bad one may be there though nothing was synced."""
    first = frames(path)
    insert(database, 5)
    flip(path, HEADER.size + first * SIZE + 1000)
    log = scan(path)
    assert (log.bad_at, log.lost) == (HEADER.size + first * SIZE, False)
    assert log.beyond == frames(path) - first - 1 > 2


@pytest.mark.parametrize("at", [0, 5, 8, 16, 24, 2000])
def test_bad_frame_before_other_transactions(path: Path, at: int) -> None:
    """If whole transactions follow the one with the bad frame, something acknowledged is lost."""
    flip(path, HEADER.size + at)
    log = scan(path)
    assert (log.bad_at, log.beyond, log.lost) == (HEADER.size, frames(path) - 1, True)
    assert log.pages == {}


@pytest.mark.parametrize("at", [0, 4, 8, 12, 16, 20, 24, 31])
def test_bad_header(path: Path, at: int) -> None:
    """Without a good header no frame can be judged."""
    flip(path, at)
    with pytest.raises(LogRefused, match="db-wal, offset 0: the header of the write-ahead log is damaged"):
        scan(path)


def test_other_byte_order(path: Path) -> None:
    """A log whose checksums a processor of the other byte order has taken counts just the same."""
    whole = scan(path)
    content = bytearray(path.read_bytes())
    magic, *rest = HEADER.unpack(content[: HEADER.size])
    swapped = (magic & 1) ^ 1
    head = HEADER.pack(magic ^ 1, *rest)[:24]
    sums = checksum(head, (0, 0), swapped)
    content[: HEADER.size] = head + b"".join(part.to_bytes(4, "big") for part in sums)
    for number in range(frames(path)):
        at = HEADER.size + number * SIZE
        sums = checksum(bytes(content[at : at + 8]), sums, swapped)
        sums = checksum(bytes(content[at + FRAME.size : at + SIZE]), sums, swapped)
        content[at + 16 : at + 24] = b"".join(part.to_bytes(4, "big") for part in sums)
    path.write_bytes(content)
    assert scan(path) == whole
    connection = sqlite3.connect(f"file:{path.with_name('db')}?mode=ro", uri=True)
    connection.close()


def test_frames(path: Path) -> None:
    """The frames from one to another, unchecked, with their page, the size at a commit, and the sum."""
    every = list(frames_of(path, 0, frames(path)))
    assert list(frames_of(path, 2, 4)) == every[2:4]
    assert {page for page, *_ in every} == set(scan(path).pages)
    assert every[-1][1] == scan(path).size
