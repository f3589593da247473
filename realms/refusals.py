"""How a realm refuses a request: the answers that no broker and no dealer has to be asked for."""

from realms.permissions import Grant
from router.routing.outputs import Delivery, Outputs
from router.routing.session import Session
from router.wamp import uris
from router.wamp.errors import ProtocolViolation
from router.wamp.ids import MAX_ID
from router.wamp.messages import Call, Error


def error_to(session: Session, request_type: int, request: int, error: str, text: str) -> Outputs:
    """Answer a request with an ERROR."""
    session.note_error(error)
    return [Delivery((session,), Error(request_type, request, {}, error, [text]))]


def refusal(session: Session, request_type: int, request: int, grant: Grant) -> Outputs:
    """Answer a request that ``grant`` does not allow."""
    assert grant.error is not None
    return error_to(session, request_type, request, grant.error, grant.text)


def disclosure_refused(session: Session, request_type: int, request: int) -> Outputs:
    """Answer a request to tell who calls or publishes (WAMP AP 'Advanced Profile URIs')."""
    text = "this realm does not disclose who calls or publishes here"
    return error_to(session, request_type, request, uris.OPTION_DISALLOWED_DISCLOSE_ME, text)


def no_such_procedure(session: Session, msg: Call) -> Outputs:
    """Answer a CALL of a reserved URI: a client's pattern never answers in the router's name."""
    text = f"the router has no procedure {msg.procedure!r}"
    return error_to(session, Call.CODE, msg.request, uris.NO_SUCH_PROCEDURE, text)


def is_old(session: Session, request: int) -> bool:
    """Tell whether a request id was used, or passed over; after the highest one they begin anew."""
    last = session.last_request_id
    return request <= last and not (request == 1 and last == MAX_ID)


def used_before(session: Session, request: int) -> ProtocolViolation:
    """Say what is wrong with an id that ``is_old``."""
    if request == 0:
        return ProtocolViolation("request id 0: ids begin with 1")
    last = session.last_request_id
    return ProtocolViolation(f"request id {request} was used before: the last one was {last}")


def still_pending(request: int) -> ProtocolViolation:
    """Say what is wrong with a CALL that goes on with one that takes no further input."""
    return ProtocolViolation(f"CALL {request} is pending and takes no further input")
