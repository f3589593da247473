"""
One sync: what is asked of the server, and its answer put together from its pages.

An answer is ``{epoch, version, deltas}``, ``{epoch, version, snapshot}``, or the first page of a large
snapshot: ``{epoch, version, part: [[pointer, value], ...], next: token}``. Each further page is asked
for with ``page: token``, until one comes without ``next``. All pages are of one version.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from realms.dstm.changes import Delta
from realms.dstm.client.link import Answer, Channel
from realms.dstm.document import Document, DoesNotFit, freeze
from realms.dstm.errors import UNAVAILABLE, DstmError
from realms.dstm.pointer import parse
from realms.dstm.values import normalized


class Fetched(NamedTuple):
    """
    A whole answer.

    :ivar hash: of ``version``, in hex; None where it is not told
    :ivar document: of a snapshot; None where ``deltas`` lead to the version
    """

    epoch: str
    version: int
    hash: str | None
    document: Document | None
    deltas: Sequence[Delta]


class Fetch:
    """
    Calls ``dstm.<s>.sync`` until everything is there, then ``done``, once.

    ``done`` gets a DstmError where the server refuses, and where what it sends makes no sense: that one
    is ``unavailable``, so that it is asked again.
    """

    def __init__(self, channel: Channel, procedure: str, done: Callable[[Fetched | DstmError], None]) -> None:
        self._channel = channel
        self._procedure = procedure
        self._done = done
        self._document = Document.of({})
        self._first: dict[str, Any] = {}

    def begin(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Ask for what came after the version that ``args`` name, or for everything."""
        self._channel.call(self._procedure, args, kwargs, self._on_first)

    def _on_first(self, answer: Answer) -> None:
        if isinstance(answer, DstmError):
            self._done(answer)
        else:
            self._first = answer.kwargs
            self._read(answer.kwargs)

    def _on_page(self, answer: Answer) -> None:
        if isinstance(answer, DstmError):
            # A page may be refused because its cursor has expired: a sync from the start is not.
            self._done(DstmError(UNAVAILABLE, f"a page of the snapshot was refused: {answer}"))
        else:
            self._read(answer.kwargs)

    def _read(self, answer: dict[str, Any]) -> None:
        try:
            token = self._add(answer)
            fetched = None if token is not None else self._fetched(answer)
        except (DoesNotFit, LookupError, TypeError, ValueError) as error:
            self._done(DstmError(UNAVAILABLE, f"the answer to sync makes no sense: {error!r}"))
            return
        if fetched is not None:
            self._done(fetched)
        else:
            self._channel.call(self._procedure, [], {"page": token}, self._on_page)

    def _add(self, answer: dict[str, Any]) -> str | None:
        """Set one page's values, the root first, elements in their order; return the token of the next."""
        for pointer, value in answer.get("part", ()):
            path, node = parse(pointer), freeze(normalized(value))
            self._document = self._document.insert(path, node) if path else self._document.put(path, node)
        return answer.get("next")

    def _fetched(self, last: dict[str, Any]) -> Fetched:
        first = self._first
        head = (first["epoch"], first["version"], last.get("hash", first.get("hash")))
        if "deltas" in first:
            return Fetched(*head, None, [Delta.read(wire) for wire in first["deltas"]])
        if "snapshot" in first:
            return Fetched(*head, Document.of(normalized(first["snapshot"])), ())
        if "part" not in first:
            raise LookupError("neither deltas nor snapshot nor part")
        return Fetched(*head, self._document, ())
