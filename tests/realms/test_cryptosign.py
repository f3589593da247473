"""WAMP AP 'Cryptosign-based Authentication': what signs well gets in, and nothing else."""

from hashlib import sha256
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec.structs import replace

from realms.auth import Identity, Proof
from realms.auth.config import Cryptosign, CryptosignPrincipal, TrustedKeys
from realms.auth.cryptosign import CryptosignMethod, _is_signature
from router.configuration import Secret
from router.routing.handshake import Peer, Refusal
from router.wamp.messages import Authenticate, Hello

PEER = Peer(address="tcp:192.0.2.7:4711", host="192.0.2.7", transport="websocket", listener="websocket-1")
DENIED = "wamp.error.authentication_denied"
OPENSSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "IqI49dUTzh6Iiit1qUSEhpSl6gxUFyXPXKV5w1MkGT9 x"


class Key:
    """A key pair, and the answer to a challenge that the specification tells a client to give."""

    def __init__(self, number: int) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        self.public = self._private.public_key().public_bytes_raw().hex()

    def answer(self, proof: Proof, channel_id: bytes = bytes(32)) -> Authenticate:
        challenge = int(proof.extra["challenge"], 16) ^ int.from_bytes(channel_id, "big")
        message = challenge.to_bytes(32, "big")
        return Authenticate((self._private.sign(message) + message).hex(), {})


ANN, BOB, EVE, DEVICE = map(Key, range(1, 5))

# From the specification, 'Test Vectors': channel id, private key, challenge, signature.
VECTORS = [
    (
        None,
        "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
        "ff" * 32,
        "b32675b221f08593213737bef8240e7c15228b07028e19595294678c90d11c0cae80a357331bfc5cc9fb71081464e6e75013"
        "517c2cf067ad566a6b7b728e5d03" + "ff" * 32,
    ),
    (
        "62e935ae755f3d48f80d4d59f6121358c435722a67e859cc0caa8b539027f2ff",
        "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
        "ff" * 32,
        "9b6f41540c9b95b4b7b281c3042fa9c54cef43c842d62ea3fd6030fcb66e70b3e80d49d44c29d1635da9348d02ec93f3ed1e"
        "f227dfb59a07b580095c2b82f80f9d16ca518aa0c2b707f2b2a609edeca73bca8dd59817a633f35574ac6fd80d00",
    ),
]


def method(**settings: Any) -> CryptosignMethod:
    """Ann has two keys, Bob one, and one device is known by its key alone."""
    principals = {
        "ann": CryptosignPrincipal(role="clerk", authorized_keys=(OPENSSH, ANN.public)),
        "bob": CryptosignPrincipal(role="boss", authorized_keys=(BOB.public.upper(),)),
    }
    trusted = (TrustedKeys(role="device", keys=(DEVICE.public,)),)
    return CryptosignMethod(Cryptosign(**{"principals": principals, "trusted_keys": trusted, **settings}))


def hello(key: Key, authid: Any = None, **extra: Any) -> Hello:
    authextra = {"pubkey": key.public, **extra}
    return Hello("realm1", {"roles": {"caller": {}}, "authid": authid, "authextra": authextra})


def challenged(found: Any, key: Key, authid: Any = None, peer: Peer = PEER, **extra: Any) -> Proof:
    proof = found.begin(hello(key, authid, **extra), peer, 7)
    assert isinstance(proof, Proof)
    return proof


class TestJoining:
    @pytest.mark.parametrize("authid", ["ann", None])
    def test_the_right_signature(self, authid: str | None) -> None:
        """Without an authid, the key tells who it is."""
        proof = challenged(method(), ANN, authid)
        assert set(proof.extra) == {"challenge", "channel_binding"}
        assert (len(proof.extra["challenge"]), proof.extra["channel_binding"]) == (64, None)
        assert proof.verify(ANN.answer(proof)) == Identity(
            authid="ann", role="clerk", authmethod="cryptosign"
        )

    def test_any_of_several_keys(self) -> None:
        """In either spelling."""
        found = method()
        assert sorted(holder.authid for holder in found._holders.values())[:2] == ["ann", "ann"]
        proof = challenged(found, BOB, "bob")
        identity = proof.verify(BOB.answer(proof))
        assert identity == Identity(authid="bob", role="boss", authmethod="cryptosign")

    def test_a_key_without_a_name(self) -> None:
        """ "If no authid is provided, the router SHOULD automatically chose and assign an authid"."""
        for authid in (None, DEVICE.public):
            proof = challenged(method(), DEVICE, authid)
            identity = proof.verify(DEVICE.answer(proof))
            assert identity == Identity(authid=DEVICE.public, role="device", authmethod="cryptosign")

    def test_no_challenge_is_made_twice(self) -> None:
        found = method()
        assert len({challenged(found, ANN).extra["challenge"] for _ in range(50)}) == 50


