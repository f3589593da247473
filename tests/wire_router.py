"""
A whole router below the sockets: bytes of WAMP messages in, bytes out, a clock that stands still.

Rules of this file:

- Everything between the socket and the tables is the real thing: ``Directory``, ``Realm``, ``Turn``,
  ``Connection``, ``Outbox``, the serializers. Frames are RawSocket's, since their length tells where
  a message ends.
- A peer encodes and decodes with libraries of its own, not with the router's serializers.
- What a peer was sent and nobody looked at is a failure: see ``WireRouter.check``.
"""

import itertools
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import cbor2
import msgspec
from twisted.internet.task import Clock
from twisted.logger import Logger

from realms.auth.config import Anonymous, Authentication, Ticket, TicketPrincipal
from realms.config import Permission, RealmConfig, RoleConfig
from realms.directory import Directory
from realms.realm import Environment, Realm
from router.configuration import Secret
from router.routing.handshake import Peer as PeerInfo
from router.routing.handshake import State
from router.transport.connection import Connection
from router.transport.framing import CHANNELS
from router.transport.inbox import Inbox
from router.transport.outbox import Outbox, Turn
from router.wamp.serializers import SERIALIZERS

__all__ = ["ANY", "CREATED", "FEATURES", "WirePeer", "WireRouter", "roles", "text"]

CREATED = "2024-02-29T12:00:00.000Z"
MESSAGE_LIMIT_BYTES = 1_000_000

# role -> every feature that a client of that role may announce
FEATURES = {
    "publisher": (
        "payload_passthru_mode",
        "publisher_exclusion",
        "publisher_identification",
        "sharded_subscription",
        "subscriber_blackwhite_listing",
    ),
    "subscriber": (
        "pattern_based_subscription",
        "payload_passthru_mode",
        "publication_trustlevels",
        "publisher_identification",
        "sharded_subscription",
        "subscription_revocation",
    ),
    "caller": (
        "call_canceling",
        "caller_identification",
        "payload_passthru_mode",
        "progressive_call_invocations",
        "progressive_call_results",
    ),
    "callee": (
        "call_canceling",
        "call_reroute",
        "call_timeout",
        "caller_identification",
        "pattern_based_registration",
        "payload_passthru_mode",
        "progressive_call_invocations",
        "progressive_call_results",
        "registration_revocation",
        "shared_registration",
    ),
}


