"""
A byte that has changed, a file that is cut or gone: found at the opening, with the place; what was never
acknowledged is dropped without a word.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random
from struct import pack, unpack
from typing import Any, NamedTuple
from zlib import crc32

import pytest
from dstm_logs import HASH, commit, commits, crash, fill, reject, sqlite_log, versions
from msgspec.structs import replace

from realms.dstm.document import Document
from realms.dstm.log import LogRefused, LogUnavailable, Record, wal
from realms.dstm.log.rows import NO_SUM, encode, link
from realms.dstm.log.schema import PAGE_SIZE
from realms.dstm.log.seal import BLOCK_AT
from realms.dstm.log.sqlite import SqliteLog

FLIPS = 80  # of each file


class Image(NamedTuple):
    """The files of a log, and what a right opening of them gives."""

    files: dict[str, bytes]  # suffix -> content
    records: list[Record]
    document: Document

    def put(self, directory: Path, files: dict[str, bytes]) -> Path:
        """Write ``files`` in the place of whatever is in ``directory``; give the database's path."""
        directory.mkdir(exist_ok=True)
        for left in directory.iterdir():
            left.unlink()
        for suffix, content in files.items():
            directory.joinpath("space.sqlite3" + suffix).write_bytes(content)
        return directory / "space.sqlite3"

    def flipped(self, suffix: str, at: int, mask: int) -> dict[str, bytes]:
        content = bytearray(self.files[suffix])
        content[at] ^= mask
        return self.files | {suffix: bytes(content)}


def take(path: Path, records: list[Record], document: Document, to: Path) -> Image:
    crash(path, to)
    names = {file.name.removeprefix(path.name): file.read_bytes() for file in to.iterdir()}
    return Image(names, records, document)


def build(directory: Path) -> tuple[SqliteLog, list[Record], Document]:
    """Make a log that has something of everything: a snapshot in several chunks, free pages, all tables."""
    log = sqlite_log(directory / "space.sqlite3", window=60, checkpoint_bytes=PAGE_SIZE * 20)
    log.open()
    log.write(commits(1, 200, size=300))
    document = Document.of({str(n): "z" * 100 for n in range(2000)})
    log.save_snapshot(150, HASH, document, [{"path": "/a"}])
    log.save_snapshot(180, HASH, document, [{"path": "/a"}])
    log.trim(100, 0)
    return log, commits(100, 200, size=300), document


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """What is left of a process that was killed: a database file, and much in the write-ahead log."""
    directory = tmp_path_factory.mktemp("crashed")
    log, records, document = build(directory)
    more = [commit(201), reject(201), *commits(202, 215)]
    for record in more:
        log.write([record])
    image = take(log.path, records + more, document, directory / "image")
    log.close()
    return image


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """What is left of a log that was closed: a database file with its seal."""
    directory = tmp_path_factory.mktemp("closed")
    log, records, document = build(directory)
    log.close()
    return take(log.path, records, document, directory / "image")


def outcome(image: Image, path: Path, *, is_used: bool = True) -> str:
    """Open the files, read all, use them, and say ``right``, or what was refused; anything else fails."""
    log = sqlite_log(path, window=10)
    try:
        found = log.open()
    except LogRefused as refused:
        return f"refused {refused.place}"
    try:
        head = image.records[-1].version
        assert (found.snapshot_version, found.document) == (180, image.document)
        assert list(log.read(0, 1000)) == image.records
        if not is_used:
            return "right"
        log.write([commit(head + 1)])
        log.save_snapshot(head + 1, HASH, image.document, [])
        log.trim(150, 0)
        log.close()
        again = log.open()
        assert versions(again.records)[-1] == head + 1
        assert versions(log.read(0, 1000))[0] == 150
    finally:
        log.close()
    return "right"


def positions(content: bytes, seed: str) -> list[tuple[int, int]]:
    """Draw where and how to flip: all over the file, and often at its beginning."""
    draw = Random(seed)
    everywhere = [(draw.randrange(len(content)), draw.randrange(1, 256)) for _ in range(FLIPS)]
    return everywhere + [(draw.randrange(min(100, len(content))), 1 << draw.randrange(8)) for _ in range(20)]


