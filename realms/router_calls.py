"""
Calls that the router itself makes of procedures that clients have registered: authenticators, authorizers.

Rules of this file:

- The caller is the router: no permission is asked, no table of sessions has it, no callee learns who calls.
- ``done`` is called exactly once for each call, never within ``call``, and never after a cancel.
- Deadlines are kept here and not by a callee that asked to be told them.
- A realm's ``pending_calls_per_session`` bounds these calls as it bounds those of a session.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from msgspec import Raw, Struct

from realms.world import Cancellable, World
from router.routing.dealer import Dealer
from router.routing.session import Session
from router.wamp import uris
from router.wamp.messages import Call, Cancel, Error, Message, Result, ResultArgs
from router.wamp.serializers import Serializer

ROUTER: Final = 0  # the id of the router's own session: no client has it
FEATURES: Final = frozenset({"caller.call_canceling"})


class Answered(Struct, frozen=True):
    """What the callee has returned, as plain values."""

    args: list[Any]
    kwargs: dict[str, Any]


class Failed(Struct, frozen=True):
    """Why there is no result: the URI of an error, and what its callee or the router says of it."""

    error: str
    text: str


Answer = Answered | Failed
Done = Callable[[Answer], object]


class RouterCalls:
    """The router's own calls in one realm."""

    def __init__(self, realm: str, dealer: Dealer, world: World) -> None:
        self._dealer = dealer
        self._world = world
        self._log = world.logger(f"router_calls.{realm}")
        self._session = Session(
            ROUTER, "router", "router", features=FEATURES, link=world.inbox(self._receive)
        )
        self._pending: dict[int, RouterCall] = {}  # request id -> call
        self._last_request = 0

    def __len__(self) -> int:
        return len(self._pending)

    def call(
        self,
        procedure: str,
        args: list[Any] | None,
        kwargs: Mapping[str, Any] | None,
        timeout_ms: int,
        done: Done,
    ) -> Cancellable:
        """
        Call ``procedure``, and tell ``done`` what comes of it.

        ``Failed`` has the error of the callee, or ``wamp.error.no_such_procedure``, ``timeout``,
        ``canceled`` (the callee left, or the realm closes), ``limit_exceeded``. ``args`` and ``kwargs``
        are plain values that every serializer can carry.
        """
        self._last_request += 1
        request = self._last_request
        call = RouterCall(self, request, done)
        self._pending[request] = call
        call.timer = self._world.call_later(timeout_ms / 1000, lambda: self._time_is_over(call, timeout_ms))
        message = Call(request, {}, procedure, args, dict(kwargs) if kwargs else None)
        self._world.deliver(self._dealer.call(self._session, message, self._world.now(), False))
        return call

    def close(self) -> None:
        """Fail every call under way, in a later turn: the realm closes."""
        for call in list(self._pending.values()):
            self._world.soon(partial(self._end, call, Failed(uris.CANCELED, "the realm closes")))

    def cancel(self, call: "RouterCall") -> None:
        """Take a call back: nobody waits for its answer any more."""
        if self._pending.pop(call.request, None) is not None:
            self._stop_timer(call)
            self._world.deliver(self._dealer.cancel(self._session, Cancel(call.request, {})))

    def _time_is_over(self, call: "RouterCall", timeout_ms: int) -> None:
        call.timer = None
        if call.request in self._pending:
            self._world.deliver(self._dealer.cancel(self._session, Cancel(call.request, {})))
            self._end(call, Failed(uris.TIMEOUT, f"no answer within {timeout_ms} ms"))

    def _receive(self, message: Message, origin: Serializer | None) -> None:
        if isinstance(message, Result | ResultArgs | Error):
            call = self._pending.get(message.request)
            if call is not None:
                self._end(call, _answer_of(message, origin))

    def _end(self, call: "RouterCall", answer: Answer) -> None:
        if self._pending.pop(call.request, None) is None:
            return
        self._stop_timer(call)
        try:
            call.done(answer)
        except Exception:
            self._log.failure("defect in what waited for an answer")

    def _stop_timer(self, call: "RouterCall") -> None:
        if call.timer is not None:
            timer, call.timer = call.timer, None
            timer.cancel()


class RouterCall:
    """One call under way."""

    __slots__ = ("_calls", "done", "request", "timer")

    def __init__(self, calls: RouterCalls, request: int, done: Done) -> None:
        self.request = request
        self.done = done
        self.timer: Cancellable | None = None
        self._calls = calls

    def cancel(self) -> None:
        """Let nobody be told what comes of it."""
        self._calls.cancel(self)


def _answer_of(message: Result | ResultArgs | Error, origin: Serializer | None) -> Answer:
    args = _plain(message.args, origin)
    kwargs = None if isinstance(message, ResultArgs) else _plain(message.kwargs, origin)
    if not isinstance(message, Error):
        return Answered(args or [], kwargs or {})
    text = args[0] if args and isinstance(args[0], str) else ""
    return Failed(message.error, text)


def _plain(payload: Any, origin: Serializer | None) -> Any:
    if isinstance(payload, Raw):
        assert origin is not None  # it is the sender's bytes
        return origin.load(payload)
    return payload
