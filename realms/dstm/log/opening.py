"""
How a database file is opened: what is checked, and when.

1. Before SQLite sees them: the seal (its own checksums), every frame of the write-ahead log, and every page
   of the database file that the write-ahead log does not hold (the seal's sums). So a byte that has changed
   in any of these files is found here, used or not. What no checksum can tell from the torn end of an
   unfinished write, the seal's mark tells: whether that write was acknowledged.
2. Through SQLite: the schema, the state, the snapshot, and the records from the window on, each row by its
   own sum. Older records are checked once more whenever they are read.
3. A file without a seal, or of another state than the seal's, is a copy. All of it is checked, SQLite's
   structures and every record; then it gets a new epoch and a new seal. A file that should be what the
   seal says, and is not, is damaged.

Whoever closes a database last writes its write-ahead log back, and the seal would not know, unless he may
only read. So a ``keeper``, a connection that only reads, is opened first and closed last.
"""

import sqlite3
import weakref
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from realms.dstm.log import LogRefused, LogUnavailable, schema, wal
from realms.dstm.log.content import Content
from realms.dstm.log.faults import fault
from realms.dstm.log.files import Files, beside, move, sync_directory
from realms.dstm.log.rows import Head, State
from realms.dstm.log.seal import MARK_DAMAGED, Mark, Seal

Connect = Callable[..., sqlite3.Connection]  # as schema.connect

COPY_HINT: Final = (
    "the page is damaged, or another program changed it. If a copy was put in this file's place, delete -wal "
    "and -shm beside it. If -seal is deleted, all records are checked instead of the pages, in a new epoch"
)
LOST_HINT: Final = (
    "its end is damaged or missing. To go on without those records, delete -seal: the epoch changes then"
)


class Surroundings(NamedTuple):
    """What an opening needs besides the files."""

    connect: Connect
    busy_s: float
    draw_epoch: Callable[[], str]
    now_ms: Callable[[], int]


class Opened:
    """
    A database that is open.

    :ivar connection: for everything
    """

    def __init__(self, files: Files, around: Surroundings) -> None:
        self.keeper = around.connect(files.main, "ro", around.busy_s)
        try:
            self.keeper.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            self.connection = around.connect(files.main, "rw", around.busy_s)
        except sqlite3.Error:
            self.keeper.close()
            raise
        self.content = Content(self.connection, files.main)
        # Also where nobody closes: at the end of the interpreter.
        self._close = weakref.finalize(self, _close_in_order, self.connection, self.keeper)

    def close(self) -> None:
        """Close it; the write-ahead log stays as it is."""
        self._close()


def _close_in_order(connection: sqlite3.Connection, keeper: sqlite3.Connection) -> None:
    connection.close()
    keeper.close()


class Known(NamedTuple):
    """A database that was opened and checked, up to its head."""

    opened: Opened
    seal: Seal
    state: State
    head: Head


def open_database(files: Files, around: Surroundings) -> Known:
    """
    Open, check, and create if there is none.

    Raises:
        LogRefused: it must not be used.
        LogUnavailable: it cannot be used now.
        LogBroken: fsync failed.
    """
    try:
        if not files.main.exists():
            _create(files, around)
        inspected = _inspect(files, around) or (_adopt(files, around), wal.Wal({}))
        return _open_known(files, around, *inspected)
    except (sqlite3.Error, OSError) as error:
        raise fault(error, files.main) from error


def _create(files: Files, around: Surroundings) -> None:
    """Make the file under another name, so that it is there wholly or not at all."""
    for left in (files.wal, files.seal):
        if left.exists():
            raise LogRefused(
                str(files.main), f"it is missing, but {left.name} is there: delete that to begin anew"
            )
    files.main.parent.mkdir(parents=True, exist_ok=True)
    new = Files.of(beside(files.main, "-create"))
    for path in new:
        path.unlink(missing_ok=True)
    state = State(around.draw_epoch(), around.now_ms())
    connection = around.connect(new.main, "rwc", around.busy_s)
    try:
        schema.create(connection)
        schema.upgrade(connection, str(new.main), schema.STEPS)
        content = Content(connection, new.main)
        content.put_state(state)
        head = content.head(state)
        _enter_wal_mode(connection, new)
    finally:
        connection.close()
    move(new.main, files.main)
    _seal_file(files, state, head)


def _inspect(files: Files, around: Surroundings) -> tuple[Seal, wal.Wal] | None:
    """
    Check the files without SQLite; give None where the database is not the one that the seal knows.

    Raises:
        LogRefused: they are damaged.
    """
    seal = Seal.load(files.seal)
    log = wal.scan(files.wal)
    if log.bad_at is not None and (log.lost or (seal is None and log.beyond)):
        raise LogRefused(
            f"{files.wal}, offset {log.bad_at}",
            f"a frame is damaged, and {log.beyond} frames beyond it are not",
        )
    if seal is None:
        return None
    if seal.is_torn and not log.pages:  # nothing was being written
        raise LogRefused(f"{files.seal}, offset 0", MARK_DAMAGED)
    page = seal.differing(files.main, log.pages, log.size)
    if page is not None and (log.pages or _has_number_of(seal, files, around)):
        raise LogRefused(f"{files.main}, offset {(page - 1) * seal.page_size}, page {page}", COPY_HINT)
    return (seal, log) if page is None else None


