"""What a transaction ends with: a version, or an error that says whether it may have been committed."""

from typing import Any

from realms.dstm.errors import DstmError


class Committed(int):
    """
    The version that a transaction was committed at, as an ``int`` that knows more.

    A transaction that only reads changes nothing: its version is the one that it read.

    :ivar value: what the transaction function returned in the run that counts
    :ivar epoch: of the history that the version is in: 32 hex digits
    :ivar time: of the commit, in ms since 1970 by the router's clock; None of a local read
    """

    value: Any
    epoch: str
    time: int | None

    def __new__(cls, version: int, *, value: Any, epoch: str, time: int | None = None) -> "Committed":
        self = super().__new__(cls, version)
        self.value = value
        self.epoch = epoch
        self.time = time
        return self

    @property
    def version(self) -> int:
        """The version as a plain ``int``."""
        return int(self)


class UnknownOutcome(DstmError):
    """
    The transaction was submitted, and whether it was committed can't be learned any more.

    Either the connection broke and the server, asked again, has forgotten that far back (``stale``) or
    has another history (``epoch``); or the space was closed before the answer. Read what the
    transaction would have changed before you repeat it.

    :ivar tx: the transaction's id
    """

    def __init__(self, cause: DstmError, tx: str) -> None:
        # The id stays out of the text: who knows it could ask in the client's name.
        super().__init__(cause.uri, f"whether it was committed is unknown: {cause.text}", **cause.details)
        self.tx = tx