class _Anything:
    """Equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "ANY"


class _Text:
    """Equal to every text that holds ``part``, in any case of its letters."""

    def __init__(self, part: str) -> None:
        self.part = part

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.part.lower() in other.lower()

    def __hash__(self) -> int:
        return hash(self.part)

    def __repr__(self) -> str:
        return f"text({self.part!r})"


text = _Text
ANY = _Anything()


def roles(without: Iterable[str] = ()) -> dict[str, Any]:
    """
    Give ``HELLO.Details.roles`` with every feature but those ``without``, as in ``"callee.call_timeout"``.
    """
    left_out = set(without)
    return {
        role: {"features": {name: True for name in names if f"{role}.{name}" not in left_out}}
        for role, names in FEATURES.items()
    }


def _principal(role: str) -> TicketPrincipal:
    return TicketPrincipal(role=role, secret=Secret("ticket"))


def _everything(**more: Any) -> Permission:
    return Permission(uri="", match="prefix", allow=("call", "register", "publish", "subscribe"), **more)


EVERYTHING = RoleConfig(permissions=(_everything(),))

# Anonymous sessions may do all; alice, bob, carol and dave join with the ticket "ticket".
CONFIG = RealmConfig(
    name="realm1",
    roles={
        "anonymous": EVERYTHING,
        "user": EVERYTHING,
        "admin": EVERYTHING,
        "known": RoleConfig(permissions=(_everything(disclosure="always"),)),
        "trusted": RoleConfig(permissions=(_everything(trust_level=3),)),
        "shy": RoleConfig(permissions=(_everything(disclosure="never"),)),
        "guest": RoleConfig(
            permissions=(
                Permission(uri="wamp.", match="prefix", allow=("call", "subscribe")),
                Permission(uri="com.open.", match="prefix", allow=("call", "publish", "subscribe")),
            )
        ),
    },
    authentication=Authentication(
        anonymous=Anonymous(role="anonymous"),
        ticket=Ticket(
            principals={
                "alice": _principal("user"),
                "bob": _principal("user"),
                "carol": _principal("admin"),
                "known": _principal("known"),
                "shy": _principal("shy"),
                "trusted": _principal("trusted"),
                "guest": _principal("guest"),
            }
        ),
    ),
)

_ENCODE: dict[str, Callable[[Any], bytes]] = {
    "json": lambda value: json.dumps(value).encode(),
    "msgpack": msgspec.msgpack.encode,
    "cbor": cbor2.dumps,
}
_DECODE: dict[str, Callable[[bytes], Any]] = {
    "json": json.loads,
    "msgpack": msgspec.msgpack.decode,
    "cbor": lambda data: _whole_cbor(data),
}


def _whole_cbor(data: bytes) -> Any:
    stream = BytesIO(data)
    value = cbor2.load(stream)
    assert not stream.read(), "more than one CBOR item in a message"
    return value


class WireWorld:
    """
    What the realm takes from the world: the router's clock; no directory. Threads' work is done in the turn.
    """

    inbox = staticmethod(Inbox)
    logger = staticmethod(Logger)

    def __init__(self, router: "WireRouter") -> None:
        self.clock = Clock()
        self.call_later = self.clock.callLater
        self.waiting: deque[Callable[[], object]] = deque()  # for the end of this turn
        self.soon = self.waiting.append
        self._router = router
        self.deliver = router.turn.deliver

    def now(self) -> float:
        return self._router.now

    def now_ms(self) -> int:
        return round(self._router.now * 1000) + 1_700_000_000_000

    def background(
        self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], object]
    ) -> None:
        def work() -> None:
            try:
                result = function()
            except Exception as error:
                done(None, error)
            else:
                done(result, None)

        self.soon(work)

    def directory(self, *names: str) -> None:
        return None

    def closing(self, what: str, closed: Any) -> None:
        raise AssertionError(f"{what}: nothing here takes time to close")

    def next_timer(self) -> float | None:
        """Tell when something is to be called, on the router's clock."""
        times = [call.getTime() for call in self.clock.getDelayedCalls()]
        return self._router.now - self.clock.seconds() + min(times) if times else None