def test_the_images_are_right(crashed: Image, closed: Image, tmp_path: Path) -> None:
    """Unchanged, both are opened; the image of a crash has pages and frames of all kinds."""
    for image in (crashed, closed):
        assert outcome(image, image.put(tmp_path / "image", image.files)) == "right"
    assert sorted(crashed.files) == ["", "-seal", "-wal"]
    assert sorted(closed.files) == ["", "-seal"]
    path = crashed.put(tmp_path / "image", crashed.files)
    log = wal.scan(path.with_name(path.name + "-wal"))
    assert 0 < len(log.pages) < log.size
    assert log.end < len(crashed.files["-wal"])  # frames from before it was begun anew
    (free_pages,) = unpack(">I", crashed.files[""][36:40])
    assert free_pages > 0


def test_every_flip_in_a_closed_database_is_found(closed: Image, tmp_path: Path) -> None:
    """Whatever byte of the database changes, used by SQLite or not, it is refused with its page."""
    for at, mask in positions(closed.files[""], "closed"):
        path = closed.put(tmp_path / "image", closed.flipped("", at, mask))
        assert (
            outcome(closed, path)
            == f"refused {path}, offset {at // PAGE_SIZE * PAGE_SIZE}, page {at // PAGE_SIZE + 1}"
        )


def test_every_flip_in_a_database_is_found_after_a_crash(crashed: Image, tmp_path: Path) -> None:
    """The same with a write-ahead log; only a page that this replaces anyway may hold anything."""
    path = crashed.put(tmp_path / "image", crashed.files)
    replaced = wal.scan(path.with_name(path.name + "-wal")).pages
    for at, mask in positions(crashed.files[""], "crashed"):
        path = crashed.put(tmp_path / "image", crashed.flipped("", at, mask))
        page = at // PAGE_SIZE + 1
        expected = (
            "right"
            if page in replaced
            else f"refused {path}, offset {at // PAGE_SIZE * PAGE_SIZE}, page {page}"
        )
        assert outcome(crashed, path) == expected


def test_every_flip_in_the_write_ahead_log_is_found(crashed: Image, tmp_path: Path) -> None:
    """Whatever byte changes up to the last commit, it is refused with the offset of its frame."""
    path = crashed.put(tmp_path / "image", crashed.files)
    end = wal.scan(path.with_name(path.name + "-wal")).end
    size = wal.FRAME.size + PAGE_SIZE
    for at, mask in positions(crashed.files["-wal"], "wal"):
        path = crashed.put(tmp_path / "image", crashed.flipped("-wal", at, mask))
        frame = 0 if at < wal.HEADER.size else (at - wal.HEADER.size) // size * size + wal.HEADER.size
        expected = f"refused {path}-wal, offset {frame}" if at < end else "right"
        assert outcome(crashed, path, is_used=False) == expected


def test_every_flip_in_the_seal_is_found(crashed: Image, closed: Image, tmp_path: Path) -> None:
    """Whatever byte of the seal changes, it is refused; after a crash one slot of the mark may be torn."""
    for image in (crashed, closed):
        for at, mask in positions(image.files["-seal"], "seal"):
            path = image.put(tmp_path / "image", image.flipped("-seal", at, mask))
            found = outcome(image, path, is_used=False)
            may_be_torn = image is crashed and at < BLOCK_AT
            assert found == "right" if may_be_torn else found.startswith(f"refused {path}-seal")


def test_both_slots_are_torn(closed: Image, tmp_path: Path) -> None:
    """Without a good mark the seal is refused."""
    files = closed.files | {"-seal": bytes(BLOCK_AT) + closed.files["-seal"][BLOCK_AT:]}
    path = closed.put(tmp_path / "image", files)
    assert outcome(closed, path) == f"refused {path}-seal, offset 0"


