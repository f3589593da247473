"""What an Autobahn client does over TLS alone: ``one`` shows frank's certificate, ``two`` a stranger's."""

from typing import Any

from autobahn_auth_checks import REFUSED, Credential, cryptosign
from autobahn_checks import leave, refused

BY_CERTIFICATE = Credential("tls", None, str).hello


async def check_join_tls(case: Any) -> None:
    session = await case.join("one", hello=BY_CERTIFICATE)
    details = session.details
    assert (details.authid, details.authrole, details.authmethod) == ("frank", "member", "tls")
    await leave(session)


async def check_refused_tls(case: Any) -> None:
    """A certificate that nobody has here, and one that is somebody else's."""
    stranger = await refused(case.join("two", hello=BY_CERTIFICATE))
    assert (stranger.error, stranger.args[0]) == REFUSED
    other = await refused(case.join("one", hello={**BY_CERTIFICATE, "authid": "tina"}))
    assert (other.error, other.args[0]) == REFUSED


async def check_join_otherwise(case: Any) -> None:
    """With a certificate that counts for nothing, a client joins by what it knows."""
    ticket = {"ticket": {"authid": "tina", "ticket": case.secrets["tina"]}}
    session = await case.join("two", ticket)
    assert session.details.authid == "tina"
    await leave(session)


async def check_channel_binding(case: Any) -> None:
    """Cryptosign, bound to the TLS channel: Autobahn signs the challenge XOR what TLS tells it."""
    authextra = {"channel_binding": "tls-unique"}
    who = {"authid": "dora", "privkey": case.secrets["dora"], "authextra": authextra}
    session = await case.join("one", {"cryptosign": who})
    assert session.details.authid == "dora"
    await leave(session)


async def check_refused_binding(case: Any) -> None:
    """What is signed without the channel, by a client that asked for it, is refused."""
    unbound = cryptosign("dora", case.secrets["dora"])
    hello = {**unbound.hello, "authextra": {**unbound.hello["authextra"], "channel_binding": "tls-unique"}}
    error = await refused(case.join("one", hello=hello, answer=unbound.answer))
    assert (error.error, error.args[0]) == REFUSED
