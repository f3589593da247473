"""A certificate renewed and roles changed while clients work: no session and no message is lost."""

from typing import Any

import pytest
import pytest_twisted
from node_bench import EVERYTHING, OPEN, Bench, write
from tls_bench import certify, endpoint, name_of, trusting
from twisted.internet.defer import DeferredList, ensureDeferred
from wamp_client import WampClient, connect, soon, until

PAIRS = 10
WINDOW = 8  # calls of each caller that are under way
RELOADS = 5

pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
asynchronous: Any = pytest_twisted.ensureDeferred


class Work:
    """Calls and events that go on until ``ending``; each is counted and none may be missing."""

    def __init__(self) -> None:
        self.ending = False
        self.calls = 0
        self.events = 0

    async def serve(self, callee: WampClient) -> None:
        """Answer each invocation with its argument, until the router says GOODBYE."""
        while (message := await callee.inbox.get())[0] != 6:
            assert message[0] == 68, message
            callee.send(70, message[1], {}, message[4])

    async def call(self, caller: WampClient, procedure: str) -> None:
        """Keep ``WINDOW`` calls under way; each answer is that of its own call."""
        sent: dict[int, int] = {}
        while sent or not self.ending:
            while len(sent) < WINDOW and not self.ending:
                caller.requests += 1
                sent[caller.requests] = self.calls = self.calls + 1
                caller.send(48, caller.requests, {}, procedure, [self.calls])
            answer = await caller.receive()
            assert answer[0] == 50, answer
            assert answer[3] == [sent.pop(answer[1])]

    async def publish(self, publisher: WampClient, topic: str, subscriber: WampClient) -> None:
        """Publish numbers, each after the one before was heard: in order, none missing, none twice."""
        number = 0
        while not self.ending:
            numbers = list(range(number, number + WINDOW))
            for n in numbers:
                publisher.requests += 1
                publisher.send(16, publisher.requests, {}, topic, [n])
            for n in numbers:
                event = await subscriber.receive()
                assert event[0] == 36, event
                assert event[4] == [n]
            number += WINDOW
            self.events += WINDOW


def realm(generation: int) -> dict[str, Any]:
    """Give the realm with a role that differs from one generation to the next."""
    permissions = [
        {"uri": "", "match": "prefix", "allow": EVERYTHING},
        {"uri": f"com.example.generation{generation}.", "match": "prefix", "allow": []},
    ]
    role = {"permissions": [{"uri": "com.example.", "match": "prefix", "allow": ["call"]}]}
    return {**OPEN, "roles": {"anonymous": {"permissions": permissions}, f"role{generation}": role}}


@asynchronous
async def test_nobody_notices_a_reload(bench: Bench) -> None:
    """Calls, events and sessions over TLS go through five reloads; new connections see what is new."""
    certify(bench.directory, "generation0")
    trusted = trusting(bench.directory)
    transport = {"type": "websocket", "name": "ws", "endpoint": endpoint(bench.directory)}
    node = bench.node({"realm1": realm(0)}, transports=[transport])
    port = node.ports["ws"]
    work, loads, clients = Work(), [], []
    for pair in range(PAIRS):
        callee, caller, publisher, subscriber = [
            await (await connect(port, tls=trusted)).join() for _ in range(4)
        ]
        clients += [callee, caller, publisher, subscriber]
        await callee.request(64, {}, f"com.example.procedure{pair}")
        await subscriber.request(32, {}, f"com.example.topic{pair}")
        ensureDeferred(work.serve(callee))
        loads.append(ensureDeferred(work.call(caller, f"com.example.procedure{pair}")))
        loads.append(ensureDeferred(work.publish(publisher, f"com.example.topic{pair}", subscriber)))
    everybody = {client.session_id for client in clients}

    for generation in range(1, RELOADS + 1):
        calls, events = work.calls, work.events
        certify(bench.directory, f"generation{generation}")
        write(bench.directory, {"realm1": realm(generation)}, transports=[transport])
        await soon(node.reload())
        await until(lambda c=calls, e=events: work.calls > c + 200 and work.events > e + 200)
        assert await name_of(node) == f"generation{generation}"
        role = node.directory.realms["realm1"].roles["anonymous"]
        assert role.may_call(f"com.example.generation{generation}.x").error == "wamp.error.not_authorized"
        assert role.may_call(f"com.example.generation{generation - 1}.x").error is None
        assert set(node.directory.realms["realm1"].sessions) == everybody

    work.ending = True
    for good, outcome in await soon(DeferredList(loads)):
        assert good, outcome
    assert work.calls > RELOADS * 200
    assert not bench.log.lines("warn", "error", "critical")
