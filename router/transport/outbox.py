"""
The outbound queue of one connection, bounded in bytes, and the turn that flushes all of them.

Rules of this file:

- Frames of one reactor turn are joined into one write for each connection.
- Bytes that the transport does not take stay here, where they are counted.
- Past ``low_water_bytes`` the peer is not read from, so that it cannot ask for more.
- Past ``high_water_bytes`` without progress for ``patience_ms``, or past ``limit_bytes`` at
  once, the slow-consumer policy acts: the connection is dropped, or, by the policy
  ``drop``, its events are, counted, until the queue is below the low mark again.
- Whatever one peer does, no other peer waits for it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from router.routing.outputs import Delivery, Farewell, Outputs
from router.transport.framing import Channel
from router.wamp.messages import Abort, Event, Goodbye, Message
from router.wamp.serializers import Serializer

# What is handed to the transport in one piece: small enough that progress on a slow line shows.
SLICE_BYTES: Final = 65536
UNLIMITED: Final = 2**62

_log: Final = Logger("router.outbox")


class SlowConsumerRules(Protocol):
    """The realm's ``slow_consumer`` section, as far as an outbox reads it."""

    policy: str
    low_water_bytes: int
    high_water_bytes: int
    limit_bytes: int
    patience_ms: int


class Carrier(Protocol):
    """What an outbox and a connection need of the framing protocol that carries them."""

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def close(self, reason: str) -> None: ...
    def abort(self) -> None: ...


class Owner(Protocol):
    """What an outbox tells the connection that owns it."""

    def slow(self, text: str) -> None: ...
    def recovered(self, dropped: int) -> None: ...
    def undeliverable(self, message: Message, size: int) -> None: ...
    def farewell(self, message: Goodbye | Abort) -> None: ...


class Sleeper(Protocol):
    """A connection that is not read from for a while."""

    def awake(self) -> None: ...


class DefaultRules:
    """The bounds that hold before a session has joined a realm."""

    policy = "disconnect"
    low_water_bytes = 65536
    high_water_bytes = 1048576
    limit_bytes = 2097152
    patience_ms = 5000


