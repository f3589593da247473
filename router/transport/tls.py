"""
TLS contexts that can be read anew, so that a renewed certificate needs no restart.

Twisted's ``ssl:`` endpoint reads its files once. Here its context factory is wrapped: new
connections get the newest context, open ones keep theirs. A certificate that cannot be
read leaves the old one in place.
"""

from typing import Any

from OpenSSL import SSL
from twisted.internet.endpoints import SSL4ServerEndpoint, serverFromString
from twisted.internet.interfaces import IOpenSSLContextFactory
from zope.interface import implementer


@implementer(IOpenSSLContextFactory)
class RenewableContext:
    """The context of an ``ssl:`` endpoint string; ``renew`` reads key and certificate again."""

    def __init__(self, reactor: Any, description: str) -> None:
        self._reactor = reactor
        self._description = description
        self._context = self._read()

    def getContext(self) -> SSL.Context:
        return self._context

    def renew(self) -> None:
        """
        Read the files again.

        Raises:
            Exception: whatever Twisted or OpenSSL says of them; the old context stays.
        """
        self._context = self._read()

    def _read(self) -> SSL.Context:
        endpoint = serverFromString(self._reactor, self._description)
        context: SSL.Context = endpoint._sslContextFactory.getContext()
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_alpn_select_callback(_select_protocol)
        return context


def _select_protocol(_: SSL.Connection, offered: list[bytes]) -> Any:
    """Answer ALPN, which browsers send: Twisted's own answer needs a connection that it made itself."""
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def endpoint_and_context(reactor: Any, description: str) -> tuple[Any, RenewableContext | None]:
    """Make the server endpoint of ``description``, and its renewable context where it is TLS."""
    endpoint = serverFromString(reactor, description)
    if not isinstance(endpoint, SSL4ServerEndpoint):
        return endpoint, None
    context = RenewableContext(reactor, description)
    endpoint._sslContextFactory = context
    return endpoint, context
