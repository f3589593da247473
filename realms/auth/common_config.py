"""What the methods of authentication have in common: the sections, and keys, that belong to none alone."""

from typing import Annotated, Literal

from msgspec import Meta

from router.configuration import Section, quoted
from router.wamp.uris import is_reserved, is_valid


def _check_authenticator(uri: str) -> str | None:
    if not is_valid(uri):
        return f"must be the URI of a procedure, as 'com.example.authenticate', got {quoted(uri)}"
    return f"{quoted(uri)} is the router's own: no client can register it" if is_reserved(uri) else None


class Authenticated(Section, frozen=True, kw_only=True):
    """A method whose clients a procedure may know (WAMP 'Dynamic Authentication API')."""

    authenticator: Annotated[
        Annotated[str, Meta(extra={"check": _check_authenticator})] | None,
        Meta(
            description="A procedure that is asked about clients who are not configured here; it returns "
            "the role, or a mapping.",
            examples=["com.example.authenticate"],
        ),
    ] = None
    authenticator_realm: Annotated[
        str | None,
        Meta(
            description="The realm that has the procedure; by default this one.",
            examples=["com.example.staff"],
        ),
    ] = None
    authenticator_timeout_ms: Annotated[
        int,
        Meta(
            description="Time for its answer; then the client is refused. The transport's "
            "`handshake_timeout_ms` should be longer.",
            ge=10,
            le=600_000,
        ),
    ] = 3_000


class Failures(Section, frozen=True, kw_only=True):
    """
    How often a client may fail to prove who it is. Over a limit it is refused unheard, until an attempt has
    come back.
    """

    enabled: Annotated[bool, Meta(description="Count failures, and refuse over these limits.")] = True
    window_ms: Annotated[
        int,
        Meta(description="Time in which all the attempts come back, evenly.", ge=1_000, le=86_400_000),
    ] = 300_000
    authid_attempts: Annotated[
        int, Meta(description="Failures of one `authid` from one address.", ge=1, le=1_000_000)
    ] = 10
    address_attempts: Annotated[
        int,
        Meta(
            description="Failures from one address. Behind a proxy that is none of the transport's "
            "`trusted_proxies`, all clients have the same.",
            ge=1,
            le=1_000_000,
        ),
    ] = 100
    authid_attempts_anywhere: Annotated[
        int,
        Meta(
            description="Failures of one `authid` from all addresses; then only those are heard from which "
            "it has not failed.",
            ge=1,
            le=1_000_000,
        ),
    ] = 100
    entries: Annotated[
        int,
        Meta(description="Budgets that are remembered; the oldest are forgotten.", ge=100, le=10_000_000),
    ] = 30_000


class CookieSettings(Authenticated, frozen=True, kw_only=True):
    """
    Browsers that come back are who they were, without a proof. A WebSocket transport must set the cookies.
    """

    lifetime_ms: Annotated[
        int,
        Meta(description="Time from the proof until it has to be given again.", ge=60_000, le=31_536_000_000),
    ] = 604_800_000
    cookies: Annotated[
        int, Meta(description="Cookies of the realm; the oldest are forgotten.", ge=1, le=10_000_000)
    ] = 100_000
    cookies_per_authid: Annotated[
        int, Meta(description="Cookies of one `authid`, likewise.", ge=1, le=1_000_000)
    ] = 100
    store: Annotated[
        Literal["memory", "sqlite"],
        Meta(title="store", description="`sqlite` keeps them over a restart, below the node's `data_dir`."),
    ] = "memory"
