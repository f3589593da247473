"""
The calls that a realm answers itself: of its meta procedures, and of its extensions.

Rules of this file:

- A call that waits for its answer stands in ``session.calls``, beside the calls that the dealer
  forwards, so that one limit counts both. The dealer is never shown it: the realm tells them apart.
- What is sent while a procedure runs is gathered and returned, in order; later it is delivered.
- A procedure that raises has a defect: it is logged, its caller is told no more than that, and
  nothing else happens.

The end of a call that waits:

    event                      to the caller         to its procedure
    result, error              RESULT, ERROR
    CANCEL, whatever its mode  ERROR canceled        on_cancel
    deadline                   ERROR timeout         on_cancel
    the caller leaves                                on_cancel
    its extension ends         ERROR canceled        on_cancel
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from realms.procedure_call import ENDED, NEW, PENDING, DeskPort, Dump, Procedure, ProcedureCall, dump_any
from realms.refusals import error_to, no_such_procedure
from realms.world import World
from router.routing.calls import CANCEL_MODES, check_announced, refusal
from router.routing.deadlines import Deadlines
from router.routing.options import Refused, choice, flag, whole_number
from router.routing.outputs import Delivery, Outputs
from router.routing.session import Session
from router.wamp import uris
from router.wamp.ids import MAX_ID
from router.wamp.messages import Call, Cancel, Error

INTERNAL: Final = "internal error"


class Owner(Protocol):
    """Who has procedures: a realm's meta API, an extension."""

    @property
    def procedures(self) -> Mapping[str, Procedure]:
        """URI -> Procedure, as it is now."""


class OwnCalls:
    """
    The calls under way of one realm that no client answers.

    :ivar desks: first component of the procedures' URIs -> who answers them
    :ivar gathered: what is sent in this moment, in order; ``None`` while no procedure runs
    :ivar limit: calls that a session may have waiting, those of the dealer included
    :ivar default_timeout: of calls that name none, in seconds; 0 means none
    :ivar begun: calls so far that went to a procedure
    """

    def __init__(self, world: World | None) -> None:
        """Without a ``world``, every procedure has to answer at once."""
        self.desks: dict[str, Desk] = {}
        self.gathered: Outputs | None = None
        self.limit = 0
        self.default_timeout = 0.0
        self.begun = 0
        self.deadlines: Deadlines[ProcedureCall] = Deadlines()
        self._world = world

    def send(self, outputs: Outputs) -> None:
        """Send ``outputs`` in order with everything else."""
        if self.gathered is not None:
            self.gathered += outputs
        else:
            assert self._world is not None
            self._world.deliver(outputs)

    def settle(self, call: ProcedureCall) -> None:
        """Take a call that waits out of every table."""
        del call.session.calls[call.request]
        if call.timer is not None:
            self.deadlines.cancel(call.timer)
            call.timer = None

    def postpone(self, call: ProcedureCall) -> None:
        """Start the timeout of a call anew."""
        assert call.timer is not None
        assert self._world is not None
        self.deadlines.move(call.timer, self._world.now() + call.timeout)

    def begin(self, session: Session, msg: Call) -> Outputs:
        """
        Let the procedure answer a CALL without options, now or later.

        Errors:
            no_such_procedure: nobody here has it.
            limit_exceeded: too many calls of ``session`` wait.
        """
        # The hot path (benchmarks/dstm.py: commits).
        desk, procedure = self._find(msg.procedure)
        if desk is None or procedure is None:
            return no_such_procedure(session, msg)
        request = msg.request
        if len(session.calls) >= self.limit:
            return self._too_many(session, request)
        call = ProcedureCall(session, msg.procedure, request, desk, msg.args, msg.kwargs)
        self.begun += 1
        outputs: Outputs = []
        self.gathered = outputs
        try:
            procedure(call)
        except Exception:
            desk.defect(call)
        finally:
            self.gathered = None
        if call.state == NEW:
            call.state = PENDING
            waiting: dict[int, Any] = session.calls
            waiting[request] = call
        return outputs

    def begin_with_options(self, session: Session, msg: Call, now: float) -> Outputs:
        """
        Do as ``begin``, with the options ``receive_progress`` and ``timeout``.

        Errors:
            no_such_procedure: nobody here has it.
            feature_not_supported: progressive invocations and payload passthru mode.
            invalid_argument: an option has a value that is not allowed.
            limit_exceeded: too many calls of ``session`` wait.

        Raises:
            ProtocolViolation: ``session`` uses what must be announced and was not.
        """
        desk, procedure = self._find(msg.procedure)
        if desk is None or procedure is None:
            return no_such_procedure(session, msg)
        options, request = msg.options, msg.request
        check_announced(session, options)
        if options.get("progress") is True or options.get("ppt_scheme"):
            text = f"{msg.procedure} supports neither progressive_call_invocations nor payload_passthru_mode"
            return error_to(session, Call.CODE, request, uris.FEATURE_NOT_SUPPORTED, text)
        try:
            wants_progress = flag(options, "receive_progress")
            timeout_ms = whole_number(options, "timeout", MAX_ID)
        except Refused as refused:
            return [refusal(session, msg, refused)]
        if len(session.calls) >= self.limit:
            return self._too_many(session, request)
        call = ProcedureCall(session, msg.procedure, request, desk, msg.args, msg.kwargs)
        self.begun += 1
        call.wants_progress = wants_progress and session.supports("caller.progressive_call_results")
        outputs = self.gather(desk, procedure, call)
        if call.state == NEW:
            call.state = PENDING
            waiting: dict[int, Any] = session.calls
            waiting[request] = call
            self._start_timer(call, self.default_timeout if timeout_ms is None else timeout_ms / 1000, now)
        return outputs

    def gather(self, desk: DeskPort, function: Callable[..., object], *args: Any) -> Outputs:
        """Call what belongs to ``desk`` and give what it sent; it may be called while another one is."""
        outputs: Outputs = []
        before, self.gathered = self.gathered, outputs
        try:
            function(*args)
        except Exception:
            desk.defect(args[0] if args else None)
        finally:
            self.gathered = before
        return outputs

    def cancel(self, call: ProcedureCall, msg: Cancel) -> Outputs:
        """
        Cancel a call: in each mode it ends at once (WAMP AP 'Call Canceling').

        Outputs: ERROR ``canceled`` to the caller, then what its procedure sends because of that.

        Errors:
            invalid_argument: no such mode. It answers the CANCEL; the call goes on.
        """
        try:
            choice(msg.options, "mode", CANCEL_MODES)
        except Refused as refused:
            return [refusal(call.session, msg, refused)]
        return self._fail(call, uris.CANCELED, "canceled by the caller")

    def abandon(self, call: ProcedureCall) -> Outputs:
        """End a call without a word to its caller; give what its procedure sends because of that."""
        on_cancel = call.on_cancel
        call.end()
        return [] if on_cancel is None else self.gather(call.desk, on_cancel)

    def abandon_all(self, session: Session) -> Outputs:
        """End all calls of a session that leaves."""
        outputs: Outputs = []
        for call in calls_of((session,)):
            outputs += self.abandon(call)
        return outputs

    def close(self, desk: "Desk", sessions: Iterable[Session]) -> Outputs:
        """End the calls that ``desk`` has not answered."""
        outputs: Outputs = []
        for call in calls_of(sessions):
            if call.desk is desk:
                outputs += self._fail(call, uris.CANCELED, "what was to answer has ended")
        return outputs

    def expire(self, now: float) -> Outputs:
        """End the calls whose time is over (WAMP AP 'Call Timeouts'); outputs: as ``cancel``, ``timeout``."""
        outputs: Outputs = []
        for call in self.deadlines.due(now):
            call.timer = None
            outputs += self._fail(call, uris.TIMEOUT, f"no answer within {call.timeout * 1000:.0f} ms")
        return outputs

    def _find(self, uri: str) -> "tuple[Desk | None, Procedure | None]":
        desk = self.desks.get(uri.partition(".")[0])
        return (None, None) if desk is None else (desk, desk.owner.procedures.get(uri))

    def _fail(self, call: ProcedureCall, error: str, text: str) -> Outputs:
        told = error_to(call.session, Call.CODE, call.request, error, text)
        return told + self.abandon(call)

    def _start_timer(self, call: ProcedureCall, timeout: float, now: float) -> None:
        if timeout:
            call.timeout = timeout
            call.timer = self.deadlines.start(call, now + timeout)

    def _too_many(self, session: Session, request: int) -> Outputs:
        text = f"limit pending_calls_per_session={self.limit} is reached"
        return error_to(session, Call.CODE, request, uris.LIMIT_EXCEEDED, text)


