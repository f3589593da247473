"""The seal: what it says of a database file and of its end."""

from pathlib import Path

import pytest

from realms.dstm.log import LogRefused
from realms.dstm.log.seal import BLOCK_AT, SLOT, Mark, Seal

EPOCH = "ab" * 16
PAGE = 512


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """A file of four pages."""
    path = tmp_path / "main"
    path.write_bytes(b"".join(bytes([number]) * PAGE for number in range(1, 5)))
    return path


@pytest.fixture
def seal(tmp_path: Path, main: Path) -> Seal:
    seal = Seal(tmp_path / "seal", PAGE, EPOCH, 7, Mark(EPOCH, 5, 3))
    seal.take_file(main)
    seal.save()
    return seal


def loaded(seal: Seal) -> Seal:
    seal.close()
    found = Seal.load(seal.path)
    assert found is not None
    return found


def test_no_seal(tmp_path: Path) -> None:
    """Where there is no file, there is no seal."""
    assert Seal.load(tmp_path / "seal") is None


def test_saved(seal: Seal) -> None:
    """What was saved is loaded."""
    found = loaded(seal)
    assert (found.page_size, found.epoch, found.number) == (PAGE, EPOCH, 7)
    assert not found.is_torn
    assert found.mark == Mark(EPOCH, 5, 3)
    assert found.sums == seal.sums
    assert len(found.sums) == 4


def test_mark_is_written_in_place(seal: Seal) -> None:
    """The mark advances without the file being replaced, and goes on after a load."""
    inode = seal.path.stat().st_ino
    for seq in range(6, 11):
        seal.advance(Mark(EPOCH, seq, seq))
        assert loaded(seal).mark.seq == seq
        seal.open()
    again = loaded(seal)
    again.open()
    again.advance(Mark(EPOCH, 20, 20))
    assert loaded(again).mark.seq == 20
    assert seal.path.stat().st_ino == inode


@pytest.mark.parametrize("slot", [0, 1])
def test_torn_slot(seal: Seal, slot: int) -> None:
    """If one slot is torn, the other counts: the newer or the one before."""
    seal.advance(Mark(EPOCH, 6, 6))
    seal.advance(Mark(EPOCH, 7, 7))
    content = bytearray(seal.path.read_bytes())
    content[slot * SLOT.size + 30] ^= 1
    seal.path.write_bytes(content)
    found = loaded(seal)
    assert found.is_torn
    assert found.mark.seq in (6, 7)
    content[(1 - slot) * SLOT.size + 30] ^= 1
    seal.path.write_bytes(content)
    with pytest.raises(LogRefused, match="offset 0: the mark of the seal is damaged"):
        Seal.load(seal.path)


def test_mark_that_cannot_be_written(seal: Seal) -> None:
    """A mark that cannot be written is no error: it only serves to find damage."""
    seal.close()
    seal.advance(Mark(EPOCH, 6, 6))
    assert loaded(seal).mark.seq == 5


def test_pages_that_differ(seal: Seal, main: Path) -> None:
    """The first page that differs is told; those that are skipped may hold anything."""
    assert seal.differing(main, {}, 0) is None
    content = bytearray(main.read_bytes())
    content[PAGE + 1] ^= 1
    content[3 * PAGE + 1] ^= 1
    main.write_bytes(content)
    assert seal.differing(main, {}, 0) == 2
    assert seal.differing(main, {2}, 4) == 4
    assert seal.differing(main, {2, 4}, 4) is None


def test_file_that_is_shorter(seal: Seal, main: Path) -> None:
    """A page that is missing differs, unless it is skipped, or was never written."""
    main.write_bytes(main.read_bytes()[: 3 * PAGE])
    assert seal.differing(main, {}, 0) == 4
    assert seal.differing(main, {4}, 4) is None
    assert seal.differing(main, {4}, 5) is None  # page 5 is one of zeros
    main.write_bytes(main.read_bytes()[: 2 * PAGE + 7])
    assert seal.differing(main, {4}, 4) == 3


def test_file_that_is_longer(seal: Seal, main: Path) -> None:
    """A page that nobody knows differs; one that the write-ahead log made and never wrote is one of zeros."""
    main.write_bytes(main.read_bytes() + bytes(PAGE))
    assert seal.differing(main, {}, 0) == 5
    assert seal.differing(main, {6}, 6) is None
    assert seal.differing(main, {5}, 5) is None


def test_head_and_sums(seal: Seal) -> None:
    """Damage in either is refused with its offset."""
    content = bytearray(seal.path.read_bytes())
    for at, place in ((BLOCK_AT + 3, f"offset {BLOCK_AT}:"), (len(content) - 2, "offset 196:")):
        content[at] ^= 1
        seal.path.write_bytes(content)
        with pytest.raises(LogRefused, match=place):
            Seal.load(seal.path)
        content[at] ^= 1


def test_seal_that_cannot_be_replaced(seal: Seal, tmp_path: Path) -> None:
    """A seal that cannot be put in its place leaves nothing beside it."""
    seal.path.unlink()
    seal.path.mkdir()
    with pytest.raises(OSError):
        seal.save()
    assert not list(tmp_path.glob("*-new"))
    seal.close()


def test_nothing_to_take(seal: Seal, tmp_path: Path) -> None:
    """A write-ahead log without frames changes nothing."""
    before = list(seal.sums)
    seal.take_frames(tmp_path / "none", 0)
    assert list(seal.sums) == before
