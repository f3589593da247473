"""The state machine of a session: WAMP BP 'Session Lifetime', 'Protocol Errors'."""

import pytest

from router.routing.handshake import TRANSITIONS, Later, State, transition
from router.wamp.errors import ProtocolViolation
from router.wamp.messages import Abort, Authenticate, Call, Goodbye, Hello, Welcome

HELLO = Hello("realm1", {})
ABORT = Abort({}, "com.why")
GOODBYE = Goodbye({}, "com.why")
AUTHENTICATE = Authenticate("signature", {})
OTHERS = [Welcome(1, {}), Call(1, {}, "com.x")]

ALLOWED = [
    (State.AWAITING_HELLO, HELLO, "hello"),
    (State.AWAITING_HELLO, ABORT, "client_aborted"),
    (State.CHALLENGED, AUTHENTICATE, "authenticate"),
    (State.CHALLENGED, ABORT, "client_aborted"),
    (State.DECIDING, ABORT, "client_aborted"),
    (State.ESTABLISHED, GOODBYE, "client_says_goodbye"),
    (State.ESTABLISHED, ABORT, "client_aborted"),
    (State.CLOSING, GOODBYE, "client_returns_goodbye"),
    (State.CLOSING, ABORT, "client_aborted"),
]


@pytest.mark.parametrize(("state", "message", "action"), ALLOWED)
def test_what_a_client_may_send(state, message, action):
    assert transition(state, message) == action


def test_that_is_all():
    assert len(TRANSITIONS) == len(ALLOWED)


@pytest.mark.parametrize("state", [State.AWAITING_HELLO, State.CHALLENGED, State.DECIDING, State.ESTABLISHED])
@pytest.mark.parametrize("message", [HELLO, GOODBYE, AUTHENTICATE, *OTHERS])
def test_anything_else_is_a_breach_of_the_protocol(state, message):
    """The text completes: received X before a session was open."""
    if (state, type(message)) not in TRANSITIONS:
        name = type(message).__name__.upper()
        with pytest.raises(ProtocolViolation, match=f"received {name} {state.value}"):
            transition(state, message)


@pytest.mark.parametrize("state", [State.CLOSING, State.ENDED])
@pytest.mark.parametrize("message", [HELLO, AUTHENTICATE, *OTHERS])
def test_what_was_on_its_way_is_ignored(state, message):
    """State chart, 14: 'Received other / ignore'"""
    assert transition(state, message) is None


class Source:
    """Something that can be canceled."""

    def __init__(self) -> None:
        self.canceled = 0

    def cancel(self) -> None:
        self.canceled += 1


class TestLater:
    def test_the_decision_is_made_once_where_it_is_waited_for(self) -> None:
        later: Later[int] = Later()
        later.source = source = Source()
        made: list[int] = []
        later.then(lambda make: made.append(make()))
        later.decide(lambda: 7)
        later.decide(lambda: 8)
        later.cancel()
        assert (made, source.canceled) == ([7], 0)

    def test_one_that_nobody_waits_for_is_not_even_made(self) -> None:
        later: Later[int] = Later()
        later.source = source = Source()
        made: list[int] = []
        later.then(lambda make: made.append(make()))
        later.cancel()
        later.cancel()
        later.decide(lambda: 1 // 0)
        assert (made, source.canceled) == ([], 1)
