"""
A realm's configuration, ``config/realms/<realm>.yaml``: roles, authentication, limits.

Only values are here, and the checks that need this file alone. What stands under ``extensions`` is
checked against the settings of those that are installed (``realms.installed``).
"""

from collections.abc import Mapping
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Annotated, Any, Literal

from msgspec import Meta, defstruct

from realms.auth.config import Authentication, RoleName, check_authentication
from realms.authorization.checks import check_authorizers, warn_of_roles
from realms.authorization.config import MAX_TRUST_LEVEL, Action, Authorization, check_procedure
from realms.catalogue import Catalogue, check_catalogue
from realms.history.config import HistoryConfig, check_histories
from realms.management_config import Management
from realms.webhook_config import Webhooks, check_webhooks
from router.configuration import Document, Path, Secret, SecretSources, Section, quoted, read
from router.wamp.uris import MatchPolicy, UriRules, is_valid
from router.web.static_config import RealmFiles

SUFFIXES = (".yaml", ".yml")


def _check_realm_name(name: str) -> str | None:
    return (
        None if is_valid(name) else f"must be a URI (WAMP 'URIs'), as 'com.example.shop', got {quoted(name)}"
    )


class Permission(Section, frozen=True, kw_only=True):
    """What a role may do with the URIs that match. Where several match, the most specific decides alone."""

    uri: Annotated[
        str,
        Meta(
            description="A URI or a pattern; with `match: prefix` the empty string matches every URI.",
            examples=["com.example.", "com..status"],
        ),
    ]
    match: Annotated[
        MatchPolicy,
        Meta(
            title="match policy",
            description="`exact` means this URI, `prefix` all that begin with these characters, `wildcard` "
            "those with any text in the place of an empty component.",
        ),
    ] = "exact"
    allow: Annotated[
        tuple[Annotated[Action, Meta(title="permission")], ...],
        Meta(
            description="What is allowed, and nothing else; an empty list forbids all.", examples=[["call"]]
        ),
    ] = ()
    disclosure: Annotated[
        Literal["on_request", "always", "never"],
        Meta(
            title="disclosure",
            description="Whether the other side learns who calls or publishes: `on_request` when the "
            "client sets `disclose_me` or the callee `disclose_caller`, `always` unasked, `never` also where "
            "they ask for it.",
        ),
    ] = "on_request"
    trust_level: Annotated[
        Annotated[int, Meta(ge=0, le=MAX_TRUST_LEVEL)] | None,
        Meta(
            description="Told to callees and subscribers with each call and event of such a session "
            "(`trustlevel`): 0 is the lowest trust, what more means is the application's. Without it, "
            "nothing is told.",
        ),
    ] = None


class RoleConfig(Section, frozen=True, kw_only=True):
    """What sessions of one role may do. Without a permission that matches, nothing is allowed."""

    permissions: Annotated[
        tuple[Permission, ...], Meta(description="The permissions, in any order; a pattern is listed once.")
    ] = ()
    authorizer: Annotated[
        str | None,
        Meta(
            description="A procedure of this realm that is asked what no permission decides, see "
            "docs/authorization.md.",
            examples=["com.example.authorize"],
            extra={"check": check_procedure},
        ),
    ] = None
    authorization: Annotated[Authorization, Meta(description="How the authorizer is asked.")] = (
        Authorization()
    )


