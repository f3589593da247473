"""
The configuration of DSTM in a realm's YAML, ``extensions: dstm:``.

Only values are here, and the checks that need no other file.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Annotated, Any, Literal

from msgspec import Meta
from msgspec.structs import asdict

from realms.dstm.access import BOTH, READ, WRITE, Rule, Rules, read_pattern
from realms.dstm.constraints import Constraint, Constraints
from realms.dstm.operations import Limits
from realms.dstm.pointer import parse
from realms.dstm.settings import Settings
from router.configuration import Section, quoted

KIB, MIB = 1024, 1024**2
MAX_NAME = 100
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")

# The URIs of these procedures stand where a space's name would.
RESERVED_NAMES = ("list", "create", "drop", "compact", "backup", "error")


def name_problem(name: str) -> str | None:
    """Say what is wrong with the name of a space: it is one component of a URI, and part of a file's name."""
    if not name or len(name) > MAX_NAME or not NAME_CHARACTERS.issuperset(name):
        return f"a space's name has 1 to {MAX_NAME} letters, digits, '_' and '-', got {quoted(name)}"
    return f"{name!r} is the name of a procedure" if name in RESERVED_NAMES else None


def _check_pattern(text: str) -> str | None:
    try:
        read_pattern(text)
    except ValueError as error:
        return str(error)
    return None


def _check_pointer(text: str) -> str | None:
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return None


def _check_rules(rules: "tuple[AccessRule, ...]") -> str | None:
    seen = [rule.pointer for rule in rules]
    twice = next((pointer for pointer in seen if seen.count(pointer) > 1), None)
    return None if twice is None else f"{quoted(twice)} is listed twice: merge the two"


def load_function(text: str) -> Callable[..., Any]:
    """
    Import ``module:function``.

    Raises:
        ValueError: it cannot be imported or called, and why.
    """
    module, colon, names = text.partition(":")
    if not colon or not module or not names:
        raise ValueError(f"must be 'module:function', got {quoted(text)}")
    try:
        function: Any = import_module(module)
        for name in names.split("."):
            function = getattr(function, name)
    except Exception as error:  # whatever the module does when it is imported
        raise ValueError(f"cannot import {quoted(text)}: {type(error).__name__}: {error}") from None
    if not callable(function):
        raise ValueError(f"{quoted(text)} is no function")
    return function  # type: ignore[no-any-return]


def _check_function(text: str) -> str | None:
    try:
        load_function(text)
    except ValueError as error:
        return str(error)
    return None


SpaceName = Annotated[str, Meta(title="space", extra={"check": name_problem})]
RoleName = Annotated[str, Meta(title="role", extra={"refers_to": "roles"})]
FunctionPath = Annotated[
    str,
    Meta(
        description="A Python function, importable by the router.",
        examples=["shop.stock:take"],
        extra={"check": _check_function},
    ),
]


class AccessRule(Section, frozen=True, kw_only=True):
    """What a role may do with the pointers that match; of several, the most specific decides alone."""

    pointer: Annotated[
        str,
        Meta(
            description="A JSON Pointer (RFC 6901) in which `*` stands for any one token, `{authid}` for the "
            "session's own and a last `**` for all that follows. Rules do not go through arrays.",
            examples=["/users/{authid}/**"],
            extra={"check": _check_pattern},
        ),
    ]
    allow: Annotated[
        tuple[Annotated[Literal["read", "write"], Meta(title="permission")], ...],
        Meta(description="What is allowed, and nothing else; an empty list hides all.", examples=[["read"]]),
    ] = ()


class ConstraintConfig(Section, frozen=True, kw_only=True):
    """What the values at some pointers must be, before a commit is accepted."""

    pointer: Annotated[
        str,
        Meta(
            description="A JSON Pointer in which `*` stands for any one token.",
            examples=["/accounts/*"],
            extra={"check": _check_pointer},
        ),
    ]
    schema: Annotated[
        str | None,
        Meta(
            description="A JSON Schema, as JSON text.",
            examples=['{"type": "integer"}'],
        ),
    ] = None
    minimum: Annotated[int | None, Meta(description="The least number allowed.")] = None
    maximum: Annotated[int | None, Meta(description="The greatest number allowed.")] = None
    predicate: Annotated[
        str | None,
        Meta(
            description="A Python function `module:function` that is given the value and returns what is "
            "wrong with it, or nothing.",
        ),
    ] = None


