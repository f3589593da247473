"""The way into a realm: what decides about a HELLO, in which order, and what the client is told."""

from typing import Any

import pytest
from realm_play import NOW, PEER, Play, config, may, roles

from realms.auth import Identity
from realms.auth.config import Anonymous, Authentication, Ticket, TicketPrincipal, Tls
from realms.config import Limits
from realms.directory import Directory
from realms.realm import Realm
from router.configuration import Secret
from router.routing.handshake import Admission, Challenge, Refusal
from router.wamp.messages import Authenticate, Hello

ROLES = {"caller": {"features": {"call_canceling": True, "other": 1}}, "subscriber": {}}
TICKET = Ticket(principals={"ann": TicketPrincipal(role="clerk", secret=Secret("sesame"))})
BOTH = Authentication(anonymous=Anonymous(role="clerk"), ticket=TICKET)


def directory(**settings: Any) -> Directory:
    """Give a directory with ``realm1``; session ids count from 1."""
    ids = iter(range(1, 100))
    found = Directory(lambda: next(ids), lambda: NOW)
    found.realms["realm1"] = Play(**settings).realm
    return found


def hello(realm: str = "realm1", **details: Any) -> Hello:
    return Hello(realm, {"roles": ROLES, **details})


def refusal(reason: str, text: str, why: str = "") -> Refusal:
    return Refusal(f"wamp.error.{reason}", text, why)


class TestRealm:
    def test_one_that_is_not_there(self) -> None:
        assert directory().enter(hello("other"), PEER) == refusal("no_such_realm", "no realm 'other' here")

    @pytest.mark.parametrize("realm", ["", "my realm", "a..b", ".a", "a#b"])
    def test_one_that_can_be_none(self, realm: str) -> None:
        answer = directory().enter(hello(realm), PEER)
        assert answer == refusal("invalid_uri", f"{realm!r} is no valid URI of a realm")

    def test_one_that_this_transport_does_not_serve(self) -> None:
        """It looks as if it were not there."""
        found = directory()
        elsewhere = type(PEER)(
            address="x", host="x", transport="x", listener="x", realms=frozenset({"other"})
        )
        assert found.enter(hello(), elsewhere) == refusal("no_such_realm", "no realm 'realm1' here")
        here = type(PEER)(address="x", host="x", transport="x", listener="x", realms=frozenset({"realm1"}))
        assert isinstance(found.enter(hello(), here), Admission)

    def test_what_is_said_of_a_name_is_bounded(self) -> None:
        answer: Any = directory().enter(hello("x" * 10**6), PEER)
        assert len(answer.text) < 200


class TestRoles:
    @pytest.mark.parametrize("roles", [None, [], {}, "caller", 7])
    def test_there_must_be_some(self, roles: Any) -> None:
        answer = directory().enter(Hello("realm1", {"roles": roles}), PEER)
        assert answer == refusal("protocol_violation", "HELLO.Details.roles must name at least one role")

    def test_at_least_one_must_be_a_clients(self) -> None:
        text = "HELLO.Details.roles must name at least one of callee, caller, publisher, subscriber"
        answer = directory().enter(Hello("realm1", {"roles": {"dealer": {}}}), PEER)
        assert answer == refusal("protocol_violation", text)
        for role in ("callee", "caller", "publisher", "subscriber"):
            entered = directory().enter(Hello("realm1", {"roles": {role: {}, "x": {}}}), PEER)
            assert isinstance(entered, Admission)

    def test_the_session_knows_what_the_client_announced(self) -> None:
        entered = directory().enter(hello(), PEER)
        assert isinstance(entered, Admission)
        assert entered.session.features == {"caller", "caller.call_canceling", "subscriber"}


class TestMethod:
    def test_a_client_that_names_none_is_anonymous(self) -> None:
        for details in ({}, {"authmethods": None}, {"authmethods": []}):
            entered = directory(authentication=BOTH).enter(hello(**details), PEER)
            assert isinstance(entered, Admission)
            assert entered.session.authmethod == "anonymous"

    def test_the_clients_first_that_the_realm_offers_is_taken(self) -> None:
        found = directory(authentication=BOTH)
        challenge = found.enter(hello(authmethods=["x", "ticket", "anonymous"], authid="ann"), PEER)
        assert isinstance(challenge, Challenge)
        assert (challenge.authmethod, challenge.extra) == ("ticket", {})
        entered = found.enter(hello(authmethods=["anonymous", "ticket"], authid="ann"), PEER)
        assert isinstance(entered, Admission)

    @pytest.mark.parametrize("methods", ["ticket", {"ticket": 1}, 7, True])
    def test_authmethods_must_be_a_list(self, methods: Any) -> None:
        text = "HELLO.Details.authmethods must be a list of names"
        assert directory().enter(hello(authmethods=methods), PEER) == refusal("protocol_violation", text)

    @pytest.mark.parametrize("methods", [["wampcra"], [None], [["ticket"]], [{}, 7]])
    def test_none_that_is_offered(self, methods: Any) -> None:
        answer = directory(authentication=BOTH).enter(hello(authmethods=methods), PEER)
        text = "this realm offers: anonymous, ticket"
        why = f"asked for {methods!r}, the realm offers anonymous, ticket"
        assert answer == refusal("no_matching_auth_method", text, why)

    def test_a_realm_that_offers_nothing(self) -> None:
        answer: Any = directory(authentication=Authentication()).enter(hello(), PEER)
        assert answer.text == "this realm offers: none"

    def test_what_the_log_says_is_bounded(self) -> None:
        answer: Any = directory().enter(hello(authmethods=["x" * 10**6]), PEER)
        assert len(answer.why) < 200


