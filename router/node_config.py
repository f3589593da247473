"""
The node's configuration, ``config/router.yaml``: transports, log, reload.

Only values are here, and the checks that need this file alone. Twisted is imported
when there is an endpoint string to check, and not before.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import replace

from router import client_certificates, endpoint_strings
from router.client_certificates import ClientCertificate
from router.configuration import Document, Path, Secret, SecretSources, Section, path_text, quoted, read
from router.cookie_config import TransportCookie
from router.metrics.config import Metrics
from router.web.bridge.config import Bridge
from router.web.static_config import StaticRules

FILE_NAME = "router.yaml"
HEALTH_PATHS = ("/healthz", "/readyz")
PAGES = ("default", "none")
MOUNTS = ("longpoll", "bridge", "metrics")  # sections of a WebSocket transport that have a path of their own

Serializer = Literal["json", "msgpack", "cbor"]


def _check_serializers(names: tuple[str, ...]) -> str | None:
    return "the same serializer is listed twice" if len(set(names)) < len(names) else None


def _check_power_of_two(number: int) -> str | None:
    if number & (number - 1) == 0:
        return None
    following = 1 << number.bit_length()
    return f"must be a power of two (WAMP 'RawSocket Transport'), got {number}: the next is {following}"


def _check_transport_name(text: str) -> str | None:
    if re.fullmatch(r"[A-Za-z0-9_.-]*", text):
        return None
    return f"must be of letters, digits, '_', '.' and '-', got {quoted(text)}"


def _check_url_path(text: str) -> str | None:
    return None if re.fullmatch(r"/[^?#\s]*", text) else f"must be a URL's path, as /ws, got {quoted(text)}"


def _check_mount_path(text: str) -> str | None:
    if re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", text):
        return None
    return f"must be a URL's path of letters, digits, '.', '_', '~' and '-', as /longpoll, got {quoted(text)}"


def _check_network(text: str) -> str | None:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"must be an IP address or a network as 10.0.0.0/8, got {quoted(text)}"
    return None


Name = Annotated[
    str,
    Meta(
        description="Name of the transport in the log and in metrics. By default its type and its position "
        "in the list, as in `websocket-1`.",
        max_length=64,
        examples=["public"],
        extra={"check": _check_transport_name},
    ),
]
Endpoint = Annotated[
    str,
    Meta(
        description="Where to listen: a Twisted server endpoint string. Files named in it are relative to "
        "the directory in which the router is started.",
        examples=[
            "tcp:8080:interface=127.0.0.1",
            "ssl:8443:privateKey=key.pem:certKey=cert.pem",
            "unix:/run/concord.sock",
            "systemd:domain=INET:index=0",
        ],
    ),
]
Serializers = Annotated[
    tuple[Annotated[Serializer, Meta(title="serializer")], ...],
    Meta(
        description="The serializers that a client may ask for.",
        min_length=1,
        extra={"check": _check_serializers},
    ),
]
RealmNames = Annotated[
    tuple[str, ...],
    Meta(description="The realms that can be joined here; an empty list means all."),
]
HandshakeTimeout = Annotated[
    int,
    Meta(description="Time from the accepted connection to WELCOME, all in all.", ge=100, le=600_000),
]
Connections = Annotated[
    int,
    Meta(description="Open connections at the same time; one more is closed at once.", ge=1, le=1_000_000),
]
ProxyProtocol = Annotated[
    bool,
    Meta(
        description="Require a PROXY protocol header (version 1 or 2) on each connection and take the "
        "client's address from it. Set it exactly where a proxy sends one: a connection without it is closed."
    ),
]
AllowAnonymousFullAccess = Annotated[
    bool,
    Meta(
        description="Listen also where others can connect, although anonymous clients may call, register, "
        "publish and subscribe everything. Otherwise such a transport is refused unless on loopback."
    ),
]
IntervalMs = Annotated[int, Meta(description="Time between two pings; 0 turns them off.", ge=0, le=3_600_000)]
TimeoutMs = Annotated[
    int, Meta(description="Time to wait for the answer before the peer counts as gone.", ge=100, le=3_600_000)
]


LogLevel = Annotated[Literal["critical", "error", "warn", "info", "debug"], Meta(title="level")]
Namespace = Annotated[
    str, Meta(title="namespace", description="As a line of JSON names it.", min_length=1, max_length=128)
]


class Log(Section, frozen=True, kw_only=True):
    """What is logged, and how."""

    level: Annotated[LogLevel, Meta(description="The least severe level that is logged.")] = "info"
    levels: Annotated[
        dict[Namespace, LogLevel],
        Meta(
            description="Other levels for some parts of the router, with all below them.",
            examples=[{"router.connection": "debug"}],
        ),
    ] = {}
    format: Annotated[
        Literal["text", "json"],
        Meta(title="format", description="Lines for people, or one JSON object a line."),
    ] = "text"


class Heartbeat(Section, frozen=True, kw_only=True):
    """Pings of the WebSocket protocol: a peer that answers none is gone, and so are its registrations."""

    interval_ms: IntervalMs = 10_000
    timeout_ms: TimeoutMs = 10_000


class RawSocketHeartbeat(Section, frozen=True, kw_only=True):
    """How a dead peer is found. Several clients break on a RawSocket PING: by default TCP alone is asked."""

    ping: Annotated[
        bool,
        Meta(
            description="Send the PING of WAMP RawSocket. Without it, keepalive and user timeout of TCP "
            "use the same two times."
        ),
    ] = False
    interval_ms: IntervalMs = 10_000
    timeout_ms: TimeoutMs = 10_000


class LongPoll(Section, frozen=True, kw_only=True):
    """WAMP over HTTP long-poll, for clients behind proxies that let no WebSocket through."""

    path: Annotated[
        str,
        Meta(description="The path of the URL that clients use.", extra={"check": _check_mount_path}),
    ] = "/longpoll"
    receive_timeout_ms: Annotated[
        int,
        Meta(
            description="Time after which a client that waits for a message is told to ask again: less than "
            "proxies wait, and than the 12 seconds of autobahn-js.",
            ge=100,
            le=600_000,
        ),
    ] = 10_000
    silence_timeout_ms: Annotated[
        int,
        Meta(
            description="A client that asks for nothing so long is gone. More than `receive_timeout_ms`.",
            ge=1_000,
            le=3_600_000,
        ),
    ] = 30_000


AskForCertificate = Annotated[
    ClientCertificate | None,
    Meta(description="Ask clients for a TLS certificate; for `ssl:` endpoints."),
]


class WebSocketTransport(Section, frozen=True, kw_only=True, tag_field="type", tag="websocket"):
    """WAMP over WebSocket, and web pages on the same port."""

    name: Name = ""
    endpoint: Endpoint = "tcp:8080:interface=127.0.0.1"
    path: Annotated[
        str,
        Meta(
            description="The path of the URL at which clients connect.",
            examples=["/"],
            extra={"check": _check_url_path},
        ),
    ] = "/ws"
    page: Annotated[
        str,
        Meta(
            description="What other paths serve: `default` the router's own page, `none` nothing, any other "
            "text is a directory of files, relative to the configuration directory.",
            examples=["../web"],
            min_length=1,
        ),
    ] = "default"
    static: Annotated[StaticRules, Meta(description="How the files of the page are served.")] = StaticRules()
    serializers: Serializers = ("json", "msgpack", "cbor")
    allowed_origins: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(
            description="Which web pages may connect, by their origin; `*` stands for any text.",
            examples=[["https://*.example.com:443"]],
        ),
    ] = ("*",)
    compression: Annotated[bool, Meta(description="Offer permessage-deflate (RFC 7692).")] = True
    realms: RealmNames = ()
    message_limit_bytes: Annotated[
        int, Meta(description="The largest message that is accepted.", ge=1024, le=512 * 1024 * 1024)
    ] = 1_048_576
    handshake_timeout_ms: HandshakeTimeout = 5_000
    close_timeout_ms: Annotated[
        int,
        Meta(
            description="Time for the peer's answer to a close, then the connection is dropped.",
            ge=100,
            le=60_000,
        ),
    ] = 1_000
    connections: Connections = 20_000
    heartbeat: Annotated[Heartbeat, Meta(description="Pings.")] = Heartbeat()
    client_certificate: AskForCertificate = None
    cookie: Annotated[
        TransportCookie | None, Meta(description="Sets a cookie; without this section none is.")
    ] = None
    proxy_protocol: ProxyProtocol = False
    trusted_proxies: Annotated[
        tuple[Annotated[str, Meta(extra={"check": _check_network})], ...],
        Meta(
            description="Proxies whose `X-Forwarded-For` and `Forwarded` headers are believed.",
            examples=[["127.0.0.1", "10.0.0.0/8"]],
        ),
    ] = ()
    bridge: Annotated[Bridge | None, Meta(description="Calls, publications and subscriptions over HTTP.")] = (
        None
    )
    allow_anonymous_full_access: AllowAnonymousFullAccess = False
    longpoll: Annotated[
        LongPoll | None, Meta(description="Serve HTTP long-poll as well; without this section it is not.")
    ] = None
    metrics: Annotated[Metrics | None, Meta(description="Metrics for Prometheus.")] = None
    health: Annotated[
        bool,
        Meta(
            description="Answer GET `/healthz` with 200 while the router works, and `/readyz` with 200 while "
            "it lets sessions in, else with 503."
        ),
    ] = False


class RawSocketTransport(Section, frozen=True, kw_only=True, tag_field="type", tag="rawsocket"):
    """WAMP over RawSocket, on TCP, TLS or a Unix socket."""

    name: Name = ""
    endpoint: Endpoint = "tcp:8081:interface=127.0.0.1"
    serializers: Serializers = ("json", "msgpack", "cbor")
    realms: RealmNames = ()
    message_limit_bytes: Annotated[
        int,
        Meta(
            description="The largest message that is accepted: a power of two.",
            ge=512,
            le=16 * 1024 * 1024,
            extra={"check": _check_power_of_two},
        ),
    ] = 1_048_576
    handshake_timeout_ms: HandshakeTimeout = 5_000
    connections: Connections = 20_000
    heartbeat: Annotated[RawSocketHeartbeat, Meta(description="How a dead peer is found.")] = (
        RawSocketHeartbeat()
    )
    client_certificate: AskForCertificate = None
    proxy_protocol: ProxyProtocol = False
    allow_anonymous_full_access: AllowAnonymousFullAccess = False


Transport = WebSocketTransport | RawSocketTransport


class NodeConfig(Section, frozen=True, kw_only=True):
    """This node: where it listens and how it runs. Each key may be left out."""

    realms_dir: Annotated[
        str,
        Meta(
            description="Directory of the realms' files, relative to the configuration directory.",
            min_length=1,
        ),
    ] = "realms"
    data_dir: Annotated[
        str,
        Meta(
            description="Directory of what realms keep on the disk, relative to the directory in which the "
            "router is started; it is made when there is something to keep. By default `$STATE_DIRECTORY`, "
            "which systemd sets, else `concord-data`.",
            examples=["/var/lib/concord"],
        ),
    ] = ""
    goodbye_timeout_ms: Annotated[
        int,
        Meta(
            description="When the router stops: time for the sessions' answers to GOODBYE, and for "
            "extensions to end.",
            ge=0,
            le=600_000,
        ),
    ] = 2_000
    reload_interval_ms: Annotated[
        int,
        Meta(
            description="How often the files are looked at for a change; 0 turns it off, so that only SIGHUP "
            "reloads them.",
            ge=0,
            le=3_600_000,
        ),
    ] = 1_000
    log: Annotated[Log, Meta(description="The log.")] = Log()
    transports: Annotated[
        tuple[Transport, ...],
        Meta(description="Where clients connect. By default one of each type, on loopback.", min_length=1),
    ] = (WebSocketTransport(name="websocket-1"), RawSocketTransport(name="rawsocket-2"))


def read_node(file: FilePath, secrets: SecretSources) -> Document[NodeConfig]:
    """Read and check ``file``; transports without a name get one, and a page's directory is made absolute."""
    document = read(file, NodeConfig, {Secret: secrets.read})
    _check_names(document)
    _check_endpoints(document)
    _check_pages(document)
    _check_mounts(document)
    _check_client_certificates(document)
    _check_cookies(document)
    if document.value is not None and not document.problems:
        document.value = _completed(document.value, file.parent)
    return document


