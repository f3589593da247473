"""
The description of a bridge: OpenAPI 3.1, made from its settings.

Rules of this file: what is described is what ``resource`` does; a test sends the examples. Nothing of a realm
is told here but the names that the configuration gives away by itself.
"""

from typing import Any, Final

from router import __version__
from router.web.bridge.answers import STATUS_BY_ERROR
from router.web.bridge.bodies import MAX_TOPICS
from router.web.bridge.config import Bridge
from router.web.bridge.credentials import SIGNATURE_SCHEME
from router.web.bridge.exchange import EVENTS_TYPE, JSON_TYPE

Json = dict[str, Any]

_REASONS: Final = {
    400: "The request, an argument or an option is not what is allowed.",
    401: "Who sends it is not known here, or could not prove it.",
    403: "Who sends it may not do this.",
    404: "No such realm, or nobody has registered the procedure.",
    405: "Another method than the one that is described.",
    409: "It is in conflict with something that is there.",
    413: "The body, or the result, is too large.",
    415: "The body is not declared as JSON.",
    422: "The callee answered with an error of the application; `error` is its URI.",
    429: "A limit of the realm is reached; `message` names it.",
    500: "The callee, or the router, failed.",
    501: "No callee has the feature that is asked for.",
    502: "The callee went away before it answered.",
    503: "A limit of the bridge is reached, the session was ended, or nobody can answer now.",
    504: "The callee did not answer in time.",
}
STATUSES: Final = tuple(_REASONS)
_SUBSCRIBE_STATUSES: Final = (400, 401, 403, 404, 405, 429, 500, 503)
_PUBLISH_STATUSES: Final = (400, 401, 403, 404, 405, 413, 415, 429, 500, 503)

_URI: Final[Json] = {"type": "string", "description": "A WAMP URI.", "examples": ["com.example.add"]}
_ARGS: Final[Json] = {"type": "array", "description": "Positional arguments.", "items": {}}
_KWARGS: Final[Json] = {"type": "object", "description": "Keyword arguments."}
_ID: Final[Json] = {"type": "integer", "minimum": 1, "maximum": 2**53}


def description(settings: Bridge) -> Json:
    """Make the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "WAMP over HTTP",
            "version": __version__,
            "description": "Calls, publications and subscriptions in the realms of a WAMP router.",
        },
        "servers": [{"url": settings.path}],
        "security": [{}, {"bearer": []}, {"basic": []}, {"signature": []}],
        "paths": {
            "/{realm}/call": {"parameters": [_parameter("realm")], "post": _call()},
            "/{realm}/publish": {"parameters": [_parameter("realm")], "post": _publish()},
            "/{realm}/subscribe": {"parameters": [_parameter("realm")], "get": _subscribe()},
        },
        "components": {
            "parameters": {"realm": _realm(settings)},
            "schemas": _schemas(),
            "responses": {str(status): _error(reason) for status, reason in _REASONS.items()},
            "securitySchemes": _security(),
        },
    }


def _call() -> Json:
    events = "Events `progress`, then `result` or `error`; the data is as in the JSON answer."
    return {
        "operationId": "call",
        "summary": "Call a procedure",
        "requestBody": _body("Call"),
        "responses": {
            "200": {
                "description": f"The result. With `Accept: {EVENTS_TYPE}`: {events}",
                "content": {
                    JSON_TYPE: {"schema": _schema("Result")},
                    EVENTS_TYPE: {"schema": {"type": "string"}},
                },
            },
            **_errors(STATUSES),
        },
    }


def _publish() -> Json:
    return {
        "operationId": "publish",
        "summary": "Publish an event",
        "requestBody": _body("Publish"),
        "responses": {
            "200": {
                "description": "The event was published.",
                "content": {JSON_TYPE: {"schema": _schema("Published")}},
            },
            **_errors(_PUBLISH_STATUSES),
        },
    }


def _subscribe() -> Json:
    topic = {"type": "array", "items": _URI, "minItems": 1, "maxItems": MAX_TOPICS}
    last = "The id of the last event that came: where the realm keeps history, what followed comes first."
    match = {"type": "string", "enum": ["exact", "prefix", "wildcard"], "default": "exact"}
    return {
        "operationId": "subscribe",
        "summary": "Receive the events of topics",
        "parameters": [
            {"name": "topic", "in": "query", "required": True, "explode": True, "schema": topic},
            {"name": "match", "in": "query", "schema": match},
            {"name": "get_retained", "in": "query", "schema": {"type": "boolean", "default": False}},
            {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}, "description": last},
        ],
        "responses": {
            "200": {
                "description": "Each event's data is an `Event`, its id that of the publication. An event "
                "`gap` tells that events may be missing, `revoked` that a topic was taken from the client, "
                "`closed` why the stream ends.",
                "content": {EVENTS_TYPE: {"schema": {"type": "string"}}},
            },
            **_errors(_SUBSCRIBE_STATUSES),
        },
    }


def _schemas() -> Json:
    payload = {"args": _ARGS, "kwargs": _KWARGS}
    details = {"type": "object", "description": "Details, as WAMP names them."}
    options = {"type": "object", "description": "Options of CALL.", "examples": [{"timeout": 5000}]}
    publish_options = {**options, "description": "Options of PUBLISH.", "examples": [{"retain": True}]}
    return {
        "Call": _object({"procedure": _URI, **payload, "options": options}, "procedure"),
        "Publish": _object({"topic": _URI, **payload, "options": publish_options}, "topic"),
        "Result": _object({**payload, "details": details}, "args", "kwargs"),
        "Published": _object({"publication": _ID}, "publication"),
        "Event": _object(
            {"topic": _URI, "publication": _ID, **payload, "details": details},
            "topic", "publication", "args", "kwargs", "details",
        ),
        "Error": _object(
            {
                "error": {"type": "string", "description": "A URI.", "examples": sorted(STATUS_BY_ERROR)[:3]},
                "message": {"type": "string", "description": "For people; may be empty."},
                **payload,
            },
            "error", "message", "args", "kwargs",
        ),
    }  # fmt: skip


def _security() -> Json:
    return {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "`<authid>:<ticket>` of a principal of the realm's method `ticket`.",
        },
        "basic": {"type": "http", "scheme": "basic", "description": "The same, as user and password."},
        "signature": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": f'`{SIGNATURE_SCHEME} authid="...", timestamp="...", nonce="...", '
            'signature="..."` of a principal of the realm\'s method `signature`: the HMAC-SHA256, in '
            "hexadecimal digits, of method, target, timestamp, nonce and the body's SHA-256 in hexadecimal "
            "digits, with a line feed between each two.",
        },
    }


def _realm(settings: Bridge) -> Json:
    schema: Json = (
        {"type": "string", "enum": list(settings.realms)} if settings.realms else {"type": "string"}
    )
    return {"name": "realm", "in": "path", "required": True, "description": "The realm.", "schema": schema}


def _error(reason: str) -> Json:
    return {"description": reason, "content": {JSON_TYPE: {"schema": _schema("Error")}}}


def _errors(statuses: tuple[int, ...]) -> Json:
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _body(name: str) -> Json:
    return {"required": True, "content": {JSON_TYPE: {"schema": _schema(name)}}}


def _schema(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _parameter(name: str) -> Json:
    return {"$ref": f"#/components/parameters/{name}"}


def _object(properties: Json, *required: str) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