class TestMethodsThatHaveNothingToSay:
    """
    "skip forward trying other authentication methods (if the client announced any)"
    """

    AUTHENTICATION = Authentication(tls=Tls(), anonymous=Anonymous(role="clerk"), ticket=TICKET)

    def test_the_next_one_is_asked(self) -> None:
        found = directory(authentication=self.AUTHENTICATION)
        entered: Any = found.enter(hello(authmethods=["tls", "anonymous"]), PEER)
        assert entered.session.authmethod == "anonymous"
        challenge: Any = found.enter(hello(authmethods=["tls", "ticket"], authid="ann"), PEER)
        assert challenge.authmethod == "ticket"

    def test_there_is_no_next_one(self) -> None:
        """However often a client names a method, it is asked once."""
        answer = directory(authentication=self.AUTHENTICATION).enter(hello(authmethods=["tls"] * 1000), PEER)
        why = "tls: no certificate was shown"
        assert answer == refusal("authentication_denied", "authentication failed", why)


class TestProof:
    def challenge(self, found: Directory) -> Challenge:
        challenge = found.enter(hello(authmethods=["ticket"], authid="ann"), PEER)
        assert isinstance(challenge, Challenge)
        return challenge

    def test_a_good_one_opens_the_session(self) -> None:
        found = directory(authentication=BOTH)
        entered = self.challenge(found).verify(Authenticate("sesame", {}))
        assert isinstance(entered, Admission)
        assert entered.session.authid == "ann"
        assert list(found.realms["realm1"].sessions) == [entered.session.id] == [1]

    def test_a_bad_one_does_not(self) -> None:
        found = directory(authentication=BOTH)
        answer = self.challenge(found).verify(Authenticate("wrong", {}))
        why = "ticket: wrong ticket for 'ann'"
        assert answer == refusal("authentication_denied", "authentication failed", why)
        assert found.realms["realm1"].sessions == {}

    def test_the_realm_may_be_gone_meanwhile(self) -> None:
        found = directory(authentication=BOTH)
        challenge = self.challenge(found)
        del found.realms["realm1"]
        answer = challenge.verify(Authenticate("sesame", {}))
        assert answer == refusal("no_such_realm", "no realm 'realm1' here")

    def test_the_principal_may_be_gone_meanwhile(self) -> None:
        found = directory(authentication=BOTH)
        challenge = self.challenge(found)
        found.realms["realm1"].reconfigure(config(authentication=Authentication(ticket=Ticket())))
        answer = challenge.verify(Authenticate("sesame", {}))
        why = "ticket: 'ann' lost its permission while it joined"
        assert answer == refusal("authentication_denied", "authentication failed", why)

    def test_the_realm_may_be_full_meanwhile(self) -> None:
        """However many clients are challenged at once, no more get in than the limit says."""
        found = directory(authentication=BOTH, limits=Limits(sessions=2))
        challenges = [self.challenge(found) for _ in range(4)]
        answers = [challenge.verify(Authenticate("sesame", {})) for challenge in challenges]
        assert [type(answer) for answer in answers] == [Admission, Admission, Refusal, Refusal]
        full = Refusal("concord.error.limit_exceeded", "the realm has its limit of sessions = 2")
        assert answers[3] == full
        assert found.enter(hello(), PEER) == full


class TestComponentsOfThisProcess:
    IDENTITY = Identity(authid="prices", role="clerk", authmethod="local")

    def test_join_with_the_identity_that_they_are_given(self) -> None:
        found = directory(authentication=Authentication())
        entered = found.enter_as(self.IDENTITY, hello(authid="admin"), PEER)
        assert isinstance(entered, Admission)
        assert (entered.session.authid, entered.session.authrole) == ("prices", "clerk")

    def test_are_refused_as_others_are(self) -> None:
        found = directory(roles=roles(guest=[may("")]))
        answer: Any = found.enter_as(self.IDENTITY, hello(), PEER)
        assert answer.reason == "wamp.error.no_such_role"
        answer = found.enter_as(self.IDENTITY, Hello("realm1", {}), PEER)
        assert answer.reason == "wamp.error.protocol_violation"
        answer = found.enter_as(self.IDENTITY, hello("other"), PEER)
        assert answer.reason == "wamp.error.no_such_realm"


def test_a_session_id_that_is_in_use_is_drawn_again() -> None:
    """In any realm of the node: session ids are of global scope (WAMP BP 'IDs')."""
    ids = iter([5, 5, 5, 6])
    found = Directory(lambda: next(ids), lambda: NOW)
    environment = Play().realm._environment
    for name in ("one", "two"):
        found.realms[name] = Realm(config(), environment)
    first, second = found.enter(hello("one"), PEER), found.enter(hello("two"), PEER)
    assert isinstance(first, Admission)
    assert isinstance(second, Admission)
    assert (first.session.id, second.session.id) == (5, 6)
