"""
Authentication, by HELLO, CHALLENGE and AUTHENTICATE as they cross the wire.

Signatures are computed with the functions of Autobahn, which is what a client does.
"""

import json
from typing import Any

import pytest
from autobahn.wamp import auth

from realms.auth import Identity, Proof
from realms.auth.anonymous import AnonymousMethod
from realms.auth.config import (
    Anonymous,
    Authentication,
    Cryptosign,
    Scram,
    Ticket,
    TicketPrincipal,
    Tls,
    WampCra,
    WampCraPrincipal,
)
from realms.auth.methods import methods_of
from realms.auth.ticket import TicketMethod
from realms.auth.wampcra import WampCraMethod
from router.configuration import Secret
from router.routing.handshake import Peer, Refusal
from router.wamp.messages import Authenticate, Hello

PEER = Peer(address="tcp:192.0.2.7:4711", host="192.0.2.7", transport="websocket", listener="websocket-1")
REFUSED = "wamp.error.authentication_denied"
ROLES = {"caller": {}}


def hello(authid: Any = None, **details: Any) -> Hello:
    return Hello("realm1", {"roles": ROLES, "authid": authid, **details})


def derived(password: str, salt: str, iterations: int = 1000, keylen: int = 32) -> str:
    return str(auth.derive_key(password, salt, iterations, keylen).decode())


def cra(**principals: WampCraPrincipal) -> WampCraMethod:
    return WampCraMethod(WampCra(principals=principals))


def plain(secret: str, role: str = "clerk") -> WampCraPrincipal:
    return WampCraPrincipal(role=role, secret=Secret(secret))


def salted(password: str, salt: str, role: str = "clerk", iterations: int = 1000) -> WampCraPrincipal:
    secret = Secret(derived(password, salt, iterations))
    return WampCraPrincipal(role=role, secret=secret, salt=salt, iterations=iterations)


def ticket(**tickets: str) -> TicketMethod:
    principals = {name: TicketPrincipal(role="clerk", secret=Secret(text)) for name, text in tickets.items()}
    return TicketMethod(Ticket(principals=principals))


def challenge_of(method: Any, authid: str, session_id: int = 7) -> Proof:
    proof = method.begin(hello(authid), PEER, session_id)
    assert isinstance(proof, Proof)
    return proof


def signature_of(proof: Proof, password: str) -> str:
    """Answer as Autobahn's ``AuthWampCra`` does."""
    extra = proof.extra
    key = password
    if "salt" in extra:
        key = derived(password, extra["salt"], extra["iterations"], extra["keylen"])
    return str(auth.compute_wcs(key, extra["challenge"]).decode())


def test_methods_are_those_of_the_configuration() -> None:
    assert methods_of(Authentication()) == {}
    everything = methods_of(
        Authentication(
            anonymous=Anonymous(role="clerk"),
            ticket=Ticket(),
            wampcra=WampCra(),
            scram=Scram(),
            cryptosign=Cryptosign(),
            tls=Tls(),
        )
    )
    assert [(name, method.name) for name, method in everything.items()] == [
        ("anonymous", "anonymous"),
        ("ticket", "ticket"),
        ("wampcra", "wampcra"),
        ("wamp-scram", "wamp-scram"),
        ("scram", "scram"),
        ("cryptosign", "cryptosign"),
        ("tls", "tls"),
    ]


class TestAnonymous:
    def test_gets_a_random_name_and_the_configured_role(self) -> None:
        """A name that the client asks for is not given: it could be somebody else's."""
        method = AnonymousMethod(Anonymous(role="guest"))
        one, two = (method.begin(hello("admin"), PEER, 7) for _ in range(2))
        assert (one.role, one.authmethod, one.authprovider) == ("guest", "anonymous", "static")
        assert len({one.authid, two.authid, "admin"}) == 3

    def test_stays_while_the_role_is_the_same(self) -> None:
        identity = AnonymousMethod(Anonymous(role="guest")).begin(hello(), PEER, 7)
        assert AnonymousMethod(Anonymous(role="guest")).still_allows(identity)
        assert not AnonymousMethod(Anonymous(role="clerk")).still_allows(identity)


@pytest.mark.parametrize("method", [ticket(ann="x"), cra(ann=plain("x"))])
@pytest.mark.parametrize("authid", [None, "", 7, ["ann"], {}, True])
def test_a_hello_without_a_name_is_refused(method: Any, authid: Any) -> None:
    refusal = method.begin(hello(authid), PEER, 7)
    assert refusal == Refusal(
        REFUSED, "HELLO.Details.authid must be a text that names who joins", "no authid in HELLO"
    )


