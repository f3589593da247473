"""
Files below a directory, and no others.

Rules of this file:

- A name that was asked for is one name: no separator, no ``..``, nothing that begins with a dot.
- Links are followed as long as they stay below the directory. What a name stands for is found out
  first; then that path is opened part by part, and no part may be a link: who can change the directory
  meanwhile still leads nobody out of it.
- What is no ordinary file is not opened for reading, and nothing here waits for one.
"""

import errno
import os
import stat
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

_ABSENT: Final = {
    *(errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EISDIR, errno.ENXIO),
    *(errno.EINVAL, errno.EPERM),
}
# Windows has neither: there a path is opened as it is.
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0)
_BY_PARTS: Final = os.open in os.supports_dir_fd and bool(getattr(os, "O_NOFOLLOW", 0))
_NO_NAME: Final = "/\\:" if os.name == "nt" else "/\\"
WELL_KNOWN: Final = ".well-known"  # RFC 8615: at the top, and the one name with a dot that is for all


class Opened(NamedTuple):
    """
    A file that is open for reading: its descriptor, its size in octets, when it was changed in ns.

    ``version`` tells it from what its name stood for before, also where builds give all files one time.
    """

    descriptor: int
    size: int
    modified_ns: int
    version: str

    def close(self) -> None:
        """Close it."""
        os.close(self.descriptor)


def names_of(path: bytes) -> tuple[str, ...] | None:
    """
    Give the names in a URL's path that begins with "/"; the last is "" after a slash.

    None: a name that no file here can have.
    """
    try:
        names = tuple(unquote_to_bytes(part).decode() for part in path[1:].split(b"/"))
    except UnicodeDecodeError:
        return None
    *above, last = names
    if above and above[0] == WELL_KNOWN:
        del above[0]
    return names if all(map(_is_name, above)) and (last == "" or _is_name(last)) else None


def _is_name(name: str) -> bool:
    return name != "" and not name.startswith(".") and not any(c in _NO_NAME or ord(c) < 32 for c in name)


class Directory:
    """A directory of files that may be a link itself, and lead elsewhere from one request to the next."""

    def __init__(self, path: str) -> None:
        self.path = path

    def open(self, names: tuple[str, ...]) -> Opened | None:
        """
        Open a file by its names below the directory; None: there is none that is to be read.

        Raises:
            OSError: not for the file's sake, as where no descriptor is left.
        """
        try:
            root, parts = self._resolved(names)
            return _opened(root, parts)
        except _Outside:
            return None
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise

    def _resolved(self, names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        root = os.path.realpath(self.path)
        real = os.path.realpath(os.path.join(root, *names), strict=True)
        below = root.rstrip(os.sep) + os.sep
        if not real.startswith(below):
            raise _Outside
        return root, tuple(real[len(below) :].split(os.sep))


class _Outside(OSError):
    """What a name stands for is not below the directory."""


def _opened(root: str, parts: tuple[str, ...]) -> Opened | None:
    descriptor = _open_by_parts(root, parts) if _BY_PARTS else _open(os.path.join(root, *parts))
    try:
        found = os.fstat(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    if stat.S_ISREG(found.st_mode):
        version = f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"
        return Opened(descriptor, found.st_size, found.st_mtime_ns, version)
    os.close(descriptor)
    return None


def _open_by_parts(root: str, parts: tuple[str, ...]) -> int:
    above = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK, dir_fd=above)
            os.close(above)
            above = below
        return _open(parts[-1], above)
    finally:
        os.close(above)


def _open(path: str, above: int | None = None) -> int:
    return os.open(path, os.O_RDONLY | _NO_LINK | _BINARY, dir_fd=above)
