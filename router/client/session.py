"""
One WAMP session of the client: requests are futures, what comes unasked goes to functions.

Rules of this file:

- Arrays in, arrays out (``router.client.wire``); no details are lost between the wire and the caller.
- Whatever the router sends that breaks the protocol ends the session with a reason, and every future
  of it with ``NotConnected``: nothing hangs.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from autobahn.exception import Disconnected, PayloadExceededError
from autobahn.wamp.exception import SerializationError, TransportLost

from router.client.failures import NotConnected, NotJoined, WampError
from router.client.methods import Method
from router.client.wire import Wire

HELLO, WELCOME, ABORT, CHALLENGE, AUTHENTICATE, GOODBYE, ERROR = 1, 2, 3, 4, 5, 6, 8
PUBLISH, PUBLISHED, SUBSCRIBE, SUBSCRIBED, UNSUBSCRIBED, EVENT = 16, 17, 32, 33, 35, 36
CALL, CANCEL, RESULT, REGISTER, REGISTERED, UNREGISTERED = 48, 49, 50, 64, 65, 67
INVOCATION, INTERRUPT, YIELD = 68, 69, 70

# What this client does of the advanced profile, as HELLO announces it.
ROLES: Final = {
    "caller": ("call_canceling", "call_timeout", "caller_identification", "progressive_call_results"),
    "callee": (
        "call_canceling",
        "call_trustlevels",
        "caller_identification",
        "pattern_based_registration",
        "progressive_call_results",
        "registration_revocation",
        "sharded_registration",
        "shared_registration",
    ),
    "publisher": ("publisher_exclusion", "publisher_identification", "subscriber_blackwhite_listing"),
    "subscriber": (
        "event_history",
        "pattern_based_subscription",
        "publication_trustlevels",
        "publisher_identification",
        "sharded_subscription",
        "subscription_revocation",
    ),
}


class Answer(NamedTuple):
    """A RESULT, an EVENT or an INVOCATION: its arguments and details."""

    args: list[Any]
    kwargs: dict[str, Any]
    details: dict[str, Any]


class Invocation(NamedTuple):
    """A call that this client, as callee, is to answer."""

    request: int
    registration_id: int
    answer: Answer


OnAnswer = Callable[[Answer], None]


class Session:
    """
    A session, from HELLO to its end.

    :ivar joined: gives WELCOME's details
    :ivar ended: gives why the session is over
    :ivar on_invocation: called with each INVOCATION
    :ivar on_interrupt: called with the request of each INTERRUPT
    :ivar on_revoked: called with what was revoked, as "subscription" or "registration", its id and the reason
    """

    # Autobahn's transports write these into their log.
    _authid = None
    _session_id = None

    def __init__(self, realm: str, method: Method, details: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        self.joined: asyncio.Future[dict[str, Any]] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.session_id = 0
        self.on_invocation: Callable[[Invocation], None] = lambda invocation: None
        self.on_interrupt: Callable[[int], None] = lambda request: None
        self.on_revoked: Callable[[str, int, str], None] = lambda kind, id, reason: None
        self._realm = realm
        self._method = method
        self._details = details
        self._transport: Any = None
        self._requests = 0
        self._pending: dict[
            tuple[int, int], asyncio.Future[Any]
        ] = {}  # (message type, request) -> its future
        self._progress: dict[int, OnAnswer] = {}  # request of a CALL -> who gets progressive results
        self._events: dict[int, OnAnswer] = {}  # subscription id -> who gets its events
        self._subscribing: dict[int, OnAnswer] = {}  # request of a SUBSCRIBE -> who will get its events
        self._is_leaving = False
        self._routes: dict[int, Callable[[list[Any]], None]] = {
            WELCOME: self._welcome,
            ABORT: self._abort,
            CHALLENGE: self._challenge,
            GOODBYE: self._goodbye,
            ERROR: self._error,
            PUBLISHED: lambda array: self._settle(PUBLISH, array[1], array[2]),
            SUBSCRIBED: self._subscribed,
            UNSUBSCRIBED: lambda array: self._revoked("subscription", array),
            EVENT: self._event,
            RESULT: self._result,
            REGISTERED: lambda array: self._settle(REGISTER, array[1], array[2]),
            UNREGISTERED: lambda array: self._revoked("registration", array),
            INVOCATION: self._invocation,
            INTERRUPT: lambda array: self.on_interrupt(array[1]),
        }

    # What Autobahn's transports call

    def onOpen(self, transport: Any) -> None:
        """Send HELLO (WAMP BP 'Session Establishment')."""
        self._transport = transport
        roles = {role: {"features": dict.fromkeys(names, True)} for role, names in ROLES.items()}
        hello = {"roles": roles, "authmethods": self._method.names, **self._details}
        extra = self._method.extra(transport)
        if extra:
            hello["authextra"] = {**extra, **hello.get("authextra", {})}
        self._send(HELLO, self._realm, hello)

    def onMessage(self, message: Wire) -> None:
        """Take one message; what breaks the protocol ends the session."""
        route = self._routes.get(message.array[0])
        try:
            if route is None:
                raise ValueError(f"a message of type {message.array[0]}")
            route(message.array)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            self._end(f"the router breaks the protocol: {error!r}")
            self._transport.abort()

    def onClose(self, was_clean: bool) -> None:
        """Learn that the transport is gone."""
        self._transport = None
        self._end("the connection was closed" if was_clean else "the connection was lost")

    # Requests

    def call(
        self, procedure: str, payload: Any, options: dict[str, Any], on_progress: OnAnswer | None = None
    ) -> "asyncio.Future[Answer]":
        """Send a CALL; give its Answer, or WampError. Canceling the future sends CANCEL."""
        request, future = self._request(CALL, options, procedure, *_trimmed(payload))
        if on_progress is not None:
            self._progress[request] = on_progress

        def ended(call: "asyncio.Future[Answer]") -> None:
            self._progress.pop(request, None)
            if call.cancelled():
                with contextlib.suppress(NotConnected):
                    self._send(CANCEL, request, {"mode": "killnowait"})

        future.add_done_callback(ended)
        return future

    def publish(self, topic: str, payload: Any, options: dict[str, Any]) -> "asyncio.Future[int]":
        """Send a PUBLISH; give the publication's id. Without ``acknowledge`` it is 0, at once."""
        _, future = self._request(PUBLISH, options, topic, *_trimmed(payload))
        if not options.get("acknowledge"):
            self._settle(PUBLISH, self._requests, 0)
        return future

    def subscribe(self, topic: str, options: dict[str, Any], on_event: OnAnswer) -> "asyncio.Future[int]":
        """Send a SUBSCRIBE; give the subscription's id."""
        request, future = self._request(SUBSCRIBE, options, topic)
        self._subscribing[request] = on_event
        return future

    def register(self, procedure: str, options: dict[str, Any]) -> "asyncio.Future[int]":
        """Send a REGISTER; give the registration's id."""
        return self._request(REGISTER, options, procedure)[1]

    def answer(self, request: int, payload: Any, *, progress: bool = False) -> None:
        """Send a YIELD."""
        self._send(YIELD, request, {"progress": True} if progress else {}, *_trimmed(payload))

    def refuse(self, request: int, error: WampError) -> None:
        """Send an ERROR for an INVOCATION."""
        self._send(ERROR, INVOCATION, request, {}, error.uri, *_trimmed((error.arguments, error.keywords)))

    def leave(self) -> "asyncio.Future[str]":
        """Say GOODBYE where there is somebody to hear it; give ``ended``."""
        if self._transport is None or self.ended.done():
            self._end("left")
        elif self.session_id and not self._is_leaving:
            self._is_leaving = True
            self._send(GOODBYE, {}, "wamp.close.close_realm")
        elif not self.session_id:
            self._transport.close()
            self._end("left")
        return self.ended

    # What comes

    def _welcome(self, array: list[Any]) -> None:
        _, session_id, details = array
        problem = self._method.check(details)
        if problem:
            self._send(ABORT, {"message": problem}, "wamp.error.cannot_authenticate")
            self._refused(problem)
            return
        self.session_id = int(session_id)
        if not self.joined.done():
            self.joined.set_result(details)

    def _challenge(self, array: list[Any]) -> None:
        _, name, extra = array
        try:
            signature, reply = self._method.answer(name, extra, self._transport)
        except NotJoined as error:
            self._send(ABORT, {"message": str(error)}, "wamp.error.cannot_authenticate")
            self._refused(str(error))
            return
        self._send(AUTHENTICATE, signature, reply)

    def _abort(self, array: list[Any]) -> None:
        _, details, reason = array[:3]
        text = details.get("message")
        told = f"{reason}: {text}" if text else str(reason)
        if self.joined.done():
            self._end(f"the router ended the session: {told}")
        else:
            self._refused(f"the router refused the session: {told}")
        self._transport.close()

    def _goodbye(self, array: list[Any]) -> None:
        _, details, reason = array[:3]
        if not self._is_leaving:
            self._send(GOODBYE, {}, "wamp.close.goodbye_and_out")
        text = details.get("message")
        self._end(f"the router said goodbye: {reason}" + (f": {text}" if text else ""))
        self._transport.close()

    def _error(self, array: list[Any]) -> None:
        _, kind, request, _, uri = array[:5]
        self._subscribing.pop(request, None) if kind == SUBSCRIBE else None
        self._settle(kind, request, WampError(str(uri), *array[5:7]))

    def _subscribed(self, array: list[Any]) -> None:
        _, request, subscription_id = array
        self._events[subscription_id] = self._subscribing.pop(request)
        self._settle(SUBSCRIBE, request, subscription_id)

    def _event(self, array: list[Any]) -> None:
        _, subscription_id, publication_id, details = array[:4]
        on_event = self._events.get(subscription_id)
        if on_event is not None:  # a revoked subscription may have events on the way
            on_event(_answer(array[4:], {"publication": publication_id, **details}))

    def _result(self, array: list[Any]) -> None:
        _, request, details = array[:3]
        result = _answer(array[3:], details)
        if details.get("progress"):
            on_progress = self._progress.get(request)
            if on_progress is not None:
                try:
                    on_progress(result)
                except OSError as error:  # nobody reads what it prints
                    self._settle(CALL, request, error)
        else:
            self._settle(CALL, request, result)

    def _invocation(self, array: list[Any]) -> None:
        _, request, registration_id, details = array[:4]
        self.on_invocation(Invocation(request, registration_id, _answer(array[4:], details)))

    def _revoked(self, kind: str, array: list[Any]) -> None:
        """Learn of a revocation: request 0, and what it is about in the details (WAMP AP)."""
        details = array[2] if len(array) > 2 else {}
        revoked = int(details.get(kind, 0))
        self._events.pop(revoked, None)
        self.on_revoked(kind, revoked, str(details.get("reason", "")))

    # The rest

    def _request(self, kind: int, *rest: Any) -> tuple[int, "asyncio.Future[Any]"]:
        if self._transport is None or self._is_leaving:
            raise NotConnected("there is no session any more")
        self._requests += 1
        request = self._requests
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[kind, request] = future
        try:
            self._send(kind, request, *rest)
        except BaseException:
            del self._pending[kind, request]
            raise
        return request, future

    def _settle(self, kind: int, request: int, outcome: Any) -> None:
        """End a request; one that is not pending was given up before."""
        future = self._pending.pop((kind, request), None)
        if future is None or future.done():
            return
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _send(self, *array: Any) -> None:
        """
        Send a message.

        Raises:
            NotConnected: the transport is gone.
            WampError: the serializer or the transport can't carry it.
        """
        if self._transport is None:
            raise NotConnected("there is no connection any more")
        try:
            self._transport.send(Wire(list(array)))
        except (Disconnected, TransportLost):
            raise NotConnected("the connection was closed") from None
        except (SerializationError, PayloadExceededError, ValueError) as error:
            raise WampError("wamp.error.invalid_argument", [f"this can't be sent: {error}"]) from None

    def _refused(self, reason: str) -> None:
        if not self.joined.done():
            self.joined.set_exception(NotJoined(reason))
        self._end(reason)

    def _end(self, reason: str) -> None:
        if self.ended.done():
            return
        self.ended.set_result(reason)
        pending, self._pending = self._pending, {}
        for future in [self.joined, *pending.values()]:
            if not future.done():
                future.set_exception(NotConnected(reason))
                future.exception()  # nobody may be waiting for it any more


def _answer(rest: list[Any], details: dict[str, Any]) -> Answer:
    args = rest[0] if rest else None
    kwargs = rest[1] if len(rest) > 1 else None
    return Answer(list(args or ()), dict(kwargs or {}), details)


def _trimmed(payload: Any) -> tuple[Any, ...]:
    """Give args and kwargs without what is empty at the end."""
    args, kwargs = payload
    if kwargs:
        return (args, kwargs)
    return (args,) if args else ()
