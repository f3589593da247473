"""URLs of routers."""

import pytest

from router.client.addresses import Address, address
from router.client.failures import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ws://h:1/ws?a=b", Address(True, False, "h", 1, "", "ws://h:1/ws?a=b")),
        ("ws://h", Address(True, False, "h", 80, "", "ws://h:80/")),
        ("wss://h/p", Address(True, True, "h", 443, "", "wss://h:443/p")),
        ("wss://[::1]:8/p", Address(True, True, "::1", 8, "", "wss://[::1]:8/p")),
        ("rs://h:2", Address(False, False, "h", 2, "", "")),
        ("rss://h/", Address(False, True, "h", 443, "", "")),
        ("unix:/run/a.sock", Address(False, False, "localhost", 0, "/run/a.sock", "")),
        ("unix:///run/a.sock", Address(False, False, "localhost", 0, "/run/a.sock", "")),
        ("rs://unix:/run/a.sock", Address(False, False, "localhost", 0, "/run/a.sock", "")),
        ("ws+unix:/run/a.sock", Address(True, False, "localhost", 0, "/run/a.sock", "ws://localhost:80/ws")),
        ("ws+unix:/a:/b", Address(True, False, "localhost", 0, "/a", "ws://localhost:80/b")),
    ],
)
def test_an_address(text: str, expected: Address) -> None:
    assert address(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("localhost:8080", "begins with ws://"),
        ("http://h/", "begins with ws://"),
        ("ws://", "expected ws://HOST:PORT"),
        ("ws://user:secret@h/", "without a user"),
        ("ws://h/#x", "without a user and a fragment"),
        ("ws://h:99999/", "is no URL"),
        ("ws://[::1/", "is no URL"),
        ("rs://h:1/path", "RawSocket has no path"),
        ("unix:run/a.sock", "is an absolute path"),
        ("", "begins with ws://"),
    ],
)
def test_what_is_no_address(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        address(text)
