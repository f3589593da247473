"""WAMP AP 'Cryptosign-based Authentication': by the public key, with and without an authid."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter

from realms.auth.config import Cryptosign, CryptosignPrincipal, TrustedKeys
from router.configuration import Secret

CLIENT, DEVICE, STRANGER, ROUTER = (
    Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(1, 5)
)
DENIED = "wamp.error.authentication_denied"


def public(key):
    return key.public_key().public_bytes_raw().hex()


def signature(key, challenge):
    """ "The client MUST return the concatenation of the signature and the message signed (96 bytes)"."""
    message = bytes.fromhex(challenge)
    return (key.sign(message) + message).hex()


@pytest.fixture
def router(serializers):
    """A router that knows a client by name and a device by its key, and can prove who it is."""
    section = Cryptosign(
        principals={"client01": CryptosignPrincipal(role="user", authorized_keys=(public(CLIENT),))},
        trusted_keys=(TrustedKeys(role="user", keys=(public(DEVICE),)),),
        router_key=Secret(ROUTER.private_bytes_raw().hex()),
    )
    authentication = replace(CONFIG.authentication, cryptosign=section)
    router = WireRouter(serializers, replace(CONFIG, authentication=authentication))
    yield router
    router.check()


def challenged(peer, key, authid=None, **extra):
    peer.hello(authmethods=["cryptosign"], authid=authid, authextra={"pubkey": public(key), **extra})
    code, method, challenge = peer.take()
    assert (code, method) == (4, "cryptosign")
    return challenge


@pytest.mark.parametrize("authid", ["client01", None])
def test_client_authentication(router, authid):
    """'Example Message Flow': the challenge is 32 random bytes in hexadecimal."""
    peer = router.peer()
    challenge = challenged(peer, CLIENT, authid)
    assert challenge == {"challenge": ANY, "channel_binding": None}
    assert len(bytes.fromhex(challenge["challenge"])) == 32
    peer.send([5, signature(CLIENT, challenge["challenge"]), {}])
    code, _, details = peer.take()
    assert code == 2
    identity = [details[key] for key in ("authid", "authrole", "authmethod", "authprovider")]
    assert identity == ["client01", "user", "cryptosign", "static"]


def test_the_key_is_the_name(router):
    """
    "If no authid is provided, the router SHOULD automatically chose and assign an authid (e.g. the
    Hex encode public key)."
    """
    peer = router.peer()
    challenge = challenged(peer, DEVICE)
    peer.send([5, signature(DEVICE, challenge["challenge"]), {}])
    assert peer.take()[2]["authid"] == public(DEVICE)


def test_a_wrong_signature(router):
    """Of another key, of an older challenge, truncated; and a key that nobody has, which signs well."""
    old = signature(CLIENT, challenged(router.peer(), CLIENT)["challenge"])
    for key, answer in (
        (CLIENT, lambda challenge: signature(STRANGER, challenge)),
        (CLIENT, lambda challenge: old),
        (CLIENT, lambda challenge: signature(CLIENT, challenge)[:128]),
        (CLIENT, lambda challenge: ""),
        (STRANGER, lambda challenge: signature(STRANGER, challenge)),
    ):
        peer = router.peer()
        challenge = challenged(peer, key)["challenge"]
        peer.send([5, answer(challenge), {}])
        peer.expect_abort(DENIED, "authentication failed")
    assert router.realm.sessions == {}


def test_router_authentication(router):
    """'Router Authentication': "the router MUST respond by signing this challenge value"."""
    peer = router.peer()
    challenge = challenged(peer, CLIENT, challenge="bb" * 32)
    assert challenge["pubkey"] == public(ROUTER)
    signed = bytes.fromhex(challenge["signature"])
    assert signed[64:] == b"\xbb" * 32
    ROUTER.public_key().verify(signed[:64], signed[64:])


def test_channel_binding_without_tls(router):
    """A client that asked for a channel binding is not let in without."""
    peer = router.peer()
    authextra = {"pubkey": public(CLIENT), "channel_binding": "tls-unique"}
    peer.hello(authmethods=["cryptosign"], authextra=authextra)
    peer.expect_abort(DENIED)
