"""
Which callee takes a call, and the calls that wait for one.

Rules of this file:

- A callee that registered with ``concurrency`` has at most so many invocations of that registration at
  once. Where every callee that could take a call has as many as it wants, the call waits in the line of the
  registration, which is bounded; it is pending for its caller all the while.
- The line is first come, first served; a call that only some callees can take lets others pass.
- A call that a callee declined is offered to those that have not (WAMP AP 'Call Re-Routing').
- A call of one shard goes to a callee that holds it (WAMP AP 'Sharded Registration', "Partitioned" calls).
  Where no callee of the registration has named its shard, the key chooses one: the same key the same callee,
  as long as that is there, and few keys move when another one comes or goes (rendezvous hashing).
- Nothing here changes a table; that is the dealer's.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import blake2b
from typing import Any, Final

from msgspec import Raw, Struct
from msgspec.structs import replace

from router.routing.calls import takes_progress
from router.routing.deadlines import Timer
from router.routing.options import Refused, choice, flag, passthru, whole_number
from router.routing.registrations import Registration
from router.routing.session import Session
from router.wamp import uris
from router.wamp.ids import MAX_ID
from router.wamp.messages import Call

PARTITION: Final = "partition"
OVERHEAD_BYTES: Final = 500  # of a call that is kept, besides its payload
DECLINES: Final = "callee.call_reroute"  # the feature without which an error is an error


class Asked(Struct, gc=False):
    """
    A CALL that was checked, with what is needed to invoke a callee, now or later.

    ``declined`` are the ids of the callees that answered ``unavailable``; ``kept_bytes`` is what counts for
    its caller, where its payload is kept. ``gc=False`` is safe as it is for a ``PendingCall``.
    """

    caller: Session
    message: Call
    registration: Registration
    disclose: bool | None
    trust_level: int | None
    wants_progress: bool
    progressive: bool
    timeout_ms: int | None
    shard: str | None
    began: float  # seconds of the monotonic clock
    declined: frozenset[int] = frozenset()
    kept_bytes: int = 0
    chosen: tuple[int, int | None] | None = None  # state of the registration, and whom the key chose then

    @property
    def passthru_mode(self) -> bool:
        """Whether the payload is for the peers alone."""
        return bool(self.message.options.get("ppt_scheme"))

    @property
    def size_bytes(self) -> int:
        """What it takes to keep it, about."""
        message = self.message
        payload = sum(len(part) for part in (message.args, message.kwargs) if isinstance(part, Raw))
        attributes = passthru(message.options)  # of any type: they are the peers' business
        return OVERHEAD_BYTES + payload + (len(repr(attributes)) if attributes else 0)

    def kept(self, size_bytes: int) -> "Asked":
        """Copy what is needed: what waits must not keep the message alive that it came in."""
        message = self.message
        copy = replace(
            message,
            options=passthru(message.options),
            args=_copied(message.args),
            kwargs=_copied(message.kwargs),
        )
        return replace(self, message=copy, kept_bytes=size_bytes)


class QueuedCall(Struct, gc=False):
    """A call that waits in the line of a registration; its caller's tables have it like any other."""

    caller: Session
    request: int  # CALL.request
    asked: Asked
    timeout: float = 0.0  # seconds
    timer: Timer[Any] | None = None


def read_call(
    caller: Session,
    msg: Call,
    registration: Registration,
    disclose: bool | None,
    trust_level: int | None,
    now: float,
) -> Asked:
    """
    Check the options of a CALL.

    Raises:
        Refused: ``invalid_argument``.
    """
    options = msg.options
    return Asked(
        caller,
        msg,
        registration,
        disclose,
        trust_level,
        flag(options, "receive_progress"),
        flag(options, "progress"),
        whole_number(options, "timeout", MAX_ID),
        _shard_of(options),
        now,
    )


def _shard_of(options: Mapping[str, Any]) -> str | None:
    """Read ``runmode`` and ``rkey``."""
    if options.get("runmode") is None and options.get("rkey") is None:
        return None
    choice(options, "runmode", (PARTITION,))
    key = options.get("rkey")
    if options.get("runmode") is None or not isinstance(key, str) or not key:
        text = "runmode=partition and rkey, a text that names the shard, go together"
        raise Refused(uris.INVALID_ARGUMENT, text)
    return key


def place(asked: Asked, randbelow: Callable[[int], int], max_invocations: int) -> Session | None:
    """
    Choose a callee; ``None``: the call has to wait.

    Raises:
        Refused: with ``feature_not_supported``, ``no_available_callee`` or ``limit_exceeded``. Nothing has
            changed.
    """
    callee = asked.registration.pick(partial(_can_take, asked, max_invocations), randbelow)
    if callee is None:
        _check_waits(asked, max_invocations)
    return callee


