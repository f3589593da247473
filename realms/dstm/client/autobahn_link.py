"""
A joined session of Autobahn as a link.

Rules of this file:

- An error that comes while the session is not joined any more is no answer: Autobahn ends every open
  request with an ApplicationError of its own when the session leaves. A connection that is being
  closed is lost, though the session is still joined.
- Autobahn gives the results of a call in three shapes; a Reply has one.
"""

from typing import Any, Protocol

from autobahn.exception import Disconnected
from autobahn.wamp import ApplicationError
from autobahn.wamp.exception import TransportLost
from autobahn.wamp.types import CallResult

from realms.dstm.client.link import Answer, LinkLost, OnEvent, OnOutcome, Reply
from realms.dstm.errors import INVALID, DstmError


class Front(Protocol):
    """What this module needs of a framework's front."""

    def heard(self, promise: Any, told: Any) -> None:
        """Tell ``told`` what a Deferred or Future ends with."""


class AutobahnLink:
    """One joined ``ApplicationSession``."""

    def __init__(self, session: Any, front: Front) -> None:
        self.session = session
        self._front = front
        self._subscriptions: list[Any] = []

    def call(self, procedure: str, args: list[Any], kwargs: dict[str, Any], done: OnOutcome) -> None:
        """Send a CALL; ``done`` gets its outcome."""
        try:
            promise = self.session.call(procedure, *args, **kwargs)
        except Exception as error:
            done(self._refused(error))
            return
        self._front.heard(promise, lambda result: done(self._outcome(result)))

    def subscribe(self, topic: str, on_event: OnEvent, done: OnOutcome) -> None:
        """Send a SUBSCRIBE; ``on_event`` gets each event."""

        def event(*args: Any, **kwargs: Any) -> None:
            on_event(list(args), kwargs)

        def subscribed(result: Any) -> None:
            if not isinstance(result, BaseException):
                self._subscriptions.append(result)
            done(self._refused(result) if isinstance(result, BaseException) else Reply([], {}))

        try:
            promise = self.session.subscribe(event, topic)
        except Exception as error:
            done(self._refused(error))
            return
        self._front.heard(promise, subscribed)

    def unsubscribe(self) -> None:
        """Undo the subscriptions, if the session is still there to do so."""
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            if subscription.active and self.session.is_attached():
                self._front.heard(subscription.unsubscribe(), lambda result: None)

    def _outcome(self, result: Any) -> Answer | LinkLost:
        if isinstance(result, BaseException):
            return self._refused(result)
        if isinstance(result, CallResult):
            return Reply(list(result.results), dict(result.kwresults))
        return Reply([] if result is None else [result], {})

    def _refused(self, error: BaseException) -> DstmError | LinkLost:
        if isinstance(error, TransportLost | Disconnected) or not self.session.is_attached():
            return LinkLost(str(error))
        if isinstance(error, ApplicationError):
            refusal = DstmError(error.error, str(error.args[0]) if error.args else "")
            refusal.details.update(error.kwargs)
            return refusal
        return DstmError(INVALID, f"Autobahn cannot send this: {error}")