def test_every_flip_in_a_copy_is_found_or_changes_nothing(closed: Image, tmp_path: Path) -> None:
    """In a copy, which has no seal, everything that is used is checked."""
    refused = 0
    for at, mask in positions(closed.files[""], "copy"):
        path = closed.put(tmp_path / "image", {"": closed.flipped("", at, mask)[""]})
        refused += outcome(closed, path) != "right"
    assert refused > FLIPS // 2


@pytest.mark.parametrize("length", [0, 1, 31, 32, 100, 4152, 10_000])
def test_write_ahead_log_cut(crashed: Image, tmp_path: Path, length: int) -> None:
    """A write-ahead log that has lost what was acknowledged is refused, wherever it was cut."""
    path = crashed.put(tmp_path / "image", crashed.files | {"-wal": crashed.files["-wal"][:length]})
    with pytest.raises(
        LogRefused, match="records up to version 215 were acknowledged, and the log ends with"
    ):
        sqlite_log(path).open()


def test_write_ahead_log_gone(crashed: Image, tmp_path: Path) -> None:
    """So is one that is gone; without the seal the rest counts as a copy, in a new epoch."""
    files = {"": crashed.files[""], "-seal": crashed.files["-seal"]}
    path = crashed.put(tmp_path / "image", files)
    with pytest.raises(LogRefused, match="delete -seal: the epoch changes then"):
        sqlite_log(path).open()
    path.with_name(path.name + "-seal").unlink()
    log = sqlite_log(path, epoch=lambda: "f" * 32)
    found = log.open()
    assert found.epoch == "f" * 32
    assert versions(log.read(0, 1000))[0] == 100
    log.close()


@pytest.mark.parametrize("length", [0, 10, PAGE_SIZE * 3, PAGE_SIZE * 3 + 7])
def test_database_cut(closed: Image, tmp_path: Path, length: int) -> None:
    """A database that is cut is refused."""
    path = closed.put(tmp_path / "image", closed.files | {"": closed.files[""][:length]})
    assert outcome(closed, path) == (
        f"refused {path}, offset {length // PAGE_SIZE * PAGE_SIZE}, page {length // PAGE_SIZE + 1}"
    )


def test_database_longer(closed: Image, tmp_path: Path) -> None:
    """So is one with more at its end than the seal knows."""
    path = closed.put(tmp_path / "image", closed.files | {"": closed.files[""] + b"x"})
    assert outcome(closed, path).startswith(f"refused {path}, offset {len(closed.files[''])}")


@pytest.mark.parametrize("length", [0, 100, BLOCK_AT + 70, -1])
def test_seal_cut(closed: Image, tmp_path: Path, length: int) -> None:
    """A seal that is cut is refused."""
    path = closed.put(tmp_path / "image", closed.files | {"-seal": closed.files["-seal"][:length]})
    assert outcome(closed, path).startswith(f"refused {path}-seal")


@pytest.mark.parametrize("left", ["-wal", "-seal"])
def test_database_gone(crashed: Image, tmp_path: Path, left: str) -> None:
    """Where the database is missing and something of it is left, nothing is begun anew."""
    path = crashed.put(tmp_path / "image", {left: crashed.files[left]})
    with pytest.raises(LogRefused, match=f"it is missing, but space.sqlite3{left} is there"):
        sqlite_log(path).open()


class Unfinished(NamedTuple):
    """A write that was not acknowledged: the files before, the write-ahead log after, where the two part."""

    before: Image
    after: bytes
    start: int
    end: int


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Unfinished:
    """A crash in the middle of a write of several frames."""
    directory = tmp_path_factory.mktemp("unfinished")
    log, records, document = build(directory)
    log.write([commit(201)])
    before = take(log.path, [*records, commit(201)], document, directory / "before")
    log.write(commits(202, 240, size=500))
    after = take(log.path, [], document, directory / "after").files["-wal"]
    ends = [wal.scan(directory / name / "space.sqlite3-wal").end for name in ("before", "after")]
    log.close()
    assert ends[1] > ends[0] + 3 * (PAGE_SIZE + wal.FRAME.size)
    return Unfinished(before, after, *ends)


