"""The cookies of a realm while it is open: in memory, and in a file where the configuration says so."""

from collections.abc import Callable

from realms.auth import Identity
from realms.auth.common_config import CookieSettings
from realms.auth.cookie_file import CookieFile, CookieFileRefused
from realms.auth.cookies import Bound, Cookies
from realms.world import World


class CookieJar(Cookies):
    """``prepare`` opens what a configuration needs, and ``take`` changes over to it."""

    def __init__(self, realm: str, world: World | None) -> None:
        super().__init__(world.now_ms if world is not None else _timeless)
        self._realm = realm
        self._world = world
        self._file: CookieFile | None = None
        self._kept: list[tuple[bytes, Bound]] = []  # in a file that was opened and is not taken yet

    def prepare(self, settings: CookieSettings | None) -> CookieFile | None:
        """
        Give the file that ``settings`` need; it is open already where they needed one before.

        Raises:
            CookieFileRefused: it can't be used.
        """
        if settings is None or settings.store == "memory" or self._file is not None:
            return self._file if settings is not None and settings.store == "sqlite" else None
        assert self._world is not None, "cookies on the disk need a world"
        try:
            directory = self._world.directory(self._realm, "cookies")
        except OSError as error:
            raise CookieFileRefused(str(error)) from None
        if directory is None:
            raise CookieFileRefused("store: sqlite needs a directory for data, and there is none")
        log = self._world.logger(f"cookies.{self._realm}")
        file = CookieFile(directory / "cookies.sqlite", self._world, log)
        self._kept = file.load()
        return file

    def undo(self, file: CookieFile | None) -> None:
        """Close what was prepared and is not taken."""
        if file is not None and file is not self._file:
            file.close()

    def take(self, file: CookieFile | None, allowed: Callable[[Identity], bool]) -> None:
        """Change over to ``settings``; the cookies stay whose people would still be let in."""
        before, self._file = self._file, file
        if file is not before:
            if before is not None:
                self._forsake(before)
            if file is not None:
                self._write_all(file)
                self.restore(self._kept)
        self._kept = []
        self.journal = file
        self.keep(allowed)

    def _forsake(self, file: CookieFile) -> None:
        """Leave nothing in a file that is no longer written: what is there could not be ended."""
        for digest, _ in self.items():
            file.delete(digest)
        file.close()

    def _write_all(self, file: CookieFile) -> None:
        """Put all into a file that has just been opened."""
        for digest, bound in self.items():
            file.put(digest, bound)

    def close(self) -> None:
        """The realm closes: what is on the disk stays there."""
        file, self._file, self.journal = self._file, None, None
        if file is not None:
            file.close()


def _timeless() -> int:
    raise AssertionError("cookies need a world")
