"""
Webhooks of a realm: the section ``webhooks`` in its file.

Only values are here, and the checks that need that file alone.
"""

import base64
import binascii
import ipaddress
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from msgspec import Meta

from realms.auth.config import Role
from router.configuration import Document, Path, Secret, Section, path_text, quoted
from router.wamp.uris import EXACT, MatchPolicy, is_valid

SECRET_PREFIX: Final = "whsec_"  # of a secret that is Base64 (Standard Webhooks)


def _check_url(text: str) -> str | None:
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isascii() or any(c.isspace() for c in text):
        return f"must be a URL as https://example.com/hook, got {quoted(text)}"
    if url.username is not None or url.fragment:
        return "must have no user and no fragment"
    return None


class Retry(Section, frozen=True, kw_only=True):
    """How a delivery that failed is tried again: each wait is twice the last, less a random part."""

    attempts: Annotated[
        int, Meta(description="Attempts in all; then the delivery is given up.", ge=1, le=1000)
    ] = 12
    first_ms: Annotated[int, Meta(description="The first wait.", ge=10, le=3_600_000)] = 1_000
    longest_ms: Annotated[int, Meta(description="The longest wait.", ge=10, le=86_400_000)] = 600_000


class Webhook(Section, frozen=True, kw_only=True):
    """Events that are sent to a URL, each by a POST of its own, signed."""

    name: Annotated[
        str,
        Meta(
            description="For the log, and the `authid` of its session. By default `webhook-1` for the first.",
            max_length=64,
        ),
    ] = ""
    topic: Annotated[str, Meta(description="What is subscribed.", examples=["com.example.order."])]
    match: Annotated[MatchPolicy, Meta(title="match policy", description="How the topic matches.")] = EXACT
    role: Role
    url: Annotated[
        str,
        Meta(
            description="Where each event goes.",
            examples=["https://example.com/hook"],
            extra={"check": _check_url},
        ),
    ]
    secret: Annotated[
        Secret,
        Meta(description="The key of the signature; one that begins with `whsec_` is Base64 after that."),
    ]
    timeout_ms: Annotated[
        int, Meta(description="Time for one attempt, from its beginning to the answer.", ge=100, le=600_000)
    ] = 10_000
    parallel: Annotated[
        int,
        Meta(
            description="Deliveries at once. With 1 they arrive in order, and one that is tried again holds "
            "up those behind it.",
            ge=1,
            le=100,
        ),
    ] = 1
    queue: Annotated[
        int,
        Meta(description="Events that wait; one more is dropped, counted and logged.", ge=1, le=1_000_000),
    ] = 10_000
    queue_bytes: Annotated[int, Meta(description="Their size.", ge=1024, le=16 * 1024**3)] = 16_777_216
    allow_private_addresses: Annotated[
        bool,
        Meta(description="Send also to addresses that are not public: this machine, its network."),
    ] = False
    retry: Annotated[Retry, Meta(description="What follows a failure.")] = Retry()


Webhooks = Annotated[tuple[Webhook, ...], Meta(description="Events that are sent to URLs, see docs/http.md.")]


def check_webhooks(document: Document[Any]) -> None:
    """Check what the sections say across values."""
    rules = str(document.values.get(("uri_check",), "loose"))
    first: dict[str, Path] = {}  # name -> path of the first webhook that has it
    for path, hook in document.select("webhooks", None):
        assert isinstance(hook, Webhook)
        if not is_valid(hook.topic, hook.match, rules):
            text = f"{quoted(hook.topic)} is no valid URI for match '{hook.match}' (uri_check: {rules})"
            document.add((*path, "topic"), text)
        host = urlsplit(hook.url).hostname or ""
        if not hook.allow_private_addresses and _is_private_literal(host):
            text = f"{host} is no public address: set allow_private_addresses, if it is meant"
            document.add((*path, "url"), text)
        if not _is_key(hook.secret.reveal()):
            document.add((*path, "secret"), f"what follows {SECRET_PREFIX} must be Base64")
        name = hook.name or default_name(int(path[1]))
        other = first.setdefault(name, path)
        if other is not path:
            document.add((*path, "name"), f"{quoted(name)} is also that of {path_text(other)}")


def default_name(index: int) -> str:
    """Give the name of the webhook at ``index``, from 0, where the file gives none."""
    return f"webhook-{index + 1}"


def key_of(secret: str) -> bytes:
    """Give the octets of a secret (Standard Webhooks, 'Signature scheme')."""
    if secret.startswith(SECRET_PREFIX):
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    return secret.encode()


def is_public(host: str) -> bool:
    """
    Tell whether an IP address is one of the public Internet.

    An IPv6 address that stands for an IPv4 address is judged by that one.
    """
    address: Any = ipaddress.ip_address(host)
    embedded = _embedded(address) if address.version == 6 else None
    if embedded is not None:
        return is_public(str(embedded))
    return bool(address.is_global and not address.is_multicast and not address.is_reserved)


_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _is_private_literal(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_key(secret: str) -> bool:
    try:
        return bool(key_of(secret))
    except (binascii.Error, ValueError):
        return False
