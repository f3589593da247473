"""
What a realm offers, in words: the section ``catalogue`` of its file (WAMP AP 'Interface Reflection').

Only values are here, and the checks that need that file alone.
"""

import json
from typing import Annotated, Any, Final

from msgspec import Meta

from router.configuration import Document, Section, quoted
from router.wamp.uris import EXACT, MatchPolicy, is_valid

KINDS: Final = ("procedure", "topic", "error")
SCHEMAS: Final = ("args", "kwargs", "result", "result_kwargs")  # the keys that hold a JSON Schema


def _check_schema(text: str) -> str | None:
    import jsonschema_rs  # only where a catalogue has schemas

    try:
        schema = json.loads(text)
        if not isinstance(schema, dict):
            return f"a JSON Schema is an object, got {quoted(text)}"
        jsonschema_rs.validator_for(schema)
    except (ValueError, jsonschema_rs.ValidationError) as error:
        return f"no JSON Schema: {str(error).splitlines()[0]}"
    return None


SchemaText = Annotated[
    str,
    Meta(
        description="A JSON Schema, as JSON text.",
        examples=['{"type": "array"}'],
        extra={"check": _check_schema},
    ),
]
Title = Annotated[str, Meta(description="A few words for a list.", max_length=200)]
Text = Annotated[str, Meta(description="What it is, as Markdown.", max_length=65_536)]
Args = Annotated[
    SchemaText | None, Meta(description="JSON Schema of the list of positional arguments, as JSON text.")
]
Kwargs = Annotated[SchemaText | None, Meta(description="JSON Schema of the keyword arguments, as JSON text.")]
Match = Annotated[
    MatchPolicy, Meta(title="match policy", description="What the URI stands for, as in permissions.")
]
Deprecated = Annotated[bool, Meta(description="Not to be used in anything new.")]


class ProcedureEntry(Section, frozen=True, kw_only=True):
    """One procedure."""

    title: Title = ""
    description: Text = ""
    match: Match = EXACT
    args: Args = None
    kwargs: Kwargs = None
    result: Annotated[
        SchemaText | None, Meta(description="JSON Schema of the list of positional results, as JSON text.")
    ] = None
    result_kwargs: Annotated[
        SchemaText | None, Meta(description="JSON Schema of the keyword results, as JSON text.")
    ] = None
    errors: Annotated[tuple[str, ...], Meta(description="The URIs of the errors that it answers with.")] = ()
    deprecated: Deprecated = False


class TopicEntry(Section, frozen=True, kw_only=True):
    """The events of one topic."""

    title: Title = ""
    description: Text = ""
    match: Match = EXACT
    args: Args = None
    kwargs: Kwargs = None
    deprecated: Deprecated = False


class ErrorEntry(Section, frozen=True, kw_only=True):
    """One error."""

    title: Title = ""
    description: Text = ""
    args: Args = None
    kwargs: Kwargs = None
    deprecated: Deprecated = False


Procedure = Annotated[str, Meta(title="procedure")]
Topic = Annotated[str, Meta(title="topic")]
ErrorUri = Annotated[str, Meta(title="error")]


class Catalogue(Section, frozen=True, kw_only=True):
    """What the realm offers, told by `wamp.reflection.*` to those who may use it. Nothing is enforced."""

    procedures: Annotated[
        dict[Procedure, ProcedureEntry], Meta(description="The procedures, by URI or pattern.")
    ] = {}
    topics: Annotated[dict[Topic, TopicEntry], Meta(description="The topics, by URI or pattern.")] = {}
    errors: Annotated[dict[ErrorUri, ErrorEntry], Meta(description="The errors, by URI.")] = {}


Entry = ProcedureEntry | TopicEntry | ErrorEntry
Key = tuple[str, str, str]  # kind, match, uri


def descriptions(catalogue: Catalogue) -> dict[Key, dict[str, Any]]:
    """Give each entry as clients are told it: without what it leaves open, its schemas as plain values."""
    of_kind: dict[str, dict[str, Any]] = {
        "procedure": catalogue.procedures,
        "topic": catalogue.topics,
        "error": catalogue.errors,
    }
    return {
        (kind, getattr(entry, "match", EXACT), uri): _plain(entry)
        for kind, entries in of_kind.items()
        for uri, entry in entries.items()
    }


def _plain(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in entry.__struct_fields__:
        value = getattr(entry, name)
        if name in SCHEMAS and value is not None:
            found[name] = json.loads(value)
        elif name != "match" and value:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def check_catalogue(document: Document[Any]) -> None:
    """Check the URIs, which are keys."""
    rules = str(document.values.get(("uri_check",), "loose"))
    for kind in ("procedures", "topics", "errors"):
        for path, entry in document.select("catalogue", kind, None):
            uri, match = str(path[-1]), getattr(entry, "match", EXACT)
            if not is_valid(uri, match, rules):
                document.add(path, f"{quoted(uri)} is no valid URI for match '{match}' (uri_check: {rules})")
    for path, error in document.select("catalogue", "procedures", None, "errors", None):
        if not is_valid(str(error), EXACT, rules):
            document.add(path, f"{quoted(str(error))} is no valid URI (uri_check: {rules})")