class TestRefusals:
    def test_any_other_signature(self) -> None:
        """Of another key, of another challenge, truncated, longer, not hexadecimal, or nothing at all."""
        found = method()
        proof, other = challenged(found, ANN), challenged(found, ANN)
        right = ANN.answer(proof).signature
        for signature in (
            EVE.answer(proof).signature,
            ANN.answer(other).signature,
            right[:128],
            right[:-2],
            right[:-1],
            right + "00",
            "",
            "\u00e9" * 192,
            " " + right[1:],
            right[:128] + "0" * 64,
        ):
            refusal = proof.verify(Authenticate(signature, {}))
            assert refusal == Refusal(DENIED, "authentication failed", "cryptosign: wrong signature of 'ann'")
        assert isinstance(proof.verify(Authenticate(right.upper(), {})), Identity)

    def test_a_signature_is_good_for_one_challenge(self) -> None:
        """What somebody overheard opens no second session."""
        found = method()
        overheard = ANN.answer(challenged(found, ANN))
        assert isinstance(challenged(found, ANN).verify(overheard), Refusal)

    def test_an_unknown_key_looks_like_a_wrong_signature(self) -> None:
        """It is challenged alike, and refused alike although it signs well; only the log knows more."""
        found = method()
        known, unknown = challenged(found, ANN), challenged(found, EVE)
        assert {name: len(text or "") for name, text in known.extra.items()} == {
            name: len(text or "") for name, text in unknown.extra.items()
        }
        refusal, other = unknown.verify(EVE.answer(unknown)), known.verify(Authenticate("no", {}))
        assert isinstance(refusal, Refusal)
        assert isinstance(other, Refusal)
        assert (refusal.reason, refusal.text) == (other.reason, other.text)
        assert refusal.why == f"cryptosign: nobody has the key {EVE.public}"

    def test_somebody_elses_name(self) -> None:
        proof = challenged(method(), ANN, "bob")
        refusal = proof.verify(ANN.answer(proof))
        assert refusal == Refusal(
            DENIED, "authentication failed", "cryptosign: the key of 'ann' used by 'bob'"
        )

    def test_an_expired_principal(self) -> None:
        key = (ANN.public,)
        for expires, allowed in (("2001-01-01T00:00:00Z", False), ("2999-01-01T00:00:00+02:00", True)):
            principal = CryptosignPrincipal(role="clerk", expires=expires, authorized_keys=key)
            proof = challenged(method(principals={"ann": principal}), ANN)
            assert isinstance(proof.verify(ANN.answer(proof)), Identity) is allowed

    @pytest.mark.parametrize("pubkey", [None, "", 7, "00" * 31, "00" * 33, "zz" * 32, ["00" * 32], "0 " * 32])
    def test_a_hello_without_a_key(self, pubkey: Any) -> None:
        text = "HELLO.Details.authextra.pubkey must be an Ed25519 public key, 64 hexadecimal digits"
        refusal = method().begin(hello(ANN, pubkey=pubkey), PEER, 7)
        assert refusal == Refusal(DENIED, text, f"cryptosign: {text}")

    @pytest.mark.parametrize("extra", [None, [], "pubkey", {}])
    def test_a_hello_without_authextra(self, extra: Any) -> None:
        message = Hello("realm1", {"roles": {}, "authid": "ann", "authextra": extra})
        assert isinstance(method().begin(message, PEER, 7), Refusal)


