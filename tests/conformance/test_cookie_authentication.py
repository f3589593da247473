"""WAMP AP 'Cookie-based Authentication': a browser that comes back is who it was."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG, WireRouter

from realms.auth.common_config import CookieSettings
from realms.auth.config import Ticket, TicketPrincipal
from router.configuration import Secret

DENIED = "wamp.error.authentication_denied"
LOGOUT = "wamp.close.logout"
COOKIES = replace(CONFIG.authentication, cookie=CookieSettings(lifetime_ms=60_000))


@pytest.fixture
def router(serializers):
    router = WireRouter(serializers, replace(CONFIG, authentication=COOKIES))
    yield router
    router.check()


def browser(router, cookie, new=False):
    """Connect with a cookie; a new one was made for this connection."""
    peer = router.peer()
    peer.connection.peer = replace(peer.connection.peer, cookie=cookie, cookie_is_new=new)
    return peer


def known(router, cookie="c00k1e", authid="alice"):
    """Give a peer that has proved who it is, on the connection for which its cookie was made."""
    return browser(router, cookie, new=True).join(authid)


def back(router, cookie="c00k1e", **details):
    peer = browser(router, cookie)
    peer.hello(authmethods=["cookie"], **details)
    return peer


def welcomed(peer):
    code, peer.id, details = peer.take()
    assert code == 2, (code, details)
    return [details[key] for key in ("authid", "authrole", "authmethod", "authprovider")]


def test_who_was_let_in_comes_back_without_a_proof(router):
    known(router).vanish()
    assert welcomed(back(router)) == ["alice", "user", "cookie", "static"]
    assert welcomed(back(router, authid="alice")) == ["alice", "user", "cookie", "static"]


def test_an_unknown_cookie_leads_to_the_next_method(router):
    """
    "skip forward trying other authentication methods (if the client announced any)"
    """
    known(router)
    back(router, "other").expect_abort(DENIED, "authentication failed")
    back(router, None).expect_abort(DENIED, "authentication failed")
    back(router, authid="bob").expect_abort(DENIED, "authentication failed")
    peer = browser(router, "other")
    peer.hello(authmethods=["cookie", "ticket"], authid="alice")
    peer.expect([4, "ticket", {}])


def test_nobody_is_known_by_a_cookie_that_somebody_else_planted(router):
    browser(router, "planted").join("alice")
    back(router, "planted").expect_abort(DENIED, ANY)
    assert not router.directory.recognizes("planted")


def test_its_time_is_over(router):
    known(router)
    assert router.directory.recognizes("c00k1e")
    router.advance(60_000)
    back(router).expect_abort(DENIED, ANY)
    assert not router.directory.recognizes("c00k1e")


def test_logout_ends_the_cookie_and_every_session_that_has_it(router):
    """GOODBYE with ``wamp.close.logout``; any other GOODBYE only ends the session."""
    first, other = known(router), known(router, "another")
    first.leave()
    second, third = back(router), back(router)
    welcomed(second)
    welcomed(third)
    second.send([6, {}, LOGOUT])
    second.expect([6, {}, "wamp.close.goodbye_and_out"])
    third.expect([6, {"message": "logged out"}, LOGOUT])
    other.expect_nothing()
    back(router).expect_abort(DENIED, ANY)
    assert welcomed(back(router, "another"))[0] == "alice"


def test_a_role_that_changes_ends_the_cookie(router):
    known(router).leave()
    open_session = back(router)
    welcomed(open_session)
    principals = {"alice": TicketPrincipal(role="admin", secret=Secret("ticket"))}
    changed = replace(CONFIG, authentication=replace(COOKIES, ticket=Ticket(principals=principals)))
    router.turn.deliver(router.realm.reconfigure(changed))
    router.end_turn()
    open_session.expect([6, ANY, "wamp.error.not_authorized"])
    router.turn.deliver(router.realm.reconfigure(replace(CONFIG, authentication=COOKIES)))
    router.end_turn()
    back(router).expect_abort(DENIED, ANY)  # also where the old role is back


def test_a_reload_keeps_what_it_does_not_concern(router):
    known(router).leave()
    peer = back(router)
    welcomed(peer)
    router.turn.deliver(router.realm.reconfigure(replace(CONFIG, authentication=COOKIES)))
    router.end_turn()
    peer.expect_nothing()
    assert welcomed(back(router))[0] == "alice"
