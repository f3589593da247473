"""The files of one log, and how a file is replaced so that a crash leaves the old or the new one."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from realms.dstm.log import LogBroken


class Files(NamedTuple):
    """
    The names.

    :ivar main: SQLite's database
    :ivar wal: its write-ahead log
    :ivar shm: its index into that; made anew by the first process that opens the database
    :ivar seal: what this directory knows of the database (``seal``)
    """

    main: Path
    wal: Path
    shm: Path
    seal: Path

    @classmethod
    def of(cls, path: Path) -> "Files":
        """Derive the names from the database's."""
        return cls(path, beside(path, "-wal"), beside(path, "-shm"), beside(path, "-seal"))


def beside(path: Path, suffix: str) -> Path:
    """Give the path whose name has ``suffix`` at its end."""
    return path.with_name(path.name + suffix)


def replace(path: Path, parts: Iterable[bytes]) -> None:
    """
    Write ``parts`` to the file ``path``, durably, or leave it as it is.

    Raises:
        OSError: it could not be written.
        LogBroken: fsync failed.
    """
    new = beside(path, "-new")
    try:
        with new.open("wb") as file:
            file.writelines(parts)
            file.flush()
            sync(file.fileno(), new)
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def move(new: Path, path: Path) -> None:
    """
    Give a complete file its final name, durably.

    Raises:
        OSError: it could not be renamed.
        LogBroken: fsync failed.
    """
    descriptor = os.open(new, os.O_RDONLY)
    try:
        sync(descriptor, new)
    finally:
        os.close(descriptor)
    new.rename(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """
    Make the names in a directory durable.

    Raises:
        LogBroken: fsync failed.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor, path)
    finally:
        os.close(descriptor)


def sync(descriptor: int, path: Path) -> None:
    """
    fsync.

    Raises:
        LogBroken: it failed.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise LogBroken(f"{path}: fsync: {error.strerror}") from error
