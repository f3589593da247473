"""What clients are told: the values that they want, and why a transaction was in conflict; all bounded."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from realms.dstm.document import MISSING, Document, thaw
from realms.dstm.errors import CONFLICT, TOO_LARGE, DstmError
from realms.dstm.pointer import Path, render
from realms.dstm.reads import Read
from realms.dstm.values import size
from realms.dstm.weight import weigh_node

SHOWN_PATHS: Final = 100  # of a conflict


def wanted_values(document: Document, want: Sequence[Path], most_bytes: int) -> list[Any]:
    """
    Give the plain values of some places, None where nothing is.

    Raises:
        DstmError: ``too_large``.
    """
    nodes = [document.find(path) for path in want]
    left = most_bytes
    for index, node in enumerate(nodes):
        left -= weigh_node(node, left)
        if left < 0:
            reason = f"the values have more than {most_bytes} bytes"
            raise DstmError(TOO_LARGE, f"want[{index}]: {reason}", part="want", index=index, reason=reason)
    return [None if node is MISSING else thaw(node) for node in nodes]


def recorded_answer(values: list[Any] | None, result: Any, most_bytes: int) -> dict[str, Any] | None:
    """
    Give what is recorded of an answer, for whoever submits the same again.

    Raises:
        DstmError: ``too_large``.
    """
    if result is None:
        return None if values is None else {"values": values}
    if size(result) > most_bytes:
        reason = f"it has more than {most_bytes} bytes"
        raise DstmError(TOO_LARGE, f"result: {reason}", part="result", reason=reason)
    return {"result": result} if values is None else {"values": values, "result": result}


def conflict(lost: Iterable[Read], text: str) -> DstmError:
    """Give the error that says where something has changed."""
    paths = list(dict.fromkeys(render(read.path) for read in lost))[:SHOWN_PATHS]
    shown = ", ".join(map(repr, paths[:3])) + (", ..." if len(paths) > 3 else "")
    return DstmError(CONFLICT, text + shown[:500], paths=paths)
