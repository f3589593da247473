"""
The HTTP bridge of one transport: a ``twisted.web`` resource.

    POST <path>/<realm>/call             {procedure, args, kwargs, options} -> {args, kwargs}
    POST <path>/<realm>/publish          {topic, args, kwargs, options} -> {publication}
    POST <path>/<realm>/call/<URI>       {args, kwargs, options} -> {args, kwargs}
    POST <path>/<realm>/publish/<URI>    {args, kwargs, options} -> {publication}
    GET  <path>/<realm>/subscribe        ?topic=...&match=... -> server-sent events
    GET  <path>/<realm>/openapi.json     what the realm offers to who asks
    GET  <path>/openapi.json             a description of these

Rules of this file:

- A request is judged in this order: path, method, type of the body, bounds of the bridge, credentials, body.
  The realm sees nothing of what is refused here.
- Whoever is let in has a session of the realm: authorization, disclosure and limits are the realm's.
- What goes wrong is answered with JSON; a defect of ours is logged, and the client learns no more than that.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Hashable
from functools import partial
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Raw
from msgspec.structs import replace
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from realms.auth import Identity
from realms.auth.signature import SignatureMethod
from realms.directory import Directory
from realms.permissions import Role
from realms.realm import Realm
from router.routing.handshake import Peer
from router.transport.inside import Client, Credential, InsideConnection
from router.transport.listener import Listener
from router.wamp import uris
from router.wamp.messages import Call, Error, Result
from router.web.bridge.answers import (
    Refused,
    error_body,
    headers_of,
    result_body,
    status_of,
    unauthorized,
)
from router.web.bridge.bodies import call_wire, publish_wire, wanted
from router.web.bridge.config import Bridge
from router.web.bridge.cors import CorsRules
from router.web.bridge.credentials import ANONYMOUS, SHOWN, Sender, Signed, sender_of
from router.web.bridge.exchange import JSON_TYPE, Exchange
from router.web.bridge.nonces import Nonces
from router.web.bridge.openapi import description
from router.web.bridge.openapi_realm import realm_description
from router.web.bridge.sessions import Sessions, SharedSession
from router.web.bridge.streams import CallStream, Stream, Times
from router.web.bridge.subscribe_stream import SubscribeStream

LIST_PROCEDURES: Final = "wamp.reflection.procedure.list"

# Tells tickets apart in the table of sessions without keeping them there.
_KEY: Final = secrets.token_bytes(32)


class _Ask:
    """A request that waits for the one answer of its session."""

    def __init__(self, bridge: "BridgeResource", exchange: Exchange, size_bytes: int = 0) -> None:
        self._bridge = bridge
        self._exchange = exchange
        self._size_bytes = size_bytes
        bridge.waiting += 1
        bridge.waiting_bytes += size_bytes

    def over(self) -> None:
        """Let another request take its place."""
        self._bridge.waiting -= 1
        self._bridge.waiting_bytes -= self._size_bytes

    def answered(self, code: int, fields: list[Raw]) -> None:
        self.over()
        if code == Error.CODE:
            error = msgspec.json.decode(fields[4], type=str)
            status = status_of(error)
            self._exchange.answer(status, error_body(error, fields[5:]), headers_of(status))
        elif code == Result.CODE:
            self._exchange.answer(200, result_body(fields[2], fields[3:]))
        else:
            self._exchange.answer(200, b'{"publication":%b}' % bytes(fields[2]))

    def ended(self, reason: str, text: str) -> None:
        self.over()
        self._exchange.fail(reason, text)


class _AskWhatThereIs(_Ask):
    """A request for what a realm offers: the answer is made of the list of procedures."""

    def __init__(self, bridge: "BridgeResource", exchange: Exchange, session: SharedSession) -> None:
        super().__init__(bridge, exchange)
        self._session = session

    def answered(self, code: int, fields: list[Raw]) -> None:
        if code != Result.CODE:
            super().answered(code, fields)
            return
        self.over()
        (registered,) = msgspec.json.decode(fields[3])
        self._exchange.answer(200, self._bridge.described_for(self._session, registered))


class BridgeResource(Resource):
    """
    The bridge of one transport.

    :ivar waiting: requests that wait for their answer; ``waiting_bytes``: their bodies
    :ivar streams: answers as server-sent events
    """

    isLeaf = True
    log = Logger("router.bridge")

    def __init__(
        self, settings: Bridge, listener: Listener, directory: Directory, nonces: Nonces, reactor: Any
    ) -> None:
        super().__init__()
        self.waiting = self.waiting_bytes = 0
        self.streams: set[object] = set()
        self.sessions = Sessions(
            settings, listener.settings.handshake_timeout_ms, reactor.callLater, listener.turn.now
        )
        self._settings = settings
        self._listener = listener
        self._directory = directory
        self._nonces = nonces
        self._reactor = reactor
        self._cors = CorsRules(settings.cors)
        self._realms = frozenset(settings.realms)

    def render(self, request: Request) -> int:
        """Answer a request, now or later."""
        exchange = Exchange(request)
        try:
            self._serve(exchange)
        except Refused as refused:
            if refused.status == 401:
                self._log(exchange, refused)
            exchange.refuse(refused)
        except Exception:
            self._listener.counters["defects"] += 1
            self.log.failure("defect in the HTTP bridge")
            exchange.fail(uris.INTERNAL_ERROR, "internal error")
        return NOT_DONE_YET

    def _serve(self, exchange: Exchange) -> None:
        self._listener.counters["http_requests"] += 1
        is_preflight = exchange.method == "OPTIONS"
        exchange.set_headers(self._cors.headers(exchange.header("origin"), is_preflight))
        method, serve = self._find(exchange.path)
        if is_preflight:
            exchange.answer(204, b"", {"Allow": f"{method}, OPTIONS"})
        elif exchange.method != method:
            text = f"only {method} is allowed here"
            raise Refused(405, uris.INVALID_ARGUMENT, text, {"Allow": f"{method}, OPTIONS"})
        else:
            serve(exchange)

    def _find(self, path: list[bytes]) -> tuple[str, Callable[[Exchange], None]]:
        if (len(path) == 2 and path[1] in _ACTIONS) or (len(path) == 3 and path[1] in _WITH_URI and path[2]):
            method, name = _ACTIONS[path[1]]
            return method, getattr(self, name)
        if path == [b"openapi.json"]:
            return "GET", self._describe
        base = self._settings.path
        text = f"here are {base}/<realm>/call, /publish and /subscribe, and {base}/openapi.json"
        raise Refused(404, uris.INVALID_URI, text)

    def _call(self, exchange: Exchange) -> None:
        body = self._body_of(exchange)
        peer = self._peer_of(exchange)
        sender = self._sender_of(exchange, peer, body)
        progress = exchange.accepts_events()
        wire = call_wire(body, self._settings.call_timeout_ms, progress, _uri_of(exchange))
        if progress:
            self._check_room_for_stream()
            self._stream(exchange, peer, sender, partial(CallStream, wire), len(body))
        else:
            session = self._session_for(exchange, peer, sender)
            ask = _Ask(self, exchange, len(body))
            exchange.on_gone = lambda: session.cancel(ask)
            session.ask(wire, ask)

    def _publish(self, exchange: Exchange) -> None:
        body = self._body_of(exchange)
        peer = self._peer_of(exchange)
        sender = self._sender_of(exchange, peer, body)
        wire = publish_wire(body, _uri_of(exchange))
        self._session_for(exchange, peer, sender).ask(wire, _Ask(self, exchange, len(body)))

    def _subscribe(self, exchange: Exchange) -> None:
        self._check_room_for_stream()
        peer = self._peer_of(exchange)
        sender = self._sender_of(exchange, peer, b"")
        topics = wanted(exchange.query, exchange.header("last-event-id"))
        self._stream(exchange, peer, sender, partial(SubscribeStream, topics))

    def _describe(self, exchange: Exchange) -> None:
        exchange.answer(200, msgspec.json.encode(description(self._settings)))

    def _describe_realm(self, exchange: Exchange) -> None:
        """Answer with what the realm shows to who may ask it by WAMP (WAMP AP 'Interface Reflection')."""
        self._check_room_for_request()
        peer = self._peer_of(exchange)
        sender = self._sender_of(exchange, peer, b"")
        session = self._session_for(exchange, peer, sender)
        session.ask([Call.CODE, 1, {}, LIST_PROCEDURES], _AskWhatThereIs(self, exchange, session))

    def described_for(self, session: SharedSession, registered: list[str]) -> bytes:
        """Describe what ``session`` may call, of what is described or ``registered``, and may publish."""
        connection = session.connection.connection
        caller, realm = connection.session, connection.realm
        assert caller is not None
        assert isinstance(realm, Realm)
        offered: dict[str, dict[str, Any]] = {"procedure": {uri: {} for uri in registered}, "topic": {}}
        for (kind, match, uri), told in realm.reflection.described().items():
            if kind in offered and match == uris.EXACT:
                offered[kind][uri] = told
        role: Role = caller.role
        for kind, action in (("procedure", "call"), ("topic", "publish")):
            offered[kind] = {
                uri: told
                for uri, told in offered[kind].items()
                if role.judge(action, uri).grant.error is None  # type: ignore[arg-type]  # both are actions
            }
        found = realm_description(self._settings, realm.name, offered["procedure"], offered["topic"])
        return msgspec.json.encode(found)

    def _body_of(self, exchange: Exchange) -> bytes:
        """
        Give the body of a POST.

        JSON has to be named: a page of another origin cannot send that without being asked (CORS), whereas
        it can send a form.
        """
        kind = (exchange.header("content-type") or "").partition(";")[0].strip().lower()
        if kind != JSON_TYPE:
            raise Refused(415, uris.INVALID_ARGUMENT, f"the body's Content-Type must be {JSON_TYPE}")
        body = exchange.body
        limit = self._settings.body_limit_bytes
        if len(body) > limit:
            text = f"the body has {len(body)} bytes: limit body_limit_bytes={limit}"
            raise Refused(413, uris.PAYLOAD_SIZE_EXCEEDED, text)
        self._check_room_for_request(len(body))
        return body

    def _check_room_for_request(self, size_bytes: int = 0) -> None:
        settings = self._settings
        if self.waiting >= settings.requests:
            raise _full("requests", settings.requests)
        if self.waiting_bytes + size_bytes > settings.requests_bytes:
            raise _full("requests_bytes", settings.requests_bytes)

    def _check_room_for_stream(self) -> None:
        if len(self.streams) >= self._settings.streams:
            raise _full("streams", self._settings.streams)

    def _sender_of(self, exchange: Exchange, peer: Peer, body: bytes) -> Sender:
        target = exchange.target
        if target is None:
            raise Refused(
                400, uris.INVALID_URI, "the request's target must be ASCII: percent-encode the rest"
            )
        signed = Signed(exchange.method, target, body)
        header = exchange.header("authorization")
        if header is None:
            return ANONYMOUS if peer.certificate is None else SHOWN
        return sender_of(header, signed, time.time(), self._settings.signature_window_ms)

    def _session_for(self, exchange: Exchange, peer: Peer, sender: Sender) -> SharedSession:
        realm = _realm_of(exchange)
        key = self._key_of(realm, peer, sender)
        is_open = self._directory.realms.get(realm)
        version = is_open.config.authentication if is_open is not None else None
        connect = partial(self._connect, peer)
        return self.sessions.get(realm, sender.credential, key, version, connect)

    def _stream(
        self,
        exchange: Exchange,
        peer: Peer,
        sender: Sender,
        make: Callable[..., Stream],
        size_bytes: int = 0,
    ) -> None:
        realm = _realm_of(exchange)
        self._key_of(realm, peer, sender)
        times = Times(self._listener.settings.handshake_timeout_ms, self._settings.heartbeat_ms)
        stream = make(exchange, partial(self._connect, peer), self._reactor.callLater, times)
        stream.on_end = partial(self._stream_over, size_bytes)
        self.streams.add(stream)
        self.waiting_bytes += size_bytes
        stream.connection.join(realm, sender.credential)

    def _stream_over(self, size_bytes: int, stream: Stream) -> None:
        self.streams.discard(stream)
        self.waiting_bytes -= size_bytes

    def _connect(
        self, peer: Peer, client: Client, write: Callable[[bytes], object] | None = None
    ) -> InsideConnection:
        listener = self._listener
        return InsideConnection(client, peer, self._directory, listener.turn, listener.counters, write)

    def _peer_of(self, exchange: Exchange) -> Peer:
        peer = self._listener.peer(exchange.transport, "http", exchange.headers())
        return replace(peer, realms=self._realms or peer.realms)

    def _key_of(self, realm: str, peer: Peer, sender: Sender) -> Hashable:
        """
        Give what two requests have in common that may share a session.

        Raises:
            Refused: with 401, where the request is signed well and was sent before.
        """
        credential = sender.credential
        shown = peer.certificate.fingerprint if peer.certificate is not None else ""
        parts = [*credential.authmethods, credential.authid or "", shown]
        if sender.nonce and self._is_signed_well(realm, credential):
            self._use_nonce(realm, peer, sender)  # the signature is another one each time, and was judged
        else:
            parts.append(credential.signature)
        return realm, peer.host, hmac.digest(_KEY, "\0".join(parts).encode(), sha256)

    def _is_signed_well(self, realm: str, credential: Credential) -> bool:
        """
        Judge a signature for a session that may be there already.

        One that is wrong goes the way of every other credential, with its answer, log line and count.
        """
        is_open = self._directory.realms.get(realm)
        method = is_open.methods.get(SignatureMethod.name) if is_open is not None else None
        if not isinstance(method, SignatureMethod):
            return False
        authid, text = credential.authid or "", credential.extra["text"]
        return isinstance(method.judge(authid, text, credential.signature), Identity)

    def _use_nonce(self, realm: str, peer: Peer, sender: Sender) -> None:
        authid = sender.credential.authid
        # A timestamp may lie ahead by one window, and is good for another one.
        seconds = 2 * self._settings.signature_window_ms / 1000
        now, limit = self._listener.turn.now(), self._settings.nonces
        wrong = self._nonces.use((realm, authid), sender.nonce, now, seconds, limit)
        if wrong:
            raise unauthorized(wrong, f"signature: {authid!r}: {wrong}")

    def _log(self, exchange: Exchange, refused: Refused) -> None:
        """Say who was not let in, and why, as a connection does of a client that it asked itself."""
        self._listener.counters["refused_joins"] += 1
        address = self._peer_of(exchange).address
        text = "{address} refused: {reason}: {why}"
        self.log.warn(text, address=address, reason=refused.error, why=refused.why or refused.text)


# the last part of the path -> method, name of what serves it
_ACTIONS: Final = {
    b"call": ("POST", "_call"),
    b"publish": ("POST", "_publish"),
    b"subscribe": ("GET", "_subscribe"),
    b"openapi.json": ("GET", "_describe_realm"),
}
_WITH_URI: Final = (b"call", b"publish")  # after which the path may name the procedure or topic


def _realm_of(exchange: Exchange) -> str:
    try:
        return exchange.path[0].decode()
    except UnicodeDecodeError:
        raise Refused(400, uris.INVALID_URI, "the realm's name is no UTF-8") from None


def _uri_of(exchange: Exchange) -> str | None:
    """Give the procedure or topic that the path names."""
    if len(exchange.path) < 3:
        return None
    try:
        return exchange.path[2].decode()
    except UnicodeDecodeError:
        raise Refused(400, uris.INVALID_URI, "the path is no UTF-8") from None


def _full(limit: str, number: int) -> Refused:
    text = f"limit {limit}={number} of the bridge is reached"
    return Refused(503, uris.LIMIT_EXCEEDED, text, headers_of(503))
