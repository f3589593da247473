"""
Who sends a request: the header ``Authorization``.

    (none)                                        whom a TLS certificate names, else anonymous
    Bearer <authid>:<ticket>                      a principal of the method ``ticket``
    Basic <base64 of authid:ticket>               the same (RFC 7617)
    Concord-HMAC-SHA256 authid="...", ...         a principal of the method ``signature``

Rules of this file: no secret is known here and nobody is let in; a header is read, and what it says about
time is compared with the clock. What is signed is ``text_to_sign``.
"""

import base64
import binascii
import re
from hashlib import sha256
from typing import Final

from msgspec import Struct

from router.transport.inside import Credential
from router.web.bridge.answers import unauthorized

SIGNATURE_SCHEME: Final = "Concord-HMAC-SHA256"
SIGNATURE_PARTS: Final = ("authid", "timestamp", "nonce", "signature")
MAX_AUTHID: Final = 512

# RFC 9110 section 11.2: auth-param
_PART: Final = re.compile(
    r'\s*([a-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([!#$%&\'*+.^_`|~0-9A-Za-z-]+))\s*(?:,|$)'
)
_NONCE: Final = re.compile(r"[!-~]{16,128}")
_DIGITS: Final = re.compile(r"[0-9]{1,15}")
_HEX: Final = re.compile(r"[0-9a-f]{64}")


class Sender(Struct, frozen=True, kw_only=True):
    """
    Who sends a request, as it says itself.

    :ivar credential: how its session joins
    :ivar nonce: of a signed request, to be used once
    """

    credential: Credential
    nonce: str = ""


class Signed(Struct, frozen=True):
    """What a signature covers."""

    method: str
    uri: str  # the request's target as it was sent, with its query
    body: bytes


ANONYMOUS: Final = Sender(credential=Credential())
# Who has shown a certificate is judged by it, where the realm has that method.
SHOWN: Final = Sender(credential=Credential(authmethods=("tls", "anonymous")))


def sender_of(header: str, signed: Signed, now: float, window_ms: int) -> Sender:
    """
    Read who sends a request; ``now`` is in seconds since 1970.

    Raises:
        Refused: with 401, where the header says nothing that can be judged.
    """
    scheme, _, rest = header.strip().partition(" ")
    kind = scheme.lower()
    if kind == "bearer":
        return _ticket(rest.strip(), "Bearer")
    if kind == "basic":
        return _ticket(_from_base64(rest.strip()), "Basic")
    if kind == SIGNATURE_SCHEME.lower():
        return _signature(rest, signed, now, window_ms)
    raise unauthorized(f"the Authorization scheme is none of Bearer, Basic and {SIGNATURE_SCHEME}")


def text_to_sign(signed: Signed, timestamp: str, nonce: str) -> str:
    """Give what a client signs: five lines, the last without an end."""
    digest = sha256(signed.body).hexdigest()
    return "\n".join((signed.method, signed.uri, timestamp, nonce, digest))


def _ticket(token: str, scheme: str) -> Sender:
    authid, colon, ticket = token.partition(":")
    if not (colon and authid and ticket) or len(authid) > MAX_AUTHID:
        raise unauthorized(f"{scheme} takes an authid and its ticket, with a colon between them")
    return Sender(credential=Credential(authmethods=("ticket",), authid=authid, signature=ticket))


def _from_base64(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        raise unauthorized("Basic takes Base64 of UTF-8 (RFC 7617)") from None


def _signature(rest: str, signed: Signed, now: float, window_ms: int) -> Sender:
    parts = _parts(rest)
    timestamp, nonce, signature = parts["timestamp"], parts["nonce"], parts["signature"].lower()
    if not _DIGITS.fullmatch(timestamp):
        raise unauthorized("timestamp must be whole seconds since 1970")
    if abs(now - int(timestamp)) * 1000 > window_ms:
        raise unauthorized(f"timestamp is more than {window_ms} ms from the router's clock, {int(now)}")
    if not _NONCE.fullmatch(nonce):
        raise unauthorized("nonce must be 16 to 128 visible ASCII characters")
    if not _HEX.fullmatch(signature):
        raise unauthorized("signature must be 64 hexadecimal digits")
    extra = {"text": text_to_sign(signed, timestamp, nonce)}
    credential = Credential(
        authmethods=("signature",), authid=parts["authid"], signature=signature, extra=extra
    )
    return Sender(credential=credential, nonce=nonce)


def _parts(rest: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    position = 0
    while position < len(rest):
        match = _PART.match(rest, position)
        if match is None or match[1] in parts or match[1] not in SIGNATURE_PARTS:
            break
        parts[match[1]] = re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
        position = match.end()
    if (
        position < len(rest)
        or parts.keys() != set(SIGNATURE_PARTS)
        or not 0 < len(parts["authid"]) <= MAX_AUTHID
    ):
        names = ", ".join(f'{name}="..."' for name in SIGNATURE_PARTS)
        raise unauthorized(f"{SIGNATURE_SCHEME} takes {names}, each once")
    return parts