class TestTicket:
    """WAMP AP 'Ticket-based Authentication'."""

    def test_the_right_ticket(self) -> None:
        proof = challenge_of(ticket(ann="sesame", bob="other"), "ann")
        assert proof.extra == {}
        identity = proof.verify(Authenticate("sesame", {}))
        assert identity == Identity(authid="ann", role="clerk", authmethod="ticket")

    @pytest.mark.parametrize(
        "signature",
        ["", "sesam", "sesame ", "Sesame", "other", "sesame\0", "\u00e9\u20ac\U0001f600", "x" * 10**5],
    )
    def test_any_other_ticket_is_refused(self, signature: str) -> None:
        refusal = challenge_of(ticket(ann="sesame", bob="other"), "ann").verify(Authenticate(signature, {}))
        assert refusal == Refusal(REFUSED, "authentication failed", "ticket: wrong ticket for 'ann'")

    def test_an_expired_ticket(self) -> None:
        """Who shows another one is not told that it has expired."""
        expired = TicketPrincipal(role="clerk", secret=Secret("sesame"), expires="2001-01-01T00:00:00Z")
        proof = challenge_of(TicketMethod(Ticket(principals={"ann": expired})), "ann")
        refusal = proof.verify(Authenticate("sesame", {}))
        why = "ticket: the ticket of 'ann' has expired"
        assert refusal == Refusal(REFUSED, "authentication failed", why)
        assert proof.verify(Authenticate("other", {})) == Refusal(
            REFUSED, "authentication failed", "ticket: wrong ticket for 'ann'"
        )

    def test_a_ticket_that_is_not_ascii(self) -> None:
        proof = challenge_of(ticket(ann="gr\u00fc\u00dfe \u2603"), "ann")
        assert isinstance(proof.verify(Authenticate("gr\u00fc\u00dfe \u2603", {})), Identity)

    @pytest.mark.parametrize("signature", ["", "sesame", "x"])
    def test_an_unknown_name_looks_like_a_wrong_ticket(self, signature: str) -> None:
        """The same challenge and the same refusal; only the log knows more."""
        method = ticket(ann="sesame")
        known, unknown = challenge_of(method, "ann"), challenge_of(method, "eve")
        assert known.extra == unknown.extra
        refusal, other = unknown.verify(Authenticate(signature, {})), known.verify(Authenticate("no", {}))
        assert isinstance(refusal, Refusal)
        assert isinstance(other, Refusal)
        assert (refusal.reason, refusal.text) == (other.reason, other.text)
        assert refusal.why == "ticket: no principal 'eve'"

    def test_what_the_log_says_of_a_name_is_bounded_and_on_one_line(self) -> None:
        refusal = challenge_of(ticket(), "eve\n" + "x" * 10**6).verify(Authenticate("", {}))
        assert isinstance(refusal, Refusal)
        assert "\n" not in refusal.why
        assert len(refusal.why) < 200

    def test_stays_while_principal_and_role_are_the_same(self) -> None:
        identity = Identity(authid="ann", role="clerk", authmethod="ticket")
        assert ticket(ann="changed").still_allows(identity)
        assert not ticket(bob="sesame").still_allows(identity)
        boss = {"ann": TicketPrincipal(role="boss", secret=Secret("sesame"))}
        assert not TicketMethod(Ticket(principals=boss)).still_allows(identity)