class TestChannelBinding:
    """'TLS Channel Binding': what is signed is the challenge XOR the channel's id."""

    def peer(self, data: bytes | None) -> Peer:
        return replace(PEER, channel_binding=lambda kind: data and kind.encode() + data)

    @pytest.mark.parametrize(("channel_id", "private", "challenge", "signature"), VECTORS)
    def test_vectors(self, channel_id: str | None, private: str, challenge: str, signature: str) -> None:
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private)).public_key().public_bytes_raw()
        ours = int(challenge, 16) ^ int(channel_id or "0", 16)
        assert _is_signature(signature, key, ours.to_bytes(32, "big"))
        assert not _is_signature(signature, key, (ours ^ 1).to_bytes(32, "big"))

    def test_tls_unique(self) -> None:
        """The Finished message is hashed to the length of a challenge, as Autobahn does."""
        proof = challenged(method(), ANN, peer=self.peer(b" data"), channel_binding="tls-unique")
        assert proof.extra["channel_binding"] == "tls-unique"
        channel_id = sha256(b"tls-unique data").digest()
        assert isinstance(proof.verify(ANN.answer(proof)), Refusal)
        assert isinstance(proof.verify(ANN.answer(proof, bytes(31) + b"1")), Refusal)
        assert isinstance(proof.verify(ANN.answer(proof, channel_id)), Identity)

    def test_tls_exporter(self) -> None:
        """RFC 9266: 32 bytes, taken as they are."""
        peer = replace(PEER, channel_binding=lambda kind: kind.encode() + bytes(20))
        proof = challenged(method(), ANN, peer=peer, channel_binding="tls-exporter")
        exported = b"tls-exporter" + bytes(20)
        assert isinstance(proof.verify(ANN.answer(proof, exported)), Identity)
        assert isinstance(proof.verify(ANN.answer(proof)), Refusal)

    @pytest.mark.parametrize("binding", ["tls-unique", "tls-exporter", "tls-server-end-point", "x", 7, []])
    def test_one_that_is_not_to_be_had(self, binding: Any) -> None:
        """A client that wants one is not let in without."""
        text = "HELLO.Details.authextra.channel_binding can't be had here; with TLS: tls-unique, tls-exporter"
        assert method().begin(hello(ANN, channel_binding=binding), PEER, 7) == Refusal(
            DENIED, text, f"cryptosign: {text}"
        )
        assert isinstance(method().begin(hello(ANN, channel_binding=binding), self.peer(None), 7), Refusal)


class TestRouterAuthentication:
    """'Router Authentication': the router signs the client's challenge."""

    PRIVATE = "17" * 32

    def test_the_clients_challenge_is_signed(self) -> None:
        found = method(router_key=Secret(self.PRIVATE))
        extra = challenged(found, ANN, challenge="ab" * 32).extra
        public = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.PRIVATE)).public_key()
        assert extra["pubkey"] == public.public_bytes_raw().hex()
        signature, message = bytes.fromhex(extra["signature"][:128]), bytes.fromhex(extra["signature"][128:])
        assert message == b"\xab" * 32
        Ed25519PublicKey.from_public_bytes(public.public_bytes_raw()).verify(signature, message)
        with pytest.raises(InvalidSignature):
            public.verify(signature, b"\xac" * 32)

    def test_it_is_signed_with_the_channel(self) -> None:
        peer = replace(PEER, channel_binding=lambda kind: b"\x0f" * 32)
        found = method(router_key=Secret(self.PRIVATE))
        extra = challenged(found, ANN, peer=peer, challenge="ab" * 32, channel_binding="tls-exporter").extra
        assert extra["signature"][128:] == "a4" * 32

    def test_one_who_does_not_ask_gets_no_signature(self) -> None:
        extra = challenged(method(router_key=Secret(self.PRIVATE)), ANN).extra
        assert set(extra) == {"challenge", "channel_binding"}

    def test_a_router_without_a_key_signs_nothing(self) -> None:
        assert set(challenged(method(), ANN, challenge="ab" * 32).extra) == {"challenge", "channel_binding"}

    @pytest.mark.parametrize("challenge", ["", "ab" * 31, "ab" * 33, 7, {}])
    def test_a_challenge_that_is_none(self, challenge: Any) -> None:
        found = method(router_key=Secret(self.PRIVATE))
        text = "HELLO.Details.authextra.challenge must be 32 bytes, 64 hexadecimal digits"
        assert found.begin(hello(ANN, challenge=challenge), PEER, 7) == Refusal(
            DENIED, text, f"cryptosign: {text}"
        )


def test_stays_while_principal_and_role_are_the_same() -> None:
    def identity(authid: str, role: str) -> Identity:
        return Identity(authid=authid, role=role, authmethod="cryptosign")

    found = method()
    assert found.still_allows(identity("ann", "clerk"))
    assert not found.still_allows(identity("ann", "boss"))
    assert not found.still_allows(identity("eve", "clerk"))
    assert found.still_allows(identity(DEVICE.public, "device"))
    assert not found.still_allows(identity(ANN.public, "clerk"))
    assert not found.still_allows(identity(DEVICE.public, "clerk"))
    assert not method(trusted_keys=()).still_allows(identity(DEVICE.public, "device"))
