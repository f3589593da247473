"""Joining by a TLS certificate: whose it is, and until when."""

import time
from typing import Any

import pytest
from msgspec.structs import replace

from realms.auth import Identity, Skip
from realms.auth.config import Tls, TlsPrincipal
from realms.auth.tls import TlsMethod
from router.routing.handshake import Certificate, Peer, Refusal
from router.wamp.messages import Hello

PEER = Peer(address="tcp:192.0.2.7:4711", host="192.0.2.7", transport="websocket", listener="websocket-1")
DENIED = "wamp.error.authentication_denied"
PINNED, OTHER = "ab" * 32, "cd" * 32


def method(**principals: TlsPrincipal) -> TlsMethod:
    """Ann is known by her certificate and by names, Bob by names alone."""
    known = {
        "ann": TlsPrincipal(role="clerk", fingerprints=("AB:" * 31 + "AB",), subjects=("CN:ann",)),
        "bob": TlsPrincipal(role="boss", subjects=("cn:bob", "DNS:Bob.Example.com")),
    }
    return TlsMethod(Tls(principals=principals or known))


def certificate(*names: str, fingerprint: str = OTHER, trusted: bool = True, **more: Any) -> Certificate:
    now = time.time()
    times = {"valid_from": now - 60, "valid_until": now + 60, **more}
    return Certificate(fingerprint=fingerprint, names=frozenset(names), trusted=trusted, **times)


def join(shown: Certificate | None, authid: Any = None, found: TlsMethod | None = None) -> Any:
    message = Hello("realm1", {"roles": {"caller": {}}, "authid": authid})
    return (found or method()).begin(message, replace(PEER, certificate=shown), 7)


def who(answer: Any) -> str:
    assert isinstance(answer, Identity), answer
    return f"{answer.authid} as {answer.role} by {answer.authmethod}"


class TestJoining:
    @pytest.mark.parametrize("authid", [None, "ann"])
    @pytest.mark.parametrize("trusted", [True, False])
    def test_by_fingerprint(self, authid: str | None, trusted: bool) -> None:
        """Whoever signed it, and whatever names are in it."""
        shown = certificate("CN:bob", fingerprint=PINNED, trusted=trusted)
        assert who(join(shown, authid)) == "ann as clerk by tls"

    @pytest.mark.parametrize("name", ["CN:bob", "DNS:bob.example.com"])
    def test_by_name(self, name: str) -> None:
        assert who(join(certificate("EMAIL:x@example.com", name))) == "bob as boss by tls"

    def test_of_several_the_authid_chooses(self) -> None:
        shown = certificate("CN:ann", "DNS:bob.example.com")
        assert who(join(shown, "bob")) == "bob as boss by tls"
        assert who(join(shown, "ann")) == "ann as clerk by tls"
        refusal = join(shown)
        assert refusal.why.endswith("is of ann, bob: an authid must choose")


class TestRefusals:
    def refused(self, answer: Any, why: str) -> None:
        """Every client is told the same."""
        assert answer == Refusal(DENIED, "authentication failed", f"tls: {why}")

    def test_no_certificate(self) -> None:
        """Another method may be asked."""
        assert join(None) == Skip("tls: no certificate was shown")

    def test_nobodys_certificate(self) -> None:
        self.refused(join(certificate()), f"the certificate {OTHER} ('no name') is of nobody here")
        self.refused(join(certificate("CN:eve")), f"the certificate {OTHER} ('CN:eve') is of nobody here")

    def test_names_that_nobody_vouches_for(self) -> None:
        """Anybody can write them into a certificate of his own."""
        self.refused(
            join(certificate("CN:bob", trusted=False)),
            f"the certificate {OTHER} ('CN:bob', signed by nobody known) is of nobody here",
        )

    def test_somebody_elses_name(self) -> None:
        shown = certificate("CN:ann", fingerprint=PINNED)
        self.refused(join(shown, "bob"), f"the certificate {PINNED} ('CN:ann') is not of 'bob' here")
        self.refused(join(shown, "eve"), f"the certificate {PINNED} ('CN:ann') is not of 'eve' here")

    @pytest.mark.parametrize("times", [{"valid_until": 1.0}, {"valid_from": 1e12}])
    def test_one_that_is_not_valid_today(self, times: dict[str, float]) -> None:
        shown = certificate("CN:ann", fingerprint=PINNED, **times)
        self.refused(join(shown), f"the certificate {PINNED} ('CN:ann') is not valid today")

    def test_an_expired_principal(self) -> None:
        expired = TlsPrincipal(role="clerk", fingerprints=(PINNED,), expires="2001-01-01T00:00:00Z")
        answer = join(certificate(fingerprint=PINNED), found=method(ann=expired))
        self.refused(answer, "the certificates of 'ann' have expired")

    def test_what_the_log_says_is_bounded_and_on_one_line(self) -> None:
        refusal = join(certificate("CN:x\ny" + "z" * 10_000), "eve\n" + "x" * 10_000)
        assert "\n" not in refusal.why
        assert len(refusal.why) < 500


def test_stays_while_principal_and_role_are_the_same() -> None:
    identity = Identity(authid="ann", role="clerk", authmethod="tls")
    assert method().still_allows(identity)
    assert not method().still_allows(replace(identity, role="boss"))
    assert not method(bob=TlsPrincipal(role="clerk", subjects=("CN:ann",))).still_allows(identity)
