"""
The cookies of one realm on the disk: a SQLite database that the router alone may read.

Rules of this file:

- Nothing waits for it: what is put is written in a background thread soon, everything that waits in one
  transaction, in order. A crash forgets what the last moment brought, a new cookie or a logout.
- It holds no cookie, but SHA-256 digests and whose they are.
- What can't be written is logged, once until it works again, and lost on the disk alone.
"""

import os
import sqlite3
from pathlib import Path
from typing import Any, Final

import msgspec
import txaio

from realms.auth.cookies import Bound
from realms.world import World

APPLICATION_ID: Final = 0x434F434F  # "COCO": no other program's database
VERSION: Final = 1
BUSY_SECONDS: Final = 5.0

_TABLE: Final = """
CREATE TABLE cookies (
    digest BLOB PRIMARY KEY,
    until_ms INTEGER NOT NULL,
    bound BLOB NOT NULL  -- realms.auth.cookies.Bound as MessagePack
) WITHOUT ROWID;
"""


class CookieFileRefused(Exception):
    """The file must not be used; ``str()`` says why."""


class CookieFile:
    """The journal of a realm's cookies."""

    def __init__(self, path: Path, world: World, log: Any) -> None:
        """
        Open or make the database.

        Raises:
            CookieFileRefused: it is no such database, or can't be opened.
        """
        self._world = world
        self._log = log
        self._waiting: dict[bytes, Bound | None] = {}  # digest -> who; None: it ends
        self._is_writing = False
        self._is_closed = False
        self._was_closed = False
        self._closing: Any = None
        self._is_failing = False
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
            self._check(path)
        except (OSError, sqlite3.Error) as error:
            raise CookieFileRefused(f"{path} can't be opened: {error}") from None

    def load(self) -> list[tuple[bytes, Bound]]:
        """
        Give what is kept and whose time is not over, the oldest first.

        Raises:
            CookieFileRefused: a row can't be read.
        """
        try:
            with self._connection as connection:
                connection.execute("DELETE FROM cookies WHERE until_ms <= ?", (self._world.now_ms(),))
            rows = self._connection.execute("SELECT digest, bound FROM cookies ORDER BY until_ms").fetchall()
            return [(digest, msgspec.msgpack.decode(bound, type=Bound)) for digest, bound in rows]
        except (sqlite3.Error, msgspec.MsgspecError) as error:
            raise CookieFileRefused(f"the cookies can't be read: {error}") from None

    def put(self, digest: bytes, bound: Bound) -> None:
        self._waiting.pop(digest, None)
        self._waiting[digest] = bound
        self._begin()

    def delete(self, digest: bytes) -> None:
        self._waiting.pop(digest, None)
        self._waiting[digest] = None
        self._begin()

    def close(self) -> None:
        """Write what waits, then close; nothing may be put any more."""
        self._is_closed = True
        if self._is_writing or self._waiting:
            self._closing = txaio.create_future()
            self._world.closing("the cookies' file", self._closing)
        self._begin()

    def _begin(self) -> None:
        if self._is_writing:
            return
        self._is_writing = True
        changes, self._waiting = self._waiting, {}
        closes = self._was_closed = self._is_closed
        self._world.background(lambda: self._write(changes, closes), self._written)

    def _write(self, changes: dict[bytes, Bound | None], closes: bool) -> None:
        """Write one batch, in a background thread."""
        try:
            with self._connection as connection:
                for digest, bound in changes.items():
                    if bound is None:
                        connection.execute("DELETE FROM cookies WHERE digest = ?", (digest,))
                    else:
                        row = (digest, bound.until_ms, msgspec.msgpack.encode(bound))
                        connection.execute("INSERT OR REPLACE INTO cookies VALUES (?, ?, ?)", row)
        finally:
            if closes:
                self._connection.close()

    def _written(self, result: object, error: BaseException | None) -> None:
        self._is_writing = False
        if error is not None and not self._is_failing:
            self._log.error("cookies can't be written, they are kept in memory alone: {error}", error=error)
        self._is_failing = error is not None
        if self._was_closed:
            if self._closing is not None:
                txaio.resolve(self._closing, None)
        elif self._waiting or self._is_closed:
            self._begin()

    def _check(self, path: Path) -> None:
        connection = self._connection
        known = (
            connection.execute("PRAGMA application_id").fetchone()[0],
            connection.execute("PRAGMA user_version").fetchone()[0],
        )
        if known == (APPLICATION_ID, VERSION):
            return
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] or known != (0, 0):
            connection.close()
            raise CookieFileRefused(f"{path} is no table of cookies of this version")
        with connection:
            connection.executescript(
                f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; {_TABLE}"
            )
