"""Authenticators, without a router: what they are asked, and what becomes of their answers."""

import time
from typing import Any

import pytest
from msgspec.structs import replace

from realms.auth import Identity, Question, Skip
from realms.auth.config import Authentication, Cryptosign, Signature, Ticket, Tls, TlsPrincipal, WampCra
from realms.auth.methods import methods_of
from realms.auth.plain_tree import tree_of
from realms.router_calls import Answered, Failed
from router.routing.handshake import Certificate, Peer, Refusal
from router.wamp import uris
from router.wamp.messages import Hello

PEER = Peer(address="tcp:192.0.2.7:4711", host="192.0.2.7", transport="websocket", listener="websocket-1")
ASK = "com.example.authenticate"
PRINT = "ab" * 32
TLS = Authentication(tls=Tls(authenticator=ASK, authenticator_realm="staff", authenticator_timeout_ms=500))


def begin(config: Authentication, name: str, peer: Peer = PEER, **details: Any) -> Any:
    hello = Hello("realm1", {"roles": {"caller": {}}, **details})
    return methods_of(config, {"user": None})[name].begin(hello, peer, 7)


def shows(*names: str, trusted: bool = True) -> Peer:
    now = time.time()
    shown = Certificate(
        fingerprint=PRINT,
        names=frozenset(names),
        valid_from=now - 60,
        valid_until=now + 60,
        trusted=trusted,
    )
    return replace(PEER, certificate=shown)


def identity(authid: str) -> Identity:
    return Identity(authid=authid, role="user", authmethod="tls", authprovider="dynamic")


class TestTlsCertificates:
    def test_are_told_and_a_role_accepts_them(self) -> None:
        question = begin(TLS, "tls", shows("CN:ann"))
        assert (question.procedure, question.realm, question.timeout_ms) == (ASK, "staff", 500)
        realm, authid, details = question.args
        assert (realm, authid) == ("realm1", None)
        assert details["certificate"] == {"fingerprint": PRINT, "names": ["CN:ann"], "trusted": True}
        assert question.judge(Answered([{"role": "user", "authid": "ann"}], {})) == identity("ann")

    def test_that_nobody_signed_must_be_named_by_the_answer(self) -> None:
        question = begin(TLS, "tls", shows("CN:ann", trusted=False), authid="ann")
        refused = question.judge(Answered(["user"], {}))
        assert isinstance(refused, Refusal)
        named = {"role": "user", "fingerprints": [PRINT]}
        assert question.judge(Answered([named], {})) == identity("ann")

    def test_that_are_known_ask_nobody(self) -> None:
        known = {"ann": TlsPrincipal(role="user", fingerprints=(PRINT,))}
        config = Authentication(tls=Tls(authenticator=ASK, principals=known))
        assert begin(config, "tls", shows("CN:ann")).authprovider == "static"

    def test_that_are_not_there_leave_the_client_to_another_method(self) -> None:
        assert begin(TLS, "tls") == Skip("tls: no certificate was shown")

    def test_that_the_authenticator_refuses(self) -> None:
        question = begin(TLS, "tls", shows("CN:ann"))
        refused = question.judge(Failed("com.example.no", ""))
        assert refused.reason == uris.AUTHENTICATION_DENIED
        assert refused.why == f"tls: the authenticator {ASK} says no: com.example.no"

    def test_without_a_name_from_anybody(self) -> None:
        refused = begin(TLS, "tls", shows("CN:ann")).judge(Answered(["user"], {}))
        assert refused.reason == uris.AUTHENTICATION_FAILED
        assert refused.why.endswith("answers badly: 'authid' is missing, and the client gave none")

    def test_are_no_matter_to_other_methods(self) -> None:
        """A certificate beside a password is no field of who has the password."""
        config = Authentication(wampcra=WampCra(authenticator=ASK))
        proof = begin(config, "wampcra", shows("CN:ann"), authid="ann").judge(
            Answered([{"role": "user", "secret": "s"}], {})
        )
        assert "challenge" in proof.extra


@pytest.mark.parametrize("error", [uris.NO_SUCH_PROCEDURE, uris.TIMEOUT, uris.CANCELED, uris.LIMIT_EXCEEDED])
def test_who_could_not_be_asked_has_not_said_no(error: str) -> None:
    refused = begin(TLS, "tls", shows()).judge(Failed(error, "why"))
    assert refused.reason == uris.AUTHENTICATION_FAILED
    assert refused.why == f"tls: the authenticator {ASK} did not answer: {error}: why"


def test_what_the_log_says_of_an_answer_is_bounded() -> None:
    question = begin(TLS, "tls", shows())
    for answer in (
        Failed("com.example.no", "x" * 10**6),
        Answered(["r" * 10**6], {}),
        Answered([{"role": "user", "authid": "a", "k" * 10**6: 1}], {}),
    ):
        assert len(question.judge(answer).why) < 700


def test_an_answer_may_be_as_deep_as_it_likes() -> None:
    deep: Any = "x"
    for _ in range(90):
        deep = [deep]
    answer = Answered([{"role": "user", "authid": "a", "expires": deep}], {})
    refused = begin(TLS, "tls", shows()).judge(answer)
    assert "expected a string, got a list" in refused.why


def test_a_principal_of_the_answer_may_expire() -> None:
    question = begin(TLS, "tls", shows(), authid="ann")
    past = {"role": "user", "expires": "2020-01-01T00:00:00Z"}
    assert question.judge(Answered([past], {})).reason == uris.AUTHENTICATION_DENIED


def test_methods_without_an_authenticator_ask_nobody() -> None:
    config = Authentication(ticket=Ticket(), signature=Signature())
    assert not isinstance(begin(config, "ticket", authid="joe"), Question)
    assert not isinstance(begin(config, "signature", replace(PEER, transport="http"), authid="joe"), Question)


def test_a_key_beside_an_authenticator_is_asked_about_by_its_text() -> None:
    config = Authentication(cryptosign=Cryptosign(authenticator=ASK))
    question = begin(config, "cryptosign", authextra={"pubkey": "no key"})
    refused = question.judge(Answered(["user"], {}))
    assert (refused.reason, "answers badly" in refused.why) == (uris.AUTHENTICATION_FAILED, True)


@pytest.mark.parametrize(
    ("value", "tag"),
    [(None, "null"), (True, "bool"), (7, "int"), (1.5, "float"), ("x", "str"), (b"x", "binary"), ({}, "map")],
)
def test_a_value_has_the_tag_that_yaml_would_give_it(value: object, tag: str) -> None:
    assert tree_of(value).tag == f"tag:yaml.org,2002:{tag}"