def _check_constraint(constraint: ConstraintConfig) -> str | None:
    low, high = constraint.minimum, constraint.maximum
    if low is not None and high is not None and low > high:
        return f"minimum {low} is above maximum {high}"
    if (constraint.schema, constraint.predicate, low, high) == (None, None, None, None):
        return "needs one of schema, minimum, maximum, predicate"
    try:
        Constraints(constraints_of((constraint,)))
    except ValueError as error:
        return str(error)
    return None


class FunctionConfig(Section, frozen=True, kw_only=True):
    """A transaction function that `dstm.<space>.run` may call, by its name here."""

    function: FunctionPath
    roles: Annotated[
        tuple[RoleName, ...],
        Meta(description="Who may run it, of those that may call the procedure; empty: all of them."),
    ] = ()


class LimitsConfig(Section, frozen=True, kw_only=True):
    """What one transaction, one session and the document may use."""

    ops: Annotated[int, Meta(description="Ops of a transaction.", ge=1, le=100_000)] = 1000
    reads: Annotated[int, Meta(description="Reads of a transaction.", ge=0, le=100_000)] = 1000
    want: Annotated[
        int, Meta(description="Pointers of which a transaction wants the value.", ge=0, le=10_000)
    ] = 100
    publish: Annotated[int, Meta(description="Events of a transaction.", ge=0, le=10_000)] = 100
    transaction_bytes: Annotated[int, Meta(description="Size of a transaction.", ge=KIB, le=256 * MIB)] = MIB
    document_bytes: Annotated[
        int, Meta(description="Size of the document, as JSON.", ge=KIB, le=4 * KIB * MIB)
    ] = 64 * MIB
    page_bytes: Annotated[
        int,
        Meta(description="Larger answers to `get` and `sync` come in pages of this size.", ge=KIB, le=MIB),
    ] = 256 * KIB
    pages_per_session: Annotated[
        int,
        Meta(description="Paged answers that a session reads at once; the oldest is dropped.", ge=1, le=100),
    ] = 4
    page_timeout_ms: Annotated[
        int, Meta(description="How long a paged answer is kept for its next page.", ge=1000, le=600_000)
    ] = 60_000
    queue: Annotated[
        int, Meta(description="Transactions of all sessions that wait to be decided.", ge=1, le=10_000_000)
    ] = 10_000
    queue_bytes: Annotated[int, Meta(description="Their size.", ge=MIB, le=16 * KIB * MIB)] = 64 * MIB
    bindings: Annotated[
        int, Meta(description="Values bound to a session or a time.", ge=0, le=10_000_000)
    ] = 10_000
    waits: Annotated[
        int, Meta(description="Calls of all sessions that wait for a change.", ge=1, le=10_000_000)
    ] = 100_000
    waits_per_session: Annotated[
        int, Meta(description="Calls of a session that wait for a change.", ge=1, le=100_000)
    ] = 1000
    wait_ms: Annotated[int, Meta(description="The longest such wait.", ge=1000, le=86_400_000)] = 3_600_000
    views: Annotated[
        int, Meta(description="Views of the space that are in use at once.", ge=0, le=1_000_000)
    ] = 1000
    view_paths: Annotated[int, Meta(description="Pointers of a view.", ge=1, le=10_000)] = 100
    counted_paths: Annotated[
        int, Meta(description="Pointers whose commits and conflicts are counted.", ge=0, le=1_000_000)
    ] = 1000


class WindowConfig(Section, frozen=True, kw_only=True):
    """The last versions, in memory: for answers in deltas, doubled submissions, old bases, `at`, undo."""

    versions: Annotated[int, Meta(description="Their number.", ge=1, le=10_000_000)] = 100_000
    bytes: Annotated[int, Meta(description="Their size.", ge=KIB, le=16 * KIB * MIB)] = 64 * MIB


class HistoryConfig(Section, frozen=True, kw_only=True):
    """What the log keeps. What is in the window is always kept."""

    versions: Annotated[int, Meta(description="The last versions; 0 means all.", ge=0, le=10**12)] = 1_000_000
    age_ms: Annotated[int, Meta(description="Not older than this; 0 means any age.", ge=0, le=10**13)] = 0
    snapshot_every: Annotated[
        int, Meta(description="Versions between two snapshots of the document.", ge=1, le=10_000_000)
    ] = 10_000


