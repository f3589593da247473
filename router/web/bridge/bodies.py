"""
What a request asks for: its JSON body or its query, checked before the realm sees anything of it.

A session is shared by all requests with the same credentials, so nothing may pass that the router would
take for a breach of the protocol: the payload is read with the router's own serializer, and options that
only a client with a connection of its own can use are refused.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from router.transport.inside import encode
from router.wamp import uris
from router.wamp.errors import PayloadRefused, ProtocolViolation
from router.wamp.ids import MAX_ID
from router.wamp.messages import Call, Publish, Subscribe
from router.wamp.serializers import JSON
from router.web.bridge.answers import Refused

MAX_TOPICS: Final = 100

# The bridge itself says what stands here.
_NOT_FOR_CALLS: Final = ("progress", "receive_progress")
_NOT_FOR_PUBLISH: Final = ("acknowledge",)
_SUBSCRIBE_FLAGS: Final = {"true": True, "false": False}


class CallBody(Struct, forbid_unknown_fields=True):
    """``{"procedure": uri, "args": list?, "kwargs": dict?, "options": dict?}``"""

    procedure: str
    args: Raw = Raw(b"[]")
    kwargs: Raw = Raw(b"{}")
    options: dict[str, Any] = {}


class Arguments(Struct, forbid_unknown_fields=True):
    """``{"args": list?, "kwargs": dict?, "options": dict?}``: what it is for is in the path"""

    args: Raw = Raw(b"[]")
    kwargs: Raw = Raw(b"{}")
    options: dict[str, Any] = {}


class PublishBody(Struct, forbid_unknown_fields=True):
    """``{"topic": uri, "args": list?, "kwargs": dict?, "options": dict?}``"""

    topic: str
    args: Raw = Raw(b"[]")
    kwargs: Raw = Raw(b"{}")
    options: dict[str, Any] = {}


class Wanted(Struct, frozen=True):
    """
    Topics to subscribe, all with the same options.

    :ivar last_event: the publication that the client got last, where it comes back
    """

    topics: tuple[str, ...]
    options: dict[str, Any]
    last_event: int | None = None


_CALL: Final = msgspec.json.Decoder(CallBody)
_ARGUMENTS: Final = msgspec.json.Decoder(Arguments)
_PUBLISH: Final = msgspec.json.Decoder(PublishBody)


def call_wire(
    body: bytes, default_timeout_ms: int, progress: bool, procedure: str | None = None
) -> list[Any]:
    """
    Give the wire array of a CALL with the request id 1; ``procedure``: its URI, where the path has it.

    Raises:
        Refused: with 400, where the body is no such call.
    """
    call: Any = _read(_CALL if procedure is None else _ARGUMENTS, body)
    uri = call.procedure if procedure is None else procedure
    _check_options(call.options, _NOT_FOR_CALLS)
    options = dict(call.options)
    if default_timeout_ms and options.get("timeout") is None:
        options["timeout"] = default_timeout_ms
    if progress:
        options["receive_progress"] = True
    return _checked([Call.CODE, 1, options, uri, *_payload(call.args, call.kwargs)])


def publish_wire(body: bytes, topic: str | None = None) -> list[Any]:
    """
    Give the wire array of a PUBLISH with the request id 1, which is acknowledged; ``topic``: likewise.

    Raises:
        Refused: with 400, where the body is no such publication.
    """
    publish: Any = _read(_PUBLISH if topic is None else _ARGUMENTS, body)
    uri = publish.topic if topic is None else topic
    _check_options(publish.options, _NOT_FOR_PUBLISH)
    options = {**publish.options, "acknowledge": True}
    return _checked([Publish.CODE, 1, options, uri, *_payload(publish.args, publish.kwargs)])


def wanted(query: Mapping[bytes, list[bytes]], last_event_id: str | None = None) -> Wanted:
    """
    Read the query of ``subscribe``: ``topic`` (several times for several), ``match``, ``get_retained``.

    ``last_event_id`` is the header of a client that comes back (WHATWG HTML, 'Server-sent events').

    Raises:
        Refused: with 400.
    """
    texts = _texts(query)
    unknown = texts.keys() - {"topic", "match", "get_retained"}
    if unknown:
        raise _bad(f"the query has {min(unknown)!r:.40}; it takes topic, match and get_retained")
    topics = tuple(dict.fromkeys(texts.get("topic", ())))
    if not 0 < len(topics) <= MAX_TOPICS:
        raise _bad(f"the query names 1 to {MAX_TOPICS} topics, each as topic=<URI>")
    options: dict[str, Any] = {}
    if match := _one(texts, "match", uris.MATCH_POLICIES):
        options["match"] = match
    if retained := _one(texts, "get_retained", tuple(_SUBSCRIBE_FLAGS)):
        options["get_retained"] = _SUBSCRIBE_FLAGS[retained]
    for topic in topics:
        _checked([Subscribe.CODE, 1, options, topic])
    return Wanted(topics, options, _publication(last_event_id))


def _read(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        names = ", ".join(decoder.type.__struct_fields__)
        raise _bad(f"the body is not what is expected here, a JSON object of {names}: {error}") from None


def _check_options(options: dict[str, Any], forbidden: tuple[str, ...]) -> None:
    for name in forbidden:
        if name in options:
            raise _bad(f"options.{name} is not for HTTP: the bridge sets it")


def _payload(args: Raw, kwargs: Raw) -> list[Raw]:
    if bytes(args)[:1] != b"[":
        raise _bad("args must be an array")
    if bytes(kwargs)[:1] != b"{":
        raise _bad("kwargs must be an object")
    return [args] if bytes(kwargs) == b"{}" else [args, kwargs]


def _checked(wire: list[Any]) -> list[Any]:
    """Give ``wire``, if the router's serializer takes it."""
    try:
        JSON.decode(encode(wire))
    except (PayloadRefused, ProtocolViolation) as error:
        raise _bad(error.text) from None
    except (OverflowError, RecursionError, UnicodeError) as error:
        raise _bad(f"the request can't be carried: {error}") from None
    return wire


def _texts(query: Mapping[bytes, list[bytes]]) -> dict[str, list[str]]:
    try:
        return {name.decode(): [value.decode() for value in values] for name, values in query.items()}
    except UnicodeDecodeError:
        raise _bad("the query is no UTF-8") from None


def _publication(last_event_id: str | None) -> int | None:
    if not last_event_id:
        return None
    if not last_event_id.isascii() or not last_event_id.isdigit() or len(last_event_id) > 16:
        raise _bad("Last-Event-ID is the id of an event of this stream: a publication's")
    return min(int(last_event_id), MAX_ID)


def _one(texts: Mapping[str, list[str]], name: str, allowed: tuple[str, ...]) -> str | None:
    values = texts.get(name)
    if values is None:
        return None
    if len(values) != 1 or values[0] not in allowed:
        raise _bad(f"{name} is one of {', '.join(allowed)}")
    return values[0]


def _bad(text: str) -> Refused:
    return Refused(400, uris.INVALID_ARGUMENT, text)
