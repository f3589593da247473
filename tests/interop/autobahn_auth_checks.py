"""
How an Autobahn client joins by each method that it knows, and how it does not.

A ``Credential`` is what a client says of itself, and its answer to a challenge: Autobahn computes it, and a
check may spoil it before it is sent.
"""

from collections.abc import Callable
from typing import Any

from autobahn.wamp.auth import AuthScram, compute_wcs
from autobahn_checks import leave, refused
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

REFUSED = ("wamp.error.authentication_denied", "authentication failed")
OLD_KEY = "01" * 32  # of a principal that has expired, as all that are called "old"


class Credential:
    """``hello`` is what ``ApplicationSession.join`` takes."""

    def __init__(self, method: str, authid: str | None, answer: Callable[[Any], str], **extra: Any) -> None:
        self.hello = {"authmethods": [method], "authid": authid, "authextra": extra or None}
        self.answer = answer


def ticket(authid: str, secret: str) -> Credential:
    return Credential("ticket", authid, lambda challenge: secret)


def wampcra(authid: str, secret: str) -> Credential:
    return Credential("wampcra", authid, lambda c: compute_wcs(secret, c.extra["challenge"]).decode())


def scram(authid: str, secret: str) -> Credential:
    client = AuthScram(authid=authid, password=secret)
    return Credential("scram", authid, lambda c: client.on_challenge(None, c).decode(), **client.authextra)


def cryptosign(authid: str | None, secret: str) -> Credential:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))

    def answer(challenge: Any) -> str:
        message = bytes.fromhex(challenge.extra["challenge"])
        return (key.sign(message) + message).hex()

    return Credential("cryptosign", authid, answer, pubkey=key.public_key().public_bytes_raw().hex())


# method -> who knows which secret, a wrong one, and the secret of "old"
KNOWN: dict[str, tuple[Any, str, str]] = {
    "ticket": (ticket, "tina", "wrong"),
    "wampcra": (wampcra, "carl", "wrong"),
    "scram": (scram, "erin", "wrong"),
    "cryptosign": (cryptosign, "dora", "ff" * 32),
}


async def join(case: Any, credential: Credential, spoil: Any = None) -> Any:
    """Join with ``credential``, its signature changed by ``spoil``."""
    answer = credential.answer if spoil is None else lambda challenge: spoil(credential.answer(challenge))
    return await case.join("one", hello=credential.hello, answer=answer)


async def is_refused(case: Any, credential: Credential, spoil: Any = None) -> None:
    error = await refused(join(case, credential, spoil))
    assert (error.error, error.args[0]) == REFUSED, error


async def check_join_cryptosign(case: Any) -> None:
    who = {"cryptosign": {"authid": "dora", "privkey": case.secrets["dora"]}}
    session = await case.join("one", who)
    details = session.details
    assert (details.authid, details.authrole, details.authmethod) == ("dora", "member", "cryptosign")
    await leave(session)


async def check_join_cryptosign_by_key(case: Any) -> None:
    """Without an authid: a principal, and a device that has no other name than its key."""
    session = await case.join("one", {"cryptosign": {"privkey": case.secrets["dora"]}})
    assert session.details.authid == "dora"
    device = await case.join("two", {"cryptosign": {"privkey": case.secrets["device"]}})
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case.secrets["device"]))
    assert device.details.authid == key.public_key().public_bytes_raw().hex()
    assert device.details.authrole == "guest"
    await leave(session, device)


async def check_join_scram(case: Any) -> None:
    """Autobahn itself checks that the router knew the password."""
    session = await case.join("one", {"scram": {"authid": "erin", "password": case.secrets["erin"]}})
    details = session.details
    assert (details.authid, details.authrole, details.authmethod) == ("erin", "member", "scram")
    assert set(details.authextra) == {"scram_server_signature"}
    await leave(session)


async def check_join_with_several(case: Any) -> None:
    """The client's first method that the realm has decides."""
    who = {
        "scram": {"authid": "erin", "password": case.secrets["erin"]},
        "ticket": {"authid": "erin", "ticket": "x"},
    }
    session = await case.join("one", who)
    assert session.details.authmethod == "scram"
    await leave(session)


async def check_right(case: Any) -> None:
    """What the next ones spoil is good as it is."""
    for make, authid, _ in KNOWN.values():
        session = await join(case, make(authid, case.secrets[authid]))
        assert session.details.authid == authid
        await leave(session)


async def check_wrong(case: Any) -> None:
    for make, authid, wrong in KNOWN.values():
        await is_refused(case, make(authid, wrong))


async def check_unknown(case: Any) -> None:
    """As if the secret were wrong. Of SCRAM, Autobahn cannot do PBKDF2, as which a challenge may come."""
    for make, _, wrong in KNOWN.values():
        credential = make("nobody", wrong)
        credential.answer = lambda challenge: "A" * 44
        await is_refused(case, credential)


async def check_truncated(case: Any) -> None:
    for make, authid, _ in KNOWN.values():
        for keep in (-1, -4, 0):
            await is_refused(case, make(authid, case.secrets[authid]), lambda text, keep=keep: text[:keep])


async def check_replayed(case: Any) -> None:
    """What was good for one challenge, sent again. A ticket is good for any, so that TLS must hide it."""
    for method, (make, authid, _) in KNOWN.items():
        if method == "ticket":
            continue
        seen: list[str] = []
        session = await join(
            case, make(authid, case.secrets[authid]), lambda text, to=seen: to.append(text) or text
        )
        await leave(session)
        await is_refused(case, make(authid, case.secrets[authid]), lambda text, old=seen: old[0])


async def check_expired(case: Any) -> None:
    secrets = {"ticket": "tina", "wampcra": "carl", "scram": "erin"}
    for method, (make, _, _) in KNOWN.items():
        secret = OLD_KEY if method == "cryptosign" else case.secrets[secrets[method]]
        await is_refused(case, make("old", secret))
