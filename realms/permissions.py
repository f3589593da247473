"""
What a role may do: the YAML's permissions, compiled for one lookup per message.

Rules of this file:

- Of several permissions that match a URI, the most specific decides alone: exact, then the
  longest prefix, then the best wildcard. Without a match, nothing is allowed.
- A pattern may be registered or subscribed only where every URI that it stands for is
  allowed: one permission covers all of them, and none that goes before it forbids a part;
  otherwise a broad pattern would show what a narrow permission forbids.
- Decisions are cached by URI in plain dicts that the realm reads directly (benchmark: calls,
  window 64: a decision costs one dict access). They are bounded in number and in length; what
  is no valid request is never cached.
"""

from collections.abc import Iterable
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct, structs

from realms.config import Permission, RoleConfig
from router.routing.matching import PatternTable
from router.wamp import uris

K = TypeVar("K", str, tuple[str, str])

MAX_CACHED: Final = 10_000
MAX_CACHED_LENGTH: Final = 512


class Grant(Struct, frozen=True):
    """
    The decision on one action with one URI.

    ``error`` is the URI of the error that refuses it, ``None`` where it is allowed;
    ``text`` explains it to the client. ``discloses``: unasked; ``may_disclose``: when asked.
    ``plain``: allowed, and nothing else is to be looked at. ``own``: allowed, and the realm answers itself.
    ``trust_level``: what callees or subscribers are told of the caller or publisher; ``None``: nothing.
    """

    error: str | None = None
    text: str = ""
    discloses: bool = False
    may_disclose: bool = True
    plain: bool = False
    own: bool = False
    trust_level: int | None = None


class Role:
    """
    One role of a realm; ``call``, ``register``, ``publish`` and ``subscribe`` are its cached grants.

    ``reserved`` are the prefixes of URIs that are the router's own and its extensions'.
    """

    def __init__(
        self,
        name: str,
        config: RoleConfig,
        uri_rules: str,
        uri_length: int,
        reserved: tuple[str, ...] = uris.RESERVED,
    ) -> None:
        self.name = name
        self.call: dict[str, Grant] = {}  # procedure -> Grant
        self.publish: dict[str, Grant] = {}  # topic -> Grant
        self.register: dict[tuple[str, str], Grant] = {}  # (match, uri) -> Grant
        self.subscribe: dict[tuple[str, str], Grant] = {}  # (match, uri) -> Grant
        self._rules = uri_rules
        self._uri_length = uri_length
        self._reserved = reserved
        self._permissions = config.permissions
        self._table: PatternTable[Permission] = PatternTable(max_shapes=len(config.permissions) + 1)
        for permission in config.permissions:
            self._table.insert(permission.match, permission.uri, permission)

    def __repr__(self) -> str:
        return f"<Role {self.name!r}>"

    def may_call(self, procedure: str) -> Grant:
        """Decide whether this role may call ``procedure``, and remember it."""
        invalid = self._invalid(procedure, uris.EXACT)
        if invalid is not None:
            return invalid
        grant = self._decide("call", procedure, uris.EXACT)
        if is_in(procedure, self._reserved):
            grant = structs.replace(grant, plain=False, own=grant.error is None)
        elif not grant.may_disclose:  # the callee must not learn who calls, whatever it asks
            grant = structs.replace(grant, plain=False)
        return _remember(self.call, procedure, procedure, grant)

    def may_publish(self, topic: str) -> Grant:
        """Decide whether this role may publish to ``topic``, and remember it."""
        invalid = self._invalid(topic, uris.EXACT)
        if invalid is not None:
            return invalid
        grant = self._of_the_router("publish", topic) or self._decide("publish", topic, uris.EXACT)
        return _remember(self.publish, topic, topic, grant)

    def may_register(self, procedure: str, match: Any) -> Grant:
        """Decide whether this role may register ``procedure`` with the policy ``match``, and remember it."""
        invalid = self._invalid(procedure, match)
        if invalid is not None:
            return invalid
        grant = self._of_the_router("register", procedure) or self._decide("register", procedure, match)
        return _remember(self.register, (match, procedure), procedure, grant)

    def may_subscribe(self, topic: str, match: Any) -> Grant:
        """Decide whether this role may subscribe ``topic`` with the policy ``match``, and remember it."""
        invalid = self._invalid(topic, match)
        if invalid is not None:
            return invalid
        return _remember(self.subscribe, (match, topic), topic, self._decide("subscribe", topic, match))

    def _of_the_router(self, action: str, uri: str) -> Grant | None:
        if not is_in(uri, self._reserved):
            return None
        prefixes = ", ".join(f"{prefix}*" for prefix in self._reserved)
        return Grant(uris.NOT_AUTHORIZED, f"{prefixes} are the router's own: clients may not {action} there")

    def _invalid(self, uri: str, match: Any) -> Grant | None:
        """Refuse what no role could be allowed."""
        if not isinstance(match, str) or match not in uris.MATCH_POLICIES:
            allowed = ", ".join(uris.MATCH_POLICIES)
            return Grant(uris.INVALID_ARGUMENT, f"match must be one of {allowed}, got {shortened(match)}")
        if len(uri) > self._uri_length:
            return Grant(uris.INVALID_URI, f"a URI may have {self._uri_length} characters, got {len(uri)}")
        if not uris.is_valid(uri, match, self._rules):
            text = f"{uri!r} is no valid URI for match {match!r} (rules: {self._rules})"
            return Grant(uris.INVALID_URI, text)
        return None

    def _decide(self, action: str, uri: str, match: str) -> Grant:
        permission = self._table.best(uri) if match == uris.EXACT else self._covering(action, uri, match)
        if permission is None or action not in permission.allow:
            pattern = "" if match == uris.EXACT else f" with match {match!r}"
            return Grant(uris.NOT_AUTHORIZED, f"role {self.name!r} may not {action} {uri!r}{pattern}")
        disclosure = permission.disclosure
        return Grant(
            discloses=disclosure == "always",
            may_disclose=disclosure != "never",
            plain=disclosure != "always" and permission.trust_level is None,
            trust_level=permission.trust_level,
        )

    def _covering(self, action: str, uri: str, match: str) -> Permission | None:
        """Find the permission that decides about a whole pattern; none if another forbids a part of it."""
        covering = [p for p in self._permissions if covers(p, uri, match)]
        if not covering:
            return None
        best = min(covering, key=_precedence)
        for other in self._permissions:
            decides_before = _precedence(other) < _precedence(best)
            if decides_before and action not in other.allow and _overlaps(other, uri, match):
                return None
        return best


