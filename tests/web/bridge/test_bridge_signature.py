"""Signed requests: who is let in, and what is refused that was tampered with, too old, or sent before."""

import hmac
import time
from hashlib import sha256
from typing import Any

import pytest
from http_play import Answer, bridged, octets, parse, post
from node_bench import EVERYTHING, Bench, write
from pytest_twisted import ensureDeferred as asynchronous
from wamp_client import connect, dial

PUBLISH = "/api/realm1/publish"
BODY = b'{"topic": "com.example.news"}'
REALM: dict[str, Any] = {
    "roles": {"shop": {"permissions": [{"uri": "com.example.", "match": "prefix", "allow": EVERYTHING}]}},
    "authentication": {
        "signature": {
            "principals": {
                "shop": {"role": "shop", "secret": "k€y"},
                "öl": {"role": "shop", "secret": "other"},
                "old": {"role": "shop", "secret": "past", "expires": "2020-01-01T00:00:00Z"},
            }
        }
    },
}


def signed(
    authid: str = "shop",
    key: str = "k€y",
    *,
    nonce: str = "0123456789abcdef",
    age: float = 0,
    method: str = "POST",
    path: str = PUBLISH,
    body: bytes = BODY,
) -> str:
    """Make the header as a client does."""
    timestamp = str(int(time.time() - age))
    text = "\n".join([method, path, timestamp, nonce, sha256(body).hexdigest()])
    signature = hmac.new(key.encode(), text.encode(), sha256).hexdigest()
    return (
        f'Concord-HMAC-SHA256 authid="{authid}", timestamp="{timestamp}", nonce="{nonce}", '
        f'signature="{signature}"'
    )


async def send(node: Any, header: str, body: bytes = BODY, path: str = PUBLISH) -> Answer:
    return await post(node.ports["ws"], path, body, Authorization=header)


def shop(bench: Bench, **bridge: Any) -> Any:
    return bench.node({"realm1": REALM}, transports=bridged(**bridge))


@asynchronous
async def test_each_request_is_signed_and_they_share_a_session(bench: Bench) -> None:
    node = shop(bench)
    for nonce in ("0123456789abcdef", "0123456789abcdee"):
        assert (await send(node, signed(nonce=nonce))).status == 200
    (session,) = node.directory.realms["realm1"].sessions.values()
    assert (session.authid, session.authrole, session.authmethod) == ("shop", "shop", "signature")


@asynchronous
async def test_a_name_beyond_ascii_and_parts_without_quotes(bench: Bench) -> None:
    node = shop(bench)
    assert (await send(node, signed("öl", "other"))).status == 200
    bare = (
        signed()
        .replace('timestamp="', "timestamp=")
        .replace('", nonce="', ",nonce=")
        .replace('", signature', ", signature")
    )
    assert (await send(node, bare)).status == 200


@pytest.mark.parametrize(
    ("made_with", "body", "path"),
    [
        ({"key": "key"}, BODY, PUBLISH),
        ({"authid": "nobody"}, BODY, PUBLISH),
        ({"authid": "old", "key": "past"}, BODY, PUBLISH),
        ({}, BODY + b" ", PUBLISH),
        ({}, BODY, PUBLISH + "?x=1"),
        ({"method": "GET"}, BODY, PUBLISH),
        ({"path": "/api/realm2/publish"}, BODY, PUBLISH),
    ],
)
@asynchronous
async def test_what_does_not_fit_is_refused(
    made_with: dict[str, str], body: bytes, path: str, bench: Bench
) -> None:
    """The answer is the same for a wrong key, an unknown name, and a request that was changed."""
    node = shop(bench)
    header = signed(**made_with)  # here and now: signed when tests are collected, it is too old in a long run
    answer = await send(node, header, body, path)
    assert (answer.status, answer.json["error"]) == (401, "wamp.error.authentication_denied")
    assert answer.json["message"] == "authentication failed"
    (line,) = [line for line in bench.log.lines("warn") if "refused" in line]
    assert "signature:" in line
    assert node.directory.realms["realm1"].sessions == {}


@asynchronous
async def test_a_wrong_signature_is_refused_also_beside_an_open_session(bench: Bench) -> None:
    node = shop(bench)
    assert (await send(node, signed())).status == 200
    assert (await send(node, signed(key="guess", nonce="f" * 16))).status == 401


