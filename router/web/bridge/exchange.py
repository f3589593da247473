"""
One HTTP request and its answer, over Twisted's request.

Rules of this file: there is one answer, in JSON or as a stream; what comes after the end, or after the client
has gone, is dropped.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.web.server import Request

from router.transport.sockets import set_keepalive
from router.web.bridge.answers import Refused, headers_of, refusal, status_of

JSON_TYPE: Final = "application/json"
EVENTS_TYPE: Final = "text/event-stream"
_ACKNOWLEDGE_MS: Final = (
    10_000  # how long what is sent to a stream's client may wait for TCP's acknowledgement
)


class Exchange:
    """
    A request, its ``body``, and the way to answer it.

    :ivar on_gone: called once, where the client goes before it has its answer
    """

    def __init__(self, request: Request) -> None:
        self.method: str = request.method.decode("latin-1")
        self.path: list[bytes] = request.postpath or []
        self.query: dict[bytes, list[bytes]] = request.args
        self.is_over = False
        self.is_streaming = False
        self.on_gone: Callable[[], object] = _nothing
        self._request: Any = request
        request.notifyFinish().addErrback(self._gone)

    @property
    def body(self) -> bytes:
        content = self._request.content
        content.seek(0)
        body: bytes = content.read()
        return body

    @property
    def transport(self) -> Any:
        """What the request came over."""
        return self._request.channel.transport

    @property
    def target(self) -> str | None:
        """The request's target as it was sent; ``None`` where it is not ASCII."""
        uri: bytes = self._request.uri
        return uri.decode() if uri.isascii() else None

    def header(self, name: str) -> str | None:
        """Give a header's value; of several the last."""
        value: str | None = self._request.getHeader(name)
        return value

    def headers(self) -> dict[str, str]:
        """Give all headers but the credentials, by their lower-case names."""
        found = {
            name.decode("latin-1").lower(): b", ".join(values).decode("latin-1")
            for name, values in self._request.requestHeaders.getAllRawHeaders()
        }
        found.pop("authorization", None)
        return found

    def accepts_events(self) -> bool:
        """Tell whether the client wants server-sent events."""
        media = (part.partition(";")[0].strip().lower() for part in (self.header("accept") or "").split(","))
        return EVENTS_TYPE in media

    def set_headers(self, headers: Mapping[str, str]) -> None:
        """Add headers to the answer."""
        for name, value in headers.items():
            self._request.setHeader(name, value)

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Answer with JSON, or with nothing where ``body`` is empty."""
        if self.is_over:
            return
        self.is_over = True
        request = self._request
        request.setResponseCode(status)
        self.set_headers({"Cache-Control": "no-store", **(headers or {})})
        if body:
            self.set_headers({"Content-Type": JSON_TYPE, "Content-Length": str(len(body))})
            request.write(body)
        request.finish()

    def refuse(self, refused: Refused) -> None:
        """Answer that nothing was done."""
        self.answer(refused.status, refusal(refused.error, refused.text), refused.headers)

    def fail(self, error: str, text: str) -> None:
        """Answer with an error of WAMP that has no payload."""
        status = status_of(error)
        self.answer(status, refusal(error, text), headers_of(status))

    def stream(self, producer: Any, heartbeat_ms: int) -> None:
        """Begin an answer as server-sent events; ``producer`` is told when the client takes no more."""
        self.is_streaming = True
        request = self._request
        set_keepalive(self.transport, heartbeat_ms, _ACKNOWLEDGE_MS)
        headers = {"Content-Type": EVENTS_TYPE, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        self.set_headers(headers)
        request.registerProducer(producer, True)

    def write(self, data: bytes) -> None:
        """Send a piece of a stream."""
        if not self.is_over:
            self._request.write(data)

    def end_stream(self) -> None:
        """The stream is complete."""
        if not self.is_over:
            self.is_over = True
            self._request.unregisterProducer()
            self._request.finish()

    def abort(self) -> None:
        """Drop the connection of a client that takes nothing."""
        if not self.is_over:
            self.transport.abortConnection()

    def _gone(self, _: object) -> None:
        if not self.is_over:
            self.is_over = True
            self.on_gone()


def _nothing() -> None:
    """Nobody has to know."""
