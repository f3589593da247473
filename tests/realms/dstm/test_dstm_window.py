"""The window: what is remembered of the last versions, and what is forgotten."""

from typing import Any

import pytest
from dstm_space_play import tx

from realms.dstm.changes import Change
from realms.dstm.document import Document
from realms.dstm.log import Record
from realms.dstm.state import entry_of
from realms.dstm.window import MARK_EVERY, WIRES, Entry, Window


def commit(version: int, value: Any = None, number: int | None = None) -> Entry:
    changes = (Change("add", "/n", version if value is None else value),)
    name = None if number is None else tx(number)
    return entry_of(Record("commit", version, version, name, b"b", "", "", changes, None, [], b"h" * 16))


def reject(version: int, number: int) -> Entry:
    return entry_of(Record("reject", version, version, tx(number), b"b", outcome={"error": "e"}))


class Filled:
    """A window with versions 1 to ``versions``, each of which sets ``/n`` to itself."""

    def __init__(self, versions: int, most: int = 10_000, most_bytes: int = 2**24, value: Any = None) -> None:
        self.document = Document.of({})
        self.window = Window(0, 0, self.document, most, most_bytes)
        self.version = 0
        for _ in range(versions):
            self.add(value)

    def add(self, value: Any = None, number: int | None = None) -> Entry:
        self.version += 1
        entry = commit(self.version, value, number)
        before, self.document = self.document, self.document.apply(entry.changes)
        self.window.add_commit(entry, before, self.document)
        return entry


def test_entries_are_found_by_version_and_tx() -> None:
    filled = Filled(3)
    entry = filled.add(number=7)
    window = filled.window
    assert window.entry(4) is entry
    assert window.by_tx == {tx(7): entry}
    assert window.entry(0) is None
    assert window.entry(5) is None
    assert Filled(0).window.entry(1) is None
    assert len(window) == 4


def test_commits_since_a_base() -> None:
    window = Filled(5).window
    assert [entry.version for entry in window.since(2, 4) or []] == [3, 4]
    assert window.since(4, 4) == []
    assert window.since(4, 6) is None


def test_deltas_are_bounded() -> None:
    """In number and in bytes; else there are none."""
    window = Filled(3, value="x" * 1000).window
    assert [delta[:2] for delta in window.deltas(1, 3, 2, 10_000) or []] == [[1, 2], [2, 3]]
    assert window.deltas(0, 3, 2, 10_000) is None
    assert window.deltas(1, 3, 2, 1_000) is None


def test_wire_forms_are_made_once_and_kept_for_a_while() -> None:
    window = Filled(WIRES + 1).window
    first = window.deltas(0, 1, 10, 10_000)
    assert first is not None
    assert (window.deltas(0, 1, 10, 10_000) or [])[0] is first[0]
    window.deltas(1, WIRES + 1, WIRES, 10**9)
    assert (window.deltas(0, 1, 10, 10_000) or [])[0] is not first[0]


@pytest.mark.parametrize("version", [0, 1, MARK_EVERY - 1, MARK_EVERY, MARK_EVERY + 1, 2 * MARK_EVERY + 9])
def test_old_documents(version: int) -> None:
    """Any version that is remembered can be seen again."""
    document = Filled(2 * MARK_EVERY + 10).window.at(version)
    assert document is not None
    assert document.plain() == ({"n": version} if version else {})


def test_documents_before_and_after_what_is_remembered() -> None:
    filled = Filled(30, most=10)
    filled.window.trim(30)
    assert filled.window.oldest_document == 20
    assert filled.window.at(19) is None
    assert filled.window.at(31) is None
    old = filled.window.at(20)
    assert old is not None
    assert old.plain() == {"n": 20}


def test_documents_are_there_as_far_as_one_was_kept() -> None:
    """Past the first mark, the next one is the oldest that can be seen."""
    filled = Filled(3 * MARK_EVERY, most=2 * MARK_EVERY + 100)
    filled.window.trim(filled.version)
    assert filled.window.horizon == MARK_EVERY - 100
    assert filled.window.oldest_document == MARK_EVERY