class FairnessConfig(Section, frozen=True, kw_only=True):
    """How clients share a space that is in great demand."""

    in_flight: Annotated[
        int, Meta(description="Transactions of one session that are not answered yet.", ge=1, le=1_000_000)
    ] = 1000
    losses: Annotated[
        int,
        Meta(description="Conflicts in a row after which a client's rivals wait for it.", ge=1, le=1000),
    ] = 5
    deferral_ms: Annotated[
        int, Meta(description="How long they wait at most; 0 means never.", ge=0, le=10_000)
    ] = 50


class SpaceConfig(Section, frozen=True, kw_only=True):
    """One space: one JSON document. Each key may be left out."""

    log: Annotated[
        Literal["sqlite", "memory"],
        Meta(
            title="log",
            description="`sqlite` keeps every acknowledged commit on disk, below the node's `data_dir`; "
            "`memory` loses all when the router ends.",
        ),
    ] = "sqlite"
    access: Annotated[
        dict[
            RoleName,
            Annotated[tuple[AccessRule, ...], Meta(extra={"check": _check_rules})],
        ],
        Meta(
            description="Pointer rules by role. Without any, whoever may call the procedures may read and "
            "write everything; with some, a role that has none may nothing."
        ),
    ] = {}
    constraints: Annotated[
        tuple[Annotated[ConstraintConfig, Meta(extra={"check": _check_constraint})], ...],
        Meta(description="What values must be. A commit that breaks one is refused."),
    ] = ()
    functions: Annotated[
        dict[str, FunctionConfig], Meta(description="Transaction functions that run in the router, by name.")
    ] = {}
    limits: Annotated[LimitsConfig, Meta(description="Limits.")] = LimitsConfig()
    window: Annotated[WindowConfig, Meta(description="What is held in memory.")] = WindowConfig()
    history: Annotated[HistoryConfig, Meta(description="What the log keeps.")] = HistoryConfig()
    fairness: Annotated[FairnessConfig, Meta(description="Sharing.")] = FairnessConfig()
    digest_every: Annotated[
        int,
        Meta(
            description="Versions between two digests of the document, told to replicas; 0 means none.",
            ge=0,
            le=10_000_000,
        ),
    ] = 1000


class DstmConfig(Section, frozen=True, kw_only=True):
    """Shared objects, changed in transactions (docs/dstm.md)."""

    spaces: Annotated[dict[SpaceName, SpaceConfig], Meta(description="The spaces.")] = {}
    created: Annotated[
        SpaceConfig,
        Meta(
            description="The settings of the spaces that `dstm.create` makes. With `log: sqlite` they are "
            "there again after a restart."
        ),
    ] = SpaceConfig(log="memory")
    created_spaces: Annotated[int, Meta(description="How many `dstm.create` may make.", ge=0, le=10_000)] = (
        100
    )


def rules_of(space: SpaceConfig) -> dict[str, Rules]:
    """Compile the pointer rules of a space: role -> Rules; empty where it has none."""
    bits = {"read": READ, "write": WRITE}
    assert sum(bits.values()) == BOTH
    return {
        role: Rules(Rule(read_pattern(rule.pointer), sum(bits[a] for a in set(rule.allow))) for rule in rules)
        for role, rules in space.access.items()
    }


def constraints_of(constraints: Iterable[ConstraintConfig]) -> tuple[Constraint, ...]:
    """Give the constraints of a space as its sequencer takes them."""
    return tuple(Constraint(**asdict(constraint)) for constraint in constraints)


def limits_of(limits: LimitsConfig) -> Limits:
    """Give what bounds one transaction and the document."""
    return Limits(
        ops=limits.ops,
        reads=limits.reads,
        want=limits.want,
        publish=limits.publish,
        transaction_bytes=limits.transaction_bytes,
        document_bytes=limits.document_bytes,
    )


def settings_of(space: SpaceConfig) -> Settings:
    """Give the settings of a space as its sequencer takes them."""
    limits = space.limits
    return Settings(
        limits=limits_of(limits),
        constraints=constraints_of(space.constraints),
        window_versions=space.window.versions,
        window_bytes=space.window.bytes,
        bindings=limits.bindings,
        queue=limits.queue,
        queue_bytes=limits.queue_bytes,
        in_flight_per_client=space.fairness.in_flight,
        defer_after=space.fairness.losses,
        defer_ms=space.fairness.deferral_ms,
        waits=limits.waits,
        waits_per_client=limits.waits_per_session,
        wait_ms=limits.wait_ms,
        snapshot_every=space.history.snapshot_every,
        retention_versions=space.history.versions,
        retention_age_ms=space.history.age_ms,
        counted_paths=limits.counted_paths,
    )
