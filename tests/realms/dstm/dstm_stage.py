"""
A realm with DSTM and sessions by name, below the sockets, in a world that stands still.

``Stage.ask`` calls a procedure, lets the turn and the background work end, and gives the answer.
"""

from pathlib import Path
from typing import Any

import msgspec
from extension_play import ExtensionPlay
from realm_play import may, roles

from realms.dstm.config import DstmConfig, SpaceConfig
from realms.dstm.extension import DstmExtension
from realms.dstm.log import Log
from realms.dstm.log.memory import MemoryLog
from router.wamp.serializers import JSON, MSGPACK

SPACE = "shop"


class OneEpoch(DstmExtension):
    """Its logs in memory have the same epoch in each test, so that hashes are the same too."""

    def log(self, name: str, config: SpaceConfig) -> Log:
        return MemoryLog(epoch=lambda: "e" * 32) if config.log == "memory" else super().log(name, config)


class Stage(ExtensionPlay):
    """
    Sessions and one space ``shop``; every session may do everything that its pointer rules allow.

    Roles besides ``clerk``: those that ``access`` of the space names.
    """

    def __init__(
        self, data: Path | None = None, spaces: Any = None, created: Any = None, **settings: Any
    ) -> None:
        settings.setdefault("log", "memory")
        given = {SPACE: settings} if spaces is None else spaces
        more = {} if created is None else {"created": created}
        self.settings = msgspec.convert({"spaces": given, **more}, DstmConfig)
        names = {role for space in given.values() for role in space.get("access", ())}
        permissions: dict[str, Any] = {name: [may("")] for name in {"clerk", *names}}
        super().__init__({"dstm": OneEpoch}, {"dstm": self.settings}, data, roles=roles(**permissions))
        self.requests: dict[str, int] = {}

    @property
    def dstm(self) -> DstmExtension:
        found: DstmExtension = self.extension("dstm")
        return found

    def enter(self, *names: str, role: str = "clerk", serializer: Any = None) -> "Stage":
        """Let sessions join; nobody is told."""
        for name in names:
            self.join(name, role, serializer or (JSON if len(self.sessions) % 2 else MSGPACK))
        return self

    def settle(self) -> None:
        """Let turns and background work go on until nothing is left to do at this time."""
        self.world.clock.advance(0)
        while self.world.at_the_end_of_turn or self.world.jobs:
            self.world.end_turn()
            self.world.work()
            self.world.clock.advance(0)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.world.clock.advance(seconds)
        self.settle()

    def call(self, name: str, verb: str, *args: Any, options: Any = None, **kwargs: Any) -> int:
        """Send a CALL of ``dstm.<verb>`` or, with a dot before it, of the space's; give its request id."""
        request = self.requests[name] = self.requests.get(name, 0) + 1
        procedure = f"dstm.{SPACE}{verb}" if verb.startswith(".") else f"dstm.{verb}"
        serializer = self.sessions[name].serializer
        payload = (
            [serializer.dump(list(args)), serializer.dump(kwargs)] if serializer else [list(args), kwargs]
        )
        self.answers = self(name, [48, request, options or {}, procedure, *payload])
        return request

    def ask(self, name: str, verb: str, *args: Any, **kwargs: Any) -> Any:
        """
        Call, and give ``(args, kwargs)`` of the result, or ``(uri, text, details)`` of the error.

        Events that come meanwhile are kept in ``events``.
        """
        request = self.call(name, verb, *args, **kwargs)
        answer = self.answer(name, request)
        assert answer is not None, f"{verb} was not answered"
        return answer

    def answer(self, name: str, request: int) -> Any:
        """Let everything go on, and give the answer to a call if there is one by now."""
        self.settle()
        told = [*self.answers, *self.sent()]
        self.answers = []
        found = None
        for who, wire in told:
            if who == name and wire[0] == 50 and wire[1] == request:
                found = (*wire[3:], None, None)[:2]
            elif who == name and wire[0] == 8 and wire[2] == request:
                found = (wire[4], *(wire[5] if len(wire) > 5 else [""]), wire[6] if len(wire) > 6 else {})
            else:
                self.events.append((who, wire))
        return found

    @property
    def events(self) -> list[Any]:
        """What was told besides answers: ``(name, wire)``."""
        if not hasattr(self, "_events"):
            self._events: list[Any] = []
        return self._events

    def deltas(self, name: str) -> list[Any]:
        """Give the deltas that a session was told since it was asked last, and forget them."""
        self.settle()
        self.events.extend(self.sent())
        found = [d for who, wire in self.events if who == name and wire[0] == 36 for d in wire[4]]
        self._events = [event for event in self.events if event[0] != name or event[1][0] != 36]
        return found

    def follow(self, name: str, topic: str = f"dstm.{SPACE}.delta", match: str = "exact") -> None:
        """Subscribe to a topic."""
        request = self.requests[name] = self.requests.get(name, 0) + 1
        told = self(name, [32, request, {"match": match}, topic])
        assert told[0][1][0] == 33, told

    def put(self, name: str, pointer: str, value: Any) -> Any:
        """Set a value, and give the version."""
        answer = self.ask(name, ".put", pointer, value)
        assert len(answer) == 2, answer
        return answer[1]["version"]

    def configure(self, **settings: Any) -> None:
        """Reload with other settings of the space."""
        settings.setdefault("log", "memory")
        self.reload({SPACE: settings})

    def reload(self, spaces: Any) -> None:
        """Reload with other spaces."""
        config = msgspec.convert({"spaces": spaces}, DstmConfig)
        self.dstm.reconfigure(config)
        self.settle()


def space_config(**settings: Any) -> SpaceConfig:
    """Give the settings of a space."""
    return msgspec.convert(settings, SpaceConfig)


def never_zero(value: Any) -> str | None:
    """A predicate of constraints."""
    return "is zero" if value == 0 else None


def tells_all(value: Any) -> str:
    """A predicate that refuses, and tells what it has seen."""
    return f"seen: {value}"


def peek(tx: Any) -> Any:
    """A transaction function that reads everything."""
    return tx.get("", None)
