"""
Reading the configuration again: on demand, or because a file changed.

Rules of this file:

- A configuration with a problem is reported and changes nothing; its files are watched all
  the same, so that mending it is noticed.
- Files are looked at before they are read: what changes meanwhile is a change. Files that
  only the reading brought up were not looked at, so they are read once more.
- One reading at a time; who asks meanwhile gets the next one. Reading is done in a thread.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from router.config_directory import Configuration, load
from router.configuration import ConfigurationError

# What tells a changed file from an unchanged one; None: there is none
_Look = dict[Path, tuple[int, int, int] | None]


class Reload:
    """
    Gives ``take`` each new configuration of the directory from which ``configuration`` came.

    ``look`` is to be called from time to time. ``take`` says why it does not, or nothing.

    :ivar report: why the last reading was not taken, or ""
    """

    log = Logger("router.reload")

    def __init__(
        self, configuration: Configuration, reactor: Any, take: Callable[[Configuration], str]
    ) -> None:
        self._directory = configuration.directory
        self._extensions = configuration.extensions
        self._reactor = reactor
        self._take = take
        self._files: Iterable[Path] = configuration.files
        self._realms_directory = configuration.realms_directory
        self._seen = self._look()
        self.report = ""
        self._asked: list[Deferred[None]] = []  # who waits for the next reading
        self._reading = False

    def look(self) -> None:
        """Read the configuration again if one of its files changed."""
        if self._look() != self._seen:
            self.now()

    def now(self) -> "Deferred[None]":
        """Read the configuration again; the Deferred fires when it was taken or reported."""
        done: Deferred[None] = Deferred()
        self._asked.append(done)
        if not self._reading:
            self._begin()
        return done

    def _begin(self) -> None:
        self._reading = True
        asked, self._asked = self._asked, []
        self._read().addErrback(self._defect).addCallback(self._end, asked)

    def _end(self, _: object, asked: "list[Deferred[None]]") -> None:
        self._reading = False
        for done in asked:
            done.callback(None)
        if self._asked and not self._reading:
            self._begin()

    def _read(self) -> "Deferred[None]":
        self._seen = self._look()
        pool = self._reactor.getThreadPool()
        read = partial(load, extensions=self._extensions)
        return deferToThreadPool(self._reactor, pool, read, self._directory).addCallbacks(
            self._loaded, self._failed
        )

    def _loaded(self, configuration: Configuration) -> "Deferred[None] | None":
        self._realms_directory = configuration.realms_directory
        if self._has_new(configuration.files):
            return self._read()
        self.report = self._take(configuration)
        return None

    def _failed(self, failure: Failure) -> "Deferred[None] | Failure | None":
        error = failure.value
        if not isinstance(error, ConfigurationError):
            return failure
        files = {file.absolute() for file in error.files}
        if self._has_new(files | set(self._files)):
            return self._read()
        self.report = str(error)
        self.log.error("configuration not reloaded, the old one stays:\n{report}", report=self.report)
        return None

    def _has_new(self, files: Iterable[Path]) -> bool:
        """Watch ``files``; tell whether one of them was not looked at before it was read."""
        self._files = files
        return not self._look().keys() <= self._seen.keys()

    def _defect(self, failure: Failure) -> None:
        self.report = "a defect of the router: see its log"
        self.log.failure("configuration not reloaded, the old one stays", failure)

    def _look(self) -> _Look:
        try:
            realms = list(self._realms_directory.iterdir())
        except OSError:
            realms = []
        return {file: _look_at(file) for file in {*self._files, *realms}}


def _look_at(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
