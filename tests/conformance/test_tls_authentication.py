"""WAMP AP 'Authentication Methods', 'TLS Certificate Authentication': what TLS has shown tells."""

import time

import pytest
from msgspec.structs import replace
from wire_router import CONFIG, WireRouter

from realms.auth.config import Tls, TlsPrincipal
from router.routing.handshake import Certificate

DENIED = "wamp.error.authentication_denied"
KNOWN, UNKNOWN = "ab" * 32, "cd" * 32


@pytest.fixture
def router(serializers):
    """A router that knows a client by its certificate, on a transport that asks for it."""
    section = Tls(principals={"client01": TlsPrincipal(role="user", fingerprints=(KNOWN,))})
    authentication = replace(CONFIG.authentication, tls=section)
    router = WireRouter(serializers, replace(CONFIG, authentication=authentication))
    yield router
    router.check()


def peer_with(router, fingerprint):
    peer = router.peer()
    if fingerprint is not None:
        now = time.time()
        shown = Certificate(
            fingerprint=fingerprint,
            names=frozenset(),
            valid_from=now - 60,
            valid_until=now + 60,
            trusted=False,
        )
        peer.connection.peer = replace(peer.connection.peer, certificate=shown)
    return peer


@pytest.mark.parametrize("authid", ["client01", None])
def test_a_known_certificate(router, authid):
    peer = peer_with(router, KNOWN)
    peer.hello(authmethods=["tls"], authid=authid)
    code, _, details = peer.take()
    assert code == 2
    identity = [details[key] for key in ("authid", "authrole", "authmethod", "authprovider")]
    assert identity == ["client01", "user", "tls", "static"]


@pytest.mark.parametrize(("fingerprint", "authid"), [(UNKNOWN, None), (KNOWN, "alice"), (None, "client01")])
def test_any_other(router, fingerprint, authid):
    """What the client says of itself in HELLO counts for nothing."""
    peer = peer_with(router, fingerprint)
    transport = {"auth": {"fingerprint": KNOWN}}
    peer.hello(authmethods=["tls"], authid=authid, transport=transport)
    peer.expect_abort(DENIED, "authentication failed")


def test_without_a_certificate_the_next_method_is_taken(router):
    """
    "skip forward trying other authentication methods (if the client announced any)"
    """
    peer = peer_with(router, None)
    peer.hello(authmethods=["tls", "ticket"], authid="alice")
    assert peer.take()[:2] == [4, "ticket"]
