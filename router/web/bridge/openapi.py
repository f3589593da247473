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
_DESCRIBE_STATUSES: Final = (400, 401, 403, 404, 405, 429, 500, 503, 504)
_PUBLISH_STATUSES: Final = (400, 401, 403, 404, 405, 413, 415, 429, 500, 503)

_URI: Final[Json] = {"type": "string", "description": "A WAMP URI.", "examples": ["com.example.add"]}
_ARGS: Final[Json] = {"type": "array", "description": "Positional arguments.", "items": {}}
_KWARGS: Final[Json] = {"type": "object", "description": "Keyword arguments."}
_ID: Final[Json] = {"type": "integer", "minimum": 1, "maximum": 2**53}


def description(settings: Bridge) -> Json:
    """Make the document of the bridge."""
    paths: Json = {
        "/{realm}/call": {"post": call_operation("call")},
        "/{realm}/call/{procedure}": {"post": call_operation("callProcedure", "Arguments", "procedure")},
        "/{realm}/publish": {"post": publish_operation("publish")},
        "/{realm}/publish/{topic}": {"post": publish_operation("publishTopic", "Arguments", "topic")},
        "/{realm}/subscribe": {"get": _subscribe()},
        "/{realm}/openapi.json": {"get": _describe()},
    }
    for path in paths.values():
        path["parameters"] = [_ref("parameters", "realm")]
    about = "Calls, publications and subscriptions in the realms of a WAMP router."
    return document(settings, "WAMP over HTTP", about, paths)


def document(settings: Bridge, title: str, about: str, paths: Json) -> Json:
    """Make a document with these paths."""
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__, "description": about},
        "servers": [{"url": settings.path}],
        "security": [{}, {"bearer": []}, {"basic": []}, {"signature": []}],
        "paths": paths,
        "components": {
            "parameters": {
                "realm": _realm(settings),
                **{name: _uri(name) for name in ("procedure", "topic")},
            },
            "schemas": _schemas(),
            "responses": {str(status): _error(reason) for status, reason in _REASONS.items()},
            "securitySchemes": _security(),
        },
    }


def call_operation(operation: str, body: str | Json = "Call", *parameters: str) -> Json:
    """Describe a call; ``body`` is a schema or the name of one, ``parameters`` are names."""
    events = "Events `progress`, then `result` or `error`; the data is as in the JSON answer."
    content = {JSON_TYPE: {"schema": schema("Result")}, EVENTS_TYPE: {"schema": {"type": "string"}}}
    return {
        "operationId": operation,
        "summary": "Call a procedure",
        **_parameters(parameters),
        "requestBody": _body(body),
        "responses": {
            "200": {"description": f"The result. With `Accept: {EVENTS_TYPE}`: {events}", "content": content},
            **_errors(STATUSES),
        },
    }


def publish_operation(operation: str, body: str | Json = "Publish", *parameters: str) -> Json:
    """Describe a publication, likewise."""
    content = {JSON_TYPE: {"schema": schema("Published")}}
    return {
        "operationId": operation,
        "summary": "Publish an event",
        **_parameters(parameters),
        "requestBody": _body(body),
        "responses": {
            "200": {"description": "The event was published.", "content": content},
            **_errors(_PUBLISH_STATUSES),
        },
    }


def object_of(properties: Json, *required: str) -> Json:
    """Make the schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def schema(name: str) -> Json:
    """Refer to one of the document's schemas."""
    return _ref("schemas", name)


def _describe() -> Json:
    return {
        "operationId": "describe",
        "summary": "Describe what a realm offers to who asks",
        "responses": {
            "200": {
                "description": "The procedures and topics, in OpenAPI.",
                "content": {JSON_TYPE: {"schema": {"type": "object"}}},
            },
            **_errors(_DESCRIBE_STATUSES),
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
        "Call": object_of({"procedure": _URI, **payload, "options": options}, "procedure"),
        "Arguments": object_of({**payload, "options": {"type": "object", "description": "Options."}}),
        "Publish": object_of({"topic": _URI, **payload, "options": publish_options}, "topic"),
        "Result": object_of({**payload, "details": details}, "args", "kwargs"),
        "Published": object_of({"publication": _ID}, "publication"),
        "Event": object_of(
            {"topic": _URI, "publication": _ID, **payload, "details": details},
            "topic", "publication", "args", "kwargs", "details",
        ),
        "Error": object_of(
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
    return {"description": reason, "content": {JSON_TYPE: {"schema": schema("Error")}}}


def _errors(statuses: tuple[int, ...]) -> Json:
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _body(body: str | Json) -> Json:
    shape = schema(body) if isinstance(body, str) else body
    return {"required": True, "content": {JSON_TYPE: {"schema": shape}}}


def _parameters(names: tuple[str, ...]) -> Json:
    return {"parameters": [_ref("parameters", name) for name in names]} if names else {}


def _uri(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "description": "Its URI.", "schema": _URI}


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}
