"""
The names of the spaces that were made while the router ran, kept in a file so that they are there again.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

import msgspec

from realms.dstm.log import LogUnavailable


class CreatedSpaces:
    """
    A set of names in the file ``path``; its methods block.

    :ivar names: as they are in the file
    """

    def __init__(self, path: Path) -> None:
        """
        Read the file, if it is there.

        Raises:
            LogUnavailable: it cannot be read.
        """
        self._path = path
        self._lock = Lock()
        self.names: frozenset[str] = frozenset()
        try:
            self.names = frozenset(msgspec.json.decode(path.read_bytes(), type=list[str]))
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError) as error:
            raise LogUnavailable(f"{path}: {error}") from error

    def change(self, *, more: Iterable[str] = (), less: Iterable[str] = ()) -> None:
        """
        Add and remove names; that is durable when this returns. From any thread.

        Raises:
            LogUnavailable: the file is as it was.
        """
        with self._lock:
            self._save(self.names.union(more).difference(less))

    def _save(self, names: frozenset[str]) -> None:
        temporary = self._path.with_suffix(".new")
        try:
            with temporary.open("wb") as file:
                file.write(msgspec.json.encode(sorted(names)))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
            self._sync_directory()
        except OSError as error:
            raise LogUnavailable(f"{self._path}: {error.strerror}") from error
        self.names = names

    def _sync_directory(self) -> None:
        descriptor = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
