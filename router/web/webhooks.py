"""
Webhooks: events of a realm's topics, each sent to a URL by a signed POST.

Rules of this file:

- Each webhook has a session of its realm, with the role that the configuration gives it: it gets what that
  role may subscribe, respects eligible and exclude lists, and appears in the meta API.
- A webhook whose settings change keeps what waits in its queue. One that is no longer subscribed is again
  after the next change, or after ``REJOIN_SECONDS``.
- The signature is that of Standard Webhooks: HMAC-SHA256 of id, timestamp and body.
"""

import base64
import hmac
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import sha256
from random import random
from typing import Any, Final

import msgspec
from msgspec import Raw
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import ConnectError
from twisted.logger import Logger
from twisted.python.failure import Failure

from realms.auth import Identity
from realms.config import RealmConfig
from realms.directory import Directory
from realms.webhook_config import Webhook, default_name, key_of
from router import __version__
from router.routing.handshake import Entrance, Peer
from router.transport.inside import Credential, InsideConnection
from router.transport.outbox import Turn
from router.wamp import uris
from router.wamp.messages import Error, Event, Hello, Subscribe, Subscribed, Unsubscribed
from router.web.deliveries import Deliveries, Delivery, Outcome
from router.web.outbound import Answer, Poster

REJOIN_SECONDS: Final = 5.0
AGENT: Final = f"Concord/{__version__}"


class _Details(msgspec.Struct):
    """What is read in EVENT.Details."""

    topic: str = ""


_details_of: Final = msgspec.json.Decoder(_Details).decode
_encode: Final = msgspec.json.Encoder().encode


class _Entrance:
    """Lets a webhook in with the role of its settings."""

    def __init__(self, directory: Directory, identity: Identity) -> None:
        self._directory = directory
        self._identity = identity

    def enter(self, hello: Hello, peer: Peer) -> Any:
        return self._directory.enter_as(self._identity, hello, peer)


class Webhooks:
    """The webhooks of all realms of a node; ``update`` tells which there are."""

    def __init__(self, directory: Directory, turn: Turn, reactor: Any, counters: Counter[str]) -> None:
        self.directory = directory
        self.turn = turn
        self.reactor = reactor
        self.counters = counters
        self.hooks: dict[tuple[str, str], Hook] = {}  # realm, name -> Hook

    def update(self, realms: Mapping[str, RealmConfig]) -> None:
        """Begin with what is new, end what is gone, change what has changed."""
        wanted = {
            (realm, hook.name or default_name(index)): hook
            for realm, config in realms.items()
            for index, hook in enumerate(config.webhooks)
        }
        for key in self.hooks.keys() - wanted.keys():
            self.hooks.pop(key).stop()
        for key, settings in wanted.items():
            if key in self.hooks:
                self.hooks[key].update(settings)
            else:
                self.hooks[key] = Hook(self, *key, settings)

    def stop(self) -> "Deferred[Any]":
        """End all; the Deferred fires when no connection to a receiver is open."""
        closed = [hook.stop() for hook in self.hooks.values()]
        self.hooks.clear()
        return DeferredList(closed)


