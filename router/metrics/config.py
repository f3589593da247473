"""
The settings of metrics: the section ``metrics`` of a WebSocket transport in router.yaml.

Only values are here.
"""

import ipaddress
import re
from typing import Annotated

from msgspec import Meta

from router.configuration import Secret, Section, quoted


def _check_path(text: str) -> str | None:
    if re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", text):
        return None
    return f"must be a URL's path without a slash at its end, as /metrics, got {quoted(text)}"


def _check_network(text: str) -> str | None:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"must be an IP address or a network as 10.0.0.0/8, got {quoted(text)}"
    return None


class Metrics(Section, frozen=True, kw_only=True):
    """Metrics for Prometheus on this port. Without this section there are none."""

    path: Annotated[str, Meta(description="Where.", extra={"check": _check_path})] = "/metrics"
    allow: Annotated[
        tuple[Annotated[str, Meta(extra={"check": _check_network})], ...],
        Meta(
            description="Who may read them: addresses and networks. Behind one of `trusted_proxies` the real "
            "address counts, and through another proxy nobody may. Over a Unix socket everybody may.",
            examples=[["127.0.0.1", "10.0.0.0/8"]],
        ),
    ] = ("127.0.0.0/8", "::1")
    token: Annotated[
        Secret | None,
        Meta(description="If it is set, readers must send it as well, as `Authorization: Bearer <token>`."),
    ] = None
