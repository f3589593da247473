"""
What a name that does not exist is asked for, so that nobody learns that it does not.

A decoy looks like some principal's challenge, and is always the same for a name.
"""

import base64
import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, TypeVar

T = TypeVar("T")

# Of the process and not of a method: a reload makes new methods, and a salt that it changed
# would be known for a decoy.
KEY: Final = secrets.token_bytes(32)


def pick(authid: str, shapes: Sequence[T]) -> T | None:
    """Choose what a challenge for ``authid`` is modelled on; ``None`` where there is nothing."""
    if not shapes:
        return None
    number = int.from_bytes(hmac.digest(KEY, authid.encode(), sha256)[:8], "big")
    return shapes[number % len(shapes)]


def salt(authid: str, length: int) -> bytes:
    """Make ``length`` bytes that look random."""
    blocks = (
        hmac.digest(KEY, f"salt {number} {authid}".encode(), sha256) for number in range(length // 32 + 1)
    )
    return b"".join(blocks)[:length]


def salt_text(authid: str, length: int) -> str:
    """Make ``length`` characters of Base64 that look random."""
    return base64.b64encode(salt(authid, length * 3 // 4 + 3)).decode()[:length]
