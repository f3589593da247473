"""The one timer that a node keeps for each realm."""

from pathlib import Path
from typing import Any

import pytest
from node_bench import OPEN, write
from twisted.internet.testing import MemoryReactorClock

from realms.auth import Identity
from router.config_directory import load
from router.node import Node
from router.routing.handshake import Admission, Peer
from router.wamp.messages import Call, Register

PEER = Peer(address="test", host="", transport="test", listener="test")


@pytest.mark.parametrize(("timeout_ms", "seconds"), [(1_500, 1.5), (3_600_000, 3600), (2**53, 3600)])
def test_it_never_sleeps_longer_than_a_reactor_can(tmp_path: Path, timeout_ms: int, seconds: float) -> None:
    """A call may have a timeout of 285,000 years; a reactor's delay overflows long before."""
    write(tmp_path, {"realm1": OPEN})
    clock: Any = MemoryReactorClock()
    node = Node(load(tmp_path), clock)
    node.privilegedStartService()
    realm = node.directory.realms["realm1"]
    admission = realm.admit(1, Identity(authid="a", role="anonymous", authmethod="local"), PEER, frozenset())
    assert isinstance(admission, Admission)
    session = admission.session
    realm.routes[Register](session, Register(1, {}, "com.x"), node.turn.now())
    realm.routes[Call](session, Call(2, {"timeout": timeout_ms}, "com.x"), node.turn.now())

    (alarm,) = clock.getDelayedCalls()
    assert alarm.getTime() == pytest.approx(seconds, abs=0.1)
    if timeout_ms == 2**53:
        clock.advance(3601)
        (alarm,) = clock.getDelayedCalls()  # set again
        assert alarm.getTime() == pytest.approx(3601 + 3600, abs=1)
        assert session.calls
