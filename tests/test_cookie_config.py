"""Cookies and authenticators across the files of a configuration."""

from pathlib import Path
from typing import Any

import pytest

from router.config_directory import load
from router.configuration import ConfigurationError

REALM = "roles: {user: {}}\nauthentication:\n  ticket: {principals: {ann: {role: user, secret: s}}}\n"
COOKIE = f"{REALM}  cookie: {{}}\n"
ELSEWHERE = f"{REALM}  wampcra: {{authenticator: com.x, authenticator_realm: %s}}\n"


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Return a function that loads a node with such transports, and ``realm1``."""

    def loaded(transports: str, realm: str) -> Any:
        (tmp_path / "realms").mkdir()
        (tmp_path / "router.yaml").write_text(f"transports:\n{transports}")
        (tmp_path / "realms" / "realm1.yaml").write_text(realm)
        (tmp_path / "realms" / "other.yaml").write_text(REALM)
        return load(tmp_path, {})

    return loaded


def websocket(text: str = "", port: int = 8080) -> str:
    return f"- {{type: websocket, endpoint: 'tcp:{port}:interface=127.0.0.1'{text}}}\n"


@pytest.mark.parametrize(
    "transports",
    [websocket(), websocket(", cookie: {}, realms: [other]"), "- {type: rawsocket}\n"],
)
def test_a_realm_whose_cookies_nobody_sets(read: Any, transports: str) -> None:
    warnings = [warning for warning in read(transports, COOKIE).warnings if "cookie" in warning.path]
    (warning,) = warnings
    assert warning.message == "no WebSocket transport that serves this realm sets a cookie (router.yaml)"
    assert warning.line == 4


@pytest.mark.parametrize("cookie", ["{}", "{same_site: lax}", "{name: __Host-id}"])
def test_a_realm_whose_cookies_are_set(read: Any, cookie: str) -> None:
    transports = websocket() + websocket(f", cookie: {cookie}, realms: [realm1]", 8081)
    assert not [warning for warning in read(transports, COOKIE).warnings if "cookie" in warning.path]


@pytest.mark.parametrize(
    ("cookie", "said"),
    [
        ("{same_site: none}", "every web page could join as its visitors: set allowed_origins"),
        ("{same_site: none, secure: false}", "same_site: none needs secure: true"),
        ("{name: 'a b'}", "must be a name of a cookie (RFC 6265), got 'a b'"),
        ("{path: 'ws'}", "must begin with '/' and have no ';', got 'ws'"),
    ],
)
def test_a_cookie_that_can_not_be(read: Any, cookie: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(websocket(f", cookie: {cookie}"), COOKIE)
    (problem,) = raised.value.problems
    assert said in problem.message
    assert problem.path.startswith("transports[0].cookie")


def test_a_cookie_for_pages_of_other_sites(read: Any) -> None:
    text = ", cookie: {same_site: none}, allowed_origins: ['https://app.example.com']"
    assert read(websocket(text), COOKIE).node.transports[0].cookie.same_site == "none"


def test_an_authenticator_of_a_realm_that_is_not_there(read: Any) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(websocket(), ELSEWHERE % "othr")
    (problem,) = raised.value.problems
    assert problem.path == "authentication.wampcra.authenticator_realm"
    assert problem.message == "unknown realm 'othr': did you mean 'other'?"


def test_an_authenticator_of_another_realm(read: Any) -> None:
    realm = read(websocket(), ELSEWHERE % "other").realms["realm1"]
    assert realm.authentication.wampcra.authenticator_realm == "other"
