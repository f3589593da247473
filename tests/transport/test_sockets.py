"""Options of a socket, whatever lies around it."""

import socket
from typing import Any

import pytest
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from zope.interface import directlyProvides

from router.transport.sockets import innermost, lose_after_sending, set_keepalive, set_no_delay


class Transport(StringTransport):
    """A transport with a real, unconnected socket behind it."""

    def __init__(self, sock: socket.socket | None = None, fails: bool = False) -> None:
        super().__init__()
        self.sock = sock
        self.fails = fails
        self.half_closed = False
        self.no_delay = False

    def getHandle(self) -> Any:
        return self.sock

    def setTcpNoDelay(self, enabled: bool) -> None:
        if self.fails:
            raise OSError(95, "Operation not supported")
        self.no_delay = enabled

    def loseWriteConnection(self) -> None:
        self.half_closed = True


def wrapped(transport: Any) -> ProtocolWrapper:
    """Put ``transport`` into another protocol, as TLS and PROXY do."""
    wrapper: ProtocolWrapper = ProtocolWrapper(WrappingFactory(Factory.forProtocol(Protocol)), Protocol())
    wrapper.makeConnection(transport)
    return wrapper


def test_innermost() -> None:
    transport = Transport()
    assert innermost(transport) is transport
    assert innermost(wrapped(wrapped(transport))) is transport


def test_no_delay_where_there_is_such_an_option() -> None:
    transport, unix = Transport(), Transport(fails=True)
    set_no_delay(wrapped(transport))
    set_no_delay(unix)
    set_no_delay(StringTransport())
    assert transport.no_delay
    assert not unix.no_delay


@pytest.mark.parametrize(
    ("interval_ms", "timeout_ms", "idle", "between", "probes"),
    [(10_000, 10_000, 10, 2, 5), (1500, 3000, 2, 1, 3), (100, 100, 1, 1, 1), (60_000, 7000, 60, 2, 5)],
)
def test_keepalive_covers_interval_and_timeout(
    interval_ms: int, timeout_ms: int, idle: int, between: int, probes: int
) -> None:
    with socket.socket() as sock:
        set_keepalive(wrapped(Transport(sock)), interval_ms, timeout_ms)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        expected = {
            "TCP_KEEPIDLE": idle,
            "TCP_KEEPINTVL": between,
            "TCP_KEEPCNT": probes,
            "TCP_USER_TIMEOUT": interval_ms + timeout_ms,
        }
        for name, value in expected.items():
            if hasattr(socket, name):  # no platform but Linux has all of them
                assert sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value, name


def test_keepalive_asks_no_unix_socket_and_no_closed_one() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        set_keepalive(Transport(ours), 1000, 1000)
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
    set_keepalive(Transport(None), 1000, 1000)
    set_keepalive(StringTransport(), 1000, 1000)
    closed = socket.socket()
    closed.close()
    set_keepalive(Transport(closed), 1000, 1000)


def test_losing_after_sending() -> None:
    """Half of a plain connection is closed; TLS, and what knows no halves, closes as a whole."""
    plain, tls, simple = Transport(), Transport(), StringTransport()
    around = wrapped(plain)
    lose_after_sending(around)
    assert (plain.half_closed, plain.disconnecting) == (True, False)
    directlyProvides(tls, ISSLTransport)
    lose_after_sending(wrapped(tls))
    assert (tls.half_closed, tls.disconnecting) == (False, True)
    lose_after_sending(simple)
    assert simple.disconnecting
