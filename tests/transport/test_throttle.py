"""The budget of messages per second."""

from collections import Counter

from fake_realm import FakeEntrance, FakeRealm
from twisted.internet.task import Clock

from router.routing.handshake import Peer
from router.transport.connection import Connection
from router.transport.framing import CHANNELS
from router.transport.outbox import Outbox, Turn
from router.transport.throttle import Throttle
from router.wamp.serializers import JSON


def test_a_burst_of_one_second_is_free() -> None:
    """A session may send a second's worth at once."""
    throttle = Throttle(100, now=0.0)
    assert throttle.spend(100, now=0.0) == 0.0


def test_what_is_over_the_budget_is_waited_for() -> None:
    """The pause is what the rate needs for the messages that were too many."""
    throttle = Throttle(100, now=0.0)
    assert throttle.spend(150, now=0.0) == 0.5
    assert throttle.spend(50, now=0.0) == 1.0


def test_time_refills_the_budget_up_to_one_second() -> None:
    """An idle hour is worth no more than a second."""
    throttle = Throttle(100, now=0.0)
    throttle.spend(100, now=0.0)
    assert throttle.spend(101, now=3600.0) == 0.01


def test_a_session_over_its_rate_is_not_read_from_for_a_while() -> None:
    """What is over ``messages_per_second`` waits, and nothing of it is lost."""
    clock = Clock()
    realm = FakeRealm()
    realm.limits.messages_per_second = 10
    carrier = Reader()
    turn = Turn(lambda function: None, clock.seconds)
    peer = Peer(address="test", host="", transport="test", listener="test")
    connection = Connection(peer, JSON, carrier, FakeEntrance(realm), turn, Counter(), lambda *_: None)
    connection.outbox = Outbox(turn, CHANNELS["message", "json"], carrier, lambda data: None, connection)
    connection.receive(b'[1,"realm1",{"roles":{"caller":{}}}]', clock.seconds())

    calls = [b'[48,%d,{},"com.example"]' % number for number in range(1, 16)]
    connection.receive_all(calls, clock.seconds())
    assert (len(realm.taken), carrier.reads) == (15, False)

    clock.advance(0.4)
    turn.judge()
    assert carrier.reads is False
    clock.advance(0.2)
    turn.judge()
    assert carrier.reads is True


class Reader:
    """A carrier that only remembers whether it reads."""

    reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def close(self, reason: str) -> None:
        raise AssertionError(reason)

    def abort(self) -> None:
        raise AssertionError("aborted")
