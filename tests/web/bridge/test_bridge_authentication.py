"""Requests of clients whom a procedure knows, or a certificate."""

from typing import Any

import pytest
from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import RegisterOptions
from certificates import Authority, Issued
from cryptography import x509
from http_play import Answer, basic, bridged, octets, parse, post, together
from node_bench import EVERYTHING, OPEN, Bench
from pytest_twisted import ensureDeferred as asynchronous
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory
from twisted.internet.ssl import Certificate, PrivateCertificate, optionsForClientTLS
from wamp_client import Dialog, dial, reactor, soon, until

# Twisted hands pyOpenSSL what pyOpenSSL has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

WHO = {"procedure": "com.example.who", "options": {"disclose_me": True}}
CALL = "/api/realm1/call"
USER = {"permissions": [{"uri": "com.example.", "match": "prefix", "allow": EVERYTHING}]}


class Service(ApplicationSession):
    """Knows "tom" with the ticket "secret"; tells who calls. ``asked`` counts its decisions."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = self.told = 0
        self.decide: Any = lambda: "user"
        self.ready: Deferred[None] = Deferred()

    async def onJoin(self, details: Any) -> None:
        await self.register(self.authenticate, "com.example.authenticate")
        await self.register(self.who, "com.example.who", options=RegisterOptions(details=True))
        self.ready.callback(None)

    def authenticate(self, realm: str, authid: str, details: Any) -> Any:
        self.asked += 1
        if (authid, details.get("ticket")) == ("tom", "secret"):
            return self.decide()
        raise ApplicationError("com.example.unknown", "nobody knows them")

    def who(self, details: Any) -> str:
        self.told += 1
        return f"{details.caller_authid} as {details.caller_authrole}"


async def service(node: Any) -> Service:
    component = Service()
    node.connect(component, realm="realm1", authid="service", role="anonymous")
    await soon(component.ready)
    return component


class TestAuthenticator:
    REALM: dict[str, Any] = {
        "roles": {**OPEN["roles"], "user": USER},
        "authentication": {"ticket": {"authenticator": "com.example.authenticate"}},
    }

    @asynchronous
    async def test_it_is_asked_once_for_a_session(self, bench: Bench) -> None:
        node = bench.node({"realm1": self.REALM}, transports=bridged())
        component = await service(node)
        tom = basic("tom", "secret")
        answers = await together(*(post(node.ports["ws"], CALL, WHO, Authorization=tom) for _ in range(5)))
        assert [answer.json["args"] for answer in answers] == [["tom as user"]] * 5
        assert component.asked == 1

    @asynchronous
    async def test_its_no_is_401_for_everybody_who_waits(self, bench: Bench) -> None:
        node = bench.node({"realm1": self.REALM}, transports=bridged())
        await service(node)
        eve = basic("eve", "secret")
        answers = await together(*(post(node.ports["ws"], CALL, WHO, Authorization=eve) for _ in range(3)))
        assert {answer.status for answer in answers} == {401}
        assert {answer.json["message"] for answer in answers} == {"authentication failed"}

    @asynchronous
    async def test_where_nobody_can_be_asked(self, bench: Bench) -> None:
        node = bench.node({"realm1": self.REALM}, transports=bridged())
        answer = await post(node.ports["ws"], CALL, WHO, Authorization=basic("tom", "secret"))
        assert (answer.status, answer.json["error"]) == (401, "wamp.error.authentication_failed")

    @asynchronous
    async def test_a_client_that_goes_while_it_is_asked(self, bench: Bench) -> None:
        """Its request counts no longer, and nobody is called for it."""
        node = bench.node({"realm1": self.REALM}, transports=bridged(requests=1))
        component = await service(node)
        decision: Deferred[str] = Deferred()
        component.decide = lambda: decision
        tom = basic("tom", "secret")
        dialog = await dial(node.ports["ws"], octets("POST", CALL, WHO, Authorization=tom))
        await until(lambda: component.asked)
        refused = await post(node.ports["ws"], CALL, WHO, Authorization=tom)
        assert refused.status == 503
        dialog.close()
        await dialog.rest()
        asked = post(node.ports["ws"], CALL, WHO, Authorization=tom)
        reactor.callLater(0.05, decision.callback, "user")
        assert (await asked).json["args"] == ["tom as user"]
        assert component.told == 1


SERVERS, CLIENTS = Authority("servers"), Authority("clients")
ANN, BOB = CLIENTS.issue("ann"), CLIENTS.issue("bob")


class TestCertificate:
    REALM: dict[str, Any] = {
        "roles": {**OPEN["roles"], "user": USER},
        "authentication": {
            "anonymous": {"role": "anonymous"},
            "tls": {"principals": {"ann": {"role": "user", "subjects": ["CN:ann"]}}},
            "ticket": {"principals": {"tom": {"role": "user", "secret": "sesame"}}},
        },
    }

    def node(self, bench: Bench) -> Any:
        pem, key = SERVERS.issue("localhost", x509.DNSName("localhost")).write(bench.directory, "server")
        (bench.directory / "authorities.pem").write_bytes(CLIENTS.pem)
        (transport,) = bridged()
        transport["endpoint"] = f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={pem}"
        transport["client_certificate"] = {"authorities": "authorities.pem"}
        return bench.node({"realm1": self.REALM}, transports=[transport])

    async def ask(self, node: Any, shown: Issued | None, **headers: str) -> Answer:
        own = PrivateCertificate.loadPEM(shown.pem + shown.key_pem) if shown is not None else None
        options = optionsForClientTLS("localhost", Certificate.loadPEM(SERVERS.pem), own)
        host = HostnameEndpoint(reactor, "127.0.0.1", node.ports["ws"].getHost().port)
        dialog: Any = await soon(wrapClientTLS(options, host).connect(Factory.forProtocol(Dialog)))
        dialog.send(octets("POST", CALL, WHO, **headers))
        return parse(await dialog.rest())

    @asynchronous
    async def test_it_says_who_sends(self, bench: Bench) -> None:
        node = self.node(bench)
        await service(node)
        assert (await self.ask(node, ANN)).json["args"] == ["ann as user"]

    @asynchronous
    async def test_others_on_the_same_port_are_not_ann(self, bench: Bench) -> None:
        """One without a certificate is anonymous, one whose certificate is of nobody is refused."""
        node = self.node(bench)
        await service(node)
        assert (await self.ask(node, ANN)).status == 200
        assert (await self.ask(node, None)).json["args"][0].endswith(" as anonymous")
        assert (await self.ask(node, BOB)).status == 401

    @asynchronous
    async def test_what_a_request_says_itself_counts_more(self, bench: Bench) -> None:
        node = self.node(bench)
        await service(node)
        answer = await self.ask(node, ANN, Authorization=basic("tom", "sesame"))
        assert answer.json["args"] == ["tom as user"]
