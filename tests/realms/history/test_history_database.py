"""Histories on the disk: what was written is there, whatever happens to the process."""

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import history_writer
import pytest
from history_writer import batch, event

from realms.history.database import Database, DatabaseRefused
from realms.history.query import Page, Query
from router.routing.options import Refused


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite"


@pytest.fixture
def database(path: Path) -> Any:
    database = Database(path)
    yield database
    database.close()


def read(database: Database, history: int = 1, **asked: Any) -> Page:
    given = {
        "match": "prefix",
        "uri": "",
        "authid": "a",
        "authrole": "r",
        "limit": 1000,
        "page_bytes": 1 << 30,
    }
    return database.read(history, Query(**{**given, **asked}))


def seqs(page: Page) -> list[int]:
    return [each.seq for each in page.events]


def test_what_was_written_is_there_after_a_restart(database: Database, path: Path) -> None:
    known = database.open("exact", "com.topic", "abc")
    assert (known.id, known.last) == (1, 0)
    one = event(1, 5, args=None, kwargs=b"{}", exclude_authid=frozenset({"eve"}))
    database.write([batch(1, one, event(2))])
    database.close()
    again = Database(path)
    assert again.open("exact", "com.topic", "def").last == 2
    page = read(again)
    assert page.events == [one, event(2)]
    assert page.cursor == "abc-2"
    again.close()


def test_histories_do_not_meet(database: Database) -> None:
    assert [database.open("prefix", uri, "abc").id for uri in ("a", "b")] == [1, 2]
    database.write([batch(1, event(1, publication=7)), batch(2, event(1, publication=7), event(2))])
    assert seqs(read(database, 1, publications={"from_publication": 7})) == [1]
    assert seqs(read(database, 2, publications={"from_publication": 7})) == [1, 2]
    with pytest.raises(Refused, match="publication 1002 is not in this history"):
        read(database, 1, publications={"from_publication": 1002})


def test_both_directions_and_one_topic(database: Database) -> None:
    database.open("prefix", "", "abc")
    topics = ["a", "b", "a", "b", "a"]
    database.write([batch(1, *(event(i + 1, topic=topic) for i, topic in enumerate(topics)))])
    assert seqs(read(database, reverse=True, limit=2)) == [5, 4]
    assert seqs(read(database, topic="b")) == [2, 4]
    assert seqs(read(database, match="exact", uri="a", cursor=("abc", 1))) == [3, 5]


def test_the_oldest_go_first(database: Database) -> None:
    """Each limit by itself: number, bytes, age."""
    database.open("prefix", "", "abc")
    database.write([batch(1, *(event(i, time_ms=i) for i in range(1, 11)), events_kept=7)])
    assert seqs(read(database)) == [4, 5, 6, 7, 8, 9, 10]
    limited = batch(1)
    limited.most_bytes = 550
    database.write([limited])
    assert seqs(read(database)) == [6, 7, 8, 9, 10]
    limited = batch(1)
    limited.oldest_ms = 9
    database.write([limited])
    assert seqs(read(database)) == [9, 10]
    limited.oldest_ms = 99
    database.write([limited])
    page = read(database, cursor=("abc", 10))
    assert (page.events, page.cursor, page.gap) == ([], "abc-10", False)
    assert read(database, cursor=("abc", 9)).gap is True
    database.write([batch(1, event(11))])
    assert seqs(read(database)) == [11]


def test_what_was_lost_is_known(database: Database) -> None:
    database.open("prefix", "", "abc")
    database.write([batch(1, event(1), event(4), lost=3)])
    assert read(database, cursor=("abc", 1)).gap is True
    assert read(database, cursor=("abc", 3)).gap is False


def test_a_write_that_fails_writes_nothing_and_the_next_one_goes_on(database: Database) -> None:
    database.open("prefix", "", "abc")
    database.write([batch(1, event(1))])
    with pytest.raises(sqlite3.IntegrityError):
        database.write([batch(1, event(2), event(1))])
    assert seqs(read(database)) == [1]
    database.write([batch(1, event(2))])
    assert seqs(read(database)) == [1, 2]


def test_a_page_of_more_events_than_are_fetched_at_once(database: Database) -> None:
    database.open("prefix", "", "abc")
    database.write([batch(1, *(event(i) for i in range(1, 300)))])
    assert seqs(read(database)) == list(range(1, 300))
    assert seqs(read(database, reverse=True)) == list(range(299, 0, -1))


def test_a_second_writer_is_noticed(database: Database, path: Path) -> None:
    """Two routers with one data directory: the second one's events are not taken for those of the first."""
    other = Database(path)
    for each in (database, other):
        each.open("prefix", "", "abc")
    other.write([batch(1, event(1), event(2))])
    with pytest.raises(DatabaseRefused, match="each needs a data_dir of its own"):
        database.write([batch(1, event(1))])
    assert seqs(read(database)) == [1, 2]
    other.close()


def test_a_file_that_is_gone_is_noticed(database: Database, path: Path) -> None:
    database.open("prefix", "", "abc")
    database.close()
    path.unlink()
    for use in (lambda: read(database), lambda: database.write([batch(1, event(1))])):
        with pytest.raises(DatabaseRefused, match="a history is gone from it"):
            use()


def test_other_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no database at all, but long enough to be taken for one" * 100)
    with pytest.raises(DatabaseRefused, match="text: file is not a database"):
        Database(text).open("exact", "a", "abc")
    other = tmp_path / "other"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE things (id)")
    connection.close()
    with pytest.raises(DatabaseRefused, match="the database of another program"):
        Database(other).open("exact", "a", "abc")
    newer = Database(tmp_path / "newer")
    newer.open("exact", "a", "abc")
    newer.close()
    connection = sqlite3.connect(newer.path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(DatabaseRefused, match="its version is 2, and this router knows 1 alone"):
        newer.open("exact", "a", "abc")
    with pytest.raises(DatabaseRefused, match="unable to open"):
        Database(tmp_path / "no" / "where").open("exact", "a", "abc")


def test_kill(path: Path) -> None:
    """kill -9 at any moment: what ``write`` returned from is there, without a hole."""
    for writes in (1, 7, 40):
        command = [sys.executable, history_writer.__file__, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(writes)]
            writer.kill()
            lines += writer.stdout.readlines()
        acknowledged = int([line for line in lines if line.endswith(b"\n")][-1])
        database = Database(path)
        last = database.open("exact", "com.topic", "def").last
        assert acknowledged <= last <= acknowledged + 2
        kept = seqs(read(database))
        assert kept == list(range(max(1, last - 49), last + 1))
        database.close()
