"""
Authenticators and cookies of a running node, with Autobahn's own component and clients on sockets.
"""

from typing import Any

import pytest
import pytest_twisted
from autobahn.twisted.rawsocket import WampRawSocketClientFactory
from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory
from autobahn.wamp import auth
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.serializer import CBORSerializer, JsonSerializer
from autobahn.wamp.types import ComponentConfig
from node_bench import EVERYTHING, RAWSOCKET, WEBSOCKET
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from wamp_client import connect, soon

ASK = "com.example.authenticate"
PASSWORDS = {"joe": "sesame", "ann": "open"}
COOKIE = {**WEBSOCKET, "cookie": {"secure": False}}


def realm(store: str = "memory") -> dict[str, Any]:
    permissions = [{"uri": "", "match": "prefix", "allow": EVERYTHING}]
    return {
        "roles": {"backend": {"permissions": permissions}, "frontend": {"permissions": permissions}},
        "authentication": {
            "ticket": {"authenticator": ASK},
            "wampcra": {"authenticator": ASK},
            "cookie": {"store": store},
        },
    }


class Authenticator(ApplicationSession):  # type: ignore[misc]
    """What docs/authentication.md shows, for two methods."""

    ready: "Deferred[None]"

    async def onJoin(self, details: Any) -> None:
        await self.register(self.authenticate, ASK)
        self.ready.callback(None)

    def authenticate(self, realm: str, authid: str, details: dict[str, Any]) -> Any:
        password = PASSWORDS.get(authid)
        if password is None:
            raise ApplicationError("com.example.no_such_user", f"no user {authid}")
        if details["authmethod"] == "wampcra":
            return {"role": "frontend", "secret": password}
        if details["ticket"] != password:
            raise ApplicationError("com.example.wrong_password", "wrong")
        return {"role": "frontend", "extra": {"team": 7}}


async def start(bench: Any, **settings: Any) -> Any:
    node = bench.node({"realm1": realm(settings.pop("store", "memory"))}, **settings)
    await authenticate(node)
    return node


async def authenticate(node: Any) -> None:
    authenticator = Authenticator(ComponentConfig("realm1"))
    authenticator.ready = Deferred()
    node.connect(authenticator, "realm1", "authenticator", "backend")
    await soon(authenticator.ready)


class Client(ApplicationSession):  # type: ignore[misc]
    """A session of Autobahn's; ``outcome`` is its details, or why it was refused."""

    def __init__(self, method: str, authid: str, secret: str) -> None:
        super().__init__(ComponentConfig("realm1"))
        self.outcome: Deferred[Any] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self._method, self._authid, self._secret = method, authid, secret

    def onConnect(self) -> None:
        self.join("realm1", authmethods=[self._method], authid=self._authid)

    def onChallenge(self, challenge: Any) -> str:
        if self._method == "ticket":
            return self._secret
        signed: bytes = auth.compute_wcs(self._secret.encode(), challenge.extra["challenge"].encode())
        return signed.decode()

    def onJoin(self, details: Any) -> None:
        self.outcome.callback(details)
        self.leave()

    def onLeave(self, details: Any) -> None:
        if not self.outcome.called:
            self.outcome.callback(details.reason)
        self.disconnect()

    def onDisconnect(self) -> None:
        self.ended.callback(None)


async def join(node: Any, kind: str, *who: str) -> Any:
    """Join by a method, an authid and a secret; gives the details, or the reason of the refusal."""
    client = Client(*who)
    port = node.ports[kind].getHost().port
    if kind == "ws":
        factory = WampWebSocketClientFactory(
            lambda: client, url=f"ws://127.0.0.1:{port}/ws", serializers=[JsonSerializer()]
        )
    else:
        factory = WampRawSocketClientFactory(lambda: client, serializer=CBORSerializer())
    factory.noisy = False
    await soon(TCP4ClientEndpoint(reactor, "127.0.0.1", port).connect(factory))
    outcome = await soon(client.outcome)
    await soon(client.ended)
    return outcome