def test_torn_end(unfinished: Unfinished, tmp_path: Path) -> None:
    """A write that was not finished is dropped, wherever it ended; what was acknowledged is there."""
    image = unfinished.before
    draw = Random("torn")
    for length in [
        unfinished.start,
        unfinished.end - 1,
        *(draw.randrange(unfinished.start, unfinished.end) for _ in range(20)),
    ]:
        path = image.put(tmp_path / "image", image.files | {"-wal": unfinished.after[:length]})
        assert outcome(image, path) == "right"


def test_torn_end_in_any_order(unfinished: Unfinished, tmp_path: Path) -> None:
    """Of a write that was not synced any sectors may be on the disk: that is no damage either."""
    image = unfinished.before
    draw = Random("sectors")
    for _ in range(30):
        content = bytearray(unfinished.after[: unfinished.end])
        sectors = range(unfinished.start // 512 + 1, unfinished.end // 512)
        for sector in draw.sample(sectors, draw.randrange(1, len(sectors))):
            content[sector * 512 : sector * 512 + 512] = bytes(512)
        path = image.put(tmp_path / "image", image.files | {"-wal": bytes(content)})
        assert outcome(image, path) == "right"


def test_the_same_with_the_mark_is_damage(unfinished: Unfinished, tmp_path: Path) -> None:
    """Had the write been acknowledged, it would be refused."""
    image = unfinished.before
    path = image.put(tmp_path / "image", image.files | {"-wal": unfinished.after[: unfinished.end]})
    log = sqlite_log(path)
    assert versions(log.open().records)[-1] == 240
    log.close()
    seal = path.with_name(path.name + "-seal").read_bytes()
    files = image.files | {"-wal": unfinished.after[: unfinished.end - 1], "-seal": seal}
    path = image.put(tmp_path / "image", files)
    with pytest.raises(LogRefused):
        sqlite_log(path).open()


def test_damage_before_whole_transactions(tmp_path: Path) -> None:
    """
    Three flipped bytes in the middle of 200 acknowledged transactions are refused, with the frame.

    SQLite by itself would drop 100 of them without a word. The mark is not needed for that.
    """
    log = sqlite_log(tmp_path / "space.sqlite3")
    log.open()
    seal = log.path.with_name("space.sqlite3-seal").read_bytes()
    fill(log, 1, 200)
    image = take(log.path, commits(1, 200), Document.of({}), tmp_path / "image")
    log.close()
    size = wal.FRAME.size + PAGE_SIZE
    middle = len(image.files["-wal"]) // 2 // size * size + wal.HEADER.size
    content = bytearray(image.files["-wal"])
    for at in (100, 101, 3000):
        content[middle + at] ^= 0x40
    path = image.put(tmp_path / "image", image.files | {"-wal": bytes(content), "-seal": seal})
    with pytest.raises(
        LogRefused, match=f"space.sqlite3-wal, offset {middle}: a frame is damaged, and .* are not"
    ):
        sqlite_log(path).open()


def test_copy_with_a_damaged_write_ahead_log(crashed: Image, tmp_path: Path) -> None:
    """Without a seal there is no mark, so anything that looks whole beyond a bad frame is refused."""
    files = crashed.flipped("-wal", 200, 1)
    del files["-seal"]
    path = crashed.put(tmp_path / "image", files)
    assert outcome(crashed, path) == f"refused {path}-wal, offset 32"


def test_seal_of_another_format(closed: Image, tmp_path: Path) -> None:
    """A seal of a later format is refused."""
    seal = closed.files["-seal"]
    head = seal[BLOCK_AT : BLOCK_AT + 8] + pack(">I", 2) + seal[BLOCK_AT + 12 : BLOCK_AT + 64]
    files = closed.files | {"-seal": seal[:BLOCK_AT] + head + pack(">I", crc32(head)) + seal[BLOCK_AT + 68 :]}
    path = closed.put(tmp_path / "image", files)
    with pytest.raises(LogRefused, match="the seal has format 2, this router knows 1"):
        sqlite_log(path).open()


def damage_row(log: SqliteLog, statement: str, *values: Any) -> None:
    """Change the database behind the log's back, as a fault of SQLite would; the pages get right sums."""
    log._known.opened.connection.execute(statement, values)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("UPDATE records SET body = x'00' WHERE seq = 190", "table records, row 190"),
        ("UPDATE records SET sum = 'text' WHERE seq = 190", "table records, row 190"),
        ("UPDATE records SET body = 'text' WHERE seq = 190", "table records, row 190"),
        ("DELETE FROM records WHERE seq = 190", "table records, row 190"),
        ("DELETE FROM records WHERE seq = 100", "table records, row 100"),
        ("UPDATE records SET seq = 99 WHERE seq = 100", "table records, row 100"),
        ("UPDATE state SET body = x'00'", "table state, row 1"),
        ("DELETE FROM state", "table state, row 1"),
        ("INSERT INTO state VALUES (2, x'', x'')", "table state, row 2"),
        ("UPDATE chunks SET body = x'00' WHERE id = (SELECT min(id) FROM chunks)", "table chunks, row"),
        ("DELETE FROM chunks WHERE id = (SELECT max(id) FROM chunks)", "table chunks, row"),
        ("CREATE TABLE other (id)", "sqlite_schema"),
        ("PRAGMA application_id = 5", "offset 68"),
    ],
)
def test_rows_have_their_own_sums(tmp_path: Path, statement: str, place: str) -> None:
    """Rows that are changed, missing or too many are refused though every page is as it was written."""
    log, *_ = build(tmp_path)
    damage_row(log, statement)
    log.write([commit(201)])
    path = crash(log.path, tmp_path / "image")
    log.close()
    with pytest.raises(LogRefused) as refused:
        sqlite_log(path).open()
    assert place in refused.value.place


