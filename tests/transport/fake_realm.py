"""
A realm that remembers, an entrance that decides by the name of the realm, and a wire to a peer.

Rules of this file:

- The realm and the entrance are what ``router.routing.handshake`` asks for, as small as can be.
- The wire is Twisted's own fake transport; ``congest`` and ``drain`` are what a real one tells
  its producer when the peer stops reading and goes on.
"""

import json
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection

from realms.config import Limits
from router.routing.handshake import Admission, Challenge, Decision, Later, Peer, Refusal
from router.routing.outputs import Outputs
from router.routing.session import Session
from router.transport.outbox import DefaultRules, Turn
from router.wamp import uris
from router.wamp.messages import (
    Authenticate,
    Call,
    Error,
    Hello,
    Message,
    Publish,
    Subscribe,
    Welcome,
    Yield,
)


def nothing(session: Session, message: Message, now: float) -> Outputs:
    """Answer no message."""
    return []


class FakeRealm:
    """A realm; ``answer`` decides about the outputs of each message."""

    name = "realm1"

    def __init__(self) -> None:
        self.routes = dict.fromkeys((Call, Publish, Subscribe, Yield), self._take)
        self.slow_consumer: Any = DefaultRules()
        self.heartbeat: Any = None
        self.limits = Limits()
        self.limits: Any = SimpleNamespace(messages_per_second=0)
        self.answer: Callable[[Session, Message, float], Outputs] = nothing
        self.leave_answer: Callable[[Session], Outputs] = lambda session: []
        self.taken: list[Message] = []
        self.log: list[Any] = []  # ("join", id), ("leave", id, reason), ...

    def _take(self, session: Session, message: Message, now: float) -> Outputs:
        self.taken.append(message)
        return self.answer(session, message, now)

    def join(self, session: Session) -> Outputs:
        self.log.append(("join", session.id))
        return []

    def leave(self, session: Session, reason: str) -> Outputs:
        self.log.append(("leave", session.id, reason))
        return self.leave_answer(session)

    def refuse_payload(self, session: Session, message: Message, error: Error, now: float) -> Outputs:
        self.log.append(("refuse_payload", type(message), error.error))
        return self.answer(session, message, now)

    def undeliverable(self, session: Session, message: Message, size: int, limit: int) -> Outputs:
        self.log.append(("undeliverable", type(message), size, limit))
        return []

    def dropped(self, session: Session, count: int) -> Outputs:
        self.log.append(("dropped", session.id, count))
        return []


class FakeEntrance:
    """
    Admits to ``realm`` as session 7, 8, ...; "closed" is refused, "secret" wants a ticket, "asks" needs time.

    :ivar later: what a test has to decide, in order
    :ivar taken_back: how often a connection no longer wanted to know
    """

    def __init__(self, realm: FakeRealm) -> None:
        self.realm = realm
        self.details: dict[str, Any] = {}
        self.peers: list[Peer] = []
        self.sessions: list[Session] = []
        self.later: list[Later[Any]] = []
        self.taken_back = 0
        self.cookie = ""

    def enter(self, hello: Hello, peer: Peer) -> Decision | Later[Decision]:
        self.peers.append(peer)
        if hello.realm == "broken":
            raise RuntimeError("a defect in the entrance")
        if hello.realm == "closed":
            return Refusal(uris.NO_SUCH_REALM, "no such realm", "the log knows more")
        if hello.realm == "secret":
            return Challenge("ticket", {}, self._verify)
        if hello.realm == "asks":
            return self._ask()
        return self.admission()

    def recognizes(self, cookie: str) -> bool:
        """Know one cookie."""
        return cookie == self.cookie

    def cancel(self) -> None:
        """Count: the connection is no longer there to be told."""
        self.taken_back += 1

    def _ask(self) -> Later[Any]:
        later: Later[Any] = Later()
        later.source = self
        self.later.append(later)
        return later

    def _verify(self, message: Authenticate) -> Admission | Refusal | Later[Admission | Refusal]:
        if message.signature == "ask":
            return self._ask()
        if message.signature == "right":
            return self.admission()
        return Refusal(uris.AUTHENTICATION_FAILED, "authentication failed")

    def admission(self) -> Admission:
        session = Session(7 + len(self.sessions), "alice")
        self.sessions.append(session)
        return Admission(self.realm, session, Welcome(session.id, self.details))


class Wire(StringTransportWithDisconnection):
    """
    The transport of one connection, as lenient as Twisted's real ones are.

    While ``stuck``, ``loseConnection`` waits for a peer that takes nothing, as a real one would.
    """

    def __init__(self, protocol: Any, peer: Any = None) -> None:
        super().__init__(peerAddress=peer or IPv4Address("TCP", "192.0.2.7", 4711))
        self.protocol = protocol
        self.stuck = False
        self.aborted = False
        self._lenient = True

    def loseConnection(self) -> None:
        self.disconnecting = True
        if not self.stuck:
            super().loseConnection()

    def abortConnection(self) -> None:
        self.aborted = True
        super().loseConnection()

    def unregisterProducer(self) -> None:
        self.producer = None

    def congest(self) -> None:
        """The peer takes no more."""
        self.producer.pauseProducing()

    def drain(self) -> None:
        """The peer has taken everything."""
        self.producer.resumeProducing()

    def take(self) -> bytes:
        """Give what was written since the last call."""
        data: bytes = self.value()
        self.clear()
        return data


class Bench:
    """What the connections of a test stand on: a clock, a turn, counters, a realm."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.turn = Turn(lambda flush: self.clock.callLater(0, flush), self.clock.seconds)
        self.counters: Counter[str] = Counter()
        self.realm = FakeRealm()
        self.entrance = FakeEntrance(self.realm)

    def end_turn(self) -> None:
        """Let the reactor's turn end: everything queued is written."""
        self.clock.advance(0)


def wamp(*message: Any) -> bytes:
    """Serialize a message as JSON."""
    return json.dumps(message, separators=(",", ":")).encode()


HELLO = wamp(1, "realm1", {"roles": {"caller": {}}})
