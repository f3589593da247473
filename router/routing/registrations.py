"""
Who implements which procedure: registrations, their callees, and whose turn it is.

Rules of this file:

- One table serves dispatch and the registration meta API, so that the two cannot disagree.
- What a peer asks for is checked completely before anything changes; ``Refused`` says
  why it is impossible.
- A registration without callees does not exist.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from router.routing.matching import PatternTable, TooManyShapes
from router.routing.options import Refused, choice, flag, whole_number
from router.routing.outputs import Announcement, Outputs
from router.routing.session import Session
from router.wamp import uris
from router.wamp.ids import MAX_ID

if TYPE_CHECKING:
    from router.routing.placing import QueuedCall

MAX_SHARD: Final = 256  # characters
SINGLE: Final = "single"
FIRST: Final = "first"
LAST: Final = "last"
ROUNDROBIN: Final = "roundrobin"
RANDOM: Final = "random"
INVOCATION_POLICIES: Final = (SINGLE, FIRST, LAST, ROUNDROBIN, RANDOM)

# WAMP AP 'Registration Meta API': events
ON_CREATE: Final = "wamp.registration.on_create"
ON_REGISTER: Final = "wamp.registration.on_register"
ON_UNREGISTER: Final = "wamp.registration.on_unregister"
ON_DELETE: Final = "wamp.registration.on_delete"


class RegisterOptions(NamedTuple):
    """``REGISTER.Options`` as far as the registrations use them."""

    match: str
    invoke: str
    forward_timeout: bool
    disclose_caller: bool
    concurrency: int | None  # invocations at once; None: any number
    shard: str | None  # ``rkey``: the shard that the callee holds


class Registration:
    """
    One procedure or pattern with the callees that implement it.

    ``callees`` stands in the order of registration. ``sole`` is the only callee while there
    is exactly one, which does not ask who calls and takes any number of calls, else ``None``.
    """

    __slots__ = (
        "asks_for_caller",
        "busy",
        "callees",
        "changes",
        "concurrency",
        "created",
        "forwards_timeout",
        "id",
        "invoke",
        "line",
        "match",
        "procedure",
        "shards",
        "sole",
        "turn",
    )

    def __init__(self, registration_id: int, procedure: str, match: str, invoke: str, created: str) -> None:
        self.id = registration_id
        self.procedure = procedure  # or pattern
        self.match = match
        self.invoke = invoke
        self.created = created  # ISO 8601
        self.callees: list[Session] = []
        self.changes = 0  # how often that list has changed
        self.sole: Session | None = None
        self.forwards_timeout: set[Session] = set()  # those that asked for forward_timeout
        self.asks_for_caller: set[Session] = set()  # those that asked for disclose_caller
        self.turn = 0  # of roundrobin: the index of the callee whose turn it is
        self.concurrency: dict[Session, int] = {}  # callee -> invocations that it takes at once; others: any
        self.busy: dict[Session, int] = {}  # callee with a concurrency -> invocations that it has, if any
        self.shards: dict[Session, str] = {}  # callee -> the shard that it holds, if it named one
        self.line: list[QueuedCall] = []  # calls that wait for a callee, first come first

    def details(self) -> dict[str, Any]:
        """Give ``RegistrationDetails`` (WAMP AP 'Registration Meta API')."""
        return {
            "id": self.id,
            "created": self.created,
            "uri": self.procedure,
            "match": self.match,
            "invoke": self.invoke,
        }

    def pick(self, eligible: Callable[[Session], bool], randbelow: Callable[[int], int]) -> Session | None:
        """
        Choose a callee by the invocation policy, passing over those that are not ``eligible``.

        It is then the turn of the callee after the chosen one (WAMP AP 'Shared Registration').
        ``None`` if no callee is eligible; the turn stays.
        """
        if self.invoke == RANDOM:
            found = [callee for callee in self.callees if eligible(callee)]
            return found[randbelow(len(found))] if found else None
        for index in self._order():
            callee = self.callees[index]
            if eligible(callee):
                self.turn = (index + 1) % len(self.callees)
                return callee
        return None

    def _order(self) -> Iterator[int]:
        count = len(self.callees)
        if self.invoke == ROUNDROBIN:
            return ((self.turn + step) % count for step in range(count))
        return iter(range(count - 1, -1, -1) if self.invoke == LAST else range(count))

    def attach(self, callee: Session, asked: RegisterOptions) -> None:
        """Add ``callee`` as the last one."""
        self.callees.append(callee)
        self.changes += 1
        if asked.forward_timeout:
            self.forwards_timeout.add(callee)
        if asked.disclose_caller:
            self.asks_for_caller.add(callee)
        if asked.concurrency is not None:
            self.concurrency[callee] = asked.concurrency
        if asked.shard is not None:
            self.shards[callee] = asked.shard
        self._choose_sole()

    def detach(self, callee: Session) -> None:
        """Take ``callee`` out; whose turn it was among the others, it still is."""
        index = self.callees.index(callee)
        del self.callees[index]
        self.changes += 1
        self.forwards_timeout.discard(callee)
        self.asks_for_caller.discard(callee)
        self.concurrency.pop(callee, None)
        self.shards.pop(callee, None)
        if index < self.turn:
            self.turn -= 1
        if self.turn >= len(self.callees):
            self.turn = 0
        self._choose_sole()

    def has_room(self, callee: Session) -> bool:
        """Tell whether ``callee`` takes one more invocation of this registration."""
        most = self.concurrency.get(callee)
        return most is None or self.busy.get(callee, 0) < most

    def occupy(self, callee: Session) -> None:
        """Count an invocation of a callee that has a concurrency."""
        self.busy[callee] = self.busy.get(callee, 0) + 1

    def release(self, callee: Session) -> None:
        """Count it no more."""
        left = self.busy[callee] - 1
        if left:
            self.busy[callee] = left
        else:
            del self.busy[callee]

    def _choose_sole(self) -> None:
        is_plain = len(self.callees) == 1 and not self.asks_for_caller and not self.concurrency
        self.sole = self.callees[0] if is_plain else None


class Registrations:
    """All registrations of a realm, by id and by procedure."""

    __slots__ = ("_by_id", "_last_id", "limit_per_session", "table")

    def __init__(self, limit_per_session: int) -> None:
        self.limit_per_session = limit_per_session
        self._last_id = 0
        self._by_id: dict[int, Registration] = {}  # registration id -> Registration
        self.table: PatternTable[Registration] = PatternTable()  # procedure or pattern -> Registration

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, registration_id: int) -> Registration | None:
        """Give the registration with this id."""
        return self._by_id.get(registration_id)

    def ids_by_policy(self) -> dict[str, list[int]]:
        """Give the ids for each match policy, as ``wamp.registration.list`` returns them."""
        ids: dict[str, list[int]] = {policy: [] for policy in uris.MATCH_POLICIES}
        for match, _, registration in self.table:
            ids[match].append(registration.id)
        return ids

    def add(
        self, callee: Session, procedure: str, options: Mapping[str, Any], created: str
    ) -> tuple[Registration, bool]:
        """
        Attach ``callee`` to the registration of ``procedure``; tell whether it had to be created.

        Raises:
            Refused: with ``invalid_argument`` for a bad option, ``procedure_already_exists`` where
                the registration takes no other callee, or not this one, or not with this policy
                (WAMP AP 'Shared Registration'), ``limit_exceeded`` where a limit is reached.
        """
        asked = self.check(callee, options)
        known = self.table.get(asked.match, procedure)
        if known is not None:
            _check_joins(known, callee, asked.invoke)
        registration = known or self._create(procedure, asked.match, asked.invoke, created)
        registration.attach(callee, asked)
        callee.registrations[registration.id] = registration
        return registration, known is None

    def check(self, callee: Session, options: Mapping[str, Any]) -> "RegisterOptions":
        """
        Check what can be checked without a look at the registration that is there.

        Raises:
            Refused: with ``invalid_argument`` for a bad option, ``limit_exceeded`` at the limit.
        """
        asked = RegisterOptions(
            choice(options, "match", uris.MATCH_POLICIES),
            choice(options, "invoke", INVOCATION_POLICIES),
            flag(options, "forward_timeout"),
            flag(options, "disclose_caller"),
            _concurrency(options),
            _shard(options),
        )
        if len(callee.registrations) >= self.limit_per_session:
            text = f"limit registrations_per_session={self.limit_per_session} is reached"
            raise Refused(uris.LIMIT_EXCEEDED, text)
        return asked

    def _create(self, procedure: str, match: str, invoke: str, created: str) -> Registration:
        registration = Registration(self._last_id + 1, procedure, match, invoke, created)
        try:
            self.table.insert(match, procedure, registration)
        except TooManyShapes as limit:
            raise Refused(uris.LIMIT_EXCEEDED, str(limit)) from None
        self._last_id += 1
        self._by_id[registration.id] = registration
        return registration

    def remove(self, registration: Registration, callee: Session) -> bool:
        """Detach ``callee``; tell whether it was the last one, so that the registration is gone."""
        registration.detach(callee)
        del callee.registrations[registration.id]
        if registration.callees:
            return False
        self.table.remove(registration.match, registration.procedure)
        del self._by_id[registration.id]
        return True


def _concurrency(options: Mapping[str, Any]) -> int | None:
    """Read how many invocations a callee takes at once; 0 means any number, as for Autobahn."""
    return whole_number(options, "concurrency", MAX_ID) or None


def _shard(options: Mapping[str, Any]) -> str | None:
    shard = options.get("rkey")
    if shard is None:
        return None
    if not isinstance(shard, str) or not 0 < len(shard) <= MAX_SHARD:
        text = f"rkey is a text of 1 to {MAX_SHARD} characters that names a shard"
        raise Refused(uris.INVALID_ARGUMENT, text)
    if options.get("invoke") in (None, SINGLE):
        text = "rkey names one of several shards: register with an invoke policy for several callees"
        raise Refused(uris.INVALID_ARGUMENT, text)
    return shard


def replaces(options: Mapping[str, Any]) -> bool:
    """
    Tell whether a REGISTER takes the place of whoever holds the procedure: ``force_reregister``.

    Raises:
        Refused: ``invalid_argument``; it is neither true nor false.
    """
    return flag(options, "force_reregister")


def _check_joins(known: Registration, callee: Session, invoke: str) -> None:
    if known.invoke == SINGLE:
        reason = f"{known.procedure!r} is registered with invoke=single: it takes no other callee"
    elif known.invoke != invoke:
        reason = f"{known.procedure!r} is registered with invoke={known.invoke}, not {invoke}"
    elif known.id in callee.registrations:
        reason = f"this session already registered {known.procedure!r}"
    else:
        return
    raise Refused(uris.PROCEDURE_ALREADY_EXISTS, reason)


def announce_attached(registration: Registration, callee: Session, created: bool) -> Outputs:
    """Tell that ``callee`` was attached, after telling that the registration was ``created``."""
    outputs: Outputs = [Announcement(ON_REGISTER, [callee.id, registration.id])]
    if created:
        outputs.insert(0, Announcement(ON_CREATE, [callee.id, registration.details()]))
    return outputs


def announce_detached(registration: Registration, callee: Session, gone: bool) -> Outputs:
    """Tell that ``callee`` was detached, and then that the registration is ``gone``."""
    outputs: Outputs = [Announcement(ON_UNREGISTER, [callee.id, registration.id])]
    if gone:
        outputs.append(Announcement(ON_DELETE, [callee.id, registration.id]))
    return outputs
