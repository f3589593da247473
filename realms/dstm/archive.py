"""
The log of a space besides the writing: snapshots, trimming, reading of the history, backups.

Rules of this file:

- All of it is done by the space's jobs, beside the writes.
- A snapshot is of a durable version. One at a time; one that fails is tried again some records later.
- What others ask for is bounded in number, and each answer in records.
"""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, Final

from realms.dstm.errors import THROTTLED, UNAVAILABLE, DstmError
from realms.dstm.jobs import Jobs
from realms.dstm.log import Log, Record
from realms.dstm.sequencer import Sequencer
from realms.dstm.settings import Settings

MOST_JOBS: Final = 100
MOST_READ: Final = 10_000  # records

Call = Callable[..., None]  # calls back, and takes what that raises


class Archive:
    """
    The jobs of one log that are no writes.

    :ivar unsaved: records since the last snapshot
    """

    def __init__(self, name: str, log: Log, jobs: Jobs, settings: Settings, call: Call) -> None:
        """
        Begin.

        :param call: calls back with what a job came to
        """
        self.settings = settings
        self.unsaved = 0
        self._name = name
        self._log = log
        self._jobs = jobs
        self._call = call
        self._is_saving = False

    def wrote(
        self, records: int, sequencer: Sequencer, now_ms: int, failed: Callable[[BaseException], None]
    ) -> None:
        """Note that records were written; save a snapshot if it is time. ``failed`` gets what went wrong."""
        self.unsaved += records
        if self.unsaved < self.settings.snapshot_every or self._is_saving:
            return
        self._is_saving = True
        self.unsaved = 0

        def saved(_: Any, error: BaseException | None) -> None:
            self._is_saving = False
            if error is not None:
                self._call(failed, error)

        self._jobs.run(self._saving(sequencer, now_ms), saved)

    def _saving(self, sequencer: Sequencer, now_ms: int) -> Callable[[], None]:
        """Give the job that saves what is durable now, and trims the log."""
        settings, version = self.settings, sequencer.durable_version
        document, hash = sequencer.durable, sequencer.durable_hash
        bindings = sequencer.bindings_at_durable()
        kept, age_ms = settings.retention_versions, settings.retention_age_ms
        before_version = max(0, min(sequencer.horizon, version - kept)) if kept else 0
        before_time = now_ms - age_ms if age_ms else 0

        def save() -> None:
            self._log.save_snapshot(version, hash, document, bindings)
            self._log.trim(before_version, before_time)

        return save

    def read(self, first: int, last: int, done: Callable[[list[Record] | DstmError], object]) -> None:
        """
        Read the records of the versions ``first`` to ``last``, at most ``MOST_READ``, oldest first.

        Raises:
            DstmError: ``throttled``.
        """
        self._ask(lambda: list(islice(self._log.read(first, last), MOST_READ)), done)

    def backup(self, path: Path, done: Callable[[DstmError | None], object]) -> None:
        """Copy the log to ``path``. Raises as ``read``."""
        self._ask(lambda: self._log.backup(path), done)

    def compact(self, sequencer: Sequencer, now_ms: int, done: Callable[[DstmError | None], object]) -> None:
        """Save a snapshot now, and forget what is older than the retention. Raises as ``read``."""
        self._ask(self._saving(sequencer, now_ms), done)

    def _ask(self, function: Callable[[], Any], done: Callable[[Any], object]) -> None:
        if self._jobs.waiting >= MOST_JOBS:
            raise DstmError(THROTTLED, "too many requests wait for the log: try again", limit=MOST_JOBS)

        def ended(result: Any, error: BaseException | None) -> None:
            if error is not None:
                reason = reason_of(error)
                result = DstmError(UNAVAILABLE, f"the log of {self._name!r}: {reason}", reason=reason)
            self._call(done, result)

        self._jobs.run(function, ended)


def reason_of(error: BaseException) -> str:
    """Give why a log could not do something."""
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, str) else f"{type(error).__name__}: {error}"
