"""
The features that WELCOME announces.

Announced = implemented = tested: ``docs/conformance.md`` names, for each entry, the function
that implements it and the test that holds it, and a test compares the two lists.
"""

from typing import Any, Final

BROKER: Final = (
    "event_history",
    "event_retention",
    "pattern_based_subscription",
    "payload_passthru_mode",
    "publication_trustlevels",
    "publisher_exclusion",
    "publisher_identification",
    "session_meta_api",
    "sharded_subscription",
    "subscriber_blackwhite_listing",
    "subscription_meta_api",
    "subscription_revocation",
    "topic_reflection",
)

DEALER: Final = (
    "call_canceling",
    "call_reroute",
    "call_timeout",
    "call_trustlevels",
    "caller_identification",
    "pattern_based_registration",
    "payload_passthru_mode",
    "procedure_reflection",
    "progressive_call_invocations",
    "progressive_call_results",
    "registration_meta_api",
    "registration_revocation",
    "session_meta_api",
    "sharded_registration",
    "shared_registration",
    "testament_meta_api",
)

# Features that are procedures of the meta API, and end with it.
_META: Final = (
    "event_history",
    "procedure_reflection",
    "registration_meta_api",
    "session_meta_api",
    "subscription_meta_api",
    "testament_meta_api",
    "topic_reflection",
)


def welcome_roles(meta_api: bool = True) -> dict[str, Any]:
    """
    Make ``WELCOME.Details.roles`` (WAMP BP 'Role and Feature Announcement').

    Reflection is announced beside the features, as its own section wants it, and among them.
    """
    reflection = {"reflection": True} if meta_api else {}
    return {
        role: {"features": {name: True for name in names if meta_api or name not in _META}, **reflection}
        for role, names in (("broker", BROKER), ("dealer", DEALER))
    }