class Limits(Section, frozen=True, kw_only=True):
    """What a realm and each of its sessions may use. Over a limit, the client gets an error that names it."""

    sessions: Annotated[int, Meta(description="Sessions of the realm.", ge=1, le=10_000_000)] = 100_000
    subscriptions_per_session: Annotated[
        int, Meta(description="Subscriptions of a session.", ge=0, le=10_000_000)
    ] = 10_000
    registrations_per_session: Annotated[
        int, Meta(description="Registrations of a session.", ge=0, le=10_000_000)
    ] = 10_000
    pending_calls_per_session: Annotated[
        int,
        Meta(description="Calls of a session, as caller, that wait for their result.", ge=1, le=10_000_000),
    ] = 10_000
    pending_invocations_per_session: Annotated[
        int, Meta(description="Invocations that a session, as callee, has not answered.", ge=1, le=10_000_000)
    ] = 10_000
    queued_calls_per_registration: Annotated[
        int,
        Meta(
            description="Calls that wait where every callee has as many as its `concurrency` allows.",
            ge=0,
            le=1_000_000,
        ),
    ] = 1_000
    kept_call_bytes_per_session: Annotated[
        int,
        Meta(
            description="Size of those calls of a session that wait so. Calls that another callee could take "
            "are kept within it as well; beyond, a callee that declines one is the last.",
            ge=0,
            le=1 << 40,
        ),
    ] = 16 * 1024**2
    retained_events: Annotated[
        int,
        Meta(description="Events that the realm retains, one for each topic at most.", ge=0, le=10_000_000),
    ] = 10_000
    retained_bytes: Annotated[
        int, Meta(description="Size of all retained events.", ge=0, le=64 * 1024**3)
    ] = 64 * 1024**2
    history_queue_bytes: Annotated[
        int,
        Meta(
            description="Events that wait to be written into the durable event history; over it, an event is "
            "sent and not kept, or refused where it is to be acknowledged.",
            ge=1024,
            le=1 << 32,
        ),
    ] = 16 * 1024**2
    history_events_per_call: Annotated[
        int, Meta(description="Events of one answer from the event history.", ge=1, le=1_000_000)
    ] = 1_000
    history_page_bytes: Annotated[
        int,
        Meta(
            description="Size of one answer from the event history; a larger event comes alone.",
            ge=1024,
            le=1 << 30,
        ),
    ] = 262_144
    history_reads: Annotated[
        int, Meta(description="Calls that wait for an answer from the event history.", ge=1, le=1_000_000)
    ] = 1_000
    definitions_per_session: Annotated[
        int,
        Meta(
            description="Procedures, topics and errors that a session describes by `wamp.reflect.define`.",
            ge=0,
            le=1_000_000,
        ),
    ] = 100
    testaments_per_session: Annotated[
        int, Meta(description="Testaments of a session, in both scopes.", ge=0, le=1_000_000)
    ] = 100
    messages_per_second: Annotated[
        int,
        Meta(
            description="Messages read from a session each second; the rest waits. 0 means no limit.",
            ge=0,
            le=10_000_000,
        ),
    ] = 0
    call_timeout_ms: Annotated[
        int, Meta(description="Timeout of calls that name none; 0 means none.", ge=0, le=86_400_000)
    ] = 0
    uri_length: Annotated[int, Meta(description="Characters of a URI.", ge=16, le=65_535)] = 512
    cached_authorizations: Annotated[
        int, Meta(description="Answers of authorizers that the realm remembers.", ge=0, le=10_000_000)
    ] = 10_000


class HeartbeatOverride(Section, frozen=True, kw_only=True):
    """Other times for this realm's sessions than their transport's heartbeat has."""

    interval_ms: Annotated[
        int, Meta(description="Time between two pings; 0 turns them off.", ge=0, le=3_600_000)
    ] = 10_000
    timeout_ms: Annotated[
        int,
        Meta(description="Time to wait for the answer before the peer counts as gone.", ge=100, le=3_600_000),
    ] = 10_000


