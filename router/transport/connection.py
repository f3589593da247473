"""
One connection: its handshake, its session, and the one place where errors become answers.

Rules of this file:

- A connection knows no framing: whole messages come in through ``receive``, frames go out
  through its outbox, and the carrier (WebSocket, RawSocket, ...) does the rest.
- Three kinds of error end here. ``ProtocolViolation`` becomes ABORT; ``PayloadRefused``
  becomes an answer to that request; anything else is a defect of ours: logged once, and
  this session is aborted without a word about the cause.
- Nothing is raised to the carrier, and no other session notices.
- While somebody else decides who the peer is, the connection goes on reading, so that the peer's end is
  noticed; whatever but ABORT the peer says meanwhile is a breach of the protocol.
- While somebody else decides what an open session may do, nothing more is read from it; what was read already
  is held, bounded, and taken in order afterwards. No other session waits.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from twisted.logger import Logger

from router.routing.handshake import (
    Admission,
    Challenge,
    Decision,
    Entrance,
    Later,
    Peer,
    RealmPort,
    Routes,
    State,
    Undecided,
    transition,
)
from router.routing.outputs import Outputs
from router.routing.session import Session
from router.transport.outbox import Carrier, Outbox, Turn
from router.transport.throttle import Throttle
from router.wamp import messages, uris
from router.wamp.errors import PayloadRefused, ProtocolViolation
from router.wamp.messages import Abort, Authenticate, Error, Goodbye, Hello, Message
from router.wamp.serializers import Serializer

BEFORE_A_SESSION: Final = (State.AWAITING_HELLO, State.CHALLENGED, State.DECIDING)
HELD_BYTES: Final = 1024 * 1024  # and one message: a carrier has read about as much when it is told to stop
LEAST_HELD_BYTES: Final = 16  # what a message counts that is shorter: in a batch, a million can be empty
EARLY_BYTES: Final = 65536  # of a message while no session is open
NO_ROUTES: Final[Routes] = {}  # before a session is open and after


class Connection:
    """
    A peer on one transport connection.

    The carrier sets ``outbox`` right after it has made this object, and calls ``lost`` exactly once.
    """

    log = Logger("router.connection")

    __slots__ = (
        "_carrier",
        "_counters",
        "_decode",
        "_deliver",
        "_entrance",
        "_held",
        "_held_bytes",
        "_hello",
        "_later",
        "_on_state",
        "_routes",
        "_throttle",
        "_turn",
        "_verify",
        "outbox",
        "peer",
        "realm",
        "serializer",
        "session",
        "state",
    )

    outbox: Outbox

    def __init__(
        self,
        peer: Peer,
        serializer: Serializer,
        carrier: Carrier,
        entrance: Entrance,
        turn: Turn,
        counters: Counter[str],
        on_state: Callable[[Any, State], None],
    ) -> None:
        self.peer = peer
        self.serializer = serializer
        self.state = State.AWAITING_HELLO
        self.session: Session | None = None
        self.realm: RealmPort | None = None
        self._carrier = carrier
        self._entrance = entrance
        self._turn = turn
        self._counters = counters
        self._decode: Callable[[bytes], Message] = partial(_decode_early, serializer.decode)
        self._deliver = turn.deliver
        self._routes = NO_ROUTES
        self._on_state = on_state
        self._throttle: Throttle | None = None
        self._verify: Any = None
        self._hello: Hello | None = None  # while it is being answered
        self._later: Later[Any] | None = None  # who the peer is, or what it may do, while that is decided
        self._held: deque[bytes] | None = None  # what came meanwhile in an open session; None: nothing waits
        self._held_bytes = 0

    def receive(self, data: bytes, now: float) -> None:
        """Take one serialized message; ``now`` is the monotonic clock in seconds."""
        self.receive_all((data,), now)

    def receive_all(self, messages: Sequence[bytes], now: float) -> None:
        """
        Take the serialized messages of one read, in order.

        What is looked up for every message is looked up once for all of them (benchmark: calls,
        window 64), and again when a message has opened or ended the session.
        """
        if self._held is not None:
            self._hold(messages)
            return
        decode, deliver = self._decode, self._deliver
        routes, session = self._routes, self.session
        rest = iter(messages)
        while self.state is not State.ENDED:
            try:
                for data in rest:
                    message = decode(data)
                    if routes is not self._routes:
                        decode, routes, session = self._decode, self._routes, self.session
                    route = routes.get(message.__class__)
                    if route is not None:
                        deliver(route(session, message, now))  # type: ignore[arg-type]  # there is one
                    else:
                        self._advance(message)
                break
            except ProtocolViolation as violation:
                self._violated(violation)
            except PayloadRefused as refusal:
                self._refuse_payload(refusal, now)
            except Undecided as undecided:
                self._held = deque()
                self._wait_for(undecided.later)
                self._hold(rest)
                break
            except Exception:
                self._defect()

        if self._throttle is not None:
            self._slow_down(self._throttle, len(messages) - len(self._held or ()), now)

    def _wait_for(self, later: Later[Outputs]) -> None:
        self._later = later
        later.then(self._go_on)

    def _hold(self, messages: Iterable[bytes]) -> None:
        """Keep what comes while it is being decided what the session may do; read no further."""
        assert self._held is not None
        for data in messages:
            self._held.append(data)
            self._held_bytes += max(len(data), LEAST_HELD_BYTES)
        limit = HELD_BYTES + self.peer.message_limit_bytes
        if self._held_bytes > limit:
            self.refuse(f"{self._held_bytes} bytes while an answer was awaited: the limit is {limit}")
        else:
            self._carrier.pause_reading()

    def _go_on(self, make: Callable[[], Outputs | Later[Outputs]]) -> None:
        """Do what was decided, then take what came meanwhile."""
        self._later = None
        try:
            outputs = make()
            if isinstance(outputs, Later):
                self._wait_for(outputs)
                return
            self._deliver(outputs)
        except ProtocolViolation as violation:
            self._violated(violation)
        except Exception:
            self._defect()
        self._take_held()

    def _take_held(self) -> None:
        held, self._held, self._held_bytes = self._held, None, 0
        if held:
            self.receive_all(held, self._turn.now())
        if self._held is None and self.state is not State.ENDED and not self.outbox.reading_paused:
            self._carrier.resume_reading()

    def _slow_down(self, throttle: Throttle, count: int, now: float) -> None:
        """Read no further while this session is over its messages per second."""
        pause = throttle.spend(count, now)
        if pause > 0 and self.state is State.ESTABLISHED:
            self._counters["throttled"] += 1
            self._carrier.pause_reading()
            self._turn.wake(self, now + pause)

    def awake(self) -> None:
        """The time for which nothing was to be read is over."""
        if not self.outbox.reading_paused and self._held is None:
            self._carrier.resume_reading()

    def lost(self, reason: str) -> None:
        """The transport is gone: whatever the session held goes too."""
        self.outbox.discard()
        self._turn.forget(self)
        self.state = State.ENDED
        self._verify = None
        self._stop_waiting()
        self._held = None
        try:
            self._leave(reason)
        except Exception:
            self._defect()

    def farewell(self, message: Goodbye | Abort) -> None:
        """End the session from the router's side; after a GOODBYE the peer may answer."""
        if self.state is not State.ESTABLISHED:
            return
        self._leave(message.reason)
        self.outbox.send(message)
        if isinstance(message, Goodbye):
            self.state = State.CLOSING
            self._on_state(self._carrier, self.state)
            if self._held is not None:  # the peer's answer may be among it
                self._stop_waiting()
                self._take_held()
        else:
            self._end(message.reason)

    def refuse(self, text: str, reason: str = uris.PROTOCOL_VIOLATION) -> None:
        """Abort because of ``text``, which the peer is told."""
        self._violated(ProtocolViolation(text, reason))

    def expired(self) -> None:
        """The peer did not open a session in time, or did not answer the router's GOODBYE."""
        if self.state is State.CLOSING:
            self._end(uris.TIMEOUT)
        elif self.state in BEFORE_A_SESSION:
            self._counters["handshake_timeouts"] += 1
            self.refuse("no session was opened within the handshake timeout", uris.TIMEOUT)

    def slow(self, text: str) -> None:
        """The outbox gave this peer up."""
        self._counters["slow_consumers_disconnected"] += 1
        self.log.warn("slow consumer {who} disconnected: {text}", who=self.who(), text=text)
        self._carrier.abort()

    def recovered(self, dropped: int) -> None:
        """The outbox dropped events and now takes them again: tell those who want to know."""
        self._counters["events_dropped"] += dropped
        self.log.warn("slow consumer {who}: {count} events dropped", who=self.who(), count=dropped)
        if self.session is not None and self.realm is not None:
            self._turn.deliver(self.realm.dropped(self.session, dropped))

    def undeliverable(self, message: Message, size: int) -> None:
        """``message`` is larger than this peer takes: whoever waits for it gets an error."""
        self._counters["oversized_outgoing"] += 1
        if isinstance(message, Abort | Goodbye):
            self.outbox.send(type(message)({}, uris.PAYLOAD_SIZE_EXCEEDED))  # fits into any limit
        elif isinstance(message, messages.Welcome | messages.Challenge):
            text = f"{type(message).__name__.upper()} is {size} bytes long: more than this client takes"
            self._abort(uris.PAYLOAD_SIZE_EXCEEDED, text)
        elif self.session is not None and self.realm is not None:
            limit = self.outbox.max_frame_bytes
            self._turn.deliver(self.realm.undeliverable(self.session, message, size, limit))

    def who(self) -> str:
        """Name the peer as the log does."""
        session = self.session
        return (
            f"{self.peer.address} ({session.authid}, session {session.id})" if session else self.peer.address
        )

    def _advance(self, message: Message) -> None:
        action = transition(self.state, message)
        if action is not None:
            getattr(self, "_on_" + action)(message)

    def _on_hello(self, message: Hello) -> None:
        self._hello = message
        message.details = self.serializer.plain(message.details)  # whatever they are shown to can read them
        self._await(self._entrance.enter(message, self.peer))

    def _on_authenticate(self, message: Authenticate) -> None:
        verify, self._verify = self._verify, None
        self._await(verify(message))

    def _await(self, decision: Decision | Later[Any]) -> None:
        if isinstance(decision, Later):
            self.state = State.DECIDING
            self._later = decision
            decision.then(self._decided)
        else:
            self._decide(decision)

    def _decided(self, make: Callable[[], Decision | Later[Any]]) -> None:
        """Do what was decided meanwhile, in a turn of its own."""
        self._later = None
        try:
            self._await(make())
        except Exception:
            self._defect()

    def _stop_waiting(self) -> None:
        if self._later is not None:
            later, self._later = self._later, None
            later.cancel()

    def _decide(self, decision: Decision) -> None:
        if isinstance(decision, Admission):
            self._admit(decision)
        elif isinstance(decision, Challenge):
            self.state = State.CHALLENGED
            self._verify = decision.verify
            self.outbox.send(messages.Challenge(decision.authmethod, decision.extra))
        else:
            self._counters["refused_joins"] += 1
            hello = self._hello
            authid = hello.details.get("authid") if hello is not None else None
            whom = f" as {authid!r:.100}" if isinstance(authid, str) else ""
            self.log.warn(
                "{address} refused{whom}: {reason}: {why}",
                address=self.peer.address,
                whom=whom,
                realm=hello.realm[:200] if hello is not None else None,
                reason=decision.reason,
                why=decision.why or decision.text,
            )
            self._abort(decision.reason, decision.text)

    def _admit(self, admission: Admission) -> None:
        self._hello = None
        session = self.session = admission.session
        self.realm = admission.realm
        self._routes = admission.realm.routes
        self._decode = self.serializer.decode
        rate = admission.realm.limits.messages_per_second
        self._throttle = Throttle(rate, self._turn.now()) if rate else None
        session.link = self.outbox
        session.serializer = self.serializer
        self.outbox.rules = admission.realm.slow_consumer
        self.state = State.ESTABLISHED
        self._on_state(self._carrier, self.state)
        self._turn.deliver(admission.realm.join(session))
        self.outbox.send(admission.welcome)

    def _on_client_says_goodbye(self, message: Goodbye) -> None:
        """Answer, and wait for the next HELLO or for the end of the connection."""
        self._leave(message.reason)
        self._decode = partial(_decode_early, self.serializer.decode)
        self.outbox.send(Goodbye({}, uris.GOODBYE_AND_OUT))
        self.state = State.AWAITING_HELLO
        self._on_state(self._carrier, self.state)

    def _on_client_returns_goodbye(self, message: Goodbye) -> None:
        self._end(message.reason)

    def _on_client_aborted(self, message: Abort) -> None:
        self._leave(message.reason)
        self._end(message.reason)

    def _leave(self, reason: str) -> None:
        session, realm = self.session, self.realm
        if session is not None and realm is not None:
            self.session = self.realm = None
            self._routes = NO_ROUTES
            self._turn.deliver(realm.leave(session, reason))

    def _abort(self, reason: str, text: str) -> None:
        self._leave(reason)
        self.outbox.send(Abort({"message": text}, reason))
        self._end(reason)

    def _end(self, reason: str) -> None:
        self.state = State.ENDED
        self._stop_waiting()
        self._held = None
        self._carrier.close(reason)

    def _violated(self, violation: ProtocolViolation) -> None:
        if self.state is State.ENDED:
            return
        self._counters["protocol_violations"] += 1
        self.log.warn("{who} aborted: {text}", who=self.who(), text=violation.text)
        self._abort(violation.reason, violation.text)

    def _refuse_payload(self, refusal: PayloadRefused, now: float) -> None:
        """Answer a request whose payload nobody else could read; the session lives on."""
        message = refusal.message
        request = getattr(message, "request", None)
        if self.state is not State.ESTABLISHED or request is None:
            self._violated(ProtocolViolation(refusal.text))
            return
        self._counters["payloads_refused"] += 1
        error = Error(message.CODE, request, {}, uris.INVALID_ARGUMENT, [refusal.text])
        session, realm = self.session, self.realm
        assert session is not None
        assert realm is not None
        try:
            self._turn.deliver(realm.refuse_payload(session, message, error, now))
        except ProtocolViolation as violation:
            self._violated(violation)
        except Exception:
            self._defect()

    def _defect(self) -> None:
        """Log our own mistake once, and end this session alone."""
        self._counters["defects"] += 1
        self.log.failure("defect while serving {who}", who=self.who())
        if self.state is not State.ENDED:
            try:
                self._abort(uris.INTERNAL_ERROR, "internal error")
            except Exception:
                self.log.failure("defect while ending {who}", who=self.who())
                self.state = State.ENDED
                self._carrier.abort()


def _decode_early(decode: Callable[[bytes], Message], data: bytes) -> Message:
    """Decode what a stranger sends: a large message takes long enough for all others to notice."""
    if len(data) > EARLY_BYTES:
        text = f"a message of {len(data)} bytes while no session is open: the limit is {EARLY_BYTES}"
        raise ProtocolViolation(text, uris.PAYLOAD_SIZE_EXCEEDED)
    return decode(data)
