"""
WAMP URIs: the rules that make one valid, and every predefined one as a constant.

The rules are those of WAMP BP 'URIs'. "Loose" forbids white space, ``#`` and
empty components; "strict" allows lower-case letters, digits and ``_`` only.
A pattern (prefix, wildcard) may have empty components where the policy says so.
"""

import re
from typing import Final, Literal

MatchPolicy = Literal["exact", "prefix", "wildcard"]
UriRules = Literal["loose", "strict"]

EXACT: Final = "exact"
PREFIX: Final = "prefix"
WILDCARD: Final = "wildcard"
MATCH_POLICIES: Final = (EXACT, PREFIX, WILDCARD)

_LOOSE: Final = r"[^\s.#\x00-\x1f]"
_STRICT: Final = r"[0-9a-z_]"


def _patterns(char: str) -> dict[str, re.Pattern[str]]:
    return {
        EXACT: re.compile(rf"{char}+(?:\.{char}+)*"),
        # A prefix is matched by characters, so it may end anywhere, "" included.
        PREFIX: re.compile(rf"(?:{char}+(?:\.{char}+)*\.?)?"),
        WILDCARD: re.compile(rf"{char}*(?:\.{char}*)*"),
    }


_PATTERNS: Final = {"loose": _patterns(_LOOSE), "strict": _patterns(_STRICT)}


def is_valid(uri: str, match: str = EXACT, rules: str = "loose") -> bool:
    """Tell whether ``uri`` may be used with the match policy ``match`` under ``rules``."""
    return _PATTERNS[rules][match].fullmatch(uri) is not None


# Procedures and topics under these belong to the router and its realm extensions.
RESERVED: Final = ("wamp.", "concord.", "dstm.")


def is_reserved(uri: str) -> bool:
    """Tell whether ``uri`` lies in a namespace that only the router may register or publish in."""
    return uri.startswith(RESERVED) or f"{uri}." in RESERVED


# WAMP BP 'URIs': errors
INVALID_URI: Final = "wamp.error.invalid_uri"
NO_SUCH_PROCEDURE: Final = "wamp.error.no_such_procedure"
PROCEDURE_ALREADY_EXISTS: Final = "wamp.error.procedure_already_exists"
NO_SUCH_REGISTRATION: Final = "wamp.error.no_such_registration"
NO_SUCH_SUBSCRIPTION: Final = "wamp.error.no_such_subscription"
INVALID_ARGUMENT: Final = "wamp.error.invalid_argument"
CANCELED: Final = "wamp.error.canceled"
PAYLOAD_SIZE_EXCEEDED: Final = "wamp.error.payload_size_exceeded"
FEATURE_NOT_SUPPORTED: Final = "wamp.error.feature_not_supported"
PROTOCOL_VIOLATION: Final = "wamp.error.protocol_violation"
NOT_AUTHORIZED: Final = "wamp.error.not_authorized"
AUTHORIZATION_FAILED: Final = "wamp.error.authorization_failed"
NO_SUCH_REALM: Final = "wamp.error.no_such_realm"
NO_SUCH_ROLE: Final = "wamp.error.no_such_role"

# WAMP AP: errors
TIMEOUT: Final = "wamp.error.timeout"
OPTION_DISALLOWED_DISCLOSE_ME: Final = "wamp.error.option_disallowed.disclose_me"
OPTION_NOT_ALLOWED: Final = "wamp.error.option_not_allowed"
NO_ELIGIBLE_CALLEE: Final = "wamp.error.no_eligible_callee"
UNAVAILABLE: Final = "wamp.error.unavailable"
NO_AVAILABLE_CALLEE: Final = "wamp.error.no_available_callee"
NO_SUCH_SESSION: Final = "wamp.error.no_such_session"
NO_SUCH_PRINCIPAL: Final = "wamp.error.no_such_principal"
NO_MATCHING_AUTH_METHOD: Final = "wamp.error.no_matching_auth_method"
AUTHENTICATION_DENIED: Final = "wamp.error.authentication_denied"
AUTHENTICATION_FAILED: Final = "wamp.error.authentication_failed"

# This router's own: what a limit says, and what a defect of ours says.
LIMIT_EXCEEDED: Final = "concord.error.limit_exceeded"
INTERNAL_ERROR: Final = "concord.error.internal_error"

# Every predefined error, and the router's own
ERRORS: Final = frozenset(
    value for name, value in list(globals().items()) if name.isupper() and ".error." in str(value)
)

# Reasons why a subscription or a registration was revoked, beside NOT_AUTHORIZED.
REVOKED_REMOVED: Final = "concord.revoked.removed"  # by a meta procedure
REVOKED_REPLACED: Final = "concord.revoked.replaced"  # by a callee that registered with force_reregister

# Reasons for a close
SYSTEM_SHUTDOWN: Final = "wamp.close.system_shutdown"
CLOSE_REALM: Final = "wamp.close.close_realm"
GOODBYE_AND_OUT: Final = "wamp.close.goodbye_and_out"
LOGOUT: Final = "wamp.close.logout"
NORMAL: Final = "wamp.close.normal"
KILLED: Final = "wamp.close.killed"
