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
    """
    The context of an ``ssl:`` endpoint string; ``renew`` reads its files again.

    ``client_certificate`` is what the transport's settings say of clients' certificates, or None.
    """

    def __init__(self, reactor: Any, description: str, client_certificate: Any = None) -> None:
        self._reactor = reactor
        self._description = description
        self._client_certificate = client_certificate
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
        if self._client_certificate is not None:
            _ask_for_certificate(context, self._client_certificate)
        return context


def _ask_for_certificate(context: SSL.Context, settings: Any) -> None:
    """
    Let clients show a certificate.

    Without authorities each is taken: the client has its private key, and who it is its fingerprint
    tells. No session is resumed here, so that each connection is judged by today's authorities.
    """
    mode = SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if settings.required else 0)
    if not settings.authorities:
        context.set_verify(mode, lambda *_: True)
        return
    context.set_verify(mode)
    context.load_verify_locations(settings.authorities)
    context.load_client_ca(settings.authorities.encode())


def _select_protocol(_: SSL.Connection, offered: list[bytes]) -> Any:
    """Answer ALPN, which browsers send: Twisted's own answer needs a connection that it made itself."""
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def endpoint_and_context(
    reactor: Any, description: str, client_certificate: Any = None
) -> tuple[Any, RenewableContext | None]:
    """Make the server endpoint of ``description``, and its renewable context where it is TLS."""
    endpoint = serverFromString(reactor, description)
    if not isinstance(endpoint, SSL4ServerEndpoint):
        return endpoint, None
    context = RenewableContext(reactor, description, client_certificate)
    endpoint._sslContextFactory = context
    return endpoint, context
