"""
The extensions that are installed: the entry points of the group ``concord.extensions``.

One that cannot be used is told only where a realm names it: a broken package that nobody uses
stops no router.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from realms.config import Kinds
from realms.extension import Extension

GROUP: Final = "concord.extensions"

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN: Final = ("wamp", "concord")


@cache
def installed() -> Kinds:
    """Give name -> class, or why it cannot be used; what is installed later is found at the next start."""
    found: dict[str, type[Extension] | str] = {}
    for point in entry_points(group=GROUP):
        twice = point.name in found
        found[point.name] = "two packages bring one of this name" if twice else _loaded(point)
    return found


def usable(kinds: Mapping[str, Any]) -> Kinds:
    """Check extensions that are given: name -> class, or why it cannot be used."""
    return {name: _problem_of(name, kind) or kind for name, kind in kinds.items()}


def _loaded(point: EntryPoint) -> type[Extension] | str:
    try:
        kind: Any = point.load()
    except Exception as error:
        return f"{point.value} does not load: {type(error).__name__}: {error}"
    return _problem_of(point.name, kind) or kind


def _problem_of(name: str, kind: Any) -> str | None:
    if not (isinstance(kind, type) and issubclass(kind, Extension)):
        return f"{kind!r:.100} is no class of realms.extension.Extension"
    if not _NAME.fullmatch(name) or name in _TAKEN:
        return f"a name is of a-z, 0-9 and '_', and none of {', '.join(_TAKEN)}; got {name!r:.100}"
    own_name = getattr(kind, "name", None)
    if own_name != name:
        return f"{kind.__qualname__}.name is {own_name!r:.100}, and it is installed as {name!r}"
    return None
