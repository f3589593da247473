"""
How a client makes keys of a password: what is kept of it is made the same way, once.

The router itself never does this: it takes memory and time on purpose.
"""

import base64
import hashlib
from typing import Final, NamedTuple

from realms.auth.saslprep import saslprep

HASH_BYTES: Final = 32


class Derivation(NamedTuple):
    """``memory`` in KiB, of Argon2id alone."""

    kdf: str
    salt: bytes
    iterations: int
    memory: int | None = None


def salted_password(password: str, how: Derivation) -> bytes:
    """
    Make the SaltedPassword of WAMP-SCRAM ('Key Derivation Functions').

    Raises:
        ValueError: SASLprep does not allow the password.
        cryptography.exceptions.UnsupportedAlgorithm: OpenSSL here has no Argon2 (it is older than 3.2).
    """
    return _hash(saslprep(password).encode(), how)


def salted_as_autobahn(password: str, how: Derivation) -> bytes:
    """Make what Autobahn takes for it: by Argon2id the hash as Base64 without "=", as text."""
    hashed = _hash(password.encode(), how)
    return base64.b64encode(hashed).rstrip(b"=") if how.kdf == "argon2id13" else hashed


def _hash(password: bytes, how: Derivation) -> bytes:
    if how.kdf == "pbkdf2":
        return hashlib.pbkdf2_hmac("sha256", password, how.salt, how.iterations, HASH_BYTES)

    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    assert how.memory is not None
    argon = Argon2id(
        salt=how.salt, length=HASH_BYTES, iterations=how.iterations, lanes=1, memory_cost=how.memory
    )
    return argon.derive(password)
