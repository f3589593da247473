"""What the client answers to challenges; Autobahn and the specification say what is right."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from autobahn.wamp.auth import AuthWampCra
from autobahn.wamp.types import Challenge
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from router.client.failures import NotJoined, UsageError
from router.client.methods import method, private_key, read_secret

# WAMP AP 'Cryptosign-based Authentication', test vectors: private key, challenge, channel id, signature.
VECTORS = [
    (
        "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
        "ff" * 32,
        None,
        "b32675b221f08593213737bef8240e7c15228b07028e19595294678c90d11c0c"
        "ae80a357331bfc5cc9fb71081464e6e75013517c2cf067ad566a6b7b728e5d03" + "ff" * 32,
    ),
    (
        "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
        "ff" * 32,
        "62e935ae755f3d48f80d4d59f6121358c435722a67e859cc0caa8b539027f2ff",
        "9b6f41540c9b95b4b7b281c3042fa9c54cef43c842d62ea3fd6030fcb66e70b3"
        "e80d49d44c29d1635da9348d02ec93f3ed1ef227dfb59a07b580095c2b82f80f"
        "9d16ca518aa0c2b707f2b2a609edeca73bca8dd59817a633f35574ac6fd80d00",
    ),
]


def transport(channel: str | None = None) -> Any:
    """Make what a method sees of a transport: the channel's ids."""
    ids = {"tls-unique": bytes.fromhex(channel)} if channel else {}
    return SimpleNamespace(transport_details=SimpleNamespace(channel_id=ids))


def test_anonymous_has_no_answer() -> None:
    one = method(["anonymous"], None, None)
    assert (one.names, one.extra(None), one.check({})) == (["anonymous"], {}, None)
    with pytest.raises(NotJoined, match="this method has none"):
        one.answer("anonymous", {}, None)


def test_a_ticket_is_sent_only_where_it_was_offered() -> None:
    """A router can't ask a client for its password in clear that offered to prove it."""
    assert method(["ticket"], "tina", "a ticket").answer("ticket", {}, None) == ("a ticket", {})
    with pytest.raises(NotJoined, match="'ticket', which was not offered"):
        method(["wampcra"], "tina", "a ticket").answer("ticket", {}, None)


@pytest.mark.parametrize(
    "extra",
    [
        {"challenge": '{"nonce": "x"}'},
        {"challenge": "c", "salt": "salt123", "iterations": 1000, "keylen": 32},
        {"challenge": "ü", "salt": "s", "iterations": 10, "keylen": 16},
    ],
)
def test_wampcra_as_autobahn_does_it(extra: dict[str, Any]) -> None:
    expected = AuthWampCra(authid="carl", secret="pässword").on_challenge(None, Challenge("wampcra", extra))
    assert method(["wampcra"], "carl", "pässword").answer("wampcra", extra, None) == (expected, {})


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({}, "makes no sense: KeyError"),
        ({"challenge": "c", "salt": "s", "iterations": "many"}, "makes no sense: ValueError"),
        ({"challenge": "c", "salt": "s", "iterations": 10**9, "keylen": 32}, "1000000000 iterations"),
        ({"challenge": "c", "salt": "s", "iterations": 1000, "keylen": 10**9}, "bytes of a key"),
    ],
)
def test_wampcra_with_a_challenge_that_is_none(extra: dict[str, Any], reason: str) -> None:
    """Nor does a router keep this machine busy."""
    with pytest.raises(NotJoined, match=reason):
        method(["wampcra"], "carl", "secret").answer("wampcra", extra, None)


@pytest.mark.parametrize(("key", "challenge", "channel", "signature"), VECTORS)
def test_cryptosign(key: str, challenge: str, channel: str | None, signature: str) -> None:
    binding = "tls-unique" if channel else None
    one = method(["cryptosign"], None, key, binding)
    extra = {"challenge": challenge, "channel_binding": binding}
    assert one.answer("cryptosign", extra, transport(channel)) == (signature, {})
    shown = one.extra(None)
    assert len(bytes.fromhex(shown.pop("pubkey"))) == 32
    assert shown == ({"channel_binding": "tls-unique"} if channel else {})


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({}, "not hexadecimal"),
        ({"challenge": "xx"}, "not hexadecimal"),
        ({"challenge": "ff"}, "1 bytes, expected 32"),
        ({"challenge": "ff" * 32}, "does not bind to the connection by tls-unique"),
        ({"challenge": "ff" * 32, "channel_binding": "tls-unique"}, "it needs TLS"),
    ],
)
def test_cryptosign_with_a_challenge_that_is_none(extra: dict[str, Any], reason: str) -> None:
    """A binding that was asked for is not left out because the router leaves it out."""
    one = method(["cryptosign"], None, VECTORS[0][0], "tls-unique")
    with pytest.raises(NotJoined, match=reason):
        one.answer("cryptosign", extra, transport())


class TestPrivateKey:
    def test_in_any_of_its_forms(self) -> None:
        key = Ed25519PrivateKey.generate()
        seed = key.private_bytes_raw()
        none = serialization.NoEncryption()
        texts = [seed.hex(), f" {seed.hex().upper()}\n", (seed + key.public_key().public_bytes_raw()).hex()]
        for form in (serialization.PrivateFormat.OpenSSH, serialization.PrivateFormat.PKCS8):
            texts.append(key.private_bytes(serialization.Encoding.PEM, form, none).decode())
        assert [private_key(text) for text in texts] == [seed] * 5

    def test_what_is_none(self) -> None:
        """And what was given is not shown."""
        pem = generate_private_key(SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        for text, reason in (
            ("sesame", "64 hexadecimal digits"),
            ("ff" * 31, "64 hexadecimal digits"),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nsesame\n-----END OPENSSH PRIVATE KEY-----",
                "can't be read",
            ),
            (pem.decode(), "must be an Ed25519 key"),
        ):
            with pytest.raises(UsageError, match=reason) as caught:
                private_key(text)
            assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "authid", "secret", "reason"),
    [
        (["tickett"], "a", "b", "no authentication method 'tickett'"),
        (["ticket"], "a", None, "by ticket needs a secret"),
        (["wampcra"], None, "b", "by wampcra needs --authid"),
        (["cryptosign"], None, "", "by cryptosign needs a secret"),
    ],
)
def test_what_can_not_be_offered(
    names: list[str], authid: str | None, secret: str | None, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        method(names, authid, secret)


def test_scram_with_a_challenge_that_makes_no_sense() -> None:
    one = method(["wamp-scram"], "sam", "pencil")
    extra = {"nonce": one.extra(None)["nonce"] + "x", "kdf": "argon2id13", "iterations": 1, "memory": 8}
    for salt in ("AAAA", "*", None):
        with pytest.raises(NotJoined, match="the router's challenge makes no sense"):
            one.answer("wamp-scram", {**extra, "salt": salt}, None)


def test_several_are_offered_in_their_order() -> None:
    one = method(["wamp-scram", "cryptosign", "anonymous"], "a", "ff" * 32)
    assert one.names == ["wamp-scram", "cryptosign", "anonymous"]
    assert one.extra(None).keys() == {"nonce", "pubkey"}


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("a secret\n\n")
    assert read_secret(file) == "a secret\n"
    with pytest.raises(UsageError, match="secret2 can't be read: No such file"):
        read_secret(tmp_path / "secret2")
