"""
WAMP AP 'Salted Challenge Response Authentication': both dialects, each by what its client computes.

``Client`` follows the specification's pseudocode, ``AutobahnClient`` what Autobahn's ``AuthScram`` does; that
the real one joins is tested in ``tests/interop``.
"""

import base64
import hashlib
import hmac
import secrets
import time
from typing import Any

import pytest
from msgspec.structs import replace

from realms.auth import Identity, Proof
from realms.auth.config import Scram, ScramPrincipal
from realms.auth.passwords import Derivation, salted_as_autobahn, salted_password
from realms.auth.scram import AUTOBAHN, WAMP, ScramMethod, derive, is_proof, server_signature
from router.configuration import Secret
from router.routing.handshake import Peer, Refusal
from router.wamp.messages import Authenticate, Hello

PEER = Peer(address="tcp:192.0.2.7:4711", host="192.0.2.7", transport="websocket", listener="websocket-1")
DENIED = "wamp.error.authentication_denied"
ARGON = {"kdf": "argon2id13", "iterations": 1, "memory": 8}
PBKDF2 = {"kdf": "pbkdf2", "iterations": 4096}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def principal(password: str, *, salt: bytes = b"0123456789abcdef", **more: Any) -> ScramPrincipal:
    """Make a principal with the keys of both dialects."""
    settings = {"role": "clerk", **ARGON, **more}
    how = Derivation(settings["kdf"], salt, settings["iterations"], settings.get("memory"))
    keys, others = derive(salted_password(password, how)), derive(salted_as_autobahn(password, how))
    return ScramPrincipal(
        salt=b64(salt),
        stored_key=Secret(b64(keys.stored)),
        server_key=Secret(keys.server.hex()),
        autobahn_stored_key=Secret(others.stored.hex()),
        autobahn_server_key=Secret(b64(others.server)),
        **settings,
    )


def bare(kept: ScramPrincipal, *names: str) -> ScramPrincipal:
    """Leave keys out."""
    return replace(kept, **dict.fromkeys(names))


ANN = principal("sesame")


class Client:
    """A client of the specification."""

    dialect = WAMP

    def __init__(self, method: ScramMethod, authid: str = "ann", peer: Peer = PEER, **extra: Any) -> None:
        self.authid = authid
        self.nonce = b64(secrets.token_bytes(16))
        self.extra = {"nonce": self.nonce, **extra}
        details = {"roles": {"caller": {}}, "authid": authid, "authextra": self.extra}
        self.answer: Any = method.begin(Hello("realm1", details), peer, 7)
        if isinstance(self.answer, Proof):
            self.challenge = self.answer.extra

    def authenticate(self, password: str, data: bytes | None = None, **changed: Any) -> Identity | Refusal:
        signature, extra = self.proof(password, data)
        judged: Any = self.answer.verify(Authenticate(signature, {**extra, **changed}))
        return judged

    def proof(self, password: str, data: bytes | None) -> tuple[str, dict[str, Any]]:
        challenge = self.challenge
        kind = self.extra.get("channel_binding")
        how = Derivation(
            challenge["kdf"],
            base64.b64decode(challenge["salt"]),
            challenge["iterations"],
            challenge["memory"],
        )
        channel = (f"p={kind}" if kind else "n").encode() + b",," + (data or b"")
        name = self.authid.replace("=", "=3D").replace(",", "=2C")
        self.sign(salted_password(password, how), name, b64(channel))
        extra = {"nonce": challenge["nonce"], "channel_binding": kind, "cbind_data": data and b64(data)}
        return self.client_proof, extra

    def sign(self, salted: bytes, name: str, channel: str) -> None:
        challenge = self.challenge
        self.message = (
            f"n={name},r={self.nonce},r={challenge['nonce']},s={challenge['salt']},"
            f"i={challenge['iterations']},c={channel},r={challenge['nonce']}"
        ).encode()
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), self.message, "sha256")
        self.client_proof = b64(xor(client_key, signature))
        self.expected = b64(hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), self.message, "sha256"))


class AutobahnClient(Client):
    """A client that speaks as Autobahn does."""

    dialect = AUTOBAHN

    def proof(self, password: str, data: bytes | None) -> tuple[str, dict[str, Any]]:
        challenge = self.challenge
        kdf = {"argon2id-13": "argon2id13"}.get(challenge["kdf"], challenge["kdf"])
        salt = base64.b64decode(challenge["salt"])
        how = Derivation(kdf, salt, challenge["iterations"], challenge.get("memory"))
        self.sign(salted_as_autobahn(password, how), self.authid, "")
        return self.client_proof, {}