class SlowConsumer(Section, frozen=True, kw_only=True):
    """What happens to a session that reads slower than the router has to send. The three marks rise."""

    policy: Annotated[
        Literal["disconnect", "drop"],
        Meta(
            title="policy",
            description="`disconnect` closes the connection; `drop` loses events, counts and tells it.",
        ),
    ] = "disconnect"
    low_water_bytes: Annotated[
        int,
        Meta(
            description="With more than this waiting, nothing more is read from the session.",
            ge=1024,
            le=1 << 30,
        ),
    ] = 262_144
    high_water_bytes: Annotated[
        int,
        Meta(
            description="With more than this waiting, and no progress for `patience_ms`, the policy acts.",
            ge=1024,
            le=1 << 30,
        ),
    ] = 4_194_304
    limit_bytes: Annotated[
        int, Meta(description="With more than this waiting, the policy acts at once.", ge=1024, le=1 << 32)
    ] = 16_777_216
    patience_ms: Annotated[
        int, Meta(description="How long a session may stand above the high mark.", ge=0, le=600_000)
    ] = 5_000


class MetaApi(Section, frozen=True, kw_only=True):
    """The procedures and events that tell of sessions, registrations and subscriptions."""

    enabled: Annotated[bool, Meta(description="Serve them, to roles that may call and subscribe them.")] = (
        True
    )


class RealmConfig(Section, frozen=True, kw_only=True):
    """One realm: who may join, what they may do, how much they may use. Each key may be left out."""

    name: Annotated[
        str,
        Meta(
            description="The realm that clients name to join. By default the file's name without `.yaml`.",
            examples=["com.example.shop"],
            extra={"check": _check_realm_name},
        ),
    ] = ""
    roles: Annotated[dict[RoleName, RoleConfig], Meta(description="The roles and their permissions.")] = {}
    authentication: Annotated[Authentication, Meta(description="How clients may join.")] = Authentication()
    limits: Annotated[Limits, Meta(description="Limits.")] = Limits()
    heartbeat: Annotated[
        HeartbeatOverride | None, Meta(description="Replaces the transport's heartbeat.")
    ] = None
    slow_consumer: Annotated[SlowConsumer, Meta(description="Sessions that read too slowly.")] = (
        SlowConsumer()
    )
    meta_api: Annotated[MetaApi, Meta(description="The meta API.")] = MetaApi()
    webhooks: Webhooks = ()
    management: Annotated[Management, Meta(description="Who manages the router from here.")] = Management()
    catalogue: Annotated[Catalogue, Meta(description="What the realm offers, for reflection.")] = Catalogue()
    static: Annotated[
        RealmFiles | None,
        Meta(description="A directory of static files; without this section the realm has none."),
    ] = None
    event_history: Annotated[
        tuple[HistoryConfig, ...],
        Meta(description="The topics whose events are kept; an event is kept in each history that matches."),
    ] = ()
    extensions: dict[str, Any] = {}  # name -> its settings; in a file, what ``realm_shape`` makes of it
    uri_check: Annotated[
        UriRules,
        Meta(
            title="rule",
            description="Which URIs are valid: `loose` forbids white space, `#` and empty components, "
            "`strict` allows lower-case letters, digits and `_` alone.",
        ),
    ] = "loose"
    strict_ids: Annotated[
        bool,
        Meta(description="A gap in a client's request ids is a breach of protocol. Some clients leave gaps."),
    ] = False


class Unusable:
    """Stands for the settings of an extension that is installed and cannot be used."""


# name -> an extension's class (``realms.extension.Extension``), or why it cannot be used
Kinds = Mapping[str, type[Any] | str]


def realm_shape(kinds: Kinds) -> type[RealmConfig]:
    """Make the shape of a realm's file: under ``extensions`` it has a key for each of ``kinds``."""
    fields = [(name, _settings_of(kinds[name]), None) for name in sorted(kinds)]
    about = "A realm has the extensions that it names here, and no others."
    extensions: Any = _section("Extensions", Section, fields, about)
    described: Any = Annotated[extensions, Meta(description="What else the realm offers.")]
    shape: type[RealmConfig] = _section(
        "RealmConfig", RealmConfig, [("extensions", described, extensions())], RealmConfig.__doc__ or ""
    )
    return shape


