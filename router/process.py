"""
What a process that is nothing but a router does for itself: log, open files, garbage collector.

A program that embeds the router decides these itself, so ``router.node`` touches none of them.
"""

import gc
import sys
from typing import Any, Final

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    Logger,
    formatEventAsClassicLogText,
)

from router.log import LogLevels, json_line

log = Logger("router.process")

WANTED_OPEN_FILES: Final = 100_000
# Below this a router runs out of connections sooner than its own limits say.
ENOUGH_OPEN_FILES: Final = 4096

# Allocations before a young collection, young ones before a middle one, middle ones before a
# full one. Nothing on the hot path makes cycles, so that collections are rare and young ones
# short (benchmark: paced calls with 10,000 idle sessions open).
GC_THRESHOLDS: Final = (50_000, 50, 1000)


def log_observer(settings: Any, path: str | None, levels: LogLevels) -> Any:
    """
    Make the observer for the ``log`` section of router.yaml; without ``path``, standard output.

    ``levels`` decides what is kept, now and when it changes.
    """
    if path is None:
        file: Any = sys.stdout
    else:
        from twisted.python.logfile import LogFile

        file = LogFile.fromFullPath(path)
    if settings.format == "json":
        observer: Any = FileLogObserver(file, json_line)
    else:
        observer = FileLogObserver(file, formatEventAsClassicLogText)
    predicate: Any = levels
    return FilteringLogObserver(observer, [predicate])


def raise_open_file_limit() -> None:
    """Allow as many open files as the system permits; warn where that is few."""
    try:
        import resource
    except ImportError:
        return  # Windows has no such limit
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = WANTED_OPEN_FILES if hard == unlimited else min(hard, WANTED_OPEN_FILES)
    if soft != unlimited and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError) as error:
            log.warn("the open-file limit stays at {soft}: {error}", soft=soft, error=error)
    if soft != unlimited and soft < ENOUGH_OPEN_FILES:
        log.warn("only {soft} open files are allowed: raise 'ulimit -n' for more connections", soft=soft)


def settle_collector() -> None:
    """Take what the start has made out of the collector's sight, and make collections rare."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
