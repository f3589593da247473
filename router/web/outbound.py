"""
Requests that the router itself makes: POST to the URL of a webhook.

Rules of this file:

- An address is judged after its name was resolved, and then connected to as it is: a name that means another
  address a moment later leads nowhere.
- Redirects are not followed. What the receiver answers is read up to ``MAX_ANSWER_BYTES`` and dropped.
- A certificate has to be valid for the URL's host.
"""

from ipaddress import ip_address
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IResolutionReceiver, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool, _HTTP11ClientFactory
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

from realms.webhook_config import is_public

MAX_ANSWER_BYTES: Final = 65536
MAX_ADDRESSES: Final = 4  # of a name, that are tried one after the other


class AddressRefused(ConnectError):
    """A name means addresses to which nothing is sent."""


class Answer:
    """What a receiver said: the status, and how many seconds it wants to be left alone."""

    def __init__(self, status: int, retry_after: float) -> None:
        self.status = status
        self.retry_after = retry_after


class Poster:
    """Sends POST requests, over connections that are kept for a while."""

    def __init__(self, reactor: Any, parallel: int, allow_private_addresses: bool) -> None:
        self._reactor = reactor
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = parallel
        self._pool.cachedConnectionTimeout = 30
        self._pool._factory = _Quiet
        endpoints = _Endpoints(reactor, allow_private_addresses)
        self._agent = Agent.usingEndpointFactory(reactor, endpoints, self._pool)

    def post(self, url: str, headers: dict[str, str], body: bytes, timeout: float) -> "Deferred[Answer]":
        """
        Send ``body``.

        The Deferred fails where there is no answer in ``timeout`` seconds.
        """
        fields = Headers({name: [value] for name, value in headers.items()})
        asked = self._agent.request(b"POST", url.encode(), fields, _Body(body))
        done: Deferred[Answer] = asked.addCallback(_drain)
        return done.addTimeout(timeout, self._reactor)

    def close(self) -> "Deferred[None]":
        """Close the connections that are kept."""
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed


class _Quiet(_HTTP11ClientFactory):
    """Twisted's own factory, without its two lines in the log for each connection."""

    noisy = False


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Where a URL's host is, judged."""

    def __init__(self, reactor: Any, allow_private_addresses: bool) -> None:
        self._reactor = reactor
        self._allow = allow_private_addresses
        self._tls = BrowserLikePolicyForHTTPS()

    def endpointForURI(self, uri: Any) -> Any:
        host: str = uri.host.decode("ascii").strip("[]")
        endpoint: Any = _Judged(self._reactor, host, uri.port, self._allow)
        if uri.scheme == b"https":
            return wrapClientTLS(self._tls.creatorForNetloc(uri.host, uri.port), endpoint)
        return endpoint


@implementer(IStreamClientEndpoint)
class _Judged:
    """An endpoint that resolves its host and connects to none but public addresses."""

    def __init__(self, reactor: Any, host: str, port: int, allow_private_addresses: bool) -> None:
        self._reactor = reactor
        self._host = host
        self._port = port
        self._allow = allow_private_addresses

    def connect(self, factory: Any) -> "Deferred[Any]":
        return self._resolve().addCallback(self._connect, factory)

    def _resolve(self) -> "Deferred[list[str]]":
        found: Deferred[list[str]] = Deferred()
        self._reactor.nameResolver.resolveHostName(_Receiver(found), self._host, self._port)
        return found

    async def _try(self, addresses: list[str], factory: Any) -> Any:
        failed: Exception = ConnectError(string="no address")
        for address in addresses[:MAX_ADDRESSES]:
            kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
            try:
                return await kind(self._reactor, address, self._port).connect(factory)
            except CancelledError:
                raise
            except Exception as error:
                failed = error
        raise failed

    def _connect(self, addresses: list[str], factory: Any) -> "Deferred[Any]":
        allowed = [address for address in addresses if self._allow or is_public(address)]
        if not addresses:
            raise ConnectError(string=f"{self._host} has no address")
        if not allowed:
            raise AddressRefused(string=f"{self._host} has no public address, and no other is allowed")
        return Deferred.fromCoroutine(self._try(allowed, factory))


@implementer(IResolutionReceiver)
class _Receiver:
    """Gathers the addresses of a name."""

    def __init__(self, found: "Deferred[list[str]]") -> None:
        self._found = found
        self._addresses: list[str] = []

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        """Nothing is there yet."""

    def addressResolved(self, address: Any) -> None:
        # A scope, as in fe80::1%eth0, is none of a public address.
        self._addresses.append(str(ip_address(address.host.partition("%")[0])))

    def resolutionComplete(self) -> None:
        if not self._found.called:
            self._found.callback(self._addresses)


@implementer(IBodyProducer)
class _Body:
    """A body that is there as a whole."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> "Deferred[None]":
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Everything is written at once."""

    resumeProducing = stopProducing = pauseProducing


class _Drain(Protocol):
    """Reads an answer's body and forgets it."""

    transport: Any

    def __init__(self, done: "Deferred[Answer]", answer: Answer) -> None:
        self._done = done
        self._answer = answer
        self._read = 0

    def dataReceived(self, data: bytes) -> None:
        self._read += len(data)
        if self._read > MAX_ANSWER_BYTES:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self._done.called:
            self._done.callback(self._answer)

    def abort(self, _: object) -> None:
        """
        Drop the connection: the answer has not ended in its time.

        Twisted's proxy can only ask for the end, which over TLS the receiver would have to agree to.
        """
        producer = getattr(self.transport, "_producer", None)
        getattr(producer, "abortConnection", self.transport.loseConnection)()


def _drain(response: Any) -> "Deferred[Answer]":
    (after, *_) = response.headers.getRawHeaders("retry-after", [""])
    seconds = float(after) if after.isdigit() and len(after) < 10 else 0.0
    done: Deferred[Answer] = Deferred(lambda done: drain.abort(done))
    drain = _Drain(done, Answer(response.code, seconds))
    response.deliverBody(drain)
    return done
