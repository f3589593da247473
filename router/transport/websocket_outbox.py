"""
Outboxes of WebSocket connections whose frames are made at the end of the turn, by Autobahn.

A compression has a context, and a batch is what a turn has brought: neither can be framed before.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from router.transport.batching import Batching
from router.transport.outbox import Outbox


class LateOutbox(Outbox):
    """An outbox whose frames are messages that Autobahn compresses, where it has to, and frames."""

    __slots__ = ()

    def flush(self, now: float) -> None:
        protocol: Any = self._carrier
        wire: list[bytes] = []
        messages, self.frames = self.frames, []
        protocol._sink = wire.append
        try:
            for message in self._joined(messages):
                protocol.sendMessage(message, self.channel.serializer.is_binary)
        finally:
            protocol._sink = None
        self.frames.extend(wire)
        if self.frames:
            super().flush(now)

    def append_wire(self, data: bytes) -> None:
        self.flush_now()
        self.frames.append(data)
        super().flush(self._turn.now())

    def _joined(self, messages: Sequence[bytes]) -> Iterable[bytes]:
        return messages


class BatchedOutbox(LateOutbox):
    """A ``LateOutbox`` that joins the messages of a turn into batches."""

    __slots__ = ("batching",)

    batching: Batching

    def _joined(self, messages: Sequence[bytes]) -> Iterable[bytes]:
        return self.batching.batches(messages)
