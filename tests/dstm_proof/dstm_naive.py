"""
The same semantics again, by the shortest way: whole copies, every version kept, no index.

It judges what the server decided, from the log alone: whether each commit was allowed, and whether its
changes are what its operations say. Slow and plain on purpose; it shares no code with what it judges.

Rules of this file:

- Documents are plain values; a path is a tuple of tokens; nothing is bounded and nothing is fast.
- Where the specification leaves a choice (a read that may conflict but need not), both answers are right.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

Path = tuple[str, ...]
NOTHING = object()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Change(NamedTuple):
    """A change as it stands in a delta."""

    op: str
    path: Path
    value: Any


class Look(NamedTuple):
    """A read: kind ``value``, ``keys`` or ``exists``."""

    kind: str
    path: Path


def copied(value: Any) -> Any:
    """Give an equal value that shares nothing; NOTHING stays."""
    return _decode(_encode(value)) if isinstance(value, dict | list) else value


def path_of(pointer: str) -> Path:
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def look_of(wire: Any) -> Look:
    if isinstance(wire, str):
        return Look("value", path_of(wire))
    return Look("value" if wire[0] == "value" else wire[0], path_of(wire[1]))


def change_of(wire: dict[str, Any]) -> Change:
    return Change(wire["op"], path_of(wire["path"]), copied(wire.get("value", NOTHING)))


def find(document: Any, path: Path) -> Any:
    """Give the value at ``path``, or NOTHING."""
    for token in path:
        if isinstance(document, dict):
            document = document.get(token, NOTHING)
        elif isinstance(document, list):
            document = document[int(token)] if token.isdigit() and int(token) < len(document) else NOTHING
        else:
            return NOTHING
    return document


def apply_change(document: Any, change: Change) -> Any:
    """Give the document after one change; fails loudly where the change does not fit."""
    value = copied(change.value)
    if not change.path:
        assert change.op != "remove"
        return value
    parent, token = find(document, change.path[:-1]), change.path[-1]
    if isinstance(parent, list):
        position = len(parent) if token == "-" else int(token)
        if change.op == "add":
            assert position <= len(parent)
            parent.insert(position, value)
        elif change.op == "remove":
            del parent[position]
        else:
            parent[position] = value
        return document
    assert isinstance(parent, dict), f"{change} has no parent"
    assert change.op == "add" or token in parent, f"{change} has no target"
    if change.op == "remove":
        del parent[token]
    else:
        parent[token] = value
    return document


def apply_op(document: Any, op: dict[str, Any]) -> Any:
    """Give the document after an operation of a transaction, as RFC 6902 and the extensions say."""
    path, name, value = path_of(op["path"]), op["op"], copied(op.get("value"))
    if name == "test":
        assert find(document, path) == value, f"{op} does not hold"
        return document
    if name in ("add", "replace", "remove"):
        return apply_change(document, Change(name, path, value))
    if name == "copy":
        return apply_change(document, Change("add", path, find(document, path_of(op["from"]))))
    if name == "move":
        moved = find(document, path_of(op["from"]))
        document = apply_change(document, Change("remove", path_of(op["from"]), NOTHING))
        return apply_change(document, Change("add", path, moved))
    return _put(document, path, _blind(name, find(document, path), value))


def _blind(name: str, old: Any, value: Any) -> Any:
    if name == "push":
        return [*([] if old is NOTHING else old), value]
    if name == "merge":
        return _merged(old, value)
    if name == "setdefault":
        return value if old is NOTHING else old
    if old is NOTHING:
        return value
    return {"inc": lambda: old + value, "min": lambda: min(old, value), "max": lambda: max(old, value)}[
        name
    ]()


def _merged(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


def _put(document: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    parent = find(document, path[:-1])
    return apply_change(document, Change("replace" if isinstance(parent, list) else "add", path, value))


def looks_of(document: Any, reads: Sequence[Any], ops: Sequence[dict[str, Any]]) -> Iterator[Look]:
    """Give all that a transaction read, declared or implied, as far as the base alone decides it."""
    for wire in reads:
        look = look_of(wire)
        yield look
        yield from _through_arrays(document, look.path)
    written: list[Path] = []
    for op in ops:
        path = path_of(op["path"])
        source = path_of(op["from"]) if "from" in op else None
        if not any(_is_related(path, earlier) for earlier in written):
            yield from _implied(document, op["op"], path)
        if source is not None and not any(_is_related(source, earlier) for earlier in written):
            yield Look("value", source)
            yield from _through_arrays(document, source)
        written.extend(place for place in (path, source) if place is not None)


def _implied(document: Any, name: str, path: Path) -> Iterator[Look]:
    yield from _through_arrays(document, path)
    if name == "test":
        yield Look("value", path)
    elif name in ("replace", "remove"):
        yield Look("exists", path)
    elif path:
        yield Look("exists", path[:-1])


def _through_arrays(document: Any, path: Path) -> Iterator[Look]:
    for length in range(len(path)):
        if isinstance(find(document, path[:length]), list) and path[length] != "-":
            yield Look("keys", path[:length])


def _is_related(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def must_conflict(look: Look, change: Change) -> bool:
    """Say whether a change after the base forbids the commit of what was looked at before it."""
    if not _is_related(look.path, change.path):
        return False
    if len(change.path) < len(look.path):
        return True  # replaced, or removed, with all that is in it
    if look.kind == "value":
        return True
    if look.kind == "exists":
        return change.path == look.path and change.op != "replace"
    return change.path == look.path or (len(change.path) == len(look.path) + 1 and change.op != "replace")
