"""
What an authorizer answers, read into values.

    true | false | null
    {"allow": true | false | null, "disclose": bool, "trust_level": int, "cache": ..., "ttl_ms": int}

``null`` leaves it to the role's permissions. ``disclose``: whether the other side learns who calls or
publishes; without it, when one of them asks. ``cache``: ``false``, ``true``, or for whom the answer
counts: ``"session"``, ``"authid"``, ``"role"``. Whatever else an answer says is a mistake: nothing is
allowed by an answer that is not understood.
"""

from typing import Any, Final, Literal, get_args

from msgspec import Struct

from realms.authorization.config import MAX_TRUST_LEVEL, MAX_TTL_MS, Authorization, Scope

SCOPES: Final = tuple(scope for scope in get_args(Scope) if scope != "never")
KEYS: Final = ("allow", "disclose", "trust_level", "cache", "ttl_ms")


class BadAnswer(ValueError):
    """``str()`` says what is wrong with it."""


class Decision(Struct, frozen=True):
    """
    An answer; ``allow`` is ``None`` where it is left to the permissions.

    ``scope``: for whom it counts, for ``ttl_ms`` milliseconds.
    """

    allow: bool | None
    disclosure: Literal["on_request", "always", "never"] = "on_request"
    trust_level: int | None = None
    scope: Scope = "never"
    ttl_ms: int = 0


def read_answer(args: list[Any], kwargs: dict[str, Any], settings: Authorization) -> Decision:
    """
    Read the result of an authorizer's call.

    Raises:
        BadAnswer: it is none of those above.
    """
    if len(args) != 1 or kwargs:
        raise BadAnswer(f"expected one value, got {len(args)} and {len(kwargs)} by name")
    value = args[0]
    if value is None or isinstance(value, bool):
        return Decision(value, scope=settings.cache, ttl_ms=settings.ttl_ms)
    if not isinstance(value, dict):
        raise BadAnswer(f"expected true, false, null or a mapping, got {_shown(value)}")
    unknown = [key for key in value if key not in KEYS]
    if unknown:
        raise BadAnswer(f"unknown key {_shown(unknown[0])}; allowed: {', '.join(KEYS)}")
    if "allow" not in value:
        raise BadAnswer("a mapping needs the key 'allow'")
    return Decision(
        _of_type(value, "allow", bool),
        disclosure=_disclosure(_of_type(value, "disclose", bool)),
        trust_level=_number(value, "trust_level", 0, MAX_TRUST_LEVEL),
        scope=_scope(value.get("cache"), settings.cache),
        ttl_ms=_ttl(value, settings.ttl_ms),
    )


def _disclosure(disclose: bool | None) -> Literal["on_request", "always", "never"]:
    if disclose is None:
        return "on_request"
    return "always" if disclose else "never"


def _scope(cache: object, default: Scope) -> Scope:
    if cache is None:
        return default
    if cache is False:
        return "never"
    if cache is True:
        return "session" if default == "never" else default
    if cache not in SCOPES:
        raise BadAnswer(f"'cache' must be true, false or one of {', '.join(SCOPES)}, got {_shown(cache)}")
    return cache  # type: ignore[return-value]  # it is one of them


def _ttl(value: dict[str, Any], default: int) -> int:
    ttl_ms = _number(value, "ttl_ms", 0, MAX_TTL_MS)
    return default if ttl_ms is None else ttl_ms


def _of_type(value: dict[str, Any], key: str, kind: type[Any]) -> Any:
    found = value.get(key)
    if found is not None and type(found) is not kind:
        raise BadAnswer(f"'{key}' must be a {kind.__name__} or null, got {_shown(found)}")
    return found


def _number(value: dict[str, Any], key: str, low: int, high: int) -> int | None:
    found: int | None = _of_type(value, key, int)
    if found is not None and not low <= found <= high:
        raise BadAnswer(f"'{key}' must be {low} to {high}, got {found}")
    return found


def _shown(value: object) -> str:
    return f"{value!r:.100}" if isinstance(value, str | int | float) else f"a {type(value).__name__}"