@pytest.mark.parametrize("kind", ["ws", "raw"])
@pytest_twisted.ensureDeferred
async def test_autobahn_joins_by_what_an_authenticator_knows(bench: Any, kind: str) -> None:
    node = await start(bench, transports=[WEBSOCKET, RAWSOCKET])
    details = await join(node, kind, "ticket", "joe", "sesame")
    assert (details.authid, details.authrole, details.authprovider) == ("joe", "frontend", "dynamic")
    assert details.authextra == {"team": 7}
    details = await join(node, kind, "wampcra", "ann", "open")
    assert (details.authid, details.authrole, details.authmethod) == ("ann", "frontend", "wampcra")
    for who in (
        ("ticket", "joe", "wrong"),
        ("ticket", "nobody", "sesame"),
        ("wampcra", "ann", "wrong"),
        ("wampcra", "nobody", "open"),
    ):
        assert await join(node, kind, *who) == "wamp.error.authentication_denied"
    lines = [line for line in bench.log.lines("warn") if " refused as " in line]
    assert len(lines) == 4
    for line, word in zip(
        lines, ("wrong_password", "no_such_user", "wrong signature", "no_such_user"), strict=True
    ):
        assert word in line
    assert not any(secret in line for line in lines for secret in ("sesame", "open"))


async def browser(node: Any, cookie: str | None) -> tuple[Any, str | None]:
    """Open a WebSocket as a browser does; give the client, and the cookie that it was given."""
    client = await connect(node.ports["ws"], headers={"Cookie": cookie} if cookie else None)
    given = client.response.headers.get("set-cookie")
    return client, given.partition(";")[0] if given else None


@pytest_twisted.ensureDeferred
async def test_a_browser_comes_back_also_after_a_restart(bench: Any) -> None:
    data = str(bench.directory / "data")
    node = await start(bench, transports=[COOKIE], data_dir=data, store="sqlite")
    client, cookie = await browser(node, None)
    assert cookie is not None
    client.send(1, "realm1", {"roles": {"caller": {}}, "authmethods": ["cookie", "ticket"], "authid": "joe"})
    assert (await client.receive())[:2] == [4, "ticket"]
    client.send(5, "sesame", {})
    assert (await client.receive())[0] == 2
    await client.leave()
    again, given = await browser(node, cookie)
    assert given is None
    await again.join(authmethods=["cookie"])
    await again.leave()
    await node.stopService()

    node = await start(bench, transports=[COOKIE], data_dir=data, store="sqlite")
    client, given = await browser(node, cookie)
    assert given is None
    await client.join(authmethods=["cookie"])
    details = client.welcome[2]
    assert [details[key] for key in ("authid", "authrole", "authmethod")] == ["joe", "frontend", "cookie"]
    assert details["authextra"] == {"team": 7}
    client.send(6, {}, "wamp.close.logout")
    assert (await client.receive())[0] == 6
    await client.leave()
    stranger, given = await browser(node, cookie)
    assert given is not None
    stranger.send(1, "realm1", {"roles": {"caller": {}}, "authmethods": ["cookie"]})
    assert (await stranger.receive())[2] == "wamp.error.authentication_denied"
    await soon(stranger.ended)


@pytest_twisted.ensureDeferred
async def test_the_node_stops_while_a_client_is_asked_about(bench: Any) -> None:
    """The client's connection ends with the node, and nobody waits for the answer."""
    node = bench.node({"realm1": realm()}, transports=[WEBSOCKET])
    asked: Deferred[None] = Deferred()

    class Silent(Authenticator):
        def authenticate(self, realm: str, authid: str, details: dict[str, Any]) -> Any:
            asked.callback(None)
            return Deferred()

    silent = Silent(ComponentConfig("realm1"))
    silent.ready = Deferred()
    node.connect(silent, "realm1", "authenticator", "backend")
    await soon(silent.ready)
    client = await connect(node.ports["ws"])
    client.send(1, "realm1", {"roles": {"caller": {}}, "authmethods": ["wampcra"], "authid": "joe"})
    await soon(asked)
    await node.stopService()
    await soon(client.ended)