class Hook:
    """One webhook: its session, its queue, its connections."""

    log = Logger("router.webhooks")

    def __init__(self, webhooks: Webhooks, realm: str, name: str, settings: Webhook) -> None:
        self.is_subscribed = False
        self._webhooks = webhooks
        self._realm = realm
        self._name = name
        self._settings = settings
        self._connection: InsideConnection | None = None
        self._later: Any = None  # when it tries again
        self._requests = 0
        self._said = ""
        self._is_stopped = False
        reactor = webhooks.reactor
        self._poster = self._make_poster()
        self.deliveries = Deliveries(
            f"{realm}/{name}", settings, self._send, reactor.callLater, random, webhooks.counters
        )
        self._join()

    def update(self, settings: Webhook) -> None:
        """Take changed settings."""
        before, self._settings = self._settings, settings
        self.deliveries.settings = settings
        if _connects(before) != _connects(settings):
            self._poster.close()
            self._poster = self._make_poster()
        if _subscribes(before) != _subscribes(settings) or not self.is_subscribed:
            self._leave()
            self._join()

    def stop(self) -> "Deferred[None]":
        """End it."""
        self._is_stopped = True
        self._leave()
        self.deliveries.stop()
        return self._poster.close()

    def joined(self) -> None:
        self._requests = 0
        self._subscribe()

    def received(self, code: int, fields: list[Raw]) -> None:
        if code == Event.CODE:
            self._event(fields)
        elif code == Subscribed.CODE:
            self.is_subscribed = True
            self._said = ""
        elif code == Error.CODE:
            self._refused(msgspec.json.decode(fields[4], type=str))
        elif code == Unsubscribed.CODE:
            self.is_subscribed = False
            self._say(f"its subscription of {self._settings.topic!r} was taken from it")

    def ended(self, reason: str, text: str) -> None:
        self._connection = None
        self.is_subscribed = False
        if not self._is_stopped and reason != uris.NORMAL:
            self._say(f"its session ended: {reason} {text}".strip())
            self._again(self._join)

    def _subscribe(self) -> None:
        self._later = None
        assert self._connection is not None
        settings, self._requests = self._settings, self._requests + 1
        self._connection.send([Subscribe.CODE, self._requests, {"match": settings.match}, settings.topic])

    def _refused(self, error: str) -> None:
        """Wait, where it may be allowed later: a role's authorizer may not be there yet."""
        self._say(f"can't subscribe {self._settings.topic!r}: {error}")
        if error != uris.NOT_AUTHORIZED:
            self._again(self._subscribe)

    def _again(self, what: Callable[[], None]) -> None:
        self._wait_no_longer()
        self._later = self._webhooks.reactor.callLater(REJOIN_SECONDS, what)

    def _join(self) -> None:
        self._later = None
        hooks, settings = self._webhooks, self._settings
        identity = Identity(authid=self._name, role=settings.role, authmethod="local")
        entrance: Entrance = _Entrance(hooks.directory, identity)
        peer = Peer(
            address="local", host="", transport="webhook", listener="webhook", message_limit_bytes=2**62
        )
        connection = InsideConnection(self, peer, entrance, hooks.turn, hooks.counters)
        self._connection = connection
        connection.join(self._realm, Credential())

    def _leave(self) -> None:
        self._wait_no_longer()
        if self._connection is not None:
            self._connection.leave()

    def _wait_no_longer(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _event(self, fields: list[Raw]) -> None:
        """``[EVENT, subscription, publication, details, args?, kwargs?]``"""
        body = {
            "realm": self._realm,
            "webhook": self._name,
            "topic": _details_of(fields[3]).topic or self._settings.topic,
            "publication": fields[2],
            "args": fields[4] if len(fields) > 4 else [],
            "kwargs": fields[5] if len(fields) > 5 else {},
            "details": fields[3],
        }
        self.deliveries.offer(Delivery(f"msg_{secrets.token_hex(16)}", _encode(body)))

    def _send(self, settings: Webhook, delivery: Delivery, done: Callable[[Outcome], object]) -> None:
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": AGENT,
            "Webhook-Id": delivery.id,
            "Webhook-Timestamp": timestamp,
            "Webhook-Signature": signature(settings.secret.reveal(), delivery.id, timestamp, delivery.body),
        }
        asked = self._poster.post(settings.url, headers, delivery.body, settings.timeout_ms / 1000)
        asked.addCallbacks(_answered, _failed).addCallback(done)
        asked.addErrback(lambda failure: self.log.failure("defect in a webhook", failure))

    def _make_poster(self) -> Poster:
        settings = self._settings
        return Poster(self._webhooks.reactor, settings.parallel, settings.allow_private_addresses)

    def _say(self, text: str) -> None:
        """Log what keeps it from its work, once while that is so."""
        if text != self._said:
            self._said = text
            line = "webhook {realm}/{name}: {text}"
            self.log.error(line, realm=self._realm, name=self._name, text=text)


def signature(secret: str, delivery_id: str, timestamp: str, body: bytes) -> str:
    """Sign a delivery (Standard Webhooks, 'Signature scheme')."""
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), signed, sha256)).decode()


def _subscribes(settings: Webhook) -> tuple[str, str, str]:
    return settings.topic, settings.match, settings.role


def _connects(settings: Webhook) -> tuple[int, bool]:
    return settings.parallel, settings.allow_private_addresses


def _answered(answer: Answer) -> Outcome:
    return Outcome(answer.status, retry_after=answer.retry_after)


def _failed(failure: Failure) -> Outcome:
    """Say in a few words why there was no answer; Twisted's web client wraps its reasons in lists."""
    error: Any = failure.value
    while getattr(error, "reasons", None):
        error = error.reasons[0].value
    text = str(error) if isinstance(error, ConnectError) else f"{type(error).__name__}: {error}"
    return Outcome(0, text[:300])
