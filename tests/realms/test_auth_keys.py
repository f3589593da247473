"""Keys as people write them."""

import base64

import pytest

from realms.auth.keys import certificate_name, fingerprint, from_base64, from_hex, hash_key, public_key

KEY = bytes(range(32))
BLOB = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + KEY).decode()


@pytest.mark.parametrize(
    "text", [KEY.hex(), KEY.hex().upper(), f"ssh-ed25519 {BLOB}", f"ssh-ed25519  {BLOB} ann@host a comment"]
)
def test_a_public_key(text: str) -> None:
    assert public_key(text) == KEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEY.hex()[:-1],
        KEY.hex()[:-2],
        KEY.hex() + "00",
        "0x" + KEY.hex()[2:],
        " " + KEY.hex()[1:],
        KEY.hex() + "\n",
        BLOB,
        "ssh-ed25519",
        "ssh-ed25519 !",
        f"ssh-rsa {BLOB}",
        f"ssh-ed25519 {BLOB[:-4]}",
        "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25518\0\0\0\x20" + KEY).decode(),
    ],
)
def test_what_is_no_public_key(text: str) -> None:
    assert public_key(text) is None


@pytest.mark.parametrize("value", [None, 7, b"00", "é0", "1_00", "\u0660\u0660"])
def test_what_is_no_hexadecimal(value: object) -> None:
    assert from_hex(value, 1) is None
    assert from_hex(value, 2) is None


@pytest.mark.parametrize("value", [None, 7, "A", "AAA", "AAAA\n", "AB==", "é===", "A===", "-_-_"])
def test_what_is_no_canonical_base64(value: object) -> None:
    assert from_base64(value) is None


def test_base64() -> None:
    assert from_base64("") == b""
    assert from_base64("AA==") == b"\0"
    assert from_base64("AA==", 1) == b"\0"
    assert from_base64("AA==", 2) is None


def test_a_hash_in_either_spelling() -> None:
    assert hash_key(KEY.hex()) == hash_key(base64.b64encode(KEY).decode()) == KEY
    assert hash_key("AA==") is None
    assert hash_key("") is None


def test_a_fingerprint() -> None:
    """As openssl prints it, too."""
    assert fingerprint(KEY.hex()) == fingerprint(KEY.hex(":").upper()) == KEY.hex()
    assert fingerprint(KEY.hex()[2:]) is None
    assert fingerprint(KEY.hex(" ")) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CN:Ann Lee", "CN:Ann Lee"),
        ("cn:a:b", "CN:a:b"),
        ("DNS:Host.Example", "DNS:host.example"),
        ("email:Ann@x", "EMAIL:Ann@x"),
        ("URI:spiffe://x/Ann", "URI:spiffe://x/Ann"),
        ("IP:2001:DB8:0::1", "IP:2001:db8::1"),
        ("IP:host", None),
        ("CN:", None),
        ("ann", None),
        ("OU:staff", None),
        ("", None),
    ],
)
def test_a_name_in_a_certificate(text: str, name: str | None) -> None:
    assert certificate_name(text) == name
