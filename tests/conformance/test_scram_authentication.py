"""WAMP AP 'Salted Challenge Response Authentication', by the specification's pseudocode."""

import base64
import hashlib
import hmac

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter

from realms.auth.config import Scram, ScramPrincipal
from router.configuration import Secret

SALT, ITERATIONS, NONCE = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096, "cm9wck5HZndFYmVSV2diTkVrcU8="
SALTED = hashlib.pbkdf2_hmac("sha256", b"pencil", SALT, ITERATIONS, 32)
CLIENT_KEY = hmac.digest(SALTED, b"Client Key", "sha256")
STORED_KEY = hashlib.sha256(CLIENT_KEY).digest()
SERVER_KEY = hmac.digest(SALTED, b"Server Key", "sha256")
DENIED = "wamp.error.authentication_denied"


def b64(data):
    return base64.b64encode(data).decode()


@pytest.fixture
def router(serializers):
    """A router that knows a user by the keys of the password "pencil"."""
    user = ScramPrincipal(
        role="user",
        kdf="pbkdf2",
        salt=b64(SALT),
        iterations=ITERATIONS,
        stored_key=Secret(b64(STORED_KEY)),
        server_key=Secret(b64(SERVER_KEY)),
    )
    authentication = replace(CONFIG.authentication, scram=Scram(principals={"user": user}))
    router = WireRouter(serializers, replace(CONFIG, authentication=authentication))
    yield router
    router.check()


def challenged(peer, authid="user", method="wamp-scram", **extra):
    peer.hello(authmethods=[method], authid=authid, authextra={"nonce": NONCE, **extra})
    code, name, challenge = peer.take()
    assert (code, name) == (4, method)
    return challenge


def auth_message(challenge, channel, authid="user"):
    return (
        f"n={authid},r={NONCE},r={challenge['nonce']},s={challenge['salt']},i={challenge['iterations']},"
        f"c={channel},r={challenge['nonce']}"
    ).encode()


def proof(message, key=CLIENT_KEY):
    signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
    return b64(bytes(a ^ b for a, b in zip(key, signature, strict=True)))


def repeated(challenge):
    return {"nonce": challenge["nonce"], "channel_binding": None, "cbind_data": None}


def test_authentication_exchange(router):
    """'Authentication Exchange': HELLO, CHALLENGE, AUTHENTICATE, WELCOME with the server's signature."""
    peer = router.peer()
    challenge = challenged(peer, channel_binding=None)
    assert challenge == {
        "nonce": ANY,
        "salt": b64(SALT),
        "kdf": "pbkdf2",
        "iterations": ITERATIONS,
        "memory": None,
    }
    assert challenge["nonce"].startswith(NONCE)
    message = auth_message(challenge, b64(b"n,,"))
    peer.send([5, proof(message), repeated(challenge)])
    code, _, details = peer.take()
    assert code == 2
    identity = [details[key] for key in ("authid", "authrole", "authmethod", "authprovider")]
    assert identity == ["user", "user", "wamp-scram", "static"]
    assert details["authextra"] == {"verifier": b64(hmac.digest(SERVER_KEY, message, "sha256"))}


def test_the_dialect_of_autobahn(router):
    """The method "scram": "c=" is empty, AUTHENTICATE repeats nothing, the verifier has another name."""
    peer = router.peer()
    challenge = challenged(peer, method="scram")
    assert challenge.keys() == {"nonce", "salt", "kdf", "iterations"}
    message = auth_message(challenge, "")
    peer.send([5, proof(message), {}])
    signature = b64(hmac.digest(SERVER_KEY, message, "sha256"))
    assert peer.take()[2]["authextra"] == {"scram_server_signature": signature}


def test_a_wrong_proof(router):
    """Of another password, of an older challenge, truncated; and of a name that nobody has."""
    old = proof(auth_message(challenged(router.peer()), b64(b"n,,")))
    for authid, answer in (
        ("user", lambda message: proof(message, b"\1" * 32)),
        ("user", lambda message: old),
        ("user", lambda message: proof(message)[:-4]),
        ("user", lambda message: ""),
        ("nobody", proof),
    ):
        peer = router.peer()
        challenge = challenged(peer, authid)
        message = auth_message(challenge, b64(b"n,,"), authid)
        peer.send([5, answer(message), repeated(challenge)])
        peer.expect_abort(DENIED, "authentication failed")
    assert router.realm.sessions == {}


@pytest.mark.parametrize("changed", [{"nonce": NONCE}, {"channel_binding": "tls-unique"}])
def test_authenticate_must_repeat_the_challenge(router, changed):
    """ "the server SHALL then check that: [...] `nonce` matches the one previously sent"."""
    peer = router.peer()
    challenge = challenged(peer)
    answer = proof(auth_message(challenge, b64(b"n,,")))
    peer.send([5, answer, {**repeated(challenge), **changed}])
    peer.expect_abort(DENIED, "authentication failed")


def test_the_mock_challenge(router):
    """ "a generated `salt` value that is always the same for a given `authid`"."""
    one, again, other = (challenged(router.peer(), name) for name in ("nobody", "nobody", "noone"))
    assert one["salt"] == again["salt"] != other["salt"]
    assert {**one, "nonce": 0, "salt": 0} == {**challenged(router.peer()), "nonce": 0, "salt": 0}


def test_a_channel_binding_that_is_not_supported(router):
    """ "the server MUST terminate [...]: The server does not support the requested `channel_binding`"."""
    peer = router.peer()
    authextra = {"nonce": NONCE, "channel_binding": "tls-unique"}
    peer.hello(authmethods=["wamp-scram"], authid="user", authextra=authextra)
    peer.expect_abort(DENIED)
