"""The realm that the client is tested in."""

from typing import Any

from autobahn.wamp.auth import derive_key
from client_router import SALTED, SECRETS

# One for each test that writes: what one does is not seen by another.
SPACES = ("plain", "several", "paged", "watched", "arrays", "lost", "conflict", "lines", "twice")


def realm() -> dict[str, Any]:
    """Give the realm's configuration, as YAML has it."""
    derived = derive_key(SECRETS["sally"], **SALTED).decode()
    everything = {"uri": "", "match": "prefix", "allow": ["call", "register", "publish", "subscribe"]}
    forbidden = {"uri": "com.forbidden", "allow": []}
    return {
        "roles": {
            "guest": {"permissions": [{**everything, "disclosure": "on_request"}, forbidden]},
            "member": {"permissions": [everything]},
        },
        "authentication": {
            "anonymous": {"role": "guest"},
            "ticket": {"principals": {"tina": {"role": "member", "secret": SECRETS["tina"]}}},
            "wampcra": {
                "principals": {
                    "carl": {"role": "member", "secret": SECRETS["carl"]},
                    "sally": {"role": "member", "secret": derived, **SALTED},
                }
            },
        },
        "extensions": {"dstm": {"spaces": {name: {"log": "memory"} for name in SPACES}}},
    }
