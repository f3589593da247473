"""
The calls under way: how they are sent to a callee, wait for one, go to another one, and leave the tables.

Rules of this file:

- Whatever ends a call, ``drop`` or ``leave_line`` takes it out of the tables of its caller and its callee,
  its timer and its place in a line together.
- What ends a call may give room for one that waits: what is sent because of that is returned, and comes
  after what ended it.
"""

from collections.abc import Callable
from typing import Any

from router.routing.calls import PendingCall, Stream, abandonment, describe, failure
from router.routing.deadlines import Deadlines, Timer
from router.routing.options import Refused
from router.routing.outputs import Delivery, Outputs
from router.routing.placing import DECLINES, Asked, Free, QueuedCall, place
from router.routing.registrations import Registration
from router.routing.session import Session
from router.wamp import uris
from router.wamp.messages import Invocation

CANCELED = "canceled by the caller"


class CallsUnderWay:
    """
    The slow part of a dealer's calls; the tables themselves are those of the sessions.

    :ivar deadlines: of the calls that have a timeout
    :ivar max_invocations: that a callee may have pending
    :ivar max_queued: calls in the line of a registration
    :ivar max_kept_bytes: calls of one session whose payload is kept
    """

    def __init__(self, randbelow: Callable[[int], int]) -> None:
        self.deadlines: Deadlines[PendingCall | QueuedCall] = Deadlines()
        self.max_invocations = 0
        self.max_queued = 0
        self.max_kept_bytes = 0
        self._randbelow = randbelow

    def begin(self, asked: Asked, timeout: float) -> Outputs:
        """
        Invoke a callee, or let the call wait for one.

        Raises:
            Refused: no callee can take it, or no more can wait.
        """
        caller, request = asked.caller, asked.message.request
        callee = place(asked, self._randbelow, self.max_invocations)
        if callee is not None:
            pending = PendingCall(caller, request, callee, 0, asked.began, asked.wants_progress)
            pending.timeout = timeout
            return self.send(pending, asked)
        queued = QueuedCall(caller, request, asked, timeout)
        self.enqueue(queued)
        if timeout:
            queued.timer = self.deadlines.start(queued, asked.began + timeout)
        return []

    def send(self, pending: PendingCall, asked: Asked) -> Outputs:
        """Invoke ``pending.callee``: a timer runs from the call on, unless the callee keeps the time."""
        callee, msg, registration = pending.callee, asked.message, asked.registration
        disclose = callee in registration.asks_for_caller if asked.disclose is None else asked.disclose
        details = describe(registration, asked.caller, msg, disclose)
        if asked.trust_level is not None:
            details["trustlevel"] = asked.trust_level
        if asked.wants_progress:
            # Told to every callee: one that knows no progress ignores it, and autobahn-js and wampy.js
            # send progressive results without announcing what the specification asks for.
            details["receive_progress"] = True
        if pending.timer is None and pending.timeout:
            if asked.timeout_ms and _keeps_time(registration, callee):
                details["timeout"] = asked.timeout_ms
            else:
                self.start_timer(pending, asked.began, pending.timeout)
        if callee in registration.concurrency:
            registration.occupy(callee)
            pending.counted = registration
            pending.watched = True
        if len(registration.callees) > 1 and not asked.progressive and callee.supports(DECLINES):
            pending.asked = self._keep(asked)  # without room for it, the answer of this callee is the last
            pending.watched = True
        else:
            pending.asked = None
            _let_go(asked)

        pending.invocation = callee.next_invocation_id
        callee.next_invocation_id += 1
        asked.caller.calls[pending.request] = callee.invocations[pending.invocation] = pending
        if asked.progressive:
            pending.stream = Stream(msg.procedure, registration.id, details)
            details = {**details, "progress": True}
        invocation = Invocation(pending.invocation, registration.id, details, msg.args, msg.kwargs)
        return [Delivery((callee,), invocation, asked.caller.serializer)]

    # The line of a registration

    def enqueue(self, queued: QueuedCall) -> None:
        """Let a call wait, if it can."""
        asked = queued.asked
        line = asked.registration.line
        if asked.progressive:
            text = f"no callee of {asked.registration.procedure!r} is free, and a progressive call can't wait"
            raise Refused(uris.LIMIT_EXCEEDED, text)
        if len(line) >= self.max_queued:
            text = f"limit queued_calls_per_registration={self.max_queued} is reached"
            raise Refused(uris.LIMIT_EXCEEDED, text)
        kept = self._keep(asked)
        if kept is None:
            text = f"limit kept_call_bytes_per_session={self.max_kept_bytes} is reached"
            raise Refused(uris.LIMIT_EXCEEDED, text)
        queued.asked = kept
        line.append(queued)
        queued.caller.calls[queued.request] = queued

    def serve(self, registration: Registration, same_callees: bool = False) -> Outputs:
        """
        Give callees that are free what waits.

        With the ``same_callees`` as before, what none of the free ones can take goes on waiting, and costs
        little: a line may be long, and this is done for each answer.
        """
        outputs: Outputs = []
        free = Free(registration, self.max_invocations)
        for queued in list(registration.line):
            if not free.callees:
                break
            if same_callees and not free.can_take(queued.asked):
                continue
            try:
                callee = place(queued.asked, self._randbelow, self.max_invocations)
            except Refused as refused:
                outputs.append(self.leave_line(queued, refused.error, refused.text))
                continue
            if callee is None:
                continue
            registration.line.remove(queued)
            outputs += self.send(_taken(queued, callee), queued.asked)
            free.invoked(callee)
        return outputs

    def leave_line(self, queued: QueuedCall, error: str, text: str) -> Delivery:
        """End a call that waits; give what its caller is told."""
        queued.asked.registration.line.remove(queued)
        del queued.caller.calls[queued.request]
        _let_go(queued.asked)
        if queued.timer is not None:
            self.deadlines.cancel(queued.timer)
        return failure(queued, error, text)

    def reroute(self, pending: PendingCall) -> Outputs:
        """Offer a call that its callee declined to another one."""
        callee, asked, counted = pending.callee, pending.asked, pending.counted
        if asked is None:
            following = self.drop(pending)
            text = "the callee is unavailable, and no other can take the call"
            return [failure(pending, uris.NO_AVAILABLE_CALLEE, text), *following]
        del callee.invocations[pending.invocation]
        if counted is not None:
            counted.release(callee)
            pending.counted = None
        asked.declined |= {callee.id}
        asked.chosen = None
        if pending.timer is None and pending.timeout:
            # The callee kept the time. No other one could: it would begin with the whole of it.
            self.start_timer(pending, asked.began, pending.timeout)
        try:
            other = place(asked, self._randbelow, self.max_invocations)
            if other is None:
                queued = QueuedCall(pending.caller, pending.request, asked, pending.timeout)
                self.enqueue(queued)
                queued.timer = _handed_over(pending.timer, queued)
                outputs: Outputs = []
            else:
                pending.callee = other
                outputs = self.send(pending, asked)
        except Refused:
            del pending.caller.calls[pending.request]
            _let_go(asked)
            if pending.timer is not None:
                self.deadlines.cancel(pending.timer)
            text = f"every callee of {asked.registration.procedure!r} that could answer is unavailable"
            outputs = [failure(pending, uris.NO_AVAILABLE_CALLEE, text)]
        return outputs if counted is None else outputs + self.serve(counted)

    def expire(self, now: float) -> Outputs:
        """
        End the calls whose deadline has passed (WAMP AP 'Call Timeouts').

        Outputs: for each, ERROR ``timeout`` to the caller, and INTERRUPT to a callee that can cancel.
        """
        due = self.deadlines.due(now)
        outputs: Outputs = []
        # Those that wait come first: none of them takes the place of one that ends at the same time.
        for late in sorted(due, key=lambda late: isinstance(late, PendingCall)):
            late.timer = None
            text = f"no answer within {late.timeout * 1000:.0f} ms"
            if isinstance(late, QueuedCall):
                outputs.append(self.leave_line(late, uris.TIMEOUT, text))
                continue
            following = self.drop(late)
            outputs.append(failure(late, uris.TIMEOUT, text))
            outputs += abandonment(late, uris.TIMEOUT) + following
        return outputs

    def begun_to_answer(self, pending: PendingCall) -> None:
        """Let no other callee take a call."""
        if pending.asked is not None:
            _let_go(pending.asked)
            pending.asked = None

    def _keep(self, asked: Asked) -> Asked | None:
        """Keep the payload of a call, once; ``None`` where too much is kept for its caller."""
        if asked.kept_bytes:
            return asked
        size_bytes = asked.size_bytes
        if asked.caller.kept_call_bytes + size_bytes > self.max_kept_bytes:
            return None
        asked.caller.kept_call_bytes += size_bytes
        return asked.kept(size_bytes)

    def start_timer(self, pending: PendingCall, began: float, timeout: float) -> None:
        """End ``pending`` so many seconds after it ``began``, unless it has ended before."""
        pending.timeout = timeout
        pending.timer = self.deadlines.start(pending, began + timeout)
        pending.watched = True

    def drop(self, pending: PendingCall) -> Outputs:
        """End a call; give what follows for those that wait."""
        del pending.caller.calls[pending.request]
        del pending.callee.invocations[pending.invocation]
        return self.ended(pending) if pending.watched else []

    def ended(self, pending: PendingCall) -> Outputs:
        """Let go of the timer, the payload and the room of a call that is in no table any more."""
        self.begun_to_answer(pending)
        if pending.timer is not None:
            self.deadlines.cancel(pending.timer)
            pending.timer = None
        registration = pending.counted
        if registration is None:
            return []
        registration.release(pending.callee)
        return self.serve(registration, same_callees=True) if registration.line else []


def _let_go(asked: Asked) -> None:
    """Count a call no more among what is kept for its caller."""
    asked.caller.kept_call_bytes -= asked.kept_bytes
    asked.kept_bytes = 0


def _keeps_time(registration: Registration, callee: Session) -> bool:
    return callee in registration.forwards_timeout and callee.supports("callee.call_timeout")


def _taken(queued: QueuedCall, callee: Session) -> PendingCall:
    """Make a pending call of one that waited; its timer runs on."""
    asked = queued.asked
    pending = PendingCall(
        queued.caller,
        queued.request,
        callee,
        0,
        asked.began,
        asked.wants_progress,
        timeout=queued.timeout,
    )
    pending.timer = _handed_over(queued.timer, pending)
    pending.watched = pending.timer is not None
    return pending


def _handed_over(timer: Timer[Any] | None, item: PendingCall | QueuedCall) -> Timer[Any] | None:
    """Let a timer ring for ``item``."""
    if timer is not None:
        timer.item = item
    return timer
