"""
The description of a realm, for one who asks: each procedure that he may call and each topic that he may
publish has a path of its own, with what the realm's file or its provider says of it (``realms.reflection``).
"""

import json
from typing import Any, Final
from urllib.parse import quote

from router.web.bridge.config import Bridge
from router.web.bridge.openapi import Json, call_operation, document, object_of, publish_operation, schema

_ANY_ARGS: Final[Json] = {"type": "array", "items": {}}
_ANY_KWARGS: Final[Json] = {"type": "object"}


def realm_description(
    settings: Bridge, realm: str, procedures: dict[str, Json], topics: dict[str, Json]
) -> Json:
    """Make the document; both are URI -> description, as ``wamp.reflection.*.describe`` gives it."""
    base = f"/{quote(realm, safe='')}"
    paths: Json = {}
    for uri, told in sorted(procedures.items()):
        operation = call_operation(f"call {uri}", _arguments(uri, told))
        _describe(operation, uri, told)
        _describe_result(operation, uri, told)
        paths[f"{base}/call/{quote(uri, safe='')}"] = {"post": operation}
    for uri, told in sorted(topics.items()):
        operation = publish_operation(f"publish {uri}", _arguments(uri, told))
        _describe(operation, uri, told)
        paths[f"{base}/publish/{quote(uri, safe='')}"] = {"post": operation}
    return document(settings, realm, "What this realm offers to who asks.", paths)


def _describe(operation: Json, uri: str, told: Json) -> None:
    operation["summary"] = told.get("title") or uri
    if told.get("description"):
        operation["description"] = told["description"]
    if told.get("deprecated"):
        operation["deprecated"] = True


def _describe_result(operation: Json, uri: str, told: Json) -> None:
    responses = operation["responses"]
    if told.get("result") or told.get("result_kwargs"):
        args = _embedded(uri, "result", told.get("result", _ANY_ARGS))
        kwargs = _embedded(uri, "result_kwargs", told.get("result_kwargs", _ANY_KWARGS))
        shape = object_of({"args": args, "kwargs": kwargs, "details": _ANY_KWARGS}, "args", "kwargs")
        responses["200"]["content"]["application/json"]["schema"] = shape
    if told.get("errors"):
        about = "The callee answered with one of: " + ", ".join(f"`{error}`" for error in told["errors"])
        responses["422"] = {
            "description": about,
            "content": {"application/json": {"schema": schema("Error")}},
        }


def _arguments(uri: str, told: Json) -> Json:
    properties = {
        "args": _embedded(uri, "args", told.get("args", _ANY_ARGS)),
        "kwargs": _embedded(uri, "kwargs", told.get("kwargs", _ANY_KWARGS)),
        "options": {"type": "object", "description": "Options."},
    }
    return object_of(properties)


def _embedded(uri: str, name: str, shape: Any) -> Any:
    """Give a schema a name of its own, where it refers to parts of itself."""
    if "$id" in shape or '"$ref"' not in json.dumps(shape):
        return shape
    return {"$id": f"urn:wamp:{quote(uri, safe='')}:{name}", **shape}