def test_right_sums_of_wrong_content(tmp_path: Path) -> None:
    """A state or a snapshot that has the right sums and cannot be read is refused, too."""
    log, *_ = build(tmp_path)
    assert log._known is not None
    state, content = log._known.state, log._known.opened.content
    assert state.snapshot is not None
    first = state.snapshot.first
    places = []
    other_end = replace(state.snapshot, sum=b"x" * 8)
    wrong = b"\xc1"
    wrong_sum = link(NO_SUM, first, wrong)
    no_snapshot = replace(state.snapshot, last=first, sum=wrong_sum)
    body = encode([5])
    steps: list[Callable[[], Any]] = [
        lambda: content.put_state(replace(state, snapshot=other_end)),
        lambda: content.put_state(replace(state, snapshot=no_snapshot)),
        lambda: damage_row(log, "REPLACE INTO state VALUES (1, ?, ?)", body, link(NO_SUM, 1, body)),
    ]
    for number, step in enumerate(steps):
        step()
        if number == 1:
            damage_row(log, "UPDATE chunks SET body = ?, sum = ? WHERE id = ?", wrong, wrong_sum, first)
        path = crash(log.path, tmp_path / f"image{number}")
        with pytest.raises(LogRefused) as refused:
            sqlite_log(path).open()
        places.append(refused.value.place.removeprefix(f"{path}, "))
    last = state.snapshot.last
    assert places == [f"table chunks, row {last}", f"table chunks, rows {first} to {first}", "table state"]
    log.close()


def test_old_row_is_found_when_it_is_read(tmp_path: Path) -> None:
    """A record before the window is checked when it is read, and when trimming comes to it."""
    log, *_ = build(tmp_path)
    damage_row(log, "UPDATE records SET body = x'00' WHERE seq = 110")
    reader = log.read(100, 120)
    with pytest.raises(LogRefused, match="table records, row 110"):
        list(reader)
    damage_row(log, "DELETE FROM records WHERE seq BETWEEN 120 AND 140")
    with pytest.raises(LogUnavailable, match="a row is missing"):
        log.trim(130, 0)
    with pytest.raises(LogUnavailable, match="a row is missing"):
        log.write([commit(201)])
    log.close()
