"""The header Cookie of a WebSocket's request, and Set-Cookie of its answer."""

from typing import Any

import pytest

from router.cookie_config import TransportCookie
from router.transport.cookies import cookie_for, set_cookie, shown

KNOWN = "k" * 43
SETTINGS = TransportCookie()


def knows(token: str) -> bool:
    return token == KNOWN


@pytest.mark.parametrize(
    "header",
    [
        f"concord={KNOWN}",
        f"a=b; concord={KNOWN}; c=d",
        f'concord="{KNOWN}"',
        f"concord={'x' * 43};concord={KNOWN}",
    ],
)
def test_one_that_is_known_stays(header: str) -> None:
    assert cookie_for(SETTINGS, header, knows) == (KNOWN, None)


@pytest.mark.parametrize(
    "header", [None, "", "a=b", f"other={KNOWN}", f"concord={'x' * 43}", "concord=; concord"]
)
def test_any_other_gets_a_new_one(header: str | None) -> None:
    """256 random bits, for this connection alone."""
    one, other = cookie_for(SETTINGS, header, knows), cookie_for(SETTINGS, header, knows)
    assert one.token != other.token
    assert len(one.token) == 43
    assert one.header == f"concord={one.token}; Path=/; Max-Age=604800; Secure; HttpOnly; SameSite=Strict"


def test_settings() -> None:
    settings = TransportCookie(name="id", path="/ws", max_age_ms=0, secure=False, same_site="lax")
    assert set_cookie(settings, "x") == "id=x; Path=/ws; HttpOnly; SameSite=Lax"


@pytest.mark.parametrize("value", ["x" * 42, "x" * 44, "x" * 42 + "/", "ü" * 43, "x" * 10**6])
def test_what_none_of_ours_looks_like_is_not_looked_up(value: str) -> None:
    assert shown(f"concord={value}", "concord") == []


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"same_site": "none", "secure": False}, "same_site: none needs secure"),
        ({"name": "__Secure-id", "secure": False}, "__Secure-"),
        ({"name": "__Host-id", "secure": False}, "__Host-"),
        ({"name": "__Host-id", "path": "/ws"}, "__Host-"),
    ],
)
def test_what_no_browser_keeps(settings: dict[str, Any], word: str) -> None:
    assert word in str(TransportCookie(**settings).problem())


def test_what_browsers_keep() -> None:
    for settings in (SETTINGS, TransportCookie(name="__Host-id"), TransportCookie(same_site="none")):
        assert settings.problem() is None
