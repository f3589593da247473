"""
The dealer: who may be called, which calls are under way, and how each of them ends.

Rules of this file:

- Pure: no I/O, no clock, no randomness. ``now`` is in seconds on one monotonic clock.
- Validate, then mutate: what raises or answers with an ERROR has changed nothing.
- The caller of these methods has checked URIs, the sequence of request ids and the permissions.

The life of a call. One that has to wait for a callee stands in ``caller.calls`` and in the line of its
registration (``placing``). From INVOCATION on it is *pending*: it stands in two tables and no other,
``caller.calls`` by the caller's request id and ``callee.invocations`` by ours. Both entries are made
together and go together, whatever ends the call:

    event                              to the caller                   to the callee
    final YIELD, ERROR                 RESULT, ERROR
    CANCEL skip                        ERROR canceled
    CANCEL killnowait                  ERROR canceled                  INTERRUPT killnowait
    deadline                           ERROR timeout                   INTERRUPT killnowait
    ERROR unavailable, rerouted                                        INVOCATION to another one
    the caller leaves                                                  INTERRUPT killnowait
    the callee leaves                  ERROR canceled

CANCEL with the mode ``kill`` ends nothing: the callee gets INTERRUPT, and its answer, or any of
the other events, ends the call. INTERRUPT goes only to a callee that announced ``call_canceling``;
for another one every mode is ``skip`` (WAMP AP 'Call Canceling').

Nothing remembers a call that has ended. Invocation ids are sequential for each callee, so an
answer with an id below the next one is late and is dropped; with any other id it answers an
INVOCATION that was never sent, which is a violation.

A call with progressive invocations has a ``Stream``. All its chunks go to one callee with one
invocation id and the options of the first CALL; after the CALL that ends its input comes no other.
"""

from collections.abc import Callable

from msgspec import Struct

from router.routing.calls import (
    CANCEL_MODES,
    KILL,
    KILLNOWAIT,
    PendingCall,
    Stream,
    abandonment,
    check_announced,
    failure,
    interrupt,
    late,
    refusal,
)
from router.routing.options import Refused, choice, passthru
from router.routing.outputs import Delivery, Outputs
from router.routing.placing import DECLINES, QueuedCall, read_call
from router.routing.registrations import (
    Registration,
    Registrations,
    announce_attached,
    announce_detached,
    replaces,
)
from router.routing.session import Session
from router.routing.under_way import CANCELED, CallsUnderWay
from router.wamp import uris
from router.wamp.errors import ProtocolViolation
from router.wamp.messages import (
    Call,
    Cancel,
    Error,
    Invocation,
    InvocationArgs,
    Register,
    Registered,
    Result,
    ResultArgs,
    Unregister,
    Unregistered,
    Yield,
)

__all__ = ["Dealer", "DealerLimits", "PendingCall", "Registration", "Stream"]


class DealerLimits(Struct, frozen=True):
    """What one session may hold, and the timeout of calls that name none; 0 means no timeout."""

    registrations_per_session: int = 10_000
    pending_calls_per_session: int = 10_000
    pending_invocations_per_session: int = 10_000
    queued_calls_per_registration: int = 1_000
    kept_call_bytes_per_session: int = 16 * 1024**2
    call_timeout_ms: int = 0


