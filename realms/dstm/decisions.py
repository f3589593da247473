"""What goes into a sequencer and what comes out of it."""

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from msgspec import Struct

from realms.dstm.document import Document
from realms.dstm.errors import DstmError
from realms.dstm.log import Record
from realms.dstm.transaction import Transaction
from realms.dstm.window import Entry


class Author(Struct, frozen=True, gc=False):
    """
    Who submits.

    :ivar client: the key by which fairness tells clients apart
    :ivar session_id: who holds what is bound; None: nothing can be bound to a session
    """

    authid: str = ""
    authrole: str = ""
    client: Hashable = None
    session_id: int | None = None


class Made(NamedTuple):
    """A transaction that was made at the moment of its decision, and a JSON value for its author."""

    transaction: Transaction
    result: Any = None


class Submission(Struct):
    """
    A transaction, and whose it is.

    :ivar digest: of the body: what tells a repetition from another use of the same ``tx``
    :ivar bytes: about its size, as far as it is to count while it waits
    :ivar make: given the newest document and its version, makes what is decided in the place of
        ``transaction``, of which then ``tx``, ``epoch`` and ``base`` alone count; may raise ``DstmError``
    """

    transaction: Transaction
    author: Author
    digest: bytes | None = None
    bytes: int = 0
    make: Callable[[Document, int], Made] | None = None


class Committed(Struct, frozen=True, gc=False):
    """
    A transaction has taken effect, and will have for ever.

    :ivar version: that it made, or that it was valid at if it changes nothing
    :ivar time: ms since 1970
    :ivar dup: it had been submitted before: this is its outcome of then
    :ivar values: of what it wants, in order; None where nothing is, or if it wants nothing
    :ivar result: what ``Made`` had for its author
    """

    version: int
    epoch: str
    time: int
    dup: bool = False
    values: list[Any] | None = None
    result: Any = None


Reply = Callable[[Committed | DstmError], object]


def _nobody(answer: Committed | DstmError) -> None:
    """Nobody is to be told."""


class Ticket:
    """
    One submission on its way.

    :ivar answer: decided; told only when the batch is durable
    :ivar is_dup: the decision is an earlier one
    :ivar reply: for whoever submits
    :ivar was_deferred: it has waited for a client that had lost too often
    """

    __slots__ = ("answer", "is_dup", "reply", "submission", "was_deferred")

    def __init__(self, submission: Submission, reply: Reply = _nobody) -> None:
        self.submission = submission
        self.reply = reply
        self.answer: Committed | DstmError | None = None
        self.is_dup = False
        self.was_deferred = False


class Batch(Struct):
    """
    What one write makes durable.

    :ivar records: for the log; may be empty: then there is nothing to write
    :ivar entries: the same, as the window has them
    :ivar tickets: in the order of their decision
    :ivar version: durable after it, with its ``hash`` and ``document``
    """

    records: list[Record]
    entries: list[Entry]
    tickets: list[Ticket]
    version: int
    hash: bytes
    document: Document


class Flushed(NamedTuple):
    """
    What is to be said when a batch is durable.

    :ivar answers: in the order of the tickets
    :ivar entries: of the commits, in the order of the versions
    """

    answers: list[tuple[Ticket, Committed | DstmError]]
    entries: list[Entry]


class LogDiffers(Exception):
    """A log that was opened again does not hold what it had acknowledged."""
