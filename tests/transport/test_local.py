"""Components in the router's own process: ordinary Autobahn sessions without a socket."""

from typing import Any

import pytest
import pytest_twisted
from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.message import Goodbye
from autobahn.wamp.types import CallOptions, ComponentConfig, PublishOptions
from node_bench import OPEN, Bench, assert_empty
from twisted.internet.defer import Deferred
from wamp_client import connect, soon, until

asynchronous: Any = pytest_twisted.ensureDeferred
ACKNOWLEDGED = PublishOptions(acknowledge=True)


class Component(ApplicationSession):  # type: ignore[misc]  # Autobahn's names are Any
    """Tells when it has joined, left and closed, and why."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.joined: Deferred[Any] = Deferred()
        self.left: Deferred[Any] = Deferred()
        self.closed: Deferred[Any] = Deferred()

    def onJoin(self, details: Any) -> None:
        self.joined.callback(details)

    def onLeave(self, details: Any) -> None:
        if not self.left.called:
            self.left.callback((details.reason, details.message))
        super().onLeave(details)

    def onClose(self, wasClean: bool) -> None:
        super().onClose(wasClean)
        self.closed.callback(wasClean)

    def onUserError(self, fail: Any, msg: str) -> None:
        self.errors = [*getattr(self, "errors", []), fail.value]


async def component(node: Any, realm: str = "realm1", authid: str = "prices", role: str = "anonymous") -> Any:
    one = Component()
    node.connect(one, realm=realm, authid=authid, role=role)
    await soon(one.joined)
    return one


async def leave(*components: Any) -> None:
    for one in components:
        one.leave()
        await soon(one.closed)


@asynchronous
async def test_joins_with_the_identity_that_it_is_given(bench: Bench) -> None:
    """It is known by the meta API like any session, with the transport ``local``."""
    node = bench.node()
    one = Component()
    node.connect(one, realm="realm1", authid="prices", role="anonymous")
    details = await soon(one.joined)
    assert (details.realm, details.authid, details.authrole, details.authmethod) == (
        "realm1",
        "prices",
        "anonymous",
        "local",
    )
    known = await soon(one.call("wamp.session.get", details.session))
    assert known["transport"] == {"type": "local", "peer": "local"}
    await leave(one)
    assert_empty(*node.directory.realms.values())


@asynchronous
@pytest.mark.parametrize("configured", [None, "realm1", "other"])
async def test_joins_the_realm_that_it_is_connected_to(bench: Bench, configured: str | None) -> None:
    """Whatever its own configuration says; what else stands there is kept."""
    node = bench.node({"realm1": OPEN, "realm2": OPEN})
    one = Component(ComponentConfig(realm=configured, extra={"a": 1}))
    node.connect(one, realm="realm2", authid="prices", role="anonymous")
    details = await soon(one.joined)
    assert details.realm == "realm2"
    assert len(node.directory.realms["realm2"].sessions) == 1
    assert one.config.extra == {"a": 1}
    await leave(one)


@asynchronous
async def test_rpc_and_events_with_clients_on_sockets(bench: Bench) -> None:
    node = bench.node()
    one, client = await component(node), await (await connect(node.ports["ws"], "cbor")).join()
    events: list[Any] = []
    await soon(one.register(lambda a, b=0: a + b, "com.add"))
    await soon(one.subscribe(events.append, "com.news"))
    client.send(48, 1, {}, "com.add", [1], {"b": 2})
    assert await client.receive() == [50, 1, {}, [3]]
    client.requests = 1
    assert (await client.request(16, {"acknowledge": True}, "com.news", [{"x": b"\0\xff"}]))[0] == 17
    await until(lambda: events)
    assert events == [{"x": b"\0\xff"}]
    assert (await client.request(64, {}, "com.mirror"))[0] == 65
    called = one.call("com.mirror", [1, {"y": None}])
    invocation = await client.receive()
    client.send(70, invocation[1], {}, invocation[4])
    assert await soon(called) == [1, {"y": None}]
    await leave(one)
    await client.leave()


@asynchronous
async def test_messages_keep_their_order(bench: Bench) -> None:
    """A thousand events and calls at once arrive as they were sent."""
    node = bench.node()
    publisher, subscriber = await component(node), await component(node)
    events: list[int] = []
    await soon(subscriber.subscribe(events.append, "com.count"))
    for number in range(1000):
        publisher.publish("com.count", number)
    await soon(publisher.publish("com.count", 1000, options=ACKNOWLEDGED))
    await until(lambda: len(events) > 1000)
    assert events == list(range(1001))
    await leave(publisher, subscriber)


@asynchronous
async def test_no_object_is_shared(bench: Bench) -> None:
    """What a receiver does with its arguments changes nothing for the others."""
    node = bench.node()
    publisher, first, second = [await component(node) for _ in range(3)]
    seen: list[Any] = []

    def take(value: Any) -> None:
        value["list"].append(len(seen))
        seen.append(value)

    for subscriber in (first, second):
        await soon(subscriber.subscribe(take, "com.t"))
    value: dict[str, Any] = {"list": []}
    publisher.publish("com.t", value)
    await until(lambda: len(seen) == 2)
    assert (value, seen) == ({"list": []}, [{"list": [0]}, {"list": [1]}])
    await leave(publisher, first, second)


@asynchronous
async def test_an_exception_in_a_handler_harms_nobody(bench: Bench) -> None:
    """In a procedure: an ERROR for its caller. In an event handler: nothing, not even for the component."""
    node = bench.node()
    broken, caller = await component(node), await component(node)

    def fail(*args: Any) -> None:
        raise ValueError("broken")

    await soon(broken.register(fail, "com.fail"))
    await soon(broken.subscribe(fail, "com.t"))
    with pytest.raises(ApplicationError) as raised:
        await soon(caller.call("com.fail"))
    assert raised.value.error == "wamp.error.runtime_error"
    await soon(caller.publish("com.t", options=ACKNOWLEDGED))
    await until(lambda: len(getattr(broken, "errors", [])) == 2)
    await soon(broken.register(lambda: "alive", "com.alive"))
    assert await soon(caller.call("com.alive")) == "alive"
    await leave(broken, caller)


@asynchronous
async def test_a_component_that_breaks_is_taken_out_alone(bench: Bench) -> None:
    """Its session ends, what it held is free, and the failure is logged once."""
    node = bench.node()
    broken, other = await component(node), await component(node)
    await soon(broken.register(lambda: None, "com.p"))
    broken.onMessage = lambda message: 1 / 0
    other.call("com.p").addErrback(lambda failure: None)
    await soon(broken.closed)
    assert bench.log.take_failures() == ["ZeroDivisionError('division by zero')"]
    await soon(other.register(lambda: 7, "com.p"))
    assert await soon(other.call("com.p")) == 7
    assert await soon(other.call("wamp.session.count")) == 1
    await leave(other)


@asynchronous
async def test_a_component_that_breaks_while_it_is_closed(bench: Bench) -> None:
    node = bench.node()
    broken = await component(node)
    transport = broken._transport
    broken.onClose = lambda clean: 1 / 0
    transport.close()
    await soon(transport.is_closed)
    await until(lambda: any("log_failure" in event for event in bench.log.events))
    assert bench.log.take_failures() == ["ZeroDivisionError('division by zero')"]
    assert node.directory.realms["realm1"].sessions == {}


@asynchronous
async def test_a_call_that_times_out(bench: Bench) -> None:
    node = bench.node()
    callee, caller = await component(node), await component(node)
    await soon(callee.register(Deferred, "com.slow"))
    with pytest.raises(ApplicationError, match="no answer within 30 ms"):
        await soon(caller.call("com.slow", options=CallOptions(timeout=30)))
    await leave(callee, caller)


@asynchronous
@pytest.mark.parametrize(
    ("realm", "role", "reason"),
    [("other", "anonymous", "wamp.error.no_such_realm"), ("realm1", "other", "wamp.error.no_such_role")],
)
async def test_a_refused_one_is_told_why(bench: Bench, realm: str, role: str, reason: str) -> None:
    node = bench.node()
    one = Component()
    transport = node.connect(one, realm=realm, authid="prices", role=role)
    assert (await soon(one.left))[0] == reason
    await soon(one.closed)
    assert await soon(transport.is_closed) is transport
    assert not transport.isOpen()
    assert not one.joined.called
    assert node.counters["refused_joins"] == 1


@asynchronous
async def test_is_bound_by_the_permissions_of_its_role(bench: Bench) -> None:
    roles = {**OPEN["roles"], "reader": {"permissions": [{"uri": "com.t", "allow": ["subscribe"]}]}}
    node = bench.node({"realm1": {**OPEN, "roles": roles}})
    one = await component(node, role="reader")
    await soon(one.subscribe(lambda: None, "com.t"))
    with pytest.raises(ApplicationError, match="may not register"):
        await soon(one.register(lambda: None, "com.t"))
    await leave(one)


@asynchronous
async def test_gets_goodbye_when_the_router_stops(bench: Bench) -> None:
    node = bench.node()
    one = await component(node)
    await soon(node.stopService())
    assert (await soon(one.left))[0] == "wamp.close.system_shutdown"
    assert await soon(one.closed) is True


@asynchronous
async def test_can_be_killed(bench: Bench) -> None:
    node = bench.node()
    one, client = await component(node), await (await connect(node.ports["ws"])).join()
    session_id = one._session_id
    assert await client.call("wamp.session.kill_by_authid", "prices") == [session_id]
    assert (await soon(one.left))[0] == "wamp.close.killed"
    await soon(one.closed)
    assert await client.call("wamp.session.count") == 1
    await client.leave()


@asynchronous
async def test_sends_nothing_after_the_end(bench: Bench) -> None:
    node = bench.node()
    one = Component()
    transport = node.connect(one, realm="realm1", authid="prices", role="anonymous")
    await soon(one.joined)
    transport.close()
    transport.abort()
    await soon(one.closed)
    with pytest.raises(TransportLost):
        transport.send(Goodbye())
    assert node.directory.realms["realm1"].sessions == {}