@asynchronous
async def test_a_request_that_was_sent_before(bench: Bench) -> None:
    node = shop(bench)
    header = signed()
    assert (await send(node, header)).status == 200
    answer = await send(node, header)
    assert (answer.status, answer.json["error"]) == (401, "wamp.error.authentication_failed")
    assert answer.json["message"] == "this nonce was used before"
    (line,) = [line for line in bench.log.lines("warn") if "refused" in line]
    assert "'shop': this nonce was used before" in line


@asynchronous
async def test_a_request_that_was_sent_before_to_another_port(bench: Bench) -> None:
    transports = [{**bridged()[0], "name": name} for name in ("ws", "other")]
    transports[1]["endpoint"] = "tcp:0:interface=127.0.0.2"
    node = bench.node({"realm1": REALM}, transports=transports)
    header = signed()
    assert (await send(node, header)).status == 200
    from twisted.internet.endpoints import TCP4ClientEndpoint
    from twisted.internet.protocol import Factory
    from wamp_client import Dialog, reactor

    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.2", node.ports["other"].getHost().port)
    dialog = await endpoint.connect(Factory.forProtocol(Dialog))
    dialog.send(octets("POST", PUBLISH, BODY, Authorization=header))
    assert parse(await dialog.rest()).status == 401


@asynchronous
async def test_a_request_that_was_sent_before_a_reload(bench: Bench) -> None:
    node = shop(bench)
    header = signed()
    assert (await send(node, header)).status == 200
    changed = {**REALM, "limits": {"sessions": 99}}
    write(bench.directory, {"realm1": changed}, transports=bridged())
    await node.reload()
    assert (await send(node, header)).status == 401


@pytest.mark.parametrize("age", [-120, 120])
@asynchronous
async def test_a_clock_that_is_far_off(age: int, bench: Bench) -> None:
    node = shop(bench)
    answer = await send(node, signed(age=age))
    assert (answer.status, answer.json["error"]) == (401, "wamp.error.authentication_failed")
    assert "60000 ms from the router's clock" in answer.json["message"]


@asynchronous
async def test_too_many_nonces(bench: Bench) -> None:
    node = shop(bench, nonces=2)
    for number in range(2):
        assert (await send(node, signed(nonce=f"{number:016}"))).status == 200
    answer = await send(node, signed(nonce=f"{2:016}"))
    assert (answer.status, answer.json["message"]) == (401, "limit nonces=2 is reached")
    assert (await send(node, signed("öl", "other"))).status == 200


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('nonce="0123456789abcdef"', 'nonce="short"', "nonce must be 16 to 128"),
        ('timestamp="', 'timestamp="x', "timestamp must be whole seconds"),
        ('signature="', 'signature="x', "signature must be 64 hexadecimal digits"),
        ('authid="shop", ', "", "each once"),
        ('authid="shop"', 'authid="shop", authid="shop"', "each once"),
        ('authid="shop"', 'authid="shop", realm="x"', "each once"),
        ('authid="shop"', 'authid=""', "each once"),
        ('authid="shop",', 'authid="shop"', "each once"),
    ],
)
@asynchronous
async def test_a_header_that_is_wrong(old: str, new: str, text: str, bench: Bench) -> None:
    node = shop(bench)
    header = signed()
    assert old in header
    answer = await send(node, header.replace(old, new))
    assert (answer.status, answer.json["error"]) == (401, "wamp.error.authentication_failed")
    assert text in answer.json["message"]
    (line,) = [line for line in bench.log.lines("warn") if "refused" in line]
    assert text in line
    assert "tcp:127.0.0.1:" in line
    assert node.counters["refused_joins"] == 1


@asynchronous
async def test_the_method_is_for_http_alone(bench: Bench) -> None:
    """Over a WebSocket the client itself would say what it has signed."""
    node = shop(bench)
    client = await connect(node.ports["ws"])
    client.send(1, "realm1", {"roles": {"caller": {}}, "authmethods": ["signature"], "authid": "shop"})
    abort = await client.receive()
    assert (abort[0], abort[2]) == (3, "wamp.error.authentication_denied")
    assert any("it is for HTTP requests" in line for line in bench.log.lines("warn"))


@asynchronous
async def test_a_target_beyond_ascii(bench: Bench) -> None:
    node = shop(bench)
    dialog = await dial(node.ports["ws"], octets("POST", "/api/realm1/publish?é", BODY))
    assert parse(await dialog.rest()).status == 400
