"""
What the router asks of a connection's socket: no delay, keepalive, a close that loses nothing.

Rules of this file:

- A transport may be Twisted's own, uvloop's adapter, or either of them inside TLS or the PROXY
  protocol; a Unix socket has none of these options, and no platform has all of them.
- An option that is not there is no error: the connection works without it.
"""

import socket
from typing import Any, Final

from twisted.internet.interfaces import ISSLTransport
from twisted.protocols.policies import ProtocolWrapper

_TCP_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
_PROBES: Final = 5  # unanswered keepalive probes within one timeout, where the seconds suffice


def innermost(transport: Any) -> Any:
    """Give the transport that owns the socket, inside TLS and the PROXY protocol."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return transport


def set_no_delay(transport: Any) -> None:
    """
    Turn Nagle's algorithm off.

    Autobahn asks for it before it knows its own options and swallows the error
    (benchmark: paced events took 9 ms instead of 0.2 ms).
    """
    switch = getattr(innermost(transport), "setTcpNoDelay", None)
    if switch is not None:
        try:
            switch(True)
        except OSError:
            return  # a Unix socket has no such option


def set_keepalive(transport: Any, interval_ms: int, timeout_ms: int) -> None:
    """
    Let TCP find a dead peer ``interval_ms + timeout_ms`` after its last sign of life.

    Probes begin after ``interval_ms`` of silence. The user timeout also covers what was sent and
    not acknowledged, so it ends a connection whose peer reads nothing for that long.
    """
    handle = _tcp_handle(transport)
    if handle is None:
        return
    timeout = _whole_seconds(timeout_ms)
    probes = min(_PROBES, timeout)
    _set(handle, socket.SOL_SOCKET, "SO_KEEPALIVE", 1)
    _set(handle, socket.IPPROTO_TCP, "TCP_KEEPIDLE", _whole_seconds(interval_ms))
    _set(handle, socket.IPPROTO_TCP, "TCP_KEEPALIVE", _whole_seconds(interval_ms))  # macOS's KEEPIDLE
    _set(handle, socket.IPPROTO_TCP, "TCP_KEEPINTVL", -(-timeout // probes))
    _set(handle, socket.IPPROTO_TCP, "TCP_KEEPCNT", probes)
    _set(handle, socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", interval_ms + timeout_ms)


def lose_after_sending(transport: Any) -> None:
    """
    Send what is written, then the end, and go on reading: the peer's own end closes the connection.

    A socket that is closed while there is something to read resets the connection, and the peer
    never sees what was sent last. TLS waits for its peer's end by itself.
    """
    finish = getattr(innermost(transport), "loseWriteConnection", None)
    if finish is None or ISSLTransport.providedBy(transport):
        transport.loseConnection()
    else:
        finish()


def _tcp_handle(transport: Any) -> Any:
    get_handle = getattr(innermost(transport), "getHandle", None)
    handle = get_handle() if get_handle is not None else None
    return handle if getattr(handle, "family", None) in _TCP_FAMILIES else None


def _set(handle: Any, level: int, name: str, value: int) -> None:
    option = getattr(socket, name, None)
    if option is not None:
        try:
            handle.setsockopt(level, option, value)
        except OSError:
            return  # this platform names it and does not have it


def _whole_seconds(milliseconds: int) -> int:
    return max(1, -(-milliseconds // 1000))
