"""
What a role may do: the YAML's permissions, compiled for one lookup per message.

Rules of this file:

- Of several permissions that match a URI, the most specific decides alone: exact, then the
  longest prefix, then the best wildcard. Without a match, nothing is allowed.
- A pattern may be registered or subscribed only where every URI that it stands for is
  allowed; otherwise a broad pattern would show what a narrow permission forbids.
- Decisions are cached by URI in plain dicts, bounded, that the realm reads directly
  (benchmark: calls, window 64: a decision costs one dict access).
"""

from collections.abc import Iterable
from typing import Final, TypeVar

from msgspec import Struct, structs

from realms.config import Permission, RoleConfig
from router.routing.matching import PatternTable
from router.wamp import uris

K = TypeVar("K")

MAX_CACHED: Final = 10_000

# Procedures and topics under these belong to the router and its realm extensions.
RESERVED: Final = ("wamp.", "concord.", "dstm.")


class Grant(Struct, frozen=True):
    """
    The decision on one action with one URI.

    ``error`` is the URI of the error that refuses it, ``None`` where it is allowed;
    ``text`` explains it to the client. ``discloses``: unasked; ``may_disclose``: when asked.
    ``plain``: allowed, and nothing else is to be looked at.
    """

    error: str | None = None
    text: str = ""
    discloses: bool = False
    may_disclose: bool = True
    plain: bool = False


class Role:
    """One role of a realm; ``call``, ``register``, ``publish`` and ``subscribe`` are its cached grants."""

    def __init__(self, name: str, config: RoleConfig, uri_rules: str, uri_length: int) -> None:
        self.name = name
        self.call: dict[str, Grant] = {}  # procedure -> Grant
        self.publish: dict[str, Grant] = {}  # topic -> Grant
        self.register: dict[tuple[str, str], Grant] = {}  # (match, uri) -> Grant
        self.subscribe: dict[tuple[str, str], Grant] = {}  # (match, uri) -> Grant
        self._rules = uri_rules
        self._uri_length = uri_length
        self._permissions = config.permissions
        self._table: PatternTable[Permission] = PatternTable(max_shapes=len(config.permissions) + 1)
        for permission in config.permissions:
            self._table.insert(permission.match, permission.uri, permission)

    def __repr__(self) -> str:
        return f"<Role {self.name!r}>"

    def may_call(self, procedure: str) -> Grant:
        """Decide whether this role may call ``procedure``, and remember it."""
        grant = self._decide("call", procedure, uris.EXACT)
        if procedure.startswith("wamp."):
            grant = structs.replace(grant, plain=False)  # the router answers it itself
        return _remember(self.call, procedure, grant)

    def may_publish(self, topic: str) -> Grant:
        """Decide whether this role may publish to ``topic``, and remember it."""
        grant = _reserved("publish", topic) or self._decide("publish", topic, uris.EXACT)
        return _remember(self.publish, topic, grant)

    def may_register(self, procedure: str, match: str) -> Grant:
        """Decide whether this role may register ``procedure`` with the policy ``match``, and remember it."""
        grant = _reserved("register", procedure) or self._decide("register", procedure, match)
        return _remember(self.register, (match, procedure), grant)

    def may_subscribe(self, topic: str, match: str) -> Grant:
        """Decide whether this role may subscribe ``topic`` with the policy ``match``, and remember it."""
        return _remember(self.subscribe, (match, topic), self._decide("subscribe", topic, match))

    def _decide(self, action: str, uri: str, match: str) -> Grant:
        if match not in uris.MATCH_POLICIES:
            allowed = ", ".join(uris.MATCH_POLICIES)
            return Grant(uris.INVALID_ARGUMENT, f"match must be one of {allowed}, got {match!r}")
        if len(uri) > self._uri_length:
            return Grant(uris.INVALID_URI, f"a URI may have {self._uri_length} characters, got {len(uri)}")
        if not uris.is_valid(uri, match, self._rules):
            text = f"{uri!r} is no valid URI for match {match!r} (rules: {self._rules})"
            return Grant(uris.INVALID_URI, text)
        permission = self._table.best(uri) if match == uris.EXACT else self._covering(action, uri, match)
        if permission is None or action not in permission.allow:
            pattern = "" if match == uris.EXACT else f" with match {match!r}"
            return Grant(uris.NOT_AUTHORIZED, f"role {self.name!r} may not {action} {uri!r}{pattern}")
        disclosure = permission.disclosure
        return Grant(
            discloses=disclosure == "always",
            may_disclose=disclosure != "never",
            plain=disclosure != "always",
        )

    def _covering(self, action: str, uri: str, match: str) -> Permission | None:
        """Find a permission for the whole pattern; none if another one forbids a part of it."""
        covering = [p for p in self._permissions if _covers(p, uri, match)]
        if not covering:
            return None
        if any(action not in p.allow for p in self._permissions if _overlaps(p, uri, match)):
            return None
        return max(covering, key=lambda p: len(p.uri))


def compile_roles(roles: dict[str, RoleConfig], uri_rules: str, uri_length: int) -> dict[str, Role]:
    """Compile every role of a realm: name -> Role."""
    return {name: Role(name, config, uri_rules, uri_length) for name, config in roles.items()}


def _remember(cache: dict[K, Grant], key: K, grant: Grant) -> Grant:
    if len(cache) >= MAX_CACHED:
        cache.clear()
    cache[key] = grant
    return grant


def _reserved(action: str, uri: str) -> Grant | None:
    for prefix in RESERVED:
        if uri.startswith(prefix) or uri == prefix[:-1]:
            return Grant(
                uris.NOT_AUTHORIZED, f"{prefix}* is the router's own: clients may not {action} there"
            )
    return None


def _covers(permission: Permission, uri: str, match: str) -> bool:
    """Tell whether ``permission`` applies to every URI that the pattern stands for."""
    if permission.match == uris.PREFIX:
        literal = uri if match == uris.PREFIX else uri.split("..")[0].rstrip(".")
        return literal.startswith(permission.uri)
    if permission.match == uris.WILDCARD and match == uris.WILDCARD:
        return _components_agree(permission.uri, uri, strict=True)
    return False


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
