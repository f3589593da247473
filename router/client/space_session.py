"""A session of this client with the methods of Autobahn's that ``realms.dstm.client`` uses."""

import asyncio
from collections.abc import Callable
from typing import Any

from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.types import CallResult

from router.client.failures import NotConnected, WampError
from router.client.inputs import Payload
from router.client.session import Answer, Session


class Subscription:
    """A subscription that ends with its session."""

    active = False


class SpaceSession:
    """One joined session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def call(self, procedure: str, *args: Any, **kwargs: Any) -> "asyncio.Future[CallResult]":
        """Call as Autobahn does; what comes is a CallResult, an ApplicationError or TransportLost."""
        return asyncio.ensure_future(self._called(procedure, Payload(list(args), kwargs)))

    def subscribe(self, handler: Callable[..., Any], topic: str) -> "asyncio.Future[Subscription]":
        """Subscribe as Autobahn does."""
        return asyncio.ensure_future(self._subscribed(handler, topic))

    def is_attached(self) -> bool:
        """Tell whether the session is there."""
        return not self._session.ended.done()

    def on(self, event: str, told: Callable[..., Any]) -> None:
        """Tell of the session's end, which is both ``leave`` and ``disconnect``."""
        self._session.ended.add_done_callback(lambda ended: told())

    async def _called(self, procedure: str, payload: Payload) -> CallResult:
        try:
            answer = await self._session.call(procedure, payload, {})
        except WampError as error:
            raise ApplicationError(error.uri, *error.arguments, **error.keywords) from None
        except NotConnected as error:
            raise TransportLost(str(error)) from None
        return CallResult(*answer.args, **answer.kwargs)

    async def _subscribed(self, handler: Callable[..., Any], topic: str) -> Subscription:
        def on_event(event: Answer) -> None:
            handler(*event.args, **event.kwargs)

        try:
            await self._session.subscribe(topic, {}, on_event)
        except WampError as error:
            raise ApplicationError(error.uri, *error.arguments, **error.keywords) from None
        except NotConnected as error:
            raise TransportLost(str(error)) from None
        return Subscription()
