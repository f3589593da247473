"""
Twisted server endpoint strings: what can be known of one before it listens.

Twisted itself decides whether a string is right (``problem``). What an endpoint
string says of its address is read here, since Twisted gives no access to it.
"""

import ipaddress
import re
from pathlib import Path
from typing import NamedTuple

from router.configuration import did_you_mean

KINDS = ("tcp", "tcp6", "ssl", "unix", "systemd", "haproxy")

_IP_KINDS = ("tcp", "tcp6", "ssl")
_FILE_OPTIONS = ("privateKey", "certKey", "extraCertChain", "dhParameters")
_PART = re.compile(r"((?:\\.|[^:\\]|\\\Z)*)(:|\Z)", re.DOTALL)
_OPTION = re.compile(r"((?:\\.|[^=\\])*)=(.*)", re.DOTALL)


class Endpoint(NamedTuple):
    """An endpoint string in its parts: ``kind:arguments...:name=option...``."""

    kind: str
    arguments: list[str]
    options: dict[str, str]

    def argument(self, position: int, name: str, default: str = "") -> str:
        """Return what stands at ``position`` or is given by ``name``."""
        given = self.arguments[position] if len(self.arguments) > position else default
        return self.options.get(name, given)


def parse(description: str) -> Endpoint:
    """Return the parts of ``description``; a ``haproxy:`` in front is left out."""
    found = _PART.findall(description)
    parts = [text for text, _ in found[: 1 + sum(colon == ":" for _, colon in found)]]
    options = [match for match in map(_OPTION.fullmatch, parts) if match]
    arguments = [_unescaped(part) for part in parts if not _OPTION.fullmatch(part)]
    if arguments and arguments[0] == "haproxy":
        arguments.pop(0)
    kind, *rest = arguments or [""]
    return Endpoint(kind, rest, {_unescaped(m[1]): _unescaped(m[2]) for m in options})


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def problem(description: str) -> str | None:
    """Return why ``description`` can't be listened at, as far as that is known before; None if nothing is."""
    from twisted.internet.endpoints import serverFromString

    endpoint = parse(description)
    try:
        serverFromString(None, description)  # type: ignore[no-untyped-call]
    except OSError as error:
        return f"{error.filename} can't be read: {error.strerror}"
    except Exception as error:  # whatever the parser of that kind raises is its verdict
        return _verdict(endpoint, error)
    port = endpoint.argument(0, "port")
    if endpoint.kind in _IP_KINDS and not 0 <= int(port) <= 65535:
        return f"the port must be 0 to 65535, got {port}"
    return None


def _verdict(endpoint: Endpoint, error: Exception) -> str | None:
    if endpoint.kind == "systemd" and isinstance(error, LookupError):
        return None  # only systemd passes the sockets: a check by hand must not fail without them
    if str(error).startswith("Unknown endpoint type"):
        return f"unknown endpoint type '{endpoint.kind}'{did_you_mean(endpoint.kind, KINDS)}"
    option = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if option:
        return f"endpoint type '{endpoint.kind}' has no option '{option[1]}'"
    port = endpoint.argument(0, "port")
    if endpoint.kind in _IP_KINDS and not port.isdecimal():
        return f"the port must be a number, as in 'tcp:8080', got {port!r}"
    return f"not a Twisted server endpoint: {error}"


def with_backlog(description: str, backlog: int = 1024) -> str:
    """
    Return ``description`` with a queue of ``backlog`` connections that wait, unless it names one.

    Twisted's 50 are too few where many clients come back at once: the kernel drops the others'
    first packets, and each tries again after a second (benchmark: connections/s).
    """
    endpoint = parse(description)
    if endpoint.kind in ("tcp", "tcp6", "ssl", "unix") and "backlog" not in endpoint.options:
        return f"{description}:backlog={backlog}"
    return description


def is_loopback(description: str) -> bool:
    """Tell whether only processes of this machine can connect; False where that is not certain."""
    endpoint = parse(description)
    if endpoint.kind == "unix":
        return True
    if endpoint.kind == "systemd":
        return endpoint.options.get("domain") == "UNIX"
    return endpoint.kind in _IP_KINDS and _is_loopback_address(_interface(endpoint))


def _interface(endpoint: Endpoint) -> str:
    return endpoint.argument(4 if endpoint.kind == "ssl" else 1, "interface")


def _is_loopback_address(interface: str) -> bool:
    try:
        return interface == "localhost" or ipaddress.ip_address(interface).is_loopback
    except ValueError:
        return False


def address(description: str) -> tuple[str, ...]:
    """
    Return what two endpoints may not share; an empty tuple where they may.

    Port 0 asks the system for any free port.
    """
    endpoint = parse(description)
    if endpoint.kind in _IP_KINDS:
        port = endpoint.argument(0, "port")
        any_address = "::" if endpoint.kind == "tcp6" else "0.0.0.0"
        return ("port", port, _interface(endpoint) or any_address) if port != "0" else ()
    if endpoint.kind == "unix":
        return ("unix", endpoint.argument(0, "address"))
    return (description,)


def files(description: str) -> list[Path]:
    """Return the absolute paths of the keys and certificates that ``description`` names."""
    endpoint = parse(description)
    if endpoint.kind != "ssl":
        return []
    names = [endpoint.argument(1, "privateKey", "server.pem"), endpoint.argument(2, "certKey")]
    names += [endpoint.options.get(option, "") for option in _FILE_OPTIONS[2:]]
    return [Path(name).absolute() for name in dict.fromkeys(names) if name]
