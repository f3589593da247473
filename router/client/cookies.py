"""
Cookies of a router, kept in a file between commands (for the authentication method ``cookie``).

The file is JSON, ``{"host:port/path": {name: value}}``, and readable by its owner alone.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any

from router.client.addresses import Address
from router.client.failures import UsageError
from router.client.outputs import note


class Jar:
    """The cookies of one address."""

    def __init__(self, file: Path | None, address: Address) -> None:
        self._file = file
        self._place = address.url.partition("://")[2]
        self._cookies: dict[str, dict[str, str]] = {}
        if file is not None and file.exists():
            self._cookies = _read(file)

    def headers(self) -> dict[str, str]:
        """Give the request header that shows them."""
        own = self._cookies.get(self._place)
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in own.items())} if own else {}

    def take(self, headers: Mapping[str, Any]) -> None:
        """Keep what the router's answer sets, and forget what it lets expire."""
        text = headers.get("set-cookie")
        if self._file is None or not text:
            return
        cookies: SimpleCookie = SimpleCookie()
        with contextlib.suppress(CookieError):
            cookies.load(text)
        own = self._cookies.setdefault(self._place, {})
        for name, cookie in cookies.items():
            if cookie["max-age"] == "0" or not cookie.value:
                own.pop(name, None)
            else:
                own[name] = cookie.value
        _write(self._file, self._cookies)


def _read(file: Path) -> dict[str, dict[str, str]]:
    try:
        cookies = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the cookie file {file} can't be read: {error}") from None
    if not isinstance(cookies, dict) or not all(isinstance(own, dict) for own in cookies.values()):
        raise UsageError(f"{file} is no cookie file of this client")
    return cookies


def _write(file: Path, cookies: dict[str, dict[str, str]]) -> None:
    """Write the whole file anew, so that it is never there in part."""
    new = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            json.dump(cookies, stream)
        new.replace(file)
    except OSError as error:
        note(f"the cookie file {file} can't be written: {error.strerror}")
