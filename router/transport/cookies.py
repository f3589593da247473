"""
The cookie by which a browser is known again (RFC 6265; WAMP AP 'Cookie-based Authentication').

Rules of this file:

- A cookie is made for a connection that shows none which a realm knows: what somebody else has planted in a
  browser is replaced, and never becomes the browser's own.
- Scripts can't read it, and by default other sites' pages can't have it sent: a WebSocket is opened with
  the cookies of its host, whatever page opens it.
"""

import re
import secrets
from typing import Any, Final, NamedTuple

TOKEN_BYTES: Final = 32

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes in Base64, as they are made here


class Cookie(NamedTuple):
    """What a connection is known by; ``header`` is what its handshake answers, where the cookie is new."""

    token: str
    header: str | None


def cookie_for(settings: Any, header: str | None, known: Any) -> Cookie:
    """
    Give the cookie of a connection with this request header ``Cookie``.

    ``settings`` are of the transport; ``known(token)`` tells whether a realm knows a cookie.
    """
    for token in shown(header, settings.name):
        if known(token):
            return Cookie(token, None)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return Cookie(token, set_cookie(settings, token))


def shown(header: str | None, name: str) -> list[str]:
    """Read the cookies of this name; several paths or domains may each have set one."""
    pairs = (pair.strip().partition("=") for pair in (header or "").split(";"))
    values = [value.strip('"') for key, _, value in pairs if key == name]
    return [value for value in values if _TOKEN.fullmatch(value)]


def set_cookie(settings: Any, token: str) -> str:
    """Write the header ``Set-Cookie``."""
    parts = [f"{settings.name}={token}", f"Path={settings.path}"]
    if settings.max_age_ms:
        parts.append(f"Max-Age={settings.max_age_ms // 1000}")
    if settings.secure:
        parts.append("Secure")
    return "; ".join([*parts, "HttpOnly", f"SameSite={settings.same_site.capitalize()}"])
