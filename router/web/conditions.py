"""
What a request wants of a file: conditions, ranges, encodings (RFC 9110).

Rules of this file:

- Values in, values out: no file, no clock, no connection.
- A header that makes no sense is as good as none, as RFC 9110 has it.
"""

import re
from email.utils import formatdate, mktime_tz, parsedate_tz
from typing import Final, NamedTuple

_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_RANGE: Final = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,19})-(\d{0,19})[ \t]*", re.IGNORECASE | re.ASCII)
_QUALITY: Final = re.compile(r"[01](\.\d{0,3})?", re.ASCII)
OK: Final = 200
NOT_MODIFIED: Final = 304
PRECONDITION_FAILED: Final = 412


class Conditions(NamedTuple):
    """The headers of a request that make it conditional; None: it has no such header."""

    if_match: str | None = None
    if_unmodified_since: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_range: str | None = None


def status_of(conditions: Conditions, tag: str, modified: int) -> int:
    """
    Decide between 200, 304 and 412 for a GET or HEAD (RFC 9110, 'Precedence of Preconditions').

    ``tag`` is the strong entity tag of what would be sent, with its quotes; ``modified`` is in seconds since
    1970.
    """
    if conditions.if_match is not None:
        if not _lists(conditions.if_match, tag, strongly=True):
            return PRECONDITION_FAILED
    elif (limit := _seconds(conditions.if_unmodified_since)) is not None and modified > limit:
        return PRECONDITION_FAILED
    if conditions.if_none_match is not None:
        return NOT_MODIFIED if _lists(conditions.if_none_match, tag, strongly=False) else OK
    since = _seconds(conditions.if_modified_since)
    return NOT_MODIFIED if since is not None and modified <= since else OK


def range_of(header: str, size: int) -> tuple[int, int] | None:
    """
    Give the first octet and the number of octets that ``Range`` asks for, or None for all.

    A number of 0 says that none of what was asked for is there (416). Of several ranges all is
    sent (RFC 9110, 'Range').
    """
    match = _RANGE.fullmatch(header)
    first, last = match.groups() if match else ("", "")
    if first:
        start, end = int(first), int(last or size - 1)
        if last and end < start:
            return None
        return (start, min(end, size - 1) - start + 1) if start < size else (0, 0)
    if last:
        length = min(int(last), size)
        return size - length, length
    return None


def is_range_meant(conditions: Conditions, tag: str, modified: int) -> bool:
    """Tell whether ``If-Range``, where there is one, names exactly what there is."""
    wanted = conditions.if_range
    if wanted is None:
        return True
    return wanted.strip() == tag or _seconds(wanted) == modified


def encodings_of(header: str, offered: tuple[str, ...]) -> list[str]:
    """Give those of ``offered`` that ``Accept-Encoding`` takes before plain text, the best first."""
    quality: dict[str, float] = {}
    for part in header.lower().split(","):
        name, _, parameter = part.partition(";")
        _, is_given, text = parameter.partition("q=")
        given = _QUALITY.fullmatch(text.strip())
        quality[name.strip()] = float(text) if given else 0.0 if is_given else 1.0
    others = quality.get("*", 0.0)
    plain = quality.get("identity", 0.0)
    wanted = {name: quality.get(name, others) for name in offered}
    taken = [name for name in offered if wanted[name] > 0 and wanted[name] >= plain]
    return sorted(taken, key=lambda name: -wanted[name])


def http_date(seconds: int) -> str:
    """Give a date as in ``Last-Modified`` (RFC 9110, 'Date/Time Formats')."""
    return formatdate(seconds, usegmt=True)


def _lists(header: str, tag: str, *, strongly: bool) -> bool:
    if header.strip() == "*":
        return True
    tags = _TAG.findall(header)
    return tag in tags if strongly else tag in {found.removeprefix("W/") for found in tags}


def _seconds(header: str | None) -> int | None:
    try:
        parsed = parsedate_tz(header) if header else None
        return None if parsed is None else int(mktime_tz(parsed))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
