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

from typing import Any, Final, Literal, TypeVar

from msgspec import Struct, structs

from realms.authorization.answer import Decision
from realms.authorization.config import Action
from realms.authorization.patterns import covers, is_in, overlaps, precedence
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
    ``asks``: refused, unless the role's authorizer allows it.
    """

    error: str | None = None
    text: str = ""
    discloses: bool = False
    may_disclose: bool = True
    plain: bool = False
    own: bool = False
    trust_level: int | None = None
    asks: bool = False


class Verdict(Struct, frozen=True):
    """
    A grant, and what decided.

    ``permission`` decides alone (``rule`` is ``permission``), or forbids a part of the pattern that is
    asked for (``part``), of which ``broader`` would allow the rest. ``nothing``: no permission matches.
    """

    rule: Literal["invalid", "reserved", "permission", "part", "nothing", "authorizer"]
    grant: Grant
    permission: Permission | None = None
    broader: Permission | None = None


class Role:
    """
    One role of a realm; ``call``, ``register``, ``publish`` and ``subscribe`` are its cached grants.

    ``reserved`` are the prefixes of URIs that are the router's own and its extensions'; ``authorizers``
    the procedures that decide for roles of this realm.
    """

    def __init__(
        self,
        name: str,
        config: RoleConfig,
        uri_rules: str,
        uri_length: int,
        reserved: tuple[str, ...] = uris.RESERVED,
        authorizers: frozenset[str] = frozenset(),
    ) -> None:
        self.name = name
        self.config = config
        self.call: dict[str, Grant] = {}  # procedure -> Grant
        self.publish: dict[str, Grant] = {}  # topic -> Grant
        self.register: dict[tuple[str, str], Grant] = {}  # (match, uri) -> Grant
        self.subscribe: dict[tuple[str, str], Grant] = {}  # (match, uri) -> Grant
        self.shown: dict[tuple[str, str, str], bool] = {}  # (kind, match, uri) -> whether reflection tells it
        self._rules = uri_rules
        self._uri_length = uri_length
        self._reserved = tuple(dict.fromkeys(reserved))  # some extensions have a name that is reserved
        self._authorizers = authorizers
        self._permissions = config.permissions
        self._table: PatternTable[Permission] = PatternTable(max_shapes=len(config.permissions) + 1)
        for permission in config.permissions:
            self._table.insert(permission.match, permission.uri, permission)

    def __repr__(self) -> str:
        return f"<Role {self.name!r}>"

    def may_call(self, procedure: str) -> Grant:
        """Decide whether this role may call ``procedure``, and remember it."""
        verdict = self.judge("call", procedure)
        return _remember(self.call, procedure, procedure, verdict)

    def may_publish(self, topic: str) -> Grant:
        """Decide whether this role may publish to ``topic``, and remember it."""
        return _remember(self.publish, topic, topic, self.judge("publish", topic))

    def may_register(self, procedure: str, match: Any) -> Grant:
        """Decide whether this role may register ``procedure`` with the policy ``match``, and remember it."""
        verdict = self.judge("register", procedure, match)
        return _remember(self.register, (match, procedure), procedure, verdict)

    def may_subscribe(self, topic: str, match: Any) -> Grant:
        """Decide whether this role may subscribe ``topic`` with the policy ``match``, and remember it."""
        return _remember(self.subscribe, (match, topic), topic, self.judge("subscribe", topic, match))

    def judge(self, action: Action, uri: str, match: Any = uris.EXACT) -> Verdict:
        """Decide anew, and tell what decided."""
        invalid = self._invalid(uri, match)
        if invalid is not None:
            return Verdict("invalid", invalid)
        if action in ("publish", "register") and is_in(uri, self._reserved):
            prefixes = ", ".join(f"{prefix}*" for prefix in self._reserved)
            text = f"{prefixes} are the router's own: clients may not {action} there"
            return Verdict("reserved", Grant(uris.NOT_AUTHORIZED, text))
        verdict = self.by_permissions(action, uri, match)
        if not self._asks(action, uri, match):
            return verdict
        if verdict.rule == "nothing" or self.config.authorization.first == "authorizer":
            return Verdict("authorizer", structs.replace(self._refused(action, uri, match), asks=True))
        return verdict

    def by_permissions(self, action: Action, uri: str, match: str) -> Verdict:
        """Decide by the permissions alone; URI and policy are valid."""
        best = self._table.best(uri) if match == uris.EXACT else self._covering(uri, match)
        part = None if match == uris.EXACT else self._forbidding(best, action, uri, match)
        if part is not None:
            return Verdict("part", self._refused(action, uri, match), part, best)
        if best is None:
            return Verdict("nothing", self._refused(action, uri, match))
        if action not in best.allow:
            return Verdict("permission", self._refused(action, uri, match), best)
        return Verdict("permission", self.granted(action, uri, best.disclosure, best.trust_level), best)

    def decided(self, action: Action, uri: str, match: str, decision: Decision) -> Grant:
        """Give the grant that follows from what this role's authorizer answers."""
        if decision.allow is None:
            return self.by_permissions(action, uri, match).grant
        if not decision.allow:
            return self._refused(action, uri, match)
        return self.granted(action, uri, decision.disclosure, decision.trust_level)

    def granted(self, action: Action, uri: str, disclosure: str, trust_level: int | None) -> Grant:
        """Give the grant that allows ``action``, with what a permission says besides."""
        may_disclose = disclosure != "never"
        plain = disclosure != "always" and trust_level is None
        own = action == "call" and is_in(uri, self._reserved)
        if own or (action == "call" and not may_disclose):
            plain = False  # where never, the callee must not learn who calls, whatever it asks
        return Grant(
            discloses=disclosure == "always",
            may_disclose=may_disclose,
            plain=plain,
            own=own,
            trust_level=trust_level,
        )

    def is_asked_by(self, procedure: str, match: str) -> bool:
        """Tell whether a registration of ``procedure`` may answer in the place of this role's authorizer."""
        mine = self.config.authorizer
        if mine is None or match not in uris.MATCH_POLICIES:
            return False
        return mine == procedure if match == uris.EXACT else overlaps(_Exactly(mine), procedure, match)

    def _refused(self, action: Action, uri: str, match: str) -> Grant:
        pattern = "" if match == uris.EXACT else f" with match {match!r}"
        return Grant(uris.NOT_AUTHORIZED, f"role {self.name!r} may not {action} {uri!r}{pattern}")

    def _asks(self, action: Action, uri: str, match: str) -> bool:
        """Tell whether this role's authorizer is asked; who may become one is never asked of one."""
        if self.config.authorizer is None:
            return False
        return action != "register" or not any(
            uri == procedure or (match != uris.EXACT and overlaps(_Exactly(procedure), uri, match))
            for procedure in self._authorizers
        )

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

    def _covering(self, uri: str, match: str) -> Permission | None:
        """Find the permission that decides about a whole pattern."""
        return min((p for p in self._permissions if covers(p, uri, match)), key=precedence, default=None)

    def _forbidding(self, best: Permission | None, action: Action, uri: str, match: str) -> Permission | None:
        """Find a permission that goes before ``best`` and forbids a part of a pattern."""
        for other in self._permissions:
            goes_before = best is None or precedence(other) < precedence(best)
            if goes_before and action not in other.allow and overlaps(other, uri, match):
                return other
        return None


class _Exactly(Struct):
    """A URI as a pattern."""

    uri: str
    match: str = uris.EXACT


def compile_roles(
    roles: dict[str, RoleConfig],
    uri_rules: str,
    uri_length: int,
    reserved: tuple[str, ...] = uris.RESERVED,
) -> dict[str, Role]:
    """Compile every role of a realm: name -> Role."""
    authorizers = frozenset(config.authorizer for config in roles.values() if config.authorizer is not None)
    return {
        name: Role(name, config, uri_rules, uri_length, reserved, authorizers)
        for name, config in roles.items()
    }


def shortened(value: object) -> str:
    """Show what a client sent, in a text of bounded length."""
    if isinstance(value, str | int | float | None):
        return f"{value!r:.100}"
    return f"a {type(value).__name__}"


def _remember(cache: dict[K, Grant], key: K, uri: str, verdict: Verdict) -> Grant:
    grant = verdict.grant
    if verdict.rule != "invalid" and len(uri) <= MAX_CACHED_LENGTH:
        if len(cache) >= MAX_CACHED:
            cache.clear()
        cache[key] = grant
    return grant
