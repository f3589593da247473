"""The cookies of a realm: whose they are, until when, and what ends them."""

from typing import Any

import pytest
from msgspec.structs import replace

from realms.auth import Identity, Question, Skip
from realms.auth.common_config import CookieSettings
from realms.auth.cookie import CookieMethod
from realms.auth.cookies import Bound, Cookies, digest_of
from realms.router_calls import Answered, Failed
from router.routing.handshake import Peer
from router.wamp import uris
from router.wamp.messages import Hello

PEER = Peer(address="tcp:192.0.2.7:4711", host="192.0.2.7", transport="websocket", listener="websocket-1")
ANN = Identity(authid="ann", role="clerk", authmethod="ticket")
BOB = Identity(authid="bob", role="clerk", authmethod="wampcra")
ASK = "com.example.still_there"


def shows(token: str, *, new: bool = False) -> Peer:
    return replace(PEER, cookie=token, cookie_is_new=new)


class Jar(Cookies):
    """Cookies by a clock that a test moves."""

    def __init__(self, **settings: Any) -> None:
        self.time_ms = 1_000
        super().__init__(lambda: self.time_ms)
        self.settings = CookieSettings(lifetime_ms=60_000, **settings)
        self.journal = self
        self.written: list[Any] = []
        self.sessions = 0

    def put(self, digest: bytes, bound: Bound) -> None:
        self.written.append(("put", digest))

    def delete(self, digest: bytes) -> None:
        self.written.append(("delete", digest))

    def join(self, identity: Identity, peer: Peer) -> int:
        self.sessions += 1
        self.admitted(self.sessions, identity, peer)
        return self.sessions

    def who(self, token: str) -> str | None:
        bound = self.find(token)
        return bound.authid if bound is not None else None


def test_a_new_cookie_is_bound_to_who_proved_himself() -> None:
    jar = Jar()
    extra = {"verifier": "once", "scram_server_signature": "once", "team": 7}
    jar.join(replace(ANN, authextra=extra), shows("a", new=True))
    bound = jar.find("a")
    assert bound == Bound("ann", "clerk", "ticket", "static", {"team": 7}, 61_000)
    assert jar.written == [("put", digest_of("a"))]
    assert [digest for digest, _ in jar.items()] == [digest_of("a")]


def test_one_that_the_client_brought_is_not() -> None:
    """Somebody else may have planted it, and would come in with it later."""
    jar = Jar()
    jar.join(ANN, shows("planted"))
    assert jar.find("planted") is None


@pytest.mark.parametrize("method", ["anonymous", "local"])
def test_who_has_proved_nothing_gets_none(method: str) -> None:
    jar = Jar()
    jar.join(replace(ANN, authmethod=method), shows("a", new=True))
    jar.join(ANN, PEER)
    assert len(jar) == 0


def test_a_realm_without_cookies() -> None:
    jar = Jar()
    jar.settings = None
    jar.join(ANN, shows("a", new=True))
    assert len(jar) == 0


def test_the_end_of_its_lifetime() -> None:
    jar = Jar()
    jar.join(ANN, shows("a", new=True))
    jar.time_ms += 59_999
    assert jar.who("a") == "ann"
    jar.time_ms += 1
    assert jar.who("a") is None
    assert len(jar) == 0
    assert jar.written[-1] == ("delete", digest_of("a"))


def test_who_joins_as_somebody_else_has_no_longer_the_old_one() -> None:
    jar = Jar()
    jar.join(ANN, shows("a", new=True))
    jar.join(BOB, shows("a"))
    assert jar.who("a") is None
    jar.join(ANN, shows("b", new=True))
    jar.join(BOB, shows("b", new=True))  # again on the connection for which it was made
    assert jar.who("b") == "bob"
    jar.join(replace(BOB, role="boss"), shows("b"))
    assert jar.who("b") is None


def test_logout_ends_the_cookie_and_names_who_is_there_with_it() -> None:
    jar = Jar()
    first = jar.join(ANN, shows("a", new=True))
    second = jar.join(replace(ANN, authmethod="cookie"), shows("a"))
    third = jar.join(replace(ANN, authmethod="cookie"), shows("a"))
    other = jar.join(ANN, shows("b", new=True))
    jar.left(third)
    assert jar.logged_out(first) == [second]
    assert (jar.who("a"), jar.who("b")) == (None, "ann")
    assert jar.logged_out(first) == []
    assert jar.logged_out(other) == []


def test_who_would_not_be_let_in_today() -> None:
    jar = Jar()
    jar.join(ANN, shows("a", new=True))
    jar.join(BOB, shows("b", new=True))
    jar.keep(lambda identity: identity == BOB)
    assert (jar.who("a"), jar.who("b")) == (None, "bob")
    jar.settings = None
    jar.keep(lambda identity: True)
    assert len(jar) == 0