class Free:
    """
    The callees of a registration that have room, while its line is looked through.

    :ivar callees: session id -> Session
    """

    def __init__(self, registration: Registration, max_invocations: int) -> None:
        self._max_invocations = max_invocations
        self._registration = registration
        self.callees = {callee.id: callee for callee in registration.callees if registration.has_room(callee)}
        self._shards = {registration.shards.get(callee) for callee in self.callees.values()}

    def can_take(self, asked: Asked) -> bool:
        """Tell whether one of them can; who can't, because the call is of one shard, is not looked at."""
        candidates: Iterable[Session] = self.callees.values()
        if asked.shard is not None and self._registration.shards:
            candidates = candidates if asked.shard in self._shards else ()
        elif asked.shard is not None:
            chosen = self.callees.get(_by_key(asked) or 0)
            candidates = () if chosen is None else (chosen,)
        return any(_can_take(asked, self._max_invocations, callee) for callee in candidates)

    def invoked(self, callee: Session) -> None:
        """Forget a callee that has no more room."""
        if not self._registration.has_room(callee):
            self.callees.pop(callee.id, None)


def _can_take(asked: Asked, max_invocations: int, callee: Session) -> bool:
    """Tell whether ``callee`` could be invoked now."""
    registration = asked.registration
    return (
        len(callee.invocations) < max_invocations
        and registration.has_room(callee)
        and _is_willing(callee, asked)
        and (asked.shard is None or bool(registration.shards) or _by_key(asked) == callee.id)
    )


def _check_waits(asked: Asked, max_invocations: int) -> None:
    """Refuse a call for which no callee will be free."""
    registration = asked.registration
    if not any(_is_able(callee, asked) for callee in registration.callees):
        raise Refused(uris.FEATURE_NOT_SUPPORTED, _missing(asked))
    willing = [callee for callee in registration.callees if _is_willing(callee, asked)]
    if not willing:
        raise Refused(uris.NO_AVAILABLE_CALLEE, _nobody(asked))
    if asked.shard is not None and not registration.shards:
        target = _by_key(asked)
        willing = [callee for callee in willing if callee.id == target]
    # Only what a callee's own bound keeps away waits: the end of a call of this registration gives it room.
    if all(registration.has_room(callee) for callee in willing):
        limit = f"limit pending_invocations_per_session={max_invocations}"
        raise Refused(uris.LIMIT_EXCEEDED, f"each callee of {registration.procedure!r} is at its {limit}")


def _is_able(callee: Session, asked: Asked) -> bool:
    return (not asked.progressive or takes_progress(callee)) and (
        not asked.passthru_mode or callee.supports("callee.payload_passthru_mode")
    )


def _is_willing(callee: Session, asked: Asked) -> bool:
    """Tell whether ``callee`` can take the call, has not declined it, and holds its shard."""
    if callee.id in asked.declined or not _is_able(callee, asked):
        return False
    shards = asked.registration.shards
    return asked.shard is None or not shards or shards.get(callee) == asked.shard


def _by_key(asked: Asked) -> int | None:
    """
    Choose the callee for a key where no callee has named a shard; give its session id.

    It is remembered: a thousand calls in a line would be hashed for a hundred callees whenever one is free.
    """
    registration, key = asked.registration, asked.shard
    state = registration.changes
    if asked.chosen is None or asked.chosen[0] != state:
        willing = (callee.id for callee in registration.callees if _is_willing(callee, asked))
        asked.chosen = state, max(willing, key=lambda number: _rank(f"{number} {key}"), default=None)
    return asked.chosen[1]


def _rank(text: str) -> bytes:
    return blake2b(text.encode(errors="replace"), digest_size=8).digest()


def _missing(asked: Asked) -> str:
    features = ["progressive_call_invocations and call_canceling"] * asked.progressive
    features += ["payload_passthru_mode"] * asked.passthru_mode
    return f"no callee of {asked.registration.procedure!r} announced {' and '.join(features)}"


def _nobody(asked: Asked) -> str:
    procedure = asked.registration.procedure
    if asked.declined:
        return f"every callee of {procedure!r} that could answer is unavailable"
    return f"no callee of {procedure!r} holds the shard {asked.shard!r:.100}"


def _copied(payload: Any) -> Any:
    return Raw(bytes(payload)) if isinstance(payload, Raw) else payload
