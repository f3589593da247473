"""The section ``cookie`` of a WebSocket transport in ``router.yaml``."""

import re
from typing import Annotated, Literal

from msgspec import Meta

from router.configuration import Section, quoted

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 6265: a token
_PATH = re.compile(r"/[!-:<-~]*")


def _check_name(name: str) -> str | None:
    return None if _NAME.fullmatch(name) else f"must be a name of a cookie (RFC 6265), got {quoted(name)}"


def _check_path(path: str) -> str | None:
    return None if _PATH.fullmatch(path) else f"must begin with '/' and have no ';', got {quoted(path)}"


class TransportCookie(Section, frozen=True, kw_only=True):
    """
    A cookie by which a browser is known again; realms say in `authentication.cookie` who may join by it.
    Scripts can't read it.
    """

    name: Annotated[str, Meta(description="Its name.", extra={"check": _check_name})] = "concord"
    path: Annotated[
        str, Meta(description="For which paths of the host it is sent.", extra={"check": _check_path})
    ] = "/"
    max_age_ms: Annotated[
        int,
        Meta(description="How long the browser keeps it; 0 means until it ends.", ge=0, le=31_536_000_000),
    ] = 604_800_000
    secure: Annotated[
        bool, Meta(description="Send it over TLS alone; browsers count `localhost` as such.")
    ] = True
    same_site: Annotated[
        Literal["strict", "lax", "none"],
        Meta(
            title="policy",
            description="Whether it is sent with a WebSocket that a page of another site opens: only with "
            "`none`, which needs `secure` and `allowed_origins`.",
        ),
    ] = "strict"

    def problem(self) -> str | None:
        """Say what is wrong with it as a whole."""
        if self.same_site == "none" and not self.secure:
            return "same_site: none needs secure: true: no browser keeps it otherwise"
        if self.name.startswith("__Secure-") and not self.secure:
            return "a name that begins with __Secure- needs secure: true"
        if self.name.startswith("__Host-") and not (self.secure and self.path == "/"):
            return "a name that begins with __Host- needs secure: true and path: /"
        return None
