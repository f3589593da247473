"""
A session as the routing core sees it: who it is, what it can do, what it holds.

The tables here are indexes into the broker's and the dealer's state, kept by
them alone, so that ``leave`` costs what the session holds and not what the realm
holds.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from router.wamp import uris

if TYPE_CHECKING:
    from router.routing.dealer import PendingCall, Registration
    from router.routing.placing import QueuedCall
    from router.routing.subscriptions import Subscription
    from router.wamp.serializers import Serializer

# The roles that a client can have (WAMP BP 'Role and Feature Announcement').
CLIENT_ROLES: Final = frozenset({"caller", "callee", "publisher", "subscriber"})

# No feature of the specification has a longer name, and no role half as many.
MAX_NAME: Final = 64
MAX_FEATURES: Final = 100

# How errors are counted that are not the router's own: their URIs are without number.
APPLICATION: Final = "application"

# Two spellings of one feature: the specification's text uses both.
_SPELLINGS = {"call_cancelling": "call_canceling"}


# Autobahn|Python, known by the two that it alone announces, fails on an UNSUBSCRIBED that it did not ask
# for, and loses its session; it announces subscription revocation all the same (26.10).
_AUTOBAHN_PYTHON: Final = frozenset(
    {"subscriber.payload_transparency", "subscriber.payload_encryption_cryptobox"}
)
_CLAIMED: Final = frozenset({"subscriber.subscription_revocation"})


class Session:
    """
    One joined peer.

    ``role`` is the realm's compiled permissions for ``authrole`` and ``link`` is the
    shell's end of the connection; the routing core touches neither.
    """

    __slots__ = (
        "__weakref__",
        "authextra",
        "authid",
        "authmethod",
        "authprovider",
        "authrole",
        "calls",
        "details",
        "errors",
        "features",
        "id",
        "invocations",
        "kept_call_bytes",
        "last_request_id",
        "link",
        "next_invocation_id",
        "registrations",
        "role",
        "serializer",
        "subscriptions",
        "transport",
    )

    def __init__(
        self,
        session_id: int,
        authid: str = "",
        authrole: str = "anonymous",
        *,
        authmethod: str = "anonymous",
        authprovider: str = "static",
        authextra: Mapping[str, Any] | None = None,
        features: Iterable[str] = (),
        serializer: "Serializer | None" = None,
        transport: Mapping[str, Any] | None = None,
        role: Any = None,
        link: Any = None,
        errors: Counter[str] | None = None,
    ) -> None:
        self.id = session_id
        self.authid = authid
        self.authrole = authrole
        self.authmethod = authmethod
        self.authprovider = authprovider
        self.authextra = authextra
        self.features = frozenset(features)  # "callee.call_canceling", ...
        self.serializer = serializer
        self.transport = transport  # what wamp.session.get tells of the connection
        self.role = role
        self.link = link
        self.details: dict[str, Any] | None = None  # what wamp.session.modify_details has added
        self.errors = Counter[str]() if errors is None else errors  # ERRORs by URI; one for a whole realm
        self.last_request_id = 0
        self.kept_call_bytes = 0  # of those of its calls that wait, or that another callee could take
        self.next_invocation_id = 1
        self.subscriptions: dict[int, Subscription] = {}  # subscription id -> Subscription
        self.registrations: dict[int, Registration] = {}  # registration id -> Registration
        self.calls: dict[int, PendingCall | QueuedCall] = {}  # CALL.request -> call, as caller
        self.invocations: dict[int, PendingCall] = {}  # INVOCATION.request -> call, as callee

    def __repr__(self) -> str:
        return f"<Session {self.id} {self.authid!r} as {self.authrole!r}>"

    def note_error(self, error: str) -> None:
        """Count an ERROR that this session is told; what others made up counts as ``APPLICATION``."""
        self.errors[error if error in uris.ERRORS else APPLICATION] += 1

    def supports(self, feature: str) -> bool:
        """Tell whether the peer announced ``feature``, written ``"<role>.<feature>"``."""
        return feature in self.features


def announced_features(roles: Mapping[str, Any]) -> frozenset[str]:
    """
    Read ``HELLO.Details.roles`` into a set of ``"<role>"`` and ``"<role>.<feature>"``.

    A feature counts only where its value is ``true`` (WAMP BP 'Role and Feature Announcement').
    What is kept for each session is bounded: names of up to ``MAX_NAME`` characters, and of the
    features those within the first ``MAX_FEATURES`` of each role.
    """
    found: set[str] = set()
    for role in CLIENT_ROLES & roles.keys():
        attributes = roles[role]
        found.add(role)
        features = attributes.get("features") if isinstance(attributes, Mapping) else None
        if isinstance(features, Mapping):
            found.update(
                f"{role}.{_SPELLINGS.get(name, name)}"
                for name, on in islice(features.items(), MAX_FEATURES)
                if on is True and len(name) <= MAX_NAME
            )
    return frozenset(found - _CLAIMED if found >= _AUTOBAHN_PYTHON else found)