@implementer(IPushProducer)
class Outbox:
    """
    The frames on their way to one peer.

    ``frames`` are of this turn; ``_held`` is what the transport did not want yet. The turn
    appends to ``frames`` directly: that is the fan-out's inner loop (benchmark: fan-out 100).
    """

    __slots__ = (
        "_carrier",
        "_held",
        "_max_frame_bytes",
        "_progress",
        "_turn",
        "blocked",
        "channel",
        "dropped",
        "dropping",
        "frames",
        "guarded",
        "owner",
        "queued_bytes",
        "reading_paused",
        "rules",
        "write",
    )

    def __init__(
        self, turn: "Turn", channel: Channel, carrier: Carrier, write: Callable[[bytes], object], owner: Owner
    ) -> None:
        self.channel = channel
        self.owner = owner
        self.write = write
        self.frames: list[bytes] = []
        self.guarded = False  # whether ``refuses`` is to be asked at all
        self._max_frame_bytes = UNLIMITED
        self.rules: SlowConsumerRules = DefaultRules()
        self.blocked = False
        self.dropping = False
        self.dropped = 0
        self.queued_bytes = 0
        self._carrier = carrier
        self._turn = turn
        self._held: deque[bytes] | None = None  # made when it is first needed: most peers never are slow
        self._progress = 0.0
        self.reading_paused = False

    @property
    def max_frame_bytes(self) -> int:
        """The longest frame that the peer takes."""
        return self._max_frame_bytes

    @max_frame_bytes.setter
    def max_frame_bytes(self, limit: int) -> None:
        self._max_frame_bytes = limit
        self.guarded = True

    def refuses(self, message: Message, frame: bytes) -> bool:
        """Tell, and act on it, whether ``frame`` is longer than the peer takes, or an event to be dropped."""
        is_event = message.CODE == Event.CODE
        if len(frame) > self._max_frame_bytes:
            self.owner.undeliverable(message, len(frame))
            return True
        if self.dropping and is_event:
            self.dropped += 1
            return True
        return False

    def send(self, message: Message, origin: Serializer | None = None) -> None:
        """Queue one message for the end of this turn, unless it is larger than the peer takes."""
        frame = self.channel.frame(message, origin)
        if len(frame) > self.max_frame_bytes:
            self.owner.undeliverable(message, len(frame))
        else:
            self._turn.append(self, frame)

    def append_wire(self, data: bytes) -> None:
        """Queue bytes that are framed already: a ping, a close."""
        self._turn.append(self, data)

    def flush_now(self) -> None:
        """Write what there is without waiting for the end of the turn."""
        if self.frames:
            self.flush(self._turn.now())

    def flush(self, now: float) -> None:
        """Write what this turn gathered, or hold it where the transport is full."""
        frames = self.frames
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        frames.clear()
        if not self.blocked and not self._held and len(data) <= SLICE_BYTES:
            self.write(data)
        else:
            self._hold(data, now)

    def finish(self) -> None:
        """Hand everything to the transport, full or not, and take nothing more: the connection closes."""
        self.flush_now()
        for piece in self._held or ():
            self.write(piece)
        self.discard()

    def discard(self) -> None:
        """Forget everything, now and later: the connection is gone."""
        self.frames = _NO_FRAMES
        self._held = None
        self.queued_bytes = 0
        self.write = _nowhere
        self._turn.congested.discard(self)
        # Parts of cycles that only the collector would find.
        self.owner = self._carrier = _NOBODY

    def fail(self) -> None:
        """Give this connection up after an exception of ours: no other waits for it."""
        carrier = self._carrier
        _log.failure("defect while writing to a peer")
        self.discard()
        carrier.abort()

    def pauseProducing(self) -> None:
        """The transport's buffer is full."""
        self.blocked = True

    def resumeProducing(self) -> None:
        """The transport has sent everything."""
        self.blocked = False
        if self._held:
            self._pump(self._turn.now())

    def stopProducing(self) -> None:
        """The transport is gone; ``connectionLost`` follows."""
        self.blocked = True

    def judge(self, now: float) -> None:
        """Act where this peer is past the high mark and nothing has left for ``patience_ms``."""
        rules = self.rules
        if self.queued_bytes > rules.high_water_bytes and (now - self._progress) * 1000 > rules.patience_ms:
            self._misbehaves(f"{self.queued_bytes} bytes queued, none taken for {rules.patience_ms} ms")

    def _hold(self, data: bytes, now: float) -> None:
        held = self._held
        if held is None:
            held = self._held = deque()
        if not held:
            self._progress = now
            self._turn.congested.add(self)
        held.extend(data[i : i + SLICE_BYTES] for i in range(0, len(data), SLICE_BYTES))
        self.queued_bytes += len(data)
        if not self.blocked:
            self._pump(now)
        self._measure()

    def _pump(self, now: float) -> None:
        held = self._held
        while held and not self.blocked:
            piece = held.popleft()
            self.queued_bytes -= len(piece)
            self._progress = now
            self.write(piece)
            held = self._held  # write may have lost the connection
        self._measure()

    def _measure(self) -> None:
        """Compare the queue with the marks."""
        queued, rules = self.queued_bytes, self.rules
        if queued > rules.limit_bytes:
            self._misbehaves(
                f"{queued} bytes queued, more than limit_bytes = {rules.limit_bytes}", final=True
            )
        elif queued > rules.low_water_bytes:
            if not self.reading_paused:
                self.reading_paused = True
                self._carrier.pause_reading()
            if queued > rules.high_water_bytes and rules.policy == "drop":
                self.dropping = self.guarded = True
        else:
            self._relax()

    def _relax(self) -> None:
        if self.reading_paused:
            self.reading_paused = False
            self._carrier.resume_reading()
        if self.dropping:
            self.dropping = False
            self.guarded = self._max_frame_bytes < UNLIMITED
            dropped, self.dropped = self.dropped, 0
            self.owner.recovered(dropped)
        if not self._held:
            self._turn.congested.discard(self)

    def _misbehaves(self, text: str, final: bool = False) -> None:
        if final or self.rules.policy == "disconnect":
            owner = self.owner
            self.discard()
            owner.slow(text)


