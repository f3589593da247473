"""
One run of a transaction function on the replica.

Rules of this file:

- While a function runs, no other begins: within one, others are called with its ``tx``.
- In a partial replica, what lies outside its paths is unknown, not missing: who touches it is told so.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from realms.dstm.client.replica import Snapshot, inside
from realms.dstm.errors import INVALID, DstmError
from realms.dstm.pointer import Path, parse, render
from realms.dstm.reads import Read
from realms.dstm.stm import Tx, run
from realms.dstm.values import normalized

_running: list[Tx] = []  # at most one: functions are synchronous


class Attempt(NamedTuple):
    """
    How a run ended.

    :ivar ended: ``done``, ``retry`` and ``restart`` as in ``stm.Outcome``; ``raised``: by an exception
    :ivar value: what the function returned, or raised
    :ivar reads: what that depends on
    :ivar body: ``reads``, ``ops`` and ``publish`` as a commit takes them; of ``raised``, the reads alone
    """

    ended: Literal["done", "retry", "restart", "raised"]
    value: Any
    reads: Sequence[Read]
    body: dict[str, Any]

    @property
    def only_reads(self) -> bool:
        """Whether nothing was done."""
        return not self.body["ops"] and "publish" not in self.body


def attempt(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    snapshot: Snapshot,
    paths: Sequence[Path] | None,
) -> Attempt:
    """
    Run ``function(tx, *arguments)`` on one version.

    Raises:
        DstmError: it touched what lies outside of ``paths``, or waits for nothing.
        ValueError: it publishes what is no JSON value.
    """
    seen: list[Tx] = []

    def running(tx: Tx, *args: Any) -> Any:
        seen.append(tx)
        _running.append(tx)
        try:
            return function(tx, *args)
        finally:
            _running.pop()

    try:
        tx, value, ended = run(running, snapshot.document, snapshot.version, arguments)
    except Exception as error:
        _check_touched(seen[0], paths)
        reads = seen[0].reads
        return Attempt("raised", error, reads, {"reads": [read.wire() for read in reads], "ops": []})
    _check_touched(tx, paths)
    if ended == "retry" and not tx.reads:
        raise DstmError(INVALID, "retry waits for a change of what was read, and nothing was")
    for publish in tx.publishes:
        normalized([publish.args, publish.kwargs])
    return Attempt(ended, value, tx.reads, tx.wire())


def check_alone() -> None:
    """
    Refuse to begin a transaction inside of another.

    Raises:
        RuntimeError: a transaction function runs.
    """
    if _running:
        raise RuntimeError("a transaction function runs: call the other one with its tx, as f(tx, ...)")


def check_inside(path: Path, paths: Sequence[Path] | None) -> None:
    """
    Check that a partial replica holds what is at ``path``.

    Raises:
        DstmError: it does not.
    """
    if paths is not None and not inside(path, paths):
        shown = ", ".join(repr(render(path)) for path in paths)
        raise DstmError(
            INVALID, f"{render(path)!r} is not in this partial replica, which has {shown}", path=render(path)
        )


def _check_touched(tx: Tx, paths: Sequence[Path] | None) -> None:
    for read in tx.reads:
        check_inside(read.path, paths)
    for op in tx.ops:
        check_inside(parse(op.path), paths)
