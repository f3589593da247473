"""
One space as clients meet it: its procedures, and what they share.

Rules of this file:

- Each procedure is a function of ``SpaceApi`` and the call, in a module by what it is about; what it
  raises as ``DstmError`` is the answer. Arguments are checked before anything is looked at.
- What a session may not see is left out by its ``Eye`` here and in ``feed``, nowhere below.
- Only durable versions are answered with.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from realms.dstm.access import BOTH, READ, UNIFORM, AnySight
from realms.dstm.api_waits import VersionWaits
from realms.dstm.arguments import optional_integer, optional_text, text
from realms.dstm.authorize import refused
from realms.dstm.config import SpaceConfig, limits_of, settings_of
from realms.dstm.decisions import Author
from realms.dstm.errors import EPOCH, STALE, DstmError
from realms.dstm.eyes import Eye, Eyes
from realms.dstm.feed import Feed
from realms.dstm.paging import Cursors, Part, page_of
from realms.dstm.pointer import Path
from realms.dstm.reads import Read
from realms.dstm.space import Space
from realms.dstm.views import Views, size_of
from realms.dstm.waits import Woken
from realms.dstm.window import Entry
from realms.extension import Host, Procedure, ProcedureCall, Session

ALL: Final = UNIFORM[BOTH]

Function = Callable[["SpaceApi", ProcedureCall], None]


class SpaceApi:
    """
    The procedures of one space and what they need.

    :ivar space: the running space
    :ivar config: its settings, as they are now
    """

    def __init__(self, name: str, space: Space, config: SpaceConfig, host: Host) -> None:
        self.name = name
        self.space = space
        self.host = host
        self.config = config
        self.limits = config.limits
        self.eyes = Eyes(config)
        self.views = Views(name, config.limits.views)
        self.feed = Feed(name, space, host, self.views, config.digest_every)
        self.cursors = Cursors(config.limits.pages_per_session, config.limits.page_timeout_ms)
        self.waits = VersionWaits(host, config.limits.waits_per_session)
        self.transaction_limits = limits_of(config.limits)
        self._authors: dict[int, Author] = {}  # session id -> Author
        self._sweeping = False
        space.on_entries = self.told

    def reconfigure(self, config: SpaceConfig) -> None:
        """Take changed settings; the bounds of what is remembered change with the next start."""
        if config == self.config:
            return
        self.space.configure(settings_of(config))
        if config.access != self.config.access:
            self.eyes = Eyes(config)
            self.host.regroup()
            self.feed.restart()
        self.config = config
        self.limits = config.limits
        self.views.most = config.limits.views
        self.feed.digest_every = config.digest_every
        self.cursors.per_session = config.limits.pages_per_session
        self.cursors.timeout_ms = config.limits.page_timeout_ms
        self.waits.most = config.limits.waits_per_session
        self.transaction_limits = limits_of(config.limits)

    def told(self, entries: Sequence[Entry]) -> None:
        """Tell everybody concerned of commits that have become durable."""
        self.feed.tell(entries, self.eyes)
        self.waits.reached(self.space.durable_version)

    def procedure(self, function: Function) -> Procedure:
        """Give the procedure that ``function`` answers."""

        def answer(call: ProcedureCall) -> None:
            try:
                function(self, call)
            except DstmError as error:
                refuse(call, error)

        return answer

    def left(self, session_id: int) -> None:
        """Forget a session."""
        self.eyes.left(session_id)
        self._authors.pop(session_id, None)
        self.space.left(session_id)
        self.cursors.left(session_id)

    def eye(self, session: Session) -> Eye:
        """Give with whose eyes a session sees this space."""
        return self.eyes.of(session)

    def author(self, session: Session) -> Author:
        """Give as whom a session submits."""
        author = self._authors.get(session.id)
        if author is None:
            author = Author(session.authid, session.authrole, session.id, session.id)
            self._authors[session.id] = author
        return author

    def catch_up(self, eye: Eye, base: int | None) -> dict[str, Any]:
        """Give what leads a replica with pointer rules from ``base`` to now, for a conflict's details."""
        trail = self.feed.trail(eye, None, self.eyes)
        deltas = None if base is None else trail.since(base, None)
        if deltas is None or sum(map(size_of, deltas)) > self.limits.page_bytes:
            return {"version": trail.version, "resync": True}
        return {"version": trail.version, "deltas": [delta.wire() for delta in deltas]}

    def check_epoch(self, kwargs: Mapping[str, Any]) -> None:
        """Refuse a request that means another epoch."""
        epoch = optional_text(kwargs.get("epoch"), "epoch")
        if epoch is not None and epoch != self.space.epoch:
            told = f"the epoch is {self.space.epoch}: what was read before is of another history"
            raise DstmError(EPOCH, told, epoch=self.space.epoch)

    def answer_parts(
        self, call: ProcedureCall, parts: Iterator[Part], head: dict[str, Any], more: dict[str, Any]
    ) -> None:
        """Answer with a page of ``parts``; ``head`` stands beside every page, ``more`` beside this one."""
        page = page_of(parts, self.limits.page_bytes)
        kwargs = {**head, **more, "part": page.wire()}
        if page.rest is not None:
            kwargs["next"] = self.cursors.keep(call.session.id, page.rest, head, self.host.now_ms())
            self._sweep_later()
        call.result(None, kwargs)

    def answer_next_page(self, call: ProcedureCall) -> None:
        """Answer a call that asks for the next page of an earlier answer."""
        token = text(call.kwargs["page"], "page")
        waiting = self.cursors.take(call.session.id, token, self.host.now_ms())
        if waiting is None:
            told = (
                f"page {token!r:.40} is not kept: it was given before, or not asked for in time; begin again"
            )
            raise DstmError(STALE, told, reason="the page is not kept")
        self.answer_parts(call, waiting.rest, waiting.kwargs, {})

    def wait(
        self,
        call: ProcedureCall,
        reads: Sequence[Read],
        base: int,
        timeout_ms: int,
        woken: Callable[[], None],
    ) -> None:
        """Call ``woken`` when one of ``reads`` has changed; it may raise ``DstmError``."""

        def reply(outcome: Woken | DstmError) -> None:
            call.on_cancel = None
            try:
                if isinstance(outcome, DstmError):
                    raise outcome
                woken()
            except DstmError as error:
                refuse(call, error)

        cancel = self.space.wait(reads, None, base, timeout_ms, reply, call.session.id)
        if not call.is_over:
            call.on_cancel = cancel

    def wait_ms(self, kwargs: Mapping[str, Any]) -> int:
        """Read how long the caller wants to wait, at most."""
        longest = self.limits.wait_ms
        given = optional_integer(kwargs, "timeout_ms", 0)
        return longest if given is None else min(given, longest)

    def _sweep_later(self) -> None:
        """See to it that pages which nobody asks for are forgotten in time."""
        if not self._sweeping:
            self._sweeping = True
            self.host.call_later(self.cursors.timeout_ms / 1000, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        if self.cursors.expire(self.host.now_ms()):
            self._sweep_later()


def refuse(call: ProcedureCall, error: DstmError) -> None:
    """Answer a call with an error."""
    call.error(error.uri, error.text, error.details or None)


def seen(eye: Eye, path: Path, part: str, index: int = 0) -> AnySight:
    """
    Give the sight at ``path``.

    Raises:
        DstmError: ``not_authorized``; nothing there could ever be visible.
    """
    sight: AnySight = eye.sight or ALL
    for token in path:
        sight = sight.step(token)
    if not sight.some & READ:
        raise refused("read", path, part, index)
    return sight
