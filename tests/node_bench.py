"""
A node on the reactor of the tests, on free ports of loopback, with a configuration in YAML.

``a_node`` is the fixture's function: it makes nodes and stops them after the test, and a
failure that was logged fails the test unless the test has taken it from ``log``.
"""

import warnings
from pathlib import Path
from typing import Any

import yaml
from twisted.internet import reactor
from twisted.logger import formatEvent, globalLogPublisher

from router.config_directory import load
from router.node import Node

with warnings.catch_warnings():  # Twisted's web server uses what Twisted itself has deprecated
    warnings.simplefilter("ignore")
    import twisted.web.static  # noqa: F401

EVERYTHING = ["call", "register", "publish", "subscribe"]
OPEN: dict[str, Any] = {
    "roles": {"anonymous": {"permissions": [{"uri": "", "match": "prefix", "allow": EVERYTHING}]}},
    "authentication": {"anonymous": {"role": "anonymous"}},
}
WEBSOCKET = {"type": "websocket", "name": "ws", "endpoint": "tcp:0:interface=127.0.0.1"}
RAWSOCKET = {"type": "rawsocket", "name": "raw", "endpoint": "tcp:0:interface=127.0.0.1"}


def write(directory: Path, realms: dict[str, Any] | None = None, **node: Any) -> None:
    """Write a configuration: ``realms`` is name -> settings, by default one open ``realm1``."""
    node.setdefault("transports", [WEBSOCKET])
    node.setdefault("reload_interval_ms", 0)
    (directory / "realms").mkdir(parents=True, exist_ok=True)
    (directory / "router.yaml").write_text(yaml.safe_dump(node))
    for name, settings in (realms if realms is not None else {"realm1": OPEN}).items():
        (directory / "realms" / f"{name}.yaml").write_text(yaml.safe_dump(settings))


class Log:
    """Everything that is logged during a test, as text."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def __call__(self, event: Any) -> None:
        self.events.append(event)

    def lines(self, *levels: str) -> list[str]:
        """Give the messages of these levels, or of all."""
        return [
            formatEvent(event) for event in self.events if not levels or event["log_level"].name in levels
        ]

    def take_failures(self) -> list[str]:
        """Give the failures that were logged, and forget them: the test expected them."""
        failures = [event for event in self.events if "log_failure" in event]
        self.events = [event for event in self.events if "log_failure" not in event]
        return [repr(event["log_failure"].value) for event in failures]


class Bench:
    """Makes nodes, and knows what they log."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = Log()
        self.nodes: list[Node] = []
        globalLogPublisher.addObserver(self.log)

    def node(self, realms: dict[str, Any] | None = None, **settings: Any) -> Node:
        """Start a node with this configuration; what is doubtful about that is not in ``log``."""
        write(self.directory, realms, **settings)
        node = Node(load(self.directory), reactor)
        node.startService()
        self.nodes.append(node)
        told = [str(warning) for warning in node.configuration.warnings]
        self.log.events = [event for event in self.log.events if formatEvent(event) not in told]
        return node

    async def stop(self) -> None:
        """Stop all nodes; nothing may be left of any, and no failure may have been logged."""
        try:
            for node in self.nodes:
                realms = list(node.directory.realms.values())
                if node.running:
                    await node.stopService()
                assert_empty(*realms)
            failures = [event for event in self.log.events if "log_failure" in event]
            assert not failures, "\n".join(event["log_failure"].getTraceback() for event in failures)
        finally:
            globalLogPublisher.removeObserver(self.log)


def assert_empty(*realms: Any) -> None:
    """Check that realms hold nothing of anybody."""
    for realm in realms:
        assert realm.sessions == {}
        subscriptions = realm.broker.subscription_by_id.values()
        assert [each for each in subscriptions if each.sessions or not each.is_held] == []
        registrations = realm.dealer.registrations_by_policy()
        assert registrations == {"exact": [], "prefix": [], "wildcard": []}
        assert realm.next_deadline() is None
