"""
A router in a process of its own, and the client's commands run against it.

Rules of this file: a command runs as a user runs it, as a process with arguments, standard input and
an environment; what is waited for is printed by the process itself.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from processes import ENVIRONMENT, PATIENCE, Running, command

SECRETS = {
    "tina": "a ticket",
    "carl": "a secret",
    "sally": "a password",
    "sam": "a pencil",
    "pete": "two pencils",
}
# What `concord secret` makes: its arguments for each client.
MADE = (
    ("scram", "sam", "--memory", "1024"),
    ("scram", "pete", "--kdf", "pbkdf2", "--iterations", "4096"),
    ("cryptosign", "chris"),
    ("tls", "tom"),
)
SALTED = {"salt": "salt of sally", "iterations": 1000, "keylen": 32}

ROUTER = """\
reload_interval_ms: 0
transports:
  - {{type: websocket, endpoint: "tcp:0:interface=127.0.0.1", cookie: {{secure: false}}}}
  - type: websocket
    endpoint: "ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"
    client_certificate: {{}}
  - {{type: rawsocket, endpoint: "tcp:0:interface=127.0.0.1"}}
  - type: rawsocket
    endpoint: "ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"
    client_certificate: {{}}
  - {{type: rawsocket, endpoint: "unix:{socket}"}}
  - {{type: websocket, endpoint: "unix:{socket}.ws"}}
"""

_LISTENS = re.compile(r"(?:WebSocket|RawSocket) (ws|wss|rs|rss|unix|ws\+unix):(\S+) \(")


def urls(text: str) -> dict[str, str]:
    """Give name -> URL of what a router says that it listens on: ws, wss, rs, rss, unix, ws+unix."""
    found = {}
    for scheme, place in _LISTENS.findall(text):
        place = place.replace("127.0.0.1", "localhost") if scheme in ("wss", "rss") else place
        found[scheme] = f"{scheme}:{place}"
    return found


class ClientRouter:
    """
    A running router.

    :ivar urls: name -> URL, as ``urls`` gives them
    """

    def __init__(self, running: Running, directory: Path, certificate: Path) -> None:
        self.running = running
        self.directory = directory
        self.certificate = certificate
        self.urls = urls(running.text)

    def environment(self, **variables: str) -> dict[str, str]:
        """Give the environment of a command: this router, and nothing of the user's own."""
        own = {"CONCORD_URL": self.urls["ws"], "HOME": str(self.directory), "PYTHONWARNINGS": "error"}
        return {**ENVIRONMENT, **own, **variables}

    def run(
        self, *arguments: Any, stdin: str = "", env: dict[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run ``concord`` with ``arguments`` to its end."""
        return subprocess.run(
            [*command("concord"), *map(str, arguments)],
            cwd=self.directory,
            env=self.environment(**(env or {})),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def json(self, *arguments: Any, **more: Any) -> list[Any]:
        """Run a command that ends well and says nothing else; give the values that it prints."""
        done = self.run(*arguments, **more)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def refused(self, *arguments: Any, **more: Any) -> tuple[int, str]:
        """Run a command that prints nothing; give its exit code and what it says of that."""
        done = self.run(*arguments, **more)
        assert done.stdout == "", done.stdout
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stderr

    def start(self, *arguments: Any) -> "Started":
        """Start a command that goes on."""
        return Started(self, *arguments)


class Started(Running):
    """A command of the client that goes on; ``lines`` has both of its outputs."""

    def __init__(self, router: ClientRouter, *arguments: Any) -> None:
        super().__init__("concord", *arguments, cwd=router.directory, env=router.environment())

    def ended(self) -> int:
        """Wait until it has ended by itself; give its exit code."""
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    @property
    def values(self) -> list[Any]:
        """Give the JSON values that were printed."""
        return [json.loads(line) for line in list(self.lines) if line.startswith(("{", "["))]
