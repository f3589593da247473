"""
Several WAMP messages in one transport message (WAMP AP 'Message Batching').

Rules of this file:

- JSON: each message is followed by the record separator, 0x1e. Autobahn takes 0x18 for it (it reads the
  specification's ``\\30`` as octal), so either is understood, and a peer is answered in its own way:
  neither octet can stand in a JSON text.
- MessagePack and CBOR: each message is preceded by its length, four octets, the highest first.
- A batch without a message, or one that does not end with a message, is a breach of the protocol.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from router.wamp.errors import ProtocolViolation
from router.wamp.serializers import Serializer

SUFFIX: Final = ".batched"  # of a subprotocol
SEPARATORS: Final = (b"\x1e", b"\x18")
PREFIX_BYTES: Final = 4
# A longer batch is begun anew: what a peer can read is not known, and one message is always taken.
BATCH_BYTES: Final = 65536


class Batching:
    """How one peer's messages are put together and taken apart."""

    __slots__ = ("_separator", "join", "split")

    def __init__(self, serializer: Serializer) -> None:
        self._separator = SEPARATORS[0]
        self.split = self._split_prefixed if serializer.is_binary else self._split_separated
        self.join = self._join_prefixed if serializer.is_binary else self._join_separated

    def batches(self, messages: Sequence[bytes]) -> Iterator[bytes]:
        """Give the transport messages for ``messages``, in order."""
        batch: list[bytes] = []
        size = 0
        for message in messages:
            if batch and size + len(message) > BATCH_BYTES:
                yield self.join(batch)
                batch, size = [], 0
            batch.append(message)
            size += len(message)
        if batch:
            yield self.join(batch)

    def _join_separated(self, messages: Sequence[bytes]) -> bytes:
        return self._separator.join((*messages, b""))

    def _join_prefixed(self, messages: Sequence[bytes]) -> bytes:
        return b"".join(len(message).to_bytes(PREFIX_BYTES, "big") + message for message in messages)

    def _split_separated(self, batch: bytes) -> list[bytes]:
        """
        Give the messages of ``batch``.

        Raises:
            ProtocolViolation: there is none, or something follows the last separator.
        """
        if batch[-1:] not in SEPARATORS:
            raise ProtocolViolation("a batch must end with the record separator 0x1e after its last message")
        self._separator = batch[-1:]
        return batch[:-1].split(self._separator)

    def _split_prefixed(self, batch: bytes) -> list[bytes]:
        """
        Give the messages of ``batch``.

        Raises:
            ProtocolViolation: there is none, or a length reaches past the end.
        """
        messages: list[bytes] = []
        start, end = 0, len(batch)
        while start < end:
            body = start + PREFIX_BYTES
            start = body + int.from_bytes(batch[body - PREFIX_BYTES : body], "big")
            if body > end or start > end:
                raise ProtocolViolation("a length in a batch reaches past its end")
            messages.append(batch[body:start])
        if not messages:
            raise ProtocolViolation("a batch must hold a message at least")
        return messages
