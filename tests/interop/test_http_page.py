"""docs/http.md, run as it stands: its configuration, its service, and each command with what it prints."""

import base64
import hmac
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import RegisterOptions
from availability import unavailable
from pytest_twisted import ensureDeferred as asynchronous
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from wamp_client import soon, until

from router.config_directory import load
from router.node import Node
from router.web.bridge.answers import STATUS_BY_ERROR
from router.web.bridge.openapi import STATUSES
from router.web.webhooks import signature

reactor: Any = default_reactor
PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text()
BASE = "http://127.0.0.1:8080"
SECONDS = 15


def blocks(*kinds: str) -> list[tuple[str, str]]:
    """Give (kind, text) of the page's blocks, of these kinds alone."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [(kind, text) for kind, text in found if not kinds or kind in kinds]


def commands() -> list[tuple[str, str]]:
    """Give (command, what it prints)."""
    found = blocks()
    pairs = pairwise(found)
    return [(text, following[1]) for (kind, text), following in pairs if kind == "sh"]


def without_ids(text: str) -> str:
    """Write every publication alike."""
    return re.sub(r"\d{9,}", "ID", text).strip()


FOLLOWING = next(
    command for command, _ in commands() if "-sN" in command and "topic=com.example.news" in command
)


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """The page's first two YAML blocks as files, with a free port."""
    for program in ("bash", "curl", "openssl"):
        if shutil.which(program) is None:
            unavailable(f"{program} is not here")
    (_, node), (_, realm), *_ = blocks("yaml")
    assert "tcp:8080:" in node
    (tmp_path / "realms").mkdir()
    (tmp_path / "router.yaml").write_text(node.replace("tcp:8080:", "tcp:0:"))
    # The service of the page is a component in this process, with a role of its own.
    service = "roles:\n  service:\n    permissions:\n      - {uri: com., match: prefix, allow: [register]}\n"
    assert realm.startswith("roles:\n")
    (tmp_path / "realms" / "realm1.yaml").write_text(realm.replace("roles:\n", service, 1))
    return tmp_path


def service_of(page: str) -> Any:
    """Make the page's service; ``ready`` fires when it has registered."""
    names = {
        "ApplicationSession": ApplicationSession,
        "ApplicationError": ApplicationError,
        "RegisterOptions": RegisterOptions,
    }
    (text,) = (text for kind, text in blocks("python") if "class Service" in text)
    exec(text, names)
    service: Any = names["Service"]()
    service.ready = Deferred()
    join = service.onJoin

    async def on_join(details: Any) -> None:
        await join(details)
        service.ready.callback(None)

    service.onJoin = on_join
    return service


class Page:
    """A node with the page's service, and a shell."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.base = f"http://127.0.0.1:{node.ports['websocket-1'].getHost().port}"

    async def run(self, command: str) -> str:
        """Run a command of the page in a thread; give what it prints."""
        script = "set -euo pipefail\n" + command.replace(BASE, self.base)
        assert self.base in script
        done = await deferToThread(
            subprocess.run,
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.stderr == ""
        return str(done.stdout)


async def started(configuration: Path) -> Page:
    node = Node(load(configuration), reactor)
    node.startService()
    service = service_of(PAGE)
    node.connect(service, realm="realm1", authid="service", role="service")
    await soon(service.ready)
    return Page(node)


@pytest.mark.parametrize(
    ("command", "prints"), [pair for pair in commands() if pair[0] != FOLLOWING], ids=lambda text: text[:40]
)
@asynchronous
async def test_a_command_prints_what_the_page_says(command: str, prints: str, configuration: Path) -> None:
    page = await started(configuration)
    try:
        assert without_ids(await page.run(command)) == without_ids(prints)
    finally:
        await page.node.stopService()


@asynchronous
async def test_following_a_topic(configuration: Path) -> None:
    """The command that ends with its client: it is there while the page's publication is made."""
    page = await started(configuration)
    (publish,) = (command for command, _ in commands() if "/publish" in command and "news" in command)
    (prints,) = (prints for command, prints in commands() if command == FOLLOWING)
    curl = subprocess.Popen(
        ["bash", "-c", "exec " + FOLLOWING.replace(BASE, page.base)], stdout=subprocess.PIPE, text=True
    )
    try:
        broker = page.node.directory.realms["realm1"].broker
        await until(lambda: broker.lookup("com.example.news", "exact") is not None)
        await page.run(publish)
        assert curl.stdout is not None
        lines = await deferToThread(lambda: [curl.stdout.readline() for _ in range(4)])
        assert without_ids("".join(lines)) == without_ids(prints)
    finally:
        curl.kill()
        curl.communicate()
        await page.node.stopService()


def test_the_check_of_a_signature() -> None:
    """What the page tells receivers to check is what the router sends."""
    (text,) = (text for kind, text in blocks("python") if "def is_ours" in text)
    names: dict[str, Any] = {"base64": base64, "hmac": hmac}
    exec(text, names)
    is_ours = names["is_ours"]
    (_, yaml) = next(block for block in blocks("yaml") if "whsec_" in block[1])
    secret = re.findall(r"whsec_\S+", yaml)[0]
    now = int(time.time())
    headers = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(now),
        "Webhook-Signature": signature(secret, "msg_1", str(now), b"{}"),
    }
    assert is_ours(headers, b"{}", secret, now)
    assert not is_ours(headers, b"[]", secret, now)
    assert not is_ours(headers, b"{}", secret, now + 301)
    assert not is_ours({**headers, "Webhook-Id": "msg_2"}, b"{}", secret, now)


def test_the_webhook_of_the_page_is_valid(configuration: Path) -> None:
    (_, yaml) = next(block for block in blocks("yaml") if "webhooks:" in block[1])
    file = configuration / "realms" / "realm1.yaml"
    file.write_text(file.read_text() + yaml)
    assert load(configuration).realms["realm1"].webhooks[0].name == "orders"


def rows() -> Iterator[tuple[int, str]]:
    for line in PAGE.splitlines():
        match = re.match(r"\| (\d{3}) \| (.*) \|", line)
        if match:
            yield int(match[1]), match[2]


def test_the_table_of_statuses_is_complete() -> None:
    table = dict(rows())
    assert set(table) == set(STATUSES)
    for error, status in STATUS_BY_ERROR.items():
        assert error.removeprefix("wamp.error.").removeprefix("dstm.error.") in table[status], error
