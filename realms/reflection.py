"""
Reflection: which procedures, topics and errors a realm has, and what they are.

Rules of this file:

- What is described comes from the realm's file, and from the sessions that provide it; the file has the
  last word. What a session has defined is there as long as the session is.
- A session is shown what it may use: a procedure that it may call or register, a topic that it may
  publish or subscribe. Errors are shown to all. Permissions decide; no authorizer is asked.
- What is hidden is like what is not there.
- Descriptions are told, and never enforced.

WAMP AP 'Interface Reflection' is a sketch: decision 0014 says what was chosen.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from realms.authorization.config import Action
from realms.catalogue import KINDS, SCHEMAS, Catalogue, Key, descriptions
from realms.permissions import Role
from router.routing.dealer import Dealer
from router.routing.matching import MAX_SHAPES, PatternTable, TooManyShapes
from router.routing.meta import MetaProcedure, MetaResult, checked
from router.routing.options import Refused, choice
from router.routing.outputs import Announcement, Outputs
from router.routing.session import Session
from router.wamp import uris

ON_DEFINE: Final = "wamp.reflect.on_define"
ON_UNDEFINE: Final = "wamp.reflect.on_undefine"
MAX_DESCRIPTION_BYTES: Final = 65_536
MAX_SHOWN: Final = 50_000  # decisions that a role remembers

Description = dict[str, Any]
Args = Sequence[Any]
Kwargs = Mapping[str, Any]

# kind -> what a session may do that is shown something of it
_USES: Final[dict[str, tuple[Action, ...]]] = {
    "procedure": ("call", "register"),
    "topic": ("publish", "subscribe"),
}

# key of a description that a session gives -> what its value is
_TEXTS: Final = ("title", "description")
_KEYS: Final = (*_TEXTS, *SCHEMAS, "errors", "deprecated")


class Reflection:
    """
    What one realm offers.

    ``procedures`` is URI -> meta procedure. ``definitions_per_session`` bounds what a session describes.
    """

    def __init__(self, dealer: Dealer, definitions_per_session: int) -> None:
        self.definitions_per_session = definitions_per_session
        self._dealer = dealer
        self._configured: dict[Key, Description] = {}
        self._defined: dict[Key, dict[int, Description]] = {}  # key -> session id -> description
        self._keys_of: dict[int, dict[Key, None]] = {}  # session id -> what it has defined
        self._tables: dict[str, PatternTable[Key]] = {kind: PatternTable() for kind in KINDS}
        methods: dict[str, tuple[MetaProcedure, int, tuple[str, ...]]] = {
            "wamp.reflect.define": (self._define, 2, ("kind", "match")),
            "wamp.reflect.describe": (self._describe_all, 1, ("match",)),
        }
        for kind in KINDS:
            methods[f"wamp.reflection.{kind}.list"] = (partial(self._list, kind), 0, ("match",))
            methods[f"wamp.reflection.{kind}.describe"] = (partial(self._describe, kind), 1, ("match",))
        self.procedures: dict[str, MetaProcedure] = {
            uri: partial(checked, method, positional, keywords)
            for uri, (method, positional, keywords) in methods.items()
        }

    def configure(self, catalogue: Catalogue) -> Outputs:
        """
        Take the catalogue of the realm's file in place of the former one.

        Outputs: ``on_undefine`` for what is gone, ``on_define`` for what is new or described otherwise.
        """
        before = {key: self._shown(key) for key in (*self._configured, *self._defined)}
        self._configured = descriptions(catalogue)
        now = {key: self._shown(key) for key in (*self._configured, *self._defined)}
        self._tables = {kind: PatternTable(len(now) + MAX_SHAPES) for kind in KINDS}
        for key in now:
            self._tables[key[0]].insert(key[1], key[2], key)
        outputs: Outputs = [_announcement(ON_UNDEFINE, key) for key in before if key not in now]
        return outputs + [
            _announcement(ON_DEFINE, key) for key, shown in now.items() if before.get(key) != shown
        ]

    def leave(self, session: Session) -> Outputs:
        """
        Forget what ``session`` has defined.

        Outputs: ``on_undefine`` for each, or ``on_define`` where another session's description counts now.
        """
        outputs: Outputs = []
        for key in self._keys_of.pop(session.id, ()):
            outputs += self._undefine(session.id, key)
        return outputs

    def described(self) -> dict[Key, Description]:
        """Give (kind, match, uri) -> description, all that there are."""
        return {key: self._shown(key) or {} for key in {**self._configured, **self._defined}}

    def _shown(self, key: Key) -> Description | None:
        """Give the description that counts: the file's, else the one that was defined last."""
        found = self._configured.get(key)
        if found is None:
            defined = self._defined.get(key)
            found = None if not defined else next(reversed(defined.values()))
        return found

    def _define(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        uri = _uri(args)
        kind = choice(kwargs, "kind", KINDS)
        match = choice(kwargs, "match", uris.MATCH_POLICIES)
        if match != uris.EXACT and kind != "procedure":
            raise Refused(uris.INVALID_ARGUMENT, f"match={match!r} is for procedures: a {kind} is exact")
        if not uris.is_valid(uri, match):
            raise Refused(uris.INVALID_URI, f"{uri!r:.100} is no valid URI for match {match!r}")
        key = (kind, match, uri)
        if len(args) < 2 or args[1] is None:
            if key not in self._keys_of.get(caller.id, ()):
                raise Refused(uris.INVALID_ARGUMENT, f"this session has not defined the {kind} {uri!r:.100}")
            del self._keys_of[caller.id][key]
            return MetaResult(outputs=self._undefine(caller.id, key))
        description = _checked_description(args[1])
        if not _may_provide(caller, kind, match, uri):
            text = f"who may not provide the {kind} {uri!r:.100} may not define it"
            raise Refused(uris.NOT_AUTHORIZED, text)
        if key in self._configured:
            text = f"the {kind} {uri!r:.100} is described by the realm's configuration"
            raise Refused(uris.NOT_AUTHORIZED, text)
        self._keep(caller.id, key, description)
        return MetaResult(outputs=[_announcement(ON_DEFINE, key)])

    def _keep(self, session: int, key: Key, description: Description) -> None:
        keys = self._keys_of.get(session, {})
        most = self.definitions_per_session
        if key not in keys and len(keys) >= most:
            raise Refused(uris.LIMIT_EXCEEDED, f"definitions_per_session={most} is reached")
        try:
            self._tables[key[0]].insert(key[1], key[2], key)
        except TooManyShapes as limit:
            raise Refused(uris.LIMIT_EXCEEDED, str(limit)) from None
        defined = self._defined.setdefault(key, {})
        defined.pop(session, None)
        defined[session] = description
        self._keys_of[session] = {**keys, key: None}

    def _undefine(self, session: int, key: Key) -> Outputs:
        shown = self._shown(key)
        defined = self._defined[key]
        del defined[session]
        if not defined:
            del self._defined[key]
        now = self._shown(key)
        if now is None:
            self._tables[key[0]].remove(key[1], key[2])
            return [_announcement(ON_UNDEFINE, key)]
        return [] if now is shown else [_announcement(ON_DEFINE, key)]

    def _list(self, kind: str, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        match = choice(kwargs, "match", uris.MATCH_POLICIES)
        found = {uri for of, how, uri in (*self._configured, *self._defined) if (of, how) == (kind, match)}
        if kind == "procedure":
            found |= self._registered(match)
        return MetaResult([sorted(uri for uri in found if _may_use(caller, kind, match, uri))])

    def _registered(self, match: str) -> set[str]:
        found = map(self._dealer.get, self._dealer.registrations_by_policy()[match])
        return {registration.procedure for registration in found if registration is not None}

    def _describe(self, kind: str, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        return MetaResult([self._told(caller, kind, _uri(args), kwargs)])

    def _describe_all(self, caller: Session, args: Args, kwargs: Kwargs) -> MetaResult:
        found = {kind: self._told(caller, kind, _uri(args), kwargs) for kind in KINDS}
        return MetaResult([{kind: told for kind, told in found.items() if told is not None}])

    def _told(self, caller: Session, kind: str, uri: str, kwargs: Kwargs) -> Description | None:
        """Give the description of what is at ``uri``: with ``match`` exactly that, else what matches best."""
        asked = kwargs.get("match")
        match = None if asked is None else choice(kwargs, "match", uris.MATCH_POLICIES)
        if not uris.is_valid(uri, match or uris.EXACT):
            return None
        table = self._tables[kind]
        key = table.best(uri) if match is None else table.get(match, uri)
        registration = None
        if kind == "procedure" and not uris.is_reserved(uri):
            lookup = self._dealer.match(uri) if match is None else self._dealer.lookup(uri, match)
            registration = None if lookup is None else self._dealer.get(lookup)
        if key is None and registration is not None:
            key = (kind, registration.match, registration.procedure)
        if key is None or not _may_use(caller, *key):
            return None
        told: Description = {"uri": key[2], "match": key[1], **(self._shown(key) or {})}
        if kind == "procedure":
            told["registered"] = registration is not None
        return told


def _announcement(topic: str, key: Key) -> Announcement:
    kind, match, uri = key
    return Announcement(topic, [uri, {"kind": kind, "match": match}])


def _may_use(session: Session, kind: str, match: str, uri: str) -> bool:
    """Decide whether a session is shown something; its role remembers it, for lists may be long."""
    if kind == "error":
        return True
    role: Role = session.role
    known = role.shown.get((kind, match, uri))
    if known is None:
        if len(role.shown) >= MAX_SHOWN:
            role.shown.clear()
        known = any(role.judge(action, uri, match).grant.error is None for action in _USES[kind])
        role.shown[kind, match, uri] = known
    return known


def _may_provide(session: Session, kind: str, match: str, uri: str) -> bool:
    role: Role = session.role
    provide: dict[str, tuple[Action, ...]] = {
        "procedure": ("register",),
        "topic": ("publish",),
        "error": ("register", "publish"),
    }
    return any(role.judge(action, uri, match).grant.error is None for action in provide[kind])


def _uri(args: Args) -> str:
    uri = args[0] if args else None
    if not isinstance(uri, str):
        raise Refused(uris.INVALID_ARGUMENT, "uri must be a string")
    return uri


def _checked_description(value: Any) -> Description:
    """Check what a session says of something; ``None`` in it is absent."""
    if not isinstance(value, dict):
        raise Refused(uris.INVALID_ARGUMENT, "description must be a dict")
    given = {name: each for name, each in value.items() if each is not None}
    for name, each in given.items():
        is_right = _CHECKS.get(name)
        if is_right is None:
            text = f"unknown key {str(name)!r:.40} of a description; allowed: {', '.join(_KEYS)}"
            raise Refused(uris.INVALID_ARGUMENT, text)
        if not is_right[0](each):
            raise Refused(uris.INVALID_ARGUMENT, f"{name} must be {is_right[1]}")
    if len(repr(given)) > MAX_DESCRIPTION_BYTES:
        text = f"a description has at most {MAX_DESCRIPTION_BYTES} bytes"
        raise Refused(uris.LIMIT_EXCEEDED, text)
    return given


def _is_list_of_uris(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(uri, str) and uris.is_valid(uri) for uri in value)


_CHECKS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    **{name: (lambda value: isinstance(value, str), "a string") for name in _TEXTS},
    **{name: (lambda value: isinstance(value, dict), "a JSON Schema: a dict") for name in SCHEMAS},
    "errors": (_is_list_of_uris, "a list of URIs"),
    "deprecated": (lambda value: isinstance(value, bool), "true or false"),
}
