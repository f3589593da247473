"""
Programs on Node, with the clients that ``node/package-lock.json`` pins.

They are installed once, to pytest's cache, from the package registry that npm is configured for.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from availability import unavailable

SOURCES = Path(__file__).with_name("node")

# autobahn-js needs the WebSocket that Node has from version 22 on; before, it hides behind a flag.
_OLDEST, _WITH_WEBSOCKET = 20, 22


class NodePrograms:
    """A directory with the clients installed; ``run`` runs a program that lies there."""

    def __init__(self, directory: Path, version: int) -> None:
        self.directory = directory
        self._flags = ["--experimental-websocket"] if version < _WITH_WEBSOCKET else []

    def run(self, *arguments: str, input: str = "", certificate: Path | None = None) -> str:
        """Run ``node`` in the directory and return what it prints; a failure fails the test."""
        environment = {**os.environ, "NODE_NO_WARNINGS": "1"}
        if certificate is not None:
            environment["NODE_EXTRA_CA_CERTS"] = str(certificate)
        done = subprocess.run(
            ["node", *self._flags, *arguments],
            cwd=self.directory,
            env=environment,
            input=input,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def install(cache: Path) -> NodePrograms:
    """Install the clients to a directory in ``cache``, named after their lock file, unless it is there."""
    version = _node_version()
    lock = (SOURCES / "package-lock.json").read_bytes()
    directory = cache / hashlib.sha256(lock).hexdigest()[:16]
    if not (directory / "installed").exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCES / name, directory)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            unavailable(f"JavaScript clients: npm ci failed:\n{done.stderr}")
        (directory / "installed").touch()
    return NodePrograms(directory, version)


def _node_version() -> int:
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            unavailable(f"JavaScript clients: no {command} on this machine")
    printed = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    version = int(printed.strip().lstrip("v").partition(".")[0])
    if version < _OLDEST:
        unavailable(f"JavaScript clients: Node {version} is older than {_OLDEST}")
    return version
