"""
A configuration directory: ``router.yaml`` and its realms, read and checked as a whole.

``load`` reads files and the environment and does nothing else: it logs nothing,
and it either returns a configuration without problems or raises all of them. Which keys a
realm has under ``extensions`` depends on the extensions that are installed.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from realms.authorization.checks import grants_everything
from realms.config import SUFFIXES, Kinds, RealmConfig, name_of, read_realm, realm_shape
from realms.extension import Extension
from realms.installed import installed, usable
from router import endpoint_strings
from router.client_certificates import authorities_file
from router.configuration import (
    ConfigurationError,
    Document,
    Problem,
    SecretSources,
    did_you_mean,
    json_schema,
    path_text,
    quoted,
    reference,
)
from router.configuration import Path as ConfigPath
from router.node_config import FILE_NAME, NodeConfig, data_directory, read_node
from router.static_files import absolute, check_static

# The shipped configuration: `config/` of a checkout, of which a built package has a copy.
DEFAULT_DIRECTORY = Path(__file__).parent / "default_config"

_TITLES = {"router": "`router.yaml`: the node", "realm": "`realms/<realm>.yaml`: a realm"}
_INTRODUCTION = """\
# Configuration

<!-- Made from the schema by `router.config_directory.reference_page`; do not edit. -->

A configuration directory holds `router.yaml` for the node and a file for each realm in `realms/`. The
shipped files in `config/` show every key with its default. All files are checked before anything starts,
and every problem is reported with its line. A size is in bytes and a time in milliseconds, as the name of
its key says; numbers may be written as `1_000_000`. YAML anchors and aliases work, merge keys (`<<`) do not.