class Dealer:
    """The registrations and pending calls of one realm."""

    def __init__(self, *, limits: DealerLimits, randbelow: Callable[[int], int]) -> None:
        """``randbelow(n)`` draws from 0..n-1 for the invocation policy ``random``."""
        self._registrations = Registrations(limits.registrations_per_session)
        self._exact = self._registrations.table.exact  # procedure -> Registration
        self._under_way = CallsUnderWay(randbelow)
        self.limits = limits

    @property
    def limits(self) -> DealerLimits:
        """The limits; new ones hold from the next request on and take nothing away."""
        return self._limits

    @limits.setter
    def limits(self, limits: DealerLimits) -> None:
        self._limits = limits
        self._registrations.limit_per_session = limits.registrations_per_session
        self._max_calls = limits.pending_calls_per_session
        self._max_invocations = limits.pending_invocations_per_session
        self._under_way.max_invocations = limits.pending_invocations_per_session
        self._under_way.max_queued = limits.queued_calls_per_registration
        self._under_way.max_kept_bytes = limits.kept_call_bytes_per_session
        self._timeout = limits.call_timeout_ms / 1000

    # What the registration meta API asks

    def registrations_by_policy(self) -> dict[str, list[int]]:
        """Give ``RegistrationLists``: match policy -> registration ids, in the order of creation."""
        return self._registrations.ids_by_policy()

    def lookup(self, procedure: str, match: str = uris.EXACT) -> int | None:
        """Give the id of the registration that was made with this procedure and match policy."""
        registration = self._registrations.table.get(match, procedure)
        return None if registration is None else registration.id

    def match(self, procedure: str) -> int | None:
        """Give the id of the registration that a CALL of ``procedure`` goes to."""
        registration = self._registrations.table.best(procedure)
        return None if registration is None else registration.id

    def get(self, registration_id: int) -> Registration | None:
        """Give the registration with this id."""
        return self._registrations.get(registration_id)

    def list_callees(self, registration_id: int) -> list[int] | None:
        """Give the session ids of the callees, first registered first; ``None``: no such one."""
        registration = self._registrations.get(registration_id)
        return None if registration is None else [callee.id for callee in registration.callees]

    def count_callees(self, registration_id: int) -> int | None:
        """Give the number of callees; ``None``: no such one."""
        registration = self._registrations.get(registration_id)
        return None if registration is None else len(registration.callees)

    # Registrations

    def register(self, callee: Session, msg: Register, timestamp: str) -> Outputs:
        """
        Let ``callee`` implement a procedure or pattern; ``timestamp`` is the present time in ISO 8601.

        With the option ``force_reregister``, which Autobahn and crossbar know, whoever holds it loses it: a
        service that returns need not wait until its dead connection is found.

        Outputs: what ``revoke`` tells of a registration that was replaced; REGISTERED to ``callee``, then
        ``on_create`` where the registration is new, then ``on_register`` (WAMP AP 'Registration Meta API').

        Errors:
            invalid_argument: an option has a value that is not allowed.
            procedure_already_exists: registered with the policy ``single`` or another one, or by ``callee``.
            limit_exceeded: of registrations of a session, or of shapes of wildcard patterns.
        """
        registrations = self._registrations
        revoked: Outputs = []
        waiting: list[QueuedCall] = []
        try:
            if msg.options.get("force_reregister") is not None and replaces(msg.options):
                registrations.check(callee, msg.options)
                known = registrations.table.get(msg.options.get("match") or uris.EXACT, msg.procedure)
                if known is not None:
                    waiting, known.line = known.line, []
                    revoked = self.revoke(known.id, None, uris.REVOKED_REPLACED)
            registration, created = registrations.add(callee, msg.procedure, msg.options, timestamp)
        except Refused as refused:
            return [refusal(callee, msg, refused)]
        for queued in waiting:  # calls that waited for those who were replaced
            queued.asked.registration, queued.asked.chosen = registration, None
        registration.line += waiting
        registered = Registered(msg.request, registration.id)
        announced = announce_attached(registration, callee, created)
        outputs = [*revoked, Delivery((callee,), registered), *announced]
        return outputs + self._under_way.serve(registration) if registration.line else outputs

    def unregister(self, callee: Session, msg: Unregister) -> Outputs:
        """
        Take ``callee`` out of a registration; the last one out deletes it.

        Invocations already sent to ``callee`` stay pending: it may still answer them.

        Outputs: UNREGISTERED to ``callee``, then ``on_unregister`` and, when the registration is
        gone, ``on_delete`` (WAMP AP 'Registration Meta API').

        Errors:
            no_such_registration: ``callee`` does not hold this registration.
        """
        registration = callee.registrations.get(msg.registration)
        if registration is None:
            text = f"this session holds no registration {msg.registration}"
            return [refusal(callee, msg, Refused(uris.NO_SUCH_REGISTRATION, text))]
        return [Delivery((callee,), Unregistered(msg.request)), *self._detach(registration, callee)]

    def revoke(self, registration_id: int, callee: Session | None, reason: str) -> Outputs:
        """
        Take a registration from ``callee``, or from all that hold it: the router's own decision.

        Invocations that were sent stay pending, as after ``unregister``.

        Outputs: UNREGISTERED with request 0, the registration and ``reason``, to each of them that announced
        ``registration_revocation`` (WAMP AP 'Registration Revocation'); then ``on_unregister`` for each and,
        when the registration is gone, ``on_delete``. Nothing where nobody concerned holds it.
        """
        registration = self._registrations.get(registration_id)
        if registration is None:
            return []
        concerned = registration.callees if callee is None else [callee]
        holders = [holder for holder in concerned if registration_id in holder.registrations]
        told = [holder for holder in holders if holder.supports("callee.registration_revocation")]
        details = {"registration": registration_id, "reason": reason}
        outputs: Outputs = [Delivery(told, Unregistered(0, details))] if told else []
        for holder in holders:
            outputs += self._detach(registration, holder)
        return outputs

    def _detach(self, registration: Registration, callee: Session) -> Outputs:
        gone = self._registrations.remove(registration, callee)
        outputs = announce_detached(registration, callee, gone)
        if not gone:  # what waited for this one by its key goes to another
            return outputs + self._under_way.serve(registration) if registration.line else outputs
        text = f"{registration.procedure!r} is registered no more"
        for queued in list(registration.line):
            outputs.append(self._under_way.leave_line(queued, uris.NO_SUCH_PROCEDURE, text))
        return outputs

    # Calls

    def call(
        self,
        caller: Session,
        msg: Call,
        now: float,
        disclose: bool | None = None,
        trust_level: int | None = None,
    ) -> Outputs:
        """
        Invoke the best matching registration (WAMP AP 'Pattern-based Registrations').

        A CALL with the request id of a pending call continues its progressive invocation: options
        other than ``progress`` are ignored (WAMP AP 'Progressive Call Invocations'). ``disclose``
        says whether the callee is told who calls; ``None``: if it asked for that with its registration
        (WAMP AP 'Caller Identification'). ``trust_level`` is told the callee (WAMP AP 'Call Trust Levels').

        Outputs: INVOCATION to one callee; none where the call has to wait.

        Errors:
            no_such_procedure: nothing matches.
            no_available_callee: nobody holds the shard.
            invalid_argument: an option has a value that is not allowed.
            feature_not_supported: no callee announced what the options need.
            limit_exceeded: too many pending calls of ``caller``, or of each callee, or in the line.

        Raises:
            ProtocolViolation: the request id is that of a pending call whose input has ended or that
                called another procedure; or ``caller`` uses a feature that must be announced and was not.
        """
        # The hot path (benchmarks/dealer_hot_path.py): no option, an exact registration, one callee.
        request = msg.request
        calls = caller.calls
        registration = self._exact.get(msg.procedure)
        if registration is None or msg.options or disclose or trust_level is not None or request in calls:
            return self._call_with_options(caller, msg, now, disclose, trust_level)
        callee = registration.sole
        if callee is None or len(calls) >= self._max_calls:
            return self._call_with_options(caller, msg, now, disclose, trust_level)
        invocations = callee.invocations
        if len(invocations) >= self._max_invocations:
            return self._call_with_options(caller, msg, now, disclose, trust_level)
        request_id = callee.next_invocation_id
        callee.next_invocation_id = request_id + 1
        pending = PendingCall(caller, request, callee, request_id, now)
        calls[request] = invocations[request_id] = pending
        if self._timeout:
            self._under_way.start_timer(pending, now, self._timeout)
        if msg.kwargs is None and msg.args is not None:
            usual = InvocationArgs(request_id, registration.id, {}, msg.args)
            return [Delivery((callee,), usual, caller.serializer)]
        invocation = Invocation(request_id, registration.id, {}, msg.args, msg.kwargs)
        return [Delivery((callee,), invocation, caller.serializer)]

    def _call_with_options(
        self, caller: Session, msg: Call, now: float, disclose: bool | None, trust_level: int | None
    ) -> Outputs:
        pending = caller.calls.get(msg.request)
        if pending is not None:
            return self._continue(pending, msg)
        check_announced(caller, msg.options)
        try:
            return self._invoke(caller, msg, now, disclose, trust_level)
        except Refused as refused:
            return [refusal(caller, msg, refused)]

    def _invoke(
        self, caller: Session, msg: Call, now: float, disclose: bool | None, trust_level: int | None
    ) -> Outputs:
        registration = self._registrations.table.best(msg.procedure)
        if registration is None:
            raise Refused(uris.NO_SUCH_PROCEDURE, f"nothing is registered for {msg.procedure!r}")
        asked = read_call(caller, msg, registration, disclose, trust_level, now)
        if len(caller.calls) >= self._max_calls:
            raise Refused(
                uris.LIMIT_EXCEEDED, f"limit pending_calls_per_session={self._max_calls} is reached"
            )
        timeout = self._timeout if asked.timeout_ms is None else asked.timeout_ms / 1000
        return self._under_way.begin(asked, timeout)

    def _continue(self, pending: PendingCall | QueuedCall, msg: Call) -> Outputs:
        stream = pending.stream if isinstance(pending, PendingCall) else None
        if stream is None or stream.ended:
            raise ProtocolViolation(f"CALL {msg.request} is pending and takes no further input")
        if stream.procedure != msg.procedure:
            raise ProtocolViolation(f"CALL {msg.request} called another procedure before")
        assert isinstance(pending, PendingCall)  # it has a stream
        details = stream.details
        if msg.options.get("progress") is True:
            details = {**details, "progress": True}
        else:
            stream.ended = True
        if pending.killed:
            return []
        stream.chunks += 1
        invocation = Invocation(pending.invocation, stream.registration_id, details, msg.args, msg.kwargs)
        return [Delivery((pending.callee,), invocation, pending.caller.serializer)]

    def cancel(self, caller: Session, msg: Cancel) -> Outputs:
        """
        Cancel a call in one of three modes (WAMP AP 'Call Canceling').

        The default mode is ``killnowait``. A call that is not pending has just been answered: the
        CANCEL is ignored. So is a second ``kill``; any other mode still ends a killed call.

        Outputs: ``kill``: INTERRUPT to the callee. ``killnowait``: ERROR ``canceled`` to ``caller``,
        INTERRUPT to the callee. ``skip``, or a callee that cannot cancel: ERROR ``canceled`` to ``caller``.

        Errors:
            invalid_argument: no such mode. It answers the CANCEL; the call stays pending.
        """
        pending = caller.calls.get(msg.request)
        if pending is None:
            return []
        try:
            mode = choice(msg.options, "mode", CANCEL_MODES)
        except Refused as refused:
            return [refusal(caller, msg, refused)]
        if isinstance(pending, QueuedCall):
            return [self._under_way.leave_line(pending, uris.CANCELED, CANCELED)]
        if mode == KILL and pending.callee.supports("callee.call_canceling"):
            if pending.killed:
                return []
            pending.killed = True
            return [interrupt(pending, KILL, uris.CANCELED)]
        following = self._under_way.drop(pending)
        outputs: Outputs = [failure(pending, uris.CANCELED, CANCELED)]
        if mode == KILLNOWAIT:
            outputs += abandonment(pending, uris.CANCELED)
        return outputs + following

    # Answers

    def yield_(self, callee: Session, msg: Yield, now: float) -> Outputs:
        """
        Pass a result to the caller.

        A progressive result passes where INVOCATION.Details.receive_progress was true; elsewhere it is
        dropped, since the caller is not "prepared to process progressive results" and since no
        progressive result ends a call (WAMP AP 'Progressive Call Results'). It starts the timeout of
        the call anew (same section, 'Timeouts'). The answer to a call that has ended is dropped.

        Outputs: RESULT to the caller. Where the caller did not announce the payload passthru mode that
        the result uses: ERROR ``feature_not_supported`` to both (WAMP AP 'Payload Passthru Mode').

        Raises:
            ProtocolViolation: no such invocation was ever sent; or payload passthru mode is used
                and was not announced.
        """
        # The hot path (benchmarks/dealer_hot_path.py): a final result without options.
        if msg.options:
            return self._yield_with_options(callee, msg, now)
        pending = callee.invocations.pop(msg.request, None)
        if pending is None:
            return late(callee, msg.request)
        caller = pending.caller
        request = pending.request
        del caller.calls[request]
        if pending.watched:
            result = Result(request, {}, msg.args, msg.kwargs)
            return [Delivery((caller,), result, callee.serializer), *self._under_way.ended(pending)]
        if msg.kwargs is None and msg.args is not None:
            return [Delivery((caller,), ResultArgs(request, {}, msg.args), callee.serializer)]
        return [Delivery((caller,), Result(request, {}, msg.args, msg.kwargs), callee.serializer)]

    def _yield_with_options(self, callee: Session, msg: Yield, now: float) -> Outputs:
        options = msg.options
        if options.get("ppt_scheme") and not callee.supports("callee.payload_passthru_mode"):
            raise ProtocolViolation("YIELD uses payload passthru mode, which the callee did not announce")
        pending = callee.invocations.get(msg.request)
        if pending is None:
            return late(callee, msg.request)
        progress = options.get("progress") is True
        if progress and not pending.receive_progress:
            return []
        caller = pending.caller
        if options.get("ppt_scheme") and not caller.supports("caller.payload_passthru_mode"):
            return self._refuse_result(pending, msg)
        details = passthru(options)
        following: Outputs = []
        if progress:
            details["progress"] = True
            self._under_way.begun_to_answer(pending)  # another callee would begin anew
            if pending.timer is not None:
                self._under_way.deadlines.move(pending.timer, now + pending.timeout)
        else:
            following = self._under_way.drop(pending)
        result = Result(pending.request, details, msg.args, msg.kwargs)
        return [Delivery((caller,), result, callee.serializer), *following]

    def _refuse_result(self, pending: PendingCall, msg: Yield) -> Outputs:
        following = self._under_way.drop(pending)
        refused = Refused(uris.FEATURE_NOT_SUPPORTED, "the caller did not announce payload_passthru_mode")
        told: Outputs = [failure(pending, refused.error, refused.text), refusal(pending.callee, msg, refused)]
        return told + following

    def error(self, callee: Session, msg: Error, interrupt: bool = False) -> Outputs:
        """
        Pass the failure of an invocation to the caller; the answer to a call that has ended is dropped.

        ``interrupt`` says that the callee does not know of the failure and may be working on.

        ``wamp.error.unavailable`` of a callee that announced ``call_reroute`` is no answer: the call goes to
        another callee, by the invocation policy, and ends with ``no_available_callee`` where none is left. A
        call that has had progressive results or progressive input is not begun anew (WAMP AP 'Call
        Re-Routing').

        Outputs: ERROR to the caller; where it is to be interrupted, INTERRUPT to a callee that can cancel; or
        INVOCATION to another callee.

        Raises:
            ProtocolViolation: no such invocation was ever sent, or the ERROR answers something else.
        """
        if msg.request_type != Invocation.CODE:
            raise ProtocolViolation(f"ERROR answers a message of type {msg.request_type}, not an INVOCATION")
        pending = callee.invocations.get(msg.request)
        if pending is None:
            return late(callee, msg.request)
        if msg.error == uris.UNAVAILABLE and callee.supports(DECLINES) and not pending.killed:
            return self._under_way.reroute(pending)
        following = self._under_way.drop(pending)
        pending.caller.note_error(msg.error)
        details = passthru(msg.details)
        error = Error(Call.CODE, pending.request, details, msg.error, msg.args, msg.kwargs)
        outputs: Outputs = [Delivery((pending.caller,), error, callee.serializer)]
        return outputs + (abandonment(pending, msg.error) if interrupt else []) + following

    def undelivered(self, callee: Session, msg: Error) -> Outputs:
        """
        End a call because an INVOCATION of it did not reach ``callee``.

        Outputs: as ``error``. A callee that received an earlier chunk of the same call is interrupted.
        """
        pending = callee.invocations.get(msg.request)
        begun = pending is not None and pending.stream is not None and pending.stream.chunks > 1
        return self.error(callee, msg, interrupt=begun)

    # What ends calls otherwise

    def leave(self, session: Session) -> Outputs:
        """
        Forget ``session``: afterwards no table mentions it.

        Outputs: for each call that it made, INTERRUPT to a callee that can cancel (WAMP BP 'Caller
        Leaving During an RPC Invocation'); for each that it was to answer, ERROR ``canceled`` to the
        caller (WAMP BP 'Callee Leaving During an RPC Invocation'); for each registration,
        ``on_unregister`` and, when it is gone, ``on_delete``.
        """
        for registration in session.registrations.values():
            if session in registration.concurrency:
                registration.concurrency[session] = 0  # nothing that waits is for one that leaves
        for waiting in [call for call in session.calls.values() if isinstance(call, QueuedCall)]:
            self._under_way.leave_line(waiting, uris.CANCELED, CANCELED)
        outputs: Outputs = []
        for pending in list(session.calls.values()):
            assert isinstance(pending, PendingCall)
            following = self._under_way.drop(pending)
            if pending.callee is not session:
                outputs += abandonment(pending, uris.CANCELED)
            outputs += following
        for pending in list(session.invocations.values()):
            following = self._under_way.drop(pending)
            outputs.append(failure(pending, uris.CANCELED, "the callee left before it answered"))
            outputs += following
        for registration in list(session.registrations.values()):
            outputs += self._detach(registration, session)
        return outputs

    def next_deadline(self) -> float | None:
        """Tell when ``expire`` is due, in seconds; ``None`` while no pending call has a timeout."""
        return self._under_way.deadlines.next()

    def expire(self, now: float) -> Outputs:
        """
        End the calls whose deadline has passed (WAMP AP 'Call Timeouts').

        Outputs: for each, ERROR ``timeout`` to the caller, and INTERRUPT to a callee that can cancel.
        """
        return self._under_way.expire(now)