def own_call(session: Session, request: int) -> ProcedureCall | None:
    """Give the call with which ``session`` waits for the realm itself."""
    call: Any = session.calls.get(request)
    return call if type(call) is ProcedureCall else None


def calls_of(sessions: Iterable[Session]) -> list[ProcedureCall]:
    """Give the calls of these sessions that a realm answers itself."""
    waiting: list[Any] = [call for session in sessions for call in session.calls.values()]
    return [call for call in waiting if type(call) is ProcedureCall]


class Desk:
    """
    Where the calls of one owner's procedures are answered.

    ``log`` is told of the owner's defects; without one, they are the realm's own and go up.
    """

    __slots__ = ("_calls", "_log", "dump", "owner")

    def __init__(self, owner: Owner, calls: OwnCalls, log: Any, dump: Dump = dump_any) -> None:
        self.owner = owner
        self.dump = dump
        self._calls = calls
        self._log = log

    def send(self, delivery: Delivery) -> None:
        gathered = self._calls.gathered
        if gathered is not None:
            gathered.append(delivery)
        else:
            self._calls.send([delivery])

    def settle(self, call: ProcedureCall) -> None:
        self._calls.settle(call)

    def postpone(self, call: ProcedureCall) -> None:
        self._calls.postpone(call)

    def defect(self, what: Any = None) -> None:
        """Log the exception that is being handled; a call that it was about is answered."""
        if self._log is None:
            raise
        self._log.failure("defect in a procedure: {what}", what=what)
        if isinstance(what, ProcedureCall) and what.state != ENDED:
            error = Error(Call.CODE, what.request, {}, uris.INTERNAL_ERROR, [INTERNAL])
            what.end()
            what.session.note_error(uris.INTERNAL_ERROR)
            self.send(Delivery((what.session,), error))
