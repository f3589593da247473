"""The status for each error, and the JSON of what is answered."""

import json

import pytest
from msgspec import Raw

from realms.dstm import errors as dstm_errors
from router.wamp import uris
from router.web.bridge.answers import error_body, event_body, headers_of, result_body, server_sent, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("wamp.error.no_such_procedure", 404),
        ("wamp.error.not_authorized", 403),
        ("wamp.error.authentication_denied", 401),
        ("wamp.error.timeout", 504),
        ("wamp.close.system_shutdown", 503),
        ("concord.error.limit_exceeded", 429),
        ("dstm.error.conflict", 409),
        ("wamp.error.something_new", 500),
        ("com.example.error.sold_out", 422),
        ("wampum", 422),
    ],
)
def test_status(error: str, status: int) -> None:
    assert status_of(error) == status


def test_every_error_of_the_router_has_a_status() -> None:
    """A URI that is added is to be thought of here."""
    errors = [value for value in vars(uris).values() if isinstance(value, str) and ".error." in value]
    errors += [value for value in vars(dstm_errors).values() if str(value).startswith("dstm.error.")]
    assert len(errors) > 20
    assert [error for error in errors if status_of(error) == 500] == [uris.INTERNAL_ERROR]


def test_headers_that_belong_to_a_status() -> None:
    assert "Basic" not in headers_of(401)["WWW-Authenticate"]
    assert headers_of(503) == {"Retry-After": "1"}
    assert headers_of(404) == {}


def test_the_message_of_an_error_is_its_first_text() -> None:
    assert json.loads(error_body("a.b", [Raw(b'["words", 1]')]))["message"] == "words"
    assert json.loads(error_body("a.b", [Raw(b"[1]"), Raw(b'{"k":1}')])) == {
        "error": "a.b",
        "message": "",
        "args": [1],
        "kwargs": {"k": 1},
    }
    assert json.loads(error_body("a.b", []))["args"] == []


def test_a_payload_stays_as_it_is() -> None:
    assert result_body(Raw(b"{}"), [Raw(b"[1e2, 1.0]")]) == b'{"args":[1e2, 1.0],"kwargs":{}}'
    details = json.loads(result_body(Raw(b'{"callee":1}'), []))["details"]
    assert details == {"callee": 1}
    assert json.loads(event_body("t", 7, Raw(b"{}"), [])) == {
        "topic": "t",
        "publication": 7,
        "args": [],
        "kwargs": {},
        "details": {},
    }


def test_an_event_is_on_one_line() -> None:
    assert server_sent(b'{"a":\r\n1}', "kind", "7") == b'id: 7\nevent: kind\ndata: {"a":  1}\n\n'