def _settings_of(kind: type[Any] | str) -> Any:
    if isinstance(kind, str):
        return Unusable
    about = (kind.__doc__ or "").strip().partition("\n")[0]
    return Annotated[kind.Config, Meta(description=about)]


def _section(name: str, base: type[Any], fields: list[Any], about: str) -> Any:
    namespace = {"__doc__": about}
    return defstruct(
        name, fields, bases=(base,), namespace=namespace, module=__name__, frozen=True, kw_only=True
    )


def read_realm(
    file: FilePath, secrets: SecretSources, kinds: Kinds = MappingProxyType({})
) -> Document[RealmConfig]:
    """Read and check ``file``, where ``kinds`` are installed; a realm without a name gets the file's."""

    def refuse(walk: Any, node: object, path: Path) -> object:
        return walk.wrong(path, f"the extension can't be used: {kinds[str(path[-1])]}")

    document = read(file, realm_shape(kinds), {Secret: secrets.read, Unusable: refuse})
    _check_file_name(document)
    _check_uris(document)
    _check_marks(document)
    check_histories(document)
    check_catalogue(document)
    check_authentication(document)
    check_webhooks(document)
    check_authorizers(document)
    _warn_of_nobody(document)
    warn_of_roles(document, tuple(kinds))
    _check_extensions(document, kinds)
    if document.value is not None and not document.problems:
        document.value = _completed(document.value, name_of(document))
    return document


def name_of(document: Document[RealmConfig]) -> str:
    """Return the realm's name, also where its file has problems."""
    return str(document.values.get(("name",), document.file.stem))


def _completed(value: RealmConfig, name: str) -> RealmConfig:
    """Give ``value`` its name, and its extensions as a plain mapping."""
    fields = {field: getattr(value, field) for field in RealmConfig.__struct_fields__}
    written: Any = value.extensions
    given = {key: getattr(written, key) for key in written.__struct_fields__ if getattr(written, key)}
    return RealmConfig(**{**fields, "name": name, "extensions": given})


def _check_extensions(document: Document[RealmConfig], kinds: Kinds) -> None:
    for name, kind in kinds.items():
        path = ("extensions", name)
        if path in document.values and not isinstance(kind, str):
            kind.check(document, path)


def _check_file_name(document: Document[RealmConfig]) -> None:
    stem = document.file.stem
    if ("name",) not in document.positions and not is_valid(stem):
        document.add(
            ("name",), f"the file's name gives the realm none that is a URI ({quoted(stem)}): set 'name'"
        )


def _check_uris(document: Document[RealmConfig]) -> None:
    rules = str(document.values.get(("uri_check",), "loose"))
    first: dict[Path, Path] = {}  # role, match, uri -> path of the permission
    for path, permission in document.select("roles", None, "permissions", None):
        assert isinstance(permission, Permission)
        uri, match = permission.uri, permission.match
        if not is_valid(uri, match, rules):
            document.add(
                (*path, "uri"), f"{quoted(uri)} is no valid URI for match '{match}' (uri_check: {rules})"
            )
        other = first.setdefault((path[1], match, uri), path)
        if other != path:
            line, _ = document.position(other)
            document.add((*path, "uri"), f"{match} {quoted(uri)} is also on line {line}: merge the two")


def _check_marks(document: Document[RealmConfig]) -> None:
    marks = document.values.get(("slow_consumer",))
    if isinstance(marks, SlowConsumer) and not (
        marks.low_water_bytes <= marks.high_water_bytes <= marks.limit_bytes
    ):
        document.add(
            ("slow_consumer",),
            f"the marks must rise: low_water_bytes {marks.low_water_bytes}, high_water_bytes "
            f"{marks.high_water_bytes}, limit_bytes {marks.limit_bytes}",
        )


def _warn_of_nobody(document: Document[RealmConfig]) -> None:
    if not document.problems and document.value and document.value.authentication == Authentication():
        document.warn(("authentication",), "no method is set: nobody can join this realm")
