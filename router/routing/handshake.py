"""
Opening and closing a session: the state machine as a table, and what decides about a HELLO.

Rules of this file:

- The table names, for every state, each message that a client may send; anything else is a
  breach of the protocol (WAMP BP 'Session Lifetime', 'Protocol Errors').
- Who may join is asked of an ``Entrance``; its answer is a value, or a value that comes ``Later``.
- Nothing here sends, waits or knows what a connection is.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, Generic, Protocol, TypeVar

from msgspec import Struct

from router.routing.outputs import Outputs
from router.routing.session import Session
from router.wamp.errors import ProtocolViolation
from router.wamp.messages import (
    Abort,
    Authenticate,
    Error,
    Goodbye,
    Hello,
    Message,
    Welcome,
)

T = TypeVar("T")


class State(Enum):
    """Where a connection is in its session's life; the value completes "received X ..."."""

    AWAITING_HELLO = "before a session was open"
    CHALLENGED = "while AUTHENTICATE was awaited"
    DECIDING = "before its HELLO or AUTHENTICATE was answered"
    ESTABLISHED = "while the session was open"
    CLOSING = "after the router said GOODBYE"
    ENDED = "after the session ended"


# (state, message type) -> what to do, the name of a method of the connection
TRANSITIONS: Final[dict[tuple[State, type[Message]], str]] = {
    (State.AWAITING_HELLO, Hello): "hello",
    (State.AWAITING_HELLO, Abort): "client_aborted",
    (State.CHALLENGED, Authenticate): "authenticate",
    (State.CHALLENGED, Abort): "client_aborted",
    (State.DECIDING, Abort): "client_aborted",
    (State.ESTABLISHED, Goodbye): "client_says_goodbye",
    (State.ESTABLISHED, Abort): "client_aborted",
    (State.CLOSING, Goodbye): "client_returns_goodbye",
    (State.CLOSING, Abort): "client_aborted",
}


def transition(state: State, message: Message) -> str | None:
    """
    Name what ``message`` leads to in ``state``; ``None``: it is to be ignored.

    A session that is closing still receives what was on its way (state chart, 14).

    Raises:
        ProtocolViolation: a client may not send this message in this state.
    """
    action = TRANSITIONS.get((state, type(message)))
    if action is not None:
        return action
    if state in (State.CLOSING, State.ENDED):
        return None
    raise ProtocolViolation(f"received {type(message).__name__.upper()} {state.value}")


class Certificate(Struct, frozen=True, kw_only=True):
    """
    A client's TLS certificate, whose private key the client has.

    ``names`` are written "CN:Ann", "DNS:host.example.com" (in lower case), "EMAIL:ann@example.com",
    "URI:..." and "IP:192.0.2.7". They are to be believed where the certificate is ``trusted``: signed by
    an authority that this transport asks for.
    """

    fingerprint: str  # SHA-256 of the certificate, in hexadecimal
    names: frozenset[str]
    valid_from: float  # seconds since 1970, as the next
    valid_until: float
    trusted: bool


class Peer(Struct, frozen=True, kw_only=True):
    """What is known of a connection before anybody has joined on it."""

    address: str  # "tcp:192.0.2.7:49152", "unix:...", as the log shows it
    host: str  # the client's address alone, behind trusted proxies the real one
    transport: str  # "websocket", "rawsocket", "local"
    listener: str  # the name of the transport in router.yaml
    secure: bool = False
    message_limit_bytes: int = 0  # the largest message that is accepted from it
    realms: frozenset[str] | None = None  # the realms that this transport serves; None: all
    headers: Mapping[str, str] | None = None
    # With TLS: type of a channel binding -> its data, None where this connection does not have it
    channel_binding: Callable[[str], bytes | None] | None = None
    certificate: Certificate | None = None
    cookie: str | None = None  # what a browser has shown, or was given with this connection
    cookie_is_new: bool = False  # it was made for this connection


# message class -> method of the realm: (session, message, monotonic time in seconds) -> outputs.
# Besides ``ProtocolViolation`` it raises ``Undecided``.
Routes = dict[type[Message], Callable[[Session, Any, float], Outputs]]


class RealmPort(Protocol):
    """
    What a connection needs of the realm that its session joined.

    ``routes`` is the realm's one dispatch table; a message that is not in it is either one of
    the handshake's, or a breach of the protocol.
    """

    name: str
    routes: Routes
    limits: Any
    slow_consumer: Any
    heartbeat: Any

    def join(self, session: Session) -> Outputs: ...
    def leave(self, session: Session, reason: str) -> Outputs: ...
    def refuse_payload(self, session: Session, message: Message, error: Error, now: float) -> Outputs: ...
    def undeliverable(self, session: Session, message: Message, size: int, limit: int) -> Outputs: ...
    def dropped(self, session: Session, count: int) -> Outputs: ...


class Admission(Struct):
    """The peer is in: ``session`` belongs to ``realm`` once it has been told ``welcome``."""

    realm: RealmPort
    session: Session
    welcome: Welcome


class Challenge(Struct):
    """The peer must prove who it is: ``verify`` judges its AUTHENTICATE."""

    authmethod: str
    extra: dict[str, Any]
    verify: "Callable[[Authenticate], Admission | Refusal | Later[Admission | Refusal]]"


class Refusal(Struct):
    """The peer stays out: ``reason`` and ``text`` are told, ``why`` goes to the log alone."""

    reason: str
    text: str
    why: str = ""


class Source(Protocol):
    """What a decision waits for."""

    def cancel(self) -> None: ...


class Later(Generic[T]):
    """
    A decision that comes in a later turn.

    Who asked calls ``then`` in the turn in which it got this object, and ``cancel`` when it does not
    want to know any more. Who answers sets ``source``, which is canceled with it, and calls ``decide``
    once. A decision that nobody waits for is not even made.
    """

    __slots__ = ("_done", "source")

    def __init__(self) -> None:
        self.source: Source | None = None
        self._done: Callable[[Callable[[], T | Later[T]]], object] | None = None

    def then(self, done: Callable[[Callable[[], "T | Later[T]"]], object]) -> None:
        """Have ``done`` called with what makes the decision, so that a defect in making it is the asker's."""
        self._done = done

    def decide(self, make: Callable[[], "T | Later[T]"]) -> None:
        """Tell who waits that ``make`` gives the decision now, or another one to wait for."""
        done, self._done, self.source = self._done, None, None
        if done is not None:
            done(make)

    def cancel(self) -> None:
        """Wait no longer."""
        source, self.source, self._done = self.source, None, None
        if source is not None:
            source.cancel()


class Undecided(Exception):
    """
    Somebody else decides first whether a session may do what it asks for.

    A route raises this in place of its outputs, which ``later`` gives; until then the connection takes no
    further message of that session, so that their order is kept.
    """

    def __init__(self, later: Later[Outputs]) -> None:
        super().__init__()
        self.later = later


# What an ``Entrance`` answers to a HELLO.
Decision = Admission | Challenge | Refusal


class Entrance(Protocol):
    """Decides who may join which realm."""

    def enter(self, hello: Hello, peer: Peer) -> Decision | Later[Decision]: ...


class FrontDoor(Entrance, Protocol):
    """The way in from outside this process."""

    def recognizes(self, cookie: str) -> bool:
        """Tell whether somebody is known by ``cookie``."""
        ...
