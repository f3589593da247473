"""Cookies between commands."""

import json
from pathlib import Path

import pytest

from router.client.addresses import address
from router.client.cookies import Jar
from router.client.failures import UsageError

HERE, THERE = address("wss://h/ws"), address("wss://other/ws")


def test_a_cookie_is_kept_for_its_router(tmp_path: Path) -> None:
    """In a file that nobody else may read; other routers are not shown it."""
    file = tmp_path / "cookies"
    Jar(file, HERE).take(
        {"set-cookie": "session=a-b_c; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=60"}
    )
    assert Jar(file, HERE).headers() == {"Cookie": "session=a-b_c"}
    assert Jar(file, THERE).headers() == {}
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["cookies"]


def test_a_cookie_is_replaced_and_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "cookies"
    jar = Jar(file, HERE)
    jar.take({"set-cookie": "a=1"})
    jar.take({"set-cookie": "a=2"})
    jar.take({"set-cookie": "b=3"})
    assert Jar(file, HERE).headers() == {"Cookie": "a=2; b=3"}
    jar.take({"set-cookie": "a=; Max-Age=0"})
    jar.take({"set-cookie": "b=3; Max-Age=0"})
    assert Jar(file, HERE).headers() == {}


def test_nothing_is_kept_where_nothing_is_to_be(tmp_path: Path) -> None:
    jar = Jar(None, HERE)
    jar.take({"set-cookie": "a=1"})
    assert jar.headers() == {}
    file = tmp_path / "cookies"
    Jar(file, HERE).take({})
    Jar(file, HERE).take({"set-cookie": "\0\0"})
    assert Jar(file, HERE).headers() == {}


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"h:443/ws": 5}'])
def test_a_file_that_holds_something_else(tmp_path: Path, text: str) -> None:
    """It is not written over."""
    file = tmp_path / "cookies"
    file.write_text(text)
    with pytest.raises(UsageError, match=str(file)):
        Jar(file, HERE)
    assert file.read_text() == text


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The session goes on; somebody is told."""
    Jar(tmp_path / "nowhere" / "cookies", HERE).take({"set-cookie": "a=1"})
    assert "can't be written: No such file" in capsys.readouterr().err


def test_what_is_written_is_json(tmp_path: Path) -> None:
    file = tmp_path / "cookies"
    Jar(file, HERE).take({"set-cookie": 'a="x y"'})
    assert json.loads(file.read_text()) == {"h:443/ws": {"a": "x y"}}
