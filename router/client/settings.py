"""
What a command needs to know of its router: from the command line, the environment and a profile.

The command line comes first, then the environment (``CONCORD_URL``, ``CONCORD_REALM``,
``CONCORD_AUTHID``, ``CONCORD_SECRET``), then the profile, then the defaults.
"""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from router.client.addresses import Address, address
from router.client.failures import UsageError
from router.client.inputs import strict_json
from router.client.methods import Method, method, read_secret

DEFAULT_URL = "ws://127.0.0.1:8080/ws"
DEFAULT_REALM = "realm1"
DEFAULT_CONNECT_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Tls:
    """
    How a TLS connection is made.

    :ivar ca: certificates that are trusted instead of the system's
    :ivar certificate: this client's own, with its key in the same file where ``key`` is None
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    is_unchecked: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """
    One router, and how to join there.

    :ivar details: HELLO.Details besides roles and authmethods
    :ivar headers: of a WebSocket's request
    :ivar cookie_file: where cookies of the router are kept; None keeps none
    """

    address: Address
    realm: str
    serializer: str
    tls: Tls
    details: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    cookie_file: Path | None = None
    connect_seconds: float = DEFAULT_CONNECT_TIMEOUT_MS / 1000
    is_verbose: bool = False
    # What a Method is made of; a new one for each session, since a nonce serves once.
    authmethods: tuple[str, ...] = ("anonymous",)
    authid: str | None = None
    secret: str | None = field(default=None, repr=False)
    channel_binding: str | None = None

    def method(self) -> Method:
        """Make what a new session offers."""
        return method(list(self.authmethods), self.authid, self.secret, self.channel_binding)


def settings(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Settings:
    """
    Put together what the command line, the environment and the profile say.

    Raises:
        UsageError: something of it is wrong.
    """
    given = _Given(options, environ)
    authid = given("authid", "CONCORD_AUTHID")
    secret = _secret(options, given, environ)
    made = Settings(
        address=address(given("url", "CONCORD_URL") or DEFAULT_URL),
        realm=given("realm", "CONCORD_REALM") or DEFAULT_REALM,
        serializer=given("serializer") or "json",
        tls=Tls(
            _path(given("tls_ca")),
            _path(given("tls_cert")),
            _path(given("tls_key")),
            bool(given("tls_insecure")),
        ),
        details=_details(given, authid),
        headers=_headers(given),
        cookie_file=_path(given("cookie_file")),
        connect_seconds=(given("connect_timeout_ms") or DEFAULT_CONNECT_TIMEOUT_MS) / 1000,
        is_verbose=options.verbose,
        authmethods=_authmethods(given, secret),
        authid=authid,
        secret=secret,
        channel_binding=given("channel_binding"),
    )
    made.method()  # what is wrong with it is said before anything is connected
    if "tls" in made.authmethods and not made.tls.certificate:
        raise UsageError("authentication by tls needs --tls-cert")
    if made.tls.certificate and not made.address.is_secure:
        raise UsageError("a TLS certificate needs a wss: or rss: URL")
    if (made.headers or made.cookie_file) and not made.address.is_websocket:
        raise UsageError("headers and cookies need a WebSocket URL")
    return made


class _Given:
    """What is given of a key, by whoever comes first."""

    def __init__(self, options: argparse.Namespace, environ: Mapping[str, str]) -> None:
        self._options = options
        self._environ = environ
        self._profile: dict[str, Any] = {}
        if options.profile is not None or options.profiles is not None:
            from router.client.profiles import profile

            self._profile = profile(options.profiles, options.profile, environ)
        elif environ.get("CONCORD_PROFILE"):
            from router.client.profiles import profile

            self._profile = profile(None, environ["CONCORD_PROFILE"], environ)

    def __call__(self, name: str, variable: str = "") -> Any:
        """Give the value of ``name``; None where nobody says."""
        value = getattr(self._options, name, None)
        if value is None or value == [] or value is False:
            value = self._environ.get(variable) or self._profile.get(name)
        return value


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None


def _secret(options: argparse.Namespace, given: _Given, environ: Mapping[str, str]) -> str | None:
    if options.secret_file is not None:
        return read_secret(Path(options.secret_file))
    if options.secret_env is not None:
        if options.secret_env not in environ:
            raise UsageError(f"the environment variable {options.secret_env} is not set")
        return environ[options.secret_env]
    if options.ask_secret:
        import getpass

        try:
            return getpass.getpass("Secret: ")
        except EOFError:
            raise UsageError("--ask-secret: no secret was given") from None
    found: str | None = given("secret", "CONCORD_SECRET")
    return found


def _authmethods(given: _Given, secret: str | None) -> tuple[str, ...]:
    names = given("authmethod")
    if names:
        return tuple(names)
    if secret and given("authid"):
        # Which one must be said: offering a ticket would show a password to a router that asks for it.
        raise UsageError("a secret needs --authmethod, which says how to prove it: wampcra, ticket, ...")
    return ("anonymous",)


def _details(given: _Given, authid: str | None) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if authid:
        details["authid"] = authid
    if given("authrole"):
        details["authrole"] = given("authrole")
    extra = given("authextra")
    if isinstance(extra, str):
        extra = strict_json(extra, "--authextra")
    if extra is not None:
        if not isinstance(extra, dict):
            raise UsageError("--authextra must be a JSON object")
        details["authextra"] = extra
    return details


def _headers(given: _Given) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in given("header") or ():
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or not line.isprintable():
            raise UsageError(f"--header is NAME: VALUE, got {line!r}")
        headers[name.strip()] = value.strip()
    return headers
