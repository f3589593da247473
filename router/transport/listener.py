"""
What the connections of one configured transport share.

A listener knows its settings, counts its connections, watches them for signs of life, and
makes a ``Connection`` for each client that has come through its framing's own handshake.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import ISSLTransport
from twisted.logger import Logger

from router.routing.handshake import FrontDoor, Peer, State
from router.transport.client_address import forwarded_for
from router.transport.connection import Connection
from router.transport.cookies import cookie_for
from router.transport.liveness import Liveness, Watched
from router.transport.outbox import Carrier, Turn
from router.transport.tls_peer import channel_binding, client_certificate
from router.wamp.serializers import Serializer


class Listener:
    """One entry under ``transports`` in router.yaml, while it is served."""

    log = Logger("router.listener")

    def __init__(self, settings: Any, entrance: FrontDoor, turn: Turn, counters: Counter[str]) -> None:
        self.settings = settings
        self.turn = turn
        self.counters = counters
        self.connections: set[Any] = set()
        heartbeat = settings.heartbeat
        self._pings = getattr(heartbeat, "ping", True)
        times = (heartbeat.interval_ms if self._pings else 0, heartbeat.timeout_ms)
        self.liveness = Liveness(settings.handshake_timeout_ms, *times)
        # (interval_ms, timeout_ms) -> who watches with these times; a realm may have its own
        self._watches = {times: self.liveness}
        self._on_watch: Callable[[Liveness], None] | None = None
        self._entrance = entrance
        self._realms = frozenset(settings.realms) or None
        self._trusted = [
            ipaddress.ip_network(text, strict=False) for text in getattr(settings, "trusted_proxies", ())
        ]

    def start(self, on_watch: Callable[[Liveness], None]) -> None:
        """Tell ``on_watch`` of each ``Liveness`` that is to tick, now and later."""
        self._on_watch = on_watch
        for watch in self._watches.values():
            on_watch(watch)

    def admits(self) -> bool:
        """Tell whether one more connection may stay."""
        if len(self.connections) < self.settings.connections:
            return True
        self.counters["connections_refused"] += 1
        return False

    def connected(self, carrier: Watched) -> None:
        """A connection has come."""
        self.connections.add(carrier)
        self.counters["connections"] += 1
        self.liveness.opened(carrier, self.turn.now())

    def disconnected(self, carrier: Watched) -> None:
        """A connection is gone."""
        self.connections.discard(carrier)
        for watch in self._watches.values():
            watch.closed(carrier)

    def handed_over(self, carrier: Watched) -> None:
        """A connection became one of the web site, which has its own timeouts."""
        self.liveness.closed(carrier)

    def handed_back(self, carrier: Watched) -> None:
        """A connection of the web site is to become a WebSocket."""
        self.liveness.opened(carrier, self.turn.now())

    def silent(self, connection: Connection | None) -> None:
        """A peer gave no sign of life."""
        self.counters["heartbeats_missed"] += 1
        if connection is not None:
            self.log.warn("{who}: no sign of life, dropped", who=connection.who())

    def connection(self, peer: Peer, serializer: Serializer, carrier: Carrier) -> Connection:
        """Make the connection of a carrier whose framing is settled."""
        return Connection(
            peer, serializer, carrier, self._entrance, self.turn, self.counters, self._state_changed
        )

    def peer(self, transport: Any, kind: str, headers: Mapping[str, str] | None = None) -> Peer:
        """Describe who is at the other end; behind a trusted proxy, who is behind that."""
        address = transport.getPeer()
        if isinstance(address, UNIXAddress) or not hasattr(address, "host"):
            host, text = "", "unix"
        else:
            host = address.host
            text = f"tcp:{host}:{address.port}"
        if headers is not None and self._trusted:
            real = forwarded_for(host, headers, self._trusted)
            if real != host:
                host, text = real, f"{text} for {real}"
        secure = ISSLTransport.providedBy(transport)
        asked = getattr(self.settings, "client_certificate", None)
        return Peer(
            address=text,
            host=host,
            transport=kind,
            listener=self.settings.name,
            secure=secure,
            message_limit_bytes=self.settings.message_limit_bytes,
            realms=self._realms,
            headers=headers,
            # One client over many connections is bound to none of them.
            channel_binding=partial(channel_binding, transport.getHandle())
            if secure and kind in ("websocket", "rawsocket")
            else None,
            certificate=client_certificate(transport.getHandle(), asked.authorities != "")
            if secure and asked is not None
            else None,
        )

    def with_cookie(self, peer: Peer) -> tuple[Peer, dict[str, str]]:
        """Give the peer of a WebSocket with its cookie, and the headers that set it where it is new."""
        settings = getattr(self.settings, "cookie", None)
        if settings is None:
            return peer, {}
        header = (peer.headers or {}).get("cookie")
        token, set_cookie = cookie_for(settings, header, self._entrance.recognizes)
        peer = replace(peer, cookie=token, cookie_is_new=set_cookie is not None)
        return peer, {} if set_cookie is None else {"Set-Cookie": set_cookie}

    def _state_changed(self, carrier: Any, state: State) -> None:
        if state is State.ESTABLISHED:
            self._watch(carrier.connection.realm.heartbeat, carrier)
        else:
            self.liveness.left(carrier, self.turn.now())

    def _watch(self, heartbeat: Any, carrier: Any) -> None:
        """Watch an open session with its realm's times, or with this transport's."""
        watch = self.liveness
        if heartbeat is not None and self._pings:
            times = (heartbeat.interval_ms, heartbeat.timeout_ms)
            if times not in self._watches:
                self._watches[times] = Liveness(self.settings.handshake_timeout_ms, *times)
                if self._on_watch is not None:
                    self._on_watch(self._watches[times])
            watch = self._watches[times]
        for other in self._watches.values():
            if other is not watch:
                other.closed(carrier)  # it may come from another realm
        watch.joined(carrier)
