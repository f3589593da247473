"""
Directories of static files in the configuration: whether they are there, and which port has which.

Only values are here, and a look at the directories.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from realms.config import RealmConfig, name_of
from router.configuration import Document, path_text, quoted
from router.node_config import HEALTH_PATHS, MOUNTS, PAGES, NodeConfig, WebSocketTransport, page_directory
from router.web.static_config import RealmFiles

_STATIC = ("static",)


def static_of(realms: Mapping[str, RealmConfig], transport: WebSocketTransport) -> dict[str, RealmFiles]:
    """Give the files that ``transport`` serves, name -> files of those realms that can be joined there."""
    return {
        name: realm.static
        for name, realm in realms.items()
        if realm.static is not None and _serves(transport, name)
    }


def absolute(realm: RealmConfig, config_dir: Path) -> RealmConfig:
    """Make the directory of a realm's files absolute."""
    files = realm.static
    if files is None:
        return realm
    directory = str((config_dir / files.directory).absolute())
    return replace(realm, static=replace(files, directory=directory))


def check_static(node: Document[NodeConfig], realms: Iterable[Document[RealmConfig]]) -> None:
    """Refuse directories that are not there, and two things at one path of a port."""
    _check_fallbacks(node)
    found: list[tuple[Document[RealmConfig], RealmFiles]] = []
    for realm in realms:
        files: Any = realm.values.get(_STATIC)
        if isinstance(files, RealmFiles):
            found.append((realm, files))
            _check_directory(realm, files, node.file.parent)
    for path, transport in _websocket_transports(node):
        _check_paths(transport, path_text(path), found)


def _check_fallbacks(node: Document[NodeConfig]) -> None:
    for path, transport in _websocket_transports(node):
        fallback = transport.static.fallback
        if not fallback:
            continue
        page = page_directory(transport.page, node.file.parent)
        if page in PAGES:
            node.add((*path, "static", "fallback"), f"only a directory of files has one, not page: {page}")
        elif Path(page).is_dir() and not Path(page, fallback).is_file():
            node.add((*path, "static", "fallback"), f"no file {Path(page, fallback)}")


def _check_directory(realm: Document[RealmConfig], files: RealmFiles, config_dir: Path) -> None:
    directory = (config_dir / files.directory).absolute()
    if not directory.is_dir():
        realm.add((*_STATIC, "directory"), f"no directory {directory}")
    elif files.fallback and not (directory / files.fallback).is_file():
        realm.add((*_STATIC, "fallback"), f"no file {directory / files.fallback}")


def _check_paths(
    transport: WebSocketTransport, where: str, found: list[tuple[Document[RealmConfig], RealmFiles]]
) -> None:
    """Refuse a realm's path that a mount of the port has, or another realm."""
    mounts = dict(_mounts(transport))
    owners: dict[str, str] = {}  # path -> the first realm that has it
    for realm, files in found:
        name = name_of(realm)
        if not _serves(transport, name):
            continue
        mount = next((path for path in mounts if f"{files.path}/".startswith(f"{path}/")), None)
        owner = owners.setdefault(files.path, name)
        if mount is not None:
            text = f"{files.path} is taken by {mounts[mount]} of {where} in router.yaml"
            realm.add((*_STATIC, "path"), text)
        elif owner != name:
            realm.add((*_STATIC, "path"), f"{files.path} of {where} is also that of realm {quoted(owner)}")


def _mounts(transport: WebSocketTransport) -> Iterator[tuple[str, str]]:
    """Give the path of each mount, and the key that put it there."""
    if transport.path != "/":
        yield transport.path, "path"
    if transport.health:
        yield from dict.fromkeys(HEALTH_PATHS, "health").items()
    for name in MOUNTS:
        section = getattr(transport, name)
        if section is not None:
            yield section.path, f"{name}.path"


def _serves(transport: WebSocketTransport, realm: str) -> bool:
    return not transport.realms or realm in transport.realms


def _websocket_transports(node: Document[NodeConfig]) -> Iterator[tuple[Any, WebSocketTransport]]:
    """Give path and settings of each; of a file that names none, those by default."""
    found = dict(node.select("transports", None))
    if not found:
        found = {("transports", i): t for i, t in enumerate(NodeConfig().transports)}
    for path, transport in found.items():
        if isinstance(transport, WebSocketTransport):
            yield path, transport