def method(client: type[Client], **principals: ScramPrincipal) -> ScramMethod:
    return ScramMethod(Scram(principals=principals or {"ann": ANN}), client.dialect)


both = pytest.mark.parametrize("client", [Client, AutobahnClient])


def test_the_vector_of_rfc_7677() -> None:
    """User "user", password "pencil"."""
    keys = derive(
        salted_password("pencil", Derivation("pbkdf2", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096))
    )
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    message = (
        f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}"
    ).encode()
    assert is_proof(keys, message, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    assert not is_proof(keys, message, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVU=")
    assert server_signature(keys, message) == "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_argon2id() -> None:
    """As the reference implementation computes it: printf password | argon2 somesalt -id -t 2 -m 16 -p 1."""
    how = Derivation("argon2id13", b"somesalt", 2, 65536)
    expected = "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"
    assert salted_password("password", how).hex() == expected
    assert salted_as_autobahn("password", how) == b64(bytes.fromhex(expected)).rstrip("=").encode()


class TestJoining:
    @both
    @pytest.mark.parametrize("kdf", [ARGON, PBKDF2])
    def test_the_right_password(self, client: type[Client], kdf: dict[str, Any]) -> None:
        """Who joins can see that the router knew the password, too."""
        found = client(method(client, ann=principal("sesame", **kdf)))
        identity = found.authenticate("sesame")
        assert identity == Identity(
            authid="ann",
            role="clerk",
            authmethod=client.dialect.authmethod,
            authextra={client.dialect.verifier: found.expected},
        )

    def test_the_challenge_of_the_specification(self) -> None:
        found = Client(method(Client))
        assert found.challenge == {
            "nonce": found.challenge["nonce"],
            "salt": b64(b"0123456789abcdef"),
            "kdf": "argon2id13",
            "iterations": 1,
            "memory": 8,
        }
        assert found.challenge["nonce"].startswith(found.nonce)
        assert len(base64.b64decode(found.challenge["nonce"][len(found.nonce) :])) == 16
        assert Client(method(Client, ann=principal("x", **PBKDF2))).challenge["memory"] is None

    def test_the_challenge_of_autobahn(self) -> None:
        """It refuses attributes that it does not know, and a memory that is no number."""
        assert AutobahnClient(method(AutobahnClient)).challenge["kdf"] == "argon2id-13"
        challenge = AutobahnClient(method(AutobahnClient, ann=principal("x", **PBKDF2))).challenge
        assert set(challenge) == {"nonce", "salt", "kdf", "iterations"}

    @both
    @pytest.mark.parametrize("name", ["a,b=c", "J\u00fcrgen", "=2C"])
    def test_names_that_need_care(self, client: type[Client], name: str) -> None:
        found = client(method(client, **{name: ANN}), name)
        assert isinstance(found.authenticate("sesame"), Identity)

    def test_a_name_that_the_client_normalizes(self) -> None:
        """HELLO has it as it was typed, the signature as SASLprep makes it."""
        found = Client(method(Client, **{"I\u00adX": ANN}), "I\u00adX")
        found.authid = "IX"
        identity = found.authenticate("sesame")
        assert isinstance(identity, Identity)
        assert identity.authid == "I\u00adX"

    def test_a_name_that_is_too_long_to_be_normalized(self) -> None:
        """The time that it takes to refuse a stranger does not grow with the name that he gives."""
        details = {"authid": "\u00aa" * 1_000_000, "authextra": {"nonce": "AAAA"}}
        before = time.perf_counter()
        answer = method(Client).begin(Hello("realm1", details), PEER, 7)
        assert time.perf_counter() - before < 0.5
        assert isinstance(answer, Proof)
        assert isinstance(answer.verify(Authenticate(b64(bytes(32)), {})), Refusal)

    def test_a_password_that_the_client_normalizes(self) -> None:
        found = Client(method(Client, ann=principal("\u2168")))
        assert isinstance(found.authenticate("IX"), Identity)

    def test_one_dialect_alone(self) -> None:
        """A principal with the keys of one dialect is unknown in the other, and only the log says why."""
        ours = bare(ANN, "autobahn_stored_key", "autobahn_server_key")
        theirs = bare(ANN, "stored_key", "server_key")
        assert isinstance(Client(method(Client, ann=ours)).authenticate("sesame"), Identity)
        assert isinstance(AutobahnClient(method(AutobahnClient, ann=theirs)).authenticate("sesame"), Identity)
        refusal = AutobahnClient(method(AutobahnClient, ann=ours)).authenticate("sesame")
        why = "scram: 'ann' has no autobahn_stored_key and autobahn_server_key"
        assert refusal == Refusal(DENIED, "authentication failed", why)
        refusal = Client(method(Client, ann=theirs)).authenticate("sesame")
        why = "wamp-scram: 'ann' has no stored_key and server_key"
        assert refusal == Refusal(DENIED, "authentication failed", why)

    @pytest.mark.parametrize(
        "missing", [("stored_key", "server_key"), ("autobahn_stored_key", "autobahn_server_key")]
    )
    @both
    def test_pbkdf2_gives_both_dialects_the_same_keys(
        self, client: type[Client], missing: tuple[str, str]
    ) -> None:
        kept = bare(principal("sesame", **PBKDF2), *missing)
        assert isinstance(client(method(client, ann=kept)).authenticate("sesame"), Identity)


@both
class TestRefusals:
    def test_a_wrong_password(self, client: type[Client]) -> None:
        found = client(method(client))
        why = f"{client.dialect.authmethod}: wrong proof of 'ann'"
        for password in ("", "Sesame", "sesame ", "other"):
            assert found.authenticate(password) == Refusal(DENIED, "authentication failed", why)

    def test_what_is_no_proof(self, client: type[Client]) -> None:
        """Truncated, longer, not Base64, or nothing at all."""
        found = client(method(client))
        signature, extra = found.proof("sesame", None)
        for wrong in (signature[:-4], signature[:-1], signature + "A", "", "\u00e9" * 44, b64(bytes(32))):
            assert isinstance(found.answer.verify(Authenticate(wrong, extra)), Refusal)
        assert isinstance(found.answer.verify(Authenticate(signature, extra)), Identity)

    def test_what_the_router_keeps_is_no_password(self, client: type[Client]) -> None:
        """Who steals the configuration cannot join with it."""
        found = client(method(client))
        kept = [getattr(ANN, name).reveal() for name in ("stored_key", "server_key")]
        for text in kept:
            assert isinstance(found.authenticate(text), Refusal)
            assert isinstance(found.answer.verify(Authenticate(text, {})), Refusal)

    def test_a_proof_is_good_for_one_challenge(self, client: type[Client]) -> None:
        """Also where the client repeats its nonce: the router's is another one."""
        opened = method(client)
        first = client(opened)
        signature, extra = first.proof("sesame", None)
        second = client(opened)
        assert isinstance(second.answer.verify(Authenticate(signature, extra)), Refusal)

    def test_an_expired_principal(self, client: type[Client]) -> None:
        expired = replace(ANN, expires="2001-01-01T00:00:00Z")
        refusal = client(method(client, ann=expired)).authenticate("sesame")
        why = f"{client.dialect.authmethod}: the password of 'ann' has expired"
        assert refusal == Refusal(DENIED, "authentication failed", why)

    @pytest.mark.parametrize("authid", [None, "", 7, ["ann"]])
    def test_a_hello_without_a_name(self, client: type[Client], authid: Any) -> None:
        assert isinstance(client(method(client), authid).answer, Refusal)

    @pytest.mark.parametrize("nonce", [None, "", 7, "not base64", "AAA", "A" * 260, ["AAAA"]])
    def test_a_hello_without_a_nonce(self, client: type[Client], nonce: Any) -> None:
        text = "HELLO.Details.authextra.nonce must be random bytes in Base64, up to 256 characters"
        answer = client(method(client), nonce=nonce).answer
        assert answer == Refusal(DENIED, text, f"{client.dialect.authmethod}: {text}")

    @pytest.mark.parametrize("extra", [None, [], "nonce"])
    def test_a_hello_without_authextra(self, client: type[Client], extra: Any) -> None:
        message = Hello("realm1", {"roles": {}, "authid": "ann", "authextra": extra})
        assert isinstance(method(client).begin(message, PEER, 7), Refusal)


class TestTheSpecificationsAuthenticate:
    @pytest.mark.parametrize(
        "changed",
        [
            {"nonce": None},
            {"nonce": "AAAA"},
            {"channel_binding": "tls-unique"},
            {"cbind_data": "AAAA"},
            {"channel_binding": "tls-unique", "cbind_data": "AAAA"},
        ],
    )
    def test_what_it_must_repeat(self, changed: dict[str, Any]) -> None:
        """ "the server SHALL then check that: [...] `nonce` matches [...] `channel_binding` matches"."""
        refusal = Client(method(Client)).authenticate("sesame", **changed)
        why = "wamp-scram: nonce or channel binding of 'ann' differ from the challenge"
        assert refusal == Refusal(DENIED, "authentication failed", why)

    def test_another_nonce_that_is_signed(self) -> None:
        found = Client(method(Client))
        found.challenge = {**found.challenge, "nonce": found.nonce}
        assert isinstance(found.authenticate("sesame", nonce=None), Refusal)


class TestChannelBinding:
    """'Channel Binding'."""

    KINDS = ("tls-unique", "tls-server-end-point", "tls-exporter")
    TLS = replace(
        PEER, channel_binding=lambda kind: {k: k.encode() for k in TestChannelBinding.KINDS}.get(kind)
    )

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_right_channel(self, kind: str) -> None:
        found = Client(method(Client), peer=self.TLS, channel_binding=kind)
        assert isinstance(found.authenticate("sesame", kind.encode()), Identity)

    @pytest.mark.parametrize("data", [b"", b"tls-other", None])
    def test_another_channel(self, data: bytes | None) -> None:
        """What a man in the middle passes on is signed for his connection, not for ours."""
        found = Client(method(Client), peer=self.TLS, channel_binding="tls-unique")
        assert isinstance(found.authenticate("sesame", data), Refusal)
        ours = b64(b"tls-unique")
        assert isinstance(found.authenticate("sesame", data, cbind_data=ours), Refusal)

    @pytest.mark.parametrize("kind", ["tls-unique", "x", 7, ""])
    def test_one_that_is_not_to_be_had(self, kind: Any) -> None:
        """ "The server does not support the requested `channel_binding` type": ABORT."""
        text = (
            "HELLO.Details.authextra.channel_binding can't be had here; "
            "with TLS: tls-unique, tls-server-end-point, tls-exporter"
        )
        answer = Client(method(Client), channel_binding=kind).answer
        assert answer == Refusal(DENIED, text, f"wamp-scram: {text}")
        none = replace(PEER, channel_binding=lambda kind: None)
        assert isinstance(Client(method(Client), peer=none, channel_binding=kind).answer, Refusal)

    def test_autobahn_has_none(self) -> None:
        answer = AutobahnClient(method(AutobahnClient), peer=self.TLS, channel_binding="tls-unique").answer
        assert isinstance(answer, Refusal)
        assert answer.text.endswith("with TLS: none")


@both
class TestNoEnumerationOfUsers:
    def shape(self, found: Client) -> Any:
        challenge = found.challenge
        lengths = (len(challenge["nonce"]), len(base64.b64decode(challenge["salt"])))
        return lengths, challenge["kdf"], challenge["iterations"], challenge.get("memory")

    def test_an_unknown_name_gets_a_challenge_of_the_same_shape(self, client: type[Client]) -> None:
        opened = method(client, ann=principal("x", salt=bytes(24), iterations=2, memory=16))
        assert self.shape(client(opened)) == self.shape(client(opened, "eve"))

    def test_it_has_one_of_the_known_shapes_where_they_differ(self, client: type[Client]) -> None:
        opened = method(client, ann=ANN, bob=principal("x", **PBKDF2))
        known = [self.shape(client(opened, name)) for name in ("ann", "bob")]
        drawn = [self.shape(client(opened, f"eve{number}")) for number in range(100)]
        assert all(shape in known for shape in drawn)
        assert all(shape in drawn for shape in known)

    def test_the_salt_of_an_unknown_name_is_always_the_same(self, client: type[Client]) -> None:
        """Also after a reload, and not that of another name."""
        salts = {
            name: {client(method(client), name).challenge["salt"] for _ in range(3)}
            for name in ("eve", "mia")
        }
        assert [len(found) for found in salts.values()] == [1, 1]
        assert salts["eve"] != salts["mia"]

    def test_the_refusal_is_the_same(self, client: type[Client]) -> None:
        opened = method(client)
        known, unknown = client(opened).authenticate("wrong"), client(opened, "eve").authenticate("wrong")
        assert isinstance(known, Refusal)
        assert isinstance(unknown, Refusal)
        assert (known.reason, known.text) == (unknown.reason, unknown.text)
        assert unknown.why == f"{client.dialect.authmethod}: no principal 'eve'"

    def test_nobody_at_all(self, client: type[Client]) -> None:
        """A realm without principals challenges as ``concord secret scram`` would make it."""
        opened = ScramMethod(Scram(), client.dialect)
        found = client(opened, "eve")
        assert self.shape(found)[2:] == (3, 65536)
        assert isinstance(found.answer.verify(Authenticate(b64(bytes(32)), {})), Refusal)

    def test_a_name_that_saslprep_does_not_allow(self, client: type[Client]) -> None:
        assert isinstance(client(method(client), "\u0007").authenticate("sesame"), Refusal)


def test_stays_while_principal_and_role_are_the_same() -> None:
    identity = Identity(authid="ann", role="clerk", authmethod="wamp-scram")
    assert method(Client, ann=principal("changed")).still_allows(identity)
    assert not method(Client, bob=ANN).still_allows(identity)
    assert not method(Client, ann=replace(ANN, role="boss")).still_allows(identity)