def compile_roles(
    roles: dict[str, RoleConfig],
    uri_rules: str,
    uri_length: int,
    reserved: tuple[str, ...] = uris.RESERVED,
) -> dict[str, Role]:
    """Compile every role of a realm: name -> Role."""
    return {name: Role(name, config, uri_rules, uri_length, reserved) for name, config in roles.items()}


def is_in(uri: str, prefixes: tuple[str, ...]) -> bool:
    """Tell whether ``uri`` lies under one of ``prefixes``, or is one without its dot."""
    return uri.startswith(prefixes) or f"{uri}." in prefixes


def shortened(value: object) -> str:
    """Show what a client sent, in a text of bounded length."""
    if isinstance(value, str | int | float | None):
        return f"{value!r:.100}"
    return f"a {type(value).__name__}"


def _remember(cache: dict[K, Grant], key: K, uri: str, grant: Grant) -> Grant:
    if len(uri) <= MAX_CACHED_LENGTH:
        if len(cache) >= MAX_CACHED:
            cache.clear()
        cache[key] = grant
    return grant


def _precedence(permission: Permission) -> tuple[int, int, str]:
    """Order permissions as ``PatternTable`` does: of two that match one URI, the lesser decides."""
    if permission.match == uris.EXACT:
        return 0, 0, ""
    if permission.match == uris.PREFIX:
        return 1, -len(permission.uri), ""
    shape = "".join("0" if component else "1" for component in permission.uri.split("."))
    return 2, 0, shape


class Pattern(Protocol):
    """What has a URI and a match policy: a permission, or another entry of a configuration."""

    @property
    def uri(self) -> str: ...
    @property
    def match(self) -> str: ...


def covers(mine: Pattern, uri: str, match: str) -> bool:
    """Tell whether ``mine`` applies to every URI that the pattern ``uri`` stands for."""
    if mine.match == uris.PREFIX:
        literal = uri if match == uris.PREFIX else _beginning(uri)
        return literal.startswith(mine.uri)
    if mine.match == uris.WILDCARD and match == uris.WILDCARD:
        return _components_agree(mine.uri, uri, strict=True)
    return False


def _beginning(wildcard: str) -> str:
    """Give what all URIs begin with that the pattern stands for: ``a.`` of ``a..c``."""
    components = wildcard.split(".")
    if "" not in components:
        return wildcard
    literals = components[: components.index("")]
    return "".join(f"{component}." for component in literals)


def _overlaps(permission: Permission, uri: str, match: str) -> bool:
    """Tell whether some URI could be meant by both (where in doubt, yes)."""
    mine, other = permission.uri, uri
    kinds = (permission.match, match)
    if kinds == (uris.EXACT, uris.PREFIX):
        return mine.startswith(other)
    if kinds == (uris.PREFIX, uris.PREFIX):
        return mine.startswith(other) or other.startswith(mine)
    if uris.PREFIX in kinds:
        prefix, wildcard = (mine, other) if permission.match == uris.PREFIX else (other, mine)
        return _prefix_meets_wildcard(prefix, wildcard)
    return _components_agree(mine, other, strict=False)


def _prefix_meets_wildcard(prefix: str, wildcard: str) -> bool:
    """Compare the components that the prefix has whole; its last one may go on."""
    *whole, last = prefix.split(".")
    components = wildcard.split(".")
    if len(whole) >= len(components):
        return False
    agrees = all(not w or p == w for p, w in zip(whole, components, strict=False))
    following = components[len(whole)]
    return agrees and (not following or following.startswith(last))


def _components_agree(mine: str, other: str, *, strict: bool) -> bool:
    """Compare component by component; an empty one stands for any (``strict``: only on our side)."""
    ours, theirs = mine.split("."), other.split(".")
    if len(ours) != len(theirs):
        return False
    pairs: Iterable[tuple[str, str]] = zip(ours, theirs, strict=True)
    return all(not a or a == b or (not strict and not b) for a, b in pairs)
