"""The errors of DSTM: one exception, and the URIs that clients see."""

from typing import Any, Final

CONFLICT: Final = "dstm.error.conflict"
STALE: Final = "dstm.error.stale"
EPOCH: Final = "dstm.error.epoch"
CONSTRAINT: Final = "dstm.error.constraint"
INVALID: Final = "dstm.error.invalid"
TOO_LARGE: Final = "dstm.error.too_large"
THROTTLED: Final = "dstm.error.throttled"
UNAVAILABLE: Final = "dstm.error.unavailable"
TX_REUSED: Final = "dstm.error.tx_reused"
TIMEOUT: Final = "dstm.error.timeout"
NO_SUCH_SPACE: Final = "dstm.error.no_such_space"


class DstmError(Exception):
    """
    A request that was refused.

    :ivar uri: one of this module's
    :ivar text: what is wrong, where, and what is allowed, for people
    :ivar details: the same for programs, plain values: name -> value
    """

    def __init__(self, uri: str, text: str, **details: Any) -> None:
        super().__init__(uri, text)
        self.uri = uri
        self.text = text
        self.details = details

    def __str__(self) -> str:
        return f"{self.uri}: {self.text}"
