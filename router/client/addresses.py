"""
Where a router is: the URLs that the client takes.

    ws://host:port/path      wss://host:port/path     WebSocket
    rs://host:port           rss://host:port          RawSocket
    unix:/path               ws+unix:/path:/ws        a Unix socket: RawSocket, or WebSocket with its path

``rs://unix:/path``, as Autobahn writes it, is understood too.
"""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from router.client.failures import UsageError

_PORTS = {"ws": 80, "wss": 443, "rs": 80, "rss": 443}


class Address(NamedTuple):
    """
    Where to connect, and how to speak there.

    :ivar socket: path of a Unix socket; where it is empty, ``host`` and ``port`` say where
    :ivar url: what a WebSocket's request names; empty for RawSocket
    """

    is_websocket: bool
    is_secure: bool
    host: str
    port: int
    socket: str
    url: str


def address(text: str) -> Address:
    """
    Read a URL.

    Raises:
        UsageError: it is none that the client understands.
    """
    for prefix in ("rs://unix:", "unix://", "unix:"):
        if text.startswith(prefix):
            return Address(False, False, "localhost", 0, _socket(text, text.removeprefix(prefix)), "")
    for prefix in ("ws+unix://", "ws+unix:", "ws://unix:"):
        if text.startswith(prefix):
            socket, _, path = text.removeprefix(prefix).partition(":")
            url = f"ws://localhost:80{path or '/ws'}"
            return Address(True, False, "localhost", 0, _socket(text, socket), url)
    return _of_network(text)


def _socket(text: str, path: str) -> str:
    if not path.startswith("/"):
        raise UsageError(f"{text!r}: a Unix socket is an absolute path, as in unix:/run/concord.sock")
    return path


def _of_network(url: str) -> Address:
    text = re.sub(r"//[^/]*@", "//***@", url)  # a password may stand there: it is not shown
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{text!r} is no URL: {error}") from None
    if parts.scheme not in _PORTS:
        raise UsageError(f"{text!r}: a router's URL begins with ws://, wss://, rs://, rss:// or unix:")
    if not parts.hostname or parts.username or parts.fragment:
        raise UsageError(f"{text!r}: expected {parts.scheme}://HOST:PORT, without a user and a fragment")
    is_websocket = parts.scheme in ("ws", "wss")
    if not is_websocket and (parts.path.strip("/") or parts.query):
        raise UsageError(f"{text!r}: RawSocket has no path")
    port = port or _PORTS[parts.scheme]
    host = parts.hostname
    shown = f"[{host}]" if ":" in host else host
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    url = f"{parts.scheme}://{shown}:{port}{resource}" if is_websocket else ""
    return Address(is_websocket, parts.scheme in ("wss", "rss"), host, port, "", url)
