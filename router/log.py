"""
The log: which levels are kept, changeable while the router runs, and the form of a line.

A line of ``format: json`` is one object: ``time`` (UTC, RFC 3339), ``level``, ``namespace``, ``message``, and
where there are any, ``fields`` (what the message was made of) and ``traceback``.

Rules of this file:

- A line is made of whatever was logged: what JSON does not know stands in it as text, and nothing is raised.
- A level of a namespace holds for all below it: ``router`` for ``router.connection``. "" is all of them.
"""

import json
from datetime import UTC, datetime
from typing import Any, Final

from twisted.logger import ILogFilterPredicate, LogEvent, LogLevel, PredicateResult, formatEvent
from zope.interface import implementer

LEVELS: Final = ("critical", "error", "warn", "info", "debug")
_RANK: Final = {name: rank for rank, name in enumerate(reversed(LEVELS))}
_ANY: Final = LogLevel.debug

# What Twisted adds to an event; it has its own place in a line, or none.
_OWN: Final = "log_"
_LEGACY: Final = frozenset({"isError", "why", "failure", "format", "time", "system", "message", "logLevel"})


@implementer(ILogFilterPredicate)
class LogLevels:
    """
    The least severe level that is kept, by namespace: a predicate for Twisted's log.

    :ivar by_namespace: namespace -> name of a level; always has ""
    """

    def __init__(self, settings: Any) -> None:
        self.configure(settings)

    def configure(self, settings: Any) -> None:
        """Take the section ``log`` of router.yaml; what was set otherwise is forgotten."""
        self.by_namespace: dict[str, str] = {"": settings.level, **settings.levels}
        self._known: dict[str, int] = {}  # namespace -> rank of what is kept of it

    def set(self, namespace: str, level: str | None) -> None:
        """Keep ``level`` and what is more severe; with ``None`` what the namespace above says."""
        if level is None:
            self.by_namespace.pop(namespace, None)
        else:
            self.by_namespace[namespace] = level
        self._known.clear()

    def keeps(self, namespace: str, level: Any) -> bool:
        """Tell whether an event is kept; one without a level is."""
        least = self._known.get(namespace)
        if least is None:
            if len(self._known) > 1000:  # loggers of other packages may have any number of names
                self._known.clear()
            least = self._known[namespace] = _RANK[self._of(namespace)]
        return level is None or _RANK.get(level.name, 0) >= least

    def __call__(self, event: LogEvent) -> Any:
        kept = self.keeps(str(event.get("log_namespace") or ""), event.get("log_level"))
        return PredicateResult.maybe if kept else PredicateResult.no

    def _of(self, namespace: str) -> str:
        while namespace and namespace not in self.by_namespace:
            namespace = namespace.rpartition(".")[0]
        return self.by_namespace[namespace]


def plain_event(event: LogEvent) -> dict[str, Any]:
    """Give an event as plain values: what a line of ``format: json`` says."""
    level = event.get("log_level") or _ANY
    line: dict[str, Any] = {
        "time": _time(event.get("log_time")),
        "level": level.name,
        "namespace": str(event.get("log_namespace") or ""),
        "message": formatEvent(event),
    }
    fields = {name: _plain(value) for name, value in event.items() if _is_field(name, event)}
    if fields:
        line["fields"] = fields
    failure = event.get("log_failure")
    if failure is not None:
        line["traceback"] = failure.getTraceback()
        line["message"] = line["message"] or f"{failure.type.__name__}: {failure.getErrorMessage()}"
    return line


def json_line(event: LogEvent) -> str:
    """Give an event as one line of JSON."""
    return json.dumps(plain_event(event)) + "\n"  # in ASCII: what is logged may be no valid Unicode


def _is_field(name: str, event: LogEvent) -> bool:
    return not name.startswith(_OWN) and not ("log_legacy" in event and name in _LEGACY)


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: object) -> Any:
    """Give a value that JSON knows; others as their text, which may fail as well."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if -(2**53) < value < 2**53 else str(value)
    if isinstance(value, float) and value - value == 0:
        return value
    try:
        return str(value)
    except Exception as error:
        return f"<{type(value).__name__}: {type(error).__name__}>"
