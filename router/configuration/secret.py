"""
Secrets: strings that no log, traceback or dump shows.

In a file a secret is a string, ``{file: path}`` or ``{env: NAME}``; it is
resolved while the file is read, so that one which can't be had is a problem at its place.
"""

import hmac
import os
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import msgspec.inspect as shapes
import yaml

from router.configuration.document import Path
from router.configuration.section import Section
from router.configuration.walk import INVALID, STR, Walk, scalar_tag

MAX_BYTES = 65536

_OTHERS_READ = 0o004
_EXPECTED = "expected a string, {file: path} or {env: NAME}"


class Secret:
    """A string that is only shown by ``reveal``; equal secrets compare equal, in constant time."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the string itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled or copied")


class SecretSource(Section, frozen=True, kw_only=True):
    """Where a secret is kept: exactly one of the two."""

    file: str | None = None
    env: str | None = None


SCHEMA: dict[str, Any] = {
    "title": "Secret",
    "anyOf": [
        {"type": "string", "minLength": 1},
        *(
            {
                "type": "object",
                "properties": {key: {"type": "string"}},
                "required": [key],
                "additionalProperties": False,
            }
            for key in ("file", "env")
        ),
    ],
}


class SecretSources:
    """Resolves secrets; ``files`` are those that were asked for, read or not."""

    def __init__(self, directory: FilePath, environ: Mapping[str, str] = os.environ) -> None:
        self.files: list[FilePath] = []
        self._directory = directory
        self._environ = environ

    def read(self, walk: Walk, node: yaml.Node, path: Path) -> object:
        """Return the ``Secret`` at ``node``; INVALID, with a problem noted, where there is none."""
        if isinstance(node, yaml.MappingNode):
            text = self._from_source(walk, node, path)
        elif scalar_tag(node) == STR:
            text = str(node.value)
        else:  # what stands there may be a secret all the same: it is not shown
            text = walk.wrong(path, f"{_EXPECTED}; a number or a date needs quotes")
        if text == "":
            return walk.wrong(path, "is empty")
        return Secret(text) if isinstance(text, str) else INVALID

    def _from_source(self, walk: Walk, node: yaml.Node, path: Path) -> object:
        source = walk.value(node, shapes.type_info(SecretSource), path)
        if not isinstance(source, SecretSource):
            return INVALID
        if source.file is not None and source.env is None:
            return self._from_file(walk, source.file, (*path, "file"))
        if source.env is not None and source.file is None:
            return self._from_environment(walk, source.env, (*path, "env"))
        return walk.wrong(path, _EXPECTED)

    def _from_file(self, walk: Walk, name: str, path: Path) -> object:
        file = self._directory / name
        self.files.append(file)
        try:
            with file.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
                mode = os.fstat(stream.fileno()).st_mode
            text = content.decode()
        except (OSError, ValueError) as error:
            return walk.wrong(path, f"{file} can't be read: {getattr(error, 'strerror', None) or error}")
        if len(content) > MAX_BYTES:
            return walk.wrong(path, f"{file} is larger than {MAX_BYTES} bytes, the limit for a secret")
        if mode & _OTHERS_READ:
            walk.document.warn(path, f"{file} can be read by every user of this machine: chmod o-r {file}")
        return text.removesuffix("\n")

    def _from_environment(self, walk: Walk, name: str, path: Path) -> object:
        if name not in self._environ:
            return walk.wrong(path, f"the environment variable {name} is not set")
        return self._environ[name]
