"""Subscriptions as server-sent events: first what the client has missed, then what comes."""

from typing import Any

import msgspec
from msgspec import Raw

from router.wamp.messages import Call, Error, Event, Result, Subscribe, Subscribed, Unsubscribed
from router.web.bridge.answers import event_body
from router.web.bridge.bodies import Wanted
from router.web.bridge.exchange import Exchange
from router.web.bridge.replay import Replay, Told
from router.web.bridge.sessions import Connect, Later
from router.web.bridge.streams import Stream, Times, details_of


class SubscribeStream(Stream):
    """
    The events of topics, until the client goes.

    What may be missing is told by an event ``gap``, a topic that was taken from the client by ``revoked``.
    """

    def __init__(
        self, wanted: Wanted, exchange: Exchange, connect: Connect, later: Later, times: Times
    ) -> None:
        super().__init__(exchange, connect, later, times)
        self._wanted = wanted
        self._topic_by_subscription: dict[int, str] = {}
        self._awaited = dict(enumerate(wanted.topics, 1))  # request id -> topic
        self._last_request = len(wanted.topics)
        self._replay: Replay | None = None

    def joined(self) -> None:
        for request, topic in list(self._awaited.items()):
            self.connection.send([Subscribe.CODE, request, self._wanted.options, topic])

    def received(self, code: int, fields: list[Raw]) -> None:
        if code == Event.CODE:
            self._event(fields)
        elif code == Subscribed.CODE:
            self._subscribed(int(bytes(fields[1])), int(bytes(fields[2])))
        elif code == Unsubscribed.CODE:
            self._revoked(fields)
        elif code == Result.CODE:
            self._page(fields[3:])
        elif code == Error.CODE and int(bytes(fields[1])) == Call.CODE:
            self._no_page(msgspec.json.decode(fields[4], type=str))
        elif code == Error.CODE:
            self._refused(fields)

    def is_beating(self) -> bool:
        return self._exchange.is_streaming

    def _subscribed(self, request: int, subscription: int) -> None:
        self._topic_by_subscription[subscription] = self._awaited.pop(request)
        if self._wanted.last_event is not None and len(self._wanted.topics) == 1:
            self._replay = Replay(subscription, self._wanted.last_event)
            self._ask(self._replay)
        elif not self._awaited:
            self.connection.sink.append(b": subscribed\n\n")
            if self._wanted.last_event is not None:
                self._tell_gap()

    def _event(self, fields: list[Raw]) -> None:
        """``[EVENT, subscription, publication, details, args?, kwargs?]``"""
        event = Told(int(bytes(fields[2])), fields[3], fields[4:])
        if self._replay is not None and not self._replay.is_over:
            self._replay.hold(event)
        else:
            self._tell_event(event, int(bytes(fields[1])))

    def _ask(self, replay: Replay) -> None:
        self._last_request += 1
        self.connection.send(replay.ask(self._last_request))

    def _page(self, payload: list[Raw]) -> None:
        replay = self._replay
        assert replay is not None
        self._go_on(replay, replay.take(payload))

    def _no_page(self, error: str) -> None:
        replay = self._replay
        assert replay is not None
        self._go_on(replay, replay.fail(error))

    def _go_on(self, replay: Replay, told: list[Told]) -> None:
        if replay.gap:
            replay.gap = False
            self._tell_gap()
        for event in told:
            self._tell_event(event)
        if replay.is_over:
            self._replay = None
            self.connection.sink.append(b": subscribed\n\n")
        else:
            self._ask(replay)

    def _tell_event(self, event: Told, subscription: int | None = None) -> None:
        topic = details_of(event.details).topic
        if not topic:
            topics = self._topic_by_subscription
            topic = topics.get(subscription, "") if subscription is not None else self._wanted.topics[0]
        body = event_body(topic, event.publication, event.details, event.payload)
        self._tell(body, event_id=str(event.publication))

    def _tell_gap(self) -> None:
        self._tell(msgspec.json.encode({"topics": self._wanted.topics}), "gap")

    def _revoked(self, fields: list[Raw]) -> None:
        """``[UNSUBSCRIBED, 0, {"subscription", "reason"}]`` (WAMP AP 'Subscription Revocation')."""
        details: dict[str, Any] = msgspec.json.decode(fields[2]) if len(fields) > 2 else {}
        topic = self._topic_by_subscription.pop(details.get("subscription", 0), "")
        self._tell(msgspec.json.encode({"topic": topic, "reason": details.get("reason", "")}), "revoked")
        if not self._topic_by_subscription:
            self._is_complete = True
            self.connection.leave()