class _NoFrames(list[bytes]):
    """The frames of an outbox whose connection is gone: always none."""

    def append(self, frame: bytes) -> None:
        """Drop ``frame``."""

    def extend(self, frames: Iterable[bytes]) -> None:
        """Drop ``frames``."""


_NO_FRAMES: Final = _NoFrames()


def _nowhere(data: bytes) -> None:
    """Take what is written to a connection that is gone."""


class _Nobody:
    """Owner and carrier of an outbox whose connection is gone."""

    def _nothing(self, *args: object) -> None:
        """Nobody is there."""

    pause_reading = resume_reading = abort = close = _nothing
    slow = recovered = undeliverable = farewell = _nothing


_NOBODY: Final = _Nobody()


class Turn:
    """
    The output of one reactor turn, for every connection of a node.

    ``schedule(callable)`` asks for one call at the end of this turn; ``now()`` is the
    monotonic clock in seconds.
    """

    def __init__(self, schedule: Callable[[Callable[[], None]], Any], now: Callable[[], float]) -> None:
        self.now = now
        self.congested: set[Outbox] = set()
        self._schedule = schedule
        self._dirty: list[Outbox] = []
        self._asleep: dict[Sleeper, float] = {}  # what is not read from -> until when

    def append(self, outbox: Outbox, frame: bytes) -> None:
        """Queue one frame for ``outbox``."""
        if not outbox.frames:
            if not self._dirty:
                self._schedule(self.flush)
            self._dirty.append(outbox)
        outbox.frames.append(frame)

    def deliver(self, outputs: Outputs) -> None:
        """Encode what the core returned, once for each channel, and queue it."""
        for output in outputs:
            if output.__class__ is Delivery:
                recipients = output.recipients
                if len(recipients) == 1:
                    outbox: Outbox = recipients[0].link
                    message = output.message
                    frame = outbox.channel.frame(message, output.origin)
                    if outbox.guarded and outbox.refuses(message, frame):
                        continue
                    if not outbox.frames:
                        if not self._dirty:
                            self._schedule(self.flush)
                        self._dirty.append(outbox)
                    outbox.frames.append(frame)
                elif recipients:
                    self._fan_out(output)
            elif output.__class__ is Farewell:
                output.session.link.owner.farewell(output.message)

    def _fan_out(self, delivery: Delivery) -> None:
        """Queue one message for many: each channel's bytes are made once."""
        message, origin = delivery.message, delivery.origin
        frames: dict[Channel, bytes] = {}
        channel: Channel | None = None
        frame = b""
        dirty = self._dirty
        if not dirty:
            self._schedule(self.flush)
        for session in delivery.recipients:
            outbox: Outbox = session.link
            if outbox.channel is not channel:
                channel = outbox.channel
                known = frames.get(channel)
                if known is None:
                    known = frames[channel] = channel.frame(message, origin)
                frame = known
            if outbox.guarded and outbox.refuses(message, frame):
                continue
            queue = outbox.frames
            if not queue:
                dirty.append(outbox)
            queue.append(frame)

    def flush(self) -> None:
        """Write every outbox that has frames of this turn."""
        dirty, self._dirty = self._dirty, []
        now = self.now()
        for outbox in dirty:
            if outbox.frames:
                try:
                    outbox.flush(now)
                except Exception:
                    outbox.fail()

    def wake(self, sleeper: Sleeper, at: float) -> None:
        """Call ``sleeper.awake()`` at the first ``judge`` from ``at`` on, in seconds of ``now``."""
        self._asleep[sleeper] = at

    def forget(self, sleeper: Sleeper) -> None:
        """Do not wake ``sleeper``."""
        self._asleep.pop(sleeper, None)

    def judge(self) -> None:
        """Look at every congested or throttled connection; called a few times a second."""
        now = self.now()
        for sleeper, at in list(self._asleep.items()):
            if at <= now:
                del self._asleep[sleeper]
                sleeper.awake()
        for outbox in list(self.congested):
            outbox.judge(now)
