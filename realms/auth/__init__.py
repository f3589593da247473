"""
Authentication methods, one module each.

A method is asked once for each HELLO. It either knows the client at once (``Identity``), or
asks for a proof (``Proof``), or refuses (``Refusal``), or wants a procedure to be asked first
(``Question``), or leaves the client to the next method that it named (``Skip``). What a refusal tells
the client never says whether the ``authid`` exists; the reason is for the log.

A method is pure: it never calls or waits itself.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct

from router.routing.handshake import Peer, Refusal
from router.wamp import uris
from router.wamp.messages import Authenticate, Hello

if TYPE_CHECKING:
    from realms.router_calls import Answer


class Identity(Struct, frozen=True, kw_only=True):
    """Who a client turned out to be."""

    authid: str
    role: str
    authmethod: str
    authprovider: str = "static"
    authextra: Mapping[str, Any] | None = None
    proved_by: str | None = None  # with a cookie: the method that once let in


class Proof(Struct, frozen=True):
    """What a client is asked for: CHALLENGE.extra, and the judge of its AUTHENTICATE."""

    extra: dict[str, Any]
    verify: "Callable[[Authenticate], Verdict]"


class Question(Struct, frozen=True):
    """
    What a procedure has to be asked: ``judge`` makes the decision of its answer.

    ``realm`` is where the procedure is; ``None`` means the realm that the client joins.
    """

    procedure: str
    realm: str | None
    args: list[Any]
    timeout_ms: int
    judge: "Callable[[Answer], Beginning]"


class Skip(Struct, frozen=True):
    """This method has nothing to say about this client; the reason is for the log."""

    why: str


Verdict = Identity | Refusal | Question  # of a proof
Beginning = Identity | Proof | Refusal | Question | Skip


class Method(Protocol):
    """One authentication method of one realm."""

    name: str

    def begin(self, hello: Hello, peer: Peer, session_id: int) -> Beginning: ...

    def knows(self, hello: Hello, peer: Peer) -> bool:
        """Tell whether somebody of the configuration is meant; an authenticator is asked about others."""
        ...

    def still_allows(self, identity: Identity) -> bool:
        """Tell whether ``identity`` would get the same role today."""
        ...


_UNTOLD: Final = "authentication failed"


def denied(why: str) -> Refusal:
    """Refuse for a reason that the client is not told."""
    return Refusal(uris.AUTHENTICATION_DENIED, _UNTOLD, why)


def undecided(why: str) -> Refusal:
    """Refuse because what was decided is none, for a reason that the client is not told."""
    return Refusal(uris.AUTHENTICATION_FAILED, _UNTOLD, why)


def is_failure(refusal: Refusal) -> bool:
    """
    Tell whether somebody tried to be somebody.

    A HELLO that says too little, and who could not be judged, are told so.
    """
    return refusal.text == _UNTOLD and refusal.reason in (
        uris.AUTHENTICATION_DENIED,
        uris.AUTHENTICATION_FAILED,
    )


def unavailable(why: str) -> Refusal:
    """Refuse because nobody could decide, for a reason that the client is not told."""
    return Refusal(uris.AUTHENTICATION_FAILED, "authentication is not possible now", why)


def missing_authid() -> Refusal:
    """Refuse a HELLO without the name that this method needs."""
    text = "HELLO.Details.authid must be a text that names who joins"
    return Refusal(uris.AUTHENTICATION_DENIED, text, "no authid in HELLO")


def authid_of(hello: Hello) -> str | None:
    """Read ``HELLO.Details.authid``; ``None`` where it is absent, empty or no text."""
    authid = hello.details.get("authid")
    return authid if isinstance(authid, str) and authid else None
