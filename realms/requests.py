"""
What the clients of a realm ask for: the one table from message to method.

Rules of this file:

- Order of a request: request id, authorization, then the broker or the dealer. Authorization is decided
  here, before routing, and never inside it; where an authorizer decides, the gate holds what that session
  sends meanwhile.
- Everything returns outputs; nothing is sent from here, but for a testament that an authorizer allows later.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

from msgspec import Struct

from realms.authorization.authorizers import Authorizers, Question, given
from realms.authorization.gate import Gate
from realms.history.history import EventHistory
from realms.own_calls import OwnCalls, own_call
from realms.permissions import Grant, Role
from realms.refusals import (
    disclosure_refused,
    error_to,
    is_old,
    refusal,
    still_pending,
    used_before,
)
from realms.world import Environment
from router.routing.broker import Broker
from router.routing.dealer import Dealer
from router.routing.handshake import Routes
from router.routing.outputs import Delivery, Outputs
from router.routing.session import Session
from router.wamp import uris
from router.wamp.errors import ProtocolViolation
from router.wamp.ids import MAX_ID
from router.wamp.messages import (
    Call,
    Cancel,
    Error,
    Invocation,
    Message,
    Publish,
    Register,
    Result,
    Subscribe,
    Unregister,
    Unsubscribe,
    Yield,
)

NOTHING: Final[Outputs] = []


class Surroundings(Struct, frozen=True):
    """
    What requests need of their realm.

    ``announce`` replaces announcements by meta events; ``send`` sends what nobody's request asked for;
    ``wake_in_time`` sets the realm's timer; ``registering`` is told which procedure a client registers, and
    with which match policy.
    """

    announce: Callable[[Outputs], Outputs]
    send: Callable[[Outputs], None]
    is_here: Callable[[Session], bool]
    wake_in_time: Callable[[], None]
    registering: Callable[[str, str], None]


class Requests:
    """
    The requests of one realm.

    :ivar routes: message class -> method, the one dispatch table
    :ivar strict_ids: whether a gap in the request ids is a breach of the protocol
    """

    def __init__(
        self,
        broker: Broker,
        dealer: Dealer,
        own_calls: OwnCalls,
        history: EventHistory,
        authorizers: Authorizers,
        gate: Gate,
        environment: Environment,
        counters: Counter[str],
        realm: Surroundings,
    ) -> None:
        self.strict_ids = False
        self._broker = broker
        self._dealer = dealer
        self._own_calls = own_calls
        self._history = history
        self._authorizers = authorizers
        self._gate = gate
        self._new_publication_id = environment.new_publication_id
        self._timestamp = environment.timestamp
        self._counters = counters
        self._announce = realm.announce
        self._send = realm.send
        self._is_here = realm.is_here
        self._wake_in_time = realm.wake_in_time
        self._registering = realm.registering
        self.routes: Routes = {
            Call: self._call,
            Yield: dealer.yield_,
            Publish: self._publish,
            Error: self._error,
            Cancel: self._cancel,
            Register: self._register,
            Unregister: self._unregister,
            Subscribe: self._subscribe,
            Unsubscribe: self._unsubscribe,
        }

    def choose_routes(self, strict_ids: bool, has_timeout: bool) -> None:
        """Take the short ways of CALL and PUBLISH where no setting needs the long ones."""
        self.strict_ids = strict_ids
        careful = strict_ids or has_timeout
        self.routes[Call] = self._call_with_care if careful else self._call
        self.routes[Publish] = self._publish_with_care if self._history.entries else self._publish

    def _advance(self, session: Session, request: int) -> None:
        """Check that a request id is new, and remember it (WAMP BP 'IDs', session scope)."""
        if is_old(session, request):
            raise used_before(session, request)
        due = session.last_request_id % MAX_ID + 1
        if self.strict_ids and request != due:
            raise ProtocolViolation(f"request id {request} leaves a gap: {due} was due")
        session.last_request_id = request

    def _call(self, session: Session, msg: Call, now: float) -> Outputs:
        # The hot path (benchmark: calls): a new request, no options, and a plain grant.
        role: Role = session.role
        grant = role.call.get(msg.procedure)
        request = msg.request
        if grant is None or not grant.plain or msg.options or request <= session.last_request_id:
            if grant is None or not grant.own or msg.options or request <= session.last_request_id:
                return self._call_with_care(session, msg, now)
            # The same for the realm's own procedures (benchmarks/dstm.py: commits).
            session.last_request_id = request
            return self._own_calls.begin(session, msg)
        session.last_request_id = request
        return self._dealer.call(session, msg, now)

    def _call_with_care(self, session: Session, msg: Call, now: float) -> Outputs:
        if is_old(session, msg.request) or own_call(session, msg.request) is not None:
            return self._continue_call(session, msg, now)
        self._advance(session, msg.request)
        role: Role = session.role
        grant = role.call.get(msg.procedure) or role.may_call(msg.procedure)
        if grant.asks:
            question = Question("call", msg.procedure, uris.EXACT, given(msg.options))
            return self._gate.ask(session, question, partial(self._call_judged, session, msg), now)
        return self._call_judged(session, msg, grant, now)

    def _call_judged(self, session: Session, msg: Call, grant: Grant, now: float) -> Outputs:
        if grant.error is not None:
            return refusal(session, Call.CODE, msg.request, grant)
        asked = msg.options.get("disclose_me") is True
        if asked and not grant.may_disclose:
            return disclosure_refused(session, Call.CODE, msg.request)
        disclose = True if asked or grant.discloses else None if grant.may_disclose else False
        if grant.own:
            outputs = self._own_calls.begin_with_options(session, msg, now)
        else:
            outputs = self._dealer.call(session, msg, now, disclose, grant.trust_level)
        self._wake_in_time()
        return outputs

    def _continue_call(self, session: Session, msg: Call, now: float) -> Outputs:
        """Take a further CALL of a progressive invocation, or drop one that came too late."""
        if own_call(session, msg.request) is not None:
            raise still_pending(msg.request)
        if msg.request in session.calls:
            return self._dealer.call(session, msg, now)
        if msg.request > 0 and session.supports("caller.progressive_call_invocations"):
            return NOTHING
        raise used_before(session, msg.request)

    def _error(self, session: Session, msg: Error, now: float) -> Outputs:
        if msg.request_type != Invocation.CODE:
            text = f"received ERROR for a request of type {msg.request_type}"
            raise ProtocolViolation(f"{text}: a client answers INVOCATION (68) alone")
        outputs = self._dealer.error(session, msg)
        if msg.error == uris.UNAVAILABLE:  # the router now keeps the time of a call that its callee kept
            self._wake_in_time()
        return outputs

    def _cancel(self, session: Session, msg: Cancel, now: float) -> Outputs:
        call = own_call(session, msg.request)
        if call is not None:
            return self._own_calls.cancel(call, msg)
        return self._dealer.cancel(session, msg)

    def _publish(self, session: Session, msg: Publish, now: float) -> Outputs:
        # The hot path (benchmarks: fan-out, pairs): a new request and a plain grant.
        role: Role = session.role
        grant = role.publish.get(msg.topic)
        request = msg.request
        if (
            grant is None
            or not grant.plain
            or self.strict_ids
            or request <= session.last_request_id
            or "disclose_me" in msg.options
        ):
            return self._publish_with_care(session, msg, now)
        session.last_request_id = request
        return self._broker.publish(session, msg, self._new_publication_id())

    def _publish_with_care(self, session: Session, msg: Publish, now: float) -> Outputs:
        self._advance(session, msg.request)
        role: Role = session.role
        grant = role.publish.get(msg.topic) or role.may_publish(msg.topic)
        if grant.asks:
            question = Question("publish", msg.topic, uris.EXACT, given(msg.options))
            return self._gate.ask(session, question, partial(self._publish_judged, session, msg), now)
        return self._publish_judged(session, msg, grant, now)

    def _publish_judged(self, session: Session, msg: Publish, grant: Grant, now: float) -> Outputs:
        asked = msg.options.get("disclose_me") is True
        if grant.error is not None:
            answer = refusal(session, Publish.CODE, msg.request, grant)
        elif asked and not grant.may_disclose:
            answer = disclosure_refused(session, Publish.CODE, msg.request)
        else:
            return self._publish_granted(session, msg, grant, asked or grant.discloses)
        self._counters["publishes_refused"] += 1
        return answer if msg.options.get("acknowledge") is True else NOTHING

    def _publish_granted(self, session: Session, msg: Publish, grant: Grant, disclose: bool) -> Outputs:
        """Publish; where a topic has a history, PUBLISHED may have to wait for the disk."""
        publication = self._new_publication_id()
        if not self._history.entries and grant.trust_level is None:
            return self._broker.publish(session, msg, publication, disclose)
        behind = self._history.refusal(session, msg)
        if behind:
            return behind
        outputs = self._broker.publish_with_options(session, msg, publication, disclose, grant.trust_level)
        return self._history.acknowledged(session, publication, outputs, self._is_here)

    def _register(self, session: Session, msg: Register, now: float) -> Outputs:
        self._advance(session, msg.request)
        match = msg.options.get("match") or uris.EXACT
        grant = session.role.register.get((match, msg.procedure)) if isinstance(match, str) else None
        grant = grant or session.role.may_register(msg.procedure, match)
        if grant.asks:
            question = Question("register", msg.procedure, match, given(msg.options))
            return self._gate.ask(session, question, partial(self._register_judged, session, msg), now)
        return self._register_judged(session, msg, grant, now)

    def _register_judged(self, session: Session, msg: Register, grant: Grant, now: float) -> Outputs:
        if grant.error is not None:
            return refusal(session, Register.CODE, msg.request, grant)
        self._registering(msg.procedure, msg.options.get("match") or uris.EXACT)
        return self._announce(self._dealer.register(session, msg, self._timestamp()))

    def _unregister(self, session: Session, msg: Unregister, now: float) -> Outputs:
        self._advance(session, msg.request)
        return self._announce(self._dealer.unregister(session, msg))

    def _subscribe(self, session: Session, msg: Subscribe, now: float) -> Outputs:
        self._advance(session, msg.request)
        match = msg.options.get("match") or uris.EXACT
        grant = session.role.subscribe.get((match, msg.topic)) if isinstance(match, str) else None
        grant = grant or session.role.may_subscribe(msg.topic, match)
        if grant.asks:
            question = Question("subscribe", msg.topic, match, given(msg.options))
            return self._gate.ask(session, question, partial(self._subscribe_judged, session, msg), now)
        return self._subscribe_judged(session, msg, grant, now)

    def _subscribe_judged(self, session: Session, msg: Subscribe, grant: Grant, now: float) -> Outputs:
        if grant.error is not None:
            return refusal(session, Subscribe.CODE, msg.request, grant)
        return self._announce(self._broker.subscribe(session, msg, self._timestamp()))

    def _unsubscribe(self, session: Session, msg: Unsubscribe, now: float) -> Outputs:
        self._advance(session, msg.request)
        return self._announce(self._broker.unsubscribe(session, msg))

    def publish_testament(self, session: Session, publish: Publish) -> Outputs:
        grant = session.role.may_publish(publish.topic)
        if grant.asks:
            question = Question("publish", publish.topic, uris.EXACT, given(publish.options))
            self._authorizers.ask(session, question, partial(self._publish_late, session, publish))
            return NOTHING
        return self._testament_judged(session, publish, grant)

    def _publish_late(self, session: Session, publish: Publish, make: Callable[[], Grant]) -> None:
        self._send(self._testament_judged(session, publish, make()))

    def _testament_judged(self, session: Session, publish: Publish, grant: Grant) -> Outputs:
        if grant.error is not None:
            return NOTHING
        disclose = grant.discloses or (grant.may_disclose and publish.options.get("disclose_me") is True)
        publication = self._new_publication_id()
        return self._broker.publish_testament(session, publish, publication, disclose, grant.trust_level)

    def refuse_payload(self, session: Session, message: Message, error: Error, now: float) -> Outputs:
        """
        Answer for a message whose payload cannot be carried: its caller or its sender gets ``error``.

        Raises:
            ProtocolViolation: no client may send such a message, or its request id.
        """
        if not isinstance(message, Call | Publish | Yield | Error):
            raise ProtocolViolation(f"received {type(message).__name__.upper()} while the session was open")
        if isinstance(message, Yield | Error):
            failed = Error(Invocation.CODE, message.request, {}, error.error, error.args)
            goes_on = isinstance(message, Yield) and message.options.get("progress") is True
            return self._dealer.error(session, failed, interrupt=goes_on)
        if isinstance(message, Call) and message.request in session.calls:
            return self._fail_call(session, error)
        if isinstance(message, Call) and is_old(session, message.request):
            return self._continue_call(session, message, now)
        self._advance(session, message.request)
        if isinstance(message, Publish) and message.options.get("acknowledge") is not True:
            return NOTHING
        session.note_error(error.error)
        return [Delivery((session,), error)]

    def undeliverable(self, session: Session, message: Message, size: int, limit: int) -> Outputs:
        """Tell whoever waits for ``message`` that it is larger than ``session`` takes."""
        text = f"a message of {size} bytes is more than the receiver takes: {limit}"
        request: int = getattr(message, "request", 0)
        if message.CODE == Invocation.CODE:
            error = Error(Invocation.CODE, request, {}, uris.PAYLOAD_SIZE_EXCEEDED, [text])
            return self._dealer.undelivered(session, error)
        if message.CODE == Result.CODE:
            error = Error(Call.CODE, request, {}, uris.PAYLOAD_SIZE_EXCEEDED, [text])
            return self._fail_call(session, error)
        if isinstance(message, Error) and message.error != uris.PAYLOAD_SIZE_EXCEEDED:
            return error_to(session, message.request_type, request, uris.PAYLOAD_SIZE_EXCEEDED, text)
        self._counters["events_dropped"] += 1
        return NOTHING

    def _fail_call(self, caller: Session, error: Error) -> Outputs:
        """Answer a call with ``error``; if it is still under way, it ends, and its callee is interrupted."""
        call = own_call(caller, error.request)
        caller.note_error(error.error)
        if call is not None:
            return [Delivery((caller,), error), *self._own_calls.abandon(call)]
        canceled = self._dealer.cancel(caller, Cancel(error.request, {}))
        if canceled:
            caller.errors[uris.CANCELED] -= 1  # what it is told is ``error``
        return [Delivery((caller,), error), *canceled[1:]]