def _check_names(document: Document[NodeConfig]) -> None:
    names = {path[:2]: str(name) for path, name in document.select("transports", None, "name") if name}
    for path, transport in _transports(document):
        names.setdefault(path, default_name(transport, int(path[1])))
    _check_unique(document, names, "name", "transport name")


def _check_endpoints(document: Document[NodeConfig]) -> None:
    addresses: dict[Path, tuple[str, ...]] = {}
    for path, value in list(document.select("transports", None, "endpoint")):
        if message := endpoint_strings.problem(str(value)):
            document.refuse(path, message)
        else:
            addresses[path[:2]] = endpoint_strings.address(str(value))
    for path, transport in _transports(document):
        if (*path, "endpoint") not in document.positions:
            addresses[path] = endpoint_strings.address(transport.endpoint)
    _check_unique(document, addresses, "endpoint", "endpoint")


def _check_unique(document: Document[NodeConfig], found: Mapping[Path, object], key: str, noun: str) -> None:
    first: dict[object, Path] = {}  # value -> path of the first transport that has it
    for path, value in sorted(found.items(), key=lambda item: item[0][1]):
        other = first.setdefault(value, path) if value else path
        if other != path:
            line, _ = document.position((*other, key))
            document.add((*path, key), f"the same {noun} as {path_text(other)} on line {line}")