def _has_number_of(seal: Seal, files: Files, around: Surroundings) -> bool:
    """Tell whether the database, which has no write-ahead log, should be what the seal says."""
    try:
        connection = around.connect(files.main, "ro&immutable=1", around.busy_s)
        try:
            state = Content(connection, files.main).state()
        finally:
            connection.close()
    except (sqlite3.Error, LogRefused):
        return True  # whatever it is, the page tells more
    return (state.epoch, state.number) == (seal.epoch, seal.number)


def _adopt(files: Files, around: Surroundings) -> Seal:
    """Check the whole of a copy, and make it this directory's own, in a new epoch; give its seal."""
    with files.main.open("rb") as file:
        versions = file.read(20)[18:]
    if versions not in (b"", b"\1\1", b"\2\2"):  # which SQLite would take for a file to be read only
        raise LogRefused(f"{files.main}, offset 18", "the header is damaged")
    opened = Opened(files, around)
    try:
        connection, content = opened.connection, opened.content
        # By the keeper: after it SQLite 3.40 changes no journal mode in the same connection.
        Content(opened.keeper, files.main).check_structure()
        schema.upgrade(connection, str(files.main), schema.STEPS)
        state = content.state()
        head = content.head(state)
        content.check_records(state, head.seq)
        if state.snapshot is not None:
            content.snapshot(state.snapshot)
        # Without a seal first: were this interrupted, the file would be a copy again.
        files.seal.unlink(missing_ok=True)
        sync_directory(files.main.parent)
        state = msgspec.structs.replace(state, epoch=around.draw_epoch(), number=state.number + 1)
        content.put_state(state)
        _enter_wal_mode(connection, files)
    finally:
        opened.close()
    return _seal_file(files, state, head)


def _enter_wal_mode(connection: sqlite3.Connection, files: Files) -> None:
    """Set the mode, which stays in the file, and leave nothing in the write-ahead log."""
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal" or page_size != schema.PAGE_SIZE:
        raise LogRefused(
            str(files.main), f"journal mode {mode}, pages of {page_size} bytes: expected wal, 4096"
        )
    truncate(connection, files)


def _seal_file(files: Files, state: State, head: Head) -> Seal:
    """Seal a database that is closed and has nothing in its write-ahead log."""
    seal = Seal(
        files.seal, schema.PAGE_SIZE, state.epoch, state.number, Mark(state.epoch, head.seq, head.version)
    )
    seal.take_file(files.main)
    seal.save()
    seal.close()
    return seal


def _open_known(files: Files, around: Surroundings, seal: Seal, log: wal.Wal) -> Known:
    """Open a database that is what its seal says, and write its write-ahead log back."""
    has_log = files.wal.exists() and files.wal.stat().st_size > 0
    opened = Opened(files, around)
    try:
        schema.upgrade(opened.connection, str(files.main), schema.STEPS)
        state = opened.content.state()
        head = opened.content.head(state)
        if head.seq < seal.mark.seq:
            raise LogRefused(
                f"{files.wal}, offset {log.end if log.bad_at is None else log.bad_at}",
                f"{seal.mark.seq} records up to version {seal.mark.version} were acknowledged, and the log "
                f"ends with record {head.seq} at version {head.version}: {LOST_HINT}",
            )
        if has_log:
            write_back(opened.connection, files, seal, state, head)
            truncate(opened.connection, files)
        else:
            seal.open()
    except BaseException:
        opened.close()
        seal.close()
        raise
    return Known(opened, seal, state, head)


def write_back(connection: sqlite3.Connection, files: Files, seal: Seal, state: State, head: Head) -> None:
    """
    Write what the write-ahead log holds to the database file, and seal it.

    SQLite begins the write-ahead log anew only in a write after this.

    Raises:
        sqlite3.Error, OSError: it could not be done; the seal may not be what the next write needs.
        LogBroken: fsync failed.
    """
    _, frames, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    seal.take_frames(files.wal, frames)
    seal.epoch, seal.number = state.epoch, state.number
    seal.mark = Mark(state.epoch, head.seq, head.version)
    seal.save()


def truncate(connection: sqlite3.Connection, files: Files) -> None:
    """
    Empty the write-ahead log, which has been written back.

    Raises:
        LogUnavailable: another program is using it.
    """
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise LogUnavailable(f"{files.main}: locked by another program")