class TestWampCra:
    """WAMP AP 'Challenge Response Authentication'."""

    def test_the_challenge_holds_what_the_specification_asks_for(self) -> None:
        proof = challenge_of(cra(ann=plain("secret", "boss")), "ann", 4711)
        assert set(proof.extra) == {"challenge"}
        challenge = json.loads(proof.extra["challenge"])
        assert set(challenge) == {
            "authid",
            "authrole",
            "authmethod",
            "authprovider",
            "session",
            "nonce",
            "timestamp",
        }
        assert (challenge["authid"], challenge["authrole"], challenge["session"]) == ("ann", "boss", 4711)
        assert (challenge["authmethod"], challenge["authprovider"]) == ("wampcra", "static")

    def test_the_right_signature(self) -> None:
        proof = challenge_of(cra(ann=plain("secret", "boss")), "ann")
        identity = proof.verify(Authenticate(signature_of(proof, "secret"), {}))
        assert identity == Identity(authid="ann", role="boss", authmethod="wampcra")

    def test_the_right_signature_with_a_salted_password(self) -> None:
        method = cra(ann=salted("secret", "salt123", iterations=1500))
        proof = challenge_of(method, "ann")
        assert proof.extra["salt"] == "salt123"
        assert (proof.extra["iterations"], proof.extra["keylen"]) == (1500, 32)
        identity = proof.verify(Authenticate(signature_of(proof, "secret"), {}))
        assert identity == Identity(authid="ann", role="clerk", authmethod="wampcra")

    @pytest.mark.parametrize("principal", [plain("secret"), salted("secret", "salt123")])
    def test_any_other_signature_is_refused(self, principal: WampCraPrincipal) -> None:
        """Wrong, truncated, longer, of another challenge, not ASCII, or nothing at all."""
        method = cra(ann=principal)
        proof, replayed = challenge_of(method, "ann"), challenge_of(method, "ann")
        right = signature_of(proof, "secret")
        for signature in (
            signature_of(proof, "wrong"),
            right[:-1],
            right + "=",
            right.lower(),
            signature_of(replayed, "secret"),
            "",
            "secret",
            "\u00e9\U0001f600",
        ):
            refusal = proof.verify(Authenticate(signature, {}))
            assert refusal == Refusal(REFUSED, "authentication failed", "wampcra: wrong signature of 'ann'")
        assert isinstance(proof.verify(Authenticate(right, {})), Identity)

    def test_an_expired_principal(self) -> None:
        expired = WampCraPrincipal(role="clerk", secret=Secret("secret"), expires="2001-01-01T00:00:00Z")
        proof = challenge_of(cra(ann=expired), "ann")
        refusal = proof.verify(Authenticate(signature_of(proof, "secret"), {}))
        why = "wampcra: the secret of 'ann' has expired"
        assert refusal == Refusal(REFUSED, "authentication failed", why)

    def test_no_challenge_is_made_twice(self) -> None:
        method = cra(ann=plain("secret"))
        assert len({challenge_of(method, "ann").extra["challenge"] for _ in range(50)}) == 50

    def test_stays_while_principal_and_role_are_the_same(self) -> None:
        identity = Identity(authid="ann", role="clerk", authmethod="wampcra")
        assert cra(ann=plain("changed")).still_allows(identity)
        assert not cra(bob=plain("secret")).still_allows(identity)
        assert not cra(ann=plain("secret", "boss")).still_allows(identity)


class TestNoEnumerationOfUsers:
    """From challenge and refusal nobody learns whether a name exists."""

    def shape(self, proof: Proof) -> Any:
        extra = dict(proof.extra)
        challenge = json.loads(extra.pop("challenge"))
        lengths = (len(challenge["nonce"]), len(challenge["timestamp"]), len(extra.pop("salt", "")))
        return sorted(challenge), challenge["authrole"], lengths, extra

    def test_an_unknown_name_gets_a_challenge_of_the_same_shape(self) -> None:
        for method in (cra(ann=plain("secret")), cra(ann=salted("secret", "salt123", "boss", 2000))):
            known = self.shape(challenge_of(method, "ann"))
            assert self.shape(challenge_of(method, "eve")) == known

    def test_it_has_one_of_the_known_shapes_where_they_differ(self) -> None:
        """With salted and unsalted principals both kinds occur, always the same one for a name."""
        method = cra(ann=plain("a", "boss"), bob=salted("b", "salt", "clerk", 3000))
        known = [self.shape(challenge_of(method, name)) for name in ("ann", "bob")]
        drawn = [self.shape(challenge_of(method, f"eve{number}")) for number in range(200)]
        assert all(shape in known for shape in drawn)
        assert all(shape in drawn for shape in known)

    def test_the_salt_of_an_unknown_name_is_always_the_same(self) -> None:
        """Also after a reload, which makes new methods; and it differs from name to name."""
        first, second = (cra(ann=salted("secret", "s" * 100)) for _ in range(2))
        salts = [
            challenge_of(method, name).extra["salt"]
            for name in ("eve", "mallory")
            for method in (first, second)
        ]
        assert salts[0] == salts[1] != salts[2] == salts[3]
        assert [len(salt) for salt in salts] == [100] * 4
        assert salts[0][:43] != salts[0][43:86]

    def test_the_refusal_is_the_same(self) -> None:
        method = cra(ann=salted("secret", "salt123"))
        answers = []
        for name in ("ann", "eve"):
            proof = challenge_of(method, name)
            answers.append(proof.verify(Authenticate(signature_of(proof, "wrong"), {})))
        known, unknown = answers
        assert isinstance(known, Refusal)
        assert isinstance(unknown, Refusal)
        assert (known.reason, known.text) == (unknown.reason, unknown.text)
        assert unknown.why == "wampcra: no principal 'eve'"

    def test_no_signature_lets_an_unknown_name_in(self) -> None:
        """Not even where there are no principals at all."""
        for method in (cra(), cra(ann=plain("secret"))):
            proof = challenge_of(method, "eve")
            for password in ("", "secret", "anonymous"):
                assert isinstance(proof.verify(Authenticate(signature_of(proof, password), {})), Refusal)
        assert self.shape(challenge_of(cra(), "eve"))[1:] == ("anonymous", (43, 24, 0), {})