class WireRouter:
    """
    One realm, ``realm1``, and its peers; ``now`` is the monotonic clock in seconds.

    ``serializers`` are what the peers speak, one after the other, where a test names none.
    """

    def __init__(self, serializers: Iterable[str] = ("json",), config: RealmConfig = CONFIG) -> None:
        self.now = 1000.0
        self.counters: Counter[str] = Counter()
        self.peers: list[WirePeer] = []
        self.draws: list[int] = []  # what the invocation policy "random" draws next; then 0
        self._serializers = itertools.cycle(serializers)
        self._session_ids = itertools.count(7_000_001)
        self._publications = itertools.count(5001)
        self._alarm: float | None = None
        self._flush: Callable[[], None] | None = None
        self.turn = Turn(self._schedule, lambda: self.now)
        self.world = WireWorld(self)
        self.directory = Directory(lambda: next(self._session_ids), lambda: self.now)
        self.environment = Environment(
            new_publication_id=lambda: next(self._publications),
            randbelow=lambda n: self.draws.pop(0) % n if self.draws else 0,
            timestamp=lambda: CREATED,
            wake_at=self._wake_at,
            world=self.world,
        )
        self.realm = Realm(config, self.environment)
        self.realm.open()
        self.directory.realms[config.name] = self.realm

    def peer(self, serializer: str | None = None, most: int | None = None) -> "WirePeer":
        """Connect a peer that has said nothing yet; ``most`` is the longest frame that it takes, in bytes."""
        peer = WirePeer(self, serializer or next(self._serializers), most)
        self.peers.append(peer)
        return peer

    def join(
        self,
        authid: str | None = None,
        *,
        without: Iterable[str] = (),
        serializer: str | None = None,
        most: int | None = None,
    ) -> "WirePeer":
        """Connect a peer and open its session: anonymous, or as ``authid`` with its ticket."""
        return self.peer(serializer, most).join(authid, without)

    def advance(self, ms: float) -> None:
        """Let time pass; the realm's timer and those of the world fire when they are due."""
        end = self.now + ms / 1000
        while (due := self._next_event()) is not None and due <= end:
            self._move_to(max(self.now, due))
            if self._alarm is not None and self._alarm <= self.now:
                self._alarm = None
                self.turn.deliver(self.realm.expire(self.now))
                deadline = self.realm.next_deadline()
                if deadline is not None:
                    self._wake_at(self.realm.name, deadline)
            self.end_turn()
        self._move_to(end)

    def _next_event(self) -> float | None:
        events = [at for at in (self._alarm, self.world.next_timer()) if at is not None]
        return min(events, default=None)

    def _move_to(self, now: float) -> None:
        passed, self.now = now - self.now, now
        self.world.clock.advance(passed)

    def end_turn(self) -> None:
        """Let the reactor's turn end: what is queued is written."""
        while self._flush is not None or self.world.waiting:
            flush, self._flush = self._flush, None
            while self.world.waiting:
                self.world.waiting.popleft()()
            if flush is not None:
                flush()

    def check(self) -> None:
        """Fail where a peer was sent something that no test looked at, or the router met a defect."""
        assert self.counters["defects"] == 0, "the router met a defect of its own"
        for peer in self.peers:
            peer.expect_nothing()

    def _schedule(self, flush: Callable[[], None]) -> None:
        self._flush = flush

    def _wake_at(self, realm: str, deadline: float) -> None:
        assert realm == self.realm.name
        self._alarm = deadline if self._alarm is None else min(self._alarm, deadline)


