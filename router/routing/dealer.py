"""
The dealer: who may be called, which calls are under way, and how each of them ends.

Rules of this file:

- Pure: no I/O, no clock, no randomness. ``now`` is in seconds on one monotonic clock.
- Validate, then mutate: what raises or answers with an ERROR has changed nothing.
- The caller of these methods has checked URIs, the sequence of request ids and the permissions.

The life of a call. A call is *pending* from INVOCATION on. It stands in two tables and no
other: ``caller.calls`` by the caller's request id and ``callee.invocations`` by ours. Both
entries are made together and go together, whatever ends the call:

    event                              to the caller                   to the callee
    final YIELD, ERROR                 RESULT, ERROR
    CANCEL skip                        ERROR canceled
    CANCEL killnowait                  ERROR canceled                  INTERRUPT killnowait
    deadline                           ERROR timeout                   INTERRUPT killnowait
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
from typing import Final

from msgspec import Struct

from router.routing.calls import (
    CANCEL_MODES,
    KILL,
    KILLNOWAIT,
    PendingCall,
    Stream,
    abandonment,
    check_announced,
    describe,
    failure,
    interrupt,
    late,
    pick_callee,
    refusal,
)
from router.routing.deadlines import Deadlines
from router.routing.options import Refused, choice, flag, passthru, whole_number
from router.routing.outputs import Delivery, Outputs
from router.routing.registrations import (
    Registration,
    Registrations,
    announce_attached,
    announce_detached,
    replaces,
)
from router.routing.session import Session
from router.wamp import uris
from router.wamp.errors import ProtocolViolation
from router.wamp.ids import MAX_ID
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

# The reason that a callee is given whose procedure somebody else took with ``force_reregister``.
REPLACED: Final = "replaced by force_reregister"

__all__ = ["Dealer", "DealerLimits", "PendingCall", "Registration", "Stream"]


class DealerLimits(Struct, frozen=True):
    """What one session may hold, and the timeout of calls that name none; 0 means no timeout."""

    registrations_per_session: int = 10_000
    pending_calls_per_session: int = 10_000
    pending_invocations_per_session: int = 10_000
    call_timeout_ms: int = 0


class Dealer:
    """The registrations and pending calls of one realm."""

    def __init__(self, *, limits: DealerLimits, randbelow: Callable[[int], int]) -> None:
        """``randbelow(n)`` draws from 0..n-1 for the invocation policy ``random``."""
        self._randbelow = randbelow
        self._registrations = Registrations(limits.registrations_per_session)
        self._exact = self._registrations.table.exact  # procedure -> Registration
        self._deadlines: Deadlines[PendingCall] = Deadlines()
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
            invalid_argument: ``match``, ``invoke`` or ``forward_timeout`` has a value that is not allowed.
            procedure_already_exists: registered with the policy ``single`` or another one, or by ``callee``.
            limit_exceeded: of registrations of a session, or of shapes of wildcard patterns.
        """
        registrations = self._registrations
        try:
            revoked: Outputs = []
            if msg.options.get("force_reregister") is not None and replaces(msg.options):
                registrations.check(callee, msg.options)
                known = registrations.table.get(msg.options.get("match") or uris.EXACT, msg.procedure)
                revoked = [] if known is None else self.revoke(known.id, None, REPLACED)
            registration, created = registrations.add(callee, msg.procedure, msg.options, timestamp)
        except Refused as refused:
            return [refusal(callee, msg, refused)]
        registered = Registered(msg.request, registration.id)
        announced = announce_attached(registration, callee, created)
        return [*revoked, Delivery((callee,), registered), *announced]

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
        return announce_detached(registration, callee, gone)

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

        Outputs: INVOCATION to one callee.

        Errors:
            no_such_procedure: nothing matches.
            invalid_argument: an option has a value that is not allowed.
            feature_not_supported: no callee announced what the options need.
            limit_exceeded: too many pending calls of ``caller``, or of each callee.

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
        calls[request] = invocations[request_id] = pending = PendingCall(
            caller, request, callee, request_id, began=now
        )
        if self._timeout:
            self._start_timer(pending, now, self._timeout)
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
        options = msg.options
        registration = self._registrations.table.best(msg.procedure)
        if registration is None:
            raise Refused(uris.NO_SUCH_PROCEDURE, f"nothing is registered for {msg.procedure!r}")
        wants_progress = flag(options, "receive_progress")
        progressive = flag(options, "progress")
        timeout_ms = whole_number(options, "timeout", MAX_ID)
        if len(caller.calls) >= self._max_calls:
            raise Refused(
                uris.LIMIT_EXCEEDED, f"limit pending_calls_per_session={self._max_calls} is reached"
            )
        passthru_mode = bool(options.get("ppt_scheme"))
        callee = pick_callee(registration, self._randbelow, self._max_invocations, progressive, passthru_mode)

        if disclose is None:
            disclose = callee in registration.asks_for_caller
        details = describe(registration, caller, msg, disclose)
        if trust_level is not None:
            details["trustlevel"] = trust_level
        if wants_progress:
            # Told to every callee: one that knows no progress ignores it, and autobahn-js and wampy.js
            # send progressive results without announcing what the specification asks for.
            details["receive_progress"] = True
        timeout = self._timeout if timeout_ms is None else timeout_ms / 1000
        if timeout_ms and callee in registration.forwards_timeout and callee.supports("callee.call_timeout"):
            details["timeout"] = timeout_ms
            timeout = 0.0

        pending = PendingCall(
            caller, msg.request, callee, callee.next_invocation_id, wants_progress, began=now
        )
        callee.next_invocation_id += 1
        caller.calls[pending.request] = callee.invocations[pending.invocation] = pending
        if timeout:
            self._start_timer(pending, now, timeout)
        if progressive:
            pending.stream = Stream(msg.procedure, registration.id, details)
            details = {**details, "progress": True}
        invocation = Invocation(pending.invocation, registration.id, details, msg.args, msg.kwargs)
        return [Delivery((callee,), invocation, caller.serializer)]

    def _continue(self, pending: PendingCall, msg: Call) -> Outputs:
        stream = pending.stream
        if stream is None or stream.ended:
            raise ProtocolViolation(f"CALL {msg.request} is pending and takes no further input")
        if stream.procedure != msg.procedure:
            raise ProtocolViolation(f"CALL {msg.request} called another procedure before")
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
        if mode == KILL and pending.callee.supports("callee.call_canceling"):
            if pending.killed:
                return []
            pending.killed = True
            return [interrupt(pending, KILL, uris.CANCELED)]
        self._drop(pending)
        outputs: Outputs = [failure(pending, uris.CANCELED, "canceled by the caller")]
        if mode == KILLNOWAIT:
            outputs += abandonment(pending, uris.CANCELED)
        return outputs

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
        if pending.timer is not None:
            self._deadlines.cancel(pending.timer)
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
        if progress:
            details["progress"] = True
            if pending.timer is not None:
                self._deadlines.move(pending.timer, now + pending.timeout)
        else:
            self._drop(pending)
        result = Result(pending.request, details, msg.args, msg.kwargs)
        return [Delivery((caller,), result, callee.serializer)]

    def _refuse_result(self, pending: PendingCall, msg: Yield) -> Outputs:
        self._drop(pending)
        refused = Refused(uris.FEATURE_NOT_SUPPORTED, "the caller did not announce payload_passthru_mode")
        return [failure(pending, refused.error, refused.text), refusal(pending.callee, msg, refused)]

    def error(self, callee: Session, msg: Error, interrupt: bool = False) -> Outputs:
        """
        Pass the failure of an invocation to the caller; the answer to a call that has ended is dropped.

        ``interrupt`` says that the callee does not know of the failure and may be working on.

        Outputs: ERROR to the caller; where it is to be interrupted, INTERRUPT to a callee that can cancel.

        Raises:
            ProtocolViolation: no such invocation was ever sent, or the ERROR answers something else.
        """
        if msg.request_type != Invocation.CODE:
            raise ProtocolViolation(f"ERROR answers a message of type {msg.request_type}, not an INVOCATION")
        pending = callee.invocations.get(msg.request)
        if pending is None:
            return late(callee, msg.request)
        self._drop(pending)
        pending.caller.note_error(msg.error)
        details = passthru(msg.details)
        error = Error(Call.CODE, pending.request, details, msg.error, msg.args, msg.kwargs)
        outputs: Outputs = [Delivery((pending.caller,), error, callee.serializer)]
        return outputs + abandonment(pending, msg.error) if interrupt else outputs

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
        outputs: Outputs = []
        for pending in list(session.calls.values()):
            self._drop(pending)
            if pending.callee is not session:
                outputs += abandonment(pending, uris.CANCELED)
        for pending in list(session.invocations.values()):
            self._drop(pending)
            outputs.append(failure(pending, uris.CANCELED, "the callee left before it answered"))
        for registration in list(session.registrations.values()):
            outputs += self._detach(registration, session)
        return outputs

    def next_deadline(self) -> float | None:
        """Tell when ``expire`` is due, in seconds; ``None`` while no pending call has a timeout."""
        return self._deadlines.next()

    def expire(self, now: float) -> Outputs:
        """
        End the calls whose deadline has passed (WAMP AP 'Call Timeouts').

        Outputs: for each, ERROR ``timeout`` to the caller, and INTERRUPT to a callee that can cancel.
        """
        outputs: Outputs = []
        for pending in self._deadlines.due(now):
            pending.timer = None
            self._drop(pending)
            text = f"no answer within {pending.timeout * 1000:.0f} ms"
            outputs.append(failure(pending, uris.TIMEOUT, text))
            outputs += abandonment(pending, uris.TIMEOUT)
        return outputs

    def _start_timer(self, pending: PendingCall, now: float, timeout: float) -> None:
        pending.timeout = timeout
        pending.timer = self._deadlines.start(pending, now + timeout)

    def _drop(self, pending: PendingCall) -> None:
        del pending.caller.calls[pending.request]
        del pending.callee.invocations[pending.invocation]
        if pending.timer is not None:
            self._deadlines.cancel(pending.timer)
