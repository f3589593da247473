"""The realm that the client is tested in."""

from pathlib import Path
from typing import Any

import yaml
from autobahn.wamp.auth import derive_key
from client_router import MADE, SALTED, SECRETS
from processes import run

# One for each test that writes: what one does is not seen by another.
SPACES = ("plain", "several", "paged", "watched", "arrays", "lost", "conflict", "lines", "twice")

# A realm in which nothing is allowed.
CLOSED = {"roles": {"guest": {}}, "authentication": {"anonymous": {"role": "guest"}}}


def made(directory: Path) -> dict[str, Any]:
    """Make credentials by ``concord secret`` in ``directory``; give the sections of ``authentication``."""
    sections: dict[str, Any] = {}
    for kind, authid, *more in MADE:
        source = ["--password-env", "PASSWORD"] if authid in SECRETS else []
        password = {"PASSWORD": SECRETS.get(authid, "")}
        done = run("concord", "secret", kind, authid, "member", *source, *more, cwd=directory, **password)
        section = yaml.safe_load(done.stdout)["authentication"][kind]
        sections.setdefault(kind, {"principals": {}})["principals"] |= section["principals"]
    return sections


def realm(directory: Path) -> dict[str, Any]:
    """Give the realm's configuration, as YAML has it; keys of clients are made in ``directory``."""
    derived = derive_key(SECRETS["sally"], **SALTED).decode()
    everything = {"uri": "", "match": "prefix", "allow": ["call", "register", "publish", "subscribe"]}
    forbidden = {"uri": "com.forbidden", "allow": []}
    return {
        "roles": {
            "guest": {"permissions": [{**everything, "disclosure": "on_request"}, forbidden]},
            "member": {"permissions": [everything]},
        },
        "authentication": {
            **made(directory),
            "anonymous": {"role": "guest"},
            "cookie": {},
            "failures": {"enabled": False},  # the tests fail on purpose, more often than a guesser may
            "ticket": {"principals": {"tina": {"role": "member", "secret": SECRETS["tina"]}}},
            "wampcra": {
                "principals": {
                    "carl": {"role": "member", "secret": SECRETS["carl"]},
                    "sally": {"role": "member", "secret": derived, **SALTED},
                }
            },
        },
        "management": {"roles": ["member"], "scope": "node", "stats_interval_ms": 100},
        "extensions": {"dstm": {"spaces": {name: {"log": "memory"} for name in SPACES}}},
    }
