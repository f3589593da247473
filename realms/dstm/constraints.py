"""
What values must be, whoever commits: JSON Schema, bounds, Python predicates, by pointer pattern.

    pattern      a JSON Pointer in which ``*`` stands for any one token
    checked      every value at a matching pointer that a commit has changed, or that lies above or below a
                 change; what was not touched stays as it is, even if it would be refused today

Rules of this file:

- A place where nothing is obeys every constraint: that it must be there is said by a schema above it.
- A predicate that fails by itself refuses the commit: what could not be checked is not let in.
- A schema is checked against the whole value at its pointer, so its cost is that value's size.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any

from msgspec import Struct

from realms.dstm.changes import Change
from realms.dstm.document import MISSING, Document, child, is_array, is_object, members, thaw
from realms.dstm.errors import CONSTRAINT, DstmError
from realms.dstm.pointer import Path, parse, render

Check = Callable[[Any], str | None]  # a plain value -> what is wrong with it


class Constraint(Struct, frozen=True, kw_only=True):
    """
    What the values at some pointers must be; each part may be left out.

    :ivar pointer: the pattern
    :ivar schema: a JSON Schema, as JSON text
    :ivar minimum: the least number allowed; ``maximum`` the greatest
    :ivar predicate: ``module:function``; given a plain value, it returns what is wrong with it, or nothing
    """

    pointer: str
    schema: str | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    predicate: str | None = None


class Constraints:
    """The compiled constraints of one space. False if there are none."""

    def __init__(self, constraints: Iterable[Constraint] = ()) -> None:
        """
        Compile them.

        Raises:
            ValueError: a pointer, schema or predicate that can't be used, and why.
        """
        self._patterns = [
            (parse(constraint.pointer), tuple(_checks(constraint))) for constraint in constraints
        ]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def check(self, document: Document, changes: Sequence[Change]) -> None:
        """
        Check what ``changes`` have touched, in the ``document`` after them.

        Raises:
            DstmError: ``constraint``, with ``path`` and ``reason``: the first that is broken.
        """
        changed = _changed(document, changes)
        for pattern, checks in self._patterns:
            for path, node in _touched(document, pattern, changed):
                value = thaw(node)
                for check in checks:
                    reason = check(value)
                    if reason:
                        raise _broken(path, reason)


def _broken(path: Path, reason: str) -> DstmError:
    pointer = render(path)
    return DstmError(CONSTRAINT, f"at {pointer!r:.200}: {reason}", path=pointer, reason=reason)


def _changed(document: Document, changes: Sequence[Change]) -> dict[Path, bool]:
    """
    Give the places that a commit has changed; True: an element, from which on the others have moved.

    Where elements have moved and more was changed in that array, an index may say where something was and
    not where it is: then the whole array has changed.
    """
    paths = [parse(change.path) for change in changes]
    moved = {
        path[:-1]
        for path, change in zip(paths, changes, strict=True)
        if change.op != "replace" and path and is_array(document.find(path[:-1]))
    }
    if not moved:
        return dict.fromkeys(paths, False)
    through = Counter(array for path in paths for array in _prefixes(path) if array in moved)
    changed: dict[Path, bool] = {}
    for path in paths:
        array = next((array for array in _prefixes(path) if through[array] > 1), None)
        changed[path if array is None else array] = array is None and path[:-1] in moved
    return changed


def _prefixes(path: Path) -> Iterator[Path]:
    return (path[:end] for end in range(len(path)))


def _touched(document: Document, pattern: Path, changed: dict[Path, bool]) -> Iterator[tuple[Path, Any]]:
    """Give path and node of what matches ``pattern`` at, above or below what was changed, each once."""
    seen: set[Path] = set()
    for path, has_moved in changed.items():
        shared = min(len(path), len(pattern))
        start = path[:shared]
        if has_moved and shared == len(path) and pattern[shared - 1] != "*":
            start = (*start[:-1], pattern[shared - 1])  # another element is there now
        if not all(token in ("*", start[at]) for at, token in enumerate(pattern[:shared])):
            continue
        node = document.find(start)
        if node is not MISSING:
            for found, value in _matching(node, start, pattern[shared:]):
                if found not in seen:
                    seen.add(found)
                    yield found, value


def _matching(node: Any, path: Path, pattern: Path) -> Iterator[tuple[Path, Any]]:
    """Give path and node of what matches the rest of a pattern, from ``node`` on."""
    if not pattern:
        yield path, node
        return
    token, rest = pattern[0], pattern[1:]
    if token != "*":
        below = child(node, token)
        if below is not MISSING:
            yield from _matching(below, (*path, token), rest)
    elif is_object(node) or is_array(node):
        for name, below in members(node):
            yield from _matching(below, (*path, name), rest)


def _checks(constraint: Constraint) -> Iterator[Check]:
    if constraint.minimum is not None or constraint.maximum is not None:
        yield _bounds(constraint.minimum, constraint.maximum)
    if constraint.schema is not None:
        yield _schema(constraint.schema)
    if constraint.predicate is not None:
        yield _predicate(constraint.predicate)


def _bounds(minimum: float | None, maximum: float | None) -> Check:
    def check(value: Any) -> str | None:
        if type(value) is not int and type(value) is not float:
            return "must be a number"
        if minimum is not None and value < minimum:
            return f"{value} is less than the minimum {minimum}"
        if maximum is not None and value > maximum:
            return f"{value} is more than the maximum {maximum}"
        return None

    return check


def _schema(text: str) -> Check:
    import json

    import jsonschema_rs  # only where a space has schemas

    try:
        validator = jsonschema_rs.validator_for(json.loads(text))
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise ValueError(f"no JSON Schema: {str(error).splitlines()[0]}") from None

    def check(value: Any) -> str | None:
        error = next(validator.iter_errors(value), None)
        if error is None:
            return None
        place = render(tuple(map(str, error.instance_path)))
        return f"{error.message:.500}{f', at {place!r} below' if place else ''}"

    return check


def _predicate(name: str) -> Check:
    module, _, attributes = name.partition(":")
    try:
        function: Any = import_module(module)
        for attribute in attributes.split("."):
            function = getattr(function, attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"no predicate {name!r}: {error}") from None
    if not callable(function):
        raise ValueError(f"no predicate {name!r}: it can't be called")

    def check(value: Any) -> str | None:
        try:
            reason = function(value)
        except Exception as error:
            return f"the predicate {name} failed: {type(error).__name__}"
        return str(reason)[:500] if reason else None

    return check
