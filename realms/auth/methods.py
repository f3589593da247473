"""The authentication methods that a realm's configuration turns on."""

from realms.auth import Method
from realms.auth.anonymous import AnonymousMethod
from realms.auth.config import Authentication
from realms.auth.cryptosign import CryptosignMethod
from realms.auth.scram import AUTOBAHN, WAMP, ScramMethod
from realms.auth.signature import SignatureMethod
from realms.auth.ticket import TicketMethod
from realms.auth.tls import TlsMethod
from realms.auth.wampcra import WampCraMethod


def methods_of(config: Authentication) -> dict[str, Method]:
    """Make a realm's authentication methods: authmethod -> Method."""
    methods: list[Method] = []
    if config.anonymous is not None:
        methods.append(AnonymousMethod(config.anonymous))
    if config.ticket is not None:
        methods.append(TicketMethod(config.ticket))
    if config.wampcra is not None:
        methods.append(WampCraMethod(config.wampcra))
    if config.scram is not None:
        methods += [ScramMethod(config.scram, dialect) for dialect in (WAMP, AUTOBAHN)]
    if config.cryptosign is not None:
        methods.append(CryptosignMethod(config.cryptosign))
    if config.tls is not None:
        methods.append(TlsMethod(config.tls))
    if config.signature is not None:
        methods.append(SignatureMethod(config.signature))
    return {method.name: method for method in methods}
