"""Webhooks: from an event in the realm to a signed POST at a receiver, over real sockets."""

import base64
import hmac
import json
import warnings
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
import pytest_twisted
from certificates import Authority
from cryptography import x509
from node_bench import OPEN, WEBSOCKET, Bench, write
from pytest_twisted import ensureDeferred as asynchronous
from twisted.internet.ssl import PrivateCertificate
from wamp_client import WampClient, connect, reactor, soon, until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from twisted.web.resource import Resource
    from twisted.web.server import NOT_DONE_YET, Site

# Twisted hands pyOpenSSL what pyOpenSSL has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

SECRET = "whsec_" + base64.b64encode(b"a key of octets").decode()


class Receiver(Resource):
    """
    A receiver of webhooks.

    :ivar got: headers and body of each request
    :ivar statuses: of the next answers, then 204; a function answers by itself
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.got: list[tuple[dict[str, str], Any]] = []
        self.statuses: list[int | Callable[[Any], int]] = []
        self.site = Site(self)
        self.site.noisy = False
        self.port = reactor.listenTCP(0, self.site, interface="127.0.0.1")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port.getHost().port}/hook"

    @property
    def args(self) -> list[Any]:
        return [json.loads(body)["args"] for _, body in self.got]

    def render_POST(self, request: Any) -> Any:
        names = [name.decode().lower() for name, _ in request.requestHeaders.getAllRawHeaders()]
        self.got.append(({name: request.getHeader(name) for name in names}, request.content.read()))
        status = self.statuses.pop(0) if self.statuses else 204
        if not isinstance(status, int):
            return status(request)
        request.setResponseCode(status)
        return b""


@pytest_twisted.async_yield_fixture
async def receiver() -> Any:
    receiver = Receiver()
    yield receiver
    await receiver.port.stopListening()


def hook(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {
        "topic": "com.example.news",
        "role": "anonymous",
        "url": receiver.url,
        "secret": SECRET,
        "allow_private_addresses": True,
        "retry": {"first_ms": 10},
        **more,
    }


def hooked(*hooks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"realm1": {**OPEN, "webhooks": list(hooks), **more}}


async def publisher(node: Any) -> WampClient:
    return await (await connect(node.ports["ws"])).join()


async def publish(client: WampClient, *args: Any, topic: str = "com.example.news", **options: Any) -> int:
    """Publish and give the publication's id."""
    answer = await client.request(16, {"acknowledge": True, **options}, topic, list(args))
    assert answer[0] == 17, answer
    return int(answer[2])


