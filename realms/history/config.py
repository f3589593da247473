"""The section ``event_history`` of a realm's file: which topics have a history, where, and how much of it."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from router.configuration import Document, Path, Section, quoted
from router.wamp.uris import MatchPolicy, is_valid


class HistoryConfig(Section, frozen=True, kw_only=True):
    """The history of the topics that match. Over a limit, the oldest events are forgotten."""

    uri: Annotated[
        str,
        Meta(
            description="A topic or a pattern; with `match: prefix` the empty string matches every topic.",
            examples=["com.example.log."],
        ),
    ]
    match: Annotated[
        MatchPolicy,
        Meta(
            title="match policy",
            description="`exact` means this topic, `prefix` all that begin with these characters, `wildcard` "
            "those with any text in the place of an empty component.",
        ),
    ] = "exact"
    store: Annotated[
        Literal["memory", "sqlite"],
        Meta(
            title="store",
            description="`memory` loses all when the router ends; `sqlite` keeps it on the disk, below the "
            "node's `data_dir`, and acknowledges a publication when it is there.",
        ),
    ] = "memory"
    events: Annotated[int, Meta(description="Events that are kept.", ge=1, le=100_000_000)] = 10_000
    bytes: Annotated[int, Meta(description="Size of all events that are kept.", ge=1024, le=1024**4)] = (
        64 * 1024**2
    )
    age_ms: Annotated[
        int, Meta(description="How long an event is kept; 0 means any time.", ge=0, le=10**13)
    ] = 0


MAX_IN_MEMORY = 1_000_000


def check_histories(document: Document[Any]) -> None:
    """Check what concerns several keys: each pattern is valid and listed once, and fits where it is kept."""
    rules = str(document.values.get(("uri_check",), "loose"))
    first: dict[tuple[str, str], Path] = {}  # match, uri -> path of the entry
    for path, entry in document.select("event_history", None):
        assert isinstance(entry, HistoryConfig)
        if not is_valid(entry.uri, entry.match, rules):
            text = f"{quoted(entry.uri)} is no valid URI for match '{entry.match}' (uri_check: {rules})"
            document.add((*path, "uri"), text)
        if entry.store == "memory" and entry.events > MAX_IN_MEMORY:
            text = f"must be at most {MAX_IN_MEMORY} with 'store: memory', got {entry.events}"
            document.add((*path, "events"), text)
        other = first.setdefault((entry.match, entry.uri), path)
        if other != path:
            line, _ = document.position(other)
            text = f"{entry.match} {quoted(entry.uri)} is also on line {line}: merge the two"
            document.add((*path, "uri"), text)
