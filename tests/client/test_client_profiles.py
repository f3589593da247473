"""Profiles, and what comes before them."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from router.client.failures import UsageError
from router.client.parser import Parser, add_commands
from router.client.profiles import default_file, profile
from router.client.settings import settings

PROFILES = """\
profiles:
  default: {url: "ws://default/ws"}
  shop:
    url: wss://shop.example.com/ws
    realm: shop
    authmethod: [wampcra]
    authid: carl
    secret: {env: SHOP}
    header: ["X-A: b"]
    connect_timeout_ms: 500
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of profiles."""
    file = tmp_path / "client.yaml"
    file.write_text(PROFILES)
    return file


def options(*arguments: Any) -> argparse.Namespace:
    """Parse a command line of ``concord call``."""
    parser = Parser()
    add_commands(parser.add_subparsers(parser_class=Parser))
    return parser.parse_args(["call", "com.x", *map(str, arguments)])


def test_a_profile(file: Path) -> None:
    made = settings(options("--profiles", file, "--profile", "shop"), {"SHOP": "sesame"})
    assert (made.address.url, made.realm) == ("wss://shop.example.com:443/ws", "shop")
    assert (made.authmethods, made.authid, made.secret) == (("wampcra",), "carl", "sesame")
    assert (made.headers, made.connect_seconds) == ({"X-A": "b"}, 0.5)
    assert "sesame" not in repr(made)


def test_what_comes_first(file: Path) -> None:
    """The command line, then the environment, then the profile, then the default."""
    shop = ["--profiles", file, "-p", "shop"]
    environ = {"SHOP": "sesame", "CONCORD_REALM": "mine", "CONCORD_URL": "wss://other/ws"}
    made = settings(options(*shop, "--url", "wss://first/ws"), environ)
    assert (made.address.host, made.realm, made.serializer) == ("first", "mine", "json")


def test_the_profile_of_the_environment(file: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "concord").mkdir(parents=True)
    file.rename(home / "concord" / "client.yaml")
    environ = {"XDG_CONFIG_HOME": str(home), "CONCORD_PROFILE": "default"}
    assert settings(options(), environ).address.host == "default"
    assert settings(options("--profiles", default_file(environ)), {}).address.host == "default"


def test_without_a_profile_no_file_is_read() -> None:
    made = settings(options(), {})
    assert (made.address.url, made.realm, made.authmethods) == (
        "ws://127.0.0.1:8080/ws",
        "realm1",
        ("anonymous",),
    )


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        (PROFILES, "shoop", "unknown profile 'shoop': did you mean 'shop'?"),
        ("profiles:\n  shop: {ulr: x}\n", "shop", "client.yaml:2:10: profiles.shop.ulr: unknown key 'ulr'"),
        (PROFILES, "shop", "the environment variable SHOP is not set"),
        ("profiles: {shop: {connect_timeout_ms: 0}}", "shop", "connect_timeout_ms: "),
    ],
)
def test_what_is_wrong_has_its_place(file: Path, text: str, name: str, reason: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        profile(str(file), name, {})
    assert reason in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        profile(str(tmp_path / "nothing.yaml"), "shop", {})
