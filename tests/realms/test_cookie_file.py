"""Cookies over a restart: what is written, what is refused, and how a configuration changes over."""

import sqlite3
import stat
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import Logger, capturedLogs

from realms.auth import Identity
from realms.auth.common_config import CookieSettings
from realms.auth.cookie_file import CookieFile, CookieFileRefused
from realms.auth.cookie_jar import CookieJar
from realms.auth.cookies import Bound, digest_of
from router.routing.handshake import Peer

ANN = Bound("ann", "clerk", "ticket", "dynamic", {"team": [1, b"x"]}, 50_000)
MEMORY, SQLITE = CookieSettings(), CookieSettings(store="sqlite")


class OneThread:
    """The world of a realm; ``work`` does what a background thread would."""

    logger = staticmethod(Logger)

    def __init__(self, directory: Path | None) -> None:
        self.closings: list[Any] = []
        self._directory = directory
        self._work: deque[Any] = deque()

    def now_ms(self) -> int:
        return 10_000

    def background(self, function: Callable[[], Any], done: Any) -> None:
        self._work.append((function, done))

    def work(self) -> None:
        while self._work:
            function, done = self._work.popleft()
            try:
                result = function()
            except Exception as error:
                done(None, error)
            else:
                done(result, None)

    def directory(self, *names: str) -> Path | None:
        if self._directory is None:
            return None
        directory = self._directory.joinpath(*names)
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def closing(self, what: str, closed: Any) -> None:
        self.closings.append(closed)


@pytest.fixture
def world(tmp_path: Path) -> Any:
    return OneThread(tmp_path)


def opened(tmp_path: Path, world: Any) -> CookieFile:
    return CookieFile(tmp_path / "cookies.sqlite", world, Logger())


def closed(world: Any, *files: CookieFile) -> None:
    for file in files:
        file.close()
    world.work()


def test_what_is_put_is_there_after_a_restart(tmp_path: Path, world: Any) -> None:
    file = opened(tmp_path, world)
    file.put(b"ann", ANN)
    file.put(b"gone", ANN)
    file.delete(b"gone")
    world.work()
    file.put(b"old", Bound("old", "clerk", "ticket", "static", None, 9_999))
    closed(world, file)
    again = opened(tmp_path, world)
    assert again.load() == [(b"ann", ANN)]
    assert stat.S_IMODE((tmp_path / "cookies.sqlite").stat().st_mode) == 0o600
    closed(world, again)


def test_the_end_waits_for_what_is_being_written(tmp_path: Path, world: Any) -> None:
    file = opened(tmp_path, world)
    file.put(b"one", ANN)
    file.put(b"two", ANN)  # waits for the first batch
    file.close()
    assert [waiting.called for waiting in world.closings] == [False]
    world.work()
    assert [waiting.called for waiting in world.closings] == [True]
    again = opened(tmp_path, world)
    assert [digest for digest, _ in again.load()] == [b"one", b"two"]
    closed(world, again)


@pytest.mark.parametrize("content", [b"no database at all, but a text" * 100, None])
def test_a_file_of_somebody_else_is_refused(tmp_path: Path, world: Any, content: bytes | None) -> None:
    path = tmp_path / "cookies.sqlite"
    if content is None:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE theirs (x)")
        connection.close()
    else:
        path.write_bytes(content)
    with pytest.raises(CookieFileRefused):
        opened(tmp_path, world)


def test_a_row_that_can_not_be_read_is_refused(tmp_path: Path, world: Any) -> None:
    closed(world, opened(tmp_path, world))
    connection = sqlite3.connect(tmp_path / "cookies.sqlite")
    with connection:
        connection.execute("INSERT INTO cookies VALUES (x'00', 99999, x'c1')")
    connection.close()
    file = opened(tmp_path, world)
    with pytest.raises(CookieFileRefused, match="can't be read"):
        file.load()
    closed(world, file)


def test_what_can_not_be_written_is_logged_once(tmp_path: Path, world: Any) -> None:
    file = opened(tmp_path, world)
    connection = sqlite3.connect(tmp_path / "cookies.sqlite")
    with connection:
        connection.execute("DROP TABLE cookies")
    with capturedLogs() as logs:
        for _ in range(2):
            file.put(b"ann", ANN)
            world.work()
    assert len(logs) == 1
    connection.close()
    closed(world, file)


def jar(world: Any, settings: CookieSettings) -> CookieJar:
    """Open the cookies of a realm, as a realm does."""
    found = CookieJar("realm1", world)
    change(found, settings)
    return found


def change(found: CookieJar, settings: CookieSettings | None) -> None:
    file = found.prepare(settings)
    found.settings = settings
    found.take(file, lambda identity: identity.authid != "eve")


def join(found: CookieJar, token: str, authid: str = "ann") -> None:
    peer = Peer(address="x", host="x", transport="websocket", listener="x", cookie=token, cookie_is_new=True)
    found.admitted(1, Identity(authid=authid, role="clerk", authmethod="ticket"), peer)


def tokens(found: CookieJar) -> set[bytes]:
    return {digest for digest, _ in found.items()}


def end(found: CookieJar, world: Any) -> None:
    found.close()
    world.work()


def test_cookies_of_a_realm_are_there_after_a_restart(world: Any) -> None:
    """...but for those of people who would not be let in any more."""
    first = jar(world, SQLITE)
    join(first, "a")
    join(first, "e", "eve")
    end(first, world)
    second = jar(world, SQLITE)
    assert tokens(second) == {digest_of("a")}
    end(second, world)


def test_memory_forgets_at_the_end(world: Any) -> None:
    first = jar(world, MEMORY)
    join(first, "a")
    end(first, world)
    assert tokens(jar(world, MEMORY)) == set()


def test_a_reload_goes_over_to_the_disk_and_back(world: Any) -> None:
    """Nothing stays in a file that is no longer written: a logout could not end it."""
    found = jar(world, MEMORY)
    join(found, "a")
    change(found, SQLITE)
    join(found, "b")
    change(found, CookieSettings(store="sqlite", cookies=7))
    assert tokens(found) == {digest_of("a"), digest_of("b")}
    world.work()
    change(found, MEMORY)
    world.work()
    assert tokens(found) == {digest_of("a"), digest_of("b")}
    other = jar(world, SQLITE)
    assert tokens(other) == set()
    end(other, world)
    change(found, None)
    assert tokens(found) == set()


def test_a_configuration_that_is_not_taken(world: Any) -> None:
    found = jar(world, MEMORY)
    found.undo(found.prepare(SQLITE))
    found.undo(None)
    world.work()
    join(found, "a")
    assert tokens(found) == {digest_of("a")}


def test_without_a_directory(tmp_path: Path) -> None:
    world: Any = OneThread(None)
    with pytest.raises(CookieFileRefused, match="needs a directory for data"):
        CookieJar("realm1", world).prepare(SQLITE)
    blocked: Any = OneThread(tmp_path / "file")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CookieFileRefused):
        CookieJar("realm1", blocked).prepare(SQLITE)