def _check_pages(document: Document[NodeConfig]) -> None:
    for path, value in document.select("transports", None, "page"):
        page = page_directory(str(value), document.file.parent)
        if page not in PAGES and not FilePath(page).is_dir():
            document.add(path, f"no directory {page} (allowed: {', '.join(PAGES)}, or a directory)")


def _check_cookies(document: Document[NodeConfig]) -> None:
    for path, transport in _transports(document):
        if not isinstance(transport, WebSocketTransport) or transport.cookie is None:
            continue
        cookie = transport.cookie
        problem = cookie.problem()
        if problem is not None:
            document.add((*path, "cookie"), problem)
        elif cookie.same_site == "none" and "*" in transport.allowed_origins:
            text = "with same_site: none, every web page could join as its visitors: set allowed_origins"
            document.add((*path, "cookie"), text)


def _check_mounts(document: Document[NodeConfig]) -> None:
    """Refuse two things at one path of a port."""
    for path, transport in _transports(document):
        if isinstance(transport, WebSocketTransport):
            taken = {transport.path: "path"}
            if transport.health:
                taken |= dict.fromkeys(HEALTH_PATHS, "health")
                if transport.path in HEALTH_PATHS:
                    document.add((*path, "health"), f"its path {transport.path} is also that of path")
            for name in MOUNTS:
                section = getattr(transport, name)
                if section is None:
                    continue
                other = taken.setdefault(section.path, f"{name}.path")
                if other != f"{name}.path":
                    document.add((*path, name), f"its path {section.path} is also that of {other}")


