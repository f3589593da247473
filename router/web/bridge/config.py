"""
The settings of the HTTP bridge: the section ``bridge`` of a WebSocket transport in router.yaml.

Only values are here.
"""

import re
from typing import Annotated

from msgspec import Meta

from router.configuration import Section, quoted


def _check_path(text: str) -> str | None:
    if re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", text):
        return None
    return f"must be a URL's path without a slash at its end, as /api, got {quoted(text)}"


class Cors(Section, frozen=True, kw_only=True):
    """Which web pages of other origins may use the bridge (the Fetch standard's CORS protocol)."""

    origins: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(
            description="Their origins; `*` stands for any text. Pages of its own origin always may.",
            examples=[["https://*.example.com"]],
        ),
    ] = ()
    max_age_ms: Annotated[
        int,
        Meta(description="How long a browser may remember the answer to its question.", ge=0, le=86_400_000),
    ] = 600_000


class Bridge(Section, frozen=True, kw_only=True):
    """Calls, publications and subscriptions over HTTP on this port. Without this section there are none."""

    path: Annotated[
        str,
        Meta(
            description="Where: requests go to `<path>/<realm>/call`, `/publish` and `/subscribe`.",
            extra={"check": _check_path},
        ),
    ] = "/api"
    realms: Annotated[
        tuple[str, ...],
        Meta(description="The realms that are reached so; an empty list means all of the transport."),
    ] = ()
    body_limit_bytes: Annotated[
        int, Meta(description="The largest body of a request.", ge=1024, le=1_048_576)
    ] = 1_048_576
    requests: Annotated[
        int, Meta(description="Requests at once that wait for their answer.", ge=1, le=1_000_000)
    ] = 10_000
    requests_bytes: Annotated[
        int, Meta(description="Size of their bodies, as they were sent.", ge=1_048_576, le=1 << 40)
    ] = 67_108_864
    streams: Annotated[
        int, Meta(description="Answers as server-sent events at once.", ge=0, le=1_000_000)
    ] = 1_000
    sessions: Annotated[
        int,
        Meta(
            description="Sessions at once that are kept for the next request with the same credentials; the "
            "one idle for longest makes room.",
            ge=1,
            le=1_000_000,
        ),
    ] = 1_000
    session_idle_ms: Annotated[
        int, Meta(description="How long such a session is kept without a request.", ge=0, le=3_600_000)
    ] = 30_000
    session_ms: Annotated[
        int,
        Meta(
            description="How long such a session is used at most; then the credentials are judged anew.",
            ge=1000,
            le=86_400_000,
        ),
    ] = 300_000
    call_timeout_ms: Annotated[
        int,
        Meta(
            description="Timeout of calls that name none; 0 means what the realm says.", ge=0, le=86_400_000
        ),
    ] = 60_000
    heartbeat_ms: Annotated[
        int,
        Meta(
            description="Time between two comments in a stream of events: they keep proxies from closing it.",
            ge=100,
            le=3_600_000,
        ),
    ] = 15_000
    signature_window_ms: Annotated[
        int,
        Meta(
            description="How far the timestamp of a signed request may be from this machine's clock.",
            ge=1000,
            le=3_600_000,
        ),
    ] = 60_000
    nonces: Annotated[
        int,
        Meta(
            description="Nonces remembered for each principal that signs; with so many of the last window, "
            "its next request is refused.",
            ge=1,
            le=10_000_000,
        ),
    ] = 100_000
    cors: Annotated[Cors, Meta(description="Web pages of other origins.")] = Cors()
