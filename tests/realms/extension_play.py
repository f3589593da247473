"""
A realm with extensions, by wire arrays, and a world for them without a reactor.

Time stands still until ``World.advance``; threads are a list of jobs, done when ``World.work`` is called.
"""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from realm_play import CREATED, Play, Told, config
from twisted.internet.task import Clock

from realms.extension import Extension
from realms.realm import Realm
from realms.world import Environment
from router.routing.outputs import Farewell, Outputs
from router.wamp.serializers import Serializer


class Log:
    """Takes what an extension logs: ``lines`` are messages, ``failures`` the exceptions with them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self.failures: list[str] = []

    def info(self, text: str, **values: Any) -> None:
        self.lines.append(text.format(**values))

    error = info

    def failure(self, text: str, **values: Any) -> None:
        self.lines.append(text.format(**values))
        self.failures.append(repr(sys.exception()))


class World:
    """The world of extensions in tests. ``sent`` is what was delivered of its own accord."""

    def __init__(self, data: Path | None = None) -> None:
        self.clock = Clock()
        self.sent: Outputs = []
        self.at_the_end_of_turn: list[Any] = []
        self.jobs: list[tuple[Any, Any]] = []  # function, done
        self.logs: dict[str, Log] = {}
        self.closed: list[tuple[str, Any]] = []
        self._data = data

    def deliver(self, outputs: Outputs) -> None:
        self.sent += outputs

    def now(self) -> float:
        return 1000.0 + self.clock.seconds()

    def now_ms(self) -> int:
        return 1_700_000_000_000 + round(self.clock.seconds() * 1000)

    def soon(self, function: Any) -> None:
        self.at_the_end_of_turn.append(function)

    def call_later(self, seconds: float, function: Any) -> Any:
        return self.clock.callLater(seconds, function)

    def inbox(self, receive: Any) -> Any:
        return SimpleNamespace(receive=receive)

    def background(self, function: Any, done: Any) -> None:
        self.jobs.append((function, done))

    def logger(self, name: str) -> Any:
        return self.logs.setdefault(name, Log(name))

    def directory(self, *names: str) -> Path | None:
        if self._data is None:
            return None
        directory = self._data.joinpath(*names)
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def closing(self, what: str, closed: Any) -> None:
        self.closed.append((what, closed))

    def end_turn(self) -> None:
        """Call what was to be called ``soon``."""
        waiting, self.at_the_end_of_turn = self.at_the_end_of_turn, []
        for function in waiting:
            function()

    def work(self) -> None:
        """Do the jobs, one after the other."""
        jobs, self.jobs = self.jobs, []
        for function, done in jobs:
            try:
                result = function()
            except Exception as error:
                done(None, error)
            else:
                done(result, None)


class ExtensionPlay(Play):
    """A realm that has extensions, each with its settings; sessions may have a serializer."""

    def __init__(
        self,
        classes: dict[str, type[Extension]],
        given: dict[str, Any],
        data: Path | None = None,
        **settings: Any,
    ) -> None:
        self.publications = 900
        self.woken: list[tuple[str, float]] = []
        self.sessions: dict[str, Any] = {}
        self.world = World(data)
        environment = Environment(
            self._new_publication_id,
            lambda n: 0,
            lambda: CREATED,
            lambda *at: self.woken.append(at),
            self.world,
        )
        self.realm = Realm(config(extensions=given, **settings), environment, classes)
        self.realm.open()

    def join(self, name: str, role: str = "clerk", serializer: Serializer | None = None, **more: Any) -> Told:
        told = super().join(name, role, **more)
        self.sessions[name].serializer = serializer
        self.sessions[name].link = SimpleNamespace(rules=None)
        return told

    def __call__(self, name: str, wire: list[Any], *now: float) -> Told:
        """Route a message; a CALL finds its grant decided, as every one does but the first."""
        session = self.sessions[name]
        if wire[0] == 48:
            session.role.may_call(wire[3])
        return super().__call__(name, wire, *now)

    def extension(self, name: str) -> Any:
        return self.realm.extensions.running[name].extension

    def log(self, name: str) -> Log:
        return self.world.logs[f"{name}.realm1"]

    def sent(self) -> Told:
        """Give what was delivered since it was asked last."""
        outputs, self.world.sent = self.world.sent, []
        return self.told(outputs)

    def told(self, outputs: Outputs) -> Told:
        """Name who is told what; payloads are plain values."""
        names = {session: name for name, session in self.sessions.items()}
        told = []
        for output in outputs:
            if isinstance(output, Farewell):
                told.append((names[output.session], output.message.wire()))
                continue
            for session in output.recipients:
                assert output.origin is None or output.origin is session.serializer
                told.append((names[session], plain(output)))
        return told


def plain(delivery: Any) -> list[Any]:
    """Give the wire array of a delivery, its payload as plain values."""
    wire = delivery.message.wire()
    if delivery.origin is None:
        return wire
    return [delivery.origin.load(item) if type(item).__name__ == "Raw" else item for item in wire]
