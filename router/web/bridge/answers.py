"""
What the bridge answers: the status for each WAMP error, and the JSON of every body.

Rules of this file:

- An error's body names it by its WAMP URI; the status says whose fault it is and whether trying again helps.
- args and kwargs stay the JSON that the router has; nothing is decoded to be encoded again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from router.wamp import uris

APPLICATION_ERROR: Final = 422  # any URI of the application: the request was understood and refused
ROUTER_ERROR: Final = 500  # any other URI of the router

STATUS_BY_ERROR: Final = {
    uris.INVALID_URI: 400,
    uris.INVALID_ARGUMENT: 400,
    uris.PROTOCOL_VIOLATION: 400,
    uris.OPTION_NOT_ALLOWED: 400,
    uris.OPTION_DISALLOWED_DISCLOSE_ME: 403,
    uris.AUTHENTICATION_DENIED: 401,
    uris.AUTHENTICATION_FAILED: 401,
    uris.NO_MATCHING_AUTH_METHOD: 401,
    uris.NO_SUCH_PRINCIPAL: 401,
    uris.NO_SUCH_ROLE: 401,
    uris.NOT_AUTHORIZED: 403,
    uris.NO_SUCH_PROCEDURE: 404,
    uris.NO_SUCH_REALM: 404,
    uris.NO_SUCH_REGISTRATION: 404,
    uris.NO_SUCH_SESSION: 404,
    uris.NO_SUCH_SUBSCRIPTION: 404,
    uris.PROCEDURE_ALREADY_EXISTS: 409,
    uris.PAYLOAD_SIZE_EXCEEDED: 413,
    uris.LIMIT_EXCEEDED: 429,
    "wamp.error.runtime_error": 500,  # what Autobahn's callees answer when they fail
    uris.INTERNAL_ERROR: 500,
    uris.FEATURE_NOT_SUPPORTED: 501,
    uris.CANCELED: 502,  # the callee went away, or gave up
    uris.AUTHORIZATION_FAILED: 503,
    uris.NO_ELIGIBLE_CALLEE: 503,
    uris.NO_AVAILABLE_CALLEE: 503,
    uris.UNAVAILABLE: 503,
    uris.TIMEOUT: 504,
    # Of the event history (docs/history.md) and of DSTM (docs/dstm.md)
    "wamp.error.no_such_publication": 404,
    "wamp.error.history_unavailable": 404,
    "dstm.error.invalid": 400,
    "dstm.error.no_such_space": 404,
    "dstm.error.conflict": 409,
    "dstm.error.stale": 409,
    "dstm.error.epoch": 409,
    "dstm.error.tx_reused": 409,
    "dstm.error.too_large": 413,
    "dstm.error.constraint": 422,
    "dstm.error.throttled": 429,
    "dstm.error.unavailable": 503,
    "dstm.error.timeout": 504,
}

_encode: Final = msgspec.json.Encoder().encode
_NO_ARGS: Final = Raw(b"[]")
_NO_KWARGS: Final = Raw(b"{}")


class Refused(Exception):
    """
    A request that is answered without asking the realm.

    :ivar error: URI
    :ivar text: what is wrong, and what is allowed
    :ivar why: for the log, where that is more than ``text``
    """

    def __init__(
        self, status: int, error: str, text: str, headers: Mapping[str, str] | None = None, why: str = ""
    ) -> None:
        super().__init__(text)
        self.status = status
        self.error = error
        self.text = text
        self.headers = headers or {}
        self.why = why


def status_of(error: str) -> int:
    """Give the HTTP status for the URI of an error, or of the reason why a session ended."""
    status = STATUS_BY_ERROR.get(error)
    if status is not None:
        return status
    if error.startswith("wamp.close."):
        return 503
    return ROUTER_ERROR if uris.is_reserved(error) else APPLICATION_ERROR


def headers_of(status: int) -> dict[str, str]:
    """Give the headers that belong to an error's status."""
    if status == 401:
        # No Basic here: a browser would ask its user and then send the password with every request.
        return {"WWW-Authenticate": 'Bearer realm="WAMP"'}
    return {"Retry-After": "1"} if status in (429, 503) else {}


def unauthorized(text: str, why: str = "") -> Refused:
    """Refuse a request that does not say who sends it as it should; ``why`` is for the log alone."""
    return Refused(401, uris.AUTHENTICATION_FAILED, text, headers_of(401), why)


def refusal(error: str, text: str) -> bytes:
    """Make the body of an error of which the router has told no payload."""
    return _encode({"error": error, "message": text, "args": [], "kwargs": {}})


def error_body(error: str, payload: Sequence[Raw]) -> bytes:
    """Make the body of an ERROR; ``payload`` is its args and kwargs, as far as there are any."""
    args, kwargs = _both(payload)
    return _encode({"error": error, "message": _message(args), "args": args, "kwargs": kwargs})


def result_body(details: Raw, payload: Sequence[Raw]) -> bytes:
    """Make the body of a RESULT; its details only where it has some."""
    args, kwargs = _both(payload)
    body: dict[str, Any] = {"args": args, "kwargs": kwargs}
    if bytes(details) != b"{}":
        body["details"] = details
    return _encode(body)


def event_body(topic: str, publication: int, details: Raw, payload: Sequence[Raw]) -> bytes:
    """Make the body of an EVENT."""
    args, kwargs = _both(payload)
    body = {"topic": topic, "publication": publication, "args": args, "kwargs": kwargs, "details": details}
    return _encode(body)


def server_sent(data: bytes, event: str = "", event_id: str = "") -> bytes:
    """
    Make one server-sent event (WHATWG HTML, 'Server-sent events').

    A line break in JSON is white space between its tokens: inside of a text it is escaped.
    """
    head = (f"id: {event_id}\n" if event_id else "") + (f"event: {event}\n" if event else "")
    line = data.replace(b"\r", b" ").replace(b"\n", b" ")
    return b"%bdata: %b\n\n" % (head.encode(), line)


def _both(payload: Sequence[Raw]) -> tuple[Raw, Raw]:
    args = payload[0] if payload else _NO_ARGS
    return args, (payload[1] if len(payload) > 1 else _NO_KWARGS)


def _message(args: Raw) -> str:
    """Give the first argument, where it is a text: nearly every callee puts its words there."""
    values = msgspec.json.decode(args)
    return values[0] if values and isinstance(values[0], str) else ""
