"""The description of the bridge: it is there, it is consistent, and it tells the truth."""

import json
from typing import Any

import jsonschema_rs
import pytest
from http_play import basic, bridged, callee_of, fetch, post, serve, stream, together
from node_bench import Bench
from pytest_twisted import ensureDeferred as asynchronous

from router.web.bridge.answers import APPLICATION_ERROR, STATUS_BY_ERROR
from router.web.bridge.config import Bridge
from router.web.bridge.openapi import STATUSES, description


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [found for child in value.values() for found in references(child)]
    if isinstance(value, list):
        return [found for child in value for found in references(child)]
    return []


def resolve(document: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        document = document[step]
    return document


def validator(document: Any, name: str) -> Any:
    return jsonschema_rs.validator_for(document["components"]["schemas"][name])


def test_every_reference_leads_somewhere() -> None:
    document = description(Bridge())
    found = references(document)
    assert len(found) > 20
    for reference in found:
        assert resolve(document, reference)


def test_every_status_is_described() -> None:
    assert set(STATUS_BY_ERROR.values()) | {APPLICATION_ERROR, 405, 415, 503} == set(STATUSES)


@pytest.mark.parametrize(("realms", "enum"), [((), None), (("realm1",), ["realm1"])])
def test_it_tells_no_names_but_those_of_the_bridge(realms: tuple[str, ...], enum: Any) -> None:
    document = description(Bridge(path="/http/api", realms=realms))
    assert document["components"]["parameters"]["realm"]["schema"].get("enum") == enum
    assert document["servers"] == [{"url": "/http/api"}]


@asynchronous
async def test_what_it_says_is_what_is_answered(bench: Bench) -> None:
    node = bench.node(transports=bridged())
    answer = await fetch(node.ports["ws"], "GET", "/api/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    document = answer.json
    assert document["openapi"] == "3.1.0"
    call = {"procedure": "com.example.add", "args": [1], "options": {"timeout": 5000}}
    assert validator(document, "Call").is_valid(call)
    callee = await callee_of(node)
    _, result = await together(serve(callee, [1], {"k": 2}), post(node.ports["ws"], "/api/realm1/call", call))
    assert validator(document, "Result").is_valid(result.json)
    wrong = {**call, "arguments": []}
    assert not validator(document, "Call").is_valid(wrong)
    refused = await post(node.ports["ws"], "/api/realm1/call", wrong)
    assert refused.status == 400
    assert validator(document, "Error").is_valid(refused.json)
    publish = {"topic": "com.example.news", "args": ["x"], "options": {"retain": True}}
    assert validator(document, "Publish").is_valid(publish)
    opened = await stream(node.ports["ws"], "GET", "/api/realm1/subscribe?topic=com.example.news")
    await opened.until("subscribed")
    published = await post(node.ports["ws"], "/api/realm1/publish", publish)
    assert validator(document, "Published").is_valid(published.json)
    text = await opened.until('"com.example.news"')
    event = json.loads(text.rpartition("data: ")[2].partition("\n")[0])
    assert validator(document, "Event").is_valid(event)
    await opened.close()
    await callee.leave()


CATALOGUE: dict[str, Any] = {
    "procedures": {
        "com.example.add": {
            "title": "Add",
            "description": "The **sum**.",
            "args": '{"$defs": {"n": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/$defs/n"}}',
            "result": '{"type": "array", "prefixItems": [{"type": "integer"}]}',
            "errors": ["com.example.error.overflow"],
            "deprecated": True,
        },
        "com.example.any": {"match": "prefix"},
        "com.secret.kill": {"title": "Not for everybody"},
    },
    "topics": {"com.example.news": {"kwargs": '{"type": "object"}'}, "com.secret.plan": {}},
}
REALM: dict[str, Any] = {
    "roles": {
        "user": {"permissions": [{"uri": "com.example.", "match": "prefix", "allow": ["call", "publish"]}]},
        "asker": {
            "permissions": [
                {"uri": "com.example.", "match": "prefix", "allow": ["call", "publish", "register"]},
                {"uri": "wamp.reflection.procedure.list", "allow": ["call"]},
            ]
        },
    },
    "authentication": {
        "anonymous": {"role": "asker"},
        "ticket": {"principals": {"tom": {"role": "user", "secret": "sesame"}}},
    },
    "catalogue": CATALOGUE,
}


class TestRealm:
    """What a realm offers to who asks."""

    @asynchronous
    async def test_what_may_be_called_and_published(self, bench: Bench) -> None:
        node = bench.node({"realm1": REALM}, transports=bridged())
        callee = await callee_of(node, "com.example.undescribed")
        answer = await fetch(node.ports["ws"], "GET", "/api/realm1/openapi.json")
        assert answer.status == 200
        document = answer.json
        assert set(document["paths"]) == {
            "/realm1/call/com.example.add",
            "/realm1/call/com.example.undescribed",
            "/realm1/publish/com.example.news",
        }
        add = document["paths"]["/realm1/call/com.example.add"]["post"]
        assert [add[key] for key in ("summary", "description", "deprecated")] == ["Add", "The **sum**.", True]
        assert "com.example.error.overflow" in add["responses"]["422"]["description"]
        for reference in references(document):
            assert reference == "#/$defs/n" or resolve(document, reference)
        await callee.leave()

    @asynchronous
    async def test_its_schemas_say_what_fits(self, bench: Bench) -> None:
        node = bench.node({"realm1": REALM}, transports=bridged())
        document = (await fetch(node.ports["ws"], "GET", "/api/realm1/openapi.json")).json
        add = document["paths"]["/realm1/call/com.example.add"]["post"]
        body = jsonschema_rs.validator_for(add["requestBody"]["content"]["application/json"]["schema"])
        assert body.is_valid({"args": [1, 2]})
        assert not body.is_valid({"args": ["1"]})
        assert not body.is_valid({"procedure": "com.example.add"})
        result = jsonschema_rs.validator_for(add["responses"]["200"]["content"]["application/json"]["schema"])
        assert result.is_valid({"args": [3], "kwargs": {}})
        assert not result.is_valid({"args": ["3"], "kwargs": {}})

    @asynchronous
    async def test_who_may_not_ask(self, bench: Bench) -> None:
        node = bench.node({"realm1": REALM}, transports=bridged())
        path, tom = "/api/realm1/openapi.json", basic("tom", "sesame")
        answer = await fetch(node.ports["ws"], "GET", path, Authorization=tom)
        assert (answer.status, answer.json["error"]) == (403, "wamp.error.not_authorized")
        assert (await fetch(node.ports["ws"], "GET", "/api/realm2/openapi.json")).status == 404
        assert (await post(node.ports["ws"], path)).status == 405
