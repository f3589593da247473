"""
The extensions of one realm: opened, changed as a whole or not at all, told who comes and goes, closed.

Rules of this file:

- What a configuration asks for is prepared first: new extensions are opened, changed ones reconfigured.
  If one refuses, all that was done is undone, and the realm goes on as before. Only then is it taken.
- An extension is known to callers by the beginning of its URIs: first component -> Desk.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from realms.extension import Extension, ExtensionError
from realms.host import RealmHost
from realms.own_calls import Desk, OwnCalls
from realms.procedure_call import dump_any, dump_json
from realms.world import Environment
from router.routing.broker import Broker
from router.routing.outputs import Outputs
from router.routing.session import Session

Settings = Mapping[str, Any]  # name of the extension -> its Config


class Running(Struct, eq=False):
    """One extension that is open, with what it was given; ``config`` is what it runs with."""

    extension: Extension
    host: RealmHost
    desk: Desk
    config: Any


class Change(Struct, eq=False):
    """What was prepared: the extensions as they will be, and the settings that changed ones had before."""

    running: dict[str, Running]  # name -> Running
    opened: list[Running]
    reconfigured: list[tuple[Running, Any]]  # Running, its new settings


class Extensions:
    """
    The open extensions of one realm.

    :ivar running: name -> Running
    """

    def __init__(
        self,
        realm: str,
        classes: Mapping[str, type[Extension]],
        sessions: Mapping[int, Session],
        broker: Broker,
        calls: OwnCalls,
        environment: Environment,
    ) -> None:
        self.running: dict[str, Running] = {}
        self._realm = realm
        self._classes = classes
        self._sessions = sessions
        self._broker = broker
        self._calls = calls
        self._world = environment.world
        self._new_publication_id = environment.new_publication_id

    def prepare(self, settings: Settings) -> Change:
        """
        Open what is new in ``settings`` and reconfigure what changed.

        Raises:
            ExtensionError: an extension refuses; nothing has changed.
        """
        change = Change({}, [], [])
        try:
            for name, config in settings.items():
                change.running[name] = self._prepare(name, config, change)
        except BaseException:
            self.undo(change)
            raise
        return change

    def undo(self, change: Change) -> None:
        """Take back what was prepared."""
        for running in reversed(change.opened):
            self._close(running)
        for running, _ in reversed(change.reconfigured):
            try:
                running.extension.reconfigure(running.config)
            except Exception:
                running.host.log.failure("the extension does not take its old settings back")

    def take(self, change: Change) -> Outputs:
        """Let what was prepared be what there is; give what callers of those that end are told."""
        gone = [running for name, running in self.running.items() if name not in change.running]
        for running, config in change.reconfigured:
            running.config = config
        self.running = change.running
        outputs: Outputs = []
        for running in gone:
            outputs += self._calls.close(running.desk, self._sessions.values())
            self._close(running)
        return outputs

    def close(self) -> Outputs:
        """End all."""
        return self.take(Change({}, [], []))

    def desks(self) -> dict[str, Desk]:
        """Give the first component of URIs -> whose they are."""
        return {name: running.desk for name, running in self.running.items()}

    def joined(self, session: Session) -> Outputs:
        """Tell of a session that has joined."""
        outputs: Outputs = []
        for running in self.running.values():
            outputs += self._calls.gather(running.desk, running.extension.joined, session)
        return outputs

    def forget(self, session: Session) -> None:
        """Remember nothing of a session that leaves; the broker still knows what it is subscribed to."""
        for running in self.running.values():
            running.host.forget(session)

    def left(self, session: Session) -> Outputs:
        """Tell of a session that has left."""
        outputs: Outputs = []
        for running in self.running.values():
            outputs += self._calls.gather(running.desk, running.extension.left, session)
        return outputs

    def unsubscribed(self, subscription_id: int) -> None:
        """Remember nothing of the recipients of a subscription that somebody ended."""
        for running in self.running.values():
            running.host.forget_subscription(subscription_id)

    def regroup(self) -> None:
        """Remember nothing of who gets the same: roles have changed."""
        for running in self.running.values():
            running.host.regroup()

    def _prepare(self, name: str, config: Any, change: Change) -> Running:
        known = self.running.get(name)
        if known is None:
            running = self._open(name, config)
            change.opened.append(running)
            return running
        if known.config != config:
            with _Place(self._realm, name, known.host.log):
                known.extension.reconfigure(config)
            change.reconfigured.append((known, config))
        return known

    def _open(self, name: str, config: Any) -> Running:
        assert self._world is not None, "a realm with extensions needs a world"
        kind = self._classes[name]
        dump = dump_json if kind.sends_json else dump_any
        host = RealmHost(
            self._realm,
            name,
            self._sessions,
            self._broker,
            self._calls,
            self._world,
            self._new_publication_id,
            dump,
        )
        try:
            with _Place(self._realm, name, host.log):
                extension = kind(host, config)
                extension.open()
        except ExtensionError:
            host.end()
            raise
        return Running(extension, host, Desk(extension, self._calls, host.log, dump), config)

    def _close(self, running: Running) -> None:
        assert self._world is not None
        running.host.end()
        try:
            closed = running.extension.close()
        except Exception:
            running.host.log.failure("the extension did not close")
            return
        if closed is not None:
            self._world.closing(f"extension {running.extension.name!r} of realm {self._realm!r}", closed)


class _Place:
    """Makes of what an extension raises an ``ExtensionError`` that says where; a defect is logged too."""

    def __init__(self, realm: str, name: str, log: Any) -> None:
        self._where = f"realm {realm!r}: extensions.{name}"
        self._log = log

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ExtensionError):
            place = f"{self._where}.{error.place}" if error.place else self._where
            raise ExtensionError(place, error.text) from error
        if isinstance(error, Exception):
            self._log.failure("defect in an extension that was to begin or to change")
            raise ExtensionError(self._where, f"it failed: {type(error).__name__}: {error}") from error
