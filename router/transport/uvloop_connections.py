"""
What a connection of the uvloop reactor is beyond a stream: addresses and options, of TCP and of UNIX sockets.

The options are asked of the kernel each time: what a getter says is what the socket has.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import ITCPTransport
from zope.interface import implementer

from router.transport.uvloop_transport import UvloopTransport

if TYPE_CHECKING:
    from router.transport.uvloop_reactor import UvloopUNIXPort

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, zero seconds


def _ip_address(pair: tuple[Any, ...]) -> IPv4Address | IPv6Address:
    """``(host, port)`` or ``(host, port, flow, scope)`` as Twisted's address; link-local with its scope."""
    if len(pair) == 2:
        return IPv4Address("TCP", *pair)
    host, *rest = pair
    if pair[3] and "%" not in host:
        host = socket.getnameinfo(pair, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    return IPv6Address("TCP", host, *rest)


@implementer(ITCPTransport)
class UvloopTCPTransport(UvloopTransport):
    """A TCP connection. uvloop has set TCP_NODELAY before anybody sees it."""

    __slots__ = ()

    def getHost(self) -> IPv4Address | IPv6Address:
        return _ip_address(self._uv.get_extra_info("sockname"))

    def getTcpNoDelay(self) -> bool:
        return self._option(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    def setTcpNoDelay(self, enabled: bool) -> None:
        self._set_option(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(enabled))

    def getTcpKeepAlive(self) -> bool:
        return self._option(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self._set_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(enabled))

    def _option(self, level: int, name: int) -> bool:
        return self.connected and bool(self.getHandle().getsockopt(level, name))

    def _set_option(self, level: int, name: int, value: int | bytes) -> None:
        if self.connected:
            self.getHandle().setsockopt(level, name, value)

    def _reset_on_close(self) -> None:
        self._set_option(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    def _find_peer(self) -> IPv4Address | IPv6Address | None:
        peer = self._uv.get_extra_info("peername")
        return None if peer is None else _ip_address(peer)  # None: reset before it was accepted


class UvloopUNIXTransport(UvloopTransport):
    """A UNIX connection; like Twisted's, it ignores the TCP options that callers set without looking."""

    __slots__ = ()
    _port: UvloopUNIXPort

    def getHost(self) -> UNIXAddress:
        return UNIXAddress(self._port.path)

    def getTcpNoDelay(self) -> bool:
        return False

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Do nothing: there is no such option."""

    def _find_peer(self) -> UNIXAddress:
        return UNIXAddress(self._uv.get_extra_info("peername") or None)