class WirePeer:
    """A client's end of one connection; ``id`` and ``details`` are those of its last WELCOME."""

    def __init__(self, router: WireRouter, serializer: str, most: int | None) -> None:
        self.serializer = serializer
        self.closed: str | None = None  # why the router closed the connection
        self.states: list[State] = []
        self.reads = True  # whether the router reads from it
        self.id = 0
        self.details: dict[str, Any] = {}
        self.inbox: deque[Any] = deque()
        self._received = b""
        self._router = router
        self._request = 0
        info = PeerInfo(
            address="tcp:192.0.2.7:4711",
            host="192.0.2.7",
            transport="rawsocket",
            listener="test",
            message_limit_bytes=MESSAGE_LIMIT_BYTES,
        )
        self.connection = Connection(
            info,
            SERIALIZERS[serializer],
            self,
            router.directory,
            router.turn,
            router.counters,
            lambda carrier, state: carrier.states.append(state),
        )
        channel = CHANNELS["rawsocket", serializer]
        self.outbox = Outbox(router.turn, channel, self, self._write, self.connection)
        self.connection.outbox = self.outbox
        if most is not None:
            self.outbox.max_frame_bytes = most

    def __repr__(self) -> str:
        return f"<peer {self.id} {self.serializer}>"

    # What the test does

    def send(self, *messages: list[Any]) -> None:
        """Send messages, each a wire array."""
        for message in messages:
            self.send_bytes(_ENCODE[self.serializer](message))

    def send_bytes(self, *data: bytes) -> None:
        """Send serialized messages that the transport reads at once."""
        self.connection.receive_all(data, self._router.now)
        self._router.end_turn()

    def hello(self, without: Iterable[str] = (), realm: str = "realm1", **details: Any) -> None:
        """Send HELLO with every feature but those ``without``."""
        self.send([1, realm, {"roles": roles(without), **details}])

    def join(self, authid: str | None = None, without: Iterable[str] = ()) -> "WirePeer":
        """Open a session: HELLO, where it needs one a ticket, WELCOME."""
        if authid is None:
            self.hello(without)
        else:
            self.hello(without, authmethods=["ticket"], authid=authid)
            self.expect([4, "ticket", {}])
            self.send([5, "ticket", {}])
        code, self.id, self.details = self.take()
        assert code == 2, f"no WELCOME, but {[code, self.id, self.details]}"
        self._request = 0
        return self

    def next(self) -> int:
        """Give the next request id of this session."""
        self._request += 1
        return self._request

    def register(self, procedure: str, **options: Any) -> int:
        """Register a procedure, and give the registration's id."""
        request = self.next()
        self.send([64, request, options, procedure])
        return self._answered(65, request)

    def subscribe(self, topic: str, **options: Any) -> int:
        """Subscribe to a topic, and give the subscription's id."""
        request = self.next()
        self.send([32, request, options, topic])
        return self._answered(33, request)

    def call(self, procedure: str, *payload: Any, **options: Any) -> int:
        """Send a CALL, and give its request id."""
        request = self.next()
        self.send([48, request, options, procedure, *payload])
        return request

    def publish(self, topic: str, *payload: Any, **options: Any) -> int:
        """Send a PUBLISH, and give its request id."""
        request = self.next()
        self.send([16, request, options, topic, *payload])
        return request

    def ask(self, procedure: str, *args: Any, **kwargs: Any) -> Any:
        """Call a procedure that the router answers itself, and give its only result."""
        request = self.call(procedure, list(args), kwargs)
        result = self.take()
        assert result[:3] == [50, request, {}], result
        assert len(result) == 4, result
        (value,) = result[3]
        return value

    def leave(self) -> None:
        """Close the session properly."""
        self.send([6, {}, "wamp.close.close_realm"])
        self.expect([6, {}, "wamp.close.goodbye_and_out"])

    def vanish(self) -> None:
        """Lose the connection."""
        self._lost("connection lost")
        self._router.end_turn()

    # What the test sees

    def take(self) -> Any:
        """Take the next message."""
        assert self.inbox, f"{self} was sent nothing"
        return self.inbox.popleft()

    def drain(self) -> list[Any]:
        """Take all messages."""
        messages = list(self.inbox)
        self.inbox.clear()
        return messages

    def expect(self, *expected: list[Any]) -> None:
        """Take as many messages as are expected, and compare them."""
        actual = [self.inbox.popleft() for _ in expected if self.inbox]
        assert actual == list(expected), f"{self}\nexpected {list(expected)}\nwas sent {actual}"

    def expect_only(self, *expected: list[Any]) -> None:
        """Expect these messages and no other."""
        self.expect(*expected)
        self.expect_nothing()

    def expect_nothing(self) -> None:
        """Fail where a message is left."""
        assert not self.inbox, f"{self} was also sent {list(self.inbox)}"

    def expect_abort(self, reason: str, message: Any = ANY) -> None:
        """Expect ABORT as the last message, and the end of the connection."""
        self.expect_only([3, {"message": message}, reason])
        assert self.closed is not None, "the connection stays open after ABORT"

    def _answered(self, code: int, request: int) -> int:
        answer = self.take()
        assert answer[:2] == [code, request], answer
        given: int = answer[2]
        return given

    # What the router does with its end

    def pause_reading(self) -> None:
        """Part of a carrier; what a test sends nevertheless was on its way."""
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def close(self, reason: str) -> None:
        self.outbox.finish()
        self.closed = reason
        self._lost(reason)

    def abort(self) -> None:
        self.close("aborted")

    def _lost(self, reason: str) -> None:
        self.connection.lost(reason)

    def _write(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= 4:
            end = 4 + int.from_bytes(self._received[:4], "big")
            if len(self._received) < end:
                break
            self.inbox.append(_DECODE[self.serializer](self._received[4:end]))
            self._received = self._received[end:]
