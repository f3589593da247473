"""
The client's side of WAMP-SCRAM (WAMP AP 'Salted Challenge Response Authentication').

There are two dialects, told apart by the method's name: ``wamp-scram`` is the specification's; ``scram``
is Autobahn's, with an empty ``c=`` in what is signed, without the name's escapes, with the password as it
is and the text of the Base64 as an argon2 key, and with other names for the function and the router's
signature.
"""

import base64
import hashlib
import hmac
import secrets
import stringprep
import unicodedata
from typing import Any

from router.client.failures import NotJoined, UsageError

# A router that asks for less may be after a hash that is cheap to break (the specification's advice;
# the number is RFC 7677's); one that asks for more would keep this machine busy.
MIN_PBKDF2, MAX_PBKDF2 = 4096, 10_000_000
MAX_ARGON2_PASSES, MAX_ARGON2_KIB = 10_000, 1_048_576

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


class Scram:
    """One authentication: nonce, proof, and the check of the router's own proof."""

    def __init__(self, name: str, authid: str, password: str) -> None:
        self._is_specified = name == "wamp-scram"
        self._authid = prepared(authid)
        self._password = (prepared(password) if self._is_specified else password).encode()
        self._nonce = base64.b64encode(secrets.token_bytes(16)).decode()
        self._server_signature = b""

    def extra(self, transport: Any) -> dict[str, Any]:
        """Send the nonce."""
        return {"nonce": self._nonce}

    def answer(self, extra: dict[str, Any], transport: Any) -> tuple[str, dict[str, Any]]:
        """Prove the password, and remember what the router must prove."""
        nonce, salt, iterations = str(extra["nonce"]), str(extra["salt"]), int(extra["iterations"])
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise NotJoined("the router's nonce does not continue this client's")
        salted = self._salted(str(extra["kdf"]), salt, iterations, extra.get("memory"))
        message = self._message(nonce, salt, iterations).encode()
        client_key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(client_key).digest(), message)
        self._server_signature = _hmac(_hmac(salted, b"Server Key"), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        reply = {"nonce": nonce, "channel_binding": None, "cbind_data": None} if self._is_specified else {}
        return base64.b64encode(proof).decode(), reply

    def check(self, authextra: dict[str, Any]) -> str | None:
        """Tell whether the router has proved that it knows the password's keys."""
        text = authextra.get("verifier" if self._is_specified else "scram_server_signature")
        try:
            told = base64.b64decode(str(text).removeprefix("v="), validate=True)
        except ValueError:
            told = b""
        if self._server_signature and hmac.compare_digest(told, self._server_signature):
            return None
        return "the router does not prove that it knows the password"

    def _message(self, nonce: str, salt: str, iterations: int) -> str:
        """Give RFC 5802's AuthMessage."""
        if self._is_specified:
            name = self._authid.replace("=", "=3D").replace(",", "=2C")
            binding = base64.b64encode(b"n,,").decode()
        else:
            name, binding = self._authid, ""
        return f"n={name},r={self._nonce},r={nonce},s={salt},i={iterations},c={binding},r={nonce}"

    def _salted(self, kdf: str, salt: str, iterations: int, memory: Any) -> bytes:
        raw_salt = base64.b64decode(salt, validate=True)
        if kdf == "pbkdf2":
            if not MIN_PBKDF2 <= iterations <= MAX_PBKDF2:
                raise NotJoined(
                    f"the router asks for {iterations} iterations of PBKDF2, "
                    f"expected {MIN_PBKDF2} to {MAX_PBKDF2}"
                )
            return hashlib.pbkdf2_hmac("sha256", self._password, raw_salt, iterations, 32)
        if kdf == ("argon2id13" if self._is_specified else "argon2id-13"):
            return self._argon2(raw_salt, iterations, int(memory))
        raise NotJoined(f"the router asks for the unknown function {kdf!r}")

    def _argon2(self, salt: bytes, passes: int, kib: int) -> bytes:
        if not (1 <= passes <= MAX_ARGON2_PASSES and 8 <= kib <= MAX_ARGON2_KIB):
            raise NotJoined(f"the router asks for {passes} passes and {kib} KiB of argon2")
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        try:
            kdf = Argon2id(salt=salt, length=32, iterations=passes, lanes=1, memory_cost=kib)
        except UnsupportedAlgorithm:
            raise NotJoined("the router asks for argon2, which needs OpenSSL 3.2 or newer") from None
        raw = kdf.derive(self._password)
        return raw if self._is_specified else base64.b64encode(raw).rstrip(b"=")


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def prepared(text: str) -> str:
    """
    Give ``text`` as SASLprep has it (RFC 4013).

    Raises:
        UsageError: a character is not allowed, or letters of both directions are mixed.
    """
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter
        for letter in text
        if not stringprep.in_table_b1(letter)
    )
    normal = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if any(table(letter) for letter in normal for table in _PROHIBITED):
        raise UsageError("an authid or password of SCRAM holds a character that RFC 4013 does not allow")
    if any(map(stringprep.in_table_d1, normal)):
        ends = stringprep.in_table_d1(normal[0]) and stringprep.in_table_d1(normal[-1])
        if not ends or any(map(stringprep.in_table_d2, normal)):
            raise UsageError("an authid or password of SCRAM mixes directions against RFC 4013")
    return normal