def test_commits_are_forgotten_by_number() -> None:
    filled = Filled(5, most=3)
    assert filled.window.trim(5)
    assert filled.window.horizon == 2
    assert filled.window.since(1, 5) is None
    assert [entry.version for entry in filled.window.since(2, 5) or []] == [3, 4, 5]


def test_commits_are_forgotten_by_bytes() -> None:
    filled = Filled(10, most_bytes=5_000)
    filled.window.trim(10)
    assert 0 < filled.window.bytes <= 5_000
    assert filled.window.horizon == 10 - len(filled.window)


def test_what_is_not_durable_stays() -> None:
    filled = Filled(5, most=1)
    assert filled.window.trim(2)
    assert filled.window.horizon == 2
    assert len(filled.window) == 3


def test_a_single_large_version_is_forgotten() -> None:
    """It is over every bound by itself."""
    filled = Filled(1, most_bytes=1_000, value="x" * 10_000)
    assert filled.window.trim(1)
    assert (len(filled.window), filled.window.bytes, filled.window.horizon) == (0, 0, 1)


def test_rejects_are_forgotten_with_the_bases_that_could_ask() -> None:
    filled = Filled(1, most=2)
    window = filled.window
    for number in range(3):
        window.add_reject(reject(1, number))
    filled.add()
    assert window.trim(2)
    assert window.horizon == 2
    assert window.by_tx == {}


def test_rejects_at_the_newest_version_need_another_version() -> None:
    """Whoever has that version for a base could ask for them."""
    window = Filled(1, most=2).window
    for number in range(3):
        window.add_reject(reject(1, number))
    assert not window.trim(1)
    assert len(window.by_tx) == 3


@pytest.mark.parametrize("reject_first", [True, False])
def test_the_older_goes_first(reject_first: bool) -> None:
    """Of commits and rejects, where bytes are short."""
    filled = Filled(0, most_bytes=2_000)
    window = filled.window
    if reject_first:
        window.add_reject(reject(0, 1))
    filled.add(number=2)
    if not reject_first:
        window.add_reject(reject(1, 1))
    filled.add(number=3)
    window.trim(2)
    assert set(window.by_tx) == ({tx(3)} if reject_first else {tx(1), tx(3)})


def test_rejects_alone_are_forgotten_by_bytes() -> None:
    window = Window(0, 5, Document.of({}), 100, 1_000)
    window.add_reject(reject(3, 1))
    window.add_reject(reject(4, 2))
    assert window.trim(5)
    assert window.horizon == 4
    assert set(window.by_tx) == {tx(2)}


def test_taking_back() -> None:
    """The newest are gone, as if they had never been; a mark among them too."""
    filled = Filled(MARK_EVERY - 1)
    window, before = filled.window, filled.window.bytes
    taken = [filled.add(number=1), reject(MARK_EVERY, 2), filled.add(number=3)]
    window.add_reject(taken[1])
    window.take_back(taken, MARK_EVERY - 1)
    assert window.bytes == before
    assert window.by_tx == {}
    assert window.entry(MARK_EVERY) is None
    old = window.at(MARK_EVERY - 1)
    assert old is not None
    assert old.plain() == {"n": MARK_EVERY - 1}


def test_a_tx_that_was_decided_again_stays_when_the_first_is_forgotten() -> None:
    """The outcome that counts is the last."""
    filled = Filled(0, most=1)
    filled.add(number=1)
    second = filled.add(number=1)
    filled.window.trim(2)
    assert filled.window.by_tx == {tx(1): second}


def test_documents_cost_no_more_than_their_bound() -> None:
    """Old ones that share nothing with the new are given up first."""
    filled = Filled(0, most_bytes=MARK_EVERY * 10_000)
    for number in range(5 * MARK_EVERY):
        filled.add(f"{number}" + "x" * 5_000)
    assert filled.window.oldest_document > 2 * MARK_EVERY
    assert filled.window.horizon == 0


def test_old_commits_have_no_document() -> None:
    """After recovery, those from before the snapshot."""
    window = Window(3, 5, Document.of({"n": 5}), 100, 10**6)
    window.add_old_commit(commit(4, number=4))
    window.add_old_commit(commit(5))
    assert [entry.version for entry in window.since(3, 5) or []] == [4, 5]
    assert window.at(4) is None
    assert set(window.by_tx) == {tx(4)}
