"""Which web pages may use the bridge."""

import pytest
from http_play import bridged, fetch, post
from node_bench import Bench
from pytest_twisted import ensureDeferred as asynchronous

from router.web.bridge.config import Cors
from router.web.bridge.cors import CorsRules

PUBLISH = "/api/realm1/publish"
TOPIC = {"topic": "com.example.news"}


@asynchronous
async def test_a_page_asks_and_then_sends(bench: Bench) -> None:
    cors = {"origins": ["https://*.example.com"], "max_age_ms": 5000}
    node = bench.node(transports=bridged(cors=cors))
    page = {"Origin": "https://shop.example.com"}
    asked = {**page, "Access_Control_Request_Method": "POST"}
    answer = await fetch(node.ports["ws"], "OPTIONS", PUBLISH, **asked)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example.com"
    assert answer.headers["access-control-allow-methods"] == "GET, POST"
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-max-age"] == "5"
    assert answer.headers["vary"] == "Origin"
    answer = await post(node.ports["ws"], PUBLISH, TOPIC, **page)
    assert answer.headers["access-control-allow-origin"] == "https://shop.example.com"
    answer = await post(node.ports["ws"], PUBLISH, {}, **page)
    assert answer.status == 400
    assert answer.headers["access-control-allow-origin"] == "https://shop.example.com"


@asynchronous
async def test_other_pages_are_not_told_that_they_may(bench: Bench) -> None:
    node = bench.node(transports=bridged())
    answer = await fetch(node.ports["ws"], "OPTIONS", PUBLISH, Origin="https://example.org")
    assert answer.status == 204
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize(
    ("patterns", "origin", "allowed"),
    [
        (("*",), "https://example.org", True),
        (("https://example.org",), "https://example.org", True),
        (("https://example.org",), "https://example.org.evil.com", False),
        (("https://example.org",), "https://exampleXorg", False),
        (("https://*.example.org",), "https://example.org", False),
        (("http://localhost:*", "https://example.org"), "http://localhost:3000", True),
        ((), "https://example.org", False),
        (("*",), None, False),
    ],
)
def test_patterns(patterns: tuple[str, ...], origin: str | None, allowed: bool) -> None:
    headers = CorsRules(Cors(origins=patterns)).headers(origin, False)
    assert ("Access-Control-Allow-Origin" in headers) is allowed