def test_the_bounds() -> None:
    """The oldest of a name go first; then the oldest of all."""
    jar = Jar(cookies=5, cookies_per_authid=2)
    for number in range(3):
        jar.join(ANN, shows(f"a{number}", new=True))
    assert [jar.who(f"a{number}") for number in range(3)] == [None, "ann", "ann"]
    for number in range(4):
        jar.join(replace(BOB, authid=f"bob{number}"), shows(f"b{number}", new=True))
    assert (jar.who("a1"), jar.who("a2"), len(jar)) == (None, "ann", 5)


def test_what_was_kept_is_there_again() -> None:
    jar = Jar()
    jar.restore([(digest_of("a"), Bound("ann", "clerk", "ticket", "static", None, 5_000))])
    assert jar.who("a") == "ann"
    jar.forget("a")
    jar.forget("a")
    assert jar.who("a") is None


class TestMethod:
    def begin(self, jar: Jar, peer: Peer, allowed: bool = True, **details: Any) -> Any:
        assert jar.settings is not None
        method = CookieMethod(jar.settings, jar, lambda identity: allowed and identity == ANN)
        assert method.knows(Hello("realm1", {}), peer) is (
            peer.cookie is not None and jar.find(peer.cookie) is not None
        )
        return method.begin(Hello("realm1", details), peer, 7)

    def test_lets_in_as_who_one_was(self) -> None:
        jar = Jar()
        jar.join(ANN, shows("a", new=True))
        for details in ({}, {"authid": "ann"}):
            entered = self.begin(jar, shows("a"), **details)
            assert entered == replace(ANN, authmethod="cookie", proved_by="ticket")
        assert jar.settings is not None
        method = CookieMethod(jar.settings, jar, lambda identity: identity == ANN)
        assert method.still_allows(entered)
        assert not method.still_allows(replace(entered, role="boss"))
        assert not method.still_allows(ANN)

    def test_leaves_other_clients_to_the_next_method(self) -> None:
        jar = Jar()
        jar.join(ANN, shows("a", new=True))
        for peer, details, why in (
            (PEER, {}, "none was shown"),
            (shows("b", new=True), {}, "unknown, or its time is over"),
            (shows("a"), {"authid": "bob"}, "of 'ann', used by 'bob'"),
        ):
            assert self.begin(jar, peer, **details) == Skip(f"cookie: {why}")
        assert jar.who("a") == "ann"

    def test_ends_a_cookie_whose_role_is_gone(self) -> None:
        jar = Jar()
        jar.join(ANN, shows("a", new=True))
        why = "cookie: 'ann' would not be let in any more"
        assert self.begin(jar, shows("a"), allowed=False) == Skip(why)
        assert jar.who("a") is None

    def asked(self, jar: Jar) -> Question:
        jar.join(ANN, shows("a", new=True))
        question = self.begin(jar, shows("a"))
        assert isinstance(question, Question)
        return question

    def test_may_ask_an_authenticator(self) -> None:
        jar = Jar(authenticator=ASK, authenticator_realm="staff", authenticator_timeout_ms=70)
        question = self.asked(jar)
        assert (question.procedure, question.realm, question.timeout_ms) == (ASK, "staff", 70)
        realm, authid, details = question.args
        assert (realm, authid) == ("realm1", "ann")
        assert (details["authmethod"], details["authrole"], details["proved_by"]) == (
            "cookie",
            "clerk",
            "ticket",
        )
        assert "a" not in details.values()
        entered = question.judge(Answered([{"role": "clerk"}], {}))
        assert entered == replace(ANN, authmethod="cookie", proved_by="ticket")

    @pytest.mark.parametrize(
        ("answer", "outcome", "stays"),
        [
            (Failed("com.example.gone", ""), Skip, False),
            (Answered([False], {}), Skip, False),
            (Answered(["boss"], {}), uris.AUTHENTICATION_DENIED, False),
            (Failed(uris.TIMEOUT, ""), uris.AUTHENTICATION_FAILED, True),
            (Answered([7], {}), uris.AUTHENTICATION_FAILED, True),
        ],
    )
    def test_whom_the_authenticator_does_not_confirm(self, answer: Any, outcome: Any, stays: bool) -> None:
        jar = Jar(authenticator=ASK)
        refused = self.asked(jar).judge(answer)
        assert getattr(refused, "reason", type(refused)) == outcome
        assert refused.why.startswith(f"cookie: the authenticator {ASK} ")  # type: ignore[union-attr]
        assert (jar.who("a") is not None) is stays
