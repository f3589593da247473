"""
A realm by wire arrays: what goes in, what comes out, to whom, in which order.

A ``Play`` routes a message through ``Realm.routes``, as a connection does, and returns
``(session name, wire array)`` for everything that is to be sent.
"""

from types import SimpleNamespace
from typing import Any

from realms.auth import Identity
from realms.auth.config import Anonymous, Authentication
from realms.config import Permission, RealmConfig, RoleConfig
from realms.realm import Environment, Realm
from router.routing.handshake import Peer
from router.routing.outputs import Farewell, Outputs
from router.wamp.messages import MESSAGE_TYPES

TYPES = {message_type.CODE: message_type for message_type in MESSAGE_TYPES}
NOW = 1000.0
CREATED = "2025-05-06T07:08:09.000Z"
EVERYTHING: Any = ("call", "register", "publish", "subscribe")
FEATURES = frozenset(
    {
        "caller.progressive_call_invocations",
        "caller.progressive_call_results",
        "callee.progressive_call_invocations",
        "callee.progressive_call_results",
        "callee.call_canceling",
    }
)
PEER = Peer(
    address="tcp:192.0.2.7:4711",
    host="192.0.2.7",
    transport="websocket",
    listener="websocket-1",
    message_limit_bytes=4096,
)
Told = list[tuple[str, list[Any]]]


def may(uri: str, match: Any = "prefix", allow: Any = EVERYTHING, **more: Any) -> Permission:
    return Permission(uri=uri, match=match, allow=allow, **more)


def roles(**permissions: Any) -> dict[str, RoleConfig]:
    return {name: RoleConfig(permissions=tuple(of_role)) for name, of_role in permissions.items()}


def config(**settings: Any) -> RealmConfig:
    """Configure a realm whose role ``clerk`` may do everything, unless ``roles`` says otherwise."""
    settings.setdefault("roles", roles(clerk=[may("")]))
    settings.setdefault("authentication", Authentication(anonymous=Anonymous(role="clerk")))
    return RealmConfig(name="realm1", **settings)


class Play:
    """A realm and its sessions by name; publication ids count from 901 on."""

    def __init__(self, **settings: Any) -> None:
        self.publications = 900
        self.woken: list[tuple[str, float]] = []
        environment = Environment(
            self._new_publication_id, lambda n: 0, lambda: CREATED, lambda *at: self.woken.append(at)
        )
        self.realm = Realm(config(**settings), environment)
        self.sessions: dict[str, Any] = {}

    def _new_publication_id(self) -> int:
        self.publications += 1
        return self.publications

    def join(
        self, name: str, role: str = "clerk", authmethod: str = "anonymous", features: Any = FEATURES
    ) -> Told:
        identity = Identity(authid=f"{name}@x", role=role, authmethod=authmethod)
        admission: Any = self.realm.admit(len(self.sessions) + 1, identity, PEER, features)
        admission.session.link = SimpleNamespace(rules=None)
        self.sessions[name] = admission.session
        return self.told(self.realm.join(admission.session))

    def __call__(self, name: str, wire: list[Any], now: float = NOW) -> Told:
        message: Any = TYPES[wire[0]](*wire[1:])
        return self.told(self.realm.routes[type(message)](self.sessions[name], message, now))

    def leave(self, name: str) -> Told:
        return self.told(self.realm.leave(self.sessions[name], "wamp.close.normal"))

    def told(self, outputs: Outputs) -> Told:
        """Name who is told what; no announcement leaves a realm."""
        names = {session: name for name, session in self.sessions.items()}
        told = []
        for output in outputs:
            if isinstance(output, Farewell):
                told.append((names[output.session], output.message.wire()))
            else:
                told += [(names[session], output.message.wire()) for session in output.recipients]
        return told


def play(*names: str, **settings: Any) -> Play:
    """Give a realm that sessions of the role ``clerk`` have joined."""
    one = Play(**settings)
    for name in names:
        one.join(name)
    return one
