"""The authentication methods that a realm's configuration turns on."""

from collections.abc import Collection, Iterator

from realms.auth import Method
from realms.auth.anonymous import AnonymousMethod
from realms.auth.common_config import Authenticated
from realms.auth.config import Authentication
from realms.auth.cryptosign import CryptosignMethod
from realms.auth.dynamic import DynamicMethod
from realms.auth.scram import AUTOBAHN, WAMP, ScramMethod
from realms.auth.signature import SignatureMethod
from realms.auth.ticket import TicketMethod
from realms.auth.tls import TlsMethod
from realms.auth.wampcra import WampCraMethod


def methods_of(config: Authentication, roles: Collection[str] = ()) -> dict[str, Method]:
    """
    Make a realm's authentication methods: authmethod -> Method.

    An authenticator may give the ``roles``, and no others.
    """
    methods: dict[str, Method] = {}
    for key, method in _static(config):
        section = getattr(config, key)
        if isinstance(section, Authenticated) and section.authenticator is not None:
            method = DynamicMethod(method, key, config, roles, static_methods)
        methods[method.name] = method
    return methods


def static_methods(config: Authentication) -> dict[str, Method]:
    """Make the methods that ask nobody: authmethod -> Method."""
    return {method.name: method for _, method in _static(config)}


def _static(config: Authentication) -> Iterator[tuple[str, Method]]:
    """Yield the key of its section, and the method."""
    if config.anonymous is not None:
        yield "anonymous", AnonymousMethod(config.anonymous)
    if config.ticket is not None:
        yield "ticket", TicketMethod(config.ticket)
    if config.wampcra is not None:
        yield "wampcra", WampCraMethod(config.wampcra)
    if config.scram is not None:
        for dialect in (WAMP, AUTOBAHN):
            yield "scram", ScramMethod(config.scram, dialect)
    if config.cryptosign is not None:
        yield "cryptosign", CryptosignMethod(config.cryptosign)
    if config.tls is not None:
        yield "tls", TlsMethod(config.tls)
    if config.signature is not None:
        yield "signature", SignatureMethod(config.signature)
