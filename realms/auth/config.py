"""
How clients of a realm may join: the sections under ``authentication`` in its file.

Only values are here, and the checks that need that file alone.
"""

import base64
import binascii
from typing import Annotated, Any

from msgspec import Meta

from router.configuration import Document, Secret, Section, quoted


def _check_name(name: str) -> str | None:
    return None if name.strip() and name.isprintable() else f"must be visible text, got {quoted(name)}"


Role = Annotated[
    str,
    Meta(
        title="role", description="The role of such a session, one of `roles`.", extra={"refers_to": "roles"}
    ),
]
RoleName = Annotated[str, Meta(title="role", extra={"check": _check_name})]
AuthId = Annotated[str, Meta(title="authid", extra={"check": _check_name})]


class Anonymous(Section, frozen=True, kw_only=True):
    """Sessions that give no proof of who they are. Without this section they are refused."""

    role: Role


class TicketPrincipal(Section, frozen=True, kw_only=True):
    """A client that shows a secret as it is: for connections that nobody else can read."""

    role: Role
    secret: Annotated[Secret, Meta(description="The ticket.")]


class Ticket(Section, frozen=True, kw_only=True):
    """Authentication by a secret that is sent as it is (WAMP 'Ticket-based Authentication')."""

    principals: Annotated[
        dict[AuthId, TicketPrincipal],
        Meta(description="Who may join, by the `authid` that the client gives."),
    ] = {}


class WampCraPrincipal(Section, frozen=True, kw_only=True):
    """A client that proves its secret without sending it."""

    role: Role
    secret: Annotated[
        Secret,
        Meta(
            description="The secret. With a `salt` it is the key derived from the password (PBKDF2 with "
            "SHA-256) in Base64, so that the password itself is stored nowhere."
        ),
    ]
    salt: Annotated[
        str | None, Meta(description="The salt of the derived key, sent to the client.", examples=["salt123"])
    ] = None
    iterations: Annotated[
        int, Meta(description="Iterations of the derived key.", ge=1_000, le=10_000_000)
    ] = 1_000
    keylen: Annotated[int, Meta(description="Length of the derived key in bytes.", ge=16, le=64)] = 32


class WampCra(Section, frozen=True, kw_only=True):
    """Authentication by challenge and response (WAMP 'Challenge Response Authentication')."""

    principals: Annotated[
        dict[AuthId, WampCraPrincipal],
        Meta(description="Who may join, by the `authid` that the client gives."),
    ] = {}


class Authentication(Section, frozen=True, kw_only=True):
    """How clients may join; a method without its section is refused."""

    anonymous: Annotated[Anonymous | None, Meta(description="Without any proof.")] = None
    ticket: Annotated[Ticket | None, Meta(description="By a ticket.")] = None
    wampcra: Annotated[WampCra | None, Meta(description="By WAMP-CRA.")] = None


def check_authentication(document: Document[Any]) -> None:
    """Check what the sections say across values."""
    _check_derived_keys(document)


def _check_derived_keys(document: Document[Any]) -> None:
    for path, principal in document.select("authentication", "wampcra", "principals", None):
        assert isinstance(principal, WampCraPrincipal)
        if principal.salt is not None and not _is_key(principal.secret.reveal(), principal.keylen):
            document.add(
                (*path, "secret"),
                f"with a salt, the secret is the derived key: {principal.keylen} bytes (keylen) in Base64",
            )


def _is_key(text: str, length: int) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == length
    except (binascii.Error, ValueError):
        return False
