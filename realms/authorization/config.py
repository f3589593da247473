"""How a role's authorizer is asked: the section ``authorization`` of a role. Only values are here."""

from typing import Annotated, Literal

from msgspec import Meta

from router.configuration import Section, quoted
from router.wamp.uris import is_reserved, is_valid

Scope = Literal["never", "session", "authid", "role"]
MAX_TTL_MS = 86_400_000
MAX_TRUST_LEVEL = 1_000_000

Action = Literal["call", "register", "publish", "subscribe"]
ACTIONS: tuple[Action, ...] = ("call", "register", "publish", "subscribe")


def check_procedure(uri: str | None) -> str | None:
    """Check the URI of an authorizer."""
    if uri is None:
        return None
    if not is_valid(uri):
        return f"must be the URI of a procedure, got {quoted(uri)}"
    return (
        f"{quoted(uri)} is the router's own: a client registers its authorizer" if is_reserved(uri) else None
    )


class Authorization(Section, frozen=True, kw_only=True):
    """How a role's authorizer is asked, and how long its answers count."""

    first: Annotated[
        Literal["permissions", "authorizer"],
        Meta(
            title="order",
            description="With `permissions`, what a permission matches is decided by it, and the rest is "
            "asked. With `authorizer` everything is asked; a permission decides where the answer is null.",
        ),
    ] = "permissions"
    timeout_ms: Annotated[
        int, Meta(description="Without an answer in this time, the answer is no.", ge=10, le=600_000)
    ] = 5_000
    cache: Annotated[
        Scope,
        Meta(
            title="scope",
            description="For whom an answer counts that does not say it: for that request alone, for the "
            "session, for all sessions with its role, method and authid, or for all with its role.",
        ),
    ] = "never"
    ttl_ms: Annotated[int, Meta(description="How long such an answer counts.", ge=1, le=MAX_TTL_MS)] = 60_000
