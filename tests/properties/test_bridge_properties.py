"""Whatever a HTTP client sends, the bridge refuses it in words or has a message that the router takes."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from router.transport.inside import encode
from router.wamp.serializers import JSON
from router.web.bridge.answers import Refused, error_body, server_sent
from router.web.bridge.bodies import call_wire, publish_wire, wanted
from router.web.bridge.credentials import SIGNATURE_SCHEME, Signed, sender_of

SIGNED = Signed("POST", "/api/realm1/call", b"{}")
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=10,
)
NAMES = st.sampled_from(["procedure", "topic", "args", "kwargs", "options", "x"])
BODIES = st.binary() | st.dictionaries(NAMES, VALUES).map(lambda value: json.dumps(value).encode())
SCHEMES = st.sampled_from(["Bearer", "Basic", SIGNATURE_SCHEME, "concord-hmac-sha256", "", "Digest"])
PARTS = st.sampled_from(
    [
        'authid="a"',
        "authid=a",
        'timestamp="0"',
        'nonce="0123456789abcdef"',
        f'signature="{"0" * 64}"',
        ",",
        " ",
    ]
)


def outcome(make: Callable[[], Any]) -> Any:
    """Give what is made, or the refusal."""
    try:
        return make()
    except Refused as refused:
        return refused


@given(BODIES, st.none() | st.text())
def test_a_body(body: bytes, uri: str | None) -> None:
    for found in (
        outcome(lambda: call_wire(body, 1000, True, uri)),
        outcome(lambda: publish_wire(body, uri)),
    ):
        if isinstance(found, Refused):
            assert (found.status, found.error) == (400, "wamp.error.invalid_argument")
            assert found.text
        else:
            JSON.decode(encode(found))


@given(SCHEMES, st.text() | st.lists(PARTS).map("".join))
def test_a_header(scheme: str, rest: str) -> None:
    found = outcome(lambda: sender_of(f"{scheme} {rest}", SIGNED, 0.0, 1000))
    if isinstance(found, Refused):
        assert found.status == 401
    else:
        assert found.credential.authid
        assert found.credential.signature


@given(
    st.dictionaries(st.sampled_from([b"topic", b"match", b"get_retained"]), st.lists(st.binary())), st.text()
)
def test_a_query(query: dict[bytes, list[bytes]], last: str) -> None:
    found = outcome(lambda: wanted(query, last))
    if isinstance(found, Refused):
        assert found.status == 400
    else:
        assert found.topics


@given(st.lists(VALUES, max_size=3))
def test_an_answer(args: list[Any]) -> None:
    """A body is JSON, and an event is one line of data."""
    try:
        raw = JSON.dump(args)
    except (OverflowError, ValueError, UnicodeEncodeError):
        return  # no payload that a serializer has taken
    body = error_body("com.example.error", [raw])
    assert json.loads(body)["error"] == "com.example.error"
    event = server_sent(body)
    assert event.startswith(b"data: {")
    assert event.endswith(b"}\n\n")
    assert event.count(b"\n") == 2
