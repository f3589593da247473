"""Conditions, ranges and encodings of a request for a file (RFC 9110)."""

import pytest

from router.web.conditions import Conditions, encodings_of, http_date, is_range_meant, range_of, status_of

TAG, MODIFIED = '"v1-br"', 1_700_000_000
NOW, LATER, EARLIER = (http_date(MODIFIED + seconds) for seconds in (0, 60, -60))


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        (Conditions(), 200),
        (Conditions(if_none_match=TAG), 304),
        (Conditions(if_none_match=f'"a", W/{TAG} , "b"'), 304),
        (Conditions(if_none_match="*"), 304),
        (Conditions(if_none_match='"v1"'), 200),
        (Conditions(if_none_match="v1-br"), 200),
        (Conditions(if_none_match='"a,"v1-br""'), 200),
        (Conditions(if_none_match='"v1"', if_modified_since=NOW), 200),
        (Conditions(if_none_match=TAG, if_modified_since=EARLIER), 304),
        (Conditions(if_modified_since=NOW), 304),
        (Conditions(if_modified_since=LATER), 304),
        (Conditions(if_modified_since=EARLIER), 200),
        (Conditions(if_modified_since="Wed Nov 15 06:13:20 2023"), 304),
        (Conditions(if_modified_since="yesterday"), 200),
        (Conditions(if_modified_since="Tue, 99 Nov 99999999999999 99:99:99 GMT"), 200),
        (Conditions(if_match=TAG), 200),
        (Conditions(if_match="*"), 200),
        (Conditions(if_match=f"W/{TAG}"), 412),
        (Conditions(if_match='"v1"'), 412),
        (Conditions(if_match=TAG, if_unmodified_since=EARLIER), 200),
        (Conditions(if_match=TAG, if_none_match=TAG), 304),
        (Conditions(if_unmodified_since=NOW), 200),
        (Conditions(if_unmodified_since=EARLIER), 412),
        (Conditions(if_unmodified_since="never"), 200),
    ],
)
def test_status(conditions: Conditions, status: int) -> None:
    assert status_of(conditions, TAG, MODIFIED) == status


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("Bytes = 2-5 ", (2, 4)),
        ("bytes=2-", (2, 8)),
        ("bytes=2-99999999999999999", (2, 8)),
        ("bytes=-4", (6, 4)),
        ("bytes=-11", (0, 10)),
        ("bytes=10-12", (0, 0)),
        ("bytes=-0", (10, 0)),
        ("bytes=6-5", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("bytes=" + "9" * 5000 + "-", None),
        ("bytes=\u0661-", None),
        ("octets=0-1", None),
    ],
)
def test_range(header: str, part: tuple[int, int] | None) -> None:
    assert range_of(header, 10) == part


@pytest.mark.parametrize(
    ("if_range", "is_meant"),
    [
        (None, True),
        (TAG, True),
        (f"W/{TAG}", False),
        ('"v1"', False),
        (NOW, True),
        (LATER, False),
        ("x", False),
    ],
)
def test_if_range(if_range: str | None, is_meant: bool) -> None:
    assert is_range_meant(Conditions(if_range=if_range), TAG, MODIFIED) is is_meant


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip, deflate, br, zstd", ["br", "gzip"]),
        ("GZIP", ["gzip"]),
        ("br;q=0.5, gzip;q=1.0", ["gzip", "br"]),
        ("br ; q=0 , gzip", ["gzip"]),
        ("*", ["br", "gzip"]),
        ("*;q=0.5, br;q=0", ["gzip"]),
        ("identity", []),
        ("identity;q=0.5, gzip;q=0.4", []),
        ("gzip;q=1.5", ["gzip"]),
        ("gzip;q=", []),
        ("gzip;level=9", ["gzip"]),
        ("", []),
    ],
)
def test_encodings(header: str, taken: list[str]) -> None:
    assert encodings_of(header, ("br", "gzip")) == taken
