"""Keys, fingerprints and hashes as people write them, read into bytes; ``None`` for what is none."""

import base64
import binascii
import ipaddress
import re
from typing import Final

KEY_BYTES: Final = 32  # of an Ed25519 key, and of a SHA-256 hash
PUBLIC_KEY: Final = "an Ed25519 public key: 64 hexadecimal digits, or 'ssh-ed25519 AAAA...'"

CERTIFICATE_NAMES: Final = ("CN", "DNS", "EMAIL", "URI", "IP")

# How the blob of an OpenSSH public key begins: two lengths and the name of the algorithm (RFC 8709, 4).
_OPENSSH: Final = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")


def from_hex(text: object, length: int) -> bytes | None:
    """Read ``length`` bytes in hexadecimal, without anything else: no space, no sign, no colon."""
    if not isinstance(text, str) or len(text) != 2 * length or not _HEX.fullmatch(text):
        return None
    return bytes.fromhex(text)


def from_base64(text: object, length: int | None = None) -> bytes | None:
    """Read canonical Base64 (RFC 4648, 3.5), of ``length`` bytes where that is given."""
    if not isinstance(text, str):
        return None
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if base64.b64encode(found).decode() != text or (length is not None and len(found) != length):
        return None
    return found


def public_key(text: str) -> bytes | None:
    """Read an Ed25519 public key, in hexadecimal or as a line of ``id_ed25519.pub``."""
    algorithm, _, rest = text.partition(" ")
    if algorithm != "ssh-ed25519":
        return from_hex(text, KEY_BYTES)
    blob = from_base64(rest.strip().partition(" ")[0], len(_OPENSSH) + KEY_BYTES)
    return blob.removeprefix(_OPENSSH) if blob is not None and blob.startswith(_OPENSSH) else None


def hash_key(text: str) -> bytes | None:
    """Read a key of 32 bytes, in Base64 or in hexadecimal."""
    found = from_base64(text, KEY_BYTES)
    return from_hex(text, KEY_BYTES) if found is None else found


def fingerprint(text: str) -> str | None:
    """Give the SHA-256 of a certificate in plain hexadecimal, also for "AB:CD:..." as openssl prints it."""
    found = from_hex(text.replace(":", ""), KEY_BYTES)
    return found.hex() if found is not None else None


def certificate_name(text: str) -> str | None:
    """Give a name in a certificate, "CN:...", "DNS:..." and so on, as it is compared."""
    kind, _, name = text.partition(":")
    if kind.upper() not in CERTIFICATE_NAMES or not name:
        return None
    if kind.upper() == "IP":
        try:
            name = str(ipaddress.ip_address(name))
        except ValueError:
            return None
    return f"{kind.upper()}:{name.lower() if kind.upper() == 'DNS' else name}"
