"""
A call under way: its record, what it may ask for, and the messages that end it.

Rules of this file: nothing here changes a table; that is the dealer's.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from router.routing.deadlines import Timer
from router.routing.options import Refused, passthru
from router.routing.outputs import Delivery, Outputs
from router.routing.registrations import Registration
from router.routing.session import Session
from router.wamp import uris
from router.wamp.errors import ProtocolViolation
from router.wamp.messages import Call, Cancel, Error, Interrupt, Register, Unregister, Yield

if TYPE_CHECKING:
    from router.routing.placing import QueuedCall

SKIP: Final = "skip"
KILL: Final = "kill"
KILLNOWAIT: Final = "killnowait"
# The specification names no default. This one answers the caller at once and stops the work.
CANCEL_MODES: Final = (KILLNOWAIT, KILL, SKIP)


class Stream(Struct, gc=False):
    """What the first CALL of a progressive invocation fixed, and how much came after it."""

    procedure: str
    registration_id: int
    details: dict[str, Any]  # of every INVOCATION, without ``progress``
    chunks: int = 1  # INVOCATIONs so far
    ended: bool = False  # the last chunk was received


class PendingCall(Struct, gc=False):
    """
    A call from INVOCATION to its final answer.

    ``gc=False`` is safe: every way to end a call takes it out of its sessions and of its timer, so
    that no cycle through it survives.
    """

    caller: Session
    request: int  # CALL.request
    callee: Session
    invocation: int  # INVOCATION.request
    began: float = 0.0  # when CALL was read, in seconds of the monotonic clock
    receive_progress: bool = False  # INVOCATION.Details.receive_progress was true
    killed: bool = False  # INTERRUPT with the mode kill is out
    timeout: float = 0.0  # seconds
    timer: Timer[Any] | None = None
    stream: Stream | None = None  # of a call that began as a progressive invocation
    watched: bool = False  # it has a timer, or its callee's room for this registration is bounded
    counted: Registration | None = None  # where the callee's room is bounded
    asked: Any = None  # the call itself, while another callee could take it (``placing.Asked``)


def describe(registration: Registration, caller: Session, msg: Call, disclose: bool) -> dict[str, Any]:
    """
    Make INVOCATION.Details as far as they do not depend on progress and timeout, in a new dict.

    Sources: WAMP AP 'Payload Passthru Mode', 'Pattern-based Registrations', 'Caller Identification'.
    """
    details = passthru(msg.options)
    if registration.match != uris.EXACT:
        details["procedure"] = msg.procedure
    if disclose:
        details.update(caller=caller.id, caller_authid=caller.authid, caller_authrole=caller.authrole)
    return details


def check_announced(caller: Session, options: Mapping[str, Any]) -> None:
    """
    Check what a caller must announce before it may use it.

    Each is a MUST: WAMP AP 'Progressive Call Invocations' and 'Payload Passthru Mode'.

    Raises:
        ProtocolViolation: it was not announced.
    """
    if options.get("progress") is True and not caller.supports("caller.progressive_call_invocations"):
        raise ProtocolViolation("CALL has progress=true, but progressive_call_invocations was not announced")
    if options.get("ppt_scheme") and not caller.supports("caller.payload_passthru_mode"):
        raise ProtocolViolation("CALL has ppt_scheme, but payload_passthru_mode was not announced")


def takes_progress(callee: Session) -> bool:
    """Tell whether ``callee`` takes progressive invocations; not without canceling (WAMP AP, same title)."""
    return callee.supports("callee.progressive_call_invocations") and callee.supports("callee.call_canceling")


def late(callee: Session, invocation: int) -> Outputs:
    """
    Drop the answer to a call that has ended.

    Raises:
        ProtocolViolation: there never was such an invocation.
    """
    if 1 <= invocation < callee.next_invocation_id:
        return []
    raise ProtocolViolation(f"no INVOCATION {invocation} was sent")


def interrupt(pending: PendingCall, mode: str, reason: str) -> Delivery:
    """Make INTERRUPT for the callee; ``reason`` is the URI that says why."""
    return Delivery((pending.callee,), Interrupt(pending.invocation, {"mode": mode, "reason": reason}))


def abandonment(pending: PendingCall, reason: str) -> Outputs:
    """Tell the callee, if it can cancel, that nobody waits for its answer."""
    if not pending.callee.supports("callee.call_canceling"):
        return []
    return [interrupt(pending, KILLNOWAIT, reason)]


def failure(pending: "PendingCall | QueuedCall", error: str, text: str) -> Delivery:
    """Make the ERROR that ends the call."""
    pending.caller.note_error(error)
    return Delivery((pending.caller,), Error(Call.CODE, pending.request, {}, error, [text]))


def refusal(peer: Session, msg: Register | Unregister | Call | Cancel | Yield, refused: Refused) -> Delivery:
    """Make the ERROR that answers ``msg``."""
    peer.note_error(refused.error)
    return Delivery((peer,), Error(msg.CODE, msg.request, {}, refused.error, [refused.text]))
