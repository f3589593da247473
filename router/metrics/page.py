"""
What monitoring reads over HTTP: the metrics of a node, and whether it is well.

Rules of this file:

- Metrics are for those whom the configuration lets read them; who may not is told nothing of them.
- Whether a router is well is no secret: a status and one word, for probes of load balancers.
"""

import hmac
import ipaddress
from collections.abc import Callable
from typing import Any, Final

from prometheus_client.exposition import choose_encoder
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import Request

from router.metrics.collector import registry_of
from router.metrics.config import Metrics

TEXT: Final = b"text/plain; charset=utf-8"


class MetricsPage(Resource):
    """The metrics of ``node``, in the format that the reader asks for: Prometheus' text or OpenMetrics."""

    isLeaf = True
    log = Logger("router.metrics")

    def __init__(self, settings: Metrics, node: Any, listener: Any) -> None:
        super().__init__()
        self._allow = [ipaddress.ip_network(text, strict=False) for text in settings.allow]
        self._token = settings.token
        self._listener = listener
        self._registry = registry_of(node)

    def render_GET(self, request: Request) -> bytes:
        """Answer with all metrics; 401 or 403 to those who may not have them."""
        headers = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        host = self._listener.peer(request.channel.transport, "http", headers).host
        if host == self._address(request) and {"forwarded", "x-forwarded-for"} & headers.keys():
            return self._refuse(request, 403, host, "it is a proxy, and none of trusted_proxies")
        if not self._may(host):
            return self._refuse(request, 403, host, "its address is not allowed")
        if not self._knows(headers.get("authorization", "")):
            request.setHeader(b"WWW-Authenticate", b"Bearer")
            return self._refuse(request, 401, host, "no token, or a wrong one")
        encode, content_type = choose_encoder(headers.get("accept", ""))
        request.setHeader(b"Content-Type", content_type.encode())
        request.setHeader(b"Cache-Control", b"no-store")
        page: bytes = encode(self._registry)
        return page

    def _address(self, request: Request) -> str:
        return str(self._listener.peer(request.channel.transport, "http").host)

    def _may(self, host: str) -> bool:
        if not host:
            return True  # a Unix socket: who may connect is the file's business
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._allow)

    def _knows(self, authorization: str) -> bool:
        if self._token is None:
            return True
        scheme, _, token = authorization.partition(" ")
        wanted = self._token.reveal().encode()
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), wanted)

    def _refuse(self, request: Request, status: int, host: str, why: str) -> bytes:
        self.log.warn("metrics refused to {host}: {why}", host=host or "unix", why=why)
        return _plain(request, status, b"the metrics are not for you\n")


class HealthPage(Resource):
    """Answers 200 while ``is_well()``, else 503."""

    isLeaf = True

    def __init__(self, is_well: Callable[[], bool]) -> None:
        super().__init__()
        self._is_well = is_well

    def render_GET(self, request: Request) -> bytes:
        """Answer."""
        is_well = self._is_well()
        request.setHeader(b"Cache-Control", b"no-store")
        return _plain(request, 200, b"ok\n") if is_well else _plain(request, 503, b"not ready\n")


def _plain(request: Request, status: int, text: bytes) -> bytes:
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", TEXT)
    return text