@asynchronous
async def test_an_event_arrives_signed(bench: Bench, receiver: Receiver) -> None:
    node = bench.node(hooked(hook(receiver, topic="com.example.", match="prefix", name="news")))
    client = await publisher(node)
    publication = await publish(client, "h€llo", 1)
    await until(lambda: receiver.got)
    ((headers, body),) = receiver.got
    assert not [line for line in bench.log.lines("info") if "factory" in line]
    assert json.loads(body) == {
        "realm": "realm1",
        "webhook": "news",
        "topic": "com.example.news",
        "publication": publication,
        "args": ["h€llo", 1],
        "kwargs": {},
        "details": {"topic": "com.example.news"},
    }
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("Concord/")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(b"a key of octets", signed, sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    await until(lambda: node.counters["webhooks_delivered"] == 1)
    await client.leave()


@asynchronous
async def test_a_failure_is_tried_again_with_the_same_id(bench: Bench, receiver: Receiver) -> None:
    node = bench.node(hooked(hook(receiver)))
    client = await publisher(node)
    receiver.statuses = [500, 302]
    await publish(client, "first")
    await publish(client, "second")
    await until(lambda: len(receiver.got) == 4)
    assert receiver.args == [["first"], ["first"], ["first"], ["second"]]
    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert any("again in" in line and "status 500" in line for line in bench.log.lines("warn"))
    await client.leave()


@asynchronous
async def test_a_receiver_that_answers_nothing(bench: Bench, receiver: Receiver) -> None:
    """The attempt ends after its time, and meanwhile nobody waits."""
    settings = hook(receiver, timeout_ms=100, retry={"attempts": 1})
    node = bench.node(hooked(settings))
    client = await publisher(node)
    receiver.statuses = [lambda request: NOT_DONE_YET]
    await publish(client, "lost")
    await until(lambda: node.counters["webhooks_failed"] == 1)
    assert any("given up after 1 attempts" in line for line in bench.log.lines("error"))
    await publish(client, "next")
    await until(lambda: node.counters["webhooks_delivered"] == 1)
    await client.leave()


@asynchronous
async def test_an_answer_without_an_end(bench: Bench, receiver: Receiver) -> None:
    """So much of it is read and no more; the status counts."""

    def endless(request: Any) -> int:
        request.write(b"x" * 200_000)
        return int(NOT_DONE_YET)

    node = bench.node(hooked(hook(receiver)))
    client = await publisher(node)
    receiver.statuses = [endless]
    await publish(client, "first")
    await until(lambda: node.counters["webhooks_delivered"] == 1)
    await client.leave()


@asynchronous
async def test_an_answer_that_drips_keeps_no_connection(bench: Bench, receiver: Receiver) -> None:
    """A receiver that never ends its answer would have one more of the router's with each attempt."""
    open_requests = []

    def drip(request: Any) -> int:
        request.notifyFinish().addErrback(lambda _: open_requests.remove(request))
        open_requests.append(request)
        request.write(b"x")
        return int(NOT_DONE_YET)

    node = bench.node(hooked(hook(receiver, timeout_ms=100, retry={"attempts": 2, "first_ms": 10})))
    client = await publisher(node)
    receiver.statuses = [drip, drip]
    await publish(client, "first")
    await until(lambda: node.counters["webhooks_failed"] == 1)
    await until(lambda: not open_requests)
    assert len(receiver.got) == 2
    await client.leave()


@asynchronous
async def test_nobody_is_there(bench: Bench, receiver: Receiver) -> None:
    settings = hook(receiver, url="http://127.0.0.1:9/", retry={"attempts": 2, "first_ms": 10})
    node = bench.node(hooked(settings))
    client = await publisher(node)
    await publish(client, "lost")
    await until(lambda: node.counters["webhooks_failed"] == 1)
    assert any("refused" in line for line in bench.log.lines("error"))
    await client.leave()


@asynchronous
async def test_a_name_that_means_this_machine_is_refused(bench: Bench, receiver: Receiver) -> None:
    """A name is judged by its addresses, and they are judged when it is resolved."""
    settings = {**hook(receiver), "allow_private_addresses": False, "retry": {"attempts": 1}}
    port = receiver.port.getHost().port
    for url in (f"http://localhost.:{port}/", f"http://0x7f000001:{port}/", f"http://2130706433:{port}/"):
        node = bench.node(hooked({**settings, "url": url}))
        client = await publisher(node)
        await publish(client, "secret")
        await until(lambda node=node: node.counters["webhooks_failed"] == 1)
        await client.leave()
        await node.stopService()
    assert receiver.got == []
    assert sum("has no public address" in line for line in bench.log.lines("error")) >= 1


@asynchronous
async def test_a_certificate_that_nobody_vouches_for(bench: Bench) -> None:
    """The receiver's certificate must be valid for its name: it never sees the event."""
    receiver = Receiver()
    issued = Authority("servers").issue("localhost", x509.DNSName("localhost"))
    options = PrivateCertificate.loadPEM(issued.pem + issued.key_pem).options()
    port = reactor.listenSSL(0, receiver.site, options, interface="127.0.0.1")
    url = f"https://localhost:{port.getHost().port}/hook"
    node = bench.node(hooked(hook(receiver, url=url, retry={"attempts": 1})))
    client = await publisher(node)
    await publish(client, "secret")
    await until(lambda: node.counters["webhooks_failed"] == 1)
    assert any("certificate" in line for line in bench.log.lines("error"))
    assert receiver.got == []
    await client.leave()
    await port.stopListening()
    await receiver.port.stopListening()


@asynchronous
async def test_the_role_decides_what_it_gets(bench: Bench, receiver: Receiver) -> None:
    roles = {
        **OPEN["roles"],
        "reader": {"permissions": [{"uri": "com.example.news", "allow": ["subscribe"]}]},
    }
    allowed, forbidden = hook(receiver, role="reader"), hook(receiver, role="reader", topic="com.secret")
    node = bench.node(hooked(allowed, forbidden, roles=roles))
    client = await publisher(node)
    (line,) = [line for line in bench.log.lines("error") if "can't subscribe" in line]
    assert "realm1/webhook-2" in line
    assert "wamp.error.not_authorized" in line
    await publish(client, "not for readers", eligible_authrole=["admin"])
    await publish(client, "for readers", eligible_authrole=["reader"])
    await until(lambda: receiver.got)
    assert receiver.args == [["for readers"]]
    await client.leave()


@asynchronous
async def test_it_is_a_session_of_the_realm(bench: Bench, receiver: Receiver) -> None:
    node = bench.node(hooked(hook(receiver)))
    client = await publisher(node)
    (other,) = [number for number in await client.call("wamp.session.list") if number != client.session_id]
    details = await client.call("wamp.session.get", other)
    assert (details["authid"], details["transport"]["type"]) == ("webhook-1", "webhook")
    await client.leave()


@asynchronous
async def test_a_change_of_the_configuration(bench: Bench, receiver: Receiver) -> None:
    """One comes, one is changed, one goes; what waited is not lost."""
    node = bench.node(hooked(hook(receiver, url="http://127.0.0.1:9/", retry={"first_ms": 50})))
    client = await publisher(node)
    await publish(client, "before")
    changed = [hook(receiver, topic="com.example.sport"), hook(receiver, topic="com.example.other")]
    write(bench.directory, hooked(*changed))
    await node.reload()
    await publish(client, "sport", topic="com.example.sport")
    await publish(client, "other", topic="com.example.other")
    await publish(client, "nobody's", topic="com.example.news")
    await until(lambda: len(receiver.got) == 3)
    assert sorted(receiver.args) == [["before"], ["other"], ["sport"]]
    write(bench.directory, hooked())
    await node.reload()
    assert len(node.directory.realms["realm1"].sessions) == 1
    await client.leave()


@asynchronous
async def test_a_realm_that_closes_and_comes_again(bench: Bench, receiver: Receiver) -> None:
    transports = [{**WEBSOCKET, "realms": []}]
    node = bench.node({**hooked(hook(receiver)), "realm2": OPEN}, transports=transports)
    write(bench.directory, {"realm2": OPEN}, transports=transports)
    (bench.directory / "realms" / "realm1.yaml").unlink()
    await node.reload()
    write(bench.directory, {**hooked(hook(receiver)), "realm2": OPEN}, transports=transports)
    await node.reload()
    client = await publisher(node)
    await publish(client, "again")
    await until(lambda: receiver.got)
    await client.leave()


@asynchronous
async def test_one_that_is_killed_comes_back(
    bench: Bench, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.web.webhooks.REJOIN_SECONDS", 0.01)
    node = bench.node(hooked(hook(receiver)))
    client = await publisher(node)
    killed = await client.call("wamp.session.kill_by_authid", "webhook-1")
    assert len(killed) == 1
    realm = node.directory.realms["realm1"]
    await until(lambda: len(realm.sessions) == 2)
    await publish(client, "again")
    await until(lambda: receiver.got)
    assert any("its session ended: wamp.close.killed" in line for line in bench.log.lines("error"))
    await client.leave()


@asynchronous
async def test_a_permission_that_goes_and_comes(bench: Bench, receiver: Receiver) -> None:
    def roles(*allow: str) -> dict[str, Any]:
        permission = {"uri": "com.example.news", "allow": list(allow)}
        return {**OPEN["roles"], "reader": {"permissions": [permission]}}

    settings = hook(receiver, role="reader")
    node = bench.node(hooked(settings, roles=roles("subscribe")))
    client = await publisher(node)
    write(bench.directory, hooked(settings, roles=roles("publish")))
    await node.reload()
    await publish(client, "not to be seen")
    write(bench.directory, hooked(settings, roles=roles("subscribe")))
    await node.reload()
    await publish(client, "to be seen")
    await until(lambda: receiver.got)
    assert receiver.args == [["to be seen"]]
    await client.leave()


@asynchronous
async def test_what_waits_at_the_end_is_said(bench: Bench, receiver: Receiver) -> None:
    node = bench.node(hooked(hook(receiver, url="http://127.0.0.1:9/", retry={"first_ms": 60_000})))
    client = await publisher(node)
    await publish(client, "one")
    await publish(client, "two")
    await until(lambda: node.counters["webhooks_retried"] == 1)
    await client.leave()
    await soon(node.stopService())
    assert any("2 events not delivered" in line for line in bench.log.lines("warn"))
