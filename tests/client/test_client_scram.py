"""SCRAM in both dialects; RFC 7677 and RFC 4013 say what is right."""

import base64
import hashlib
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from router.client.failures import NotJoined, UsageError
from router.client.scram import Scram, prepared

SALT = base64.b64encode(b"salt of a user!!").decode()


class Server:
    """A router's side, written from the specification alone: the keys of one password."""

    def __init__(self, name: str, salted: bytes) -> None:
        client_key = self.hmac(salted, b"Client Key")
        self.stored_key = hashlib.sha256(client_key).digest()
        self.server_key = self.hmac(salted, b"Server Key")
        self.is_specified = name == "wamp-scram"

    @staticmethod
    def hmac(key: bytes, message: bytes) -> bytes:
        return hmac.new(key, message, hashlib.sha256).digest()

    def message(self, authid: str, client_nonce: str, extra: dict[str, Any]) -> bytes:
        binding = "biws" if self.is_specified else ""
        return (
            f"n={authid},r={client_nonce},r={extra['nonce']},s={extra['salt']},i={extra['iterations']},"
            f"c={binding},r={extra['nonce']}"
        ).encode()

    def accepts(self, message: bytes, proof: str) -> bool:
        signature = self.hmac(self.stored_key, message)
        key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature, strict=True))
        return hashlib.sha256(key).digest() == self.stored_key

    def verifier(self, message: bytes) -> dict[str, str]:
        text = base64.b64encode(self.hmac(self.server_key, message)).decode()
        return {"verifier": text} if self.is_specified else {"scram_server_signature": text}


def challenge(client: Scram, kdf: str, **more: Any) -> dict[str, Any]:
    nonce = client.extra(None)["nonce"] + "SERVER"
    return {"nonce": nonce, "kdf": kdf, "salt": SALT, "iterations": 4096, **more}


def salted(name: str, kdf: str) -> bytes:
    raw_salt = base64.b64decode(SALT)
    if kdf == "pbkdf2":
        return hashlib.pbkdf2_hmac("sha256", b"pencil", raw_salt, 4096, 32)
    raw = Argon2id(salt=raw_salt, length=32, iterations=4096, lanes=1, memory_cost=8).derive(b"pencil")
    return raw if name == "wamp-scram" else base64.b64encode(raw).rstrip(b"=")


@pytest.mark.parametrize(
    ("name", "kdf"),
    [("wamp-scram", "pbkdf2"), ("scram", "pbkdf2"), ("wamp-scram", "argon2id13"), ("scram", "argon2id-13")],
)
def test_both_sides_prove_the_password(name: str, kdf: str) -> None:
    client, server = Scram(name, "user", "pencil"), Server(name, salted(name, kdf))
    extra = challenge(client, kdf, memory=8)
    proof, reply = client.answer(extra, None)
    message = server.message("user", client.extra(None)["nonce"], extra)
    assert server.accepts(message, proof)
    assert reply == (
        {"nonce": extra["nonce"], "channel_binding": None, "cbind_data": None} if name == "wamp-scram" else {}
    )
    verifier = server.verifier(message)
    assert client.check(verifier) is None
    for wrong in ({}, dict.fromkeys(verifier, "AAAA"), dict.fromkeys(verifier, "*")):
        assert client.check(wrong) == "the router does not prove that it knows the password"


def test_the_example_of_rfc_7677(monkeypatch: pytest.MonkeyPatch) -> None:
    """The specification: the AuthMessage is RFC 5802's, so that existing vectors hold."""
    client = Scram("wamp-scram", "user", "pencil")
    monkeypatch.setattr(client, "_nonce", "rOprNGfwEbeRWgbNEkqO")
    extra = {
        "nonce": "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        "salt": "W22ZaJ0SNY7soEsUEjb6gQ==",
        "iterations": 4096,
        "kdf": "pbkdf2",
    }
    proof, _ = client.answer(extra, None)
    assert proof == "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert client.check({"verifier": "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="}) is None


def test_names_with_commas() -> None:
    """The specification escapes them; Autobahn does not."""
    for name, signed in (("wamp-scram", "a=2Cb=3D"), ("scram", "a,b=")):
        client, server = Scram(name, "a,b=", "pencil"), Server(name, salted(name, "pbkdf2"))
        extra = challenge(client, "pbkdf2")
        proof, _ = client.answer(extra, None)
        assert server.accepts(server.message(signed, client.extra(None)["nonce"], extra), proof)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"nonce": "another"}, "does not continue"),
        ({"iterations": 4095}, "4095 iterations"),
        ({"iterations": 10**9}, "1000000000 iterations"),
        ({"kdf": "md5"}, "unknown function 'md5'"),
        ({"kdf": "argon2id13", "memory": 2**30}, "KiB of argon2"),
        ({"kdf": "argon2id13", "memory": 8, "iterations": 0}, "0 passes"),
    ],
)
def test_a_challenge_that_is_refused(change: dict[str, Any], reason: str) -> None:
    """What is cheap to break, what keeps this machine busy, and another session's nonce."""
    client = Scram("wamp-scram", "user", "pencil")
    with pytest.raises(NotJoined, match=reason):
        client.answer({**challenge(client, "pbkdf2"), **change}, None)


def test_the_routers_nonce_adds_something() -> None:
    client = Scram("wamp-scram", "user", "pencil")
    with pytest.raises(NotJoined, match="does not continue"):
        client.answer({**challenge(client, "pbkdf2"), **client.extra(None)}, None)


def test_a_router_is_not_believed_before_it_was_answered() -> None:
    assert Scram("wamp-scram", "user", "pencil").check({"verifier": ""})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
    ],
)
def test_the_examples_of_rfc_4013(text: str, expected: str) -> None:
    assert prepared(text) == expected


@pytest.mark.parametrize(("text", "reason"), [("\u0007", "does not allow"), ("\u0627\u0031", "directions")])
def test_what_rfc_4013_forbids(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        prepared(text)