def _check_client_certificates(document: Document[NodeConfig]) -> None:
    for path, transport in _transports(document):
        if transport.client_certificate is not None:
            client_certificates.check(document, path, transport.endpoint, transport.client_certificate)


def _transports(document: Document[NodeConfig]) -> Iterator[tuple[Path, Transport]]:
    for path, value in document.select("transports", None):
        assert isinstance(value, WebSocketTransport | RawSocketTransport)
        yield path, value


def default_name(transport: Transport, index: int) -> str:
    """Return the name of the transport at ``index`` (from 0) where the file gives none."""
    kind = "websocket" if isinstance(transport, WebSocketTransport) else "rawsocket"
    return f"{kind}-{index + 1}"


def data_directory(node: NodeConfig, environ: Mapping[str, str]) -> FilePath:
    """Return the absolute path of ``data_dir``; of several state directories the first."""
    given = node.data_dir or environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return FilePath(given or "concord-data").absolute()


def page_directory(page: str, directory: FilePath) -> str:
    """Return ``page``, absolute where it names a directory."""
    return page if page in PAGES else str((directory / page).absolute())


def _completed(node: NodeConfig, directory: FilePath) -> NodeConfig:
    return replace(node, transports=tuple(_complete(t, i, directory) for i, t in enumerate(node.transports)))


def _complete(transport: Transport, index: int, directory: FilePath) -> Transport:
    """Give a transport its name, and absolute paths."""
    transport = replace(transport, name=transport.name or default_name(transport, index))
    asked = transport.client_certificate
    if asked is not None and asked.authorities:
        file = client_certificates.authorities_file(asked.authorities, directory)
        transport = replace(transport, client_certificate=replace(asked, authorities=str(file)))
    if isinstance(transport, WebSocketTransport):
        return replace(transport, page=page_directory(transport.page, directory))
    return transport