A secret is written as a string, as `{file: path}` (relative to the configuration directory; one newline at
its end is left out) or as `{env: NAME}`, an environment variable.
"""


class Configuration(Struct, frozen=True, kw_only=True):
    """
    A configuration without problems.

    ``files`` are all that it was read from, with secrets, keys and certificates: when
    one of them changes, or ``realms_directory`` gets or loses a file, it is to be loaded
    again. All paths are absolute. ``extensions`` are those that realms may name.
    """

    directory: Path
    realms_directory: Path
    data_directory: Path
    node: NodeConfig
    realms: dict[str, RealmConfig]  # name -> realm
    warnings: tuple[Problem, ...]
    files: tuple[Path, ...]
    extensions: Kinds

    def extension_classes(self) -> dict[str, type[Extension]]:
        """Give name -> class of the extensions that can be used."""
        return {name: kind for name, kind in self.extensions.items() if not isinstance(kind, str)}


def load(
    config_dir: Path, environ: Mapping[str, str] = os.environ, extensions: Kinds | None = None
) -> Configuration:
    """
    Read and check all files of ``config_dir``.

    ``extensions`` are those that realms may name, name -> class; by default all that are installed.

    Raises:
        ConfigurationError: with every problem of every file.
    """
    if not config_dir.is_dir():
        problem = Problem(str(config_dir), 1, 1, "", "no such directory: 'concord init DIR' writes one")
        raise ConfigurationError([problem])
    secrets = SecretSources(config_dir, environ)
    node = read_node(config_dir / FILE_NAME, secrets)
    realms_directory = config_dir / str(node.values.get(("realms_dir",), NodeConfig().realms_dir))
    kinds = installed() if extensions is None else usable(extensions)
    realms = [read_realm(file, secrets, kinds) for file in _realm_files(realms_directory, node)]
    _check_realm_names(realms)
    _check_realms_of_transports(node, realms)
    _check_anonymous_access(node, realms)
    _warn_of_certificates(node, realms)
    _check_realms_of_authenticators(realms)
    _check_cookies(node, realms)
    check_static(node, realms)

    documents: list[Document[Any]] = [node, *realms]
    problems = [problem for document in documents for problem in document.problems]
    warnings = sorted(warning for document in documents for warning in document.warnings)
    files = [*(document.file for document in documents), *secrets.files, *_endpoint_files(node)]
    if problems or node.value is None:
        raise ConfigurationError(problems, warnings, files)
    return Configuration(
        directory=config_dir.absolute(),
        realms_directory=realms_directory.absolute(),
        data_directory=data_directory(node.value, environ),
        node=node.value,
        realms={
            name_of(realm): absolute(realm.value, config_dir) for realm in realms if realm.value is not None
        },
        warnings=tuple(warnings),
        files=tuple(file.absolute() for file in files),
        extensions=kinds,
    )


def _realm_files(directory: Path, node: Document[NodeConfig]) -> list[Path]:
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        node.add(("realms_dir",), f"{directory} can't be read: {error.strerror}")
        return []
    files = [directory / name for name in names if name.endswith(SUFFIXES) and not name.startswith(".")]
    if not files:
        node.warn(("realms_dir",), f"{directory} holds no file <realm>.yaml: this router serves no realm")
    return files


def _check_realm_names(realms: list[Document[RealmConfig]]) -> None:
    first: dict[str, Document[RealmConfig]] = {}  # name -> the first file that has it
    for realm in realms:
        other = first.setdefault(name_of(realm), realm)
        if other is not realm:
            line, _ = other.position(("name",))
            realm.add(("name",), f"the realm {quoted(name_of(realm))} is also in {other.file}:{line}")


def _check_realms_of_transports(node: Document[NodeConfig], realms: list[Document[RealmConfig]]) -> None:
    names = [name_of(realm) for realm in realms]
    for keys in (("realms",), ("bridge", "realms")):
        for path, name in node.select("transports", None, *keys, None):
            if name not in names:
                node.add(path, f"unknown realm {quoted(str(name))}{did_you_mean(str(name), names)}")


def _check_cookies(node: Document[NodeConfig], realms: list[Document[RealmConfig]]) -> None:
    """Warn where nobody could ever have a cookie."""
    setting = [path[:2] for path, _ in node.select("transports", None, "cookie")]
    served: list[Any] = [node.values.get((*path, "realms")) or () for path in setting]
    for realm in realms:
        path = ("authentication", "cookie")
        if path in realm.values and not any(not names or name_of(realm) in names for names in served):
            realm.warn(path, "no WebSocket transport that serves this realm sets a cookie (router.yaml)")


def _check_realms_of_authenticators(realms: list[Document[RealmConfig]]) -> None:
    names = [name_of(realm) for realm in realms]
    for realm in realms:
        for path, name in realm.select("authentication", None, "authenticator_realm"):
            if name not in names:
                realm.add(path, f"unknown realm {quoted(str(name))}{did_you_mean(str(name), names)}")


def _check_anonymous_access(node: Document[NodeConfig], realms: list[Document[RealmConfig]]) -> None:
    open_realms = [(name_of(realm), realm, role) for realm in realms if (role := _open_role(realm))]
    for path, endpoint in node.select("transports", None, "endpoint"):
        flag = node.values.get((*path[:2], "allow_anonymous_full_access"))
        if flag is True or endpoint_strings.is_loopback(str(endpoint)):
            continue
        served = node.values.get((*path[:2], "realms")) or ()
        for name, realm, role in open_realms:
            if not served or (isinstance(served, tuple) and name in served):
                node.add(path, _open_message(name, realm, role))


def _warn_of_certificates(node: Document[NodeConfig], realms: list[Document[RealmConfig]]) -> None:
    """Warn where a realm knows certificates that no transport asks for, or names that nobody vouches for."""
    asking = [path[:2] for path, asked in node.select("transports", None, "client_certificate") if asked]
    vouched = [path for path in asking if node.values.get((*path, "client_certificate", "authorities"))]
    tls = ("authentication", "tls")
    for realm in realms:
        if tls in realm.values and not _serving(node, asking, name_of(realm)):
            text = (
                "no transport of this realm asks for certificates: set its client_certificate in router.yaml"
            )
            realm.warn(tls, text)
        elif not _serving(node, vouched, name_of(realm)):
            for path, _ in realm.select(*tls, "principals", None, "subjects", 0):
                text = "no transport of this realm names the authorities that sign certificates"
                realm.warn(path[:-1], f"{text}: these names count nowhere")


def _serving(node: Document[NodeConfig], transports: list[ConfigPath], realm: str) -> bool:
    """Tell whether one of ``transports`` serves ``realm``."""
    served = [node.values.get((*path, "realms")) or () for path in transports]
    return any(not names or (isinstance(names, tuple) and realm in names) for names in served)


def _open_role(realm: Document[RealmConfig]) -> str | None:
    name = realm.values.get(("authentication", "anonymous", "role"))
    everything = isinstance(name, str) and grants_everything(realm.values.get(("roles", name)))
    return str(name) if everything else None


def _open_message(name: str, realm: Document[RealmConfig], role: str) -> str:
    line, _ = realm.section_position(("roles", role))
    return (
        f"not known to be a loopback address, and anonymous clients may do everything in realm "
        f"{quoted(name)} ({path_text(('roles', role))}, {realm.file}:{line}): listen at "
        "interface=127.0.0.1, restrict the role, or set allow_anonymous_full_access: true"
    )


def _endpoint_files(node: Document[NodeConfig]) -> list[Path]:
    endpoints = node.select("transports", None, "endpoint")
    authorities = node.select("transports", None, "client_certificate", "authorities")
    return [
        *(file for _, endpoint in endpoints for file in endpoint_strings.files(str(endpoint))),
        *(authorities_file(str(name), node.file.parent) for _, name in authorities if name),
    ]


def scaffold(directory: Path) -> list[Path]:
    """
    Write the shipped configuration to ``directory`` and return the files, in order.

    Raises:
        FileExistsError: one of the files is there already; nothing was written.
        OSError: a file can't be written.
    """
    sources = sorted(DEFAULT_DIRECTORY.rglob("*.yaml"))
    targets = [directory / source.relative_to(DEFAULT_DIRECTORY) for source in sources]
    for target in targets:
        if target.exists():
            raise FileExistsError(f"{target} is there already: nothing was written")
    for source, target in zip(sources, targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return targets


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each kind of file: ``router`` and ``realm``."""
    return {kind: json_schema(shape, f"Concord: {kind}") for kind, shape in _shapes().items()}


def reference_page() -> str:
    """Return ``docs/configuration.md``."""
    shapes = _shapes().items()
    return "\n".join([_INTRODUCTION, *(reference(shape, _TITLES[kind]) for kind, shape in shapes)])


def _shapes() -> dict[str, type[Any]]:
    usable_kinds = {name: kind for name, kind in installed().items() if not isinstance(kind, str)}
    return {"router": NodeConfig, "realm": realm_shape(usable_kinds)}
