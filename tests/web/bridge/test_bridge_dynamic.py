"""Requests of clients whom an authenticator knows: they wait for its decision."""

import base64
from typing import Any

import pytest_twisted
from http_play import bridged, callee_of, octets, parse, post, serve
from node_bench import EVERYTHING, Bench
from wamp_client import dial

ASK = "com.example.authenticate"
REALM: dict[str, Any] = {
    "roles": {"user": {"permissions": [{"uri": "", "match": "prefix", "allow": EVERYTHING}]}},
    "authentication": {
        "ticket": {
            "authenticator": ASK,
            "authenticator_timeout_ms": 200,
            "principals": {"backend": {"role": "user", "secret": "b"}},
        }
    },
}
COUNT = {"procedure": "wamp.session.count"}


def bearer(authid: str, ticket: str) -> str:
    return f"Bearer {authid}:{ticket}"


@pytest_twisted.ensureDeferred
async def test_who_is_known_and_who_is_not(bench: Bench) -> None:
    node = bench.node({"realm1": REALM}, transports=bridged())
    callee = await callee_of(node, ASK, "backend", "b")
    port = node.ports["ws"]
    waiting = await dial(port, octets("POST", "/api/realm1/call", COUNT, Authorization=bearer("joe", "x")))
    invocation = await serve(callee, ["user"])
    assert (invocation[4][1], invocation[4][2]["ticket"]) == ("joe", "x")
    assert parse(await waiting.rest()).status == 200
    basic = "Basic " + base64.b64encode(b"ann:y").decode()
    waiting = await dial(port, octets("POST", "/api/realm1/call", COUNT, Authorization=basic))
    await serve(callee, "com.example.no", ["because"])
    refused = parse(await waiting.rest())
    assert (refused.status, refused.json["error"]) == (401, "wamp.error.authentication_denied")
    await callee.leave()


@pytest_twisted.ensureDeferred
async def test_nobody_answers_in_time(bench: Bench) -> None:
    node = bench.node({"realm1": REALM}, transports=bridged())
    callee = await callee_of(node, ASK, "backend", "b")
    refused = await post(node.ports["ws"], "/api/realm1/call", COUNT, Authorization=bearer("joe", "x"))
    assert refused.json["error"] == "wamp.error.authentication_failed"
    await callee.leave()
