"""WAMP AP 'Authentication Methods': CHALLENGE and AUTHENTICATE, by ticket and by WAMP-CRA."""

import base64
import hashlib
import hmac
import json

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter

from realms.auth.config import WampCra, WampCraPrincipal
from router.configuration import Secret

KEY = base64.b64encode(hashlib.pbkdf2_hmac("sha256", b"password", b"salt123", 1000, 32)).decode()
DENIED = "wamp.error.authentication_denied"


@pytest.fixture
def cra(serializers):
    """A router that knows peter by his secret, and paula by a key that is derived from her password."""
    principals = {
        "peter": WampCraPrincipal(role="user", secret=Secret("secret1")),
        "paula": WampCraPrincipal(role="user", secret=Secret(KEY), salt="salt123"),
    }
    authentication = replace(CONFIG.authentication, wampcra=WampCra(principals=principals))
    router = WireRouter(serializers, replace(CONFIG, authentication=authentication))
    yield router
    router.check()


def signature(key, challenge):
    return base64.b64encode(hmac.digest(key.encode(), challenge.encode(), "sha256")).decode()


def challenged(peer, authid, method="wampcra"):
    peer.hello(authmethods=[method], authid=authid)
    code, authmethod, extra = peer.take()
    assert (code, authmethod) == (4, method)
    return extra


def test_ticket(router):
    """'Ticket-based Authentication': HELLO, CHALLENGE, AUTHENTICATE, WELCOME, with who the client is."""
    peer = router.peer()
    assert challenged(peer, "alice", "ticket") == {}
    peer.send([5, "ticket", {}])
    code, session, details = peer.take()
    assert (code, session) == (2, ANY)
    identity = [details[key] for key in ("authid", "authrole", "authmethod", "authprovider")]
    assert identity == ["alice", "user", "ticket", "static"]


@pytest.mark.parametrize(
    ("authid", "ticket"), [("alice", "wrong"), ("alice", ""), ("nobody", "ticket"), ("nobody", "")]
)
def test_a_wrong_ticket(router, authid, ticket):
    """
    "else it MUST send an ABORT message": the same one for an unknown authid and a wrong ticket.
    """
    peer = router.peer()
    challenged(peer, authid, "ticket")
    peer.send([5, ticket, {}])
    peer.expect_abort(DENIED, "authentication failed")
    assert router.realm.sessions == {}


def test_wampcra(cra):
    """'Challenge Response Authentication': the challenge has all seven members, and its signature lets in."""
    peer = cra.peer()
    extra = challenged(peer, "peter")
    assert extra.keys() == {"challenge"}
    challenge = json.loads(extra["challenge"])
    assert challenge == {
        "authid": "peter",
        "authrole": "user",
        "authmethod": "wampcra",
        "authprovider": "static",
        "nonce": ANY,
        "timestamp": ANY,
        "session": ANY,
    }
    peer.send([5, signature("secret1", extra["challenge"]), {}])
    code, session, details = peer.take()
    assert (code, session) == (2, challenge["session"])
    assert (details["authid"], details["authmethod"]) == ("peter", "wampcra")


def test_wampcra_with_a_salt(cra):
    """
    'Password Salting': salt, keylen and iterations are told, and the derived key in base64 is the secret.
    """
    peer = cra.peer()
    extra = challenged(peer, "paula")
    assert {key: extra[key] for key in extra if key != "challenge"} == {
        "salt": "salt123",
        "keylen": 32,
        "iterations": 1000,
    }
    key = hashlib.pbkdf2_hmac(
        "sha256", b"password", extra["salt"].encode(), extra["iterations"], extra["keylen"]
    )
    peer.send([5, signature(base64.b64encode(key).decode(), extra["challenge"]), {}])
    assert peer.take()[0] == 2


@pytest.mark.parametrize("authid", ["peter", "paula", "nobody"])
def test_a_wrong_signature(cra, authid):
    """The nonce makes a challenge good for once; nobody learns which names exist."""
    first, second = cra.peer(), cra.peer()
    old = challenged(first, authid)["challenge"]
    challenged(second, authid)
    for peer in (first, second):
        key = "secret1" if peer is second else "wrong"
        peer.send([5, signature(key, old), {}])
        peer.expect_abort(DENIED, "authentication failed")


def test_methods_are_taken_in_the_clients_order(cra):
    """
    "skip forward trying other authentication methods (if the client announced any)"
    """
    peer = cra.peer()
    peer.hello(authmethods=["cryptosign", "wampcra", "ticket"], authid="peter")
    assert peer.take()[:2] == [4, "wampcra"]


def test_no_matching_method(router):
    """wamp.error.no_matching_auth_method: "No authentication method the Client offered is accepted." """
    peer = router.peer()
    peer.hello(authmethods=["cryptosign", "scram"], authid="alice")
    peer.expect_abort("wamp.error.no_matching_auth_method")


@pytest.mark.parametrize("authid", [None, "", 5])
def test_the_authid_must_be_given(router, authid):
    """
    "For Ticket-based authentication, this MUST be provided."
    """
    peer = router.peer()
    peer.hello(authmethods=["ticket"], authid=authid)
    peer.expect_abort(DENIED)


def test_authenticate_once(router):
    """State chart: AUTHENTICATE belongs to CHALLENGING."""
    peer = router.join("alice")
    peer.send([5, "ticket", {}])
    peer.expect_abort("wamp.error.protocol_violation")
